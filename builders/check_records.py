"""A theme's table of records: its boxes, labels and reasonings are those of the JSON lines.

- Row groups are read in workers, which hash what the JSON lines' workers hash (`check_lines`): so both are
  compared without holding either.
- Boxes are taken from Arrow's buffers: as Python objects they would take ten times as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sparkle.builders.catalog import RECORDS_SCHEMA
from sparkle.builders.census import Finder, Keys, Numbers, Place, Segment, index_reader, keys_of
from sparkle.builders.check_lines import UNKNOWN, Digests, digest, digest_text
from sparkle.builders.check_rows import open_table
from sparkle.builders.survey import Survey
from sparkle.schemas import layout

_GROUPS = 10  # row groups a job: some 5,000 rows, half a second

# Digest of a row -> the file of JSON lines that says it (a step's, or None for the metadata), the digest's
# name there, and the column to point at.
_SAID: dict[str, tuple[str | None, str, str]] = {
    "scene": (None, "scene", "original_scene"),
    "keyword": (None, "keyword", "chosen_keyword"),
    "edited": ("edit_score", "reasons", "edited_frame0_SC_reasoning"),
    "removed": ("remove_score", "reasons", "foreground_removed_SC_reasoning"),
    "round1": ("ground1", "round1", "round1_objects"),
    "boxes": ("ground2", "boxes", "frame_objects"),
    "frames": ("video_score", "frames", "frame_scores"),
}


@dataclass(frozen=True)
class Records:
    """What was read of a table of records; arrays have a row for each row of the table.

    Attributes:
        indices: The samples' indices, -1 where the id is none of the theme.
        digests: 64-bit hashes, by name.
        labelled: Whether every frame of a row has the labels of round 1.
        problem: Why reading ended early, if it did.
    """

    indices: Numbers
    digests: Mapping[str, Digests]
    labelled: np.ndarray[Any, np.dtype[np.bool_]]
    problem: str | None


@dataclass(frozen=True)
class RecordsJob:
    """Reads some row groups of a table of records."""

    path: Path
    theme: str
    groups: tuple[int, ...]

    def __call__(self) -> Records:
        """Read them."""
        index_of = index_reader(self.theme)
        indices: list[int] = []
        told: list[tuple[int, ...]] = []
        labelled: list[bool] = []
        problem = None
        try:
            parquet = pq.ParquetFile(self.path)
            for group in self.groups:
                for batch in parquet.read_row_group(group, use_threads=False).to_batches():
                    for sample_id in batch.column("task").to_pylist():
                        index = None if sample_id is None else index_of(sample_id)
                        indices.append(-1 if index is None else index)
                    for row, fits in _rows(batch):
                        told.append(row)
                        labelled.append(fits)
        except (pa.ArrowException, OSError) as error:
            problem = str(error)
        count = len(told)
        table = np.array(told, np.uint64).reshape(count, len(_SAID) + 1)
        names = ("prompt", *_SAID)
        return Records(
            np.array(indices[:count], np.int64),
            {name: table[:, column] for column, name in enumerate(names)},
            np.array(labelled, np.bool_),
            problem,
        )


def records_jobs(survey: Survey) -> list[RecordsJob]:
    """What has to be read; a table that cannot be read is a finding."""
    file = layout.records_parquet(survey.theme)
    parquet = open_table(survey, file, RECORDS_SCHEMA) if survey.has(file) else None
    if parquet is None:
        return []
    groups = range(parquet.metadata.num_row_groups)
    path = survey.folder / file
    return [
        RecordsJob(path, survey.theme, tuple(groups[start : start + _GROUPS]))
        for start in range(0, max(1, len(groups)), _GROUPS)
    ]


def take_records(survey: Survey, answers: Iterator[Records]) -> None:
    """Note everything in which the rows differ from the text files."""
    parts = list(answers)
    if not parts:
        return
    file = layout.records_parquet(survey.theme)
    for part in parts:
        if part.problem is not None:
            problem = "not a Parquet file that can be read"
            survey.note(file, 0, "", problem, got=part.problem)
            return
    indices = np.concatenate([part.indices for part in parts])
    rows = np.flatnonzero(indices >= 0)
    for row in np.flatnonzero(indices < 0).tolist():
        survey.note(file, 0, f"/rows/{row}/task", f"not an id of theme {survey.theme}")
    keys = keys_of(indices[rows])
    survey.places.append(
        Place(file, segments=[Segment(file, keys, pointer=lambda row: f"/rows/{rows[row]}")])
    )
    labelled = np.concatenate([part.labelled for part in parts])
    for row in np.flatnonzero(~labelled).tolist():
        survey.note(file, 0, f"/rows/{row}/frame_objects", "labels differ from round 1's")
    for name, source in _sources(survey).items():
        theirs = Finder(source.keys).rows(keys)
        got = np.concatenate([part.digests[name] for part in parts])[rows]
        wanted = source.digests[theirs] if len(source.keys) else got
        for row in np.flatnonzero((theirs >= 0) & (wanted != UNKNOWN) & (got != wanted)).tolist():
            problem, line = f"the row differs from {source.file}", f"line {source.lines[theirs[row]]}"
            survey.note(file, 0, f"/rows/{rows[row]}/{source.column}", problem, wanted=line)


@dataclass(frozen=True)
class _Source:
    """What a text file says of a column of the table."""

    column: str
    file: str
    keys: Keys
    lines: Numbers
    digests: Digests


def _sources(survey: Survey) -> dict[str, _Source]:
    """What the text files that could be read say, by the name of the row's digest."""
    found = {}
    if survey.pairs is not None:
        pairs, file = survey.pairs, layout.prompts_csv(survey.theme)
        found["prompt"] = _Source("prompt", file, pairs.keys, pairs.lines, pairs.prompts)
    for name, (step, there, column) in _SAID.items():
        file = layout.record_file(survey.theme, step) if step else layout.metadata_jsonl(survey.theme)
        if file in survey.lines:
            lines = survey.lines[file]
            found[name] = _Source(column, file, lines.keys, lines.numbers, lines.digests[there])
    return found


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[tuple[int, ...], bool]]:
    """Yield the digests of each row, in the order of prompt and `_SAID`, and whether its labels fit."""
    texts = [
        [value or "" for value in batch.column(name).to_pylist()]
        for name in ("prompt", "original_scene", "chosen_keyword")
    ]
    reasons = [
        list(
            zip(
                batch.column(f"{kind}_SC_reasoning").to_pylist(),
                batch.column(f"{kind}_PQ_reasoning").to_pylist(),
                strict=True,
            )
        )
        for kind in ("edited_frame0", "foreground_removed")
    ]
    labels = batch.column("round1_labels").to_pylist()
    objects = _objects(batch.column("round1_objects"))
    frames = _frames(batch.column("frame_objects"))
    scores = zip(batch.column("frame_indices").to_pylist(), _scores(batch), strict=True)
    for *told, edited, removed, first, (boxes, names), (every_box, every_name), frame in zip(
        *texts, *reasons, labels, objects, frames, scores, strict=True
    ):
        wanted = first or []
        fits = names == wanted and every_name == wanted * (len(every_name) // max(1, len(wanted)))
        values = (edited, removed, [wanted, boxes], every_box, frame)
        yield (*map(digest_text, told), *map(digest, values)), fits


def _objects(column: pa.ListArray) -> Iterator[tuple[list[list[int]], list[str]]]:
    """Yield boxes and labels of each list of labelled boxes."""
    offsets, items = column.offsets.to_pylist(), column.values
    ends, numbers = items.field("bbox_2d").offsets.to_pylist(), items.field("bbox_2d").values.to_pylist()
    labels = items.field("label").to_pylist()
    for start, end in pairwise(offsets):
        yield [numbers[ends[item] : ends[item + 1]] for item in range(start, end)], labels[start:end]


def _frames(column: pa.ListArray) -> Iterator[tuple[list[list[int]], list[str]]]:
    """Yield boxes and labels of all frames of each row, one after another."""
    objects = list(_objects(column.values))
    offsets = column.offsets.to_pylist()
    for start, end in pairwise(offsets):
        found = objects[start:end]
        yield (
            list(chain.from_iterable(boxes for boxes, _ in found)),
            list(chain.from_iterable(labels for _, labels in found)),
        )


def _scores(batch: pa.RecordBatch) -> Iterator[list[list[Any]]]:
    """Yield the scores of each row's frames, in the order of the columns."""
    names = ("SC_score", "PQ_score", "O_score", "SC_score_reasoning", "PQ_score_reasoning")
    for frames in batch.column("frame_scores").to_pylist():
        yield [[frame[name] for name in names] for frame in frames or []]
