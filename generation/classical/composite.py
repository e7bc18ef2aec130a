"""Sets the subject into the new scene: fitting colours, no rim of the old background, some of the new light.

How it works
- Harmony: Reinhard's Lab statistics transfer ("Color Transfer between Images", 2001), partial and capped, as
  light on the subject: lightness is scaled, so that black stays black, and the tint fades towards black. It
  is fitted once a clip and applied to every frame, so nothing flickers.
- Decontamination: along the edge a source pixel is a mix of the subject and the old background. Both colours
  are known nearby (normalised blurs of the sure inside and the sure outside), so the mix is read off the line
  between them and its old-background part is replaced by the subject's colour.
- Light wrap: blurred light of the new background bleeds over the subject's edge.
- Everything happens inside the subject's bounding box; the rest of the frame is the background untouched.
- `alpha` is taken as it comes: `sparkle.generation.classical.upsample.soft_alpha` has drawn it in already.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.schemas.errors import MediaError

Image = npt.NDArray[np.uint8]
FloatImage = npt.NDArray[np.float32]
Triple = tuple[float, float, float]

STATISTICS_SIZE = (160, 90)
"""Width and height in pixels that the background is measured at: its colours, not its detail."""

LIGHT_POWER = 0.35
LIGHT_RANGE = (0.75, 1.25)
"""The subject's lightness is multiplied by (background / subject)^power, within a range: towards the scene's
light, and no further than a face stays readable (looked at on real clips)."""

SHIFT_SHARE = 0.25
SHIFT_CAP = 8.0
"""Share of the way to the background's mean a and b, and the most, in Lab units (looked at on real clips)."""

CONTRAST_SHARE = (0.15, 0.10, 0.10)
CONTRAST_RANGE = (0.85, 1.15)
"""Share of the way to the background's spread of L, a and b, and the range of the factor."""

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

COLOUR_NOISE = 1e-3
"""Squared RGB distance below which inside and outside are too alike to unmix: 8 of 255 levels."""

COARSE = 4
"""Smooth quantities are computed at a quarter of the size."""


@dataclass(frozen=True)
class Harmony:
    """How the new scene lights a subject, in CIE Lab (L 0 to 100, a and b about -127 to 127).

    With m the `mean` of the subject, a colour becomes
    `L' = level * (m + contrast * (L - m))` and `a' = m + contrast * (a - m) + shift * min(L / m_L, 1)`.

    Attributes:
        mean: The subject's mean L, a, b over the clip.
        contrast: Factors of L, a, b about the mean.
        level: Factor of L.
        shift: What is added to a and b.
    """

    mean: Triple
    contrast: Triple
    level: float
    shift: tuple[float, float]


def fit_harmony(foreground_pixels: Image, background_frame: Image) -> Harmony:
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
    subject = _to_lab(foreground_pixels.reshape(-1, 1, 3))
    small = cv2.resize(background_frame, STATISTICS_SIZE, interpolation=cv2.INTER_AREA)
    scene = _to_lab(np.asarray(small, np.uint8))
    means, spreads = (
        [of(part.reshape(-1, 3).astype(np.float64), axis=0) for part in (subject, scene)]
        for of in (np.mean, np.std)
    )
    ratio = (spreads[1] + 1.0) / (spreads[0] + 1.0)
    contrast = np.clip(1 + np.array(CONTRAST_SHARE) * (ratio - 1), *CONTRAST_RANGE)
    level = np.clip(((means[1][0] + 1.0) / (means[0][0] + 1.0)) ** LIGHT_POWER, *LIGHT_RANGE)
    shift = np.clip(SHIFT_SHARE * (means[1] - means[0])[1:], -SHIFT_CAP, SHIFT_CAP)
    return Harmony(_triple(means[0]), _triple(contrast), float(level), (float(shift[0]), float(shift[1])))


