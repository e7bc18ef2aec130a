"""A theme's text files, read line by line: the csv and the JSON lines.

- The csv must be what `annotate` writes, byte for byte: columns, minimal quoting, \\n line ends, no BOM.
- JSON lines follow their schemas, and agree with the csv's prompts; round 2 of the grounding repeats
  round 1. What other tables are compared with (scores, keywords) is collected on the way.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparkle.builders.annotate import CSV_COLUMNS, csv_line, jsonl_files, pair_row
from sparkle.builders.census import Place, Row
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.canonical import canonical_json
from sparkle.schemas.errors import RecordError
from sparkle.schemas.ids import parse_id
from sparkle.schemas.rules import video_score
from sparkle.schemas.validate import Finding, check_jsonl


@dataclass
class ThemeText:
    """What a theme's text files say.

    Attributes:
        places: One a file that is there.
        findings: What is wrong with them.
        pairs: The csv's row by id.
        columns: What the Parquet rows must repeat, by column and id.
    """

    places: list[Place] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    pairs: dict[str, dict[str, str]] = field(default_factory=dict)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)

    def expect(self, column: str, sample_id: str, value: Any) -> None:
        """Note what a Parquet column must say of a sample."""
        self.columns.setdefault(column, {})[sample_id] = value


def id_problem(value: object, theme: str) -> str | None:
    """Why a value is not an id of a theme; None when it is one."""
    try:
        found = parse_id(value)[0] if isinstance(value, str) else None
    except RecordError as error:
        return error.problem
    return None if found == theme else f"not an id of theme {theme}"


def check_text(folder: Path, theme: str) -> ThemeText:
    """Read and check a theme's csv and JSON lines."""
    text = ThemeText()
    _check_csv(folder, theme, text)
    rounds: dict[str, bytes] = {}
    for file in jsonl_files(theme):
        path = folder / file.path
        if not path.is_file():
            text.findings.append(Finding(file.path, 0, "", "the file is missing"))
            continue
        place = Place(file.path, first_line=1)
        for number, value, findings in check_jsonl(path, file.schema, file=file.path):
            text.findings += findings
            if value is None or id_problem(value.get("id") if isinstance(value, dict) else None, theme):
                if not findings:
                    problem = f"not an id of theme {theme}"
                    text.findings.append(Finding(file.path, number, "/id", problem, got=value["id"]))
                continue
            place.rows.append(Row(value["id"], file.path, number))
            text.findings += _compare_prompt(text, file.path, number, value)
            if not findings:
                text.findings += _collect(text, rounds, file.path, number, value)
        text.places.append(place)
    return text


# --- the csv ----------------------------------------------------------------------------------


def _check_csv(folder: Path, theme: str, text: ThemeText) -> None:
    file = layout.prompts_csv(theme)
    try:
        data = (folder / file).read_bytes()
        if data.startswith(codecs.BOM_UTF8):
            text.findings.append(Finding(file, 1, "", "the file starts with a byte order mark"))
        content = data.removeprefix(codecs.BOM_UTF8).decode()
    except FileNotFoundError:
        text.findings.append(Finding(file, 0, "", "the file is missing"))
        return
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        text.findings.append(Finding(file, line, "", "not UTF-8", got=error.reason))
        return
    place = Place(file, first_line=2)
    for number, fields, findings in _csv_rows(file, content):
        text.findings += findings
        if number == 1 and fields != list(CSV_COLUMNS):
            text.findings.append(
                Finding(file, 1, "", "not the columns", got=",".join(fields), wanted=",".join(CSV_COLUMNS))
            )
        elif number > 1 and fields:
            text.findings += _check_pair(text, place, theme, number, fields)
    text.places.append(place)


def _csv_rows(file: str, content: str) -> Iterator[tuple[int, list[str], list[Finding]]]:
    """Yield (first line, fields, findings) of each row; no fields where it cannot be read."""
    lines = list(io.StringIO(content, newline="\n"))
    reader = csv.reader(iter(lines), strict=True)
    start = 0
    while True:
        fields: list[str] = []
        findings = []
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            findings.append(Finding(file, start + 1, "", "not csv", got=str(error)))
        raw = "".join(lines[start : reader.line_num])
        if not findings and raw != csv_line(fields):
            findings.append(Finding(file, start + 1, "", _csv_problem(raw, fields)))
        yield start + 1, fields, findings
        start = reader.line_num


def _csv_problem(raw: str, fields: list[str]) -> str:
    if not fields:
        return "the line is blank"
    if raw.endswith("\r\n"):
        return "the line ends with CRLF"
    if not raw.endswith("\n"):
        return "the last line has no end"
    return "not quoted as csv is with minimal quoting"


def _check_pair(
    text: ThemeText, place: Place, theme: str, number: int, fields: list[str]
) -> Iterator[Finding]:
    if len(fields) != len(CSV_COLUMNS):
        yield Finding(
            place.file, number, "", "another number of fields", got=str(len(fields)), wanted=str(len(CSV_COLUMNS))
        )
        return
    row = dict(zip(CSV_COLUMNS, fields, strict=True))
    problem = id_problem(row["task"], theme)
    if problem is not None:
        yield Finding(place.file, number, "/task", problem, got=row["task"])
        return
    for name, wanted in pair_row(row["task"], row["prompt"]).items():
        if row[name] != wanted:
            yield Finding(
                place.file, number, f"/{name}", "not the path of this sample", got=row[name], wanted=wanted
            )
    if not row["prompt"]:
        yield Finding(place.file, number, "/prompt", "the prompt is empty")
    place.rows.append(Row(row["task"], place.file, number))
    text.pairs[row["task"]] = row


# --- the JSON lines ---------------------------------------------------------------------------


def _compare_prompt(text: ThemeText, file: str, number: int, value: dict[str, Any]) -> Iterator[Finding]:
    row = text.pairs.get(value["id"])
    if row is not None and value.get("prompt") != row["prompt"]:
        yield Finding(
            file, number, "/prompt", "another prompt than in the csv", got=str(value.get("prompt")), wanted=row["prompt"]
        )


def _collect(
    text: ThemeText, rounds: dict[str, bytes], file: str, number: int, value: dict[str, Any]
) -> Iterator[Finding]:
    """Note what the Parquet rows must repeat; a finding where round 2 does not repeat round 1."""
    sample_id, name = value["id"], file.rsplit("/", 1)[-1]
    if "metadata" in value:
        keyword = value["metadata"].get("chosen_keyword")
        subtheme, _, scene = keyword.partition(": ") if keyword else (None, None, None)
        text.expect("subtheme", sample_id, subtheme)
        text.expect("scene", sample_id, scene)
    elif name == layout.RECORD_FILES["edit_score"]:
        text.expect("edited_frame0_score", sample_id, value["editscore"]["overall"])
    elif name == layout.RECORD_FILES["remove_score"]:
        text.expect("foreground_removed_score", sample_id, value["editscore"]["overall"])
    elif name == layout.RECORD_FILES["video_score"]:
        score = r.VideoScore.from_json({key: value[key] for key in ("frame_indices", "editscore")})
        text.expect("edited_video_score", sample_id, video_score(score))
    else:
        first = canonical_json([value["round1_labels"], value["round1_objects"]])
        if rounds.setdefault(sample_id, first) != first:
            yield Finding(file, number, "/round1_objects", "round 1 differs from foreground_grounding_r1.jsonl")
