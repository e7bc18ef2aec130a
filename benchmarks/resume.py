"""How soon training goes on from a local release of 140,000 pairs, and what its index weighs.

    python benchmarks/resume.py [--rows 140000] [--json]

- Draws a release whose table has N rows with prompts of upstream's length, and whose tars hold 64 pairs of
  clips of 640x360 and 49 frames; rows take turns with them.
- A process of its own opens the release, resumes in the middle of an epoch, in buckets, and decodes
  a batch of two pairs of 49 frames. The clock starts once modules are imported. First with an empty cache of
  tables, as on a new machine, then three times as after a kill; the best of these counts.
- The index is the columns that a loader maps: files that all processes share. What a process has of it for
  itself is measured in one that opens the release and looks up a thousand rows.

JSON keys: `first_batch_s` (after a kill), `first_batch_new_machine_s`, `first_batch_two_workers_s` (with two
worker processes), `index_mb` (10**6 bytes, mapped), `private_mb` (10**6 bytes, of each process).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drawn_clips.synthetic import draw_clip
from sparkle.builders.release.formats import pair_row
from sparkle.builders.release.manifest import FileEntry, dump_manifest
from sparkle.builders.release.tables import ROW_GROUP, pairs_schema_for_datasets
from sparkle.builders.release.tar import list_tar, write_tar
from sparkle.media.encode import Encoding
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.ids import format_id
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO

ROWS = 140_000
THEME = "location"
CLIPS = 64
FRAMES = 49
PROMPT = "Replace the background by a windy pier at dusk, with gulls and slow waves. " * 6  # 450 characters
ROUNDS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS, help="Pairs in the table.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    parser.add_argument("--part", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part is not None:
        print(look_up(options.part) if options.memory else resume(options.part, options.workers))
        return
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder) / "release", options.rows)
        figures = measure(Path(folder))
    print(json.dumps(figures) if options.json else "\n".join(f"{k:28} {v}" for k, v in figures.items()))


def measure(folder: Path) -> dict[str, Any]:
    """The figures."""
    os.environ["SPARKLE_CACHE"] = str(folder / "cache")
    new = _part(folder)
    mapped = sum(path.stat().st_size for path in (folder / "cache").rglob("*.arrow"))
    return {
        "first_batch_s": round(min(_part(folder) for _ in range(ROUNDS)), 3),
        "first_batch_new_machine_s": round(new, 3),
        "first_batch_two_workers_s": round(min(_part(folder, "--workers=2") for _ in range(ROUNDS)), 3),
        "index_mb": round(mapped / 1e6, 1),
        "private_mb": round(_part(folder, "--memory"), 1),
    }


def _part(folder: Path, *options: str) -> float:
    """What a process of its own prints."""
    command = [sys.executable, __file__, "--part", str(folder / "release"), *options]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def resume(release: Path, workers: int) -> float:
    """Seconds from opening a release in the middle of an epoch to a batch."""
    from torch.utils.data import DataLoader

    from sparkle.builders.training.dataset import PairDataset
    from sparkle.builders.training.item import Clip
    from sparkle.builders.training.tensors import collate

    start = time.perf_counter()
    pairs = PairDataset(release, clip=Clip(frames=FRAMES), min_scores={"edited_video": 8.5}, threads=2)
    sampler = pairs.sampler(batch_size=2, bucket_by=("height", "width"))
    sampler.resume({"seed": 0, "rows": len(pairs), "epoch": 3, "position": len(pairs) // 4 * 2})
    loader = DataLoader(pairs, batch_sampler=sampler, collate_fn=collate, num_workers=workers)
    batch = next(iter(loader))
    seconds = time.perf_counter() - start
    assert batch["source_video"].shape[:2] == (2, FRAMES)
    return seconds


def look_up(release: Path) -> float:
    """Megabytes that a process has for itself after it looked up rows all over the tables."""
    from sparkle.builders.training.dataset import PairDataset
    from sparkle.builders.training.item import Clip

    before = _private_mb()
    pairs = PairDataset(release, clip=Clip(frames=FRAMES)).parts[0]
    for row in range(0, len(pairs), max(1, len(pairs) // 1000)):
        assert pairs.prompt(row)
        assert pairs.artifact(row, SOURCE_VIDEO).size
        assert pairs.artifact(row, EDITED_VIDEO).size
    return _private_mb() - before


def _private_mb() -> float:
    text = Path("/proc/self/smaps_rollup").read_text()
    private = (line.split()[1] for line in text.splitlines() if line.startswith("Private_Dirty:"))
    return sum(map(int, private)) * 1024 / 1e6


# --- a release with a long table --------------------------------------------------------------


def draw(release: Path, rows: int) -> None:
    """Write a release of many rows and few clips."""
    places = {kind.name: _draw_tar(release, kind) for kind in (SOURCE_VIDEO, EDITED_VIDEO)}
    schema = pairs_schema_for_datasets()
    scores = np.random.Generator(np.random.PCG64(0)).uniform(8, 10, rows).tolist()
    table = release / layout.data_parquet(THEME, 0, 1)
    table.parent.mkdir(parents=True)
    with pq.ParquetWriter(table, schema, compression="zstd") as writer:
        for first in range(0, rows, ROW_GROUP):
            group = [
                {
                    **pair_row(format_id(THEME, index), f"{index} {PROMPT}"),
                    "edited_video_score": scores[index],
                }
                | {"frames": FRAMES, "width": 640, "height": 360}
                | {key: value for found in places.values() for key, value in found[index % CLIPS].items()}
                for index in range(first, min(first + ROW_GROUP, rows))
            ]
            writer.write_table(pa.Table.from_pylist(group, schema))
    files = {path.relative_to(release).as_posix(): path for path in release.rglob("*") if path.is_file()}
    entries = [FileEntry(name, path.stat().st_size, sha256_file(path)) for name, path in files.items()]
    (release / layout.MANIFEST).write_bytes(dump_manifest(entries))


def _draw_tar(release: Path, kind: layout.Kind) -> list[dict[str, Any]]:
    """A tar of one clip many times; columns that place each."""
    release.mkdir(exist_ok=True)
    clip = release.parent / f"{kind.name}.mp4"
    encoding = Encoding(crf=27)
    draw_clip(clip, seed=len(kind.name), width=640, height=360, frames=FRAMES, encoding=encoding)
    data = clip.read_bytes()
    contents = [(kind.member(format_id(THEME, index)), data) for index in range(CLIPS)]
    shard = kind.shard(THEME, 0)
    write_tar(release / shard, contents, lambda done=1: None)
    place = {"shard": shard, "size": len(data), "sha256": bytes.fromhex(sha256_file(clip))}
    return [
        {f"{kind.name}_{name}": value for name, value in {**place, "offset": member.offset}.items()}
        for member in list_tar(release / shard)
    ]


if __name__ == "__main__":
    main()
