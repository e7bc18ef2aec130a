"""The classical `tracker`: GrabCut on each anchor, then optical flow both ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from sparkle.generation.backend import Anchors, Identity
from sparkle.generation.backends.classical.activity import Activity, measure_activity, roams
from sparkle.generation.backends.classical.filters import Box, map_in_threads, read_working, to_pixel_box
from sparkle.generation.backends.classical.propagate import (
    Flows,
    compute_flows,
    hard_mask,
    propagate,
    refine_frame,
)
from sparkle.generation.backends.classical.segment import segment_in_box
from sparkle.generation.backends.classical.subjects import ByMotion
from sparkle.media import Floats, Mask, Pixels
from sparkle.media.decode import iter_frames
from sparkle.schemas import records as r


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
        maps = self.maps(frames, [t for t, _ in anchors])
        flows = compute_flows(frames, fast=bool(maps))

        def one(anchor: tuple[int, Sequence[r.GroundedObject]]) -> Mask:
            t, objects = anchor
            boxes = [to_pixel_box(item.bbox_2d, shape) for item in objects]
            return follow(frames, activity, flows, t, boxes, trusted=self.trusted_boxes, seen=maps.get(t))

        yield from map_in_threads(one, anchors)

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
    mask = np.zeros(frames.shape[1:3], bool)
    for box in boxes:
        mask |= segment_in_box(frames[anchor], box, activity, anchor, trusted=trusted, seen=seen)
    if not mask.any():
        return np.zeros(frames.shape[:3], bool)
    roaming = all(roams(activity.luma, anchor, box) for box in boxes)
    return propagate(frames, flows, anchor, mask, activity.evidence if roaming else None)
