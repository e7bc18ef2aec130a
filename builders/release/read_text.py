r"""The csv of pairs and the JSON lines of a theme, read row by row with what is wrong in each.

- `findings` are what is wrong with anybody's file. `habits` are ways of other tools to write the same: a byte
  order mark, CRLF, other quoting, columns in another order, `openve3m` spelt out. A release has none of them;
  an import passes over them.
- `pair_reader` and `line_reader` read a row again by the byte where it starts.
- A quote that is not closed costs the row in which it is opened: the lines behind it are read as rows again.
- Memory does not depend on what a file holds: lines and fields have a longest length.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import msgspec

from sparkle.builders.release.formats import CSV_COLUMNS, JSONL, NO_VALUES, csv_line
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.ids import edit_type, format_id, index_reader
from sparkle.schemas.misplaced import HEAD_BYTES, recognise
from sparkle.schemas.validate import (
    MAX_LINE_BYTES,
    Finding,
    bounded_lines,
    check_line,
    findings_of,
    follows,
    parse_strict,
)

_MARK = "the file starts with a byte order mark"


class TextRow(NamedTuple):
    """A row of a csv, or a JSON line, and what is wrong with it.

    Attributes:
        sample: The index of its id; None where it has no id of the theme.
        line: Its first line, from 1.
        end: Its last line.
        offset: The byte where it starts.
        values: What it says: the strings of `CSV_COLUMNS`, or the JSON value; None where that cannot be used.
        record: The step's record in a JSON line.
        findings: What is wrong with it.
        habits: In what it is written otherwise than we do, and says the same.
    """

    sample: int | None
    line: int
    end: int
    offset: int
    values: Any = None
    record: r.Record | None = None
    findings: Sequence[Finding] = ()
    habits: Sequence[Finding] = ()


def read_pairs(file: BinaryIO, name: str, theme: str) -> Iterator[TextRow]:
    """Yield the rows of a theme's csv of pairs, the header first; `name` is the file's in findings.

    The file stands at its start.
    """
    misplaced = recognise(file.read(HEAD_BYTES))
    if misplaced is not None:
        yield TextRow(None, 1, 1, 0, findings=[Finding(name, 1, "", misplaced.problem, wanted=misplaced.fix)])
        return
    file.seek(0)
    lines, index_of, plain_row = _CsvLines(file), index_reader(theme), _plain_reader(theme)
    places: Sequence[int] = ()  # where each of `CSV_COLUMNS` is
    width = 0
    for text in lines:
        if places == _STRAIGHT and (found := plain_row(text)) and not lines.problem:
            habits = _habits_of(found[1][0], name, lines.number)
            yield TextRow(found[0], lines.number, lines.number, lines.offset, found[1], None, (), habits)
            continue
        line, offset = lines.number, lines.offset
        fields, problem, habit = _csv_row(text, lines)
        findings = [Finding(name, line, "", problem)] if problem else []
        habits = [Finding(name, line, "", habit)] if habit else []
        if not places:
            if fields != list(CSV_COLUMNS):
                known = set(CSV_COLUMNS) <= {*fields}
                unlike = Finding(name, line, "", "not the columns", ",".join(fields), ",".join(CSV_COLUMNS))
                (habits if known else findings).append(unlike)
            places, width = _places(fields), len(fields)
            yield TextRow(None, line, lines.number, offset, None, None, findings, habits)
            if not places:
                return
            continue
        values: tuple[str, ...] | None = None
        index = None
        if fields and len(fields) != width:
            unlike = Finding(name, line, "", "another number of fields", str(len(fields)), str(width))
            (habits if len(fields) > max(places) else findings).append(unlike)
        if len(fields) > max(places):
            values = tuple(fields[place] for place in places)
            index = index_of(values[3])
            if index is None:
                findings.append(Finding(name, line, "/task", f"not an id of theme {theme}", repr(values[3])))
            else:
                paths = zip(CSV_COLUMNS[1:3], values[1:3], _paths(values[3]), strict=True)
                findings += [
                    Finding(name, line, f"/{column}", "not the path of this sample", got, wanted)
                    for column, got, wanted in paths
                    if got != wanted
                ]
                habits += _habits_of(values[0], name, line)
        usable = None if problem else values
        yield TextRow(index, line, lines.number, offset, usable, None, findings, habits)
    if not lines.number:
        yield TextRow(
            None, 1, 1, 0, findings=[Finding(name, 1, "", "the file is empty", "", ",".join(CSV_COLUMNS))]
        )


def pair_reader(file: BinaryIO) -> Callable[[int], dict[str, str]]:
    """Return a function from the byte where a row of a csv starts, which was read before, to its strings."""
    lines = _CsvLines(file)
    places = _places(_csv_row(next(lines), lines)[0])

    def read(offset: int) -> dict[str, str]:
        file.seek(offset)
        lines = _CsvLines(file)
        fields, _, _ = _csv_row(next(lines), lines)
        return {name: fields[place] for name, place in zip(CSV_COLUMNS, places, strict=True)}

    return read


_STRAIGHT = range(len(CSV_COLUMNS))


def _places(header: Sequence[str]) -> Sequence[int]:
    """Where each of `CSV_COLUMNS` is: by its name, or else by its place; nowhere where there are fewer."""
    if tuple(header) != CSV_COLUMNS and set(CSV_COLUMNS) <= {*header}:
        return [header.index(name) for name in CSV_COLUMNS]
    return _STRAIGHT if len(header) == len(CSV_COLUMNS) else ()


def _paths(sample_id: str) -> tuple[str, str]:
    return layout.SOURCE_VIDEO.path(sample_id), layout.EDITED_VIDEO.path(sample_id)


def _habits_of(prompt: str, name: str, line: int) -> list[Finding]:
    """A prompt is one; whoever reads the csv with pandas trains on NaN."""
    if prompt not in NO_VALUES:
        return []
    return [Finding(name, line, "/prompt", "readers of csv take this prompt for no value", repr(prompt))]


class _CsvLines:
    """A csv's lines as text, of which the last one is remembered: its number, offset, problem and habit."""

    last: tuple[int, bytes]

    def __init__(self, file: BinaryIO) -> None:
        self.number = self.offset = 0
        self.problem = self.habit = ""
        self._lines = bounded_lines(file)
        self._again: deque[tuple[int, bytes]] = deque()

    def __iter__(self) -> Iterator[str]:
        return self

    def go_back(self, lines: Sequence[tuple[int, bytes]]) -> None:
        """Read the lines that were read last, as they are in `last`, again."""
        self._again.extendleft(reversed(lines))
        self.number -= len(lines)

    def __next__(self) -> str:
        self.last = self._again.popleft() if self._again else next(self._lines)
        self.offset, line = self.last
        self.number += 1
        self.problem = self.habit = ""
        if self.offset == 0 and line.startswith(codecs.BOM_UTF8):
            line, self.habit = line.removeprefix(codecs.BOM_UTF8), _MARK
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            self.problem = f"not UTF-8: {error.reason}"
            return line.decode(errors="replace")


