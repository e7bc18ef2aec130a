"""The subject's outline in two frames: whether it is the same, and whether the source has an edge there.

How it works
- Short profiles cross the outline at right angles. On the inner side and on the edge itself they must rise
  and fall in both frames in the same places: a shifted, cut or missing part does not.
- A mask's outline that lacks a part, or that goes around old background, runs where the source itself has no
  edge: across an arm, through a wall. That is told from the source and the mask alone.
- Nothing is asked of the new background, but two things: it must not be as rough as the edge (or there is
  none to see), and it must not be the old one: a rim that still has the old colours and the old structure
  is a remnant, unless what it belongs to was kept as a whole.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.backends.classical.pair import Pair, distance, smooth, windowed
from sparkle.media import Floats, Mask
from sparkle.media.morphology import dilate, erode

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
