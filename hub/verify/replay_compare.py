"""Two makings of one thing, compared: bytes where that is promised, else bands with numbers.

- On the CPU backend, with the recorded library versions and instructions, a step makes the same bytes again.
- Elsewhere what it makes lies in a band: images and videos by PSNR over all pixels, masks by intersection
  over union, numbers of a record by their distance. What a model says in words is not compared there, labels
  and the scene that it chose are.
- The numbers are told either way: whoever reads "PSNR 58 dB" knows another codec from another picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparkle.media.decode import iter_frames
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.record import Record

# Decibels over all frames. Another prompt or seed is another picture: 9 to 16 dB apart between the frames of
# the drawn scenes, while another processor's rounding is above 90. A choice in between.
MIN_PSNR = 30.0
MIN_IOU = 0.9  # of masks; two good segmenters agree by .85 to .99 on the shared clips
MAX_DISTANCE = 0.5  # of scores from 0 to 10, the step between upstream's own thresholds (8 and 8.5)
MAX_SHARE = 0.1  # of a measure's own size, where that is more: measures have units of their own
_PEAK = 255.0
_BOX_SCALE = 50  # of boxes in [0, 1000]: a twentieth of the frame
_WORDS = ("reasoning", "raw_output", "prompt", "original_scene", "implied_motion")  # what a model words anew


@dataclass(frozen=True)
class Difference:
    """In what the two differ.

    Attributes:
        what: The kind of the artifact, or the pointer of a field.
        got: What was made now.
        wanted: What was recorded.
        within: Whether it lies in the band.
    """

    what: str
    got: str
    wanted: str
    within: bool


def compare_files(kind: str, made: Path, recorded: Path) -> Difference | None:
    """Compare an artifact with the recorded one; None when the bytes are the same.

    Raises:
        MediaError: one of them cannot be decoded.
    """
    if not made.is_file():
        return Difference(kind, "nothing", "an artifact", within=False)
    if sha256_file(made) == sha256_file(recorded):
        return None
    if made.suffix == ".npz":
        return _compare_masks(kind, load_mask(made), load_mask(recorded))
    if made.suffix == ".png":
        return _compare_frames(kind, iter([read_png(made)]), iter([read_png(recorded)]))
    return _compare_frames(kind, iter_frames(made), iter_frames(recorded))


def _compare_masks(kind: str, made: npt.NDArray[np.bool_], recorded: npt.NDArray[np.bool_]) -> Difference:
    if made.shape != recorded.shape:
        return Difference(kind, f"a mask of {made.shape}", f"{recorded.shape}", within=False)
    union = int(np.count_nonzero(made | recorded))
    iou = int(np.count_nonzero(made & recorded)) / union if union else 1.0
    return Difference(kind, f"IoU {iou:.4f} with the recorded mask", f"{MIN_IOU:g} or more", iou >= MIN_IOU)


def _compare_frames(
    kind: str, made: Iterator[npt.NDArray[np.uint8]], recorded: Iterator[npt.NDArray[np.uint8]]
) -> Difference:
    """PSNR over all pixels of all frames, and how many frames are the same."""
    error, pixels, frames, same, worst = 0.0, 0, 0, 0, 0
    for one, other in zip_longest(made, recorded):
        if one is None or other is None or one.shape != other.shape:
            shapes = [None if frame is None else frame.shape for frame in (one, other)]
            return Difference(kind, f"frame {frames} is {shapes[0]}", f"{shapes[1]}", within=False)
        apart = np.abs(one.astype(np.int16) - other)
        worst = max(worst, int(apart.max()))
        error += float(np.square(apart, dtype=np.float64).sum())
        pixels += apart.size
        frames += 1
        same += not apart.any()
    if not error:
        return Difference(kind, "the same pixels in other bytes", "the same bytes", within=True)
    psnr = 10 * np.log10(_PEAK**2 / (error / pixels))
    got = f"PSNR {psnr:.1f} dB, {frames - same} of {frames} frames differ, by {worst} levels at most"
    return Difference(kind, got, f"{MIN_PSNR:g} dB or more", bool(psnr >= MIN_PSNR))


def compare_records(made: Record, recorded: Record) -> list[Difference]:
    """Every field in which what a step says now differs from what was recorded."""
    return list(_compare(made.to_json(), recorded.to_json(), ""))


def _compare(made: Any, recorded: Any, pointer: str) -> Iterator[Difference]:
    if isinstance(made, dict) and isinstance(recorded, dict):
        for key in dict.fromkeys((*recorded, *made)):
            yield from _compare(made.get(key), recorded.get(key), f"{pointer}/{key}")
    elif isinstance(made, list | tuple) and isinstance(recorded, list | tuple) and len(made) == len(recorded):
        for index, (one, other) in enumerate(zip(made, recorded, strict=True)):
            yield from _compare(one, other, f"{pointer}/{index}")
    elif made != recorded:
        within = _within(made, recorded, pointer)
        yield Difference(pointer, _short(made), _short(recorded), within)


def _within(made: Any, recorded: Any, pointer: str) -> bool:
    if isinstance(made, int | float) and isinstance(recorded, int | float):
        apart = abs(made - recorded)
        room = _BOX_SCALE if "bbox_2d" in pointer else max(MAX_DISTANCE, MAX_SHARE * abs(recorded))
        return bool(apart <= room)
    return isinstance(made, str) and any(word in pointer for word in _WORDS)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
