"""What tests of exports share: rows of a release, a damaged pair, what a trainer reads of an export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from harness import trainers


def tables(release: Path) -> dict[str, dict[str, Any]]:
    """Rows of a release by id."""
    rows = (
        row for path in sorted(release.glob("data/*/*.parquet")) for row in pq.read_table(path).to_pylist()
    )
    return {row["task"]: row for row in rows}


def read_back(trainer: str, out: Path) -> list[Any]:
    """What a trainer reads of an export."""
    if trainer == "musubi":
        return list(trainers.read_musubi(out / "dataset.toml"))
    (metadata,) = out.glob("metadata.*")
    if trainer == "kiwi":
        return list(trainers.read_kiwi(out, metadata))
    first, second = (
        list(trainers.read_diffsynth(out, metadata, name)) for name in ("vace_video", "control_video")
    )
    assert [row[0] for row in first] == [row[0] for row in second]
    return first


def spoil(release: Path, sample_id: str) -> None:
    """Flip a bit of an edited video in its tar."""
    row = tables(release)[sample_id]
    with (release / row["edited_video_shard"]).open("r+b") as file:
        file.seek(row["edited_video_offset"] + 100)
        byte = file.read(1)
        file.seek(row["edited_video_offset"] + 100)
        file.write(bytes([byte[0] ^ 1]))
