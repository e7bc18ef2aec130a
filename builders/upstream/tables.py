"""A theme of upstream's: its text and artifacts, the tables of them, and what is not as the layout has it.

How it works
- Text and artifacts are read as `sparkle validate` reads them, but habits of other tools are passed over. The
  first row, line and artifact of a sample count. A line whose fields are there counts even when they disagree
  with each other: the finding says so, and the tables say what upstream says.
- A loose file counts where no tar has its artifact, and is compared with the tar's otherwise. It has its own
  path as `shard`, at offset 0: whoever reads a range of a shard reads it in the same way.
- A kind that a theme lacks altogether, as after a partial download, is one finding and not one per sample.
- The tables have the columns of a release that was built, null where nothing is known: upstream publishes no
  source hashes, measures or licences of single samples. Frames, width and height are the source video's.
- Words are read again when they are written: a theme's lines are gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from sparkle.builders.building.origin import Piece
from sparkle.builders.checks.rows import UNKNOWN, Keys, SampleRows, compare_ids, join
from sparkle.builders.checks.tables import SCORES
from sparkle.builders.checks.tars import compare_shapes
from sparkle.builders.checks.text import compare_text, text_jobs
from sparkle.builders.checks.theme import PAIRS, Theme
from sparkle.builders.release import tables
from sparkle.builders.release.formats import CSV_COLUMNS, JSONL, jsonl_path
from sparkle.builders.release.read_text import line_reader, pair_reader
from sparkle.builders.upstream.files import UpstreamFiles, UpstreamTar
from sparkle.builders.upstream.index import Index
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.layout import KINDS, SOURCE_VIDEO, Kind
from sparkle.schemas.validate import Finding

_NOWHERE = -1


class UpstreamTheme:
    """A theme of upstream's, as an `OriginTheme`.

    Args:
        files: What lies where; the text files are in its folder.
        index: Its artifacts, which were read before.
        name: The theme.
        findings: What is wrong is added here.

    Attributes:
        count: How many samples it has.
    """

    packed = False

    def __init__(self, files: UpstreamFiles, index: Index, name: str, findings: list[Finding]) -> None:
        self.name = name
        self._theme = Theme(files.folder, name, frozenset(files.text), lenient=True)
        self._keywords: list[str | None] = []  # of samples whose records were written
        self.count = _read_text(self._theme)
        if self.count:
            _read_artifacts(self._theme, index)
        findings += self._theme.findings

    def loose(self) -> list[Artifact]:
        """Return none: those that there are stay."""
        return []

    def previews(self) -> dict[str, bytes]:
        """Return none."""
        return {}

    def text(self) -> Iterator[Piece]:
        """Yield the records; they are made of the lines that count, which are read again where they are."""
        with ExitStack() as stack:
            csv = stack.enter_context((self._theme.folder / layout.prompts_csv(self.name)).open("rb"))
            rows = map(pair_reader(csv), self._theme.rows[PAIRS].columns["offset"].tolist())
            lines = {step: _lines(self._theme, step, stack) for step in JSONL}
            for _ in range(0, self.count, tables.RECORDS_GROUP):
                batch = []
                for row in islice(rows, tables.RECORDS_GROUP):
                    record = _record({step: next(values) for step, values in lines.items()})
                    batch.append({"task": row["task"], "prompt": row["prompt"]} | record)
                    self._keywords.append(record["chosen_keyword"])
                yield layout.records_parquet(self.name), pa.Table.from_pylist(batch, tables.RECORDS_SCHEMA)

    def rows(self, start: int, end: int) -> pa.Table:
        """Return rows, once the records are written; what is not known is null."""
        pairs, schema = self._theme.rows[PAIRS], tables.rows_schema()
        with (self._theme.folder / layout.prompts_csv(self.name)).open("rb") as file:
            texts = list(map(pair_reader(file), pairs.columns["offset"][start:end].tolist()))
        columns = _columns(self._theme, pairs.keys[start:end], self._keywords[start:end])
        columns |= {name: pa.array([text[name] for text in texts], pa.string()) for name in CSV_COLUMNS}
        filled = [columns.get(field.name, pa.nulls(len(texts), field.type)) for field in schema]
        return pa.Table.from_arrays(filled, schema=schema)


def _read_text(theme: Theme) -> int:
    """Read a theme's text: of each file a sample's first row that can be used, sorted; returns the count."""
    jobs = text_jobs(theme)
    first_job = next(jobs)
    theme.take([first_job], [first_job()])
    pairs = theme.rows[PAIRS]
    pairs = pairs.select(pairs.columns["prompt"] != UNKNOWN)
    samples, first = np.unique(pairs.keys, return_index=True)
    theme.findings += compare_ids(samples, pairs, ordered=False)
    if not len(samples):
        theme.note(layout.prompts_csv(theme.name), 0, "", "no row of the table can be used")
        return 0
    theme.rows[PAIRS] = pairs.select(first)
    others = list(jobs)
    theme.take(others, (job() for job in others))
    missing, extra = "a sample of the csv has no line that can be used", "a line of no sample of the csv"
    for step in (step for step in JSONL if step in theme.rows):
        lines = theme.rows[step].select(theme.rows[step].columns["usable"])
        theme.findings += compare_ids(samples, lines, ordered=False, missing=missing, extra=extra)
        theme.rows[step] = lines.select(np.unique(lines.keys, return_index=True)[1])
    compare_text(theme)
    return len(samples)


def _read_artifacts(theme: Theme, index: Index) -> None:
    """Find a theme's artifacts: one of a kind of each sample, in the order of ids."""
    units = [unit for unit in index.units if unit.theme == theme.name]  # tars before loose files
    for kind in KINDS:
        ours = [unit for unit in units if unit.kind is kind]
        parts = {unit.part for unit in ours if isinstance(unit, UpstreamTar)}
        for part in sorted(set(range(max(parts, default=0))) - parts):
            theme.note(kind.shard(theme.name, part), 0, "", "a tar between others is missing")
        if ours:
            rows = join([index.load(unit).rows for unit in ours])
            theme.findings += rows.findings
            theme.rows[kind.name] = _count_once(theme, rows)
        _note_missing(theme, kind)
    theme.findings += compare_shapes(theme.artifacts)


