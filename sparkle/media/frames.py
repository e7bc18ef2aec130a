"""Frame arithmetic: sizes, and which frames are looked at.

- Clips are 4k + 1 frames long, as video diffusion models want them (one frame, then groups of four).
- Two samplings come from upstream: anchors every 8th frame (2 a second at 16 fps) for the second grounding
  round, and four frames for scoring an edited video.
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.schemas.errors import MediaError

_Level = TypeVar("_Level", np.uint8, np.bool_)

# A page shows a clip whole: one that is longer than this many times its shorter side gets smaller all over.
_LONGEST = 4

_ANCHORS_PER_SECOND = 2  # upstream card: every 8th frame at 16 fps

_FULL = 254  # levels of a mask pixel that is covered wholly: even, so that half is half


def resize(frames: npt.NDArray[_Level], size: tuple[int, int]) -> npt.NDArray[_Level]:
    """Resize frames or masks by pixel area (bilinearly where they grow).

    Args:
        frames: uint8 (T, H, W, 3) or (T, H, W), or masks bool (T, H, W): a mask pixel is set where at least
            half of its area was.
        size: (width, height) in pixels.

    Returns:
        The same kind of array with H and W replaced.
    """
    height, width = frames.shape[1:3]
    if size == (width, height):
        return frames.copy()
    resized = np.empty((len(frames), size[1], size[0], *frames.shape[3:]), frames.dtype)
    for target, frame in zip(resized, frames, strict=True):
        if frames.dtype == np.bool_:
            levels = frame.astype(np.uint8) * np.uint8(_FULL)
            target[:] = cv2.resize(levels, size, interpolation=cv2.INTER_AREA) >= _FULL // 2
        else:
            target[:] = cv2.resize(frame.astype(np.uint8, copy=False), size, interpolation=cv2.INTER_AREA)
    return resized


def fit(width: int, height: int, side: int) -> tuple[int, int]:
    """Return the size at which a clip is shown.

    Args:
        width: Its pixels across.
        height: Its pixels down.
        side: The most pixels of its shorter side.

    Returns:
        (width, height), both even, no larger than it is, of the same proportions.
    """
    scale = min(1.0, side / min(width, height), _LONGEST * side / max(width, height))
    across, down = (max(2, 2 * round(pixels * scale / 2)) for pixels in (width, height))
    return across, down


def anchor_indices(frames: int, fps: float = 16) -> tuple[int, ...]:
    """Return the frames that the second grounding round looks at: two per second, the first is 0.

    Args:
        frames: Length of the clip.
        fps: Frames per second; 16 gives upstream's every 8th.
    """
    return tuple(range(0, frames, max(1, round(fps / _ANCHORS_PER_SECOND))))


def score_indices(frames: int) -> tuple[int, int, int, int]:
    """Return the four frames by which upstream scores a video: 1 + i * (T - 2) // 3 for i = 0..3.

    Args:
        frames: Length T of the clip, at least 5. T = 77 gives upstream's (1, 26, 51, 76).

    Raises:
        MediaError: The clip is shorter than 5 frames.
    """
    if frames < 5:
        raise MediaError("the clip is too short to score", got=f"{frames} frames", wanted="at least 5 frames")
    first, second, third, fourth = (1 + i * (frames - 2) // 3 for i in range(4))
    return first, second, third, fourth


def is_4k_plus_1(frames: int) -> bool:
    """Return whether a clip of so many frames is one frame and whole groups of four."""
    return frames >= 1 and frames % 4 == 1
