"""Tracks by cutting out and following: GrabCut on each anchor, then optical flow both ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from sparkle.generation.capabilities import Anchors, Identity, Image, Masks
from sparkle.generation.classical.activity import measure_activity
from sparkle.generation.classical.follow import follow
from sparkle.generation.classical.propagate import compute_flows, refine_frame
from sparkle.generation.classical.threads import map_in_threads
from sparkle.generation.classical.upsample import hard_mask
from sparkle.generation.classical.working import read_working, to_pixel_box
from sparkle.media.decode import iter_frames
from sparkle.schemas import records as r


@dataclass
class Backend:
    """The classical `tracker`.

    Args:
        trusted_boxes: The boxes enclose the subject tightly (a detector's, not the classical `vlm`'s).
    """

    trusted_boxes: bool = False

    identity: ClassVar[Identity] = Identity("opencv/GrabCut+DIS", "2")

    def setup(self) -> None:
        """Nothing to load."""

    def passes(self, clip: Path, anchors: Anchors) -> Iterator[Masks]:
        """Yield one pass an anchor at working size, empty where its boxes hold nothing."""
        frames = read_working(clip)
        shape = (frames.shape[1], frames.shape[2])
        activity = measure_activity(frames)
        flows = compute_flows(frames)

        def one(anchor: tuple[int, Sequence[r.GroundedObject]]) -> Masks:
            t, objects = anchor
            boxes = [to_pixel_box(item.bbox_2d, shape) for item in objects]
            return follow(frames, activity, flows, t, boxes, trusted=self.trusted_boxes)

        yield from map_in_threads(one, anchors)

    def finish(self, clip: Path, voted: Masks) -> Masks:
        """Refine the voted masks and bring them to the clip's size along its edges."""

        def one(pair: tuple[Image, Masks]) -> Masks:
            full, mask = pair
            small = cv2.resize(full, mask.shape[::-1], interpolation=cv2.INTER_AREA)
            return hard_mask(full, refine_frame(np.asarray(small, np.uint8), mask))

        return np.stack(list(map_in_threads(one, zip(iter_frames(clip), voted, strict=True))))
