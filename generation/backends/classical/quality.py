"""Measures an edited frame against its source, and the removal of a subject from a frame.

- Of an edit: inside the mask the subject's structure and colours must be the source's; along its outline the
  edge must be where the source has it; outside, nothing of the source may be left.
- Of a removal: is the subject gone, is the rest untouched, does the filling fit? Only the subject's boxes are
  known, not its silhouette. What did not change in the middle of a box counts as left over; towards the box's
  sides it is more and more likely to be background, and counts less. The filling is what changed inside the
  boxes. It should be about as detailed as what surrounds it, and no edge should run along its outline.
- Every measure is a mean over an area, the outline or the frame; none looks at one pixel.
- Lengths are in working pixels of `sparkle.generation.backends.classical.outline`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.backends.classical.filters import components
from sparkle.generation.backends.classical.outline import edge_prominence, measure_outline
from sparkle.generation.backends.classical.pair import (
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
from sparkle.media import Floats, Mask, Pixels
from sparkle.media.morphology import closed, dilate, erode, opened

INNER_MARGIN, OUTER_MARGIN = 3, 4
"""Pixels on either side of the mask's edge that belong to both sides: the masks' own error."""

DETAIL_WINDOW, PART_WINDOW = 5, 9
"""Half-widths of the windows in which details, and whole parts such as a hand, are compared."""

STRUCTURE_FULL = 2.0
"""Gradient (L a pixel) from which structure has full weight: a strong edge must not outweigh a face."""

LOST_BELOW = 0.4
"""Correlation below which a part counts as lost, wholly so at 0 (most re-synthesised parts keep 0.5)."""

CHANGED_COLOUR = 20.0
"""Lab distance from which a background pixel has a new colour."""

MOTION_GAP = 4
"""Frames between those that motion is seen in: a quarter of a second at 16 fps, as in the measures."""

MOTION_MARGIN = 8
MOTION_SIGMA = 2.0
MOTION_FLOOR, MOTION_CAP = 1.5, 10.0
"""Pixels around the masks that are left out; blur against noise; Lab distances below which a change is grain
and from which it is as much as motion can be."""

CLIPPED = (5, 252)
"""Levels of the largest channel at which a pixel is black or white, codec noise allowed for."""


@dataclass(frozen=True)
class EditMeasures:
    """What can be measured of an edited frame.

    Attributes:
        replaced: Share of the background that is new, in colour and in structure, 0 to 1.
        identity: Correlation of the subject's structure, -1 to 1.
        lost: Share of the subject's structure that the edited frame does not have, 0 to 1.
        contour: Mean agreement of the profiles across the outline, -1 to 1.
        gaps: Share of the outline where they do not agree, 0 to 1.
        edge: How far the edge on the outline stands out from what is around it, 0 to 1.
        remnants: Share of the outline with the old background beside it, 0 to 1.
        unfounded: Share of the mask's outline where the source has no edge, 0 to 1.
        drift: How far the subject's colours (a and b, no lightness) moved, in Lab units; what takes them
            towards the new scene counts half.
        sharpness: Log of the ratio of fine to coarse contrast in the subject, edited less source.
        scene_sharpness: Log of the ratio of fine to coarse contrast in the new background.
        noise: Standard deviation of L in the flat half of the frame, 0 to 100.
        clipped: Share of the frame that is black or white, 0 to 1.
        tonal_range: Between the 2nd and the 98th percentile of L, 0 to 100.
    """

    replaced: float
    identity: float
    lost: float
    contour: float
    gaps: float
    edge: float
    remnants: float
    unfounded: float
    drift: float
    sharpness: float
    scene_sharpness: float
    noise: float
    clipped: float
    tonal_range: float


def measure_edit(source: Pixels, edited: Pixels, mask: Mask) -> EditMeasures:
    """Measures one frame.

    Args:
        source: uint8 RGB (H, W, 3).
        edited: uint8 RGB (H, W, 3).
        mask: bool (H, W), the subject.

    Raises:
        MediaError: The three do not have one size.
    """
    require_one_size(source, edited, mask)
    before, after, subject = reduced(source), reduced(edited), reduced_mask(mask)
    core = erode(subject, INNER_MARGIN)
    core = core if core.any() else subject
    sharp_before, sharp_after = to_lab(before), to_lab(after)
    background = ~dilate(subject, OUTER_MARGIN)
    pair = Pair(smooth(sharp_before), smooth(sharp_after))
    identity, lost = _kept_structure(pair, core)
    outline = measure_outline(pair, subject, pair.recoloured(core))
    fine_before, fine_after = sharp_before[..., 0], sharp_after[..., 0]
    low, high = np.percentile(fine_after, (2, 98))
    return EditMeasures(
        replaced=_replaced(pair, background),
        identity=identity,
        lost=lost,
        **outline._asdict(),
        drift=_drift(pair, core, background),
        sharpness=fine_contrast(fine_after, core) - fine_contrast(fine_before, core),
        scene_sharpness=fine_contrast(fine_after, background),
        noise=noise_level(fine_after),
        clipped=_clipped_share(after),
        tonal_range=float(high - low),
    )


def later_index(index: int, frames: int) -> int:
    """Return the frame that shows how the scene behind frame `index` moves: `MOTION_GAP` later, or before.

    It lies in the clip however short that is, so that the same motion measures the same at any length.
    """
    after, before = frames - 1 - index, index
    gap = min(MOTION_GAP, max(after, before))
    return index + gap if after >= gap else index - gap


def scene_motion(frame: Pixels, later: Pixels, mask: Mask, later_mask: Mask) -> float:
    """Return how much the scene behind the subject changes between two frames a quarter of a second apart.

    Unlike `sparkle.media.measures.background_motion` it sees colours, and what a gain and an offset a channel
    explain over the whole scene is a change of light, no motion.

    Args:
        frame: uint8 RGB (H, W, 3).
        later: uint8 RGB (H, W, 3), the other frame.
        mask: bool (H, W), the subject.
        later_mask: bool (H, W), likewise.

    Returns:
        Mean Lab distance of the blurred frames outside both masks, 0 where it is below 1.5 (grain) and at
        most 10 a pixel; 0 where there is no such place.

    Raises:
        MediaError: The four do not have one size.
    """
    require_one_size(frame, later, mask, later_mask)
    scene = ~dilate(reduced_mask(mask) | reduced_mask(later_mask), MOTION_MARGIN)
    if not scene.any():
        return 0.0
    first, second = (smooth(to_lab(reduced(image)), MOTION_SIGMA)[scene] for image in (frame, later))
    return _mean(_motion(first, second))


def _motion(first: Floats, second: Floats) -> Floats:
    """Return what the first frame's colours (N, 3), relit, do not explain of the second's, float32 (N,)."""
    means = [colours.mean(axis=0, dtype=np.float64) for colours in (first, second)]
    centred, other = (
        (colours - mean).astype(np.float32) for colours, mean in zip((first, second), means, strict=True)
    )
    gain = (centred * other).mean(axis=0) / ((centred * centred).mean(axis=0) + np.float32(1))
    change = distance(centred * gain, other)
    return np.asarray(np.where(change > MOTION_FLOOR, np.minimum(change, MOTION_CAP), 0), np.float32)


def fine_contrast(lightness: Floats, where: Mask) -> float:
    """Return the log ratio of contrast finer than a pixel's blur to contrast from there to three pixels'.

    It does not depend on the light, and falls by 0.3 to 1 for blurs that are seen; 0 where there is no place.
    """
    if not where.any():
        return 0.0
    fine, coarse = smooth(lightness, 1.0), smooth(lightness, 3.0)
    contrasts = [_mean(np.abs(part)[where]) + 0.05 for part in (lightness - fine, fine - coarse)]
    return float(np.log(contrasts[0] / contrasts[1]))


def noise_level(lightness: Floats) -> float:
    """Standard deviation of noise in L by Immerkaer's operator (1996); its median looks at the flat half."""
    operator = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = np.abs(cv2.filter2D(lightness, cv2.CV_32F, operator))
    # The operator's own norm is 6; 0.6745 is the median of |x| for a normal x of deviation 1.
    return float(np.median(response)) / (6 * 0.6745)


