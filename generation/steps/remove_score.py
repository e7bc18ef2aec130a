"""Stage 3: how well the foreground was removed (EditScore; upstream keeps overall >= 8.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.step import Step, Work
from sparkle.schemas import records as r
from sparkle.schemas.layout import EDITED_FRAME0, FOREGROUND_REMOVED


@dataclass
class RemoveScore(Step):
    """edited_frame0, edited_frame0_foreground_removed -> scores from 0 to 10."""

    name: ClassVar[str] = "remove_score"
    capability: ClassVar[str | None] = "image_scorer"
    needs = ("compose", "ground1")
    reads = (EDITED_FRAME0, FOREGROUND_REMOVED)

    def measure(self, work: Work) -> r.ImageScore:
        """Score the removal."""
        objects = work.record(r.Ground1Record).round1_objects
        score: r.ImageScore = self.backend.score_removal(
            work.read(EDITED_FRAME0), work.read(FOREGROUND_REMOVED), objects, work.prompt
        )
        return score
