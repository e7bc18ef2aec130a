"""Carries a silhouette from one frame to all others along optical flow, and to the full frame.

- What depends on the clip alone is computed once and shared by every pass: the flow between neighbouring
  frames in both directions, where it explains the picture, and every frame as a guide.
- A pass pulls the soft mask from the frame before (or after) along the flow. Where the flow leads to another
  colour the pixel was hidden there (background that the subject uncovers): such pixels take the mask of the
  pixels around them instead of a stray piece of it.
- Of a subject that roams, it is known where the background is seen and where it is covered: covered pixels
  next to the mask are part of it, which brings back what the flow lost, and seen background is not.
- A guided filter then snaps the mask to the frame's edges, and it is sharpened, so that it does not dissolve.
- To the full frame it goes along that frame's edges, by the fast guided filter (He and Sun, 2015): its linear
  model is fitted at the working size and applied, scaled up. It costs a resize instead of a filter at full
  size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.backends.classical.activity import Evidence
from sparkle.generation.backends.classical.filters import (
    ColourGuide,
    bounding_box,
    box_mean,
    gray_frames,
    grow_box,
    map_in_threads,
)
from sparkle.generation.backends.classical.flow import DenseFlow
from sparkle.media import Floats, Mask, Pixels
from sparkle.media.morphology import dilate

GUIDE_RADIUS = 4
GUIDE_EPS = 4e-4
"""Window in pixels at 320x180 and squared edge strength. Measured best of 2 to 6 and of 1e-4 to 1e-3."""

EXPLAINED_LEVELS = 30
"""Difference of a colour channel, in levels of 255, below which the flow explains a pixel. 15 to 30 measure
alike."""

FILL_FLOOR = np.float32(0.01)
"""Weight of an unexplained pixel among the pixels around it: it decides where there are no others."""

COVERED_REACH = 6
"""Pixels around a mask in which covered background is taken for a part of the subject."""

USUAL_AREA = 0.7
CONFIRMED_IOU = 0.5
"""Share of the median area of the anchors' masks, and one over it, between which a mask's area is usual; IoU
with what motion brings from a neighbour from which it is confirmed. One of unusual size, as where somebody
else comes in, needs the former for the latter, which half a mask cannot have."""

ODD_BY = 0.15
"""A mask with this much less IoU than its two neighbours have with one another is the one that is wrong."""

LEAST_GAP = 8
BRIDGED_IOU = 0.85
"""Frames between masks from which another is worth its time: half a second; IoU of a mask with what motion
brings from the one before it below which something is lost in between."""

SHARPENING = np.float32(2)
"""Gain around one half that a soft mask gets per step."""


@dataclass(frozen=True)
class Pull:
    """How to get from a frame to a neighbour.

    Attributes:
        flow: float32 (h, w, 2), x and y displacements in pixels.
        explained: bool (h, w), true where the flow leads to the same colour.
    """

    flow: Floats
    explained: Mask


@dataclass(frozen=True)
class Flows:
    """What all passes over a clip share.

    Attributes:
        backward: T-1 pulls; entry t-1 leads from frame t to frame t-1.
        forward: T-1 pulls; entry t leads from frame t to frame t+1.
        guides: T guides.
    """

    backward: tuple[Pull, ...]
    forward: tuple[Pull, ...]
    guides: tuple[ColourGuide, ...]


def compute_flows(frames: Pixels, *, fast: bool = False) -> Flows:
    """Prepare a clip for `propagate`: DIS flow between neighbours, both ways.

    FAST takes a fifth of MEDIUM's time and is as good on people who talk, but loses what travels, unless a
    network sees it again every second.

    Args:
        frames: uint8 RGB (T, h, w, 3) at the working size.
        fast: By FAST instead of MEDIUM.
    """
    gray = gray_frames(frames)
    preset = cv2.DISOPTICAL_FLOW_PRESET_FAST if fast else cv2.DISOPTICAL_FLOW_PRESET_MEDIUM

    def pull(pair: tuple[int, int]) -> Pull:
        t, neighbour = pair
        flow = DenseFlow(preset).between(gray[t], gray[neighbour])
        return Pull(flow, _explained(frames[t], frames[neighbour], flow))

    def guide(frame: Pixels) -> ColourGuide:
        return ColourGuide.of(frame, GUIDE_RADIUS, GUIDE_EPS)

    later = range(1, len(frames))
    return Flows(
        backward=tuple(map_in_threads(pull, ((t, t - 1) for t in later))),
        forward=tuple(map_in_threads(pull, ((t - 1, t) for t in later))),
        guides=tuple(map_in_threads(guide, frames)),
    )


def propagate(
    frames: Pixels,
    flows: Flows,
    anchor: int,
    mask: Mask,
    evidence: Evidence | None = None,
) -> Mask:
    """Carry the mask of frame `anchor` to the clip's both ends: one pass of the vote.

    Args:
        frames: uint8 RGB (T, h, w, 3) at the working size.
        flows: Of `frames`.
        anchor: The frame that `mask` belongs to.
        mask: bool (h, w).
        evidence: What is known of a subject that roams; None for one that stays in its place.

    Returns:
        bool (T, h, w); frame `anchor` is `mask` itself.
    """
    tracked = np.zeros(frames.shape[:3], bool)
    tracked[anchor] = mask
    for end in (len(frames) - 1, 0):
        for t, soft in _carried(flows, anchor, mask, end, evidence):
            tracked[t] = soft > 0.5
    return tracked


def carry_between(
    frames: Pixels,
    flows: Flows,
    cuts: Mapping[int, Mask],
    evidence: Evidence | None,
    cut: Callable[[int], Mask] | None = None,
) -> Mask:
    """Carry masks that are surer than motion from each of their frames to the next, from both sides.

    What comes from the nearer one counts more. Where motion does not bring one to the next, something is lost
    between them, and the frame in their middle is cut out, too. A mask that motion brings from neither
    neighbour is wrong and left out.

    Args:
        frames: uint8 RGB (T, h, w, 3) at the working size.
        flows: Of `frames`.
        cuts: bool (h, w) by frame, at least one.
        evidence: As for `propagate`.
        cut: Cuts out the frame of an index; None where no more can be.

    Returns:
        bool (T, h, w).
    """
    ways = _Ways(flows, dict(cuts), evidence)
    for start, end in pairwise(sorted(cuts)):
        if cut and end - start > LEAST_GAP and ways.agreement(start, end) < BRIDGED_IOU:
            ways.masks[(start + end) // 2] = cut((start + end) // 2)
    times = ways.confirmed()
    soft = np.zeros(frames.shape[:3], np.float32)
    for t in times:
        soft[t] = ways.masks[t]
    for start, end in pairwise(times):
        for first, last in ((start, end), (end, start)):
            for t, carried in list(ways.carried(first, last))[:-1]:
                soft[t] += carried * np.float32(abs(last - t) / (end - start))
    for anchor, end in ((times[0], 0), (times[-1], len(frames) - 1)):
        for t, carried in ways.carried(anchor, end):
            soft[t] = carried
    return np.asarray(soft > 0.5)


@dataclass(frozen=True)
class _Ways:
    """Masks of some frames, and how motion carries each to others: computed once."""

    flows: Flows
    masks: dict[int, Mask]
    evidence: Evidence | None
    known: dict[tuple[int, int], list[tuple[int, Floats]]] = field(default_factory=dict)

    def carried(self, anchor: int, end: int) -> list[tuple[int, Floats]]:
        """Return what `_carried` yields."""
        if (anchor, end) not in self.known:
            ways = _carried(self.flows, anchor, self.masks[anchor], end, self.evidence)
            self.known[anchor, end] = list(ways)
        return self.known[anchor, end]

    def agreement(self, anchor: int, end: int) -> float:
        """Return the IoU of the mask of `end` with what motion brings there."""
        brought, there = self.carried(anchor, end)[-1][1] > 0.5, self.masks[end]
        both, either = int(np.count_nonzero(brought & there)), int(np.count_nonzero(brought | there))
        return both / max(either, 1)

    def confirmed(self) -> list[int]:
        """Return the frames whose masks are right."""
        times = sorted(t for t, mask in self.masks.items() if mask.any())
        areas = {t: np.count_nonzero(self.masks[t]) for t in times}
        usual = float(np.median(list(areas.values())))
        unusual = [t for t in times if not USUAL_AREA * usual <= areas[t] <= usual / USUAL_AREA]
        for t, least in [(t, USUAL_AREA) for t in unusual] + [(t, CONFIRMED_IOU) for t in times[1:-1]]:
            if t in times and len(times) > 1:
                place = times.index(t)
                beside = times[max(place - 1, 0) : place] + times[place + 1 : place + 2]
                found = max(self.agreement(other, t) for other in beside)
                odd = len(beside) > 1 and found < BRIDGED_IOU and self.agreement(*beside) > found + ODD_BY
                if found < least or odd:
                    times.remove(t)
        return times


def _carried(
    flows: Flows, anchor: int, mask: Mask, end: int, evidence: Evidence | None
) -> Iterator[tuple[int, Floats]]:
    """Yield the soft mask, float32 (h, w), of each frame from the anchor's neighbour to `end`."""
    soft = mask.astype(np.float32)
    way = 1 if end > anchor else -1
    for t in range(anchor + way, end + way, way) if end != anchor else ():
        known = None if evidence is None else (evidence.visible[t], evidence.covered[t])
        soft = _step(soft, flows.backward[t - 1] if way > 0 else flows.forward[t], flows.guides[t], known)
        yield t, soft


