"""What a check knows of one theme of a release, filled in by one reader after another.

Text files are read first (`check_text`), then tars and Parquet (`check_tables`), which are compared with
what the text files said; `census` compares which samples stand where.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparkle.builders.census import Place, Row
from sparkle.schemas.errors import RecordError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.validate import Finding


@dataclass(frozen=True)
class Survey:
    """A theme's files, and what was found in them.

    Attributes:
        folder: The release.
        theme: The theme.
        files: Every path of the release.
        findings: What is wrong, in the order in which it was found.
        places: Where each sample of the theme should stand; files that cannot be read are none.
        pairs: The csv's row by id.
        columns: What the text files say of a Parquet column, by column and id.
        tars: The place that is the tars of a kind, by kind.
        members: (tar, offset, size) of an artifact, by kind and id.
    """

    folder: Path
    theme: str
    files: frozenset[str]
    findings: list[Finding] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    pairs: dict[str, dict[str, str]] = field(default_factory=dict)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    tars: dict[str, Place] = field(default_factory=dict)
    members: dict[str, dict[str, tuple[str, int, int]]] = field(default_factory=dict)

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

    def add_row(self, place: Place, row: Row) -> bool:
        """Add a row to a place when its id is one of this theme; a finding when it is not."""
        try:
            problem = None if theme_of(row.id) == self.theme else f"not an id of theme {self.theme}"
        except RecordError as error:
            problem = error.problem
        if problem is None:
            place.rows.append(row)
        else:
            self.note(row.file, row.line, row.pointer, problem, got=repr(row.id))
        return problem is None
