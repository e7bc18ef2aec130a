"""A subject's silhouette inside a box: GrabCut, told what motion already knows.

- Background seeds: strong edges of the median frame that never change belong to the background, so a
  textured wall inside the box is not taken for the subject.
- Foreground hints: what changes both before and after the frame is subject, not what it uncovered.
- What a roaming subject uncovered is background again.
- Self-check, for trusted boxes only: a silhouette that does not fill its box is cut again with the
  background seeds as mere hints, then without them, and the one that fits best is kept.
- A box from motion alone is uncertain, so it gets a ring around it that may be foreground too.
- Where a network has looked at the frame, its map decides what is subject and background for certain. Only
  in between does GrabCut, and what moves there is subject: hands that the network hardly sees. It decides on
  outlines, not on pieces: a sleeve of the wall's colour stays, a wall of the sleeve's does not come along.
- What most of the network's frames show alike is one thing, which stands out on all of them or on none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import cv2
import numpy as np

from sparkle.generation.backends.classical.activity import (
    OTHER_LEVELS,
    VISIBLE_LEVELS,
    Activity,
    roams,
)
from sparkle.generation.backends.classical.filters import (
    Box,
    bounding_box,
    box_iou,
    box_mask,
    components,
    grow_box,
    keep_components,
)
from sparkle.media import Floats, Mask, Pixels
from sparkle.media.morphology import closed, dilate, erode, opened

GRABCUT_ITERATIONS = 2
"""With the surroundings below, 2 measure as 4 do on the shared and the drawn clips, in half the time."""

SURROUNDINGS_SHARE = 0.25
SURROUNDINGS_PIXELS = 8
"""What lies around the uncertain part and is shown to GrabCut: a share of its sides and so many pixels more.
The background there is what the subject must be told from; what is farther away only takes time."""

UNTRUSTED_RING = 0.15
"""Share of an untrusted box's sides that is added around it as possible foreground."""

STATIC_GRADIENT = 10.0
"""Gradient of the median frame, in gray levels per pixel, above which an edge can be seen to stand still."""

STATIC_RATIO = 0.05
STATIC_FLOOR = 1.2
"""An edge is static when its standard deviation is below this share of its gradient (or this many levels)."""

ACTIVE_RATIO = 0.25
ACTIVE_FLOOR = 4.0
"""A pixel is active when its standard deviation is above this share of its gradient and this many levels."""

STATIC_DISTANCE = 3
"""Pixels that a background seed keeps from active pixels."""

STATIC_MINIMUM_AREA = 13
"""Pixels: smaller groups of static edges are noise."""

STATIC_LEAST_ACTIVITY = 10.0
"""99th percentile of the activity below which a clip is too still for static edges to mean background."""

HINT_WINDOW = 10
HINT_FLOOR = 5.0
HINT_PERCENTILE = 60.0
HINT_CLOSING = 4
HINT_EROSION = 3
"""Foreground hints: frames on either side, least gray levels, percentile inside the box, and pixels."""

FILLED_IOU = 0.8
"""IoU of the silhouette's bounding box with a trusted box from which the cut is accepted."""

BETTER_IOU = 0.03
"""Gain in that IoU for which a later attempt replaces an earlier one."""

HOLE_LIMIT = 0.01
"""Share of the frame up to which a hole inside the silhouette is filled."""

FRAGMENT_LIMIT = 0.05
"""Share of the largest piece below which a piece of the silhouette is dropped."""


SEEN = 0.5
SEEN_SURELY = 0.9
SEEN_EROSION = 2
UNSEEN = 0.02
"""Values of a network's map from which a pixel is subject rather than not, and, so many pixels inside, is so
for certain; below the last, it is background for certain."""

CHANGED_SHARE = 0.2
"""Share of what stands out that must differ from the median frame where the subject roams; else it is a plant
or a lamp that it passes."""

SEEN_REACH = 24
"""Pixels around what the network sees in which what it hardly sees may belong to it."""

SEEN_SHARE = 0.1
"""Share of a box that the network must see a subject in; else the box is cut by motion."""

SAME_CHROMA = 12.0
"""a and b of CIELAB that one thing differs by between frames: sources jump in tone over their first frames. A
ball's yellow is as bright as the wall behind it, and 40 off."""

