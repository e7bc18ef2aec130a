"""Read a release's paired shards with stock webdataset, and decode them with sparkle.

    sparkle build RUN --out RELEASE --webdataset
    python examples/webdataset_loop.py RELEASE [--workers 2]

Paired shards contain all streams of a sample side by side, so you keep your webdataset pipeline. They do not
give you exact resumption or mixing by weight: for these, and without a second copy of the videos, see
train_loop.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
import webdataset
from torch.utils.data import DataLoader

from sparkle import Clip

CLIP = Clip(frames=5, window="start", max_pixels=64 * 64)
# Extension in the shards -> the kind of artifact that it is.
STREAMS = {"src.mp4": "source_video", "tgt.mp4": "edited_video", "mask.npz": "source_video_mask"}


def main() -> None:
    """Print what is in every sample."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", type=Path, help="A release that was built with --webdataset.")
    parser.add_argument("--workers", type=int, default=2, help="Number of processes that decode.")
    options = parser.parse_args()
    shards = [str(path) for path in sorted((options.release / "webdataset").glob("*.tar"))]
    if not shards:
        parser.error(f"{options.release} has no paired shards: build it with --webdataset")
    shuffled = webdataset.WebDataset(shards, shardshuffle=100, seed=0, empty_check=False).shuffle(100)
    loader = DataLoader(shuffled.map(decode), batch_size=None, num_workers=options.workers)
    count = 0
    for sample in loader:
        shapes = {name: tuple(value.shape) for name, value in sample.items() if hasattr(value, "shape")}
        print(sample["id"], shapes)
        count += 1
    print(f"read {count} pairs")


def decode(sample: dict[str, Any]) -> dict[str, Any]:
    """Decode a sample's bytes as tensors: uint8 (T, H, W, 3), the mask bool (T, H, W), aligned."""
    streams = {kind: sample[extension] for extension, kind in STREAMS.items() if extension in sample}
    item = CLIP.decode(streams, sample["__key__"])
    return {"id": sample["__key__"], **{kind: torch.from_numpy(item[kind]) for kind in streams}}


if __name__ == "__main__":
    main()
