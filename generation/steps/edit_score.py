"""Stage 2: how well the first frame was edited (EditScore; upstream keeps overall >= 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.step import Step, Work
from sparkle.schemas import records as r
from sparkle.schemas.layout import EDITED_FRAME0, SOURCE_FRAME0, SOURCE_VIDEO


@dataclass
class EditScore(Step):
    """source_frame0, edited_frame0 -> scores from 0 to 10."""

    name: ClassVar[str] = "edit_score"
    capability: ClassVar[str | None] = "image_scorer"
    needs = ("compose",)
    reads = (SOURCE_VIDEO, SOURCE_FRAME0, EDITED_FRAME0)

    def measure(self, work: Work) -> r.ImageScore:
        """Score the edited first frame."""
        score: r.ImageScore = self.backend.score_edit(
            work.read(SOURCE_FRAME0), work.read(EDITED_FRAME0), work.prompt, clip=work.read(SOURCE_VIDEO)
        )
        return score
