"""Before the stages: bring a source to the dataset's form, and keep its first frame.

16 fps by timestamp, rotation applied, even sides, yuv420p, the first 4k+1 <= 81 frames; a file that
already conforms is copied byte for byte (see `sparkle.media.normalise`).

Stage 1: how the camera moves, by optical flow and a robust fit; once a source.

Stage 1: a second opinion on the camera, with its reasoning; once a source.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from sparkle.generation.steps.base import Step, Work
from sparkle.media.decode import iter_frames
from sparkle.media.images import write_png
from sparkle.media.normalise import normalise
from sparkle.schemas import records as r
from sparkle.schemas.canonical import plain, sha256_file
from sparkle.schemas.errors import SourceGoneError
from sparkle.schemas.layout import SOURCE_FRAME0, SOURCE_VIDEO
from sparkle.schemas.load import load


@dataclass
class Normalise(Step):
    """Source file -> source_video, source_frame0."""

    name: ClassVar[str] = "normalise"
    version: ClassVar[int] = 2

    def settings(self) -> dict[str, Any]:
        """The form of a source and the encoding."""
        return {"source": plain(self.config.source), "encoding": plain(self.config.encoding)}

    def measure(self, work: Work) -> r.NormaliseRecord:
        """Normalise, or report a clip that is too short without writing it."""
        source = Path(work.sample.source.path)
        _refuse_changed(source, work.sample.source.sha256)
        with work.write(SOURCE_VIDEO) as clip:
            made = normalise(source, clip, self.config.source, self.config.encoding)
        if made.frames >= self.config.source.min_frames:
            with work.write(SOURCE_FRAME0) as image:
                write_png(image, next(iter_frames(work.read(SOURCE_VIDEO))))
        least = self.config.source.min_frames
        return load(r.NormaliseRecord, {**asdict(made), "min_frames": least})


def _refuse_changed(source: Path, sha256: str) -> None:
    if not source.is_file() or sha256_file(source) != sha256:
        raise SourceGoneError(
            "the source is gone or has changed since it was listed",
            wanted=f"sha256 {sha256}",
            where=source,
            fix="restore the file; a changed file is a new source",
        )


# --- stage 1 ---------------------------------------------------------------------------------------


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


# --- stage 1 ---------------------------------------------------------------------------------------


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
