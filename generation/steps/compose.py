"""Stage 2: describe the first frame and settle on an instruction, given or composed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sparkle.generation.step import Step, Work
from sparkle.schemas import records as r
from sparkle.schemas.layout import SOURCE_FRAME0
from sparkle.schemas.taxonomy import taxonomy_sha256


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
