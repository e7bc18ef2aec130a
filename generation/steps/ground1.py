"""Stage 3: labels and boxes of the foreground, from the first-frame pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.step import Step, Work
from sparkle.schemas import records as r
from sparkle.schemas.layout import EDITED_FRAME0, SOURCE_FRAME0, SOURCE_VIDEO


@dataclass
class Ground1(Step):
    """source_frame0, edited_frame0 -> round-1 labels and boxes."""

    name: ClassVar[str] = "ground1"
    capability: ClassVar[str | None] = "vlm"
    needs = ("compose",)
    reads = (SOURCE_VIDEO, SOURCE_FRAME0, EDITED_FRAME0)

    def measure(self, work: Work) -> r.Ground1Record:
        """Ground the foreground on the first frame."""
        record: r.Ground1Record = self.backend.ground_first(
            work.read(SOURCE_VIDEO), work.read(SOURCE_FRAME0), work.read(EDITED_FRAME0), work.prompt
        )
        return record
