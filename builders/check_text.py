r"""A theme's text files, read line by line: the csv and the JSON lines.

- The csv must be what `annotate` writes, byte for byte: columns, minimal quoting, \n line ends, no BOM.
- JSON lines follow their schemas and repeat the csv's prompts; round 2 of the grounding repeats round 1.
- Scores and keywords are noted, for the Parquet rows must repeat them.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import Any

from sparkle.builders.annotate import CSV_COLUMNS, csv_line, jsonl_files, pair_row
from sparkle.builders.census import Place, Row
from sparkle.builders.survey import Survey
from sparkle.schemas import layout
from sparkle.schemas.canonical import canonical_json
from sparkle.schemas.validate import check_jsonl


def check_text(survey: Survey) -> None:
    """Read and check a theme's csv and JSON lines."""
    _check_csv(survey)
    rounds: dict[str, bytes] = {}
    for file in jsonl_files(survey.theme):
        if survey.has(file.path):
            survey.places.append(_check_jsonl(survey, file.path, file.schema, rounds))


# --- the csv ----------------------------------------------------------------------------------


def _check_csv(survey: Survey) -> None:
    file = layout.prompts_csv(survey.theme)
    if not survey.has(file):
        return
    data = (survey.folder / file).read_bytes()
    if data.startswith(codecs.BOM_UTF8):
        survey.note(file, 1, "", "the file starts with a byte order mark")
    try:
        content = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        survey.note(file, data[: error.start].count(b"\n") + 1, "", "not UTF-8", got=error.reason)
        return
    place = Place(file, first_line=2)
    survey.places.append(place)
    for number, end, fields, problem in _csv_rows(content):
        if problem is not None:
            survey.note(file, number, "", problem)
        if number == 1 and fields != list(CSV_COLUMNS):
            survey.note(file, 1, "", "not the columns", got=",".join(fields), wanted=",".join(CSV_COLUMNS))
        elif number > 1 and fields:
            _check_pair(survey, place, number, end, fields)


def _csv_rows(content: str) -> Iterator[tuple[int, int, list[str], str | None]]:
    """Yield (first line, last line, fields, problem) of each row; no fields where it cannot be read."""
    lines = list(io.StringIO(content, newline="\n"))
    reader = csv.reader(iter(lines), strict=True)
    start = 0
    while True:
        fields: list[str] = []
        problem = None
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = f"not csv: {error}"
        raw = "".join(lines[start : reader.line_num])
        if problem is None:
            problem = _layout_problem(raw, fields)
        yield start + 1, reader.line_num, fields, problem
        start = reader.line_num


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


def _check_pair(survey: Survey, place: Place, number: int, end: int, fields: list[str]) -> None:
    file, wanted_fields = place.file, len(CSV_COLUMNS)
    if len(fields) != wanted_fields:
        survey.note(file, number, "", "another number of fields", got=len(fields), wanted=wanted_fields)
        return
    row = dict(zip(CSV_COLUMNS, fields, strict=True))
    if survey.add_row(place, Row(row["task"], file, number, end, "/task")):
        expected = pair_row(row["task"], row["prompt"])
        survey.pairs[row["task"]] = expected
        for name, wanted in expected.items():
            if row[name] != wanted:
                problem = "not the path of this sample"
                survey.note(file, number, f"/{name}", problem, got=row[name], wanted=wanted)


# --- the JSON lines ---------------------------------------------------------------------------


def _check_jsonl(survey: Survey, file: str, schema: str, rounds: dict[str, bytes]) -> Place:
    place = Place(file, first_line=1)
    for number, value, findings in check_jsonl(survey.folder / file, schema, file=file):
        survey.findings.extend(findings)
        if not isinstance(value, dict) or not isinstance(value.get("id"), str):
            continue  # a finding says so
        if survey.add_row(place, Row(value["id"], file, number, number, "/id")) and not findings:
            _compare_prompt(survey, file, number, value)
            _note_columns(survey, file, value)
            if "round1_objects" in value:
                first = canonical_json([value["round1_labels"], value["round1_objects"]])
                if rounds.setdefault(value["id"], first) != first:
                    problem = "another round 1 than in the file of round 1"
                    survey.note(file, number, "/round1_objects", problem)
    return place


def _compare_prompt(survey: Survey, file: str, number: int, value: dict[str, Any]) -> None:
    row = survey.pairs.get(value["id"])
    if row is not None and value["prompt"] != row["prompt"]:
        problem = "another prompt than in the csv"
        survey.note(file, number, "/prompt", problem, got=value["prompt"], wanted=row["prompt"])


def _note_columns(survey: Survey, file: str, value: dict[str, Any]) -> None:
    """What the Parquet row of this sample must say, from this line."""
    theme = survey.theme
    columns: dict[str, Any] = {}
    if file == layout.metadata_jsonl(theme):
        keyword = value["metadata"].get("chosen_keyword")
        columns["subtheme"], _, columns["scene"] = keyword.partition(": ") if keyword else (None, None, None)
    elif file == layout.record_file(theme, "edit_score"):
        columns["edited_frame0_score"] = value["editscore"]["overall"]
    elif file == layout.record_file(theme, "remove_score"):
        columns["foreground_removed_score"] = value["editscore"]["overall"]
    elif file == layout.record_file(theme, "video_score"):
        frames = [frame["O_score"] for frame in value["editscore"]]
        columns["edited_video_score"] = sum(frames) / len(frames)
    for name, expected in columns.items():
        survey.columns.setdefault(name, {})[value["id"]] = expected
