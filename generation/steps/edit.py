"""Stage 2: replace the background of the first frame as the instruction says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.step import Step, Work
from sparkle.media.images import write_png
from sparkle.schemas import records as r
from sparkle.schemas.layout import EDITED_FRAME0, SOURCE_FRAME0, SOURCE_VIDEO


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
