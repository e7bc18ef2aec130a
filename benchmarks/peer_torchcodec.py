"""What `decode.py` runs where torchcodec is installed: seconds for decoding clips and bringing them to size.

    python peer_torchcodec.py MAX_PIXELS CORES CLIP...

Clips are read into memory first. Two ways are tried, and the better one counts: two clips at once with one
thread each, and one after another with all cores. Resizing is torch's antialiased bilinear filter, on uint8.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torchcodec.decoders import VideoDecoder

MULTIPLE = 32


def decode(data: bytes, max_pixels: int, threads: int) -> torch.Tensor:
    """uint8 (T, H, W, 3), by Kiwi-Edit's size rules."""
    decoder = VideoDecoder(data, dimension_order="NHWC", num_ffmpeg_threads=threads, seek_mode="approximate")
    frames = decoder[:]
    height, width = full_height, full_width = frames.shape[1:3]
    if width * height > max_pixels:
        scale = (width * height / max_pixels) ** 0.5
        width, height = int(width / scale), int(height / scale)
    width, height = width // MULTIPLE * MULTIPLE, height // MULTIPLE * MULTIPLE
    scale = max(width / full_width, height / full_height)
    if scale != 1:
        size = (round(full_height * scale), round(full_width * scale))
        planes = frames.permute(0, 3, 1, 2)
        resized = torch.nn.functional.interpolate(planes, size=size, mode="bilinear", antialias=True)
        frames = resized.permute(0, 2, 3, 1)
    left, top = round((frames.shape[2] - width) / 2), round((frames.shape[1] - height) / 2)
    return frames[:, top : top + height, left : left + width]


def main() -> None:
    """Print the seconds."""
    max_pixels, cores = int(sys.argv[1]), int(sys.argv[2])
    clips = [Path(name).read_bytes() for name in sys.argv[3:]]

    def at_once() -> None:
        with ThreadPoolExecutor(2) as pool:
            for pair in zip(clips[::2], clips[1::2], strict=True):
                list(pool.map(lambda data: decode(data, max_pixels, 1), pair))

    def in_turn() -> None:
        for data in clips:
            decode(data, max_pixels, cores)

    print(min(timed(way) for way in (at_once, in_turn) for _ in range(2)))


def timed(run: Callable[[], None]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
