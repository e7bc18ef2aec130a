"""The subject's mask on the first frame of a clip, before any grounding.

Sources jump in tone over their first frames, so frame 0 alone is a poor anchor: the subject is also
cut out a little later, followed back, and the majority of the three counts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sparkle.generation.bait import majority_vote
from sparkle.generation.classical.activity import measure_activity
from sparkle.generation.classical.follow import follow
from sparkle.generation.classical.propagate import compute_flows, refine
from sparkle.generation.classical.subject import find_subjects
from sparkle.generation.classical.upsample import soft_alpha

_ANCHORS = (0, 8, 16)  # frames: the first second at 16 fps


def first_frame_mask(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """The moving subjects on frame 0, bool (h, w), from a whole clip uint8 (T, h, w, 3) at working size.

    All false where nothing stands out.
    """
    activity = measure_activity(frames)
    anchors = [t for t in _ANCHORS if t < len(frames)]
    subjects = find_subjects(activity, frames, anchors)
    start = frames[: anchors[-1] + 1]
    flows = compute_flows(start)
    passes = []
    for position, t in enumerate(anchors):
        boxes = [box for subject in subjects if (box := subject.boxes[position]) is not None]
        masks = follow(start, activity, flows, t, boxes, trusted=False)
        if masks.any():
            passes.append(masks)
    if not passes:
        return np.zeros(frames.shape[1:3], bool)
    return np.asarray(refine(frames[:1], majority_vote(passes)[:1])[0])


def first_frame_alpha(frames: npt.NDArray[np.uint8], full: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The same as a matte, float32 (H, W) from 0 to 1, along the edges of the full-size frame 0."""
    return soft_alpha(full, first_frame_mask(frames))
