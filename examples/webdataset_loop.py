"""Read a release's paired shards with stock webdataset, and decode them with sparkle.

    sparkle build RUN --out RELEASE --webdataset
    python examples/webdataset_loop.py RELEASE [--workers 2]

Paired shards hold all streams of a sample side by side, so whoever has a webdataset pipeline keeps it. What
they do not give is exact resuming and mixing by weight: for these, and without a second copy of the videos,
see train_loop.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
import webdataset
from torch.utils.data import DataLoader

from sparkle import load_mask
from sparkle.media.container import open_video
from sparkle.media.view import SizeRules, fit, look, read_window

FRAMES = 5
SIZES = SizeRules(max_pixels=64 * 64)


def main() -> None:
    """Print what is in every sample."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", type=Path, help="A release that was built with --webdataset.")
    parser.add_argument("--workers", type=int, default=2, help="Processes that decode.")
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
    """Bytes of a sample as tensors: uint8 (T, H, W, 3), the mask bool (T, H, W)."""
    views = []

    def view(width: int, height: int) -> Any:
        views.append(fit(width, height, SIZES))
        return views[0]  # one view for all streams

    tensors = {}
    for name in ("src", "tgt"):
        with open_video(sample[f"{name}.mp4"], threads=1) as video:
            tensors[name] = torch.from_numpy(read_window(video, 0, FRAMES, view))
    tensors["mask"] = torch.from_numpy(look(load_mask(sample["mask.npz"])[:FRAMES], views[0]))
    return {"id": sample["__key__"], **tensors}


if __name__ == "__main__":
    main()
