"""Measures the removal of a subject from a frame: is it gone, is the rest untouched, does the filling fit?

- Only the subject's boxes are known, not its silhouette. What did not change in the middle of a box counts as
  left over; towards the box's sides it is more and more likely to be background, and counts less.
- The filling is what changed inside the boxes. It should be about as detailed as what surrounds it, and no
  edge should run along its outline.
- Lengths are in working pixels of `sparkle.generation.classical.structure`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparkle.generation.classical.filters import BoolImage, FloatImage, closed, components, dilate, opened
from sparkle.generation.classical.outline import edge_prominence
from sparkle.generation.classical.structure import (
    STRUCTURE_FLOOR,
    Pair,
    distance,
    reduced,
    reduced_mask,
    require_one_size,
    smooth,
    to_lab,
    weighted_mean,
    windowed,
)

Image = npt.NDArray[np.uint8]

BOX_MARGIN = 6
"""Around the boxes nothing is asked: shadows of the subject may go, too."""

WINDOW = 7
"""Half-width of the windows in which structure is compared."""

STRUCTURED = 2.0
"""Gradient (L a pixel) from which the subject can be told by its structure alone."""

SAME_COLOUR = (2.0, 6.0)
"""Lab distance: surely unchanged, surely changed."""

FILLING_RADIUS = 3
"""Gaps and specks narrower than twice this do not shape the filling's outline."""

SURROUNDINGS = 20
"""How far around the filling its surroundings reach."""


@dataclass(frozen=True)
class RemovalMeasures:
    """What can be measured of a removal.

    Attributes:
        left: Share of the boxes' content that is still there, 0 to 1, the middle of a box counting most.
        outside: Mean Lab distance of the two frames outside the boxes.
        detail: Log of the ratio of fine contrast in the filling and around it; below 0 is too smooth.
        seam: How far an edge along the filling's outline stands out, 0 to 1.
    """

    left: float
    outside: float
    detail: float
    seam: float


def measure_removal(edited: Image, removed: Image, boxes: BoolImage) -> RemovalMeasures:
    """Measures a removal.

    Args:
        edited: uint8 RGB (H, W, 3), with the subject.
        removed: uint8 RGB (H, W, 3), without.
        boxes: bool (H, W), the subject's boxes.

    Raises:
        MediaError: The three do not have one size.
    """
    require_one_size(edited, removed, boxes)
    inside = reduced_mask(boxes)
    sharp_before, sharp_after = (to_lab(reduced(image)) for image in (edited, removed))
    pair = Pair(smooth(sharp_before), smooth(sharp_after))
    change = distance(pair.before, pair.after)
    same_colour = np.clip((SAME_COLOUR[1] - change) / np.float32(SAME_COLOUR[1] - SAME_COLOUR[0]), 0, 1)
    left, strength = _kept_structure(pair)
    structured = np.minimum(strength / np.float32(STRUCTURED), 1)
    still_there = (1 - structured) * same_colour + structured * left
    filling = (
        opened(closed(inside & (change > sum(SAME_COLOUR) / 2), FILLING_RADIUS), FILLING_RADIUS) & inside
    )
    far = ~dilate(inside, BOX_MARGIN)
    return RemovalMeasures(
        left=weighted_mean(still_there, _centrality(inside)) if inside.any() else 1.0,
        outside=float(change[far].mean(dtype=np.float64)) if far.any() else 0.0,
        detail=_detail(sharp_after[..., 0], filling),
        seam=edge_prominence(pair.after, filling),
    )


def _kept_structure(pair: Pair) -> tuple[FloatImage, FloatImage]:
    """How much of the first frame's structure the second has, the slope of a local fit, 0 to 1; its strength.

    Unlike a correlation this falls with the contrast of a ghost.
    """
    local = windowed(pair.products, WINDOW)
    power = np.maximum(local[..., 1], 0)
    return np.clip(local[..., 0] / (power + np.float32(STRUCTURE_FLOOR)), 0, 1), np.sqrt(power)


def _centrality(boxes: BoolImage) -> FloatImage:
    """1 in the middle of each box, falling to 0 at its sides; boxes that touch count as one."""
    weights = np.zeros(boxes.shape, np.float32)
    for left, top, right, bottom in components(boxes).boxes[1:]:
        tents = [1 - np.abs(np.linspace(-1, 1, length + 2)[1:-1]) for length in (bottom - top, right - left)]
        window = weights[top:bottom, left:right]
        np.maximum(window, np.outer(*tents), out=window)
    return weights * boxes


def _detail(lightness: FloatImage, filling: BoolImage) -> float:
    around = dilate(filling, SURROUNDINGS) & ~filling
    if not filling.any() or not around.any():
        return 0.0
    fine = np.abs(lightness - smooth(lightness))
    inner, outer = (float(fine[where].mean(dtype=np.float64)) + 0.05 for where in (filling, around))
    return float(np.log(inner / outer))
