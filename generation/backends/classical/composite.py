"""Sets the subject into the new scene: fitting light, no rim of the old background, some of the new light.

How it works
- Harmony: the scene's light falls on the subject as one gain per channel in linear light, so that black stays
  black. It goes a share of the way to the scene's mean in Lab (after Reinhard et al., "Color Transfer
  between Images", 2001), capped, and is fitted once per clip, so nothing flickers. It is a table of bytes.
- Decontamination: along the edge a source pixel is a mix of the subject and the old background. Both colours
  are known nearby (normalised blurs of the sure inside and the sure outside), so the mix is read off the line
  between them and its old-background part is replaced by the subject's colour.
- Light wrap: blurred light of the new background bleeds over the subject's edge.
- Smooth quantities are computed at a quarter of the size, mixing concerns the pixels of the edge alone, and
  everything happens inside the subject's bounding box: the rest of the frame is the background untouched.
- `alpha` is taken as it comes: `propagate.soft_alpha` has drawn it in already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.backend import Guidance
from sparkle.media import Floats, Pixels
from sparkle.media.decode import iter_frames, next_frame
from sparkle.media.images import read_png
from sparkle.schemas.errors import MediaError

Triple = tuple[float, float, float]
_Level = TypeVar("_Level", np.uint8, np.float32)

STATISTICS_SIZE = (160, 90)
"""Width and height in pixels that the background is measured at: its colours, not its detail."""

LIGHT_POWER = 0.35
LIGHT_RANGE = (0.75, 1.25)
"""The subject's mean lightness L is multiplied by (background / subject)^power, within a range: towards the
scene's light, and no further than a face stays readable (looked at on real clips)."""

SHIFT_SHARE = 0.25
SHIFT_CAP = 8.0
"""Share of the way to the background's mean a and b, and the most, in Lab units (looked at on real clips)."""

GAIN_RANGE = (0.25, 4.0)
"""Gain of a channel in linear light: two stops either way, for subjects that lack a channel altogether."""

EDGE_PIXELS_720P = 7
"""Half the width of the band in which colours are unmixed, at 720 rows: mattes are soft over 4 to 8."""

NEIGHBOUR_PIXELS_720P = 24
"""Radius in which the subject's and the old background's colours are looked for, at 720 rows."""

WRAP_STRENGTH = 0.25
WRAP_BACKGROUND_SIGMA = 16.0
WRAP_EDGE_SIGMA = 12.0
"""Share of the new light at the very edge; Gaussians at 720 rows of that light and of how far it reaches."""

SURE = 0.98
"""Alpha from which a pixel counts as all subject, and 1 minus it as none."""

COLOUR_NOISE = 64.0
"""Squared RGB distance in levels below which inside and outside are too alike to unmix: 8 levels."""

COARSE_720P = 4
"""Smooth quantities are computed at a quarter of the size at 720 rows, less reduced in smaller frames."""


@dataclass(frozen=True)
class Harmony:
    """How the new scene lights a subject: gains of red, green and blue in linear light."""

    gains: Triple

    @cached_property
    def table(self) -> Pixels:
        """What a byte of each channel becomes, uint8 (1, 256, 3); black and, under more light, white stay."""
        linear = _to_linear(np.arange(256) / 255)[:, None]
        gains = np.array(self.gains)
        lit = gains * linear / (1 + np.maximum(gains - 1, 0) * linear)
        return np.rint(255 * _to_gamma(lit)).astype(np.uint8)[None]


def fit_harmony(foreground_pixels: Pixels, background_frame: Pixels) -> Harmony:
    """Fits the harmony of a clip.

    Args:
        foreground_pixels: uint8 RGB (N, 3), of the subject over the whole clip.
        background_frame: uint8 RGB (H, W, 3), any frame of the new background.

    Raises:
        MediaError: There are no foreground pixels.
    """
    if not len(foreground_pixels):
        raise MediaError(
            "there is no subject to fit the scene's light to", got="0 pixels", wanted="1 or more"
        )
    small = np.asarray(cv2.resize(background_frame, STATISTICS_SIZE, interpolation=cv2.INTER_AREA), np.uint8)
    subject, scene = (_mean_lab(part.reshape(-1, 1, 3)) for part in (foreground_pixels, small))
    level = np.clip(((scene[0] + 1.0) / (subject[0] + 1.0)) ** LIGHT_POWER, *LIGHT_RANGE)
    shift = np.clip(SHIFT_SHARE * (scene - subject)[1:], -SHIFT_CAP, SHIFT_CAP)
    wanted = np.array([min(level * subject[0], 100.0), *(subject[1:] + shift)])
    before, after = (np.clip(_to_linear(_lab_to_rgb(lab)), 1e-3, 1 - 1e-3) for lab in (subject, wanted))
    brighter = after * (1 - before) / (before * (1 - after))  # solves the table's curve for its gain
    gains = np.clip(np.where(after > before, brighter, after / before), *GAIN_RANGE)
    return Harmony((float(gains[0]), float(gains[1]), float(gains[2])))


