"""Verify a release: repair it first where that was asked for, then run the levels one after another.

- A level never stops the next: each says what it found, or why it cannot say anything.
- Nothing is written but what a repair mends and a scratch folder, which is gone at the end. A rerun reads
  again; files of a Hub stay in its client's cache.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from sparkle._processes import cpus, useful_workers
from sparkle._progress import Progress, silent
from sparkle.builders.reading.folder import FolderRemote
from sparkle.builders.reading.place import open_remote
from sparkle.hub.verify.place import Place, Readable
from sparkle.hub.verify.repair import repair_folder
from sparkle.hub.verify.report import LevelReport, Mended, VerifyOptions, VerifyReport, order, timed
from sparkle.schemas.errors import RecordError, ReleaseError, UnsafePathError

_Level = Callable[[Place, LevelReport, VerifyOptions, Progress, int], None]


def verify_release(
    where: str | Path, options: VerifyOptions | None = None, progress: Progress = silent
) -> VerifyReport:
    """Verify a release in a folder or on a Hub.

    Args:
        where: A folder, or `owner/name[@revision]` of a dataset on a Hub.
        options: What to look at; everything, without a repair, when None.
        progress: Told how the work goes on.

    Raises:
        ReleaseError: it is no release, its place cannot be read, or a level that was asked for by name cannot
            be tried.
    """
    options = options or VerifyOptions()
    remote = _open(str(where))
    repaired: tuple[Mended, ...] = ()
    if options.origin is not None:
        if not isinstance(remote, FolderRemote):
            raise ReleaseError("only a folder can be repaired", got=remote.name, wanted="a release's folder")
        workers = options.workers or cpus()
        repaired = repair_folder(remote.folder, _open(options.origin), progress, options.say, workers)
    with tempfile.TemporaryDirectory(prefix="sparkle-verify-") as scratch:
        place = Place(remote, Path(scratch))
        opened = place.downloaded
        workers = options.workers or useful_workers(place.sizes(place.files))
        reports = [_run(level, place, options, progress, workers) for level in order(options.levels)]
        reports[0].downloaded += opened  # the manifest counts to the first level
    return VerifyReport(place.name, place.commit, tuple(reports), repaired)


def _open(name: str) -> Readable:
    remote = open_remote(name)
    if isinstance(remote, FolderRemote):
        return remote
    from sparkle.builders.reading.hub import HubRemote

    if not isinstance(remote, HubRemote):
        raise ReleaseError(
            "this place cannot be read in parts", got=name, wanted="a folder or a Hub's dataset"
        )
    return remote


def _run(level: str, place: Place, options: VerifyOptions, progress: Progress, workers: int) -> LevelReport:
    before = place.downloaded
    with timed(LevelReport(level)) as report:
        run: _Level = getattr(import_module(f"sparkle.hub.verify.{level}"), f"verify_{level}")
        try:
            run(place, report, options, progress, workers)
        except (ReleaseError, RecordError, UnsafePathError) as error:  # what it stumbled over is wrong
            problem = f"the level cannot go on: {error.problem}"
            report.note(error.where or ".", problem, got=error.got, wanted=error.wanted)
    report.downloaded = place.downloaded - before
    if report.missing is not None and options.required:
        raise ReleaseError(f"level {level} cannot be tried", got=report.missing, where=place.name)
    return report
