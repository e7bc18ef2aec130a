"""The subject of a clip by its motion alone: for benches that come without masks.

The camera stands still, so that what stays is the median over time, and the subject is what differs from it.
A subject that hardly moves cannot be told like that, which is an error and never a guess.
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
_STABLE = 0.5  # of neighbouring masks: below that they are noise
_LARGE = 0.2  # of the largest part: smaller ones are no subject


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
    masks = np.stack([_largest(_differs(image, still)) for image in small])
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
