r"""A theme's table of pairs, read in a worker row by row.

- The csv must be what `annotate` writes, byte for byte: columns, minimal quoting, \n line ends, no BOM.
  A prompt of several lines is legal csv and stays: readers of csv, upstream's among them, take it.
- Prompts that stock readers of csv take for a missing value ("None", "NA", ...) are findings: whoever reads
  the table with pandas trains on NaN.
- Memory does not depend on what the file holds: lines and fields have a longest length.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sparkle.builders.checks.census import Keys, Numbers, index_reader, keys_of
from sparkle.builders.checks.lines import READ_BYTES, UNKNOWN, Digests, digest_text
from sparkle.builders.release.formats import CSV_COLUMNS, NO_VALUES, csv_line
from sparkle.schemas import layout
from sparkle.schemas.ids import format_id
from sparkle.schemas.validate import Finding, bounded_lines


@dataclass(frozen=True)
class Pairs:
    """What was read of a table of pairs; arrays have a row for each row with an id of the theme.

    Attributes:
        readable: Whether the columns are those of a table of pairs; no row was read when they are not.
        keys: The samples.
        lines: The first line of each row, from 1.
        ends: The last line of each row.
        offsets: Byte offset of each row.
        prompts: 64-bit hashes of the prompts, `UNKNOWN` where they cannot be read.
        findings: What is wrong.
    """

    readable: bool
    keys: Keys
    lines: Numbers
    ends: Numbers
    offsets: Numbers
    prompts: Digests
    findings: list[Finding]


@dataclass(frozen=True)
class PairsJob:
    """Reads a theme's table of pairs.

    Attributes:
        path: The file.
        file: Its name in findings.
        theme: The theme.
    """

    path: Path
    file: str
    theme: str

    def __call__(self) -> Pairs:
        """Read it."""
        reader = _Reader(self)
        plain = _plain_reader(self.theme)
        with self.path.open("rb", buffering=READ_BYTES) as file:
            lines = _Lines(file)
            for line in lines:
                pair = plain(line)
                if pair is not None and lines.problem is None:
                    reader.add(*pair, lines.number, lines.number, lines.offset)
                elif not reader.take(_row(line, lines)):
                    break
            if lines.number == 0:
                reader.take(_Row([], "the file is empty", 1, 1, 0, legible=False))
        return reader.result()


class _Lines:
    """A csv's lines as text, of which the last one is remembered: its number, offset and problem."""

    def __init__(self, file: BinaryIO) -> None:
        self.number = 0
        self.offset = 0
        self.problem: str | None = None
        self._lines = bounded_lines(file)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.offset, line = next(self._lines)
        self.number += 1
        self.problem = None
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            self.problem = f"not UTF-8: {error.reason}"
            text = line.decode(errors="replace")
        if self.offset == 0 and line.startswith(codecs.BOM_UTF8):
            self.problem = "the file starts with a byte order mark"
            text = text[1:]
        return text


def _plain_reader(theme: str) -> Callable[[str], tuple[int, str] | None]:
    """A function from a line that is a good row by itself to index and prompt; of others it says nothing.

    It is what the csv module would say, five times faster: three of the four fields follow from the id, and
    none of them is ever quoted.
    """
    first = format_id(theme, 0)
    source, edited = layout.SOURCE_VIDEO.path(first), layout.EDITED_VIDEO.path(first)
    rest = ",".join(("", source, edited, first)) + "\n"
    head, digits = len(first) - 6, 6
    is_index = re.compile("[0-9]{6}").fullmatch

    def read(line: str) -> tuple[int, str] | None:
        index = line[-digits - 1 : -1]
        if not is_index(index) or not line.endswith(rest.replace(first, first[:head] + index)):
            return None
        prompt = line[: -len(rest)]
        if not prompt.startswith('"'):
            plain = prompt and not any(mark in prompt for mark in '",\r\n')
            return (int(index), prompt) if plain else None
        inside = prompt[1:-1]
        if len(prompt) < 3 or not prompt.endswith('"') or '"' in inside.replace('""', "") or "\r" in inside:
            return None
        text = inside.replace('""', '"')
        return (int(index), text) if '"' in text or "," in text else None

    return read


