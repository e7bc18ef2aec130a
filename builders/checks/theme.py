"""What a check, or an import, knows of one theme: filled in by the readers, then compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sparkle.builders.checks.rows import SampleRows, join
from sparkle.builders.release.removed import Removed
from sparkle.schemas.layout import KINDS
from sparkle.schemas.load import LONGEST, cut
from sparkle.schemas.rules import Thresholds
from sparkle.schemas.validate import Finding

_SAMPLE_BYTES = 100  # at least, in a csv, which names the id three times, and in the training metadata
_SPARE_ROWS = 1000

# Places beside the steps' files of JSON lines and the kinds' tars, which have the names of step and kind.
PAIRS, TABLE, RECORDS = "the csv", "the table of pairs", "the table of records"


class ReadJob(Protocol):
    """Reads a place, or a part of it, in a worker."""

    @property
    def place(self) -> str:
        """The name of the place."""

    @property
    def file(self) -> str:
        """The file that it reads."""

    def __call__(self) -> SampleRows:
        """Read it."""


@dataclass
class Theme:
    """A theme's files, and what was found in them.

    Attributes:
        folder: The release, or a folder in upstream's layout.
        name: The theme.
        files: Every path that counts.
        limits: Thresholds of the release's runs; empty where the release does not say.
        fps: Frames per second that a video may have; empty where the release does not say.
        one_pass: Whether every score is of one pass; None where the release does not say how it was scored.
        removed: What was taken down of the release.
        imported: Whether it is of a release that was imported: tars are upstream's own, and its tables have
            null where something is not there.
        lenient: Whether habits of other tools are passed over.
        rows: What was read, by the name of the place.
        shards: The numbers of tars and loose files in the table's columns.
        findings: What is wrong, in the order in which it was found.
    """

    folder: Path
    name: str
    files: frozenset[str]
    limits: tuple[Thresholds, ...] = ()
    fps: frozenset[float] = frozenset()
    one_pass: bool | None = None
    removed: Removed = field(default_factory=Removed)
    imported: bool = False
    lenient: bool = False
    rows: dict[str, SampleRows] = field(default_factory=dict)
    shards: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def artifacts(self) -> list[SampleRows]:
        """The kinds of which there are artifacts."""
        return [self.rows[kind.name] for kind in KINDS if kind.name in self.rows]

    def room(self, text: str) -> int | None:
        """How many samples a text file has room for, with some to spare; None where it is not there."""
        size = (self.folder / text).stat().st_size if text in self.files else None
        return None if size is None else size // _SAMPLE_BYTES + _SPARE_ROWS

    def note(
        self, file: str, line: int, pointer: str, problem: str, *, got: object = None, wanted: object = None
    ) -> None:
        """Add a finding; long texts are cut."""
        shown = (None if value is None else cut(str(value), LONGEST) for value in (got, wanted))
        self.findings.append(Finding(file, line, pointer, problem, *shown))

    def has(self, file: str) -> bool:
        """Return whether a file is there; a finding when it is not.

        An import may lack any that its manifest does not list, which is compared elsewhere.
        """
        if file in self.files and (self.folder / file).is_file():
            return True
        if not self.imported:
            self.note(file, 0, "", "the file is missing")
        return False

    def take(self, jobs: Sequence[ReadJob], answers: Iterable[SampleRows | Finding]) -> None:
        """Take what was read; of a place that could not be read to its end, there is what could."""
        parts: dict[str, list[SampleRows]] = {}
        broken: set[str] = set()
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, Finding):
                self.findings.append(answer)
                broken.add(job.place)
            else:
                parts.setdefault(job.place, []).append(answer)
        for place, found in parts.items():
            rows = self.rows[place] = join(found)
            rows.whole = rows.whole and place not in broken
            self.findings += rows.findings
