"""What two frames are compared by: working size, Lab colours, local structure, and the subject's outline.

How it works
- Frames are reduced to about 640x360 pixels: 720p by two, which also averages most codec noise away. Lengths
  here and in `quality` are in such working pixels.
- Structure is the gradient of lightness. Two frames have the same structure where their gradients correlate
  in a window: relit or re-synthesised things count as kept, moved, cut or missing ones do not.
- Short profiles cross the outline at right angles. On the inner side and on the edge itself they must rise
  and fall in both frames in the same places: a shifted, cut or missing part does not.
- A mask's outline that lacks a part, or that goes around old background, runs where the source itself has no
  edge: across an arm, through a wall. That is told from the source and the mask alone.
- Nothing is asked of the new background, but two things: it must not be as rough as the edge (or there is
  none to see), and it must not be the old one: a rim that still has the old colours and the old structure
  is a remnant, unless what it belongs to was kept as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.media import Floats, Mask, Pixels
from sparkle.media.morphology import dilate, erode
from sparkle.schemas.errors import MediaError

WORKING_PIXELS = 640 * 360
"""Larger frames are reduced to this area."""

SMOOTHING = 1.0
"""Gaussian before colours and gradients are compared: re-synthesis moves fine detail by about a pixel."""

STRUCTURE_FLOOR = 0.03
"""Squared gradient (L a pixel) of codec noise after smoothing: what is weaker correlates with nothing."""

FIT_ROUNDS = 3
FIT_KEPT = 0.75
FIT_PRIOR = 20.0
FIT_GAIN_RANGE = (0.25, 2.0)
FIT_STRIDE = 5
"""Trimmed least squares over every fifth pixel. The prior, a variance in squared Lab, pulls the gain of flat
colours to 1."""


def require_one_size(*images: npt.NDArray[np.generic]) -> None:
    """Raise MediaError unless frames (H, W, 3) and masks (H, W) have pixels and one size."""
    if len({image.shape[:2] for image in images}) != 1 or not images[0].size:
        got = ", ".join(str(image.shape) for image in images)
        raise MediaError("frames and masks that are compared must have one size", got=got)


def reduced(image: Pixels) -> Pixels:
    """Return an RGB frame at working size, by pixel area; smaller ones stay as they are."""
    size = _working_size(image.shape[0], image.shape[1])
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def reduced_mask(mask: Mask) -> Mask:
    """Return a mask at working size: a pixel is set where at least half of its area was."""
    size = _working_size(mask.shape[0], mask.shape[1])
    return np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5, bool)


def _working_size(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, (WORKING_PIXELS / (height * width)) ** 0.5)
    return max(1, round(width * scale)), max(1, round(height * scale))


def to_lab(image: Pixels) -> Floats:
    """Return RGB uint8 (H, W, 3) as CIE Lab float32: L 0 to 100, a and b about -127 to 127."""
    return np.asarray(
        cv2.cvtColor(image.astype(np.float32) * np.float32(1 / 255), cv2.COLOR_RGB2LAB), np.float32
    )


def smooth(image: Floats, sigma: float = SMOOTHING) -> Floats:
    """Return the Gaussian blur; sigma in pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def windowed(image: Floats, radius: int) -> Floats:
    """Return the local mean under a tent of two boxes of `radius`; never below 0 where `image` is not."""
    side = (2 * radius + 1, 2 * radius + 1)
    return np.asarray(cv2.blur(cv2.blur(image, side), side), np.float32)


def weighted_mean(values: npt.NDArray[np.floating], weights: npt.NDArray[np.floating]) -> float:
    """Return the mean of `values` under `weights`, 0 where there is no weight."""
    total = float(weights.sum(dtype=np.float64))
    return float((values * weights).sum(dtype=np.float64)) / total if total > 0 else 0.0


def distance(first: Floats, second: Floats) -> Floats:
    """Return the Euclidean distance of two Lab images, float32 (H, W)."""
    difference = first - second
    return np.asarray(np.sqrt(np.einsum("...c,...c->...", difference, difference)), np.float32)


