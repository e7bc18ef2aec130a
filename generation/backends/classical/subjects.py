"""Finds the subjects of a fixed-camera clip by what moves and what stands out: boxes per anchor, and a label.

- Where the temporal standard deviation of the whole clip stands out, something moves: a subject's core. It
  grows into what is connected to it and moves less (a skirt below waving arms). Pieces above one another are
  one subject (a head and a body), pieces side by side are several.
- A subject that stays in its place (someone who talks) hides the background behind it for the whole clip. It
  is boxed, per anchor, where something moves in a window of frames around it, and whole where only a part of
  it does.
- A subject that travels uncovers the background in most frames, so the median frame is that background: it is
  boxed where a frame differs from it.
- Where nothing of a subject is seen to move, it may be resting or gone: it has no box there.
- By motion alone, what a person holds or sits on is seen where it moves with them. Where a network has looked
  at frames, a subject is also what stands out where something moves, and right beside that on any of them:
  the chair, the easel. Where nothing moves there is no subject, whatever stands out.
- The label names the colours of the silhouette where most of the subject is seen to move, as a person would
  call them ("dark blue and white"). Colours are judged in CIELAB: without enough chroma a pixel is black,
  gray or white by its lightness; else its hue angle decides, and whether it is dark.
- Nothing depends on which anchors are asked for: two calls agree on the subjects, their order and labels, and
  on the box of every frame that both ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sparkle.generation.backends.classical.activity import Activity
from sparkle.generation.backends.classical.filters import (
    Box,
    bounding_box,
    box_mask,
    components,
    grow_box,
    keep_components,
)
from sparkle.generation.backends.classical.segment import (
    CHANGED_SHARE,
    SEEN,
    Usual,
    changed,
    pieces_on,
    segment_in_box,
)
from sparkle.media import Floats, Mask, Pixels
from sparkle.media.morphology import closed, dilate, opened

CORE_SHARE = 0.12
LOCAL_SHARE = 0.10
GROWN_SHARE = 0.03
"""Thresholds on the standard deviation as shares of its 99th percentile: of the whole clip, of an anchor's
window, and of what a core grows into. The first two were measured best on 20 real clips, the third on 11."""

NOISE_FACTOR = 3.0
NOISE_FLOOR = 1.2
"""A threshold is also at least this many medians (the background's noise) and this many gray levels."""

STANDS_OUT = 6.0
"""Ratio of the 99th percentile to the median under which nothing stands out: all moves, or nothing does. The
shared clips have 14 to 1400, clips of a moving camera 2 to 5."""

LARGEST_SHARE = 0.6
"""Share of the frame above which a region leaves no background to speak of; .39 at most on 12 real clips."""

MASS_SHARE = 0.25
AREA_SHARE = 0.004
"""A piece counts with at least this share of the strongest piece's summed deviation and of the frame."""

WINDOW = 12
"""Frames on either side of an anchor that count as its motion: 3/4 s at 16 fps."""

SURVEY_STEP = 8
"""Frames between the windows in which every subject is looked at, whatever the anchors: half a second."""

CLOSING = 9
GROWN_CLOSING = 3
GROWN_OPENING = 7
TERRITORY = 4
MARGIN = 3
"""Radii in working pixels at 320x180: gaps closed in a core and in what it grows into, the narrowest thing it
grows into (waves and wires are thinner than limbs), how far around its region a subject is looked for, and
the margin of its box."""

BOX_TRIM = 0.004
"""Share of the region's pixels that may stick out on each side of a box."""

TRAVEL_SHARE = 0.78
"""A subject travels when it never fills this share of its whole region's box. On 12 real clips subjects that
stay in place fill .86 or more at least once; drawn ones that travel fill .31 to .70."""

PART_SHARE = 0.8
"""A local box with less than this share of an in-place subject's whole box shows a part of it only."""

LOOK_STEP = 16
"""Frames between those that a network looks at, a second; anchors between them abstain. Twice as many measure
alike on the shared clips, for twice the time; the `tracker` looks again where motion loses something."""

MOVING_SHARE = 0.1
BESIDE = 6
"""Share of a piece that stands out that must lie where something moves; pixels to what is right beside it."""

FILLING_SHARE = 0.75
"""Share of the frame above which what stands out leaves no background to speak of."""

SAME_COLUMN_SHARE = 0.5
"""Share of the narrower of two pieces' widths that must overlap for them to be parts of one subject."""


@dataclass(frozen=True)
class Subject:
    """One moving subject.

    Attributes:
        boxes: One per anchor, in the anchors' order; None where nothing of the subject is seen to move.
        label: What it looks like, such as "subject in dark blue and white"; unique within a clip.
    """

    boxes: tuple[Box | None, ...]
    label: str


Look = Callable[[Pixels, Sequence[int]], Mapping[int, Floats]]
"""From frames uint8 (T, h, w, 3) and indices to maps float32 (h, w), 0 to 1, of what stands out there; to no
maps where nothing looks."""


def by_motion(frames: Pixels, indices: Sequence[int]) -> dict[int, Floats]:
    """Return no maps: the subject is known by its motion."""
    return {}


class ByMotion:
    """A backend that knows the subject by its motion alone, unless its `maps` are others."""

    def maps(self, frames: Pixels, indices: Sequence[int]) -> dict[int, Floats]:
        """Return what stands out on some frames of a clip, as `Look` says."""
        return by_motion(frames, indices)


def find_subjects(
    activity: Activity, frames: Pixels, anchors: Sequence[int], look: Look = by_motion
) -> tuple[Subject, ...]:
    """Box the subjects on every anchor frame.

    Args:
        activity: Of `frames`.
        frames: uint8 RGB (T, h, w, 3) at the working size.
        anchors: Frame indices, each in 0..T-1.
        look: Sees what stands out on a frame. Where it does, other frames than those get no box.

    Returns:
        The subjects from left to right; empty when there is none, or when it is almost everything (a moving
        camera, a cut, a subject that fills the frame): then nothing stands out from a background.
    """
    survey = range(0, len(frames), SURVEY_STEP)
    times = sorted({*survey, *anchors})
    moving = _moving_region(activity.std)
    travelling = any(_travels(activity, part) for part in _territories(moving))
    maps = look(frames, range(0, len(frames), LOOK_STEP))
    maps = Usual.of(maps, frames, activity).settle(maps, frames, activity)
    place = moving if moving.any() else _moving(activity.std, CORE_SHARE)
    if maps and np.mean([found > SEEN for found in maps.values()]) > FILLING_SHARE:
        return ()
    if travelling:
        seen = {t: pieces_on(found > SEEN, changed(activity, t), CHANGED_SHARE) for t, found in maps.items()}
    else:
        seen = _standing_out(maps, place)
    subjects = []
    for territory in _territories(np.logical_or.reduce([moving, *seen.values()])):
        boxes = _locate(activity, territory & moving, times)
        if maps:
            together = {t: _around(boxes[t], _box(seen[t] & territory)) for t in seen}
            boxes = {**dict.fromkeys(times), **together}
        clearest = max(survey, key=lambda t: _area(boxes[t]))
        box = boxes[clearest]
        if box is not None:
            label = _describe(frames, activity, clearest, box, maps.get(clearest))
            subjects.append(Subject(tuple(boxes[t] for t in anchors), label))
    return _with_unique_labels(subjects)


def _standing_out(maps: Mapping[int, Floats], place: Mask) -> dict[int, Mask]:
    """Return for each map its pieces that lie where something moves, and those right beside any map's."""
    regions = {t: found > SEEN for t, found in maps.items()}
    kept = {
        t: keep_components(pieces_on(region, place, MOVING_SHARE), AREA_SHARE * region.size)
        for t, region in regions.items()
    }
    beside = dilate(np.logical_or.reduce([np.zeros_like(place), *kept.values()]), BESIDE)
    return {t: kept[t] | pieces_on(region, beside, 0.0) for t, region in regions.items()}


def _around(first: Box | None, second: Box | None) -> Box | None:
    if first is None or second is None:
        return first or second
    return (
        min(first[0], second[0]),
        min(first[1], second[1]),
        max(first[2], second[2]),
        max(first[3], second[3]),
    )


def _moving_region(std: Floats) -> Mask:
    """Return where a subject moves in the whole clip, bool (h, w)."""
    nothing = np.zeros(std.shape, bool)
    if float(np.percentile(std, 99)) < STANDS_OUT * float(np.median(std)):
        return nothing
    region = _grown(_substantial(_moving(std, CORE_SHARE), std), std)
    return region if np.count_nonzero(region) <= LARGEST_SHARE * region.size else nothing


def _territories(region: Mask) -> list[Mask]:
    """Return the pieces of a region by subject, each bool (h, w), from left to right."""
    found = components(region)
    groups = _stacked(found.boxes[1:])
    return [np.isin(found.labels, [index + 1 for index in group]) for group in groups]


def _moving(std: Floats, share: float) -> Mask:
    """Return where the deviation is above its threshold, without specks and with gaps closed."""
    mask = std > _threshold(std, share)
    mask = np.asarray(
        cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    ).astype(bool)
    return closed(mask, CLOSING)


def _threshold(std: Floats, share: float) -> float:
    noise = NOISE_FACTOR * float(np.median(std))
    return max(noise, share * float(np.percentile(std, 99)), NOISE_FLOOR)


def _substantial(mask: Mask, std: Floats) -> Mask:
    """Return the pieces of a mask that move most."""
    found = components(mask)
    mass = np.bincount(found.labels.ravel(), weights=std.ravel(), minlength=len(found.areas))
    mass[0] = 0
    keep = (mass > MASS_SHARE * mass.max()) & (found.areas > AREA_SHARE * std.size)
    keep[0] = False
    return np.asarray(keep[found.labels], bool)


def _grown(core: Mask, std: Floats) -> Mask:
    """Return the core and what is connected to it, moves at least a little and is not thin."""
    calm = opened(closed(std > _threshold(std, GROWN_SHARE), GROWN_CLOSING), GROWN_OPENING) | core
    found = components(calm)
    keep = np.zeros(len(found.areas), bool)
    keep[found.labels[core]] = True
    return np.asarray(keep[found.labels], bool)


def _stacked(boxes: Sequence[Box]) -> list[list[int]]:
    """Return indices of boxes grouped by shared columns, from left to right."""
    groups: list[tuple[int, int, list[int]]] = []
    for index in sorted(range(len(boxes)), key=lambda index: boxes[index]):
        x0, _, x1, _ = boxes[index]
        members = [index]
        apart = []
        for left, right, group in groups:
            overlap = min(x1, right) - max(x0, left)
            if overlap >= SAME_COLUMN_SHARE * min(x1 - x0, right - left):
                x0, x1, members = min(x0, left), max(x1, right), group + members
            else:
                apart.append((left, right, group))
        groups = [*apart, (x0, x1, members)]
    return [members for _, _, members in sorted(groups)]


def _locate(activity: Activity, territory: Mask, times: Sequence[int]) -> dict[int, Box | None]:
    """Return the box of one subject on each of some frames."""
    whole = _area(_box(territory))
    if _travels(activity, territory):
        return {t: _box_of_difference(activity, t, territory) for t in times}
    moving = {t: _box_of_motion(activity, t, territory) for t in times}
    return {
        t: _box(territory) if box and _area(box) < PART_SHARE * whole else box for t, box in moving.items()
    }


def _travels(activity: Activity, territory: Mask) -> bool:
    survey = range(0, len(activity.luma), SURVEY_STEP)
    largest = max(_area(_box_of_difference(activity, t, territory)) for t in survey)
    return largest < TRAVEL_SHARE * _area(_box(territory))


def _box_of_motion(activity: Activity, t: int, territory: Mask) -> Box | None:
    """Return the box of what moves around frame t in a subject's territory."""
    return _box_within(activity.std_between(t - WINDOW, t + WINDOW), territory)


def _box_of_difference(activity: Activity, t: int, territory: Mask) -> Box | None:
    """Return the box of what sets frame t apart from the median frame in a subject's territory."""
    return _box_within(np.abs(activity.luma[t] - activity.median), territory)


def _box_within(change: Floats, territory: Mask) -> Box | None:
    return _box(_substantial(_moving(change, LOCAL_SHARE) & dilate(territory, TERRITORY), change))


def _box(region: Mask) -> Box | None:
    box = bounding_box(region, trim=BOX_TRIM)
    return box and grow_box(box, (region.shape[0], region.shape[1]), MARGIN, MARGIN)


def _area(box: Box | None) -> int:
    return (box[2] - box[0]) * (box[3] - box[1]) if box else 0


def _describe(frames: Pixels, activity: Activity, t: int, box: Box, seen: Floats | None) -> str:
    mask = segment_in_box(frames[t], box, activity, t, trusted=False, seen=seen)
    if not mask.any():
        mask = box_mask(mask.shape, box)
    return f"subject in {name_colours(frames[t][mask])}"


def _with_unique_labels(subjects: Sequence[Subject]) -> tuple[Subject, ...]:
    """Subjects that share a label are numbered from left to right."""
    labels = [subject.label for subject in subjects]
    unique = []
    for index, subject in enumerate(subjects):
        if labels.count(subject.label) > 1:
            place = labels[: index + 1].count(subject.label)
            subject = Subject(subject.boxes, f"{subject.label} (number {place} from the left)")
        unique.append(subject)
    return tuple(unique)


# --- names of colours ------------------------------------------------------------------------------

NEUTRAL_CHROMA = 12.0
"""CIELAB chroma below which a pixel has no hue that a person would name."""

DARK_LIGHTNESS = 45.0
"""CIELAB lightness (0 to 100) below which a hue goes by its dark name."""

NEUTRALS = ((18.0, "black"), (40.0, "dark gray"), (72.0, "gray"), (85.0, "light gray"), (101.0, "white"))
"""Names of pixels without hue below each lightness."""

HUES = (
    (20.0, "pink", "crimson"),
    (50.0, "red", "dark red"),
    (80.0, "orange", "brown"),
    (112.0, "yellow", "olive"),
    (165.0, "green", "dark green"),
    (230.0, "teal", "dark teal"),
    (312.0, "blue", "dark blue"),
    (335.0, "purple", "dark purple"),
    (360.0, "pink", "crimson"),
)
"""Bound of the CIELAB hue in degrees, name, name when dark. sRGB red lies at 40, yellow at 103, green at 136,
cyan at 196, blue at 306 and magenta at 328."""

NAMED_SHARE = 0.2
"""Share of the pixels for which a second colour is named."""


def name_colours(pixels: Pixels) -> str:
    """Return the one or two colours that cover most of the pixels, such as "dark blue and white".

    Args:
        pixels: uint8 RGB (N, 3), N >= 1.
    """
    lab = cv2.cvtColor(pixels.reshape(-1, 1, 3), cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)
    lightness, a, b = lab[:, 0] * (100 / 255), lab[:, 1] - 128, lab[:, 2] - 128
    hue_bounds, bright, dark = zip(*HUES, strict=True)
    neutral_bounds, neutral = zip(*NEUTRALS, strict=True)
    names = [*neutral, *bright, *dark]
    sector = np.searchsorted(np.array(hue_bounds), np.degrees(np.arctan2(b, a)) % 360, side="right")
    sector = np.minimum(sector, len(HUES) - 1)
    hued = len(neutral) + sector + np.where(lightness < DARK_LIGHTNESS, len(HUES), 0)
    plain = np.searchsorted(np.array(neutral_bounds), lightness, side="right")
    index = np.where(np.hypot(a, b) < NEUTRAL_CHROMA, plain, hued)
    counts = dict.fromkeys(names, 0)
    for name, count in zip(names, np.bincount(index, minlength=len(names)).tolist(), strict=True):
        counts[name] += count
    ranked = sorted(counts, key=lambda name: -counts[name])
    named = ranked[:2] if counts[ranked[1]] >= NAMED_SHARE * len(pixels) else ranked[:1]
    return " and ".join(named)
