"""Stage 3: bring the empty background to life, as many frames as the source has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sparkle.generation.step import Step, Work
from sparkle.media.encode import encode
from sparkle.schemas import records as r
from sparkle.schemas.errors import SampleError
from sparkle.schemas.layout import BACKGROUND_VIDEO, FOREGROUND_REMOVED
from sparkle.schemas.record import dump_fields


@dataclass
class Animate(Step):
    """edited_frame0_foreground_removed -> edited_background_video."""

    name: ClassVar[str] = "animate"
    capability: ClassVar[str | None] = "image_to_video"
    needs = ("normalise", "compose")
    reads = (FOREGROUND_REMOVED,)
    seed_scope: ClassVar[str | None] = "scene"

    def settings(self) -> dict[str, Any]:
        """The encoding."""
        return {"encoding": dump_fields(self.config.encoding)}

    def measure(self, work: Work) -> r.MadeRecord:
        """Animate the background."""
        clip = work.record(r.NormaliseRecord)
        image = work.read(FOREGROUND_REMOVED)
        frames = self.backend.animate(image, work.prompt, clip.frames, clip.fps, work.seed)
        with work.write(BACKGROUND_VIDEO) as path:
            count = encode(frames, path, fps=self.config.source.fps, encoding=self.config.encoding)
            if count < clip.frames:
                raise SampleError(
                    "the background ends early", got=f"{count} frames", wanted=f"{clip.frames} or more"
                )
        return r.MadeRecord({"frames": count})