def refine(frames: Pixels, masks: Mask) -> Mask:
    """Snap the outlines of voted masks to the image: one more guided filter a frame.

    On the shared clips it gains as much as a GrabCut in a band around the outline loses (.001 IoU), in a
    tenth of its time.

    Args:
        frames: uint8 RGB (T, h, w, 3) at the working size.
        masks: bool (T, h, w).

    Returns:
        bool (T, h, w).
    """
    return np.stack([refine_frame(frame, mask) for frame, mask in zip(frames, masks, strict=True)])


def refine_frame(frame: Pixels, mask: Mask) -> Mask:
    """Return one frame of `refine`: uint8 RGB (h, w, 3) and bool (h, w) to bool (h, w)."""
    refined = np.zeros_like(mask)
    box = bounding_box(mask)
    if box is None:
        return refined
    margin = 3 * GUIDE_RADIUS  # the guide's window and the filter's two: beyond it, the answer is zero
    x0, y0, x1, y1 = grow_box(box, (mask.shape[0], mask.shape[1]), margin, margin)
    here = np.s_[y0:y1, x0:x1]
    guide = ColourGuide.of(frame[here], GUIDE_RADIUS, GUIDE_EPS)
    refined[here] = guide.filter(mask[here].astype(np.float32)) > 0.5
    return refined