def _csv_row(first: str, lines: _CsvLines) -> tuple[list[str], str, str]:
    """The fields of the row that starts with a line that was just read, why it cannot be used, its habit."""
    raw, problems, habit = [first], [lines.problem], lines.habit
    more: list[tuple[int, bytes]] = []

    def row() -> Iterator[str]:
        yield first
        size = len(first)
        for text in lines:
            more.append(lines.last)
            raw.append(text)
            problems.append(lines.problem)
            size += len(text)
            if size > MAX_LINE_BYTES:
                return
            yield text

    fields: list[str] = []
    try:
        fields = next(csv.reader(row(), strict=True), [])
        problems += [] if fields else ["the line is blank"]
    except csv.Error as error:
        unclosed = more or str(error) == "unexpected end of data"
        problems = [problems[0], "a quote is not closed" if unclosed else f"not csv: {error}"]
        lines.go_back(more)
    problem = next(filter(None, problems), "")
    return fields, problem, habit or ("" if problem else _layout_habit("".join(raw), fields))


def _layout_habit(raw: str, fields: list[str]) -> str:
    if raw == csv_line(fields):
        return ""
    if raw.endswith("\r\n"):
        return "the line ends with CRLF"
    return "not quoted as minimal quoting does" if raw.endswith("\n") else "the last line has no end"


