"""Tracks by cutting out and following: GrabCut on each anchor, then optical flow both ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from sparkle.generation.capabilities import Anchors, Identity, Masks
from sparkle.generation.classical.activity import measure_activity
from sparkle.generation.classical.propagate import compute_flows, propagate, refine
from sparkle.generation.classical.segment import segment_in_box
from sparkle.generation.classical.upsample import hard_mask
from sparkle.generation.classical.working import read_working, to_pixel_box
from sparkle.media.decode import iter_frames


@dataclass
class Backend:
    """The classical `tracker`.

    Args:
        trusted_boxes: The boxes enclose the subject tightly (a detector's, not the classical `vlm`'s).
    """

    trusted_boxes: bool = False

    identity: ClassVar[Identity] = Identity("opencv/GrabCut+DIS", "1")

    def setup(self) -> None:
        """Nothing to load."""

    def passes(self, clip: Path, anchors: Anchors) -> Iterator[Masks]:
        """Yield one pass an anchor at working size; an anchor whose boxes hold nothing abstains."""
        frames = read_working(clip)
        shape = (frames.shape[1], frames.shape[2])
        activity = measure_activity(frames)
        flows = compute_flows(frames)
        for t, objects in anchors:
            mask = np.zeros(shape, bool)
            for item in objects:
                box = to_pixel_box(item.bbox_2d, shape)
                mask |= segment_in_box(frames[t], box, activity, t, trusted=self.trusted_boxes)
            if mask.any():
                yield propagate(frames, flows, t, mask)

    def finish(self, clip: Path, voted: Masks) -> Masks:
        """Refine the voted masks and bring them to the clip's size along its edges."""
        refined = refine(read_working(clip), voted)
        return np.stack(
            [hard_mask(full, mask) for full, mask in zip(iter_frames(clip), refined, strict=True)]
        )
