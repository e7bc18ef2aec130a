"""The Parquet tables of an import: the same columns as a release that was built, null where nothing is known.

- Upstream publishes no source hashes, measures or licences of single samples: those columns are null.
- `frames`, `width` and `height` are the source video's, by its headers.
- An artifact that stands loose has its own path as `shard`, at offset 0: whoever reads a range of a shard
  reads it in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sparkle.builders import catalog
from sparkle.builders.upstream_csv import Pairs
from sparkle.builders.upstream_lines import METADATA, NO_LINE, Told, line_file
from sparkle.builders.upstream_places import Places
from sparkle.schemas.layout import KINDS, SOURCE_VIDEO


def write_pairs(path: Path, pairs: Pairs, told: Told, places: Mapping[str, Places]) -> None:
    """Write a theme's rows."""
    schema = catalog.pairs_schema_for_datasets()
    with catalog.table_writer(path, schema) as writer:
        for first in range(0, len(pairs.ids), catalog.ROW_GROUP):
            rows = slice(first, first + catalog.ROW_GROUP)
            known = _columns(rows, pairs, told, places)
            count = len(pairs.ids[rows])
            columns = [known.get(field.name, pa.nulls(count, field.type)) for field in schema]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _columns(rows: slice, pairs: Pairs, told: Told, places: Mapping[str, Places]) -> dict[str, pa.Array]:
    columns = {name: pa.array(values[rows], pa.string()) for name, values in pairs.columns.items()}
    columns["subtheme"] = pa.array(told.subthemes[rows], pa.string())
    columns["scene"] = pa.array(told.scenes[rows], pa.string())
    for name, scores in told.scores.items():
        columns[name] = pa.array(scores[rows], mask=np.isnan(scores[rows]))
    source = places[SOURCE_VIDEO.name].shape[rows]
    for index, name in enumerate(("frames", "height", "width")):
        columns[name] = _known(source[:, index], source[:, index] > 0, pa.int32())
    for kind in KINDS:
        found = places[kind.name]
        there = found.there[rows]
        files = pa.array([*found.files, None], pa.string())  # the null is where NOWHERE points to
        columns[f"{kind.name}_shard"] = files.take(pa.array(found.file[rows] % len(files)))
        columns[f"{kind.name}_offset"] = _known(found.offset[rows], there, pa.int64())
        columns[f"{kind.name}_size"] = _known(found.size[rows], there, pa.int64())
        digests = [
            digest.tobytes() if known else None
            for digest, known in zip(found.sha256[rows], there, strict=True)
        ]
        columns[f"{kind.name}_sha256"] = pa.array(digests, pa.binary())
    return columns


def _known(values: npt.NDArray[Any], known: npt.NDArray[np.bool_], dtype: pa.DataType) -> pa.Array:
    return pa.array(values, dtype, mask=~known)


# --- records ----------------------------------------------------------------------------------


def write_records(path: Path, folder: Path, theme: str, pairs: Pairs, told: Told) -> None:
    """Write a theme's records from the lines that count, which are read again where they stand."""
    schema = catalog.RECORDS_SCHEMA
    with catalog.table_writer(path, schema) as writer, ExitStack() as stack:
        lines = {
            name: _lines(folder / line_file(theme, name), offsets, stack)
            for name, offsets in told.offsets.items()
        }
        for first in range(0, len(pairs.ids), catalog.RECORDS_GROUP):
            batch = []
            for position in range(first, min(first + catalog.RECORDS_GROUP, len(pairs.ids))):
                found = {name: next(values) for name, values in lines.items()}
                row = {"task": pairs.ids[position], "prompt": pairs.columns["prompt"][position]}
                batch.append(row | _record(found))
            writer.write_table(pa.Table.from_pylist(batch, schema))


def _lines(path: Path, offsets: npt.NDArray[np.int64], stack: ExitStack) -> Iterator[dict[str, Any]]:
    """The values of a file's lines, one a sample; nothing in them where there is no line."""
    file = stack.enter_context(path.open("rb")) if (offsets != NO_LINE).any() else None
    for offset in offsets.tolist():
        if file is None or offset == NO_LINE:
            yield {}
        else:
            file.seek(offset)
            value: dict[str, Any] = json.loads(file.readline())
            yield value


def _record(lines: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The columns of `RECORDS_SCHEMA` that the lines of a sample fill; what is left out is null."""
    metadata = lines[METADATA].get("metadata", {})
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
