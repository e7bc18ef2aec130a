r"""Upstream's text files: the table of pairs and the JSON lines, byte layout included.

- `jsonl_files` is the list of a theme's JSON lines files, each with its schema and how a sample's line is
  made. Keys stand in upstream's order.
- Every line is checked against its published schema before it is written.
- The csv is what Python's csv module writes with minimal quoting and \n line ends, as upstream's is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sparkle.builders.select import Sample
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_line
from sparkle.schemas.ids import edit_type
from sparkle.schemas.validate import check

CSV_COLUMNS = ("prompt", "src_video", "tgt_video", "task")


@dataclass(frozen=True)
class JsonlFile:
    """A JSON lines file of a theme: its path in a release, its schema, and a sample's line."""

    path: str
    schema: str
    line: Callable[[Sample], dict[str, Any]]


def jsonl_files(theme: str) -> list[JsonlFile]:
    """The JSON lines files of a theme."""
    files = [JsonlFile(layout.metadata_jsonl(theme), "training_metadata", _metadata)]
    for step, (schema, line) in _RECORD_LINES.items():
        files.append(JsonlFile(layout.record_file(theme, step), schema, line))
    return files


def jsonl_lines(file: JsonlFile, samples: Iterable[Sample]) -> Iterator[bytes]:
    """The lines of a JSON lines file.

    Raises:
        RecordError: a line does not follow the file's schema; the error names file, sample and pointer.
    """
    for sample in samples:
        line = file.line(sample)
        check(file.schema, line, where=f"{file.path} {sample.id}")
        yield dump_line(line)


def pair_row(sample_id: str, prompt: str) -> dict[str, str]:
    """Upstream's four strings of a sample, keys in the order of `CSV_COLUMNS`."""
    source, edited = layout.SOURCE_VIDEO.path(sample_id), layout.EDITED_VIDEO.path(sample_id)
    return dict(zip(CSV_COLUMNS, (prompt, source, edited, sample_id), strict=True))


def csv_lines(samples: Iterable[Sample]) -> Iterator[bytes]:
    """The lines of a theme's table of pairs, header first."""
    yield csv_line(list(CSV_COLUMNS)).encode()
    for sample in samples:
        yield csv_line(list(pair_row(sample.id, sample.prompt).values())).encode()


def csv_line(fields: list[str]) -> str:
    """One row of a csv file, with its line end."""
    text = io.StringIO()
    # Python 3.11 quotes a field with a lone \r only when \r is part of the line end.
    csv.writer(text, lineterminator="\r\n").writerow(fields)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _metadata(sample: Sample) -> dict[str, Any]:
    return {"id": sample.id, "prompt": sample.prompt, "metadata": sample.compose.metadata.to_json()}


def _edit_score(sample: Sample) -> dict[str, Any]:
    return {"id": sample.id, "prompt": sample.prompt, "editscore": sample.edit_score.to_json()}


def _remove_score(sample: Sample) -> dict[str, Any]:
    return {"id": sample.id, "prompt": sample.prompt, "editscore": sample.remove_score.to_json()}


def _video_score(sample: Sample) -> dict[str, Any]:
    return {"id": sample.id, "prompt": sample.prompt, **sample.video_score.to_json()}


def _grounding(sample: Sample) -> dict[str, Any]:
    kind = edit_type(sample.theme, grounding=True)
    return {"id": sample.id, "prompt": sample.prompt, "edit_type": kind, **sample.ground1.to_json()}


def _grounding_frames(sample: Sample) -> dict[str, Any]:
    return {**_grounding(sample), **sample.ground2.to_json()}


# Step whose record a file holds -> (schema, how a line is made); paths are `layout.RECORD_FILES`.
_RECORD_LINES: dict[str, tuple[str, Callable[[Sample], dict[str, Any]]]] = {
    "edit_score": ("image_score", _edit_score),
    "remove_score": ("image_score", _remove_score),
    "ground1": ("grounding_r1", _grounding),
    "ground2": ("grounding_r2", _grounding_frames),
    "video_score": ("video_score", _video_score),
}