def composite_frame(source: Pixels, alpha: Floats, background: Pixels, harmony: Harmony) -> Pixels:
    """Return one frame of the subject in its new scene.

    Args:
        source: uint8 RGB (H, W, 3).
        alpha: float32 (H, W), 0 to 1: the subject's matte.
        background: uint8 RGB (H, W, 3).
        harmony: The clip's, from `fit_harmony`.

    Returns:
        uint8 RGB (H, W, 3); the background's own bytes where alpha is 0.

    Raises:
        MediaError: The three do not have one size.
    """
    if source.shape != background.shape or source.shape[:2] != alpha.shape:
        got = f"source {source.shape}, alpha {alpha.shape}, background {background.shape}"
        raise MediaError("a frame, its matte and its background must have one size", got=got)
    out = background.copy()
    window = _window(alpha)
    if window is None:
        return out
    scale = source.shape[0] / 720
    reduction = max(1, round(COARSE_720P * scale))
    matte, scene = np.ascontiguousarray(alpha[window]), background[window]
    subject = source[window].copy()
    coarse, coarse_matte = _reduced(subject, reduction), _reduced(matte, reduction)
    _decontaminate(subject, matte, _edge_colours(coarse, coarse_matte, scale / reduction))
    subject = np.asarray(cv2.LUT(subject, harmony.table), np.uint8)
    lit = np.asarray(cv2.LUT(coarse, harmony.table), np.uint8)
    light = _wrapped_light(lit, coarse_matte, _reduced(scene, reduction), scale / reduction)
    cv2.add(subject, cv2.resize(light, subject.shape[1::-1], interpolation=cv2.INTER_LINEAR), dst=subject)
    out[window] = cv2.blendLinear(subject, scene, matte, np.float32(1) - matte)
    return out


def _window(alpha: Floats) -> tuple[slice, slice] | None:
    """Return the box of a matte with room for its blurs, or None when it is empty."""
    left, top, width, height = cv2.boundingRect((alpha > 0).view(np.uint8))
    if not width:
        return None
    room = max(1, round(NEIGHBOUR_PIXELS_720P * alpha.shape[0] / 720))
    rows = slice(max(0, top - room), top + height + room)
    return rows, slice(max(0, left - room), left + width + room)


def _edge_colours(image: Pixels, alpha: Floats, scale: float) -> Floats:
    """Return the subject's and the old background's colours along the edge, at the coarse size.

    Args:
        image: uint8 RGB (h, w, 3).
        alpha: float32 (h, w).
        scale: Coarse pixels in a pixel at 720 rows.

    Returns:
        float32 (h, w, 7): colour inside less colour outside, colour outside, both in levels, and from 0 to 1
        how near the edge is and how well they are known.
    """
    reach = max(1, round(EDGE_PIXELS_720P * scale))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    inside = cv2.erode(alpha, disc, borderType=cv2.BORDER_REPLICATE) >= SURE
    outside = cv2.dilate(alpha, disc, borderType=cv2.BORDER_REPLICATE) <= 1 - SURE
    sigma = max(0.5, NEIGHBOUR_PIXELS_720P * scale / 2)
    colours = image.astype(np.float32)
    fore, fore_known = _normalised_blur(colours, inside.astype(np.float32), sigma)
    back, back_known = _normalised_blur(colours, outside.astype(np.float32), sigma)
    # 1 on the edge, 0 where the band ends, so that a seam of the subject's own does not lose its colour.
    nearness = np.clip(2 - 2 * cv2.blur(alpha, (2 * reach + 1, 2 * reach + 1)), 0, 1)
    return np.dstack([fore - back, back, nearness * np.minimum(fore_known, back_known)])


