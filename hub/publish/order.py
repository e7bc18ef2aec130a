"""In which commits the files of a release become visible.

How it works
- A reader of a branch must never see a card or a table that promises what is not there, nor a tar that is not
  the one which the table beside it was made of. So everything becomes visible in one commit, as far as a Hub
  takes that many files in one (`Limits.commit_files`).
- When there are more, data at paths where nothing stood goes ahead, loose samples before shards: no table
  that readers have names those paths yet. The last commit holds what readers go by (card, csv and JSON lines,
  tables, manifest), everything that is replaced or deleted, and as much of the rest as fits.
- A change that replaces more than a Hub advises stays one commit all the same: half of it would be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sparkle.builders.manifest import FileEntry
from sparkle.schemas import layout
from sparkle.schemas.errors import RecordError
from sparkle.schemas.ids import THEMES, parse_id


@dataclass(frozen=True)
class Batch:
    """What one commit holds.

    Attributes:
        puts: Files that are new or replaced, sorted by path.
        deletes: Paths that go, sorted.
    """

    puts: tuple[FileEntry, ...]
    deletes: tuple[str, ...] = ()


def is_sample(path: str) -> bool:
    """Whether a path of a release is an artifact that stands loose."""
    stem = PurePosixPath(path).stem
    try:
        parse_id(stem)
    except RecordError:
        return False
    return any(kind.path(stem) == path for kind in layout.KINDS)


def is_shard(path: str) -> bool:
    """Whether a path of a release is a tar."""
    return path.endswith(".tar")


def is_data(path: str) -> bool:
    """Whether a path of a release is one that readers find by tables, not one that they go by."""
    return is_shard(path) or is_sample(path)


def is_ours(path: str) -> bool:
    """Whether a path is one where nothing but a release has data."""
    paired = layout.webdataset_shard("", 0).partition("/")[0] + "/"
    parts = any(kind.part(theme, path) is not None for theme in THEMES for kind in layout.KINDS)
    return parts or is_sample(path) or (is_shard(path) and path.startswith(paired))


def batches(
    new: Sequence[FileEntry], replaced: Sequence[FileEntry], deletes: Sequence[str], limit: int | None
) -> list[Batch]:
    """The commits that a release takes, in order; none when there is nothing to do.

    Args:
        new: Files at paths where nothing stands.
        replaced: Files at paths where something else stands.
        deletes: Paths that go.
        limit: Files a commit; None for as many as there are.
    """
    if not (new or replaced or deletes):
        return []
    data = sorted((entry for entry in new if is_data(entry.path)), key=_early)
    last = [entry for entry in new if not is_data(entry.path)] + list(replaced)
    room = len(data) if limit is None else max(0, limit - len(last) - len(deletes))
    ahead, rest = data[: max(0, len(data) - room)], data[max(0, len(data) - room) :]
    step = limit or len(data) or 1
    early = [Batch(_by_path(ahead[start : start + step])) for start in range(0, len(ahead), step)]
    return [*early, Batch(_by_path([*last, *rest]), tuple(sorted(deletes)))]


def sending_order(entries: Sequence[FileEntry]) -> list[FileEntry]:
    """Files in the order in which they are sent: shards, loose samples, then what readers go by."""
    rank = {True: 0, False: 1}
    return sorted(
        entries, key=lambda entry: (rank[is_data(entry.path)], rank[is_shard(entry.path)], entry.path)
    )


def _early(entry: FileEntry) -> tuple[bool, str]:
    return is_shard(entry.path), entry.path


def _by_path(entries: Sequence[FileEntry]) -> tuple[FileEntry, ...]:
    return tuple(sorted(entries, key=lambda entry: entry.path))
