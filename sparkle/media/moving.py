"""The subject of a clip by its motion alone: for benches that come without masks.

The camera stands still, so that what stays is the median over time, and the subject is in the convex hull of
what differs from it within a quarter of a second: a piece of the scene around it belongs to that, and feet
that stand do not. A subject that hardly moves cannot be told like that, which is an error and never a guess.
"""

from __future__ import annotations

import cv2
import numpy as np

from sparkle.media import Mask, Pixels
from sparkle.media.frames import resize
from sparkle.media.measures import mask_stability
from sparkle.media.morphology import closed, dilate, opened
from sparkle.schemas.errors import MediaError

_SIDE = 320  # pixels of the longer side at which motion is looked for
_FRAMES = 9  # that the median is of
_MOVED = 20  # levels of a channel by which a pixel differs
_NEAR = 2  # frames before and behind
_STABLE = 0.5  # of neighbouring masks: below that they are noise
_LARGE = 0.25  # of the largest part: smaller ones are no subject


def moving_subject(frames: Pixels) -> Mask:
    """Return the masks of what moves.

    Args:
        frames: uint8 (T, H, W, 3) RGB, T >= 2.

    Returns:
        bool (T, H, W).

    Raises:
        MediaError: nothing moves, or what does is no subject.
    """
    count, height, width = frames.shape[:3]
    scale = min(1.0, _SIDE / max(height, width))
    small = resize(frames, (max(2, round(width * scale)), max(2, round(height * scale))))
    still = np.median(small[np.linspace(0, count - 1, min(_FRAMES, count)).astype(int)], axis=0)
    still = still.astype(np.uint8)
    moved = np.stack([_largest(_differs(image, still)) for image in small])
    around = (moved[max(0, now - _NEAR) : now + _NEAR + 1] for now in range(count))
    masks = np.stack([_hull(np.asarray(several.any(axis=0), np.bool_)) for several in around])
    if not masks.any() or mask_stability(masks) < _STABLE:
        raise MediaError("it has no masks, and its subject cannot be told by its motion")
    return resize(masks, (width, height))


def _differs(image: Pixels, still: Pixels) -> Mask:
    change = cv2.GaussianBlur(cv2.absdiff(image, still), (0, 0), 1).max(axis=2)
    return dilate(closed(opened(np.asarray(change > _MOVED), 1), 4), 1)


def _largest(mask: Mask) -> Mask:
    """Return the parts of a mask that are large beside the largest."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    if count < 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    keep = 1 + np.flatnonzero(areas >= _LARGE * areas.max())
    return np.isin(labels, keep)


def _hull(mask: Mask) -> Mask:
    """Return the convex hull of a mask."""
    filled = np.zeros(mask.shape, np.uint8)
    points = cv2.findNonZero(mask.view(np.uint8))
    if points is not None:
        cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    return filled.view(np.bool_)
