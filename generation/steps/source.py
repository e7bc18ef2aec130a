"""Before the stages and stage 1: a source in the dataset's form, and how its camera moves.

- `normalise`: 16 fps by timestamp, rotation applied, even sides, yuv420p, the first 4k+1 <= 81 frames; a file
  that already conforms is copied byte for byte (see `sparkle.media.normalise`). The first frame is kept.
- `flow`: how the camera moves, by optical flow and a robust fit; once per source.
- `camera`: a second opinion on the camera, with its reasoning; once per source.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from sparkle.generation.backend import FlowBackend, VlmBackend
from sparkle.generation.steps.base import Step, Work
from sparkle.media.decode import iter_frames
from sparkle.media.images import write_png
from sparkle.media.normalise import normalise
from sparkle.schemas import records as r
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import SourceGoneError
from sparkle.schemas.layout import SOURCE_FRAME0, SOURCE_VIDEO
from sparkle.schemas.load import load


class Normalise(Step[None]):
    """Source file -> source_video, source_frame0."""

    name = "normalise"
    version = 3
    decided_by = ("source", "encoding")

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


class Flow(Step[FlowBackend]):
    """source_video -> displacements; the rules keep out a moving camera."""

    name = "flow"
    capability = "flow"
    reads = (SOURCE_VIDEO,)
    per_source = True

    def measure(self, work: Work) -> r.FlowRecord:
        """Measure the camera's motion."""
        return self.backend.camera_motion(work.read(SOURCE_VIDEO))


class Camera(Step[VlmBackend]):
    """source_video and its flow -> fixed or not, and why."""

    name = "camera"
    capability = "vlm"
    needs = ("flow",)
    reads = (SOURCE_VIDEO,)
    per_source = True

    def measure(self, work: Work) -> r.CameraRecord:
        """Ask whether the camera is fixed."""
        return self.backend.check_camera(work.read(SOURCE_VIDEO), work.record(r.FlowRecord))