def _explained(frame: Pixels, neighbour: Pixels, flow: Floats) -> Mask:
    difference = cv2.absdiff(_warped(neighbour, flow), frame)
    return np.asarray(difference.max(axis=2) < EXPLAINED_LEVELS)


def _step(soft: Floats, pull: Pull, guide: ColourGuide, known: tuple[Mask, Mask] | None) -> Floats:
    """The neighbour's soft mask brought to this frame, float32 (h, w), 0 to 1; computed around it only.

    `known`: where this frame is seen to show the background, and something before it.
    """
    pulled = _warped(soft, pull.flow)
    moved = np.zeros_like(soft)
    box = bounding_box(pulled > 0)
    if box is None:
        return moved
    margin = COVERED_REACH + 3 * GUIDE_RADIUS  # the fill and the filter's windows: beyond it, all give zero
    x0, y0, x1, y1 = grow_box(box, (soft.shape[0], soft.shape[1]), margin, margin)
    here = np.s_[y0:y1, x0:x1]
    filled = _filled(pulled[here], pull.explained[here])
    if known is not None:
        visible, covered = (part[here] for part in known)
        filled[covered & dilate(filled > 0.5, COVERED_REACH)] = 1
        filled[visible] = 0
    filtered = guide.within((x0, y0, x1, y1)).filter(filled)
    moved[here] = np.clip((filtered - np.float32(0.5)) * SHARPENING + np.float32(0.5), 0, 1)
    if known is not None:
        moved[known[0]] = 0
    return moved