def _kept_structure(pair: Pair, core: Mask) -> tuple[float, float]:
    """Return identity and loss of the subject's structure; 0 and 1 where there is no subject."""
    if not core.any():
        return 0.0, 1.0
    detail, strength = (values[core] for values in pair.correlation(core, DETAIL_WINDOW))
    part, part_strength = (values[core] for values in pair.correlation(core, PART_WINDOW))
    lost = np.clip(1 - part / np.float32(LOST_BELOW), 0, 1)
    return (
        weighted_mean(detail, np.minimum(strength, STRUCTURE_FULL)),
        weighted_mean(lost, np.minimum(part_strength, STRUCTURE_FULL)),
    )


def _replaced(pair: Pair, background: Mask) -> float:
    """The share of the background that is new: another colour, and where there was structure, another one."""
    if not background.any():
        return 0.0
    correlation, strength = pair.correlation(background, DETAIL_WINDOW)
    kept = np.clip(correlation, 0, 1) * np.minimum(strength, 1)
    changed = np.minimum(distance(pair.before, pair.after) / np.float32(CHANGED_COLOUR), 1)
    return _mean((changed * (1 - kept))[background])


def _drift(pair: Pair, core: Mask, background: Mask) -> float:
    """Half of what the subject's colours moved, and of their mean's way what is not towards the new scene."""
    if not core.any():
        return 0.0
    before, after = pair.before[core][:, 1:], pair.after[core][:, 1:]
    start, moved = before.mean(axis=0, dtype=np.float64), (after - before).mean(axis=0, dtype=np.float64)
    scene = pair.after[background][:, 1:].mean(axis=0, dtype=np.float64) if background.any() else start
    reach = float(np.linalg.norm(scene - start))
    direction = (scene - start) / max(reach, 1e-6)
    towards = np.clip(moved @ direction, 0, reach) * direction
    return 0.5 * _mean(distance(before, after)) + float(np.linalg.norm(moved - towards))


