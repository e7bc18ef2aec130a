"""Stage 2: describe the first frame and settle on an instruction, given or composed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.step import Step, Work
from sparkle.schemas import records as r
from sparkle.schemas.layout import SOURCE_FRAME0


@dataclass
class Compose(Step):
    """source_frame0, theme, prompt? -> prompt and metadata."""

    name: ClassVar[str] = "compose"
    capability: ClassVar[str | None] = "vlm"
    reads = (SOURCE_FRAME0,)

    def measure(self, work: Work) -> r.ComposeRecord:
        """Compose the instruction, or describe the one that is given."""
        candidate = work.sample.candidate
        frame = work.read(SOURCE_FRAME0)
        record: r.ComposeRecord = self.backend.compose(frame, candidate.theme, candidate.prompt, work.seed)
        return record
