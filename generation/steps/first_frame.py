"""Stage 2: an instruction, the first frame edited by it, and how well (EditScore; upstream keeps >= 8)."""

from __future__ import annotations

from typing import Any

from sparkle.generation.backend import ImageEditorBackend, ImageScorerBackend, VlmBackend
from sparkle.generation.steps.base import Step, Work
from sparkle.generation.taxonomy import taxonomy_sha256
from sparkle.media.images import write_png
from sparkle.schemas import records as r
from sparkle.schemas.layout import EDITED_FRAME0, SOURCE_FRAME0, SOURCE_VIDEO


class Compose(Step[VlmBackend]):
    """source_frame0, theme, prompt? -> prompt and metadata."""

    name = "compose"
    capability = "vlm"
    reads = (SOURCE_FRAME0,)

    def settings(self) -> dict[str, Any]:
        """Return the taxonomy that is chosen from."""
        return {"taxonomy": taxonomy_sha256()}

    def measure(self, work: Work) -> r.ComposeRecord:
        """Compose the instruction, or describe the one that is given."""
        candidate = work.sample.candidate
        frame = work.read(SOURCE_FRAME0)
        return self.backend.compose(frame, candidate.theme, candidate.prompt, work.seed)


class Edit(Step[ImageEditorBackend]):
    """source_frame0 -> edited_frame0."""

    name = "edit"
    capability = "image_editor"
    needs = ("compose",)
    reads = (SOURCE_VIDEO, SOURCE_FRAME0)
    # One scene a sample: edit, remove and animate draw the same one.
    seed_scope = "scene"

    def measure(self, work: Work) -> r.MadeRecord:
        """Edit the first frame."""
        made = self.backend.edit(
            work.read(SOURCE_FRAME0), work.prompt, work.seed, clip=work.read(SOURCE_VIDEO)
        )
        if made.image is not None:
            with work.write(EDITED_FRAME0) as path:
                write_png(path, made.image)
        return r.MadeRecord(made.details)


class ScoreEdit(Step[ImageScorerBackend]):
    """source_frame0, edited_frame0 -> scores from 0 to 10."""

    name = "edit_score"
    capability = "image_scorer"
    needs = ("compose",)
    reads = (SOURCE_VIDEO, SOURCE_FRAME0, EDITED_FRAME0)

    def measure(self, work: Work) -> r.ImageScore:
        """Score the edited first frame."""
        return self.backend.score_edit(
            work.read(SOURCE_FRAME0), work.read(EDITED_FRAME0), work.prompt, clip=work.read(SOURCE_VIDEO)
        )
