"""Boxes of records: from thousandths of a frame's sides to its pixels, as upstream's users do it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sparkle.schemas.errors import RecordError

BOX_RANGE = 1000  # Qwen3-VL's convention (upstream card)


def bbox_to_pixels(bbox: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """Convert a `bbox_2d` of the groundings to pixels.

    The arithmetic is that of the snippet on upstream's card: rounded towards zero, clamped to the frame,
    corners in order.

    Example:
        >>> sparkle.bbox_to_pixels([447, 27, 765, 998], width=1280, height=720)
        (572, 19, 979, 718)

    Args:
        bbox: x1, y1, x2, y2 in [0, 1000] of the frame's width and height.
        width: Of the frame, in pixels.
        height: Of the frame, in pixels.

    Returns:
        (x1, y1, x2, y2), top left and bottom right: x from 0 to width - 1, y from 0 to height - 1.

    Raises:
        RecordError: not four numbers, or the frame has no pixels. The box of a label that was not found on a
            frame is empty.
    """
    if len(bbox) != 4 or not all(map(math.isfinite, bbox)):
        raise RecordError(
            "not a box",
            got=list(bbox),
            wanted="four numbers in [0, 1000]",
            fix=None if len(bbox) else "skip it: the box of a label that was not found is empty",
        )
    if width < 1 or height < 1:
        raise RecordError("not the size of a frame", got=(width, height), wanted="sides of at least 1 pixel")
    x1, y1, x2, y2 = (
        min(max(int(place / float(BOX_RANGE) * side), 0), side - 1)
        for place, side in zip(bbox, (width, height, width, height), strict=True)
    )
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
