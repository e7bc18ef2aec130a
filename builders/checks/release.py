"""Is a release whole, and does it agree with itself? Everything that is wrong, each at its place.

How it works
- Files are compared with the manifest (`check_files`), then each theme is read: csv and JSON lines
  (`check_text`), tars (`check_tars`), Parquet tables (`check_rows`, `check_records`), loose files
  (`check_loose`) and, when asked for, what decoding tells of videos and masks (`check_media`) and whether a
  bench shares sources with it (`check_bench`).
- Which samples stand where is compared over all of a theme's slots (`census`).
- Reading is done by as many processes as there are processors (`check_pool`), a range of a file or a tar at
  a time; comparing is done here, on arrays of numbers. Memory does not grow with the bytes that are read.
- Findings are collected, never raised, and sorted by file and line: one run shows all of them, the same
  ones with any number of processes. A rerun reads everything again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from sparkle._processes import Job, Pool, pool_of, useful_workers
from sparkle._progress import Progress, silent
from sparkle.builders.checks.bench import bench_jobs, check_bench
from sparkle.builders.checks.census import compare, expected_keys, id_of
from sparkle.builders.checks.files import check_document, check_files, hash_jobs
from sparkle.builders.checks.media import ALL, NONE, SAMPLE, media_jobs
from sparkle.builders.checks.survey import Survey
from sparkle.builders.checks.tables import check_rows, records_jobs, take_records
from sparkle.builders.checks.tars import check_contents, check_loose, compare_shapes, take_tars, tar_jobs
from sparkle.builders.checks.text import take_text, text_jobs
from sparkle.builders.reading.place import Place
from sparkle.builders.release.manifest import FileEntry, list_files
from sparkle.builders.release.removed import Provenance, Removed
from sparkle.schemas import layout
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.load import load
from sparkle.schemas.rules import Thresholds
from sparkle.schemas.validate import Finding

MEDIA = (NONE, SAMPLE, ALL)
_FPS = 16.0  # frames a second of a release that does not say otherwise (upstream's)

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class CheckOptions:
    """What a check looks at.

    Attributes:
        contents: Whether to read the contents of tars; without, their headers only.
        media: Of how many samples videos, images and masks are decoded: "none", "sample" or "all".
        bench: A bench that must share no source with the release; None for none.
        workers: How many processes read; None is one per CPU where there is enough to read. More than one are
            spawned, which a script must allow for by `if __name__ == "__main__"`.
        files: Whether to compare files with the manifest, tars aside; `sparkle-hub verify` has done so.
        tars: The place that has the tars where they are not in the folder; None where they are.
    """

    contents: bool = True
    media: str = NONE
    bench: Path | None = None
    workers: int | None = 1
    files: bool = True
    tars: Place | None = None


@dataclass(frozen=True)
class ReleaseReport:
    """What a check found.

    Attributes:
        findings: What is wrong, sorted by file and line; empty when nothing is.
        files: Files in the release.
        samples: Samples by theme.
    """

    findings: tuple[Finding, ...]
    files: int
    samples: dict[str, int]


def check_release(
    folder: Path, progress: Progress = silent, options: CheckOptions | None = None
) -> ReleaseReport:
    """Check a release.

    Raises:
        ReleaseError: the folder is not a release at all, the bench is none, or a worker process died.
    """
    if not (folder / layout.MANIFEST).is_file():
        raise ReleaseError(
            "not a release",
            got=folder,
            wanted=f"a folder with {layout.MANIFEST}",
            fix="`sparkle build RUN --out RELEASE` makes one",
        )
    options = options or CheckOptions()
    size = sum((folder / name).lstat().st_size for name in list_files(folder))
    with pool_of(options.workers or useful_workers(size)) as pool:
        return _Check(folder, progress, options, pool).run()


class _Check:
    """One check of a release."""

    def __init__(self, folder: Path, progress: Progress, options: CheckOptions, pool: Pool) -> None:
        self.folder = folder
        self.progress = progress
        self.options = options
        self.pool = pool
        self.files = frozenset(list_files(folder))
        self.findings: list[Finding] = []
        self.listed: Mapping[str, FileEntry] = {}
        self.preview: int | None = None
        self.removed = Removed()

    def run(self) -> ReleaseReport:
        """Check everything."""
        manifest, wrong = check_document(self.folder, layout.MANIFEST, "manifest")
        self.findings += wrong
        entries = load(list[FileEntry], manifest["files"]) if manifest else []
        self.listed = {entry.path: entry for entry in entries}
        if manifest and self.options.files:
            self.findings += check_files(self.folder, entries)
        surveys = self._surveys()
        self._read_text(entries, surveys)
        self._read_tars(surveys)
        samples = {survey.theme: self._compare(survey) for survey in surveys}
        self._decode(surveys)
        if self.options.bench is not None:
            with self._run("reading the bench", bench_jobs(self.options.bench)) as answers:
                self.findings += check_bench(self.options.bench, surveys, answers)
        for survey in surveys:
            self.findings += survey.findings
        findings = sorted(self.findings, key=lambda finding: (finding.file, finding.line))
        return ReleaseReport(tuple(findings), len(self.files), samples)

    def _surveys(self) -> list[Survey]:
        """The themes that are there, with what the provenance says of all of them."""
        document, wrong = check_document(self.folder, layout.PROVENANCE, "provenance")
        origin = Provenance(document or {"runs": ()})
        self.findings += wrong
        limits: list[Thresholds] = []
        rates: set[float] = set()
        for number, run in enumerate(origin.document["runs"]):
            rates.add(_rate(run["config"]))
            try:
                limits.append(load(Thresholds, run["config"].get("thresholds", {})))
            except RecordError as error:
                pointer = f"/runs/{number}/config/thresholds{error.where or ''}"
                self.findings.append(Finding(layout.PROVENANCE, 0, pointer, error.problem, error.got))
        self.preview = document["options"]["preview"] if document else None
        self.removed = origin.removed
        there = {layout.parse(path).theme for path in self.files}
        themes = [theme for theme in THEMES if theme in there]
        if not themes:
            wanted = f"one of {', '.join(THEMES)}"
            self.findings.append(Finding(".", 0, "", "no theme has a file", wanted=wanted))
        fps = frozenset(rates or {_FPS})
        return [
            Survey(self.folder, theme, self.files, tuple(limits), fps, origin.imported) for theme in themes
        ]

    def _read_text(self, entries: Sequence[FileEntry], surveys: Sequence[Survey]) -> None:
        """Read text files and tables of records, and hash everything but tars, all at once."""
        text = [text_jobs(survey) for survey in surveys]
        records = [records_jobs(survey) for survey in surveys]
        hashed = entries if self.options.files else ()
        hashes = hash_jobs(self.folder, hashed, self.findings, contents=self.options.contents)
        jobs: list[Job[Any]] = [*chain.from_iterable(text), *chain.from_iterable(records), *hashes]
        with self._run("reading text and tables", jobs) as answers:
            for survey, found in zip(surveys, text, strict=True):
                take_text(survey, found, islice(answers, len(found)))
            for survey, tables in zip(surveys, records, strict=True):
                take_records(survey, islice(answers, len(tables)))
            for findings in answers:
                self.findings += findings

    def _read_tars(self, surveys: Sequence[Survey]) -> None:
        options = self.options
        tars = [tar_jobs(survey, contents=options.contents, elsewhere=options.tars) for survey in surveys]
        with self._run("reading tars", [job for found in tars for job in found]) as answers:
            for survey, found in zip(surveys, tars, strict=True):
                take_tars(survey, found, islice(answers, len(found)))

    def _compare(self, survey: Survey) -> int:
        """Compare what was read of a theme; returns how many samples it has."""
        check_rows(survey, self.preview)
        if self.options.contents:
            check_contents(survey)
            compare_shapes(survey)
        expected = expected_keys(survey.slots)
        if self.removed.ids:
            for sample_id in (id_of(survey.theme, key) for key in expected.tolist()):
                if self.removed.has_id(sample_id):
                    survey.note(survey.slots[0].file, 0, "", "a sample that was taken down", got=sample_id)
        reported = {(finding.file, finding.line) for finding in survey.findings}
        survey.findings.extend(compare(survey.theme, survey.slots, expected, reported))
        if self.preview is not None:
            check_loose(survey, expected[: self.preview], self.listed)
        return len(expected)

    def _decode(self, surveys: Sequence[Survey]) -> None:
        jobs = [media_jobs(survey, self.options.media) for survey in surveys]
        with self._run("decoding media", [job for found in jobs for job in found]) as answers:
            for survey, found in zip(surveys, jobs, strict=True):
                for findings in islice(answers, len(found)):
                    survey.findings += findings

    @contextmanager
    def _run(self, title: str, jobs: Sequence[Job[Answer]]) -> Iterator[Iterator[Answer]]:
        """Yield the answers of jobs, in their order; the progress is told of each."""
        with self.progress(title, len(jobs)) as advance:

            def told() -> Iterator[Answer]:
                for answer in self.pool(jobs):
                    advance()
                    yield answer

            yield told()


def _rate(config: Mapping[str, Any]) -> float:
    """Frames a second of a run's clips."""
    source = config.get("source")
    fps = source.get("fps") if isinstance(source, dict) else None
    return float(fps) if isinstance(fps, int | float) else _FPS
