"""How much every pixel of a fixed-camera clip changes, once changes of light are taken out.

- Each frame is fitted to the clip's median frame by one gain and one offset, robustly (the pixels that fit
  badly are left out and the fit is repeated): sources jump in tone over their first frames.
- What is left is the temporal standard deviation: small on a background that stands still, large where a
  subject moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.classical.filters import FloatImage, gray_frames
from sparkle.generation.classical.uncovered import Evidence, weigh

SMOOTHING_SIGMA = 1.2
"""Gaussian before measuring, in working pixels: below it, compression noise."""

MEDIAN_STEP = 4
"""Every how many frames enter the median frame: enough at 16 fps, a quarter of the time."""

FIT_ROUNDS = 3
"""Rounds of the robust fit; it settles in two on the shared clips."""

FIT_STEP = 2
"""Every how many rows and columns enter the fit: neighbours are alike after the Gaussian."""

FIT_TOLERANCE = 4.0
"""Gray levels: a pixel this near the fit is always part of the next round."""


@dataclass(frozen=True)
class Activity:
    """Illumination-corrected luma of a clip and how much it varies.

    Attributes:
        luma: float32 (T, h, w), 0 to 255 up to the correction.
        median: float32 (h, w): the median frame.
        std: float32 (h, w): temporal standard deviation over the whole clip, in gray levels.
    """

    luma: npt.NDArray[np.float32]
    median: FloatImage
    std: FloatImage

    def std_between(self, first: int, last: int) -> FloatImage:
        """Standard deviation, float32 (h, w), over frames first..last, both included, as far as there are."""
        window = self.luma[max(0, first) : last + 1]
        return np.asarray(window.std(axis=0), np.float32)

    @cached_property
    def evidence(self) -> Evidence:
        """What every frame shows for certain, given a subject that roams."""
        return weigh(self.luma)


def measure_activity(frames: npt.NDArray[np.uint8]) -> Activity:
    """Correct the light and measure how every pixel varies.

    Args:
        frames: uint8 RGB (T, h, w, 3) at the working size, T >= 1.
    """
    luma = np.stack([cv2.GaussianBlur(gray, (0, 0), SMOOTHING_SIGMA) for gray in gray_frames(frames)]).astype(
        np.float32
    )
    median = np.asarray(np.median(luma[::MEDIAN_STEP], axis=0), np.float32)
    sampled = median[::FIT_STEP, ::FIT_STEP].ravel()
    for frame in luma:
        gain, offset = _fit(frame[::FIT_STEP, ::FIT_STEP].ravel(), sampled)
        np.multiply(frame, gain, out=frame)
        np.add(frame, offset, out=frame)
    return Activity(luma=luma, median=median, std=np.asarray(luma.std(axis=0), np.float32))


def _fit(values: FloatImage, target: FloatImage) -> tuple[np.float32, np.float32]:
    """Gain and offset that take most of `values` to `target`; the identity where nothing varies."""
    inliers = np.ones(values.shape, bool)
    gain, offset = 1.0, 0.0
    for _ in range(FIT_ROUNDS):
        x, y = values[inliers].astype(np.float64), target[inliers].astype(np.float64)
        x_mean, y_mean = x.mean(), y.mean()
        variance = np.mean((x - x_mean) ** 2)
        if variance < 1e-6:
            return np.float32(1), np.float32(0)
        gain = float(np.mean((x - x_mean) * (y - y_mean)) / variance)
        offset = float(y_mean - gain * x_mean)
        error = np.abs(gain * values + offset - target)
        inliers = error < max(FIT_TOLERANCE, 2 * float(np.median(error)))
    return np.float32(gain), np.float32(offset)
