"""Verify a release: repair it first where that was asked for, then run the levels one after another.

- A level never stops the next: each says what it found, or why it cannot say anything.
- Nothing is written but what a repair mends and a scratch folder, which is gone at the end. A rerun reads
  again; files of a Hub stay in its client's cache.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from sparkle._processes import cpus, useful_workers
from sparkle._progress import Progress, silent
from sparkle._scratch import scratch_folder
from sparkle.builders.checks.failures import failure
from sparkle.builders.reading.place import open_place
from sparkle.hub.verify.repair import repair_folder
from sparkle.hub.verify.report import (
    CONSISTENCY,
    CONSUMERS,
    INTEGRITY,
    LevelReport,
    Mended,
    NotProvedError,
    VerifyOptions,
    VerifyReport,
    order,
    timed,
)
from sparkle.hub.verify.verified import Verified
from sparkle.schemas import layout
from sparkle.schemas.errors import RecordError, ReleaseError

_Level = Callable[[Verified, LevelReport, VerifyOptions, Progress, int], None]


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
    place = open_place(where)
    repaired: tuple[Mended, ...] = ()
    if options.origin is not None:
        if place.folder is None:
            raise ReleaseError("only a folder can be repaired", got=place.name, wanted="a release's folder")
        workers = options.workers or cpus()
        repaired = repair_folder(place.folder, open_place(options.origin), progress, options.say, workers)
    with scratch_folder() as scratch:
        release = Verified(place, scratch)
        opened = release.downloaded
        workers = options.workers or useful_workers(release.sizes(release.files))
        reports = [_run(level, release, options, progress, workers) for level in order(options.levels)]
        reports[0].downloaded += opened  # the manifest counts to the first level
    return VerifyReport(release.name, release.commit, tuple(reports), repaired)


def _run(
    level: str, release: Verified, options: VerifyOptions, progress: Progress, workers: int
) -> LevelReport:
    before = release.downloaded
    with timed(LevelReport(level)) as report:
        run: _Level = getattr(import_module(f"sparkle.hub.verify.{level}"), f"verify_{level}")
        try:
            if release.odd and level not in (INTEGRITY, CONSISTENCY):  # which name them and open none
                raise ReleaseError("no plain file", where=release.odd[0])
            if layout.BENCH in release.files and level not in (INTEGRITY, CONSISTENCY, CONSUMERS):
                raise NotProvedError("a bench has no tars, and no pairs to make again")
            run(release, report, options, progress, workers)
        except (ReleaseError, RecordError) as error:  # what it stumbled over is wrong
            problem = f"the level cannot go on: {error.problem}"
            report.note(error.where or ".", problem, got=error.got, wanted=error.wanted or error.fix)
        except NotProvedError:
            raise
        except Exception as error:
            report.findings.append(failure(".", error))
    report.downloaded = release.downloaded - before
    if report.missing is not None and options.required:
        raise ReleaseError(f"level {level} cannot be tried", got=report.missing, where=release.name)
    return report
