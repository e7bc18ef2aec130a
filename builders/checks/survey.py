"""What a check knows of one theme of a release, filled in by one reader after another.

Text files are read first (`check_text`), then tars (`check_tars`) and Parquet (`check_rows`,
`check_records`), which are compared with what was read before; `census` compares which samples stand where.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparkle.builders.checks.census import Keys, Slot
from sparkle.builders.checks.csv import Pairs
from sparkle.builders.checks.lines import Lines
from sparkle.builders.checks.members import Members
from sparkle.schemas.rules import Thresholds
from sparkle.schemas.validate import Finding


@dataclass
class Survey:
    """A theme's files, and what was found in them.

    Attributes:
        folder: The release.
        theme: The theme.
        files: Every path of the release.
        limits: Thresholds of the release's runs; empty where the release does not say.
        fps: Frames a second that every video must have; None where the release does not say.
        imported: Whether the release was made by `sparkle import`: its tars are upstream's own.
        findings: What is wrong, in the order in which it was found.
        slots: Where each sample of the theme should stand; files that cannot be read are none.
        pairs: The table of pairs; None when it cannot be read.
        lines: The JSON lines, by file.
        tars: The slot that is the tars of a kind, by kind.
        members: What is in them, by kind.
        hashes: The sha256 of an artifact as the rows have it, uint8 (n, 32), by kind; keys are `rows`.
        rows: The samples of the Parquet rows.
    """

    folder: Path
    theme: str
    files: frozenset[str]
    limits: tuple[Thresholds, ...] = ()
    fps: frozenset[float] | None = None
    imported: bool = False
    findings: list[Finding] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    pairs: Pairs | None = None
    lines: dict[str, Lines] = field(default_factory=dict)
    tars: dict[str, Slot] = field(default_factory=dict)
    members: dict[str, Members] = field(default_factory=dict)
    hashes: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    rows: Keys = field(default_factory=lambda: np.empty(0, np.int64))

    def note(
        self,
        file: str,
        line: int,
        pointer: str,
        problem: str,
        *,
        got: object = None,
        wanted: object = None,
    ) -> None:
        """Add a finding."""
        shown = (None if value is None else str(value) for value in (got, wanted))
        self.findings.append(Finding(file, line, pointer, problem, *shown))

    def has(self, file: str) -> bool:
        """Whether a file is there; a finding when it is not."""
        if (self.folder / file).is_file():
            return True
        self.note(file, 0, "", "the file is missing")
        return False
