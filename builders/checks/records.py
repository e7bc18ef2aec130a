"""A theme's table of records, compared with the text files that say the same.

Row groups are read in workers, which hash what the workers for JSON lines hash (`text`): so both are compared
without holding either. Boxes are taken from Arrow's buffers: as Python objects they would take ten times as
long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sparkle.builders.checks.failures import MOST_FINDINGS, too_many
from sparkle.builders.checks.rows import SampleRows, make_rows, unlike
from sparkle.builders.checks.tables import open_for
from sparkle.builders.checks.text import digest, digest_text
from sparkle.builders.checks.theme import PAIRS, RECORDS, Theme
from sparkle.builders.release.read_tables import TableFile
from sparkle.builders.release.tables import RECORDS_GROUP, RECORDS_SCHEMA
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import index_reader
from sparkle.schemas.validate import Finding

_GROUPS = 10  # row groups a job: some 5,000 rows, half a second

# Digest of a row -> the place that says the same, the digest's name there, and the column to point at.
_SAID: dict[str, tuple[str, str, str]] = {
    "prompt": (PAIRS, "prompt", "prompt"),
    "scene": ("compose", "scene", "original_scene"),
    "keyword": ("compose", "keyword", "chosen_keyword"),
    "edited": ("edit_score", "reasons", "edited_frame0_SC_reasoning"),
    "removed": ("remove_score", "reasons", "foreground_removed_SC_reasoning"),
    "round1": ("ground1", "round1", "round1_objects"),
    "boxes": ("ground2", "boxes", "frame_objects"),
    "frames": ("video_score", "frames", "frame_scores"),
}


@dataclass(frozen=True)
class RecordsJob:
    """Reads some row groups of a table of records; columns are the digests of `_SAID`.

    Attributes:
        path: The file.
        theme: The theme.
        groups: The row groups.
        first: The number of their first row.
        place: The name of the place.
    """

    path: Path
    theme: str
    groups: tuple[int, ...]
    first: int
    place: str = RECORDS

    @property
    def file(self) -> str:
        """Its name."""
        return layout.records_parquet(self.theme)

    def __call__(self) -> SampleRows:
        """Read them."""
        file, index_of, row = self.file, index_reader(self.theme), self.first
        found: list[tuple[int, ...]] = []
        findings: list[Finding] = []
        whole = False
        try:
            table = TableFile(self.path)
            if table.schema.remove_metadata() != RECORDS_SCHEMA:  # another file than the one that was opened
                raise ReleaseError("not the columns of this table")
            for batch in table.batches(RECORDS_GROUP, groups=self.groups, threads=False):
                ids = batch.column("task").to_pylist()
                for sample_id, (digests, fits) in zip(ids, _rows(batch), strict=True):
                    index = None if sample_id is None else index_of(sample_id)
                    if index is None:
                        problem, got = f"not an id of theme {self.theme}", repr(sample_id)
                        findings.append(Finding(file, 0, f"/rows/{row}/task", problem, got))
                    else:
                        found.append((index, row, *digests))
                    if not fits:
                        problem = "labels differ from round 1's"
                        findings.append(Finding(file, 0, f"/rows/{row}/frame_objects", problem))
                    row += 1
                if len(findings) > MOST_FINDINGS:
                    findings.append(too_many(file))
                    break
            else:
                whole = True
        except ReleaseError as error:
            findings.append(Finding(file, 0, f"/rows/{row}", error.problem, error.got))
        dtype = [("row", np.int64), *((name, np.uint64) for name in _SAID)]
        return make_rows(self.theme, file, found, dtype, findings=findings, whole=whole)


def records_jobs(theme: Theme) -> Iterator[RecordsJob]:
    """Yield what has to be read; a table that cannot be read is a finding."""
    file = layout.records_parquet(theme.name)
    parquet = open_for(theme, file, RECORDS_SCHEMA) if theme.has(file) else None
    if parquet is None:
        return
    groups, first = range(len(parquet.groups)), 0
    for start in range(0, max(1, len(groups)), _GROUPS):
        job = RecordsJob(theme.folder / file, theme.name, tuple(groups[start : start + _GROUPS]), first)
        yield job
        first += sum(parquet.groups[group].rows for group in job.groups)


def compare_records(theme: Theme) -> None:
    """Note everything in which the rows of records differ from the text files."""
    rows = theme.rows.get(RECORDS)
    for name, (place, there, column) in _SAID.items():
        others = theme.rows.get(place)
        if rows is None or others is None:
            continue
        for row, other in unlike(rows, name, others, there):
            (file, _, pointer), (source, line, _) = rows.at(row), others.at(other)
            problem = f"the row differs from {source}"
            theme.note(file, 0, f"{pointer}/{column}", problem, wanted=f"line {line}")


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[tuple[int, ...], bool]]:
    """Yield the digests of each row, in the order of `_SAID`, and whether its labels fit."""
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
    for *told, edited, removed, first, (boxes, names), (counts, every_box, every_name), frame in zip(
        *texts, *reasons, labels, objects, frames, scores, strict=True
    ):
        wanted = first or []
        fits = names == wanted and every_name == wanted * len(counts)
        fits &= all(count == len(wanted) for count in counts)
        values = (edited, removed, [wanted, boxes], [len(counts), every_box], frame)
        yield (*map(digest_text, told), *map(digest, values)), fits


def _objects(column: pa.ListArray) -> Iterator[tuple[list[list[int]], list[str]]]:
    """Yield boxes and labels of each list of labelled boxes."""
    offsets, items = column.offsets.to_pylist(), column.values
    ends, numbers = items.field("bbox_2d").offsets.to_pylist(), items.field("bbox_2d").values.to_pylist()
    labels = items.field("label").to_pylist()
    for start, end in pairwise(offsets):
        yield [numbers[ends[item] : ends[item + 1]] for item in range(start, end)], labels[start:end]


def _frames(column: pa.ListArray) -> Iterator[tuple[list[int], list[list[int]], list[str]]]:
    """Yield of each row how many boxes each frame has, then all boxes and labels, frame after frame."""
    objects = list(_objects(column.values))
    offsets = column.offsets.to_pylist()
    for start, end in pairwise(offsets):
        found = objects[start:end]
        yield (
            [len(boxes) for boxes, _ in found],
            list(chain.from_iterable(boxes for boxes, _ in found)),
            list(chain.from_iterable(labels for _, labels in found)),
        )


def _scores(batch: pa.RecordBatch) -> Iterator[list[list[Any]]]:
    """Yield the scores of each row's frames, in the order of the columns."""
    names = ("SC_score", "PQ_score", "O_score", "SC_score_reasoning", "PQ_score_reasoning")
    for frames in batch.column("frame_scores").to_pylist():
        yield [[frame[name] for name in names] for frame in frames or []]
