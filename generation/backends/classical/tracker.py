"""The classical `tracker`: GrabCut on each anchor, then optical flow both ways.

By motion alone an anchor's mask is no surer than what is carried to its frame, so each anchor makes a pass of
its own over the whole clip, and they vote. Where a network has looked at the anchors, their masks are surer:
those that agree with the others are carried from each to the next, and the passes are one. Where motion does
not bring one to the next, the network looks at the frame between them, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from sparkle.generation.backend import Anchors, Identity
from sparkle.generation.backends.classical.activity import Activity, Evidence, measure_activity, roams
from sparkle.generation.backends.classical.filters import (
    Box,
    bounding_box,
    map_in_threads,
    read_working,
    to_pixel_box,
)
from sparkle.generation.backends.classical.propagate import (
    Flows,
    carry_between,
    compute_flows,
    hard_mask,
    propagate,
    refine_frame,
)
from sparkle.generation.backends.classical.segment import (
    CHANGED_SHARE,
    SEEN,
    Usual,
    changed,
    pieces_on,
    segment_in_box,
)
from sparkle.generation.backends.classical.subjects import ByMotion, Look
from sparkle.media import Floats, Mask, Pixels
from sparkle.media.decode import iter_frames


@dataclass
class Backend(ByMotion):
    """The classical `tracker`.

    Args:
        trusted_boxes: The boxes enclose the subject tightly (a detector's, not the classical `vlm`'s).
    """

    trusted_boxes: bool = False

    identity: ClassVar[Identity] = Identity("opencv/GrabCut+DIS", "2")

    def passes(self, clip: Path, anchors: Anchors) -> Iterator[Mask]:
        """Yield one pass per anchor at working size, empty where its boxes hold nothing."""
        frames = read_working(clip)
        shape = (frames.shape[1], frames.shape[2])
        activity = measure_activity(frames)
        boxed = {t: [to_pixel_box(item.bbox_2d, shape) for item in objects] for t, objects in anchors}
        seen = bool(self.maps(frames, list(boxed)[:1]))
        flows = compute_flows(frames, fast=seen)

        if seen:
            followed = follow_seen(frames, activity, flows, boxed, self.maps, trusted=self.trusted_boxes)
            yield from (followed for _ in boxed)
            return

        def one(anchor: tuple[int, Sequence[Box]]) -> Mask:
            return follow(frames, activity, flows, *anchor, trusted=self.trusted_boxes)

        yield from map_in_threads(one, boxed.items())

    def finish(self, clip: Path, voted: Mask) -> Mask:
        """Refine the voted masks and bring them to the clip's size along its edges."""

        def one(pair: tuple[Pixels, Mask]) -> Mask:
            full, mask = pair
            small = cv2.resize(full, mask.shape[::-1], interpolation=cv2.INTER_AREA)
            return hard_mask(full, refine_frame(np.asarray(small, np.uint8), mask))

        return np.stack(list(map_in_threads(one, zip(iter_frames(clip), voted, strict=True))))


def follow(
    frames: Pixels,
    activity: Activity,
    flows: Flows,
    anchor: int,
    boxes: Sequence[Box],
    *,
    trusted: bool,
    seen: Floats | None = None,
) -> Mask:
    """Cut out what is in some boxes of a frame and follow it through a clip: one pass of the vote.

    Args:
        frames: uint8 RGB (T, h, w, 3) at the working size: a clip, or its beginning.
        activity: Of the whole clip.
        flows: Of `frames`.
        anchor: The index of the frame that the boxes are on.
        boxes: In working pixels.
        trusted: See `segment_in_box`.
        seen: Likewise.

    Returns:
        bool (T, h, w), all boxes' subjects together; all false where the boxes hold nothing.
    """
    mask = _cut(frames, activity, anchor, boxes, trusted=trusted, seen=seen)
    if not mask.any():
        return np.zeros(frames.shape[:3], bool)
    return propagate(frames, flows, anchor, mask, _evidence(activity, {anchor: boxes}))


def follow_seen(
    frames: Pixels,
    activity: Activity,
    flows: Flows,
    boxed: Mapping[int, Sequence[Box]],
    look: Look,
    *,
    trusted: bool,
) -> Mask:
    """Cut out what is in the boxes of some frames that a network looks at, and carry it between them.

    Where motion loses something between two of them, the network looks again.

    Args:
        frames: uint8 RGB (T, h, w, 3) at the working size: a clip.
        activity: Of the clip.
        flows: Of the clip.
        boxed: By frame, in working pixels.
        look: Sees what stands out on a frame.
        trusted: See `segment_in_box`.

    Returns:
        bool (T, h, w); all false where no box holds anything.
    """
    maps = look(frames, list(boxed))
    usual = Usual.of(maps, frames, activity)
    maps = usual.settle(maps, frames, activity)

    def one(t: int) -> Mask:
        return _cut(frames, activity, t, boxed[t], trusted=trusted, seen=maps[t])

    cuts = dict(zip(boxed, map_in_threads(one, boxed), strict=True))
    cuts = {t: mask for t, mask in cuts.items() if mask.any()}
    if not cuts:
        return np.zeros(frames.shape[:3], bool)
    evidence = _evidence(activity, {t: boxed[t] for t in cuts})
    if evidence is not None:  # what is covered may be so by a shadow, which does not stand out
        evidence = evidence._replace(covered=np.zeros_like(evidence.covered))

    def between(t: int) -> Mask:
        beside = (max(k for k in cuts if k < t), min(k for k in cuts if k > t))
        seen = usual.settle(look(frames, [t]), frames, activity)[t]
        moved = pieces_on(seen > SEEN, changed(activity, t), CHANGED_SHARE)  # it may be where neither was
        box = bounding_box(np.logical_or.reduce([moved, *(cuts[k] for k in beside)]))
        return _cut(frames, activity, t, [box] if box else [], trusted=False, seen=seen)

    return carry_between(frames, flows, cuts, evidence, between)


def _cut(
    frames: Pixels, activity: Activity, t: int, boxes: Sequence[Box], *, trusted: bool, seen: Floats | None
) -> Mask:
    mask = np.zeros(frames.shape[1:3], bool)
    for box in boxes:
        mask |= segment_in_box(frames[t], box, activity, t, trusted=trusted, seen=seen)
    return mask


def _evidence(activity: Activity, boxed: Mapping[int, Sequence[Box]]) -> Evidence | None:
    """Return what is known of subjects that all roam, on most of these frames."""
    roaming = [all(roams(activity.luma, t, box) for box in boxes) for t, boxes in boxed.items()]
    return activity.evidence if 2 * sum(roaming) > len(roaming) else None
