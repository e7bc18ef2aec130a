"""Where plants, water, sky and lights are in a clip's background, by how they look, not by how they move.

How it works
- A fixed camera's background is one picture: the mean of what is seen of it beside the subject over the clip.
- Each kind has its look: plants have their colours and are textured, the sky is smooth and reaches the
  frame's top, water is bluish and below the sky, lights are brighter than their surroundings.
- No motion is used: a part that stands still must be found as well as one that lives.
- These are priors, no recognition: a bluish wall by a lake counts as water, a brick wall as autumn. They are
  asked only for what the prompt names (`sparkle.media.implied_motion`); a part that is hardly there is none.

Looked over by hand on the twelve shared edited clips, whose prompts name 17 such parts: all are found where
they are (some with a bench, a window or snow beside them), but of trees against the evening sky only some.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.media.implied_motion import AUTUMN, BLOSSOM, FOLIAGE, LIGHTS, SKY, WATER

Colours = npt.NDArray[np.float32]
BoolImage = npt.NDArray[np.bool_]

LOOK_PIXELS: Final = 320 * 180
"""Parts are looked for in a picture of this area; lengths below are in its pixels."""

LEAST_SHARE: Final = 0.01
"""Of the background that is seen: a part that is smaller was not found."""

_SAMPLES: Final = 12  # frames of which the picture is made: a subject that moves uncovers what it will
_SUBJECT_MARGIN: Final = 4  # pixels around the masks: their error and the codec's halo
_SWAY: Final = 2  # pixels that a part is grown by: what moves sweeps over its own edge
_FILL_SIGMA: Final = 12.0  # pixels; how far the background's colours reach into what is never seen

# Normalised excess green, (2g - r - b) / (r + g + b) (after Woebbecke et al., 1995): golden grass 0.05 and
# more, sand 0.02, wood and brick below 0. Blue (Lab b) must not be in it, or shallow water would be grass.
_GREENNESS, _LEAF_B, _LEAF_SIGMA = 0.04, 3.0, 1.0
_AUTUMN_A, _AUTUMN_B = 8.0, 15.0  # Lab, at least: orange to red
_BLOSSOM_A, _BLOSSOM_B, _BLOSSOM_L = 7.0, 22.0, 45.0  # Lab: pink, and light
_TEXTURE_SIGMA, _TEXTURE = 4.0, 2.0  # pixels; standard deviation of L: lawns 2 and more, walls and skies less
_LEAF_L = 4.0  # what is darker has no colour to tell

_EDGE_SIGMA, _SKY_GRADIENT = 1.5, 1.4  # pixels; Lab a pixel: a soft cloud's rim 1, a horizon 2 and more
_SKY_CLOSING = 8  # pixels: birds, twigs and the rims of clouds

_WATER_B, _WATER_A = 2.0, 6.0  # Lab, at most: gray, teal and blue, no warm colour
_WATER_A_OF_BLUE = 0.5  # what is bluer may be redder: deep blue has an a of up to half of -b, violet more
_WATER_L = (6.0, 88.0)  # darker is night, brighter is snow or sky; foam is closed over
_WATER_TOP = 0.3  # of the height: what is bluish higher up is sky or far hills
_WATER_CLOSING = 5

_LIGHT_LEVEL, _LIGHT_ABOVE = 0.7, 0.15  # of full brightness: of the light, and above its surroundings
_LIGHT_SIGMA = 12.0  # pixels; its surroundings


def background_picture(
    frames: npt.NDArray[np.uint8], masks: npt.NDArray[np.bool_]
) -> tuple[Colours, BoolImage]:
    """The mean of what is seen of the background, about 320x180 pixels.

    Args:
        frames: uint8 (T, H, W, 3) RGB.
        masks: bool (T, H, W), the subject.

    Returns:
        float32 (h, w, 3) RGB from 0 to 1, what is never seen filled softly, and bool (h, w), what is seen.
    """
    height, width = frames.shape[1:3]
    scale = min(1.0, (LOOK_PIXELS / (height * width)) ** 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    total, count = np.zeros((size[1], size[0], 3), np.float32), np.zeros((size[1], size[0]), np.float32)
    for t in np.unique(np.linspace(0, len(frames) - 1, _SAMPLES).round().astype(int)):
        subject = cv2.resize(masks[t].astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        seen = ~_grown(subject, _SUBJECT_MARGIN)
        total[seen] += cv2.resize(frames[t], size, interpolation=cv2.INTER_AREA)[seen]
        count += seen
    seen = count > 0
    picture = total / (255 * np.maximum(count, 1))[..., None]
    around = cv2.GaussianBlur(picture, (0, 0), _FILL_SIGMA)
    weight = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), _FILL_SIGMA)
    picture[~seen] = (around / np.maximum(weight, 1e-3)[..., None])[~seen]
    return np.asarray(picture, np.float32), seen


def find_part(kind: str, picture: Colours, seen: BoolImage) -> BoolImage | None:
    """Where a kind of thing is, bool (h, w), a little more than its outline; None where it was not found.

    Args:
        kind: One of `IMPLIED_KINDS`; what has no look of its own is never found.
        picture: As `background_picture` gives it.
        seen: Likewise.
    """
    if kind not in _LOOKS:
        return None
    found = _LOOKS[kind](picture, seen) & seen
    return _grown(found, _SWAY) & seen if found.sum() >= max(LEAST_SHARE * seen.sum(), 1) else None


def _foliage(picture: Colours, seen: BoolImage) -> BoolImage:
    red, green, blue = cv2.split(_blurred(picture, _LEAF_SIGMA))
    greenness = (2 * green - red - blue) / (red + green + blue + np.float32(1e-3))
    leaning = cv2.split(_lab(picture))[2] > _LEAF_B
    return _plants(picture, seen, np.asarray((greenness > _GREENNESS) & leaning, np.bool_))


def _autumn(picture: Colours, seen: BoolImage) -> BoolImage:
    _, a, b = cv2.split(_lab(_blurred(picture, _LEAF_SIGMA)))
    return _plants(picture, seen, np.asarray((a > _AUTUMN_A) & (b > _AUTUMN_B), np.bool_))


def _blossom(picture: Colours, seen: BoolImage) -> BoolImage:
    lightness, a, b = cv2.split(_lab(_blurred(picture, _LEAF_SIGMA)))
    pink = (a > _BLOSSOM_A) & (b < _BLOSSOM_B) & (lightness > _BLOSSOM_L)
    return _plants(picture, seen, np.asarray(pink, np.bool_))


def _plants(picture: Colours, seen: BoolImage, coloured: BoolImage) -> BoolImage:
    """What has the colour of plants and is as rough as they are."""
    lightness = cv2.split(_lab(picture))[0]
    mean, square = (cv2.GaussianBlur(part, (0, 0), _TEXTURE_SIGMA) for part in (lightness, lightness**2))
    textured = square - mean * mean > _TEXTURE**2
    return np.asarray(coloured & textured & (lightness > _LEAF_L) & ~_sky(picture, seen), np.bool_)


def _sky(picture: Colours, seen: BoolImage) -> BoolImage:
    soft = _blurred(_lab(picture), _EDGE_SIGMA)
    slopes = [cv2.Sobel(soft, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (0, 1)]
    gradient = np.sqrt(sum((slope * slope).sum(axis=-1) for slope in slopes))
    smooth = ((gradient < _SKY_GRADIENT) & seen).astype(np.uint8)
    _, labels = cv2.connectedComponents(cv2.erode(smooth, _disc(1)))
    reaching = np.setdiff1d(labels[:2], [0])
    return _closed(_grown(np.isin(labels, reaching), 1), _SKY_CLOSING)


def _water(picture: Colours, seen: BoolImage) -> BoolImage:
    lightness, a, b = cv2.split(_lab(picture))
    low, high = _WATER_L
    cool = (b < _WATER_B) & (a < np.maximum(_WATER_A, -_WATER_A_OF_BLUE * b))
    bluish = cool & (lightness > low) & (lightness < high)
    bluish[: round(_WATER_TOP * len(bluish))] = False
    return _closed(bluish & ~_sky(picture, seen), _WATER_CLOSING)


def _lights(picture: Colours, _: BoolImage) -> BoolImage:
    level = picture.max(axis=-1)
    above = level - cv2.GaussianBlur(level, (0, 0), _LIGHT_SIGMA)
    return np.asarray((level > _LIGHT_LEVEL) & (above > _LIGHT_ABOVE), np.bool_)


_LOOKS: Final[dict[str, Callable[[Colours, BoolImage], BoolImage]]] = {
    AUTUMN: _autumn,
    BLOSSOM: _blossom,
    FOLIAGE: _foliage,
    LIGHTS: _lights,
    SKY: _sky,
    WATER: _water,
}


def _blurred(picture: Colours, sigma: float) -> Colours:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def _lab(picture: Colours) -> Colours:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB), np.float32)


def _grown(mask: BoolImage, radius: int) -> BoolImage:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), _disc(radius)), np.bool_)


def _closed(mask: BoolImage, radius: int) -> BoolImage:
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, _disc(radius)), np.bool_)


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    side = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