def _clipped_share(image: Pixels) -> float:
    brightest = np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])
    return float(((brightest <= CLIPPED[0]) | (brightest >= CLIPPED[1])).mean())


def _mean(values: npt.NDArray[np.floating]) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else 0.0


# --- removals --------------------------------------------------------------------------------------

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


def measure_removal(edited: Pixels, removed: Pixels, boxes: Mask) -> RemovalMeasures:
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
    left, strength = _left_structure(pair)
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


def _left_structure(pair: Pair) -> tuple[Floats, Floats]:
    """How much of the first frame's structure the second has, the slope of a local fit, 0 to 1; its strength.

    Unlike a correlation this falls with the contrast of a ghost.
    """
    local = windowed(pair.products, WINDOW)
    power = np.maximum(local[..., 1], 0)
    return np.clip(local[..., 0] / (power + np.float32(STRUCTURE_FLOOR)), 0, 1), np.sqrt(power)


def _centrality(boxes: Mask) -> Floats:
    """Return 1 in the middle of each box, falling to 0 at its sides; boxes that touch count as one."""
    weights = np.zeros(boxes.shape, np.float32)
    for left, top, right, bottom in components(boxes).boxes[1:]:
        tents = [1 - np.abs(np.linspace(-1, 1, length + 2)[1:-1]) for length in (bottom - top, right - left)]
        window = weights[top:bottom, left:right]
        np.maximum(window, np.outer(*tents), out=window)
    return weights * boxes


def _detail(lightness: Floats, filling: Mask) -> float:
    around = dilate(filling, SURROUNDINGS) & ~filling
    if not filling.any() or not around.any():
        return 0.0
    fine = np.abs(lightness - smooth(lightness))
    inner, outer = (float(fine[where].mean(dtype=np.float64)) + 0.05 for where in (filling, around))
    return float(np.log(inner / outer))
