"""A surface to draw on, in units of the frame's height, that becomes a premultiplied layer.

- Coordinates: x in 0..aspect, y in 0..1 from the top; sizes are fractions of the height, so a scene drawn
  for 96 rows and for 720 rows is the same picture.
- Shapes are opaque and drawn hard at `SUPERSAMPLE` times the size; the area average that makes the layer
  gives soft edges with exact premultiplied alpha (an empty canvas is transparent black).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
Points = npt.NDArray[np.floating]
Colour = npt.NDArray[np.floating]
# Where points (..., 2) of a surface are seen that stand (...,) out of it.
Lens: TypeAlias = Callable[[Points, Points], Points]

SUPERSAMPLE = 3  # nine samples a pixel; the finishing blur hides what is left
FRACTION_BITS = 4  # sub-pixel bits of OpenCV's drawing coordinates

_TURN = np.linspace(0.0, 2.0 * np.pi, 9)[:-1, None]
ROUND = np.concatenate([np.cos(_TURN), np.sin(_TURN)], axis=1)
LEAF = np.array([(1.0, 0.0), (0.3, 0.62), (-0.5, 0.66), (-1.0, 0.0), (-0.5, -0.66), (0.3, -0.62)])


def rgb(*levels: float) -> npt.NDArray[np.float32]:
    """A colour from 8-bit levels, as float32 (3,) in 0..1."""
    return np.array(levels, np.float32) / np.float32(255.0)


def pick(
    rng: np.random.Generator, palette: Colour, count: int, light: float = 0.15, hue: float = 0.04
) -> Colour:
    """`count` colours, each a variation of a random row of `palette` (k, 3). (count, 3)."""
    base = palette[rng.integers(0, len(palette), count)]
    return np.clip(
        base
        * (1.0 + light * rng.standard_normal((count, 1)))
        * (1.0 + hue * rng.standard_normal((count, 3))),
        0,
        1,
    )


class Canvas:
    """A transparent surface of (height, width) pixels.

    Args:
        height: Rows of the layer it will become.
        width: Columns of it.
        unit: Pixels of one drawing unit; the height when left out.
    """

    def __init__(self, height: int, width: int, *, unit: float = 0.0) -> None:
        self.height, self.width = height, width
        self._unit = (unit or height) * SUPERSAMPLE
        self._pixels = np.zeros((height * SUPERSAMPLE, width * SUPERSAMPLE, 4), np.uint8)
        self._origin, self._scale = np.zeros(2), np.ones(2)
        self._lens: Lens | None = None

    def at(self, x: float, y: float, size: float, *, mirrored: bool = False) -> Canvas:
        """The same surface for whoever draws a thing of size 1 with its foot at (0, 0)."""
        placed = copy.copy(self)
        placed._origin = self._origin + np.array([x, y]) * self._scale
        placed._scale = self._scale * size * np.array([-1.0 if mirrored else 1.0, 1.0])
        return placed

    def through(self, lens: Lens) -> Canvas:
        """The same surface for whoever draws on a wall that is seen at an angle."""
        placed = copy.copy(self)
        placed._lens = lens
        return placed

    def polygon(self, points: Points, colour: Colour) -> None:
        """Fills a simple polygon of (n, 2) points; it may be concave.

        Points (n, 3) stand out of the wall by the third number, which counts through a lens alone.
        """
        cv2.fillPoly(self._pixels, [self._fixed(points)], _ink(colour), cv2.LINE_8, FRACTION_BITS)

    def cut(self, points: Points) -> None:
        """Makes a polygon of (n, 2) points transparent again: a window in a wall."""
        cv2.fillPoly(self._pixels, [self._fixed(points)], (0, 0, 0, 0), cv2.LINE_8, FRACTION_BITS)

    def convex(self, polygons: Points, colours: Colour) -> None:
        """Fills m convex polygons of n points: points (m, n, 2), colours (m, 3). Later ones lie on top."""
        for corners, ink in zip(self._fixed(polygons), _inks(colours), strict=True):
            cv2.fillConvexPoly(self._pixels, corners, ink, cv2.LINE_8, FRACTION_BITS)

    def dabs(
        self, centres: Points, radii: Points, angles: Points, colours: Colour, *, outline: Points = ROUND
    ) -> None:
        """Draws m small shapes: centres (m, 2), radii (m, 2), angles (m,) in radians, colours (m, 3)."""
        ring = outline[None] * radii[:, None]
        cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
        x = ring[..., 0] * cos - ring[..., 1] * sin
        y = ring[..., 0] * sin + ring[..., 1] * cos
        self.convex(np.stack([x, y], -1) + centres[:, None], colours)

    def circle(self, centre: tuple[float, float], radius: float, colour: Colour) -> None:
        """Fills a circle."""
        x, y = (int(v) for v in self._fixed(np.array([centre]))[0])
        r = max(1, round(radius * self._scale[1] * self._unit * (1 << FRACTION_BITS)))
        cv2.circle(self._pixels, (x, y), r, _ink(colour), -1, cv2.LINE_8, FRACTION_BITS)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Fills an upright rectangle."""
        self.convex(
            np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]]), np.asarray(colour)[None]
        )

    def stroke(self, points: Points, widths: Points | float, colour: Colour) -> None:
        """A band along a line of (n, 2) points; `widths` is one width or one a point."""
        points = np.asarray(points, np.float64)
        along = np.gradient(points, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], -1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        half = normal * (np.broadcast_to(np.asarray(widths, np.float64), len(points))[:, None] / 2)
        self.polygon(np.concatenate([points + half, (points - half)[::-1]]), colour)

    def blades(
        self, roots: Points, tips: Points, bend: Points, width: Points | float, colours: Colour
    ) -> None:
        """Draws m pointed blades from roots to tips (m, 2), bowed sideways by `bend` (m,)."""
        axis = tips - roots
        side = np.stack([-axis[:, 1], axis[:, 0]], -1)
        side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
        half = side * (np.broadcast_to(np.asarray(width), len(roots))[:, None] / 2)
        middle = roots + 0.55 * axis + side * np.asarray(bend)[:, None]
        lower = np.stack([roots - half, roots + half, middle + 0.7 * half, middle - 0.7 * half], 1)
        upper = np.stack([middle - 0.7 * half, middle + 0.7 * half, tips], 1)
        for low, high, ink in zip(self._fixed(lower), self._fixed(upper), _inks(colours), strict=True):
            cv2.fillConvexPoly(self._pixels, low, ink, cv2.LINE_8, FRACTION_BITS)
            cv2.fillConvexPoly(self._pixels, high, ink, cv2.LINE_8, FRACTION_BITS)

    def layer(self) -> Image:
        """The drawing as float32 (height, width, 4), premultiplied, 0..1."""
        small = cv2.resize(self._pixels, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return small.astype(np.float32) * np.float32(1.0 / 255.0)

    def _fixed(self, points: Points) -> npt.NDArray[np.int32]:
        points = np.asarray(points)
        placed: Points = points[..., :2] * self._scale + self._origin
        if self._lens:
            out = points[..., 2] if points.shape[-1] == 3 else np.zeros(points.shape[:-1])
            placed = self._lens(placed, out * self._scale[1])
        scaled = np.clip(placed * self._unit, -16000, 16000)
        # OpenCV's pixel centres are whole numbers; ours are halves.
        return np.asarray(np.round((scaled - 0.5) * (1 << FRACTION_BITS)), np.int32)


def _ink(colour: Colour) -> tuple[int, int, int, int]:
    red, green, blue = (int(v) for v in np.clip(np.asarray(colour) * 255.0 + 0.5, 0, 255))
    return red, green, blue, 255


def _inks(colours: Colour) -> list[list[int]]:
    levels = np.clip(np.asarray(colours) * 255.0 + 0.5, 0, 255).astype(np.int64)
    inks: list[list[int]] = np.concatenate([levels, np.full((len(levels), 1), 255)], axis=1).tolist()
    return inks
