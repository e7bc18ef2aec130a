"""The size that a model works at, and the way there and back without distorting.

- Sides are brought to multiples of 16 (the autoencoder's 8 times the transformer's patches of 2) by mirroring
  the picture over its right and lower edge, and what was added is cut off again: nothing is stretched, and a
  pixel stays where it is. 720p has such sides already.
- Frames are brought to 4k+1 (the video autoencoder's stride in time) by repeating the last one, and cut back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

_MULTIPLE = 16  # pixels
_STRIDE = 4  # frames that share a latent frame; the first has one of its own


@dataclass(frozen=True)
class Canvas:
    """A picture's size and the size that a model gets it at.

    Args:
        width: Of the picture, in pixels.
        height: The same.
        least: The shortest side that the model takes.
    """

    width: int
    height: int
    least: int = _MULTIPLE

    @classmethod
    def of(cls, image: Image, *, least: int = _MULTIPLE) -> Canvas:
        """The canvas of a picture, uint8 (H, W, 3)."""
        return cls(image.shape[1], image.shape[0], least)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) that the model works at."""
        return self._fit(self.width), self._fit(self.height)

    def pad(self, image: Image) -> Image:
        """A picture of the canvas, uint8 (H, W, 3), at the model's size."""
        width, height = self.size
        border = ((0, height - self.height), (0, width - self.width), (0, 0))
        return np.pad(image, border, mode="symmetric")

    def crop(self, image: Image) -> Image:
        """What the model made, uint8 (H, W, 3), at the picture's size."""
        return image[: self.height, : self.width]

    def _fit(self, side: int) -> int:
        return -(-max(side, self.least) // _MULTIPLE) * _MULTIPLE


def model_frames(count: int) -> int:
    """The least 4k+1 that is at least `count`."""
    return -(-(count - 1) // _STRIDE) * _STRIDE + 1
