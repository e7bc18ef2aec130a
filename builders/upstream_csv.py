r"""Upstream's table of pairs, read as leniently as Python's csv module reads it.

- A byte order mark, \r\n line ends, any quoting, columns in another order and rows out of order are habits of
  tools, not mistakes, and are read without a word.
- An id that is none, or stands twice, a path that is not its sample's, a missing column or a row that is too
  short is a finding; the first row of an id is the one that counts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sparkle.builders.annotate import CSV_COLUMNS, pair_row
from sparkle.schemas import layout
from sparkle.schemas.errors import RecordError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.validate import Finding


@dataclass(frozen=True)
class Pairs:
    """The rows of a theme, sorted by id: upstream's four strings as they stand there.

    Attributes:
        columns: Column -> one string a row.
        rows: Position by id.
    """

    columns: dict[str, list[str]]
    rows: dict[str, int]

    @property
    def ids(self) -> list[str]:
        """The ids, sorted."""
        return self.columns["task"]


def read_pairs(folder: Path, theme: str, findings: list[Finding]) -> Pairs:
    """Read a theme's table of pairs; what is wrong is added to the findings."""
    file = layout.prompts_csv(theme)
    found: dict[str, tuple[str, ...]] = {}
    for line, values in _rows(folder / file, file, findings):
        row = dict(zip(CSV_COLUMNS, values, strict=True))
        problem = _id_problem(row["task"], theme)
        if problem is None and row["task"] in found:
            problem = "the id stands twice; its first row counts"
        if problem is not None:
            findings.append(Finding(file, line, "/task", problem, got=repr(row["task"])))
            continue
        found[row["task"]] = values
        for name, wanted in pair_row(row["task"], row["prompt"]).items():
            if row[name] != wanted:
                problem = "not the path of this sample"
                findings.append(Finding(file, line, f"/{name}", problem, got=row[name], wanted=wanted))
    ids = sorted(found)
    columns = {name: [found[sample_id][index] for sample_id in ids] for index, name in enumerate(CSV_COLUMNS)}
    return Pairs(columns, {sample_id: position for position, sample_id in enumerate(ids)})


def _id_problem(sample_id: str, theme: str) -> str | None:
    try:
        return None if theme_of(sample_id) == theme else f"not an id of theme {theme}"
    except RecordError as error:
        return error.problem


def _rows(path: Path, file: str, findings: list[Finding]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield (line, the values of `CSV_COLUMNS`) of each row that has them."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        findings.append(Finding(file, 0, "", "not UTF-8", got=f"{error.reason} at byte {error.start}"))
        return
    reader = csv.reader(io.StringIO(text, newline=""))
    places: list[int] = []
    wanted = ",".join(CSV_COLUMNS)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            findings.append(Finding(file, line, "", f"not csv: {error}"))
            continue
        if not places:
            missing = [name for name in CSV_COLUMNS if name not in fields]
            if missing:
                findings.append(Finding(file, line, "", "not the columns", ",".join(fields), wanted))
                return
            places = [fields.index(name) for name in CSV_COLUMNS]
        elif len(fields) <= max(places):
            problem = "the line is blank" if not fields else "the row is too short"
            findings.append(Finding(file, line, "", problem, got=f"{len(fields)} fields"))
        else:
            yield line, tuple(fields[place] for place in places)
    if not places:
        findings.append(Finding(file, 1, "", "the file is empty", wanted=wanted))
