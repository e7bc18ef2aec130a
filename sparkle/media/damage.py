"""Clips that are harmed on purpose, in one respect and by degrees.

- Most are the same subject and the same background at other times (`shifted`, `frozen`, `reversed_`,
  `slowed`: which frame is shown when) or over a changed background, put together by
  `sparkle.media.layers`.
- Lengths are given for 720 rows. What is drawn is drawn from a seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from colorsys import hsv_to_rgb

import cv2
import numpy as np

from sparkle.media import Floats, Pixels
from sparkle.media.layers import Layers, pixels_at, soft
from sparkle.media.morphology import dilate

_HOLES = 7  # in a subject
_WAVES = 5  # of a warp, from top to bottom
_DARK = 128  # mean level below which a halo is light


# --- other times: the frame that is shown at each time ---------------------------------------------


def shifted(count: int, share: float) -> list[int]:
    """Late by a share of the clip; what comes before its beginning runs backwards."""
    late = max(1, round(share * count))
    return [min(abs(now - late), count - 1) for now in range(count)]


def frozen(count: int, share: float) -> list[int]:
    """Still for the last share of the clip."""
    last = round((1 - share) * (count - 1))
    return [min(now, last) for now in range(count)]


def reversed_(count: int, share: float) -> list[int]:
    """Backwards for the last share of the clip."""
    turn = round((1 - share) * count)
    return [now if now < turn else turn + count - 1 - now for now in range(count)]


def slowed(count: int, speed: float) -> list[int]:
    """At another speed."""
    return [int(now * speed) for now in range(count)]


# --- backgrounds -----------------------------------------------------------------------------------


def blurred(background: Iterable[Pixels], sigma: float) -> Iterator[Pixels]:
    """Out of focus; sigma in pixels of 720 rows."""
    for image in background:
        yield np.asarray(cv2.GaussianBlur(image, (0, 0), sigma * image.shape[0] / 720), np.uint8)


def warped(background: Iterable[Pixels], amplitude: float, random: np.random.Generator) -> Iterator[Pixels]:
    """Bent in waves that stand still; amplitude in pixels of 720 rows."""
    phases = random.uniform(0, 2 * np.pi, 2)
    maps: tuple[Floats, Floats] | None = None
    for image in background:
        height, width = image.shape[:2]
        if maps is None:
            rows, columns = np.indices((height, width), np.float32)
            turn, far = 2 * np.pi * _WAVES / height, amplitude * height / 720
            maps = (
                np.asarray(columns + far * np.sin(turn * rows + phases[0]), np.float32),
                np.asarray(rows + far * np.sin(turn * columns + phases[1]), np.float32),
            )
        yield np.asarray(cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.uint8)


# --- whole frames ----------------------------------------------------------------------------------


def banded(frames: Iterable[Pixels], levels: float) -> Iterator[Pixels]:
    """In so many levels per channel."""
    steps = np.arange(256) * (levels - 1) / 255
    table = np.rint(np.rint(steps) * 255 / (levels - 1)).astype(np.uint8)
    for image in frames:
        yield table[image]


def tinted(frames: Iterable[Pixels], strength: float, random: np.random.Generator) -> Iterator[Pixels]:
    """In coloured light that is cast from one side."""
    hue, turn = random.uniform(0, 1, 2)
    colour, angle = np.array(hsv_to_rgb(hue, 1, 1)), 2 * np.pi * turn
    gain: Floats | None = None
    for image in frames:
        if gain is None:
            rows, columns = np.indices(image.shape[:2], np.float32)
            along = np.cos(angle) * columns / image.shape[1] + np.sin(angle) * rows / image.shape[0]
            along = (along - along.min()) / (along.max() - along.min())
            gain = np.asarray(1 + strength * (2 * colour - 1) * (0.5 + along[..., None]), np.float32)
        yield np.clip(image * gain, 0, 255).astype(np.uint8)


# --- subjects --------------------------------------------------------------------------------------


def holed(
    layers: Layers, frames: Iterable[Pixels], share: float, random: np.random.Generator
) -> Iterator[Pixels]:
    """With holes in the subject, of a share of its area, that move with it, the scene behind."""
    middles = random.uniform(0.1, 0.9, (_HOLES, 2))
    for index, image in enumerate(frames):
        mask = layers.masks[index]
        if not mask.any():
            yield image
            continue
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        top, left = rows[0], columns[0]
        height, width = rows[-1] + 1 - top, columns[-1] + 1 - left
        radius = np.sqrt(share / (_HOLES * np.pi))
        holes = np.zeros(mask.shape, np.uint8)
        for y, x in middles:
            middle = (round(left + x * width), round(top + y * height))
            axes = (max(1, round(radius * width)), max(1, round(radius * height)))
            cv2.ellipse(holes, middle, axes, 0, 0, 360, 1, cv2.FILLED)
        alpha = soft((holes > 0) & mask)
        yield np.asarray(cv2.blendLinear(layers.background[index], image, alpha, 1 - alpha), np.uint8)


def haloed(layers: Layers, frames: Iterable[Pixels], width: float) -> Iterator[Pixels]:
    """With a rim around the subject, light where the scene is dark and dark where it is light."""
    radius = pixels_at(layers.frames.shape[1], width)
    level: int | None = None
    for index, image in enumerate(frames):
        mask = layers.masks[index]
        ring = dilate(mask, radius) & ~mask
        if not ring.any():
            yield image
            continue
        if level is None:
            level = 255 if layers.background[index][ring].mean() < _DARK else 0
        alpha = soft(ring) * (1 - soft(mask))
        yield np.asarray(
            cv2.blendLinear(np.full_like(image, level), image, alpha * 0.8, 1 - alpha * 0.8), np.uint8
        )
