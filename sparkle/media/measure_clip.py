"""Every measure of an edited video from its files: a backend's output or an imported pair alike.

- Clips are read at 360 rows or fewer: codec noise is averaged away, motion of a few pixels is not.
- Values are rounded to four decimals, so that their bytes are stable.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from sparkle.media import measures
from sparkle.media.decode import decode, iter_frames
from sparkle.media.frames import resize
from sparkle.media.mask import load_mask
from sparkle.media.prompted_motion import prompted_motion
from sparkle.schemas.errors import MediaError
from sparkle.schemas.records import MeasureRecord

_WORKING_HEIGHT = 360  # pixels
_DECIMALS = 4


def measure_clip(source: Path, edited: Path, mask: Path, prompt: str) -> MeasureRecord:
    """Measure an edited video.

    Args:
        source: The source video.
        edited: The edited video, of the same size and length.
        mask: The subject's masks (npz), likewise.
        prompt: The instruction.

    Raises:
        MediaError: A file cannot be read, their sizes or lengths differ, or there is nothing to measure: no
            subject, no background, fewer than three frames.
    """
    masks = load_mask(mask)
    height, width = masks.shape[1:]
    for video in (source, edited):
        found = next(iter_frames(video)).shape[:2]
        if found != (height, width):
            raise MediaError(
                "the video is not of its masks' size",
                got=f"{found[1]}x{found[0]}",
                wanted=f"{width}x{height}",
                where=video,
            )
    scale = min(1.0, _WORKING_HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = resize(masks, size)
    with ThreadPoolExecutor(2) as pool:  # decoding lets go of Python's lock
        before, after = pool.map(partial(decode, size=size), (source, edited))
    prompted = prompted_motion(after, small, prompt)
    return MeasureRecord(
        background_motion=_rounded(measures.background_motion(after, small)),
        foreground_psnr=_rounded(measures.foreground_psnr(before, after, small)),
        flicker=_rounded(measures.flicker(after, small)),
        mask_stability=_rounded(measures.mask_stability(small)),
        sharpness=_rounded(measures.sharpness(after)),
        background_motion_inside=None if prompted.inside is None else _rounded(prompted.inside),
        background_motion_outside=None if prompted.outside is None else _rounded(prompted.outside),
        implied_motion=", ".join(prompted.implied) or None,
        implied_motion_found=", ".join(prompted.found) or None,
    )


def _rounded(value: float) -> float:
    return round(value, _DECIMALS)
