"""Stage 1: a second opinion on the camera, with its reasoning; once a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.step import Step, Work
from sparkle.schemas import records as r
from sparkle.schemas.layout import SOURCE_VIDEO


@dataclass
class Camera(Step):
    """source_video and its flow -> fixed or not, and why."""

    name: ClassVar[str] = "camera"
    capability: ClassVar[str | None] = "vlm"
    needs = ("flow",)
    reads = (SOURCE_VIDEO,)
    per_source: ClassVar[bool] = True

    def measure(self, work: Work) -> r.CameraRecord:
        """Ask whether the camera is fixed."""
        motion = work.record(r.FlowRecord)
        record: r.CameraRecord = self.backend.check_camera(work.read(SOURCE_VIDEO), motion)
        return record
