"""Stage 4: BAIT. One pass an anchor frame, both directions, then the pixel majority vote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.anchors import anchors_of
from sparkle.generation.bait import majority_vote
from sparkle.generation.step import Step, Work
from sparkle.media.mask import save_mask
from sparkle.schemas import records as r
from sparkle.schemas.layout import SOURCE_VIDEO, SOURCE_VIDEO_MASK


@dataclass
class Track(Step):
    """source_video and the anchors' boxes -> source_video_mask."""

    name: ClassVar[str] = "track"
    capability: ClassVar[str | None] = "tracker"
    needs = ("normalise", "ground2")
    reads = (SOURCE_VIDEO,)

    def measure(self, work: Work) -> r.TrackRecord:
        """Track from every anchor that has a box, and vote."""
        clip = work.read(SOURCE_VIDEO)
        indices = anchors_of(work.record(r.NormaliseRecord))
        found = zip(indices, work.record(r.Ground2Record).frame_objects, strict=True)
        anchors = [(index, tuple(item for item in objects if item.bbox_2d)) for index, objects in found]
        speaking = [(index, objects) for index, objects in anchors if objects]
        masks = self.backend.finish(clip, majority_vote(self.backend.passes(clip, speaking)))
        with work.write(SOURCE_VIDEO_MASK) as path:
            save_mask(path, masks)
        return r.TrackRecord(
            anchors=tuple(index for index, _ in speaking),
            abstained=tuple(index for index, objects in anchors if not objects),
            coverage=round(float(masks.mean()), 6),
            empty_frames=int((~masks.any(axis=(1, 2))).sum()),
        )
