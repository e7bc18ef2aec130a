"""Stage 2: describe the first frame and settle on an instruction, given or composed.

Stage 2: replace the background of the first frame as the instruction says.

Stage 2: how well the first frame was edited (EditScore; upstream keeps overall >= 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sparkle.generation.steps.base import Step, Work
from sparkle.generation.taxonomy import taxonomy_sha256
from sparkle.media.images import write_png
from sparkle.schemas import records as r
from sparkle.schemas.layout import EDITED_FRAME0, SOURCE_FRAME0, SOURCE_VIDEO


@dataclass
class Compose(Step):
    """source_frame0, theme, prompt? -> prompt and metadata."""

    name: ClassVar[str] = "compose"
    capability: ClassVar[str | None] = "vlm"
    reads = (SOURCE_FRAME0,)

    def settings(self) -> dict[str, Any]:
        """The taxonomy that is chosen from."""
        return {"taxonomy": taxonomy_sha256()}

    def measure(self, work: Work) -> r.ComposeRecord:
        """Compose the instruction, or describe the one that is given."""
        candidate = work.sample.candidate
        frame = work.read(SOURCE_FRAME0)
        record: r.ComposeRecord = self.backend.compose(frame, candidate.theme, candidate.prompt, work.seed)
        return record


# --- stage 2 ---------------------------------------------------------------------------------------


@dataclass
class Edit(Step):
    """source_frame0 -> edited_frame0."""

    name: ClassVar[str] = "edit"
    capability: ClassVar[str | None] = "image_editor"
    needs = ("compose",)
    reads = (SOURCE_VIDEO, SOURCE_FRAME0)
    # One scene a sample: edit, remove and animate draw the same one.
    seed_scope: ClassVar[str | None] = "scene"

    def measure(self, work: Work) -> r.MadeRecord:
        """Edit the first frame."""
        made = self.backend.edit(
            work.read(SOURCE_FRAME0), work.prompt, work.seed, clip=work.read(SOURCE_VIDEO)
        )
        with work.write(EDITED_FRAME0) as path:
            write_png(path, made.image)
        return r.MadeRecord(made.details)


# --- stage 2 ---------------------------------------------------------------------------------------


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
