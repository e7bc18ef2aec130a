"""Lists of PIL images that cross processes as one shared tensor.

A DataLoader's worker would otherwise pickle each image and send it through a pipe. For a pair of 81 frames of
720p these are 437 MB, and it takes as long as decoding them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from sparkle.media import Pixels

if TYPE_CHECKING:
    import torch


class Frames(list[Image.Image]):
    """The frames of a video; in another process they are a plain list of the same images."""

    def __copy__(self) -> list[Image.Image]:
        return list(self)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Send what the images hold now, whatever was done to them."""
        import torch

        if {(image.mode, image.size) for image in self} != {("RGB", self[0].size if self else (0, 0))}:
            return list, (list(self),)
        width, height = self[0].size
        pixels = torch.empty((len(self), height, width, 3), dtype=torch.uint8).share_memory_()
        for image, room in zip(self, pixels.numpy(), strict=True):
            room[:] = np.asarray(image)
        return _received, (pixels,)


def images(pixels: Pixels) -> Iterable[Image.Image]:
    """Yield uint8 (T, H, W, 3) RGB as images, which have copies of them."""
    height, width = pixels.shape[1:3]
    for frame in pixels:
        yield Image.frombuffer("RGB", (width, height), frame, "raw", "RGB", 0, 1)


def _received(pixels: torch.Tensor) -> list[Image.Image]:
    return list(images(pixels.numpy()))
