"""A clip taken apart into its subject and the background behind it, and put together otherwise.

How it works
- What the subject covers is filled with what is seen there at the nearest time. What is never seen is
  painted in from around it, once for the clip.
- The subject is cut out a little outside of its mask with a soft edge, and the hole is larger than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from sparkle.media import Floats, Mask, Pixels
from sparkle.media.frames import resize
from sparkle.media.morphology import dilate
from sparkle.schemas.errors import MediaError

# In pixels of 720 rows.
_HOLE = 8.0  # how far around the mask a background is filled
_EDGE = 2.0  # how far around it the subject reaches, and the sigma of its edge
_PAINTED_SIDE = 640  # painting in takes seconds at full size, and shows in no more detail
_NEVER = 2**16 - 1


@dataclass(frozen=True)
class Layers:
    """A clip in two layers.

    Attributes:
        frames: The clip, uint8 (T, H, W, 3) RGB.
        masks: Its subject, bool (T, H, W).
        background: The clip without its subject.
    """

    frames: Pixels
    masks: Mask
    background: Pixels


def pixels_at(height: int, at_720: float) -> int:
    """Return a length in pixels of frames of some height, at least 1, that is given for 720 rows."""
    return max(1, round(at_720 * height / 720))


def take_apart(frames: Pixels, masks: Mask) -> Layers:
    """Take a clip apart.

    Raises:
        MediaError: the masks do not fit the frames.
    """
    if masks.shape != frames.shape[:3] or masks.dtype != np.bool_:
        raise MediaError("the masks do not fit their clip", got=masks.shape, wanted=frames.shape[:3])
    radius = pixels_at(frames.shape[1], _HOLE)
    holes = np.stack([dilate(mask, radius) for mask in masks])
    return Layers(frames, masks, _filled(frames, holes))


def put_together(layers: Layers, subjects: Iterable[int], backgrounds: Iterable[Pixels]) -> Iterator[Pixels]:
    """Yield the subject as it is on some frames, one after the other, before some backgrounds."""
    for index, background in zip(subjects, backgrounds, strict=False):
        image = background.copy()
        mask = layers.masks[index]
        if mask.any():
            alpha = soft(mask)
            rows, columns = _window(alpha)
            weight = alpha[rows, columns]
            mixed = cv2.blendLinear(
                layers.frames[index][rows, columns], image[rows, columns], weight, 1 - weight
            )
            image[rows, columns] = mixed
        yield image


def soft(mask: Mask) -> Floats:
    """Return how much of each pixel is the subject's, float32 (H, W)."""
    edge = pixels_at(mask.shape[0], _EDGE)
    alpha = dilate(mask, edge).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), edge / 2), np.float32)


def _window(alpha: Floats) -> tuple[slice, slice]:
    there = alpha > 0
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _filled(frames: Pixels, holes: Mask) -> Pixels:
    """Frames whose holes are filled with what is seen there at the nearest time; the past where both are."""
    filled = frames.copy()
    until = np.full(holes.shape, _NEVER, np.uint16)  # how many frames later it is seen
    until[-1][~holes[-1]] = 0
    for now in range(len(frames) - 2, -1, -1):
        hole = holes[now]
        until[now] = np.where(hole, np.minimum(until[now + 1], _NEVER - 1) + 1, 0)
        known = hole & (until[now] < _NEVER)
        filled[now][known] = filled[now + 1][known]
    since = np.full(holes.shape[1:], _NEVER, np.uint16)
    last = frames[0].copy()
    for now, hole in enumerate(holes):
        since = np.where(hole, np.minimum(since, _NEVER - 1) + 1, 0).astype(np.uint16)
        earlier = hole & (since < _NEVER) & (since <= until[now])
        filled[now][earlier] = last[earlier]
        np.copyto(last, frames[now], where=~hole[..., None])
    never = np.asarray(holes.all(axis=0), np.bool_)
    if never.any():
        painted = _painted(filled[len(filled) // 2], never)
        for image in filled:
            image[never] = painted[never]
    return filled


def _painted(image: Pixels, hole: Mask) -> Pixels:
    """An image whose hole is painted in from around it."""
    height, width = hole.shape
    scale = min(1.0, _PAINTED_SIDE / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    there = np.asarray(cv2.resize(hole.view(np.uint8), size, interpolation=cv2.INTER_AREA), np.uint8)
    there = dilate(there > 0, 1).view(np.uint8)
    painted = np.asarray(cv2.inpaint(small, there, 3, cv2.INPAINT_TELEA), np.uint8)
    return np.asarray(resize(painted[None], (width, height))[0], np.uint8)
