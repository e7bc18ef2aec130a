"""Finds the moving subjects of a fixed-camera clip from motion alone: boxes per anchor frame, and a label.

- Where the temporal standard deviation of the whole clip stands out, something moves; pieces above one
  another are one subject (a head and a body), pieces side by side are several.
- Per anchor frame, the same is measured in a window of frames around it, inside the subject's region, and
  boxed. Where the subject rests meanwhile, the box of its whole region stands in.
- The label names the dominant colours of the region's core. It does not depend on the anchors, so two calls
  with different anchors agree on every label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.classical.activity import Activity
from sparkle.generation.classical.filters import (
    BoolImage,
    Box,
    FloatImage,
    bounding_box,
    closed,
    components,
    dilate,
    erode,
    grow_box,
    opened,
)

WINDOW = 12
"""Frames on either side of an anchor that count as its motion (3/4 s at 16 fps)."""


@dataclass(frozen=True)
class Subject:
    """One moving subject.

    Attributes:
        boxes: One per anchor, in the anchors' order; None where the subject cannot be made out.
        label: What it looks like, such as "subject in dark blue and white"; unique within a clip.
    """

    boxes: tuple[Box | None, ...]
    label: str


def find_subjects(
    activity: Activity, frames: npt.NDArray[np.uint8], anchors: Sequence[int]
) -> tuple[Subject, ...]:
    """Box the moving subjects on every anchor frame.

    Args:
        activity: Of `frames`.
        frames: uint8 RGB (T, h, w, 3) at the working size.
        anchors: Frame indices, each in 0..T-1.

    Returns:
        The subjects, the largest motion first; empty when nothing moves, or when almost everything does
        (a moving camera, a cut): then no subject stands out from a background.
    """
    core = _active_region(activity.std, 0.12)
    region = _grown(core, activity.std)
    box = bounding_box(region, trim=0.004)
    if box is None:
        return ()
    boxes = []
    for t in anchors:
        local = _active_region(activity.std_between(t - WINDOW, t + WINDOW), 0.10) & dilate(region, 4)
        found = bounding_box(local, trim=0.004) or box
        if (found[2] - found[0]) * (found[3] - found[1]) < 0.5 * (box[2] - box[0]) * (box[3] - box[1]):
            found = box
        x0, y0, x1, y1 = found
        if y1 > 0.72 * region.shape[0]:
            y1 = region.shape[0]
        boxes.append(grow_box((x0, y0, x1, y1), (region.shape[0], region.shape[1]), 3, 3))
    return (Subject(tuple(boxes), "moving subject"),)


def _active_region(std: FloatImage, relative: float) -> BoolImage:
    threshold = max(3 * float(np.median(std)), relative * float(np.percentile(std, 99)), 1.2)
    mask = (std > threshold).view(np.uint8)
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
    mask = closed(mask.astype(bool), 9)
    found = components(mask)
    mass = np.bincount(found.labels.ravel(), weights=std.ravel(), minlength=len(found.areas))
    mass[0] = 0
    keep = (mass > 0.25 * mass.max()) & (found.areas > 0.004 * std.size)
    keep[0] = False
    return np.asarray(keep[found.labels], bool)


def _grown(core: BoolImage, std: FloatImage) -> BoolImage:
    low = std > max(3 * float(np.median(std)), 0.03 * float(np.percentile(std, 99)), 1.2)
    low = opened(closed(low, 3), 7) | core
    found = components(low)
    keep = np.zeros(len(found.areas), bool)
    keep[np.unique(found.labels[core])] = True
    keep[0] = False
    return np.asarray(keep[found.labels], bool)
