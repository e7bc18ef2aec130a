"""Masks grown, shrunk, opened and closed by a disc.

Masks are bool (H, W) and OpenCV wants uint8: the conversions are here and nowhere else.
"""

from __future__ import annotations

import cv2
import numpy as np

from sparkle.media import Mask, Pixels


def dilate(mask: Mask, radius: int) -> Mask:
    """Return the mask grown by a disc of `radius` pixels."""
    return np.asarray(cv2.dilate(mask.view(np.uint8), disc(radius)), np.bool_)


def erode(mask: Mask, radius: int) -> Mask:
    """Return the mask shrunk by a disc of `radius` pixels.

    Outside the frame counts as foreground: a subject that the frame cuts off keeps its core at the border.
    """
    shrunk = cv2.erode(mask.view(np.uint8), disc(radius), borderType=cv2.BORDER_CONSTANT, borderValue=(1,))
    return np.asarray(shrunk, np.bool_)


def opened(mask: Mask, radius: int) -> Mask:
    """Return the mask without what a disc of `radius` pixels does not fit into."""
    return np.asarray(cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, disc(radius)), np.bool_)


def closed(mask: Mask, radius: int) -> Mask:
    """Return the mask with gaps narrower than a disc of `radius` pixels filled."""
    return np.asarray(cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, disc(radius)), np.bool_)


def disc(radius: int) -> Pixels:
    """Return a disc for OpenCV's morphology, uint8 (2 * radius + 1, 2 * radius + 1)."""
    side = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