@dataclass(frozen=True)
class _Row:
    """A row as it stands: its fields (none when it cannot be read), and where."""

    fields: list[str]
    problem: str | None
    line: int
    end: int
    offset: int
    legible: bool


def _row(first: str, lines: _Lines) -> _Row:
    """The row that starts with a line that was just read."""
    raw, problems = [first], [lines.problem]
    line, offset = lines.number, lines.offset

    def more() -> Iterator[str]:
        yield first
        for text in lines:
            raw.append(text)
            problems.append(lines.problem)
            yield text

    fields: list[str] = []
    try:
        fields = next(csv.reader(more(), strict=True), [])
    except csv.Error as error:
        problems.append(f"not csv: {error}")
    found = [problem for problem in problems if problem is not None]
    problem = found[0] if found else _layout_problem("".join(raw), fields)
    return _Row(fields, problem, line, lines.number, offset, legible=not found)


def read_row(path: Path, offset: int) -> dict[str, str]:
    """The row that starts at a byte offset, by column."""
    with path.open("rb") as file:
        file.seek(offset)
        lines = _Lines(file)
        return dict(zip(CSV_COLUMNS, _row(next(lines), lines).fields, strict=False))


def _layout_problem(raw: str, fields: list[str]) -> str | None:
    if not fields:
        return "the line is blank"
    if raw == csv_line(fields):
        return None
    if raw.endswith("\r\n"):
        return "the line ends with CRLF"
    if not raw.endswith("\n"):
        return "the last line has no end"
    return "not quoted as minimal quoting does"


class _Reader:
    """Gathers what the rows say."""

    def __init__(self, job: PairsJob) -> None:
        self.job = job
        self.readable = True
        self.rows: list[tuple[int, int, int, int]] = []
        self.prompts: list[int] = []
        self.findings: list[Finding] = []
        self._index = index_reader(job.theme)

    def take(self, row: _Row) -> bool:
        """Read a row; False when the rows behind it cannot be read."""
        if row.problem is not None:
            self._note(row.line, "", row.problem)
        if row.line == 1:
            if row.fields != list(CSV_COLUMNS):
                got, wanted = ",".join(row.fields), ",".join(CSV_COLUMNS)
                self._note(1, "", "not the columns", got=got, wanted=wanted)
                self.readable = len(row.fields) == len(CSV_COLUMNS)
        elif row.fields:
            self._take_pair(row)
        return self.readable

    def add(self, index: int, prompt: str, line: int, end: int, offset: int, *, legible: bool = True) -> None:
        """A row with an id of the theme."""
        if prompt in NO_VALUES:
            self._note(line, "/prompt", "readers of csv take this prompt for no value", got=repr(prompt))
        self.rows.append((index, line, end, offset))
        self.prompts.append(digest_text(prompt) if legible else UNKNOWN)

    def _take_pair(self, row: _Row) -> None:
        if len(row.fields) != len(CSV_COLUMNS):
            problem = "another number of fields"
            self._note(row.line, "", problem, got=str(len(row.fields)), wanted=str(len(CSV_COLUMNS)))
            return
        prompt, source, edited, sample_id = row.fields
        index = self._index(sample_id)
        if index is None:
            problem = f"not an id of theme {self.job.theme}"
            self._note(row.line, "/task", problem, got=repr(sample_id))
            return
        for name, got, kind in (
            ("src_video", source, layout.SOURCE_VIDEO),
            ("tgt_video", edited, layout.EDITED_VIDEO),
        ):
            wanted = kind.path(sample_id)
            if got != wanted:
                self._note(row.line, f"/{name}", "not the path of this sample", got=got, wanted=wanted)
        self.add(index, prompt, row.line, row.end, row.offset, legible=row.legible)

    def _note(
        self, line: int, pointer: str, problem: str, *, got: str | None = None, wanted: str | None = None
    ) -> None:
        self.findings.append(Finding(self.job.file, line, pointer, problem, got, wanted))

    def result(self) -> Pairs:
        """What was read."""
        rows = np.array(self.rows, np.int64).reshape(len(self.rows), 4)
        indices, lines, ends, offsets = rows.T.copy()
        prompts = np.array(self.prompts, np.uint64)
        return Pairs(self.readable, keys_of(indices), lines, ends, offsets, prompts, self.findings)
