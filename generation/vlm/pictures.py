"""The pictures of a question: frames of a clip and images, no larger than the model is to see.

Boxes are in thousandths of the picture, so a picture may be made smaller without a word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from sparkle.generation.capabilities import Image
from sparkle.media.decode import iter_frames
from sparkle.media.frames import resize
from sparkle.media.images import read_png
from sparkle.media.probe import probe
from sparkle.schemas.errors import MediaError


def read_image(path: Path, most_pixels: int) -> Image:
    """A PNG, uint8 (H, W, 3) RGB, made smaller where it has more pixels than `most_pixels`."""
    return fit(read_png(path), most_pixels)


def pick_frames(clip: Path, indices: Sequence[int], most_pixels: int) -> list[Image]:
    """Frames of a clip by index (ascending), each as `read_image` gives it.

    Raises:
        MediaError: the clip is shorter than the last index says, or does not decode.
    """
    wanted = set(indices)
    found = []
    for index, frame in enumerate(iter_frames(clip)):
        if index in wanted:
            found.append(fit(frame, most_pixels))
        if len(found) == len(wanted):
            return found
    raise MediaError("the clip is too short", got=f"{len(found)} of {len(wanted)} frames", where=clip)


def spread_frames(clip: Path, count: int, most_pixels: int) -> list[Image]:
    """Up to `count` frames, evenly spaced from the first to the last."""
    frames = probe(clip).frames
    count = min(count, frames)
    return pick_frames(clip, spread_indices(frames, count), most_pixels)


def spread_indices(frames: int, count: int) -> tuple[int, ...]:
    """`count` (at least 1) indices from 0 to `frames - 1`, both ends included where there are two or more."""
    return tuple(index * (frames - 1) // max(1, count - 1) for index in range(count))


def fit(image: Image, most_pixels: int) -> Image:
    """An image in its aspect with at most `most_pixels` pixels, resized by pixel area; never larger."""
    height, width = image.shape[:2]
    scale = math.sqrt(most_pixels / (width * height))
    if scale >= 1:
        return image
    size = (max(1, math.floor(width * scale)), max(1, math.floor(height * scale)))
    smaller: Image = resize(image[None], size)[0]
    return smaller