@dataclass(frozen=True)
class Pair:
    """Two frames of one size, smoothed Lab float32 (h, w, 3)."""

    before: Floats
    after: Floats

    @cached_property
    def products(self) -> Floats:
        """Float32 (h, w, 3): gradient of before times after, before squared, after squared."""
        (x0, y0), (x1, y1) = (
            tuple(cv2.Sobel(image[..., 0], cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
            for image in (self.before, self.after)
        )
        return np.dstack((x0 * x1 + y0 * y1, x0 * x0 + y0 * y0, x1 * x1 + y1 * y1))

    def correlation(self, where: Mask, radius: int) -> tuple[Floats, Floats]:
        """Return the correlation of the structures, -1 to 1, and the strength of the first one's (L a pixel).

        Each is float32 (h, w) and valid in `where`; windows of about `radius` take pixels of `where` only.
        """
        weight = where.astype(np.float32)
        local = windowed(self.products * weight[..., None], radius)
        local /= (windowed(weight, radius) + np.float32(1e-6))[..., None]
        shared, first, second = local[..., 0], np.maximum(local[..., 1], 0), np.maximum(local[..., 2], 0)
        floor = np.float32(STRUCTURE_FLOOR)
        correlation = shared / np.sqrt((first + floor) * (second + floor))
        return np.asarray(correlation, np.float32), np.asarray(np.sqrt(first), np.float32)

    def recoloured(self, where: Mask) -> Floats:
        """`before` as the edit shows what it keeps: a gain and an offset a channel, fitted on `where`.

        The quarter that fits worst is left out each time: missing parts must not bend the fit.
        """
        if not where.any():
            return self.before
        first, second = (image[where][::FIT_STRIDE].astype(np.float64) for image in (self.before, self.after))
        kept = np.ones(len(first), bool)
        for _ in range(FIT_ROUNDS):
            x, y = first[kept], second[kept]
            mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
            covariance, variance = ((x - mean_x) * (y - mean_y)).mean(axis=0), x.var(axis=0)
            gain = np.clip((covariance + FIT_PRIOR) / (variance + FIT_PRIOR), *FIT_GAIN_RANGE)
            error = np.abs((first - mean_x) * gain + mean_y - second).sum(axis=1)
            kept = error <= np.quantile(error, FIT_KEPT)
        offset = mean_y - mean_x * gain
        return np.asarray(self.before * gain.astype(np.float32) + offset.astype(np.float32), np.float32)


# --- the outline -----------------------------------------------------------------------------------

REACH = 12
"""Half-length of a profile: 24 pixels at 720p."""

EDGE_REACH = 3
"""How far from the mask's edge the subject's edge may be: the masks' own error."""

STEP_AT = np.arange(-REACH, REACH) + 0.5
"""Where the steps along a profile are: the mask's edge is at 0, the inside is negative."""

OUTER_REACH = 2
"""How far the compared part of a profile reaches out of the mask: its edge, and no new background."""

SAMPLES = 1500
"""At most so many profiles a frame."""

BORDER = 4
"""The outline this near to the frame's border is the frame's, not the subject's."""

NORMAL_SIGMA = 2.0
"""Blur of the mask before its normals are taken."""

NEIGHBOURS = 6
"""Half-width of the window in which neighbouring profiles are averaged."""

GAP_BELOW = 0.35
"""Agreement of neighbouring profiles below which the outline counts as broken, wholly so at 0 and below."""

FOUNDED_REACH = 2
EDGE_STANDS_OUT = 0.35
"""How far from the mask's edge the source's edge may be for the mask to be founded on it, and the prominence,
between neighbouring profiles, below which it is no edge."""

SIDES = (3, 9)
SIDES_DIFFER = 0.9
SIDES_NOISE = 3.0
"""Distances from the outline between which the source's two sides are compared, and the ratio of the distance
of their mean colours to their own spread (with so much Lab for noise) below which they are one thing."""

BLACK = 4.0
"""Lightness (0 to 100) of both sides up to which nothing can be seen: black hair before a black wall, where a
video has no levels left, has no edge, however right the mask is."""

STEP_FLOOR = 1.0
"""Lab a pixel: steps that small are noise."""

REMNANT_BAND = (1, 4)
"""Distance from the mask's edge at which the old background is looked for: up to 8 pixels at 720p."""

FAR = 26
FAR_WINDOW = 3
"""Where the old background is still there as far out as this, around a point, it is a bench or a table that
was kept with the subject, and no remnant: 52 pixels at 720p, beyond what a mask is wrong by."""

FAR_COLOUR = (10.0, 25.0)
"""Lab distance from the old background out there: a new scene so like it that the two cannot be told apart,
and unlike it. By these, good edits before gray mist fall from 0.27 remnants to 0.06, spoiled ones hardly."""

REMNANT_COLOUR = (3.0, 7.0)
"""Lab distance from the old background, as it was or recoloured as the subject is: surely it, surely not."""

REMNANT_COLOUR_STRUCTURED = (6.0, 18.0)
"""The same where the old background is told by its structure."""

REMNANT_STRUCTURE = (0.5, 0.9)
"""Correlation with the old background's structure: surely another, surely the same."""

REMNANT_WINDOW = 1
"""Half-width of the window of that correlation: narrower than a thin remnant."""

STRUCTURED = 1.5
"""Gradient (L a pixel) from which the old background has structure to be told by."""

REMNANT_SHARE = (0.3, 0.7)
"""Share of the band that is old: none to speak of, all."""


class Outline(NamedTuple):
    """See `sparkle.generation.backends.classical.quality.EditMeasures`."""

    contour: float
    gaps: float
    edge: float
    remnants: float
    unfounded: float


NO_OUTLINE = Outline(contour=0.0, gaps=1.0, edge=0.0, remnants=1.0, unfounded=1.0)
"""Of a subject that has none: an empty mask, or one that fills the frame."""


def measure_outline(pair: Pair, mask: Mask, recoloured: Floats) -> Outline:
    """Measures the outline of one frame.

    Args:
        pair: Source and edited frame.
        mask: bool (h, w), the subject.
        recoloured: The source in the edit's colours, Lab float32 (h, w, 3).
    """
    profiles = _Profiles.across(mask)
    if not profiles.ys.size:
        return NO_OUTLINE
    before, after = (profiles.sampled(image) for image in (pair.before, pair.after))
    inner = STEP_AT < OUTER_REACH
    agreement = _agreement(*(np.abs(np.diff(part[..., 0], axis=1))[:, inner] for part in (before, after)))
    positions = np.arange(-REACH, REACH + 1)
    band = (positions >= REMNANT_BAND[0]) & (positions <= REMNANT_BAND[1])
    away = np.minimum(distance(pair.after, recoloured), distance(pair.after, pair.before))
    evidence = _remnant_evidence(pair, mask, away)
    rim = _ramp(profiles.sampled(evidence)[:, band].mean(axis=1), *REMNANT_SHARE)
    kept_scene = np.maximum(
        _ramp(profiles.beyond(windowed(evidence, FAR_WINDOW)), *REMNANT_SHARE),
        profiles.beyond(windowed((1 - _ramp(away, *FAR_COLOUR)) * ~mask, FAR_WINDOW)),
    )
    return Outline(
        contour=float(agreement.mean(dtype=np.float64)),
        gaps=float(np.clip(1 - profiles.averaged(agreement) / GAP_BELOW, 0, 1).mean(dtype=np.float64)),
        edge=_prominence(_steps(after)),
        remnants=float((rim * (1 - kept_scene)).mean(dtype=np.float64)),
        unfounded=_unfounded(profiles, before),
    )


def _unfounded(profiles: _Profiles, source: Floats) -> float:
    """Return the share of the outline where the source has no edge, 0 to 1.

    There is one where a step stands out on it, and where its sides are of different colours. Black beside
    black says nothing, and is not counted against the mask.
    """
    near, far = SIDES
    sides = [source[:, REACH - far : REACH - near], source[:, REACH + near + 1 : REACH + far + 1]]
    apart = np.linalg.norm(sides[0].mean(axis=1) - sides[1].mean(axis=1), axis=1)
    spread = np.sqrt(sum(side.var(axis=1).sum(axis=1) for side in sides)) + np.float32(SIDES_NOISE)
    edge = profiles.averaged(_prominences(_steps(source), FOUNDED_REACH)) / np.float32(EDGE_STANDS_OUT)
    differ = profiles.averaged(np.asarray(apart / spread, np.float32)) / np.float32(SIDES_DIFFER)
    lit = np.maximum(*(side[..., 0].mean(axis=1) for side in sides)) > BLACK
    return float((np.clip(1 - np.minimum(edge, differ), 0, 1) * lit).mean(dtype=np.float64))


def edge_prominence(image: Floats, mask: Mask) -> float:
    """How far an edge along the mask's outline stands out from what is around it, 0 to 1; 0 without outline.

    Args:
        image: Smoothed Lab float32 (h, w, 3).
        mask: bool (h, w).
    """
    profiles = _Profiles.across(mask)
    return _prominence(_steps(profiles.sampled(image))) if profiles.ys.size else 0.0


class _Profiles(NamedTuple):
    """Lines across the outline of a mask.

    Attributes:
        shape: Of the mask.
        ys: Rows (N,) of the outline pixels.
        xs: Their columns.
        normals: float32 (2, N), y and x of unit vectors that point out of the mask.
        rows: float32 (N, 2 * REACH + 1), rows along each profile, from the inside out.
        columns: Likewise.
    """

    shape: tuple[int, int]
    ys: npt.NDArray[np.intp]
    xs: npt.NDArray[np.intp]
    normals: Floats
    rows: Floats
    columns: Floats

    @classmethod
    def across(cls, mask: Mask) -> _Profiles:
        rim = mask & ~erode(mask, 1)
        for side in (rim, rim.T):
            side[:BORDER] = False
            side[-BORDER:] = False
        ys, xs = np.nonzero(rim)
        every = max(1, -(-ys.size // SAMPLES))
        ys, xs = ys[::every], xs[::every]
        soft = smooth(mask.astype(np.float32), NORMAL_SIGMA)
        inwards = np.stack([cv2.Sobel(soft, cv2.CV_32F, 1 - dy, dy)[ys, xs] for dy in (1, 0)])
        normals = np.asarray(-inwards / (np.linalg.norm(inwards, axis=0) + np.float32(1e-6)), np.float32)
        along = np.arange(-REACH, REACH + 1)
        rows, columns = (
            (start[:, None] + along * part[:, None]).astype(np.float32)
            for start, part in zip((ys, xs), normals, strict=True)
        )
        return cls((mask.shape[0], mask.shape[1]), ys, xs, normals, rows, columns)

    def sampled(self, image: Floats) -> Floats:
        """Return the image along the profiles, float32 (N, 2 * REACH + 1[, 3])."""
        found = cv2.remap(image, self.columns, self.rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(found, np.float32)

    def beyond(self, image: Floats) -> Floats:
        """Return the image `FAR` out of the mask, float32 (N,)."""
        rows, columns = (
            (start + FAR * part).astype(np.float32)
            for start, part in zip((self.ys, self.xs), self.normals, strict=True)
        )
        found = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(found, np.float32).reshape(-1)

    def averaged(self, values: Floats) -> Floats:
        """Return the mean of values (N,) over neighbouring profiles."""
        sums, counts = np.zeros(self.shape, np.float32), np.zeros(self.shape, np.float32)
        sums[self.ys, self.xs], counts[self.ys, self.xs] = values, 1
        near = windowed(sums, NEIGHBOURS) / (windowed(counts, NEIGHBOURS) + np.float32(1e-6))
        return np.asarray(near[self.ys, self.xs], np.float32)


def _steps(profiles: Floats) -> Floats:
    """Return the Lab distance between neighbours along each profile, float32 (N, 2 * REACH)."""
    return distance(profiles[:, 1:], profiles[:, :-1])


def _prominence(steps: Floats) -> float:
    return float(_prominences(steps, EDGE_REACH).mean(dtype=np.float64))


def _prominences(steps: Floats, reach: int) -> Floats:
    """Return for each profile how far its largest step on the edge stands out, float32 (N,), 0 to 1."""
    on_edge = np.abs(STEP_AT) <= reach
    peak, around = steps[:, on_edge].max(axis=1), steps[:, ~on_edge].mean(axis=1)
    return np.asarray(peak / (peak + 2 * around + STEP_FLOOR), np.float32)


def _agreement(first: Floats, second: Floats) -> Floats:
    """Return the correlation of the steps along each profile, float32 (N,), -1 to 1."""
    first, second = (steps - steps.mean(axis=1, keepdims=True) for steps in (first, second))
    power = ((first**2).sum(axis=1) + STEP_FLOOR) * ((second**2).sum(axis=1) + STEP_FLOOR)
    return np.asarray((first * second).sum(axis=1) / np.sqrt(power), np.float32)


def _remnant_evidence(pair: Pair, mask: Mask, away: Floats) -> Floats:
    """Return how surely a pixel outside the mask still is the old background, float32 (h, w), 0 to 1.

    `away` is the Lab distance from it.
    """
    correlation, strength = pair.correlation(~dilate(mask, 1), REMNANT_WINDOW)
    structured = np.clip(strength / np.float32(STRUCTURED), 0, 1)
    by_colour = 1 - _ramp(away, *REMNANT_COLOUR)
    by_structure = _ramp(correlation, *REMNANT_STRUCTURE) * (1 - _ramp(away, *REMNANT_COLOUR_STRUCTURED))
    evidence = structured * by_structure + (1 - structured) * by_colour
    evidence[mask] = 0
    return np.asarray(evidence, np.float32)


def _ramp(values: Floats, low: float, high: float) -> Floats:
    return np.asarray(np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1), np.float32)
