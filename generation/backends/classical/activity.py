"""How much every pixel of a fixed-camera clip changes, and where background is covered and uncovered.

- Each frame is fitted to the clip's median frame by one gain and one offset, robustly (the pixels that fit
  badly are left out and the fit is repeated): sources jump in tone over their first frames.
- What is left is the temporal standard deviation: small on a background that stands still, large where a
  subject moves.
- A pixel that stands still, then shows something else, then shows its old value again has been passed by. Its
  value is background, if what passed is the whole subject: a shirt behind a waving hand comes back as well.
- So this is only asked about a subject that roams: much of its box looks different in other frames. Then no
  part of it comes back to the same pixel with the same value, but by accident, in small pieces, or inside of
  it, where a plain surface shows again behind a pattern that moves with it: background reaches its outside.
- Values are collected at some frames and must agree. A frame that shows them over a large piece shows the
  background there; where it shows something else, something is before it. The rest is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np

from sparkle.generation.backends.classical.filters import Box, components, gray_frames, keep_components
from sparkle.media import Floats, Mask, Pixels
from sparkle.media.morphology import erode, opened

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

    luma: Floats
    median: Floats
    std: Floats

    def std_between(self, first: int, last: int) -> Floats:
        """Standard deviation, float32 (h, w), over frames first..last, both included, as far as there are."""
        window = self.luma[max(0, first) : last + 1]
        return np.asarray(window.std(axis=0), np.float32)

    @cached_property
    def evidence(self) -> Evidence:
        """What every frame shows for certain, given a subject that roams."""
        return weigh(self.luma)


def measure_activity(frames: Pixels) -> Activity:
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


def _fit(values: Floats, target: Floats) -> tuple[np.float32, np.float32]:
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


# --- background that is covered and uncovered ------------------------------------------------------

SAME_LEVELS = 2.0
"""Gray levels of corrected luma within which two frames show the same at a pixel. The noise of the shared
clips is .4 to 1.7."""

OTHER_LEVELS = 8.0
"""Gray levels from which two frames show different things at a pixel."""

DARK_BELOW = 24.0
"""Gray levels below which things look alike: black comes back when something else is black."""

STILL_FRAMES = 2
"""Frames on either side over which a pixel must stand still to be looked at."""

LOOK_STEP = 8
"""Frames between those at which values are collected: half a second."""

COMPARED_STEP = 2
"""Every how many frames are compared with those."""

RETURNS = 2
"""Compared frames that must show the value again behind something else."""

VISIBLE_LEVELS = 3.0
"""Gray levels within which a frame shows the background: wider than `SAME_LEVELS`, the values are exact."""

LEAST_SHARE = 0.004
"""Share of the frame of the smallest piece of visible background. On the shared and the drawn clips at most
.1 % of what is found is subject."""

COVERED_LEVELS = 20.0
"""Gray levels from which a frame shows something before the background: more than a shadow on it."""

COVERED_EROSION = 1
"""Pixels that are taken off: luma is smoothed, so that a subject shows next to itself. None costs .02 IoU on
the drawn clips, two cost .01 on the shared clip whose subject roams most."""

ROAMING_SHARE = 0.25
"""Of a box's pixels, the mean share of frames that show something else there, from which its subject roams.
Below it, a subject may be too still for its outline to part it from what never changes. The shared clips
have .03 to .58; from .30 on, seeing the background gains up to .06 IoU, below, none is seen. Drawn clips have
.49 to .68."""


class Evidence(NamedTuple):
    """What is known of a clip's pixels; what is in neither is not known.

    Attributes:
        visible: bool (T, h, w), the background is seen.
        covered: bool (T, h, w), something stands before the background.
    """

    visible: Mask
    covered: Mask


def collect_background(luma: Floats) -> Floats:
    """Return the values of background that is seen before and after something else.

    Args:
        luma: float32 (T, h, w), corrected for changes of light, in gray levels.

    Returns:
        float32 (h, w); NaN where nothing of the kind is seen, or not the same thing throughout.
    """
    values = np.full(luma.shape[1:], np.nan, np.float32)
    changing = np.ptp(luma, axis=0) > OTHER_LEVELS
    pixels = luma[:, changing]
    lowest = np.full(pixels.shape[1], np.inf, np.float32)
    highest = np.full(pixels.shape[1], -np.inf, np.float32)
    for t in range(0, len(pixels), LOOK_STEP):
        value = pixels[max(0, t - 1) : t + 2].mean(axis=0)
        found = _returns(pixels, t, value)
        lowest[found] = np.minimum(lowest, value)[found]
        highest[found] = np.maximum(highest, value)[found]
    known = (lowest >= DARK_BELOW) & (lowest <= highest) & (highest - lowest < 2 * SAME_LEVELS)
    agreed = np.full(known.shape, np.nan, np.float32)
    agreed[known] = (lowest[known] + highest[known]) / 2
    values[changing] = agreed
    return values


def _returns(pixels: Floats, t: int, value: Floats) -> Mask:
    """Which of (T, n) pixels stand still around frame t and have that value again behind something else."""
    around = np.abs(pixels[max(0, t - STILL_FRAMES) : t + STILL_FRAMES + 1] - value)
    away = np.abs(pixels[::COMPARED_STEP] - value)
    same, other = away < SAME_LEVELS, away > OTHER_LEVELS
    middle = t // COMPARED_STEP
    count = np.zeros(value.shape, np.int64)
    for way in (np.s_[middle:], np.s_[middle::-1]):
        behind = np.logical_or.accumulate(other[way], axis=0)
        count += np.count_nonzero(behind & same[way], axis=0)
    return np.asarray((around < SAME_LEVELS).all(axis=0) & (count >= RETURNS))


def weigh(luma: Floats) -> Evidence:
    """Return what every frame of a clip shows for certain, given a subject that roams.

    Args:
        luma: float32 (T, h, w), corrected for changes of light, in gray levels.
    """
    background = collect_background(luma)
    outside = _outside(luma)
    visible, covered = np.empty(luma.shape, bool), np.empty(luma.shape, bool)
    for t, frame in enumerate(luma):
        away = np.abs(frame - background)  # NaN is neither near nor far
        pieces = keep_components(opened(away < VISIBLE_LEVELS, 1), LEAST_SHARE * frame.size)
        visible[t] = pieces & _joined(pieces | outside, outside)
        covered[t] = erode(away > COVERED_LEVELS, COVERED_EROSION)
    return Evidence(visible, covered)


def _outside(luma: Floats) -> Mask:
    """Return what never changes and reaches the frame's top or a side, bool (h, w).

    Not its bottom: there a subject that the frame cuts off may stand still.
    """
    unchanging = np.ptp(luma, axis=0) <= OTHER_LEVELS
    border = np.zeros_like(unchanging)
    border[0] = border[:, 0] = border[:, -1] = True
    return _joined(unchanging, border)


def _joined(mask: Mask, seeds: Mask) -> Mask:
    """Return the components of a mask that hold a seed, bool (h, w)."""
    found = components(mask)
    keep = np.zeros(len(found.areas), bool)
    keep[found.labels[seeds]] = True
    keep[0] = False
    return np.asarray(keep[found.labels], bool)


def roams(luma: Floats, t: int, box: Box) -> bool:
    """Whether the subject in a box of frame t moves about, so that its box looks different in other frames.

    Args:
        luma: float32 (T, h, w), corrected for changes of light.
        t: The frame's index.
        box: In pixels; nothing roams in an empty one.
    """
    x0, y0, x1, y1 = box
    away = np.abs(luma[::COMPARED_STEP, y0:y1, x0:x1] - luma[t, y0:y1, x0:x1])
    return bool(np.count_nonzero(away > OTHER_LEVELS) >= ROAMING_SHARE * max(away.size, 1))
