"""The stage that a scene is painted on: its size, its random stream, and the layers on it.

- A picture is a list of elements, back to front. An element has one method, `draw(frame, t)`, that paints
  in place on a float32 (h, w, 3) frame; it keeps no state between frames, so any time can be asked for.
- `over` puts a premultiplied layer on a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Image
from sparkle.generation.backends.drawing.match import SceneSpec
from sparkle.generation.backends.drawing.mood import Mood


class Element(Protocol):
    """Something on the stage."""

    def draw(self, frame: Image, t: float) -> None:
        """Paints the element as it is at `t` seconds on `frame`, float32 (h, w, 3), in place."""


@dataclass(frozen=True)
class Stage:
    """What every family is given.

    Attributes:
        height: Rows painted (before the final upscale).
        width: Columns painted.
        spec: What the prompt asks for.
        mood: Its light and colour.
        rng: The scene's random stream; families draw from it in order while they build, never after.
    """

    height: int
    width: int
    spec: SceneSpec
    mood: Mood
    rng: np.random.Generator

    @property
    def aspect(self) -> float:
        """Width over height: the right edge in drawing units."""
        return self.width / self.height

    def canvas(self) -> Canvas:
        """An empty canvas of the stage's size."""
        return Canvas(self.height, self.width)

    def grid(self) -> tuple[Image, Image]:
        """Pixel centres (x, y) in drawing units, float32 (h, w) each."""
        y, x = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32)
        return (x + np.float32(0.5)) / np.float32(self.height), (y + np.float32(0.5)) / np.float32(
            self.height
        )

    def row(self, y: float) -> int:
        """The pixel row of a height in drawing units, within the frame."""
        return int(np.clip(round(y * self.height), 0, self.height))


def over(frame: Image, layer: Image, top: int = 0, left: int = 0) -> None:
    """Puts a premultiplied (h, w, 4) layer on the frame at (top, left), in place."""
    height, width = layer.shape[:2]
    view = frame[top : top + height, left : left + width]
    keep = cv2.cvtColor(np.float32(1.0) - layer[..., 3], cv2.COLOR_GRAY2RGB)
    cv2.multiply(view, keep, dst=view)
    cv2.add(view, cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB), dst=view)


def blend(frame: Image, colour: Image, alpha: Image) -> None:
    """Mixes the frame towards a colour, (3,) or (h, w, 3), by alpha (h, w), in place."""
    target = colour if colour.ndim == 3 else np.array([*colour, 0.0], np.float64)  # OpenCV's scalar
    towards = cv2.subtract(target, frame)
    cv2.multiply(towards, cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB), dst=towards)
    cv2.add(frame, towards, dst=frame)


def bounds(alpha: Image, margin: int) -> tuple[slice, slice]:
    """Rows and columns that hold everything above zero, with a margin; the whole when nothing is."""
    rows, cols = np.flatnonzero(alpha.max(axis=1) > 0), np.flatnonzero(alpha.max(axis=0) > 0)
    if not len(rows):
        return slice(0, alpha.shape[0]), slice(0, alpha.shape[1])
    top, bottom = max(0, int(rows[0]) - margin), min(alpha.shape[0], int(rows[-1]) + 1 + margin)
    left, right = max(0, int(cols[0]) - margin), min(alpha.shape[1], int(cols[-1]) + 1 + margin)
    return slice(top, bottom), slice(left, right)


class Backdrop:
    """An opaque picture, (h, w, 3), that fills the rows from `top`."""

    def __init__(self, picture: Image, top: int = 0) -> None:
        self._picture, self._top = np.ascontiguousarray(picture, np.float32), top

    def draw(self, frame: Image, t: float) -> None:
        """Copies the picture."""
        frame[self._top : self._top + len(self._picture)] = self._picture


class Cutout:
    """A premultiplied (h, w, 4) layer that stands still."""

    def __init__(self, layer: Image) -> None:
        rows, cols = bounds(layer[..., 3], 0)
        self._layer, self._top, self._left = np.ascontiguousarray(layer[rows, cols]), rows.start, cols.start

    def draw(self, frame: Image, t: float) -> None:
        """Puts the layer on the frame."""
        over(frame, self._layer, self._top, self._left)
