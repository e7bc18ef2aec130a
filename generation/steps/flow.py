"""Stage 1: how the camera moves, by optical flow and a robust fit; once a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.step import Step, Work
from sparkle.schemas import records as r
from sparkle.schemas.layout import SOURCE_VIDEO


@dataclass
class Flow(Step):
    """source_video -> displacements; the rules keep out a moving camera."""

    name: ClassVar[str] = "flow"
    capability: ClassVar[str | None] = "flow"
    reads = (SOURCE_VIDEO,)
    per_source: ClassVar[bool] = True

    def measure(self, work: Work) -> r.FlowRecord:
        """Measure the camera's motion."""
        record: r.FlowRecord = self.backend.camera_motion(work.read(SOURCE_VIDEO))
        return record
