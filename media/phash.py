"""Perceptual hash of a clip: near-duplicates differ in few bits.

The difference hash (dHash: Krawetz, "Kind of Like That", 2013) of the first frame: 9 x 8 grey pixels,
one bit for each pair of horizontal neighbours. First frames are what upstream's editing starts from.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sparkle.media.decode import iter_frames


def perceptual_hash(path: Path) -> str:
    """The 64-bit difference hash of a clip's first frame, as 16 hexadecimal digits.

    Raises:
        MediaError: the clip cannot be decoded.
    """
    frame = next(iter_frames(path))
    gray = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    bits = gray[:, 1:] > gray[:, :-1]
    return np.packbits(bits).tobytes().hex()
