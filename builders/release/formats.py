r"""Upstream's text files as they are written: the table of pairs (csv) and the JSON lines, byte by byte.

- `jsonl_files` is the list of a theme's files of JSON lines, each with its schema and how a sample's line is
  made of its records. Keys are in upstream's order.
- Every line is checked against its published schema before it is written.
- The csv is what Python's csv module writes with minimal quoting and \n line ends, as upstream's is.
- `read_text` reads them.
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
    """A file of JSON lines of a theme: whose records it has, its path, schema, and how a line is made."""

    step: str
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


def jsonl_files(theme: str) -> list[JsonlFile]:
    """The files of JSON lines of a theme."""
    return [JsonlFile(step, jsonl_path(theme, step), schema, make) for step, (schema, make) in JSONL.items()]


def jsonl_path(theme: str, step: str) -> str:
    """The file that has a step's records; those of `compose` are the training metadata."""
    return layout.metadata_jsonl(theme) if step == "compose" else layout.record_file(theme, step)


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


# Step whose records a file has -> (schema, how a line is made).
JSONL: dict[str, tuple[str, Callable[[SampleText, Told], dict[str, Any]]]] = {
    "compose": ("training_metadata", _metadata),
    "edit_score": ("image_score", _edit_score),
    "remove_score": ("image_score", _remove_score),
    "ground1": ("grounding_r1", _grounding),
    "ground2": ("grounding_r2", _grounding_frames),
    "video_score": ("video_score", _video_score),
}
