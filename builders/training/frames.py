"""Lists of PIL images that are made when they are used, and that cross processes as one shared tensor.

A DataLoader's worker would otherwise copy each frame into an image, pickle that, and send it through a pipe.
For a pair of 81 frames of 720p these are 437 MB, and it takes as long as decoding them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from sparkle.media import Pixels


class Frames(list[Image.Image]):
    """The frames of a video; in another process they are a plain list of the same images.

    Args:
        pixels: uint8 (T, H, W, 3) RGB, which nobody changes any more.
    """

    def __init__(self, pixels: Pixels) -> None:
        super().__init__(_images(pixels))
        self._pixels = pixels

    def __copy__(self) -> list[Image.Image]:
        return list(self)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Send what the images hold now, whatever was done to them."""
        import torch

        if {(image.mode, image.size) for image in self} != {("RGB", self[0].size if self else (0, 0))}:
            return list, (list(self),)
        pixels = self._pixels
        if len(self) != len(pixels) or not all(map(_shows, self, pixels)):
            pixels = np.stack([np.asarray(image) for image in self])
        return _received, (torch.from_numpy(pixels),)


class _Unloaded(Image.Image):  # type: ignore[misc]  # untyped
    """An image that copies its pixels when somebody loads it, and is a plain one from then on.

    Pillow's own images of files are loaded late, too: whatever touches pixels calls `load` before.
    """

    def __init__(self, pixels: Pixels) -> None:
        super().__init__()
        empty = vars(Image.new("RGB", (0, 0)))  # where it keeps the mode differs from version to version
        self.__dict__.update({name: value for name, value in empty.items() if name not in ("im", "_im")})
        self._size = pixels.shape[1::-1]
        self.pixels = pixels

    def load(self) -> Any:
        pixels = self.__dict__.get("pixels")
        if pixels is not None:  # another thread may have been here
            image = Image.frombuffer("RGB", self._size, pixels, "raw", "RGB", 0, 1)
            self.__dict__ = image.__dict__  # as Pillow's StubImageFile does it
            self.__class__ = image.__class__
        return Image.Image.load(self)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """What numpy reads: the pixels themselves, read only as those of any image are."""
        pixels = self.__dict__.get("pixels")
        if pixels is None:
            told: dict[str, Any] = super().__array_interface__
            return told
        return {"version": 3, "data": pixels.data.toreadonly(), "shape": pixels.shape, "typestr": "|u1"}

    def __eq__(self, other: object) -> bool:
        self.load()
        return bool(self == other)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Image.frombytes, ("RGB", self._size, self.pixels.tobytes())


def _images(pixels: Pixels) -> Iterator[Image.Image]:
    return map(_Unloaded, np.ascontiguousarray(pixels))


def _shows(image: Image.Image, pixels: Pixels) -> bool:
    """Whether an image is still these very pixels."""
    return isinstance(image, _Unloaded) and image.pixels.ctypes.data == pixels.ctypes.data


def _received(pixels: Any) -> list[Image.Image]:
    return list(_images(pixels.numpy()))
