"""What a check knows of one theme of a release: filled in by the readers, then compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sparkle.builders.checks.rows import Rows, join
from sparkle.schemas.rules import Thresholds
from sparkle.schemas.validate import Finding

# Places beside the steps' files of JSON lines and the kinds' tars, which have the names of step and kind.
PAIRS, TABLE, RECORDS = "the csv", "the table of pairs", "the table of records"


@dataclass
class Theme:
    """A theme's files, and what was found in them.

    Attributes:
        folder: The release, or a folder in upstream's layout.
        name: The theme.
        files: Every path that counts.
        limits: Thresholds of the release's runs; empty where the release does not say.
        fps: Frames per second that a video may have; empty where the release does not say.
        imported: Whether tars and text are upstream's own, as in a release that was imported.
        lenient: Whether habits of other tools are passed over.
        rows: What was read, by the name of the place; places that cannot be read are not there.
        broken: Places of which a part cannot be read: there no sample is missed.
        findings: What is wrong, in the order in which it was found.
    """

    folder: Path
    name: str
    files: frozenset[str]
    limits: tuple[Thresholds, ...] = ()
    fps: frozenset[float] = frozenset()
    imported: bool = False
    lenient: bool = False
    rows: dict[str, Rows] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def note(
        self, file: str, line: int, pointer: str, problem: str, *, got: object = None, wanted: object = None
    ) -> None:
        """Add a finding."""
        shown = (None if value is None else str(value) for value in (got, wanted))
        self.findings.append(Finding(file, line, pointer, problem, *shown))

    def has(self, file: str) -> bool:
        """Return whether a file is there; a finding when it is not."""
        if file in self.files and (self.folder / file).is_file():
            return True
        self.note(file, 0, "", "the file is missing")
        return False

    def take(self, place: str, parts: Sequence[Rows]) -> None:
        """Take what was read of a place; one where only findings could be read is not compared with others."""
        rows = join(parts)
        self.findings += rows.findings
        if len(rows.keys) or not rows.findings:
            self.rows[place] = rows
