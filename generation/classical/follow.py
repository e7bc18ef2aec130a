"""One pass of the vote: cut a subject out on an anchor frame, and carry it to all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sparkle.generation.classical.activity import Activity
from sparkle.generation.classical.filters import Box
from sparkle.generation.classical.propagate import BoolClip, Flows, propagate
from sparkle.generation.classical.segment import segment_in_box
from sparkle.generation.classical.uncovered import roams


def follow(
    frames: npt.NDArray[np.uint8],
    activity: Activity,
    flows: Flows,
    anchor: int,
    boxes: Sequence[Box],
    *,
    trusted: bool,
) -> BoolClip:
    """Follow what is in some boxes of a frame through a clip.

    Args:
        frames: uint8 RGB (T, h, w, 3) at the working size: a clip, or its beginning.
        activity: Of the whole clip.
        flows: Of `frames`.
        anchor: The index of the frame that the boxes are on.
        boxes: In working pixels.
        trusted: See `segment_in_box`.

    Returns:
        bool (T, h, w), all boxes' subjects together; all false where the boxes hold nothing.
    """
    mask = np.zeros(frames.shape[1:3], bool)
    for box in boxes:
        mask |= segment_in_box(frames[anchor], box, activity, anchor, trusted=trusted)
    if not mask.any():
        return np.zeros(frames.shape[:3], bool)
    roaming = all(roams(activity.luma, anchor, box) for box in boxes)
    return propagate(frames, flows, anchor, mask, activity.evidence if roaming else None)
