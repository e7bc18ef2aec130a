"""What two frames are compared by: working size, Lab colours and local structure.

How it works
- Frames are reduced to about 640x360 pixels: 720p by two, which also averages most codec noise away. Lengths
  here, in `outline` and in `quality` are in such working pixels.
- Structure is the gradient of lightness. Two frames have the same structure where their gradients correlate
  in a window: relit or re-synthesised things count as kept, moved, cut or missing ones do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.media import Floats, Mask, Pixels
from sparkle.schemas.errors import MediaError

WORKING_PIXELS = 640 * 360
"""Larger frames are reduced to this area."""

SMOOTHING = 1.0
"""Gaussian before colours and gradients are compared: re-synthesis moves fine detail by about a pixel."""

STRUCTURE_FLOOR = 0.03
"""Squared gradient (L a pixel) of codec noise after smoothing: what is weaker correlates with nothing."""

FIT_ROUNDS = 3
FIT_KEPT = 0.75
FIT_PRIOR = 20.0
FIT_GAIN_RANGE = (0.25, 2.0)
FIT_STRIDE = 5
"""Trimmed least squares over every fifth pixel. The prior, a variance in squared Lab, pulls the gain of flat
colours to 1."""


def require_one_size(*images: npt.NDArray[np.generic]) -> None:
    """Raise MediaError unless frames (H, W, 3) and masks (H, W) have pixels and one size."""
    if len({image.shape[:2] for image in images}) != 1 or not images[0].size:
        got = ", ".join(str(image.shape) for image in images)
        raise MediaError("frames and masks that are compared must have one size", got=got)


def reduced(image: Pixels) -> Pixels:
    """Return an RGB frame at working size, by pixel area; smaller ones stay as they are."""
    size = _working_size(image.shape[0], image.shape[1])
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def reduced_mask(mask: Mask) -> Mask:
    """Return a mask at working size: a pixel is set where at least half of its area was."""
    size = _working_size(mask.shape[0], mask.shape[1])
    return np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5, bool)


def _working_size(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, (WORKING_PIXELS / (height * width)) ** 0.5)
    return max(1, round(width * scale)), max(1, round(height * scale))


def to_lab(image: Pixels) -> Floats:
    """Return RGB uint8 (H, W, 3) as CIE Lab float32: L 0 to 100, a and b about -127 to 127."""
    return np.asarray(
        cv2.cvtColor(image.astype(np.float32) * np.float32(1 / 255), cv2.COLOR_RGB2LAB), np.float32
    )


def smooth(image: Floats, sigma: float = SMOOTHING) -> Floats:
    """Return the Gaussian blur; sigma in pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def windowed(image: Floats, radius: int) -> Floats:
    """Return the local mean under a tent of two boxes of `radius`; never below 0 where `image` is not."""
    side = (2 * radius + 1, 2 * radius + 1)
    return np.asarray(cv2.blur(cv2.blur(image, side), side), np.float32)


def weighted_mean(values: npt.NDArray[np.floating], weights: npt.NDArray[np.floating]) -> float:
    """Return the mean of `values` under `weights`, 0 where there is no weight."""
    total = float(weights.sum(dtype=np.float64))
    return float((values * weights).sum(dtype=np.float64)) / total if total > 0 else 0.0


def distance(first: Floats, second: Floats) -> Floats:
    """Return the Euclidean distance of two Lab images, float32 (H, W)."""
    difference = first - second
    return np.asarray(np.sqrt(np.einsum("...c,...c->...", difference, difference)), np.float32)


@dataclass(frozen=True)
class Pair:
    """Two frames of one size, smoothed Lab float32 (h, w, 3)."""

    before: Floats
    after: Floats

    @cached_property
    def products(self) -> Floats:
        """Float32 (h, w, 3): gradient of before times after, before squared, after squared."""
        (x0, y0), (x1, y1) = (
            tuple(cv2.Sobel(image[..., 0], cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
            for image in (self.before, self.after)
        )
        return np.dstack((x0 * x1 + y0 * y1, x0 * x0 + y0 * y0, x1 * x1 + y1 * y1))

    def correlation(self, where: Mask, radius: int) -> tuple[Floats, Floats]:
        """Return the correlation of the structures, -1 to 1, and the strength of the first one's (L a pixel).

        Each is float32 (h, w) and valid in `where`; windows of about `radius` take pixels of `where` only.
        """
        weight = where.astype(np.float32)
        local = windowed(self.products * weight[..., None], radius)
        local /= (windowed(weight, radius) + np.float32(1e-6))[..., None]
        shared, first, second = local[..., 0], np.maximum(local[..., 1], 0), np.maximum(local[..., 2], 0)
        floor = np.float32(STRUCTURE_FLOOR)
        correlation = shared / np.sqrt((first + floor) * (second + floor))
        return np.asarray(correlation, np.float32), np.asarray(np.sqrt(first), np.float32)

    def recoloured(self, where: Mask) -> Floats:
        """`before` as the edit shows what it keeps: a gain and an offset a channel, fitted on `where`.

        The quarter that fits worst is left out each time: missing parts must not bend the fit.
        """
        if not where.any():
            return self.before
        first, second = (image[where][::FIT_STRIDE].astype(np.float64) for image in (self.before, self.after))
        kept = np.ones(len(first), bool)
        for _ in range(FIT_ROUNDS):
            x, y = first[kept], second[kept]
            mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
            covariance, variance = ((x - mean_x) * (y - mean_y)).mean(axis=0), x.var(axis=0)
            gain = np.clip((covariance + FIT_PRIOR) / (variance + FIT_PRIOR), *FIT_GAIN_RANGE)
            error = np.abs((first - mean_x) * gain + mean_y - second).sum(axis=1)
            kept = error <= np.quantile(error, FIT_KEPT)
        offset = mean_y - mean_x * gain
        return np.asarray(self.before * gain.astype(np.float32) + offset.astype(np.float32), np.float32)
