"""The Parquet tables: one row a sample, and its records.

How it works
- `data/<theme>/*.parquet` is what `load_dataset` and the Hub's viewer read: upstream's four strings
  first, a playable preview in the first rows, what is asked for in queries, and for every artifact the tar
  that holds it, where in it, how long and with which sha256.
- Rows with a preview stand in a file of their own, in small row groups: a page of the viewer reads one
  group, and a query over columns never touches the previews.
- `records/<theme>.parquet` has boxes and reasonings as list columns. It is plain Arrow: `List` in the
  metadata of `datasets` cannot be read by its versions before 4.
- Bytes depend on the rows and the versions of pyarrow and datasets alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sparkle.builders.annotate import CSV_COLUMNS, pair_row
from sparkle.builders.select import Sample
from sparkle.schemas.fsio import atomic_path
from sparkle.schemas.layout import KINDS
from sparkle.schemas.rules import video_score

PREVIEW_GROUP = 10  # rows; a page of the viewer stays near 1 MB at 110 KB a preview
ROW_GROUP = 2000  # rows; some 400 KB a group without previews, so that `filters=` can skip most of a file
RECORDS_GROUP = 500  # rows; a record with its reasonings takes up to some 60 KB

_MEASURES = ("background_motion", "foreground_psnr", "flicker", "mask_stability", "sharpness")
_ARTIFACT_COLUMNS = {"shard": "string", "offset": "int64", "size": "int64", "sha256": "binary"}

# Column -> Arrow type by its name in `datasets`; the preview stands apart.
_COLUMNS: dict[str, str] = {
    **dict.fromkeys(CSV_COLUMNS, "string"),
    "preview": "video",
    "subtheme": "string",
    "scene": "string",
    **dict.fromkeys(("frames", "width", "height"), "int32"),
    **dict.fromkeys(("edited_frame0_score", "foreground_removed_score", "edited_video_score"), "float64"),
    **dict.fromkeys(_MEASURES, "float64"),
    "source_sha256": "string",
    **{f"{kind.name}_{name}": dtype for kind in KINDS for name, dtype in _ARTIFACT_COLUMNS.items()},
}
_ARROW_TYPES = {
    "string": pa.string(),
    "video": pa.struct({"bytes": pa.binary(), "path": pa.string()}),  # how `datasets` stores a Video
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "binary": pa.binary(),
}

_OBJECTS = pa.list_(pa.struct({"bbox_2d": pa.list_(pa.int32()), "label": pa.string()}))
_REASONS = {"SC_reasoning": pa.string(), "PQ_reasoning": pa.string()}
_FRAME_SCORES = pa.list_(
    pa.struct(
        {
            **dict.fromkeys(("SC_score", "PQ_score", "O_score"), pa.float64()),
            **dict.fromkeys(("SC_score_reasoning", "PQ_score_reasoning"), pa.string()),
        }
    )
)
RECORDS_SCHEMA = pa.schema(
    {
        **dict.fromkeys(("task", "prompt", "original_scene", "chosen_keyword"), pa.string()),
        "round1_labels": pa.list_(pa.string()),
        "round1_objects": _OBJECTS,
        "frame_objects": pa.list_(_OBJECTS),
        **{f"edited_frame0_{name}": dtype for name, dtype in _REASONS.items()},
        **{f"foreground_removed_{name}": dtype for name, dtype in _REASONS.items()},
        "frame_indices": pa.list_(pa.int32()),
        "frame_scores": _FRAME_SCORES,
    }
)


@dataclass(frozen=True)
class Placement:
    """Where an artifact is in a release: path of the tar, byte offset of its data."""

    shard: str
    offset: int


# Kind name -> sample id -> where it is.
Placements = Mapping[str, Mapping[str, Placement]]


def pairs_schema() -> pa.Schema:
    """The columns of `data/<theme>/*.parquet`, without the metadata of `datasets`."""
    return pa.schema({name: _ARROW_TYPES[dtype] for name, dtype in _COLUMNS.items()})


def write_pairs(
    paths: Sequence[Path], samples: Sequence[Sample], placements: Placements, previews: Sequence[bytes]
) -> None:
    """Write a theme's rows.

    Args:
        paths: One path, or two where there are rows both with and without a preview.
        samples: The theme's samples, sorted by id.
        placements: Where their artifacts are.
        previews: Previews of the first samples.
    """
    schema = _schema_for_datasets()
    shown = len(previews)
    first = [pairs_row(sample, placements, data) for sample, data in zip(samples, previews, strict=False)]
    rest = (pairs_row(sample, placements, None) for sample in samples[shown:])
    files = [(iter(first), PREVIEW_GROUP)] if shown else []
    files += [(rest, ROW_GROUP)] if shown < len(samples) else []
    for path, (rows, group) in zip(paths, files, strict=True):
        _write(path, schema, rows, group)


def pairs_row(sample: Sample, placements: Placements, preview: bytes | None) -> dict[str, Any]:
    """A sample's row, by column."""
    clip = sample.normalise
    keyword = sample.compose.metadata.chosen_keyword
    subtheme, _, scene = keyword.partition(": ") if keyword else (None, None, None)
    row: dict[str, Any] = {
        **pair_row(sample.id, sample.prompt),
        "preview": None if preview is None else {"bytes": preview, "path": f"{sample.id}.mp4"},
        "subtheme": subtheme,
        "scene": scene,
        "frames": clip.frames,
        "width": clip.width,
        "height": clip.height,
        "edited_frame0_score": sample.edit_score.overall,
        "foreground_removed_score": sample.remove_score.overall,
        "edited_video_score": video_score(sample.video_score),
        **sample.measure.to_json(),
        "source_sha256": sample.source.sha256,
    }
    for kind in KINDS:
        place, ref = placements[kind.name][sample.id], sample.artifacts[kind.name]
        values = (place.shard, place.offset, ref.size, bytes.fromhex(ref.sha256))
        row |= {f"{kind.name}_{name}": value for name, value in zip(_ARTIFACT_COLUMNS, values, strict=True)}
    return row


def write_records(path: Path, samples: Iterable[Sample]) -> None:
    """Write a theme's records, joined to its rows by `task`."""
    _write(path, RECORDS_SCHEMA, (_records_row(sample) for sample in samples), RECORDS_GROUP)


def _records_row(sample: Sample) -> dict[str, Any]:
    metadata, edit, removal = sample.compose.metadata, sample.edit_score, sample.remove_score
    return {
        "task": sample.id,
        "prompt": sample.prompt,
        "original_scene": metadata.original_scene,
        "chosen_keyword": metadata.chosen_keyword,
        **sample.ground1.to_json(),
        **sample.ground2.to_json(),
        **{f"edited_frame0_{name}": getattr(edit, name) for name in _REASONS},
        **{f"foreground_removed_{name}": getattr(removal, name) for name in _REASONS},
        "frame_indices": list(sample.video_score.frame_indices),
        "frame_scores": [frame.to_json() for frame in sample.video_score.editscore],
    }


def _schema_for_datasets() -> pa.Schema:
    """The pairs' columns with the metadata by which `datasets` knows that `preview` is a video."""
    from datasets import Features, Value, Video

    features = Features(
        {name: Video(decode=False) if dtype == "video" else Value(dtype) for name, dtype in _COLUMNS.items()}
    )
    return features.arrow_schema


def _write(path: Path, schema: pa.Schema, rows: Iterator[dict[str, Any]], group: int) -> None:
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(
            temporary, schema, version="2.6", compression="zstd", write_page_index=True
        ) as writer,
    ):
        while batch := list(islice(rows, group)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema), row_group_size=group)
