"""What `decode.py` runs where torchcodec is installed: pairs of clips out of a DataLoader, brought to size.

    python peer_torchcodec.py CLIP... < QUESTIONS

- A question is a line `MAX_PIXELS WORKERS REPEAT`; the answer is a line with the seconds, and the seconds of
  processors, for one pair.
- Clips are read into memory first. Without workers both clips of a pair are decoded at once, with one thread
  each; a worker decodes one after the other. Resizing is torch's antialiased bilinear filter, on uint8.
"""

from __future__ import annotations

import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from torchcodec.decoders import VideoDecoder

MULTIPLE = 32


def decode(data: bytes, max_pixels: int) -> torch.Tensor:
    """uint8 (T, H, W, 3), by Kiwi-Edit's size rules."""
    decoder = VideoDecoder(data, dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="approximate")
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


class Pairs(Dataset):
    """Each pair of clips, several times."""

    def __init__(self, clips: list[bytes], max_pixels: int, repeat: int) -> None:
        self.pairs = list(zip(clips[::2], clips[1::2], strict=True))
        self.max_pixels, self.repeat = max_pixels, repeat

    def __len__(self) -> int:
        return len(self.pairs) * self.repeat

    def __getitem__(self, number: int) -> list[torch.Tensor]:
        pair = self.pairs[number % len(self.pairs)]
        if torch.utils.data.get_worker_info() is not None:
            return [decode(data, self.max_pixels) for data in pair]
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda data: decode(data, self.max_pixels), pair))


def cpu_seconds() -> float:
    """Processor time of this process and of those that it started and that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    """Answer."""
    clips = [Path(name).read_bytes() for name in sys.argv[1:]]
    for line in sys.stdin:
        max_pixels, workers, repeat = map(int, line.split())
        pairs = Pairs(clips, max_pixels, repeat)
        start, before = time.perf_counter(), cpu_seconds()
        for videos in DataLoader(pairs, num_workers=workers):
            for video in videos:
                room = torch.empty_like(video[0, 0])
                for frame in video[0]:
                    room.copy_(frame)
        took = (time.perf_counter() - start, cpu_seconds() - before)
        print(*(seconds / len(pairs) for seconds in took), flush=True)


if __name__ == "__main__":
    main()
