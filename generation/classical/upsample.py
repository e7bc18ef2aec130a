"""Takes a silhouette from the working size to the full frame, along the full frame's edges.

The fast guided filter (He and Sun, 2015): its linear model is fitted at the working size and applied, scaled
up, to the full frame. It costs a resize instead of a filter at full size.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.classical.filters import BoolImage, ColourGuide, FloatImage, apply_model

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
    smooth = np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), MASK_SIGMA), np.float32)
    model = ColourGuide.of(small, GUIDE_RADIUS, GUIDE_EPS).coefficients(small, smooth)
    model = np.asarray(cv2.resize(model, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return apply_model(model, frame)
