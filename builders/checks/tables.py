"""A theme's Parquet tables, compared with the text files and the tars that they stand for.

- Rows of pairs are read in batches and compared column by column; a preview is never loaded, only whether it
  is there. Recorded measures are judged by `rules` again, as the scores are in `lines`.
- Row groups of records are read in workers, which hash what the workers for JSON lines hash (`lines`): so
  both are compared without holding either. Boxes are taken from Arrow's buffers: as Python objects they would
  take ten times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec import structs

from sparkle.builders.checks.census import Finder, Keys, Numbers, Segment, Slot, id_of, index_reader, keys_of
from sparkle.builders.checks.csv import read_row
from sparkle.builders.checks.lines import UNKNOWN, Digests, digest, digest_text
from sparkle.builders.checks.survey import Survey
from sparkle.builders.checks.text import read_line
from sparkle.builders.release.tables import (
    MEASURE_COLUMNS,
    RECORDS_SCHEMA,
    TableFile,
    open_table,
    pairs_schema,
    table_errors,
)
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS, Kind
from sparkle.schemas.records import MeasureRecord
from sparkle.schemas.rules import judge

BATCH_ROWS = 20_000  # some 20 MB as Python objects
_SCORES = {
    "edited_frame0_score": "edit_score",
    "foreground_removed_score": "remove_score",
    "edited_video_score": "video_score",
}
_UNLIKE = "the row differs from the files that it stands for"


@dataclass(frozen=True)
class _Batch:
    """Rows in a row: the columns, and which rows have an id of the theme."""

    file: str
    first: int
    table: pa.RecordBatch
    rows: Numbers
    keys: Keys

    def values(self, column: str) -> list[Any]:
        """A column of the rows that have an id."""
        values = self.table.column(column).to_pylist()
        return values if len(values) == len(self.rows) else [values[row] for row in self.rows.tolist()]

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """A column of numbers of the rows that have an id, NaN for null."""
        found = self.table.column(column).cast(pa.float64()).to_numpy(zero_copy_only=False)
        return np.asarray(found, np.float64)[self.rows]

    def pointer(self, row: int, column: str) -> str:
        """Where a value of a row with an id is."""
        return f"/rows/{self.first + int(self.rows[row])}/{column}"


def check_rows(survey: Survey, preview: int | None) -> None:
    """Check a theme's rows against its text files and tars, which were read before.

    Args:
        survey: The theme.
        preview: How many rows have a preview; None where the release does not say.
    """
    files = [
        path for path in layout.tables_of(survey.theme, survey.files) if layout.parse(path).part is not None
    ]
    expected = [layout.data_parquet(survey.theme, part, len(files)) for part in range(len(files))]
    if not files:
        survey.has(layout.data_parquet(survey.theme, 0, 1))
        return
    if files != expected:
        survey.note(files[0], 0, "", "parts are missing or misnamed", got=files, wanted=expected)
    slot = Slot(expected[0])
    against = _Against(survey)
    before, whole = 0, True
    for file in files:
        parquet = _open(survey, file, pairs_schema())
        if parquet is None:
            whole = False
            continue
        columns = ["preview.path" if name == "preview" else name for name in pairs_schema().names]
        keys = []
        for batch in read_batches(survey, file, parquet, columns):
            keys.append(batch.keys)
            against.compare(batch)
            if preview is not None:
                _check_previews(survey, batch, preview - before)
        joined = np.concatenate(keys or [np.empty(0, np.int64)])
        slot.segments.append(Segment(file, joined, pointer=lambda row: f"/rows/{row}"))
        before += parquet.metadata.num_rows
    against.finish()
    if whole:
        survey.slots.append(slot)


def _open(survey: Survey, file: str, schema: pa.Schema) -> TableFile | None:
    """A Parquet file with the columns of a schema; None, and a finding, when it is not one."""
    try:
        parquet = open_table(survey.folder / file)
    except ReleaseError as error:
        survey.note(file, 0, "", error.problem, got=error.got)
        return None
    found = parquet.schema_arrow.remove_metadata()
    if found.equals(schema):
        return parquet
    unlike = set(found) ^ set(schema)
    survey.note(
        file,
        0,
        "",
        "not the columns of this table",
        got=", ".join(str(field) for field in found if field in unlike) or "another order",
        wanted=", ".join(str(field) for field in schema if field in unlike) or ", ".join(schema.names),
    )
    return None


def read_batches(survey: Survey, file: str, parquet: TableFile, columns: list[str]) -> Iterator[_Batch]:
    """Yield the rows of a table; ids that are none are findings, and so is a file that is damaged."""
    index_of = index_reader(survey.theme)
    first = 0
    batches = parquet.iter_batches(BATCH_ROWS, columns=columns)
    while True:
        try:
            with table_errors(file):
                table = next(batches, None)
        except ReleaseError as error:
            survey.note(file, 0, f"/rows/{first}", error.problem, got=error.got)
            return
        if table is None:
            return
        rows, indices = [], []
        for row, sample_id in enumerate(table.column("task").to_pylist()):
            index = None if sample_id is None else index_of(sample_id)
            if index is None:
                problem = f"not an id of theme {survey.theme}"
                survey.note(file, 0, f"/rows/{first + row}/task", problem, got=repr(sample_id))
            else:
                rows.append(row)
                indices.append(index)
        keys = keys_of(np.array(indices, np.int64))
        yield _Batch(file, first, table, np.array(rows, np.int64), keys)
        first += table.num_rows


def _check_previews(survey: Survey, batch: _Batch, shown: int) -> None:
    there = batch.table.column("preview").is_valid().to_numpy(zero_copy_only=False)
    numbers = batch.first + np.arange(len(there))
    for number in numbers[there != (numbers < shown)].tolist():
        problem = "previews stand in the first rows and in no others"
        survey.note(batch.file, 0, f"/rows/{number}/preview", problem)


class _Against:
    """What rows must say, and what they said of the artifacts."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.pairs = survey.pairs
        self.lines = survey.lines
        self._finders = {name: Finder(found.keys) for name, found in survey.lines.items()}
        self._pairs = None if survey.pairs is None else Finder(survey.pairs.keys)
        self._members = {name: Finder(found.keys) for name, found in survey.members.items()}
        self._keys: list[Keys] = []
        self._hashes: dict[str, list[npt.NDArray[np.uint8]]] = {kind.name: [] for kind in KINDS}
        self._shards: dict[str, list[list[str]]] = {kind.name: [] for kind in KINDS}

    def compare(self, batch: _Batch) -> None:
        """Compare some rows with everything."""
        self._keys.append(batch.keys)
        self._compare_pairs(batch)
        self._compare_keywords(batch)
        for column, step in _SCORES.items():
            self._compare_scores(batch, column, layout.record_file(self.survey.theme, step))
        self._compare_size(batch)
        self._judge_measures(batch)
        for kind in KINDS:
            self._compare_artifacts(batch, kind)

    def finish(self) -> None:
        """Note what rows say of the artifacts, for the checks that follow."""
        survey = self.survey
        survey.rows = np.concatenate(self._keys or [np.empty(0, np.int64)])
        finder = Finder(survey.rows)
        for kind in KINDS:
            parts = self._hashes[kind.name]
            survey.hashes[kind.name] = np.concatenate(parts) if parts else np.empty((0, 32), np.uint8)
            shards = [shard or "" for part in self._shards[kind.name] for shard in part]
            reported = {survey.tars[kind.name].file} if kind.name not in survey.members else set()
            for shard in sorted(set(shards) - survey.files - reported - {""}):
                survey.note(shard, 0, "", "the tar is missing", wanted="rows name it")
            survey.tars[kind.name].home = _home(finder, shards, survey.files)

    def _compare_pairs(self, batch: _Batch) -> None:
        ids = [id_of(self.survey.theme, key) for key in batch.keys.tolist()]
        for column, kind in (("src_video", layout.SOURCE_VIDEO), ("tgt_video", layout.EDITED_VIDEO)):
            head, tail = kind.path(ids[0]).split(ids[0]) if ids else ("", "")
            paths = [f"{head}{sample_id}{tail}" for sample_id in ids]
            got = batch.values(column)
            if got != paths:
                for row, (one, other) in enumerate(zip(got, paths, strict=True)):
                    if one != other:
                        self._unlike(batch, row, column, one, other)
        if self.pairs is None or self._pairs is None:
            return
        theirs = self._pairs.rows(batch.keys)
        texts = batch.values("prompt")
        prompts = np.array([UNKNOWN if text is None else digest_text(text) for text in texts], np.uint64)
        if not len(self.pairs.keys):
            return
        wanted = self.pairs.prompts[theirs]
        for row in np.flatnonzero((theirs >= 0) & (wanted != UNKNOWN) & (prompts != wanted)).tolist():
            path = self.survey.folder / layout.prompts_csv(self.survey.theme)
            pair = read_row(path, int(self.pairs.offsets[theirs[row]]))
            self._unlike(batch, row, "prompt", texts[row], pair["prompt"])

    def _compare_keywords(self, batch: _Batch) -> None:
        file = layout.metadata_jsonl(self.survey.theme)
        if file not in self.lines:
            return
        lines, theirs = self.lines[file], self._finders[file].rows(batch.keys)
        words = list(zip(batch.values("subtheme"), batch.values("scene"), strict=True))
        for row in np.flatnonzero(theirs >= 0).tolist():
            subtheme, scene = words[row]
            said = "" if subtheme is None and scene is None else f"{subtheme}: {scene}"
            wanted = lines.digests["keyword"][theirs[row]]
            if wanted not in (UNKNOWN, digest_text(said)):
                line = read_line(self.survey.folder / file, int(lines.offsets[theirs[row]]))
                keyword = line["metadata"].get("chosen_keyword", "")
                column = "subtheme" if keyword.partition(": ")[0] != (subtheme or "") else "scene"
                self._unlike(batch, row, column, said, keyword)

    def _compare_scores(self, batch: _Batch, column: str, file: str) -> None:
        if file not in self.lines or not len(self.lines[file].keys):
            return
        theirs = self._finders[file].rows(batch.keys)
        got, wanted = batch.numbers(column), self.lines[file].scores[theirs]
        for row in np.flatnonzero((theirs >= 0) & ~np.isnan(wanted) & (got != wanted)).tolist():
            self._unlike(batch, row, column, float(got[row]), float(wanted[row]))

    def _compare_size(self, batch: _Batch) -> None:
        """Frames, width and height against those of the source video."""
        members = self.survey.members.get(layout.SOURCE_VIDEO.name)
        if members is None or not len(members.keys):
            return
        theirs = self._members[layout.SOURCE_VIDEO.name].rows(batch.keys)
        for side, column in enumerate(("frames", "width", "height")):
            got, wanted = batch.numbers(column), members.shapes[theirs, side]
            for row in np.flatnonzero((theirs >= 0) & (wanted > 0) & (got != wanted)).tolist():
                self._unlike(batch, row, column, f"{got[row]:g}", f"{wanted[row]:g}")

    def _judge_measures(self, batch: _Batch) -> None:
        limits = self.survey.limits
        names = [name for name in MEASURE_COLUMNS if name in batch.table.schema.names]
        needed = {field.name for field in structs.fields(MeasureRecord) if field.required}
        for row, values in enumerate(zip(*(batch.values(name) for name in names), strict=True)):
            known = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            if not limits or not needed <= known.keys():  # not recorded: nothing to judge
                continue
            record = MeasureRecord(**known)
            reasons = [judge("measure", record, limit) for limit in limits]
            if None not in reasons:
                problem = "the sample does not pass the release's thresholds"
                self.survey.note(batch.file, 0, batch.pointer(row, names[0]), problem, got=reasons[0])

    def _compare_artifacts(self, batch: _Batch, kind: Kind) -> None:
        shards = batch.values(f"{kind.name}_shard")
        self._shards[kind.name].append(shards)
        self._hashes[kind.name].append(self._read_hashes(batch, f"{kind.name}_sha256"))
        members = self.survey.members.get(kind.name)
        if members is None or not len(members.keys):
            return
        theirs = self._members[kind.name].rows(batch.keys)
        for row in np.flatnonzero(theirs >= 0).tolist():
            tar = members.tars[int(members.tar[theirs[row]])]
            if shards[row] != tar:
                self._unlike(batch, row, f"{kind.name}_shard", shards[row], tar)
        for name, wanted in (("offset", members.offsets), ("size", members.sizes)):
            got = batch.numbers(f"{kind.name}_{name}")
            for row in np.flatnonzero((theirs >= 0) & (got != wanted[theirs])).tolist():
                there = int(wanted[theirs[row]])
                self._unlike(batch, row, f"{kind.name}_{name}", f"{got[row]:.0f}", there)

    def _read_hashes(self, batch: _Batch, column: str) -> npt.NDArray[np.uint8]:
        """The sha256 of an artifact, uint8 (n, 32); zeros, and a finding, where there is none."""
        values = batch.values(column)
        for row, value in enumerate(values):
            if value is None or len(value) != 32:
                self.survey.note(batch.file, 0, batch.pointer(row, column), "not a sha256")
                values[row] = bytes(32)
        return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), 32)

    def _unlike(self, batch: _Batch, row: int, column: str, got: object, wanted: object) -> None:
        self.survey.note(batch.file, 0, batch.pointer(row, column), _UNLIKE, got=got, wanted=wanted)


