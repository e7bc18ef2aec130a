"""Is a release whole, and does it agree with itself? Everything that is wrong, each at its place.

How it works
- `_Check.run` lists the checks in their order.
- Reading is done by as many processes as there are processors, a range of a file or a tar at a time;
  comparing is done here, on arrays of numbers (`rows`). Memory does not grow with the bytes that are read.
- Findings are collected, never raised, and sorted by file and line: one run shows all of them, the same ones
  with any number of processes. A rerun reads everything again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sparkle._processes import Pool, pool_of, useful_workers
from sparkle._progress import Progress, silent
from sparkle.builders.bench.contamination import limits_note, plain_notes, read_trained
from sparkle.builders.bench.folder import is_bench
from sparkle.builders.checks.bench import bench_jobs, check_bench
from sparkle.builders.checks.bench_folder import check_bench_folder
from sparkle.builders.checks.failures import FileJob, caught, first_findings, run_caught
from sparkle.builders.checks.files import check_document, check_files, check_kinds, hash_jobs
from sparkle.builders.checks.media import ALL, NONE, SAMPLE, media_jobs
from sparkle.builders.checks.pages import check_pages
from sparkle.builders.checks.previews import preview_jobs
from sparkle.builders.checks.provenance import check_provenance
from sparkle.builders.checks.records import compare_records, records_jobs
from sparkle.builders.checks.rows import Keys, compare_ids, expected_keys, id_of
from sparkle.builders.checks.sampled import check_sampled
from sparkle.builders.checks.tables import check_table, home_of, lacking
from sparkle.builders.checks.tars import check_contents, check_loose, compare_shapes, tar_jobs
from sparkle.builders.checks.text import compare_text, text_jobs
from sparkle.builders.checks.theme import TABLE, ReadJob, Theme
from sparkle.builders.checks.values import check_licences
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.reading.place import Place
from sparkle.builders.release.exported import refuse_export
from sparkle.builders.release.formats import JSONL
from sparkle.builders.release.manifest import FileEntry, list_files
from sparkle.builders.release.removed import Provenance
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
        accepted: Pairs of a sample of the bench and one of the release that look alike, and are not.
        workers: How many processes read; None is one per CPU where there is enough to read. More than one are
            spawned, which a script must allow for by `if __name__ == "__main__"`.
        files: Whether to compare files with the manifest, tars aside; `sparkle verify` has done so.
        tars: The place that has the tars where they are not in the folder; None where they are.
    """

    contents: bool = True
    media: str = NONE
    bench: Path | None = None
    accepted: Set[tuple[str, str]] = frozenset()
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
        notes: What to know of the answer besides.
    """

    findings: tuple[Finding, ...]
    files: int
    samples: dict[str, int]
    notes: tuple[str, ...] = ()


def check_release(
    folder: Path, progress: Progress = silent, options: CheckOptions | None = None
) -> ReleaseReport:
    """Check a release, or a bench.

    Raises:
        ReleaseError: the folder is not a release at all, the bench is none, or a worker process died.
    """
    options = options or CheckOptions()
    size = sum(entry.size for entry in FolderPlace(folder).list().values())
    if is_bench(folder) and options.bench is not None:
        raise ReleaseError(
            "a bench is compared with releases, and not with a bench",
            got=folder,
            fix="`sparkle bench check BENCH --train RELEASE`",
        )
    if is_bench(folder):
        with pool_of(options.workers or useful_workers(size)) as pool:
            bench = check_bench_folder(folder, pool, progress, manifest=options.files)
        return ReleaseReport(bench.findings, bench.files, bench.samples, bench.notes)
    if not (folder / layout.MANIFEST).is_file():
        refuse_export(folder)
        raise ReleaseError(
            "not a release",
            got=folder,
            wanted=f"a folder with {layout.MANIFEST}",
            fix="`sparkle build RUN --out RELEASE` makes one",
        )
    with pool_of(options.workers or useful_workers(size)) as pool:
        return _Check(folder, progress, options, pool).run()


class _Check:
    """One check of a release."""

    def __init__(self, folder: Path, progress: Progress, options: CheckOptions, pool: Pool) -> None:
        self.folder = folder
        self.progress = progress
        self.options = options
        self.pool = pool
        # What is no plain file is never opened: a fifo would be waited for.
        self.files = frozenset(name for name in list_files(folder) if (folder / name).is_file())
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.listed: Mapping[str, FileEntry] = {}
        self.preview: int | None = None
        self.samples: dict[str, int] = {}
        self.origin = Provenance({"runs": ()})

    def run(self) -> ReleaseReport:
        """Check everything, in the order of docs/validate.md."""
        self._check_files()  # every file in the manifest is there with its size and sha256, and no other
        themes = self._themes()
        # Nothing is listed that no release has.
        wrong = {finding.file for finding in self.findings}
        entries = [entry for entry in self.listed.values() if entry.path not in wrong]
        self.findings += check_kinds(entries, imported=self.origin.imported)
        # The csv and the JSON lines follow their formats; recorded scores pass the rules.
        self._read("reading text and tables", themes, lambda theme: [*text_jobs(theme), *records_jobs(theme)])
        # Tars hold plain files with the names of their samples, in order, as we write them.
        self._read("reading tars", themes, self._tar_jobs)
        for theme in themes:
            note = theme.findings.append
            with caught(note, layout.prompts_csv(theme.name)):
                compare_text(theme)  # JSON lines repeat the csv's prompts, round 2 of the grounding round 1
            with caught(note, f"{layout.DATA}/{theme.name}"):
                # `data/` agrees with the csv, the JSON lines and the tars.
                check_table(theme, 0 if theme.imported else self.preview)
            with caught(note, layout.records_parquet(theme.name)):
                compare_records(theme)  # and so does `records/`
            with caught(note, f"tars of {theme.name}"):
                check_contents(theme)  # every member has the sha256 in its row
                check_sampled(theme)  # frames that were scored and grounded are those taken of the clip
                # Pairs have equal width, height and 4k+1 frames; masks, edges and frames fit their video.
                theme.findings += compare_shapes(theme.artifacts, theme.fps)
            with caught(note, theme.name):
                expected = self._compare_ids(theme)  # each sample is in every place once, in order
                self.samples[theme.name] = len(expected)
                if self.preview is not None:  # loose files are those of the first samples and no others
                    check_loose(theme, expected[: self.preview], self.listed)
        self._decode(themes)  # everything decodes, and something happens in it; previews show their pairs
        with caught(self.findings.append, layout.CARD):  # pages say the same as the rest
            self._check_pages(themes)
        if self.options.bench is not None:  # a bench shares no source with the release
            with self._run("reading the bench", bench_jobs(self.options.bench)) as found:
                answers = list(self._good(found))
            with caught(self.findings.append, str(self.options.bench)):
                trained, accepted = read_trained(self.folder), self.options.accepted
                self.findings += check_bench(self.options.bench, trained, themes, answers, accepted)
                clips = chain.from_iterable(answers)
                self.notes += [*trained.notes(), *plain_notes(clips), limits_note()]
        for theme in themes:
            self.findings += theme.findings
        findings = sorted(dict.fromkeys(self.findings), key=lambda finding: (finding.file, finding.line))
        return ReleaseReport(tuple(findings), len(self.files), self.samples, tuple(self.notes))

    def _check_files(self) -> None:
        manifest, wrong = check_document(self.folder, layout.MANIFEST, "manifest")
        self.findings += wrong
        entries = load(list[FileEntry], manifest["files"]) if manifest else []
        self.listed = {entry.path: entry for entry in entries}
        if manifest and self.options.files:
            self.findings += check_files(self.folder, entries)
            jobs = hash_jobs(self.folder, entries, self.findings, contents=self.options.contents)
            with self._run("hashing files", jobs) as answers:
                self.findings += chain.from_iterable(self._good(answers))

    def _themes(self) -> list[Theme]:
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
        self.origin = origin
        there = {layout.parse(path).theme for path in self.files}
        themes = [theme for theme in THEMES if theme in there]
        if not themes:
            wanted = f"one of {', '.join(THEMES)}"
            self.findings.append(Finding(".", 0, "", "no theme has a file", wanted=wanted))
        fps = frozenset(rates or {_FPS})
        runs = origin.document["runs"]
        one_pass = all(_is_one_pass(run["config"]) for run in runs) if runs else None
        told = (tuple(limits), fps, one_pass, origin.removed, origin.imported)
        return [Theme(self.folder, name, self.files, *told, lenient=origin.imported) for name in themes]

    def _tar_jobs(self, theme: Theme) -> Iterator[ReadJob]:
        return tar_jobs(theme, contents=self.options.contents, elsewhere=self.options.tars)

    def _read(self, title: str, themes: Sequence[Theme], jobs: Callable[[Theme], Iterable[ReadJob]]) -> None:
        found = [list(jobs(theme)) for theme in themes]
        with self._run(title, [*chain.from_iterable(found)]) as answers:
            for theme, ours in zip(themes, found, strict=True):
                theme.take(ours, islice(answers, len(ours)))

    def _compare_ids(self, theme: Theme) -> Keys:
        """Compare which samples are where; returns those of the theme."""
        places = [rows for rows in theme.rows.values() if rows.whole]
        table = theme.rows.get(TABLE)
        # Most places of a partial import may lack most samples: what it has is what its table says.
        expected = expected_keys([table] if theme.imported and table is not None else places)
        for sample_id in (id_of(theme.name, key) for key in expected.tolist()) if theme.removed.ids else ():
            if theme.removed.has_id(sample_id):
                theme.note(places[0].files[0], 0, "", "a sample that was taken down", got=sample_id)
        reported = {(finding.file, finding.line) for finding in theme.findings}
        for place, rows in theme.rows.items():
            if not rows.whole:
                continue
            ours = np.setdiff1d(expected, lacking(theme, rows.kind))
            if theme.imported and place in JSONL:
                ours = np.intersect1d(expected, rows.keys)  # whether a line was lost the file's hash tells
            ordered, home = not theme.imported, home_of(theme, rows.kind)
            found = compare_ids(ours, rows, reported, ordered=ordered, home=home)
            theme.findings += first_findings(found, rows.files[0])
        return expected

    def _decode(self, themes: Sequence[Theme]) -> None:
        media = self.options.media
        previews = [preview_jobs(theme, self.preview or 0, media) for theme in themes]
        with self._run("looking at previews", [*chain.from_iterable(previews)]) as answers:
            self.findings += chain.from_iterable(self._good(answers))
        jobs = [media_jobs(theme, media) for theme in themes]
        with self._run("decoding media", [*chain.from_iterable(jobs)]) as answers:
            self.findings += chain.from_iterable(self._good(answers))

    def _check_pages(self, themes: Sequence[Theme]) -> None:
        document = self.origin.document
        known = not any(finding.file == layout.PROVENANCE for finding in self.findings)
        if known:
            self.findings += check_provenance(document, self.samples, self.files)
            if len(document["runs"]) == 1:
                self.findings += check_licences(themes)
        tables = [theme.rows.get(TABLE) for theme in themes]
        rendered = known and all(table is not None and table.whole for table in tables)
        self.findings += check_pages(self.folder, self.listed, rendered=rendered)

    def _good(self, answers: Iterable[Answer | Finding]) -> Iterator[Answer]:
        """Yield the answers of jobs that came to their end; of others there is a finding."""
        for answer in answers:
            if isinstance(answer, Finding):
                self.findings.append(answer)
            else:
                yield answer

    @contextmanager
    def _run(self, title: str, jobs: Sequence[FileJob[Answer]]) -> Iterator[Iterator[Answer | Finding]]:
        """Yield the answers of jobs, in their order; the progress is told of each."""
        with self.progress(title, len(jobs)) as advance:

            def told() -> Iterator[Answer | Finding]:
                for answer in run_caught(self.pool, jobs):
                    advance()
                    yield answer

            yield told()


def _is_one_pass(config: Mapping[str, Any]) -> bool:
    """Whether a run asked for each score once: the CPU backend does."""
    backends = config.get("backends")
    scorer = backends.get("image_scorer") if isinstance(backends, dict) else None
    return isinstance(scorer, dict) and (scorer.get("name") == "classical" or scorer.get("passes") == 1)


def _rate(config: Mapping[str, Any]) -> float:
    """Frames a second of a run's clips."""
    source = config.get("source")
    fps = source.get("fps") if isinstance(source, dict) else None
    return float(fps) if isinstance(fps, int | float) else _FPS
