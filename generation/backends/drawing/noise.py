"""Fractal noise that wraps around, and windows that scroll over it.

- Fields are shaped in the frequency domain (white noise times a power law), so they are periodic on both
  axes, have no lattice, and never show a seam however far they scroll.
- A `Tile` keeps one period twice, so that lookups need no modulo per frame; motion is sub-pixel.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
Real = npt.NDArray[np.floating[Any]]


def fractal(
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    cells: float = 4.0,
    slope: float = 1.7,
    stretch: float = 1.0,
    finest: float = 0.5,
) -> Field:
    """Periodic power-law noise.

    Args:
        rng: Source of the white noise.
        height: Rows of one period.
        width: Columns of one period.
        cells: Blobs across the width: waves longer than width/cells are left out.
        slope: Fall of amplitude with frequency; 1 is rough, 2.5 is smooth.
        stretch: How many times wider than high the blobs are.
        finest: Highest frequency kept, in cycles a pixel (0.5 is all).

    Returns:
        float32 (height, width) of zero mean and unit deviation.
    """
    white = rng.standard_normal((height, width), dtype=np.float32)
    fy = np.fft.fftfreq(height)[:, None] * width / stretch
    fx = np.fft.rfftfreq(width)[None] * width
    radius = np.hypot(fx, fy)
    gain = np.maximum(radius, cells) ** -slope
    gain *= radius > 0.35 * cells  # nothing much longer than a cell: no slope across the whole field
    gain *= radius <= finest * width
    field = np.fft.irfft2(np.fft.rfft2(white) * gain, s=(height, width))
    return as_field((field - field.mean()) / field.std())


def as_field(values: npt.ArrayLike) -> Field:
    """The values as float32, without a copy where they are that already."""
    return np.asarray(values, np.float32)


def smoothstep(low: float, high: float, x: npt.ArrayLike) -> Field:
    """The cubic ramp from 0 at `low` to 1 at `high` (or down, when low is the larger), elementwise."""
    ramp = np.clip((as_field(x) - np.float32(low)) * np.float32(1.0 / (high - low)), 0.0, 1.0)
    return as_field(ramp * ramp * (np.float32(3.0) - np.float32(2.0) * ramp))


def curve(rng: np.random.Generator, samples: int, *, cells: float = 3.0, slope: float = 1.6) -> Field:
    """A smooth random line of `samples` points, zero mean, unit deviation (not periodic: cut from twice)."""
    return fractal(rng, 1, 2 * samples, cells=2 * cells, slope=slope)[0, :samples]


def sample(texture: Field, u: Real, v: Real) -> Field:
    """A periodic texture (h, w[, c]) sampled once at texel coordinates; `Tile` is for moving samples."""
    height, width = texture.shape[:2]
    rim = ((0, 1), (0, 1)) + ((0, 0),) * (texture.ndim - 2)
    padded = np.pad(texture, rim, mode="wrap")
    u, v = as_field(np.mod(u, width)), as_field(np.mod(v, height))
    return as_field(cv2.remap(padded, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


class Tile:
    """A periodic texture, ready to be looked up anywhere.

    Args:
        texture: float32 (h, w) or (h, w, c) that wraps on both axes.
    """

    def __init__(self, texture: Field) -> None:
        self.height, self.width = texture.shape[:2]
        twice = np.concatenate([texture, texture], axis=0)
        self._wrapped = np.ascontiguousarray(np.concatenate([twice, twice], axis=1))

    def window(self, height: int, width: int, dx: float, dy: float = 0.0) -> Field:
        """The (height, width) part whose top left corner is at (dx, dy) texels; no larger than one period."""
        offset = np.array([[1, 0, dx % self.width], [0, 1, dy % self.height]], np.float32)
        out = cv2.warpAffine(
            self._wrapped,
            offset,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return as_field(out)

    def lookup(self, u: Real, v: Real) -> TileLookup:
        """Prepares repeated sampling at fixed texel coordinates (u, v)."""
        return TileLookup(self._wrapped, np.mod(u, self.width), np.mod(v, self.height))


class TileLookup:
    """Samples a tile at fixed coordinates plus a moving offset. Made by `Tile.lookup`."""

    def __init__(self, wrapped: Field, u: Real, v: Real) -> None:
        self._wrapped = wrapped
        self._height, self._width = wrapped.shape[0] / 2, wrapped.shape[1] / 2
        self._u, self._v = as_field(u), as_field(v)

    def at(self, du: float, dv: float) -> Field:
        """float32 samples shaped like u, at (u + du, v + dv)."""
        out = cv2.remap(
            self._wrapped,
            self._u + np.float32(du % self._width),
            self._v + np.float32(dv % self._height),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return as_field(out)
