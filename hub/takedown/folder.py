"""Samples leave a release in a folder, which is replaced in one go.

How it works
- What stays is written as a release (`ReleaseOrigin`, `writer`) into a folder beside the old one, where every
  file that does not change is a link; then it takes the old one's place (`staging`). A kill at any moment
  leaves the old release or the new one, and a rerun does what was not done.
- The same samples removed twice: the second time there is nothing left to do.
- Links to the old release's files are all that is deleted: a run that made the samples, or another folder
  that shares files with the release, still has them. Tags of a published folder are such folders
  (`tags_with`).
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparkle._progress import Progress, silent
from sparkle.builders.building.pack import Journal
from sparkle.builders.building.writer import Written, write_release
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.release.read_tables import read_columns
from sparkle.builders.release.staging import aside_folder, refuse_foreign, remove_others, staged
from sparkle.builders.takedown.origin import ReleaseOrigin
from sparkle.schemas import layout


@dataclass(frozen=True)
class FolderTakedown:
    """What a takedown in a folder did.

    Attributes:
        removal: What left, and what is left.
        edited: What was written; None when there was nothing left to do.
    """

    removal: ReleaseOrigin
    edited: Written | None


def folder_of(name: str) -> Path | None:
    """The folder that a name means, also when a kill left its release aside; None for a repository."""
    folder = Path(name)
    return folder if folder.is_dir() or (folder.name and aside_folder(folder.absolute()).is_dir()) else None


class _NothingToDoError(Exception):
    """Everything was removed before: the release stays as it is."""


def take_down(
    folder: Path,
    ids: Sequence[str],
    sources: Sequence[str],
    progress: Progress = silent,
    *,
    say: Callable[[ReleaseOrigin], None] = lambda removal: None,
) -> FolderTakedown:
    """Take samples out of a release in a folder.

    Args:
        folder: The release.
        ids: Ids to remove.
        sources: Sources of which every sample is removed, as the release's tables have them.
        progress: Reports progress.
        say: Told what is going to be done, before anything is written.

    Raises:
        RecordError: an id cannot be one.
        ReleaseError: it is no release, has no such id or source and never had, is not whole where it has to
            be read, or another process works on it. The folder is as it was.
    """
    folder = folder.resolve()
    try:
        with staged(folder, lambda: refuse_foreign(folder)) as target:
            removal = plan(folder, ids, sources)
            if not removal.ids:
                raise _NothingToDoError
            say(removal)
            remove_others(target, ())
            edited = write_release(removal, target, Journal(None, target), progress)
    except _NothingToDoError:
        return FolderTakedown(removal, None)
    return FolderTakedown(removal, edited)


def plan(folder: Path, ids: Sequence[str], sources: Sequence[str]) -> ReleaseOrigin:
    """Return what `take_down` would do; raises what it would raise of what was asked for."""
    return ReleaseOrigin(FolderPlace(folder.resolve()), ids, sources)


def tags_with(folder: Path, ids: Sequence[str], sources: Sequence[str]) -> list[Path]:
    """Tags and revisions of a published folder, `NAME@TAG` beside it, that still show samples.

    Raises:
        ReleaseError: a table of one cannot be read.
    """
    folder = folder.resolve()
    wanted = (("task", set(ids)), ("source_sha256", {source.lower() for source in sources}))
    found = []
    for tag in sorted(folder.parent.glob(f"{glob.escape(folder.name)}@*")):
        for table in sorted((tag / layout.DATA).glob("*/[!.]*.parquet")):
            rows = read_columns(table, [column for column, _ in wanted])
            if any(not values.isdisjoint(rows[column].to_pylist()) for column, values in wanted):
                found.append(tag)
                break
    return found