SAME_OPENING = 2
"""Radius in pixels that a place must have to look the same on two frames: a pixel may by accident."""


def segment_in_box(
    frame: Pixels, box: Box, activity: Activity, t: int, *, trusted: bool, seen: Floats | None = None
) -> Mask:
    """Cut the subject out of a box.

    Args:
        frame: uint8 RGB (h, w, 3) at the working size: frame `t` of the clip.
        box: x0, y0, x1, y1 in working pixels, x1 and y1 exclusive.
        activity: Of the whole clip, at the working size.
        t: The frame's index.
        trusted: True for a box that was given or detected (it encloses the subject tightly), false for one
            that motion suggested.
        seen: float32 (h, w), what stands out on the frame; None where no network has looked.

    Returns:
        bool (h, w); all false when nothing in the box stands out, or the box is empty.
    """
    shape = frame.shape[0], frame.shape[1]
    box = grow_box(box, shape, 0, 0)
    if box[0] >= box[2] or box[1] >= box[3]:
        return np.zeros(shape, bool)
    static = static_edges(activity)
    roaming = roams(activity.luma, t, box)
    if roaming:
        static |= activity.evidence.visible[t]
    hints = _foreground_hints(activity, t, static, box_mask(shape, box))
    if seen is not None:
        place = box_mask(shape, box)
        subject = (seen > SEEN) & place if trusted else _seen_in_box(seen, place)
        if roaming:
            subject = pieces_on(subject, changed(activity, t), CHANGED_SHARE)
        if np.count_nonzero(subject) > SEEN_SHARE * np.count_nonzero(place):
            cut = _cut_seen(frame, subject, seen, static, hints)
            if 2 * np.count_nonzero(hints & ~dilate(subject, SEEN_EROSION)) <= np.count_nonzero(hints):
                return cut & place if trusted else cut
            return cut | segment_in_box(frame, box, activity, t, trusted=trusted)
    if not trusted:
        return _cut(frame, box, static, hints, ring=UNTRUSTED_RING, hard=True)
    best, best_iou = np.zeros(shape, bool), -1.0
    for attempt in _attempts(frame, box, static, hints):
        found = bounding_box(attempt, trim=0.002)
        iou = box_iou(found, box) if found else 0.0
        if iou > best_iou + BETTER_IOU or best_iou < 0:
            best, best_iou = attempt, iou
        if iou >= FILLED_IOU:
            break
    return best