def _count_once(theme: Theme, rows: SampleRows) -> SampleRows:
    samples = theme.rows[PAIRS].keys
    known = np.isin(rows.keys, samples)
    for row in np.flatnonzero(~known).tolist():
        theme.note(*rows.at(row), "an artifact of no sample of the csv")
    rows = rows.select(known)
    first = rows.finder.rows(rows.keys)
    for row in np.flatnonzero(first != np.arange(len(first))).tolist():
        file, line, pointer = rows.at(row)
        counts = rows.at(first[row])[0]
        got, wanted = (rows.columns["sha256"][of].tobytes().hex() for of in (row, first[row]))
        if pointer:
            theme.note(file, line, pointer, "the member stands twice; the first counts", got=counts)
        elif got != wanted:
            problem = "the loose file differs from the one that counts"
            theme.note(file, line, "", problem, got=f"sha256 {got}", wanted=counts)
    found = rows.finder.rows(samples)
    return rows.select(found[found != _NOWHERE])


def _note_missing(theme: Theme, kind: Kind) -> None:
    pairs, rows = theme.rows[PAIRS], theme.rows.get(kind.name)
    if rows is None or not len(rows.keys):
        theme.note(kind.shard(theme.name, 0), 0, "", f"no {kind.name} of the theme is there")
        return
    for row in np.flatnonzero(rows.finder.rows(pairs.keys) == _NOWHERE).tolist():
        problem, sample_id = f"a sample of the csv has no {kind.name}", pairs.id(row)
        theme.note(layout.prompts_csv(theme.name), 0, kind.member(sample_id), problem, wanted=sample_id)


def _columns(theme: Theme, keys: Keys, keywords: list[str | None]) -> dict[str, pa.Array]:
    """What is known of samples beside the csv's words; columns that are left out are null."""
    columns = {}
    for name, part in (("subtheme", 0), ("scene", 2)):
        columns[name] = pa.array([word and word.partition(": ")[part] for word in keywords], pa.string())
    numbers = {name: (step, "score", pa.float64()) for name, step in SCORES.items()}
    numbers |= {side: (SOURCE_VIDEO.name, side, pa.int32()) for side in ("frames", "height", "width")}
    for name, (place, column, dtype) in numbers.items():
        if place in theme.rows:
            values = theme.rows[place].values(column, keys, np.nan)
            columns[name] = pa.array(values, mask=np.isnan(values)).cast(dtype)
    if SOURCE_VIDEO.name in theme.rows:
        hashes = theme.rows[SOURCE_VIDEO.name].values("median_hash", keys, 0)
        known = [row.tobytes().hex() if row.any() else None for row in hashes]
        columns["median_hash"] = pa.array(known, pa.string())
    for kind in KINDS:
        if kind.name in theme.rows:
            found = theme.rows[kind.name]
            missing = found.finder.rows(keys) == _NOWHERE
            files = pa.array(found.files, pa.string())
            columns[f"{kind.name}_shard"] = files.take(pa.array(found.values("file", keys, 0), mask=missing))
            for name in ("offset", "size"):
                columns[f"{kind.name}_{name}"] = pa.array(found.values(name, keys, 0), mask=missing)
            sha256 = zip(found.values("sha256", keys, 0), missing.tolist(), strict=True)
            digests = [None if lost else digest.tobytes() for digest, lost in sha256]
            columns[f"{kind.name}_sha256"] = pa.array(digests, pa.binary())
    return columns


def _lines(theme: Theme, step: str, stack: ExitStack) -> Iterator[dict[str, Any]]:
    """The values of a file's lines, one a sample; nothing in them where there is no line."""
    lines, keys = theme.rows.get(step), theme.rows[PAIRS].keys
    if lines is None:
        yield from ({} for _ in keys)
        return
    read = line_reader(stack.enter_context((theme.folder / jsonl_path(theme.name, step)).open("rb")))
    for offset in lines.values("offset", keys, _NOWHERE).tolist():
        yield {} if offset == _NOWHERE else read(offset)


def _record(lines: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The columns of `RECORDS_SCHEMA` that the lines of a sample fill; what is left out is null."""
    metadata = lines["compose"].get("metadata", {})
    first, second, video = lines["ground1"], lines["ground2"], lines["video_score"]
    images = (("edited_frame0", "edit_score"), ("foreground_removed", "remove_score"))
    scores = {name: lines[step].get("editscore", {}) for name, step in images}
    return {
        "original_scene": metadata.get("original_scene"),
        "chosen_keyword": metadata.get("chosen_keyword"),
        "round1_labels": first.get("round1_labels"),
        "round1_objects": first.get("round1_objects"),
        "frame_objects": second.get("frame_objects"),
        **{
            f"{name}_{word}": score.get(word)
            for name, score in scores.items()
            for word in ("SC_reasoning", "PQ_reasoning")
        },
        "frame_indices": video.get("frame_indices"),
        "frame_scores": video.get("editscore"),
    }
