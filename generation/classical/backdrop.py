"""The background that a subject is set before, frame by frame, as the guidance has it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sparkle.generation.capabilities import Guidance
from sparkle.media.decode import iter_frames, next_frame
from sparkle.media.images import read_png


def backdrops(guidance: Guidance) -> Iterator[npt.NDArray[np.uint8]]:
    """The animated background; where the guidance is silent about it, the empty first frame held still.

    Yields:
        uint8 RGB (H, W, 3), as often as asked.

    Raises:
        MediaError: More frames were asked for than the background has.
    """
    if guidance.background is None:
        still = read_png(guidance.empty_frame0)
        while True:
            yield still
    frames = iter_frames(guidance.background)
    while True:
        yield next_frame(frames, guidance.background)
