"""Stage 5: how well four frames of the video were edited (EditScore; upstream keeps the mean >= 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.step import Step, Work
from sparkle.media.frames import score_indices
from sparkle.schemas import records as r
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO, SOURCE_VIDEO_MASK


@dataclass
class VideoScore(Step):
    """source_video, edited_video -> scores of four frames."""

    name: ClassVar[str] = "video_score"
    capability: ClassVar[str | None] = "image_scorer"
    needs = ("normalise", "compose")
    reads = (SOURCE_VIDEO, EDITED_VIDEO, SOURCE_VIDEO_MASK)

    def measure(self, work: Work) -> r.VideoScore:
        """Score the edited video."""
        indices = score_indices(work.record(r.NormaliseRecord).frames)
        scores = self.backend.score_frames(
            work.read(SOURCE_VIDEO),
            work.read(EDITED_VIDEO),
            work.read(SOURCE_VIDEO_MASK),
            work.prompt,
            indices,
        )
        return r.VideoScore(indices, scores)
