"""Cuts in a clip: the picture changes at once, far more than it moves.

A fixed camera that is cut away from is no fixed camera, and the flow's medians do not see one pair of
frames.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_LEAST_CHANGE = 14.0  # grey levels on average over the picture: half of a dissolve between two rooms
_TIMES_THE_MEDIAN = 8.0  # real fixed clips stay under 4 times (shared clips), cuts are 20 and more


def find_cut(frames: npt.NDArray[np.uint8]) -> int | None:
    """The first frame after a cut, or None; frames are uint8 (T, h, w, 3)."""
    luma = frames.astype(np.float32).mean(axis=3)
    # A change of exposure is not a cut: compare with the mean taken out.
    luma -= luma.mean(axis=(1, 2), keepdims=True)
    change = np.abs(np.diff(luma, axis=0)).mean(axis=(1, 2))
    if not len(change):
        return None
    limit = max(_LEAST_CHANGE, _TIMES_THE_MEDIAN * float(np.median(change)))
    above = np.flatnonzero(change > limit)
    return int(above[0]) + 1 if len(above) else None
