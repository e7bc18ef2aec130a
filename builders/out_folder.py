"""What a build must not write over: a run, something that is no release, files that are not the release's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sparkle.builders.manifest import list_files, read_manifest
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError


def refuse_overlap(runs: Sequence[Path], out: Path) -> None:
    """Raise ReleaseError when a run and a release would stand in one another."""
    for run in runs:
        folder = run.resolve()
        if out.is_relative_to(folder) or folder.is_relative_to(out):
            raise ReleaseError(
                "a run and a release cannot stand in one another",
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
        raise ReleaseError("--out is not a folder", got=out, fix="choose another --out")
    found = list_files(out)
    if not found and not any(out.iterdir()):
        return
    try:
        listed = {entry.path for entry in read_manifest(out)} | {layout.MANIFEST}
    except ReleaseError as error:
        raise ReleaseError(
            "--out holds something else than a release",
            got=error.got or error.problem,
            wanted="a new or empty folder, or a release to replace",
            where=out,
            fix="choose another --out",
        ) from None
    others = [path for path in found if path not in listed]
    if others:
        raise ReleaseError(
            "--out holds files that its release does not list, and a build would delete them",
            got=", ".join(others[:3]),
            where=out,
            fix="move them away, or choose another --out",
        )
