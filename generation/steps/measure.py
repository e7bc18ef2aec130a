"""Stage 5: what four scored frames cannot see: liveness, inside and outside what is asked for; fidelity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.step import Step, Work
from sparkle.media.measure_clip import measure_clip
from sparkle.schemas import records as r
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO, SOURCE_VIDEO_MASK


@dataclass
class Measure(Step):
    """source_video, edited_video, source_video_mask and the prompt -> measures."""

    name: ClassVar[str] = "measure"
    version: ClassVar[int] = 2
    needs = ("compose",)
    reads = (SOURCE_VIDEO, EDITED_VIDEO, SOURCE_VIDEO_MASK)

    def measure(self, work: Work) -> r.MeasureRecord:
        """Measure the edited video."""
        return measure_clip(
            work.read(SOURCE_VIDEO), work.read(EDITED_VIDEO), work.read(SOURCE_VIDEO_MASK), work.prompt
        )
