"""A folder that takes its place in one go, or not at all.

How it works, for a target `NAME`
- Work is done in `.NAME.building` beside it, on the same file system, and locked (flock: gone with the
  process), so that a target has one writer at a time.
- Then the old folder is renamed to `.NAME.old`, the new one to `NAME`, and the old one is deleted.
- A kill leaves the target as it was, except between the two renames: then `NAME` is missing and
  `.NAME.old` is whole. The next run puts it back first.
- What a killed or failed build finished stays in `.NAME.building`, as far as `.NAME.packed.jsonl` lists it
  (`journal`); without that list a build that fails leaves nothing.
- Nothing old is deleted before something new is whole: a `.NAME.old` that a kill left beside a `NAME`
  stays until the next swap.

What a build must not write over: a run, something that is no release, files that are not the release's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sparkle._files import exclusive, fsync_folder
from sparkle._folders import copy_command, is_snapshot
from sparkle.builders.release.manifest import list_files, read_manifest
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError


def building_folder(target: Path) -> Path:
    """Where a release for `target` is under way."""
    return target.with_name(f".{target.name}.building")


def aside_folder(target: Path) -> Path:
    """Where the release that was at `target` stands while another one takes its place."""
    return target.with_name(f".{target.name}.old")


def journal_path(target: Path) -> Path:
    """Where the finished tars of a release under way are listed."""
    return target.with_name(f".{target.name}.packed.jsonl")


@contextmanager
def staged(target: Path, check_target: Callable[[], None]) -> Iterator[Path]:
    """Yield a folder that replaces `target` when the block ends well.

    The folder holds what an earlier build left in it: the block clears away what it does not use
    (`remove_others`).

    Args:
        target: The folder to replace; resolved, so that its parent is the file system that holds it.
        check_target: Raises when what stands at `target` must not be replaced; called under the lock.

    Raises:
        ReleaseError: another process is at it.
    """
    staging, aside, journal = building_folder(target), aside_folder(target), journal_path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging.mkdir(exist_ok=True)
    busy = ReleaseError("another process is building this release", where=staging, fix="wait for it to end")
    with exclusive(staging, busy):
        try:
            _recover(target, aside)
            check_target()
            yield staging
            for folder, _, _ in os.walk(staging):
                fsync_folder(Path(folder))
            _swap(staging, target, aside)
            journal.unlink(missing_ok=True)
        finally:
            if not journal.exists():
                shutil.rmtree(staging, ignore_errors=True)


def remove_others(folder: Path, keep: Collection[str]) -> None:
    """Remove every file and link below a folder but some, and then folders that are empty.

    Args:
        folder: The folder.
        keep: Paths from it.
    """
    wanted = {folder / path for path in keep}
    for root, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            path = Path(root, name)
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in wanted:
                path.unlink()


def _recover(target: Path, aside: Path) -> None:
    """Undo a swap that a kill interrupted between its renames."""
    if aside.exists() and not target.exists():
        aside.rename(target)
        fsync_folder(target.parent)


def _swap(staging: Path, target: Path, aside: Path) -> None:
    if target.exists():
        if aside.exists():
            shutil.rmtree(aside)
        target.rename(aside)
    staging.rename(target)
    fsync_folder(target.parent)
    if aside.exists():
        shutil.rmtree(aside)


# --- what a build must not write over --------------------------------------------------------------


def refuse_overlap(runs: Sequence[Path], out: Path) -> None:
    """Raise ReleaseError when a run and a release are inside one another."""
    for run in runs:
        folder = run.resolve()
        if out.is_relative_to(folder) or folder.is_relative_to(out):
            raise ReleaseError(
                "--out must not be inside the run folder, nor contain it",
                got=out,
                wanted="a folder outside the run",
                where=folder,
                fix="choose another --out",
            )


def refuse_foreign(out: Path) -> None:
    """Raise ReleaseError when a folder holds something that a build would destroy."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ReleaseError("not a folder", where=out, fix="choose another folder")
    if is_snapshot(out):
        raise ReleaseError(
            "the folder is a snapshot in the Hub client's cache, which is that client's to change",
            where=out,
            fix=f"name the repository instead, or work on a copy: `{copy_command(out)}`",
        )
    found = list_files(out)
    if not found:
        return
    try:
        listed = {entry.path for entry in read_manifest(out)} | {layout.MANIFEST}
    except ReleaseError as error:
        raise ReleaseError(
            "the folder contains files that do not belong to a release",
            got=error.problem,
            wanted="a new or empty folder, or a release to replace",
            where=out,
            fix="choose another folder",
        ) from None
    others = [path for path in found if path not in listed]
    if others:
        raise ReleaseError(
            "the folder contains files that its release does not list, and they would be deleted",
            got=", ".join(others[:3]),
            where=out,
            fix="move them away, or choose another folder",
        )
