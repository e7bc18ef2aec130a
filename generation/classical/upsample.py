"""Takes a silhouette from the working size to the full frame, along the full frame's edges.

The fast guided filter (He and Sun, 2015): its linear model is fitted at the working size and applied, scaled
up, to the full frame. It costs a resize instead of a filter at full size.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.classical.filters import BoolImage, ColourGuide, FloatImage, bounding_box, grow_box

MASK_SIGMA = 0.7
"""Gaussian that takes the staircase off the working-size mask, in its pixels."""

GUIDE_RADIUS = 4
GUIDE_EPS = 1e-3
"""Window in working pixels and squared edge strength of the frame (0 to 1)."""

SOFT_GAIN = np.float32(1.6)
SOFT_CENTRE = np.float32(0.42)
"""alpha = (a - 1/2) * gain + centre: steeper, and drawn in a little, so that no rim of the old background
shows."""


def soft_alpha(frame_full: npt.NDArray[np.uint8], mask_small: BoolImage) -> FloatImage:
    """The matte for compositing.

    Args:
        frame_full: uint8 RGB (H, W, 3).
        mask_small: bool (h, w) at the working size.

    Returns:
        float32 (H, W), 0 to 1; all zero for an empty mask.
    """
    alpha = _upsampled(frame_full, mask_small)
    return np.asarray(np.clip((alpha - np.float32(0.5)) * SOFT_GAIN + SOFT_CENTRE, 0, 1))


def hard_mask(frame_full: npt.NDArray[np.uint8], mask_small: BoolImage) -> BoolImage:
    """The mask at full size, bool (H, W), from the same arguments."""
    return _upsampled(frame_full, mask_small) > 0.5


def _upsampled(frame: npt.NDArray[np.uint8], mask: BoolImage) -> FloatImage:
    height, width = frame.shape[:2]
    small = np.asarray(cv2.resize(frame, mask.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    model = _model(small, mask)
    *slopes, applied = (cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) for part in model)
    for slope, channel in zip(slopes, cv2.split(frame), strict=True):
        slope *= np.float32(1 / 255)
        slope *= channel
        applied += slope
    return np.asarray(applied, np.float32)


def _model(small: npt.NDArray[np.uint8], mask: BoolImage) -> FloatImage:
    """The linear model of the smoothed mask, float32 (4, h, w); computed around it only."""
    model = np.zeros((4, *mask.shape), np.float32)
    smooth = np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), MASK_SIGMA), np.float32)
    box = bounding_box(smooth > 0)
    if box is not None:
        margin = 3 * GUIDE_RADIUS  # the guide's window and the filter's two: beyond it, the model is zero
        x0, y0, x1, y1 = grow_box(box, (mask.shape[0], mask.shape[1]), margin, margin)
        guide = ColourGuide.of(small[y0:y1, x0:x1], GUIDE_RADIUS, GUIDE_EPS)
        model[:, y0:y1, x0:x1] = guide.coefficients(smooth[y0:y1, x0:x1])
    return model