def composite_frame(source: Image, alpha: FloatImage, background: Image, harmony: Harmony) -> Image:
    """One frame of the subject in its new scene.

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
    matte = np.ascontiguousarray(alpha[window])
    subject = _decontaminated(source[window], matte, scale)
    subject = _harmonised(subject, harmony)
    scene = background[window].astype(np.float32) * np.float32(1 / 255)
    _wrap_light(subject, matte, scene, scale)
    subject -= scene
    subject *= matte[..., None]
    subject += scene
    np.copyto(out[window], cv2.convertScaleAbs(subject, alpha=255))
    return out


def _window(alpha: FloatImage) -> tuple[slice, slice] | None:
    """The box of a matte with room for its blurs, or None when it is empty."""
    rows, columns = (np.flatnonzero(alpha.max(axis=axis) > 0) for axis in (1, 0))
    if not rows.size:
        return None
    room = max(1, round(NEIGHBOUR_PIXELS_720P * alpha.shape[0] / 720))
    top, left = max(0, int(rows[0]) - room), max(0, int(columns[0]) - room)
    return slice(top, int(rows[-1]) + room + 1), slice(left, int(columns[-1]) + room + 1)


def _decontaminated(source: Image, alpha: FloatImage, scale: float) -> FloatImage:
    """The source with its old background taken out of the edge; float32 RGB, 0 to 1.

    With F and B the colours inside and outside, a pixel I of the band holds `t = (I-B).(F-B) / |F-B|^2` of
    the subject, and becomes `I + (1-t) (F-B)`: what differs from the line between F and B is kept.
    """
    image = source.astype(np.float32) * np.float32(1 / 255)
    reach = max(1, round(EDGE_PIXELS_720P * scale))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    inside = np.asarray(cv2.erode(alpha, disc, borderType=cv2.BORDER_REPLICATE), np.float32)
    outside = np.asarray(cv2.dilate(alpha, disc, borderType=cv2.BORDER_REPLICATE), np.float32)
    band = np.nonzero((alpha > 0) & (inside < SURE))
    if not band[0].size:
        return image
    small = _coarse(image)
    sigma = max(0.5, NEIGHBOUR_PIXELS_720P * scale / (2 * COARSE))
    fore, fore_known = _normalised_blur(small, _coarse((inside >= SURE).astype(np.float32)), sigma)
    back, back_known = _normalised_blur(small, _coarse((outside <= 1 - SURE).astype(np.float32)), sigma)
    size = (alpha.shape[1], alpha.shape[0])
    difference, outer, known = (
        np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), np.float32)[band]
        for part in (fore - back, back, np.minimum(fore_known, back_known))
    )
    # 1 on the edge, 0 where the band ends, so that a seam of the subject's own does not lose its colour.
    nearness = np.clip(2 - 2 * cv2.blur(alpha, (2 * reach + 1, 2 * reach + 1))[band], 0, 1) * known
    pixels = image[band]
    held = ((pixels - outer) * difference).sum(1) / (
        (difference * difference).sum(1) + np.float32(COLOUR_NOISE)
    )
    missing = np.clip(1 - held, 0, 1) * nearness
    image[band] = np.clip(pixels + missing[:, None] * difference, 0, 1)
    return image


def _normalised_blur(image: FloatImage, weight: FloatImage, sigma: float) -> tuple[FloatImage, FloatImage]:
    """The mean colour of the weighted pixels nearby, and 0 to 1 how far there are any."""
    total = np.asarray(cv2.GaussianBlur(weight, (0, 0), sigma), np.float32)
    colour = np.asarray(cv2.GaussianBlur(image * weight[..., None], (0, 0), sigma), np.float32)
    return colour / (total + np.float32(1e-6))[..., None], np.minimum(total / np.float32(0.02), np.float32(1))


def _harmonised(image: FloatImage, harmony: Harmony) -> FloatImage:
    """An RGB image, float32 0 to 1, in the scene's light."""
    lab = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), np.float32)
    mean, contrast = harmony.mean, harmony.contrast
    lightness, *tints = cv2.split(lab)
    channels = [(lightness * contrast[0] + (1 - contrast[0]) * mean[0]) * harmony.level]
    fade = np.minimum(lightness * np.float32(1 / (mean[0] + 1.0)), np.float32(1))
    for index, tint in enumerate(tints, start=1):
        moved = tint * contrast[index] + (1 - contrast[index]) * mean[index]
        channels.append(moved + fade * harmony.shift[index - 1])
    rgb = cv2.cvtColor(cv2.merge(channels), cv2.COLOR_LAB2RGB)
    return np.asarray(np.clip(rgb, 0, 1), np.float32)


def _wrap_light(subject: FloatImage, alpha: FloatImage, scene: FloatImage, scale: float) -> None:
    """Lets the scene's blurred light into the subject's edge, in place; it only ever brightens."""
    size = (alpha.shape[1], alpha.shape[0])
    light = cv2.GaussianBlur(_coarse(scene), (0, 0), max(0.5, WRAP_BACKGROUND_SIGMA * scale / COARSE))
    open_air = cv2.GaussianBlur(_coarse(1 - alpha), (0, 0), max(0.5, WRAP_EDGE_SIGMA * scale / COARSE))
    amount = cv2.resize(open_air, size, interpolation=cv2.INTER_LINEAR) * np.float32(WRAP_STRENGTH)
    gain = cv2.resize(light, size, interpolation=cv2.INTER_LINEAR) - subject
    np.maximum(gain, 0, out=gain)
    gain *= amount[..., None]
    subject += gain


def _coarse(image: FloatImage) -> FloatImage:
    size = max(1, image.shape[1] // COARSE), max(1, image.shape[0] // COARSE)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _to_lab(image: Image) -> FloatImage:
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _triple(values: npt.NDArray[np.float64]) -> Triple:
    return float(values[0]), float(values[1]), float(values[2])