def _decontaminate(subject: Pixels, alpha: Floats, edge: Floats) -> None:
    """Takes the old background out of the edge, in place; `edge` is from `_edge_colours`.

    With F and B the colours inside and outside, a pixel I of the band holds `t = (I-B).(F-B) / |F-B|^2` of
    the subject, and becomes `I + (1-t) (F-B)`: what differs from the line between F and B is kept.
    """
    size = alpha.shape[1], alpha.shape[0]
    band = cv2.resize((edge[..., 6] > 0).view(np.uint8), size, interpolation=cv2.INTER_NEAREST).view(bool)
    rows, columns = np.nonzero((alpha > 0) & band)
    if not rows.size:
        return
    across, down = edge.shape[1] / size[0], edge.shape[0] / size[1]
    fields = _sampled(edge, (columns + 0.5) * across - 0.5, (rows + 0.5) * down - 0.5)
    difference, outside, weight = fields[:, :3], fields[:, 3:6], fields[:, 6]
    pixels = subject[rows, columns].astype(np.float32)
    along = np.einsum("nc,nc->n", pixels - outside, difference)
    held = along / (np.einsum("nc,nc->n", difference, difference) + np.float32(COLOUR_NOISE))
    missing = np.clip(1 - held, 0, 1) * weight
    subject[rows, columns] = np.clip(np.rint(pixels + missing[:, None] * difference), 0, 255).astype(np.uint8)


def _sampled(image: Floats, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Floats:
    """Return an image (h, w, c) between its pixels, at n points; float32 (n, c)."""
    height, width, channels = image.shape
    pixels = image.reshape(-1, channels)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    a, b = (x - left).astype(np.float32)[:, None], (y - top).astype(np.float32)[:, None]
    above, below = (
        (1 - a) * pixels.take(row * width + left, axis=0) + a * pixels.take(row * width + right, axis=0)
        for row in (top, bottom)
    )
    return np.asarray((1 - b) * above + b * below, np.float32)


def _normalised_blur(image: Floats, weight: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Return the mean colour of the weighted pixels nearby, and 0 to 1 how far there are any."""
    total = np.asarray(cv2.GaussianBlur(weight, (0, 0), sigma), np.float32)
    colour = np.asarray(cv2.GaussianBlur(image * weight[..., None], (0, 0), sigma), np.float32)
    return colour / (total + np.float32(1e-6))[..., None], np.minimum(total / np.float32(0.02), np.float32(1))


def _wrapped_light(subject: Pixels, alpha: Floats, scene: Pixels, scale: float) -> Pixels:
    """What the scene's blurred light adds to the subject's edge, at the coarse size; it only brightens."""
    light = cv2.GaussianBlur(scene.astype(np.float32), (0, 0), max(0.5, WRAP_BACKGROUND_SIGMA * scale))
    open_air = cv2.GaussianBlur(1 - alpha, (0, 0), max(0.5, WRAP_EDGE_SIGMA * scale))
    gain = np.maximum(light - subject, 0) * (open_air * np.float32(WRAP_STRENGTH))[..., None]
    return np.asarray(cv2.convertScaleAbs(gain), np.uint8)


def _reduced(image: npt.NDArray[_Level], factor: int) -> npt.NDArray[_Level]:
    size = max(1, image.shape[1] // factor), max(1, image.shape[0] // factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), image.dtype)


def _mean_lab(pixels: Pixels) -> npt.NDArray[np.float64]:
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab.reshape(-1, 3).mean(axis=0, dtype=np.float64))


def _lab_to_rgb(lab: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(cv2.cvtColor(lab.astype(np.float32)[None, None], cv2.COLOR_LAB2RGB)[0, 0], np.float64)


def _to_linear(gamma: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Light of an sRGB value, both 0 to 1 (IEC 61966-2-1)."""
    return np.where(gamma <= 0.04045, gamma / 12.92, ((np.maximum(gamma, 0) + 0.055) / 1.055) ** 2.4)


def _to_gamma(linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def backdrops(guidance: Guidance) -> Iterator[Pixels]:
    """Yield the animated background; where the guidance is silent about it, the empty first frame held still.

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