class Usual(NamedTuple):
    """What most looks at a clip show at each pixel, and what the network says of it most often.

    Attributes:
        luma: float32 (h, w), corrected for changes of light.
        chroma: float32 (h, w, 2), a and b of CIELAB.
        seen: float32 (h, w); NaN where most looks do not show one thing, or there are fewer than 3.
    """

    luma: Floats
    chroma: Floats
    seen: Floats

    @classmethod
    def of(cls, maps: Mapping[int, Floats], frames: Pixels, activity: Activity) -> Usual:
        """Return what is usual in a clip, uint8 RGB (T, h, w, 3), whose frames a network has looked at."""
        unknown = np.full(activity.median.shape, np.nan, np.float32)
        if len(maps) < 3:
            return cls(activity.median, np.stack([unknown, unknown], axis=2), unknown)
        luma = np.asarray(np.median(activity.luma[list(maps)], axis=0), np.float32)
        chroma = np.asarray(np.median([_chroma(frames[t]) for t in maps], axis=0), np.float32)
        usual = cls(luma, chroma, unknown)
        same = np.stack([usual._shown(frames, activity, t) for t in maps])
        count = np.count_nonzero(same, axis=0)
        rank = np.sort(np.where(same, np.stack(list(maps.values())), np.float32(np.inf)), axis=0)
        middle = np.take_along_axis(rank, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
        return cls(luma, chroma, np.asarray(np.where(2 * count > len(maps), middle, np.nan), np.float32))

    def settle(self, maps: Mapping[int, Floats], frames: Pixels, activity: Activity) -> dict[int, Floats]:
        """Return maps in which what looks the same stands out on every frame or on none."""
        known = ~np.isnan(self.seen)
        settled = {}
        for t, found in maps.items():
            here = known & self._shown(frames, activity, t)
            settled[t] = np.asarray(np.where(here, self.seen, found), np.float32)
        return settled

    def _shown(self, frames: Pixels, activity: Activity, t: int) -> Mask:
        """Return where a frame shows what is usual, over more than a few pixels."""
        alike = np.abs(activity.luma[t] - self.luma) <= VISIBLE_LEVELS
        coloured = np.abs(_chroma(frames[t]) - self.chroma).max(axis=2) <= SAME_CHROMA
        return opened(alike & coloured, SAME_OPENING)


def _chroma(frame: Pixels) -> Floats:
    lab = cv2.cvtColor(frame.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    return np.asarray(lab[..., 1:], np.float32)


def changed(activity: Activity, t: int) -> Mask:
    """Return where a frame is not the median frame, which is background where the subject travels."""
    return np.asarray(np.abs(activity.luma[t] - activity.median) > OTHER_LEVELS)


def pieces_on(region: Mask, place: Mask, least: float) -> Mask:
    """Return the pieces of a region of which more than a share lies in a place."""
    found = components(region)
    on = np.bincount(found.labels[place], minlength=len(found.areas)) > least * found.areas
    on[0] = False
    return np.asarray(on[found.labels], bool)


def _seen_in_box(seen: Floats, inside: Mask) -> Mask:
    """Return what a network sees in a box: pieces that are mostly in it as a whole, others cut off at it."""
    subject = seen > SEEN
    return pieces_on(subject, inside, 0.5) | (subject & inside)


def _cut_seen(frame: Pixels, subject: Mask, seen: Floats, static: Mask, hints: Mask) -> Mask:
    """One GrabCut between what a network is sure of."""
    labels = np.full(subject.shape, cv2.GC_PR_BGD, np.uint8)
    labels[subject] = cv2.GC_PR_FGD
    labels[(seen < UNSEEN) | ~dilate(subject, SEEN_REACH) | (static & ~subject)] = cv2.GC_BGD
    labels[hints & (labels != cv2.GC_BGD)] = cv2.GC_FGD
    labels[erode(subject & (seen > SEEN_SURELY), SEEN_EROSION)] = cv2.GC_FGD
    cut = grab_cut(frame, labels, GRABCUT_ITERATIONS)
    lost = _pieces_beyond(subject & ~cut, cut)
    leaked = _pieces_beyond(cut & ~subject, subject)
    cut = (cut | lost) & ~(leaked & ~pieces_on(leaked, hints, 0.0))
    whole = _clean(cut)
    return whole & ~pieces_on(whole & ~cut, seen < SEEN, 0.5)


def _pieces_beyond(region: Mask, known: Mask) -> Mask:
    """Return the pieces of a region that reach farther from what is known than outlines are wrong by."""
    return pieces_on(region, ~dilate(known, SEEN_EROSION), 0.0)


def static_edges(activity: Activity) -> Mask:
    """Edges of the median frame that stand still through the clip and away from all motion; bool (h, w)."""
    if np.percentile(activity.std, 99) < STATIC_LEAST_ACTIVITY:
        return np.zeros(activity.std.shape, bool)
    dx = cv2.Sobel(activity.median, cv2.CV_32F, 1, 0, scale=0.25)
    dy = cv2.Sobel(activity.median, cv2.CV_32F, 0, 1, scale=0.25)
    gradient = np.hypot(dx, dy)
    static = (gradient > STATIC_GRADIENT) & (activity.std < np.maximum(STATIC_FLOOR, STATIC_RATIO * gradient))
    active = activity.std > np.maximum(ACTIVE_FLOOR, ACTIVE_RATIO * gradient)
    active = np.asarray(
        cv2.morphologyEx(active.view(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    ).astype(bool)
    return keep_components(static & ~dilate(active, STATIC_DISTANCE), STATIC_MINIMUM_AREA)


def _attempts(frame: Pixels, box: Box, static: Mask, hints: Mask) -> Iterator[Mask]:
    yield _cut(frame, box, static, hints, ring=0.0, hard=True)
    yield _cut(frame, box, static, hints, ring=0.0, hard=False)
    yield _cut(frame, box, np.zeros_like(static), hints, ring=0.0, hard=True)


def _foreground_hints(activity: Activity, t: int, static: Mask, inside: Mask) -> Mask:
    """Return pixels in the box that change both before and after frame t; bool (h, w)."""
    last = len(activity.luma) - 1
    before = activity.std_between(t - HINT_WINDOW, t)
    after = activity.std_between(t, t + HINT_WINDOW)
    if t < 3:
        change = after
    elif t > last - 3:
        change = before
    else:
        change = np.minimum(before, after)
    threshold = max(HINT_FLOOR, float(np.percentile(change[inside], HINT_PERCENTILE)))
    moving = closed((change > threshold) & inside, HINT_CLOSING)
    return erode(moving, HINT_EROSION) & ~dilate(static, 2)


def _cut(frame: Pixels, box: Box, static: Mask, hints: Mask, *, ring: float, hard: bool) -> Mask:
    """One GrabCut: certain background outside the box and its ring, and on static edges when `hard`."""
    shape = frame.shape[0], frame.shape[1]
    dx, dy = int((box[2] - box[0]) * ring), int((box[3] - box[1]) * ring)
    background = ~box_mask(shape, grow_box(box, shape, dx, dy))
    labels = np.full(shape, cv2.GC_PR_BGD, np.uint8)
    labels[box_mask(shape, box) & ~static] = cv2.GC_PR_FGD
    if hard:
        background |= static
    labels[hints] = cv2.GC_FGD
    labels[background] = cv2.GC_BGD
    return _clean(grab_cut(frame, labels, GRABCUT_ITERATIONS))


def grab_cut(frame: Pixels, labels: Pixels, iterations: int) -> Mask:
    """GrabCut (Rother et al., 2004) from a label image, the same bytes in every run.

    Args:
        frame: uint8 RGB (h, w, 3).
        labels: uint8 (h, w) of cv2.GC_BGD, GC_FGD, GC_PR_BGD and GC_PR_FGD; not changed.
        iterations: Rounds of model fitting and cutting.

    Returns:
        bool (h, w). Where one of the two classes is empty there is nothing to cut: the labels decide.
    """
    foreground = (labels & 1).astype(bool)
    if foreground.all() or not foreground.any():
        return foreground
    x0, y0, x1, y1 = _surroundings(labels)
    here = np.s_[y0:y1, x0:x1]
    bgr, cut = np.ascontiguousarray(frame[here][..., ::-1]), labels[here].copy()
    cv2.setRNGSeed(0)  # GrabCut's k-means draws from the thread's generator
    no_box, models = (0, 0, 0, 0), np.zeros((2, 1, 65))
    cv2.grabCut(bgr, cut, no_box, models[0], models[1], iterations, cv2.GC_INIT_WITH_MASK)
    whole = np.zeros(labels.shape, bool)
    whole[here] = cut & 1
    return whole


def _surroundings(labels: Pixels) -> Box:
    """Return the box around everything that is not certain background, with some of that around it."""
    shape = labels.shape[0], labels.shape[1]
    x0, y0, x1, y1 = bounding_box(labels != cv2.GC_BGD) or (0, 0, shape[1], shape[0])
    dx, dy = (int(side * SURROUNDINGS_SHARE) + SURROUNDINGS_PIXELS for side in (x1 - x0, y1 - y0))
    return grow_box((x0, y0, x1, y1), shape, dx, dy)


def _clean(mask: Mask) -> Mask:
    """Drop specks and fragments, fill small holes that do not touch the frame's top or sides."""
    mask = opened(mask, 1)
    found = components(mask)
    if len(found.areas) < 2:
        return mask
    mask = keep_components(mask, FRAGMENT_LIMIT * float(found.areas[1:].max()))
    return fill_holes(mask, HOLE_LIMIT)


def fill_holes(mask: Mask, limit: float) -> Mask:
    """Fill background pieces up to `limit` of the frame; pieces at the top or sides up to .3 % of it."""
    found = components(~mask, connectivity=4)
    width = mask.shape[1]
    fill = np.zeros(len(found.areas), bool)
    for index, (area, (x0, y0, x1, _)) in enumerate(zip(found.areas, found.boxes, strict=True)):
        at_border = x0 == 0 or y0 == 0 or x1 == width
        fill[index] = area < (min(limit, 0.003) if at_border else limit) * mask.size
    fill[0] = False
    return np.asarray(mask | fill[found.labels], bool)
