"""Stage 5: make the edited video from its guidance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sparkle.generation.capabilities import Guidance
from sparkle.generation.step import Step, Work
from sparkle.media.encode import encode
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.record import dump_fields


@dataclass
class Synthesize(Step):
    """Everything that was made -> edited_video."""

    name: ClassVar[str] = "synthesize"
    capability: ClassVar[str | None] = "control_to_video"
    needs = ("compose",)
    reads = (
        layout.SOURCE_VIDEO,
        layout.SOURCE_VIDEO_MASK,
        layout.BACKGROUND_VIDEO,
        layout.VIDEO_CANNY,
        layout.EDITED_FRAME0,
        layout.FOREGROUND_REMOVED,
    )

    def settings(self) -> dict[str, Any]:
        """What the guidance speaks of, and the encoding."""
        return {
            "guidance": dump_fields(self.config.guidance),
            "encoding": dump_fields(self.config.encoding),
        }

    def measure(self, work: Work) -> r.MadeRecord:
        """Synthesise the edited video."""
        silent = self.config.guidance.foreground_only
        guidance = Guidance(
            source=work.read(layout.SOURCE_VIDEO),
            mask=work.read(layout.SOURCE_VIDEO_MASK),
            background=None if silent else work.read(layout.BACKGROUND_VIDEO),
            edges=work.read(layout.VIDEO_CANNY),
            edited_frame0=work.read(layout.EDITED_FRAME0),
            empty_frame0=work.read(layout.FOREGROUND_REMOVED),
            prompt=work.prompt,
        )
        frames = self.backend.synthesize(guidance, work.seed)
        with work.write(layout.EDITED_VIDEO) as path:
            count = encode(frames, path, fps=self.config.source.fps, encoding=self.config.encoding)
        return r.MadeRecord({"frames": count})
