r"""Upstream's text files: the table of pairs and the JSON lines, byte layout included.

- `jsonl_files` is the list of a theme's JSON lines files, each with its schema and how a sample's line is
  made of its records. Keys stand in upstream's order.
- Every line is checked against its published schema before it is written.
- `step_record` reads the record of a step out of a line that follows its schema.
- The csv is what Python's csv module writes with minimal quoting and \n line ends, as upstream's is.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from sparkle.builders.release.sample import SampleText
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.canonical import dump_line, plain
from sparkle.schemas.ids import edit_type
from sparkle.schemas.validate import check

CSV_COLUMNS = ("prompt", "src_video", "tgt_video", "task")

# What pandas 3 reads as no value (its documentation of `read_csv`, na_values); `datasets` reads csv by it.
NO_VALUES = frozenset(
    {
        *("", " ", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    }
)


# Step -> its record, for the steps that `sample.STREAMED` names.
Told = Mapping[str, Any]

# A number that Python writes in another way than msgspec does: below 0.0001, or large.
_OTHER_NUMBER = re.compile(rb": (?:0\.0000|[0-9](?:\.[0-9]+)?e)")


@dataclass(frozen=True)
class JsonlFile:
    """A JSON lines file of a theme: its path in a release, its schema, and how a sample's line is made."""

    path: str
    schema: str
    make: Callable[[SampleText, Told], dict[str, Any]]

    def line(self, words: SampleText, told: Told) -> bytes:
        """A sample's line, keys in upstream's order.

        Raises:
            RecordError: the line does not follow the schema; the error names file, sample and pointer.
        """
        value = self.make(words, told)
        check(self.schema, plain(value), where=f"{self.path} {words.id}")
        return dump_records(value)


def dump_records(value: dict[str, Any]) -> bytes:
    """What `dump_line` makes of a value that holds records, some ten times faster."""
    line = msgspec.json.format(msgspec.json.encode(value), indent=0) + b"\n"
    return dump_line(value) if _OTHER_NUMBER.search(line) else line


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


def jsonl_files(theme: str) -> list[JsonlFile]:
    """The JSON lines files of a theme."""
    files = [JsonlFile(layout.metadata_jsonl(theme), "training_metadata", _metadata)]
    for step, (schema, make) in _RECORD_LINES.items():
        files.append(JsonlFile(layout.record_file(theme, step), schema, make))
    return files


def pair_row(sample_id: str, prompt: str) -> dict[str, str]:
    """Upstream's four strings of a sample, keys in the order of `CSV_COLUMNS`."""
    source, edited = layout.SOURCE_VIDEO.path(sample_id), layout.EDITED_VIDEO.path(sample_id)
    return dict(zip(CSV_COLUMNS, (prompt, source, edited, sample_id), strict=True))


def csv_line(fields: list[str]) -> str:
    """One row of a csv file, with its line end."""
    text = io.StringIO()
    # Python 3.11 quotes a field with a lone \r only when \r is part of the line end.
    csv.writer(text, lineterminator="\r\n").writerow(fields)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _metadata(words: SampleText, _: Told) -> dict[str, Any]:
    return {"id": words.id, "prompt": words.prompt, "metadata": words.metadata}


def _edit_score(words: SampleText, told: Told) -> dict[str, Any]:
    return {"id": words.id, "prompt": words.prompt, "editscore": told["edit_score"]}


def _remove_score(words: SampleText, told: Told) -> dict[str, Any]:
    return {"id": words.id, "prompt": words.prompt, "editscore": told["remove_score"]}


def _video_score(words: SampleText, told: Told) -> dict[str, Any]:
    score: r.VideoScore = told["video_score"]
    start = {"id": words.id, "prompt": words.prompt}
    return {**start, "frame_indices": score.frame_indices, "editscore": score.editscore}


def _grounding(words: SampleText, told: Told) -> dict[str, Any]:
    found: r.Ground1Record = told["ground1"]
    kind = edit_type(words.theme, grounding=True)
    start = {"id": words.id, "prompt": words.prompt, "edit_type": kind}
    return {**start, "round1_labels": found.round1_labels, "round1_objects": found.round1_objects}


def _grounding_frames(words: SampleText, told: Told) -> dict[str, Any]:
    found: r.Ground2Record = told["ground2"]
    return {**_grounding(words, told), "frame_objects": found.frame_objects}


# Step whose record a file holds -> (schema, how a line is made); paths are `layout.RECORD_FILES`.
_RECORD_LINES: dict[str, tuple[str, Callable[[SampleText, Told], dict[str, Any]]]] = {
    "edit_score": ("image_score", _edit_score),
    "remove_score": ("image_score", _remove_score),
    "ground1": ("grounding_r1", _grounding),
    "ground2": ("grounding_r2", _grounding_frames),
    "video_score": ("video_score", _video_score),
}
