"""What was taken down in a place does not come back by a publish.

A release that stands in a place records what was taken down of it (`sparkle.builders.removal`). One that is
to take its place and has such a pair, or another pair of such a source, was built without knowing of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from sparkle.builders.manifest import FileEntry
from sparkle.builders.removal import Removed
from sparkle.hub.publish.files import LocalFiles
from sparkle.hub.remotes.target import Standing, Target
from sparkle.schemas import layout
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.strict_json import parse_strict

_SHOWN = 3  # ids in a message


def refuse_returned(
    entries: Sequence[FileEntry],
    files: LocalFiles,
    standing: Standing,
    target: Target,
    say: Callable[[str], None],
) -> None:
    """Raise ReleaseError when a release has pairs that were taken down of the one that stands in a place.

    Args:
        entries: The files of the release.
        files: Where they are; tables that are not here are those that stand there already.
        standing: What stands in the place.
        target: The place.
        say: Told when the release does not record what was taken down there.
    """
    if standing.manifest is None or layout.PROVENANCE not in standing.files:
        return
    removed = _removed(target.read(layout.PROVENANCE), target.name)
    if not removed.ids and not removed.sources:
        return
    found = [sample_id for entry in entries for sample_id in _taken_down(entry, files, removed)]
    if found:
        more = f" ... ({len(found)} in all)" if len(found) > _SHOWN else ""
        raise ReleaseError(
            "the release has pairs that were taken down where it is to be published",
            got=", ".join(found[:_SHOWN]) + more,
            where=target.name,
            fix="`sparkle-hub takedown` on the release with these ids; or build it with --previous, given "
            "what is published there",
        )
    own = next((files.parcel(entry).file for entry in entries if entry.path == layout.PROVENANCE), None)
    if own is not None and not set(removed.ids) <= set(_removed(own.read_bytes(), str(own)).ids):
        say("note: this release does not record what was taken down there; a later build will not know of it")


def _removed(data: bytes, where: str) -> Removed:
    try:
        return Removed.of(parse_strict(data))
    except RecordError as error:
        raise ReleaseError(
            "it cannot be read what was taken down of a release",
            got=error.problem,
            where=f"{where} {layout.PROVENANCE}",
            fix="mend that file first: what was taken down must not come back",
        ) from None


def _taken_down(entry: FileEntry, files: LocalFiles, removed: Removed) -> list[str]:
    """The pairs of a table that were taken down."""
    file = files.parcel(entry).file
    if file is None or not (entry.path.startswith("data/") and entry.path.endswith(".parquet")):
        return []
    try:
        rows = pq.ParquetFile(file).read(["task", "source_sha256"]).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ReleaseError("a table cannot be read", got=error, where=file) from None
    return [
        row["task"]
        for row in rows
        if removed.has_id(row["task"]) or (row["source_sha256"] and removed.has_source(row["source_sha256"]))
    ]
