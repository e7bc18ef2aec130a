"""Stage 4: BAIT. Every label on anchor frames, one tracking pass per anchor, and the pixel majority vote.

- Anchors are frames at 2 FPS; each is looked at in the grounding's round 2 and starts a pass in both
  directions. One without a box abstains, and so does one whose pass finds nothing on any frame.
- Ablation `[track] passes = "first"`: the vote is of the first pass that finds something alone, and no anchor
  behind it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sparkle.generation.backend import Anchors, TrackerBackend, VlmBackend
from sparkle.generation.bait import majority_vote
from sparkle.generation.config import FIRST_PASS
from sparkle.generation.steps.base import Step, Work
from sparkle.media import Mask
from sparkle.media.frames import anchor_indices
from sparkle.media.mask import save_mask
from sparkle.schemas import records as r
from sparkle.schemas.canonical import plain
from sparkle.schemas.layout import SOURCE_VIDEO, SOURCE_VIDEO_MASK


class Ground2(Step[VlmBackend]):
    """source_video and round 1 -> boxes on every anchor frame."""

    name = "ground2"
    capability = "vlm"
    needs = ("normalise", "ground1")
    reads = (SOURCE_VIDEO,)

    def measure(self, work: Work) -> r.Ground2Record:
        """Find every label again on every anchor frame."""
        clip = work.record(r.NormaliseRecord)
        anchors = anchor_indices(clip.frames, clip.fps)
        first = work.record(r.Ground1Record)
        return self.backend.ground_frames(work.read(SOURCE_VIDEO), first, anchors)


class Track(Step[TrackerBackend]):
    """source_video and the anchors' boxes -> source_video_mask."""

    name = "track"
    capability = "tracker"
    needs = ("normalise", "ground2")
    reads = (SOURCE_VIDEO,)

    def settings(self) -> dict[str, Any]:
        """Return which passes vote."""
        settings: dict[str, Any] = plain(self.config.track)
        return settings

    def measure(self, work: Work) -> r.TrackRecord:
        """Track from every anchor that has a box, and vote."""
        clip, made = work.read(SOURCE_VIDEO), work.record(r.NormaliseRecord)
        indices = anchor_indices(made.frames, made.fps)
        boxed = work.record(r.Ground2Record).frame_objects
        anchors = [
            (index, tuple(item for item in objects if item.bbox_2d))
            for index, objects in zip(indices, boxed, strict=True)
        ]
        voted, spoke = self._vote(clip, [anchor for anchor in anchors if anchor[1]])
        masks = self.backend.finish(clip, voted)
        with work.write(SOURCE_VIDEO_MASK) as path:
            save_mask(path, masks)
        last = spoke[-1] if self._first_only else indices[-1]
        return r.TrackRecord(
            anchors=tuple(spoke),
            abstained=tuple(index for index in indices if index <= last and index not in spoke),
            coverage=round(float(masks.mean()), 6),
            empty_frames=int((~masks.any(axis=(1, 2))).sum()),
        )

    @property
    def _first_only(self) -> bool:
        return self.config.track.passes == FIRST_PASS

    def _vote(self, clip: Path, anchors: Anchors) -> tuple[Mask, list[int]]:
        """Return the majority at working size, and the anchors whose passes it is of."""
        spoke: list[int] = []

        def passes() -> Iterator[Mask]:
            for (index, _), masks in zip(anchors, self.backend.passes(clip, anchors), strict=True):
                if masks.any():
                    spoke.append(index)
                    yield masks

        return majority_vote(islice(passes(), 1) if self._first_only else passes()), spoke