def _filled(pulled: Floats, explained: Mask) -> Floats:
    """Return a pulled mask whose unexplained pixels take the mean of the explained ones around them."""
    weights = np.where(explained, np.float32(1), FILL_FLOOR)
    around = box_mean(pulled * weights, GUIDE_RADIUS) / box_mean(weights, GUIDE_RADIUS)
    return np.where(explained, pulled, around)


def _warped(image: npt.NDArray[Any], flow: Floats) -> npt.NDArray[Any]:
    """Return the neighbour's image where the flow says that each pixel went; of the image's dtype."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


# --- the full frame --------------------------------------------------------------------------------

MASK_SIGMA = 0.7
"""Gaussian that takes the staircase off the working-size mask, in its pixels."""

ALPHA_GUIDE_RADIUS = 4
ALPHA_GUIDE_EPS = 1e-3
"""Window in working pixels and squared edge strength of the frame (0 to 1)."""

SOFT_GAIN = np.float32(1.6)
SOFT_CENTRE = np.float32(0.42)
"""alpha = (a - 1/2) * gain + centre: steeper, and drawn in a little, so that no rim of the old background
shows."""


def soft_alpha(frame_full: Pixels, mask_small: Mask) -> Floats:
    """Return the matte for compositing.

    Args:
        frame_full: uint8 RGB (H, W, 3).
        mask_small: bool (h, w) at the working size.

    Returns:
        float32 (H, W), 0 to 1; all zero for an empty mask.
    """
    alpha = _upsampled(frame_full, mask_small)
    return np.asarray(np.clip((alpha - np.float32(0.5)) * SOFT_GAIN + SOFT_CENTRE, 0, 1))


def hard_mask(frame_full: Pixels, mask_small: Mask) -> Mask:
    """Return the mask at full size, bool (H, W), from the same arguments."""
    return _upsampled(frame_full, mask_small) > 0.5


def _upsampled(frame: Pixels, mask: Mask) -> Floats:
    height, width = frame.shape[:2]
    small = np.asarray(cv2.resize(frame, mask.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    model = _model(small, mask)
    *slopes, applied = (cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) for part in model)
    for slope, channel in zip(slopes, cv2.split(frame), strict=True):
        slope *= np.float32(1 / 255)
        slope *= channel
        applied += slope
    return np.asarray(applied, np.float32)


def _model(small: Pixels, mask: Mask) -> Floats:
    """Return the linear model of the smoothed mask, float32 (4, h, w); computed around it only."""
    model = np.zeros((4, *mask.shape), np.float32)
    smooth = np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), MASK_SIGMA), np.float32)
    box = bounding_box(smooth > 0)
    if box is not None:
        margin = 3 * ALPHA_GUIDE_RADIUS  # the guide's window and the filter's two: beyond, the model is zero
        x0, y0, x1, y1 = grow_box(box, (mask.shape[0], mask.shape[1]), margin, margin)
        guide = ColourGuide.of(small[y0:y1, x0:x1], ALPHA_GUIDE_RADIUS, ALPHA_GUIDE_EPS)
        model[:, y0:y1, x0:x1] = guide.coefficients(smooth[y0:y1, x0:x1])
    return model
