"""Stage 4: every round-1 label on frames at 2 FPS; an empty box abstains for its anchor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.anchors import anchors_of
from sparkle.generation.step import Step, Work
from sparkle.schemas import records as r
from sparkle.schemas.layout import SOURCE_VIDEO


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
