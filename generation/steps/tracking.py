"""Stage 4: every round-1 label on frames at 2 FPS; an empty box abstains for its anchor.

Stage 4: BAIT. One pass an anchor frame, both directions, then the pixel majority vote.

- An anchor abstains when it has no box, or when its pass finds nothing on any frame.
- Ablation `[track] passes = "first"`: the vote is of the first pass that finds something alone, and no anchor
  behind it is looked at.

Anchor frames: grounding round 2 looks at a clip at 2 FPS, and each look starts a tracking pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from sparkle.generation.backend import Anchors, Masks
from sparkle.generation.bait import majority_vote
from sparkle.generation.config import FIRST_PASS
from sparkle.generation.steps.base import Step, Work
from sparkle.media.frames import anchor_indices
from sparkle.media.mask import save_mask
from sparkle.schemas import records as r
from sparkle.schemas.canonical import plain
from sparkle.schemas.layout import SOURCE_VIDEO, SOURCE_VIDEO_MASK
from sparkle.schemas.records import NormaliseRecord


@dataclass
class Ground2(Step):
    """source_video and round 1 -> boxes on every anchor frame."""

    name: ClassVar[str] = "ground2"
    capability: ClassVar[str | None] = "vlm"
    needs = ("normalise", "ground1")
    reads = (SOURCE_VIDEO,)

    def measure(self, work: Work) -> r.Ground2Record:
        """Find every label again on every anchor frame."""
        anchors = anchors_of(work.record(r.NormaliseRecord))
        first = work.record(r.Ground1Record)
        record: r.Ground2Record = self.backend.ground_frames(work.read(SOURCE_VIDEO), first, anchors)
        return record


# --- stage 4 ---------------------------------------------------------------------------------------


@dataclass
class Track(Step):
    """source_video and the anchors' boxes -> source_video_mask."""

    name: ClassVar[str] = "track"
    capability: ClassVar[str | None] = "tracker"
    needs = ("normalise", "ground2")
    reads = (SOURCE_VIDEO,)

    def settings(self) -> dict[str, Any]:
        """Which passes vote."""
        settings: dict[str, Any] = plain(self.config.track)
        return settings

    def measure(self, work: Work) -> r.TrackRecord:
        """Track from every anchor that has a box, and vote."""
        clip = work.read(SOURCE_VIDEO)
        indices = anchors_of(work.record(r.NormaliseRecord))
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

    def _vote(self, clip: Path, anchors: Anchors) -> tuple[Masks, list[int]]:
        """The majority at working size, and the anchors whose passes it is of."""
        spoke: list[int] = []

        def passes() -> Iterator[Masks]:
            for (index, _), masks in zip(anchors, self.backend.passes(clip, anchors), strict=True):
                if masks.any():
                    spoke.append(index)
                    yield masks

        return majority_vote(islice(passes(), 1) if self._first_only else passes()), spoke


# --- anchor frames ---------------------------------------------------------------------------------


_ANCHORS_A_SECOND = 2  # upstream card: every 8th frame at 16 fps


def anchors_of(clip: NormaliseRecord) -> tuple[int, ...]:
    """Indices of a normalised clip's anchor frames, the first is 0."""
    return anchor_indices(clip.frames, max(1, round(clip.fps / _ANCHORS_A_SECOND)))