def _plain_reader(theme: str) -> Callable[[str], tuple[int, tuple[str, ...]] | None]:
    """Return a function from a line that is a good row by itself to index and strings; else it says nothing.

    It is what the csv module would say, five times faster: three of the four fields follow from the id, and
    none of them is ever quoted.
    """
    first = format_id(theme, 0)
    rest = ",".join(("", *_paths(first), first)) + "\n"
    head, digits = len(first) - 6, 6
    is_index = re.compile("[0-9]{6}").fullmatch

    def read(line: str) -> tuple[int, tuple[str, ...]] | None:
        index = line[-digits - 1 : -1]
        if not is_index(index) or not line.endswith(end := rest.replace(first, first[:head] + index)):
            return None
        prompt = line[: -len(rest)]
        if prompt.startswith('"'):
            inside = prompt[1:-1]
            if len(prompt) < 3 or prompt[-1] != '"' or '"' in inside.replace('""', "") or "\r" in inside:
                return None
            prompt = inside.replace('""', '"')
            if '"' not in prompt and "," not in prompt:
                return None
        elif not prompt or any(mark in prompt for mark in '",\r\n'):
            return None
        return int(index), (prompt, *end[1:-1].split(","))

    return read


def read_lines(file: BinaryIO, name: str, theme: str, step: str, end: int | None = None) -> Iterator[TextRow]:
    """Yield the JSON lines of a theme from where a file stands; lines are counted from there.

    A line with a record has all of its fields, even where a finding says that they disagree with each other.

    Args:
        file: Open for reading bytes, at the start of a line.
        name: The file's name in findings.
        theme: The theme that its ids must be of.
        step: The step whose records it has.
        end: Lines that start at this byte or after it are left out; None reads to the end.
    """
    schema, index_of = JSONL[step][0], index_reader(theme)
    spelt_out = edit_type(theme) if step in ("ground1", "ground2") else None
    for number, (offset, line) in enumerate(bounded_lines(file, end), 1):
        habits: list[Finding] = []
        if offset == 0 and line.startswith(codecs.BOM_UTF8):
            line, offset = line.removeprefix(codecs.BOM_UTF8), len(codecs.BOM_UTF8)
            habits = [Finding(name, number, "", _MARK)]
        values, findings = check_line(line, schema, file=name, number=number)
        fields = values if isinstance(values, dict) else {}
        if findings and spelt_out is not None and fields.get("edit_type") == spelt_out:
            fields["edit_type"] = edit_type(theme, grounding=True)
            found, findings = findings, list(findings_of(schema, fields, file=name, line=number))
            habits += [finding for finding in found if finding not in findings]
        sample_id, record = fields.get("id"), None
        index = index_of(sample_id) if isinstance(sample_id, str) else None
        if index is None:
            if not findings:
                findings = [Finding(name, number, "/id", f"not an id of theme {theme}", repr(sample_id))]
        elif not findings or follows(schema, fields):
            try:
                record = step_record(step, fields)
            except msgspec.ValidationError as error:
                findings.append(Finding(name, number, "", "a number out of range", str(error)))
        yield TextRow(index, number, number, offset, fields, record, findings, habits)


def line_reader(file: BinaryIO) -> Callable[[int], dict[str, Any]]:
    """Return a function from the byte where a JSON line starts, which was read before, to its value."""

    def read(offset: int) -> dict[str, Any]:
        file.seek(offset)
        value: dict[str, Any] = parse_strict(file.readline(MAX_LINE_BYTES + 1))
        return value

    return read


def step_record(step: str, line: Mapping[str, Any]) -> r.Record:
    """What a step said of a sample, out of a line of its file; `compose` is in the training metadata.

    Raises:
        msgspec.ValidationError: the line does not follow its schema, or a number is out of all range.
    """
    kind = r.STEP_RECORDS[step]
    if kind is r.ImageScore:
        line = line["editscore"]
    said = {name: line[name] for name in kind.__struct_fields__ if name in line}
    return msgspec.convert(said, kind, strict=False)  # 1.0 is an integer to JSON Schema
