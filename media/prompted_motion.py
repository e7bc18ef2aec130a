"""Background motion inside and outside what the prompt implies.

How it works
- The prompt names what is to move (`sparkle.media.implied_motion`); plants, water, sky and lights are found
  in the picture by their look (`sparkle.media.moving_parts`).
- Inside is the motion where they are. Where the prompt implies only what fills the air or drifts through it,
  the whole background is inside.
- Outside is the rest, and asks for steady motion: a pixel counts where it changes in at least half of the
  pairs of frames, as a floor that swims or a wall that breathes does. Petals, birds and passers-by are soon
  elsewhere and do not count.
- Nothing is guessed. Where the prompt implies nothing that is known, both are None. Outside is None as well
  where something implied may be anywhere and stay there, or should have been found and was not.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.media.implied_motion import HAZE, PARTICLES, PASSERS, implied_motion
from sparkle.media.measures import background_changes
from sparkle.media.moving_parts import LEAST_SHARE, background_picture, find_part

_STEADY = 0.5  # share of the pairs of frames

_EVERYWHERE = frozenset({HAZE, PARTICLES})
_SOON_ELSEWHERE = frozenset({PARTICLES, PASSERS})


@dataclass(frozen=True)
class PromptedMotion:
    """Where a background moves, as against where it should.

    Attributes:
        implied: What the prompt implies to move, of `IMPLIED_KINDS`.
        found: Those of them that were found by their look.
        inside: Mean change where they are, gray levels in a quarter of a second as `background_motion`, or
            None.
        outside: Mean change elsewhere that is steady, in the same unit, or None.
    """

    implied: tuple[str, ...]
    found: tuple[str, ...]
    inside: float | None
    outside: float | None


def prompted_motion(
    frames: npt.NDArray[np.uint8], masks: npt.NDArray[np.bool_], prompt: str
) -> PromptedMotion:
    """Measures the edited clip of a prompt; a fixed camera is taken for granted.

    Args:
        frames: uint8 (T, H, W, 3) RGB, T >= 2.
        masks: bool (T, H, W), the subject.
        prompt: The instruction.

    Raises:
        MediaError: Shapes do not fit, or there is one frame only.
    """
    changed, steady, seen = _over_time(frames, masks)
    implied = implied_motion(prompt)
    picture, visible = background_picture(frames, masks)
    size = frames.shape[2], frames.shape[1]
    parts = {}
    for kind in implied:
        part = find_part(kind, picture, visible)
        if part is not None:
            parts[kind] = cv2.resize(part.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    inside = np.logical_or.reduce(list(parts.values()) or [np.zeros(size[::-1], np.bool_)])
    everywhere = not parts and not _EVERYWHERE.isdisjoint(implied)
    placed = parts.keys() | _SOON_ELSEWHERE
    return PromptedMotion(
        implied=implied,
        found=tuple(parts),
        inside=_mean(changed, seen, seen > 0 if everywhere else inside),
        outside=_mean(steady, seen, ~inside) if implied and placed.issuperset(implied) else None,
    )


def _over_time(
    frames: npt.NDArray[np.uint8], masks: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Sums over the clip for each pixel, (H, W): change, steady change, and pairs that show background."""
    shape = frames.shape[1:3]
    changed, moving, seen = np.zeros(shape, np.float32), np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for change, background in background_changes(frames, masks):
        change *= background
        changed += change
        moving += change > 0
        seen += background
    return changed, changed * (moving >= _STEADY * seen), seen


def _mean(
    changed: npt.NDArray[np.float32], seen: npt.NDArray[np.int32], where: npt.NDArray[np.bool_]
) -> float | None:
    """The mean over pixels and time, None where the place is hardly there."""
    pairs = int(seen[where].sum())
    if pairs == 0 or pairs < LEAST_SHARE * int(seen.sum()):
        return None
    return float(changed[where].sum(dtype=np.float64)) / pairs
