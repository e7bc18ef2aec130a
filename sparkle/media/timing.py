"""Whether the frames of a video follow each other at equal distances.

What reads a clip frame by frame (our loaders, musubi-tuner) gives every frame of it, whenever it is shown.
What reads it by time (ffmpeg at a constant rate, and so the own loaders of Kiwi-Edit and DiffSynth-Studio)
repeats some frames and drops others where times are not even: of a pair it then gives other moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

# Milliseconds. QuickTime counts in 600ths of a second; Matroska, WebM and FLV in thousandths, so that frames
# at 29.97 a second are 33 or 34 apart. What came through one of each is off by less than both together.
ROUNDING_MS = 1000 / 600 + 1


def worst_offset(seconds: npt.NDArray[np.float64]) -> float:
    """Return how many milliseconds the worst frame is off even times; 0.0 where that may be rounding.

    Args:
        seconds: When the frames are shown, in the order in which they are.
    """
    if len(seconds) < 3:
        return 0.0
    even = np.linspace(seconds[0], seconds[-1], len(seconds))
    offset = 1000 * float(np.abs(seconds - even).max())
    return offset if offset > ROUNDING_MS else 0.0


def worst_offset_of(times: Sequence[Fraction | None]) -> float:
    """Return `worst_offset` of what `OpenVideo.timed_frames` yields; 0.0 where a frame has no time."""
    known = [time for time in times if time is not None]
    if not known or len(known) < len(times):
        return 0.0
    return worst_offset(np.array([float(time - known[0]) for time in known]))
