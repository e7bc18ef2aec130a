"""Upstream's text files: the table of pairs and the JSON lines of a theme, read with what is wrong in them.

How it works
- The table is read as leniently as Python's csv module reads it: a byte order mark, CRLF line ends, any
  quoting, columns in another order and rows out of order are habits of tools. An invalid or repeated id, a
  path of another sample, a missing column or a row that is too short is a finding.
- Every JSON line is checked as `sparkle validate` does. What upstream writes in two ways is accepted in both:
  the `edit_type` of openve3m in groundings.
- A line whose fields are there counts even when they disagree with each other (a label that differs from
  round 1's): the finding says so, and the tables say what upstream says. A line without them cannot.
- The first row and the first line of an id are those that count. A line's byte offset is kept, and its words
  are read again when the table of records is written: a theme's lines are gigabytes.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from sparkle.builders.release.formats import CSV_COLUMNS, pair_row, step_record
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.errors import RecordError
from sparkle.schemas.ids import edit_type, theme_of
from sparkle.schemas.rules import video_score
from sparkle.schemas.validate import Finding, bounded_lines, check_line, findings_of, follows


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


# --- upstream's JSON lines of a theme --------------------------------------------------------------


METADATA = "compose"  # beside the steps of `layout.RECORD_FILES`, the name of the training metadata
_SCHEMAS = {
    METADATA: "training_metadata",
    "edit_score": "image_score",
    "remove_score": "image_score",
    "ground1": "grounding_r1",
    "ground2": "grounding_r2",
    "video_score": "video_score",
}
_SCORES = {
    "edit_score": "edited_frame0_score",
    "remove_score": "foreground_removed_score",
    "video_score": "edited_video_score",
}
NO_LINE = -1


@dataclass
class Told:
    """What the JSON lines say of a theme's samples, by their positions in its table of pairs.

    Attributes:
        offsets: Name -> int64 (N,), the byte offset of a sample's line, `NO_LINE` where there is none.
        scores: Column -> float64 (N,), NaN where there is none.
        subthemes: What stands before the colon of the keyword; None where there is none.
        scenes: What stands after it.
    """

    offsets: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    scores: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    subthemes: list[str | None] = field(default_factory=list)
    scenes: list[str | None] = field(default_factory=list)


def line_file(theme: str, name: str) -> str:
    """The file of a name of `Told.offsets`."""
    return layout.metadata_jsonl(theme) if name == METADATA else layout.record_file(theme, name)


def read_lines(
    folder: Path, theme: str, pairs: Pairs, files: frozenset[str], findings: list[Finding]
) -> Told:
    """Read a theme's JSON lines.

    Args:
        folder: The folder of upstream's layout.
        theme: The theme.
        pairs: Its table of pairs.
        files: The text files that are there.
        findings: What is wrong is added here; a file that is not there is one finding.
    """
    count = len(pairs.ids)
    told = Told(subthemes=[None] * count, scenes=[None] * count)
    told.scores = {column: np.full(count, np.nan) for column in _SCORES.values()}
    first_rounds: dict[int, str] = {}
    for name in _SCHEMAS:
        told.offsets[name] = np.full(count, NO_LINE, np.int64)
        file = line_file(theme, name)
        if file in files:
            _Reader(name, file, theme, pairs, told, findings, first_rounds).read(folder / file)
        else:
            findings.append(Finding(file, 0, "", "the file is missing"))
    return told


@dataclass
class _Reader:
    """Reads one file of JSON lines."""

    name: str
    file: str
    theme: str
    pairs: Pairs
    told: Told
    findings: list[Finding]
    first_rounds: dict[int, str]

    def read(self, path: Path) -> None:
        offsets = self.told.offsets[self.name]
        with path.open("rb") as file:
            for number, (offset, line) in enumerate(bounded_lines(file), 1):
                if number == 1 and line.startswith(codecs.BOM_UTF8):
                    line, offset = line[len(codecs.BOM_UTF8) :], offset + len(codecs.BOM_UTF8)
                self._take(number, offset, line, offsets)
        for position in np.flatnonzero(offsets == NO_LINE):
            sample_id = self.pairs.ids[position]
            self._note(0, "", "a sample of the csv has no line that can be used", wanted=sample_id)

    def _take(self, number: int, offset: int, line: bytes, offsets: npt.NDArray[np.int64]) -> None:
        schema = _SCHEMAS[self.name]
        value, findings = check_line(line, schema, file=self.file, number=number)
        if findings and isinstance(value, dict) and self._spelt_otherwise(value):
            value["edit_type"] = edit_type(self.theme, grounding=True)
            findings = list(findings_of(schema, value, file=self.file, line=number))
        self.findings += findings
        if findings and not follows(schema, value):
            return
        try:
            record = step_record("ground1" if self.name == "ground2" else self.name, value)
        except msgspec.ValidationError as error:
            self._note(number, "", "a number out of range", got=error)
            return
        position = self.pairs.rows.get(value["id"])
        if position is None:
            self._note(number, "/id", "a line of no sample of the csv", got=value["id"])
            return
        if offsets[position] != NO_LINE:
            self._note(number, "/id", "the id stands twice; its first line counts", got=value["id"])
            return
        offsets[position] = offset
        prompt = self.pairs.columns["prompt"][position]
        if value["prompt"] != prompt:
            self._note(
                number, "/prompt", "another prompt than in the csv", got=value["prompt"], wanted=prompt
            )
        self._keep(number, position, record)

    def _keep(self, number: int, position: int, record: r.Record) -> None:
        """Take what the table of pairs says of a sample."""
        match record:
            case r.ComposeRecord(metadata=r.SceneMetadata(chosen_keyword=str(keyword))):
                subtheme, _, scene = keyword.partition(": ")
                self.told.subthemes[position], self.told.scenes[position] = subtheme, scene
            case r.ImageScore(overall=score):
                self.told.scores[_SCORES[self.name]][position] = score
            case r.VideoScore():
                self.told.scores[_SCORES[self.name]][position] = video_score(record)
            case r.Ground1Record():
                digest = fingerprint(record)
                if self.first_rounds.setdefault(position, digest) != digest:
                    problem = "another round 1 than in the file of round 1"
                    self._note(number, "/round1_objects", problem)

    def _spelt_otherwise(self, value: Mapping[str, Any]) -> bool:
        """Whether a grounding names openve3m as the training metadata does."""
        return self.name in ("ground1", "ground2") and value.get("edit_type") == edit_type(self.theme)

    def _note(
        self, number: int, pointer: str, problem: str, *, got: object = None, wanted: object = None
    ) -> None:
        shown = (None if value is None else str(value) for value in (got, wanted))
        self.findings.append(Finding(self.file, number, pointer, problem, *shown))
