"""Stage 3: take the labelled foreground out of the edited first frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.step import Step, Work
from sparkle.media.images import write_png
from sparkle.schemas import records as r
from sparkle.schemas.layout import EDITED_FRAME0, FOREGROUND_REMOVED


@dataclass
class Remove(Step):
    """edited_frame0 and round-1 objects -> edited_frame0_foreground_removed."""

    name: ClassVar[str] = "remove"
    capability: ClassVar[str | None] = "image_editor"
    needs = ("compose", "ground1")
    reads = (EDITED_FRAME0,)
    seed_scope: ClassVar[str | None] = "scene"

    def measure(self, work: Work) -> r.MadeRecord:
        """Remove the foreground."""
        objects = work.record(r.Ground1Record).round1_objects
        made = self.backend.remove(work.read(EDITED_FRAME0), objects, work.prompt, work.seed)
        with work.write(FOREGROUND_REMOVED) as path:
            write_png(path, made.image)
        return r.MadeRecord(made.details)