def _home(finder: Finder, shards: list[str], files: frozenset[str]) -> Callable[[int], str | None]:
    """A function from a sample to the tar where the rows say that it stands."""

    def home(key: int) -> str | None:
        row = int(finder.rows(np.array([key], np.int64))[0])
        return shards[row] if row >= 0 and shards[row] in files else None

    return home


# --- a theme's table of records --------------------------------------------------------------------


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
            with table_errors(self.path):
                parquet = open_table(self.path)
                for group in self.groups:
                    for batch in parquet.read_row_group(group, use_threads=False).to_batches():
                        for sample_id in batch.column("task").to_pylist():
                            index = None if sample_id is None else index_of(sample_id)
                            indices.append(-1 if index is None else index)
                        for row, fits in _rows(batch):
                            told.append(row)
                            labelled.append(fits)
        except ReleaseError as error:
            problem = error.got
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
    parquet = _open(survey, file, RECORDS_SCHEMA) if survey.has(file) else None
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
            survey.note(file, 0, "", "a table cannot be read", got=part.problem)
            return
    indices = np.concatenate([part.indices for part in parts])
    rows = np.flatnonzero(indices >= 0)
    for row in np.flatnonzero(indices < 0).tolist():
        survey.note(file, 0, f"/rows/{row}/task", f"not an id of theme {survey.theme}")
    keys = keys_of(indices[rows])
    survey.slots.append(Slot(file, segments=[Segment(file, keys, pointer=lambda row: f"/rows/{rows[row]}")]))
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
