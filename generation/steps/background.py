"""Stage 3: labels and boxes of the foreground, from the first-frame pair.

Stage 3: take the labelled foreground out of the edited first frame.

Stage 3: how well the foreground was removed (EditScore; upstream keeps overall >= 8.5).

Stage 3: bring the empty background to life, as many frames as the source has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sparkle.generation.steps.base import Step, Work
from sparkle.media.encode import encode
from sparkle.media.images import write_png
from sparkle.schemas import records as r
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import SampleError
from sparkle.schemas.layout import (
    BACKGROUND_VIDEO,
    EDITED_FRAME0,
    FOREGROUND_REMOVED,
    SOURCE_FRAME0,
    SOURCE_VIDEO,
)


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


# --- stage 3 ---------------------------------------------------------------------------------------


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


# --- stage 3 ---------------------------------------------------------------------------------------


@dataclass
class RemoveScore(Step):
    """edited_frame0, edited_frame0_foreground_removed -> scores from 0 to 10."""

    name: ClassVar[str] = "remove_score"
    capability: ClassVar[str | None] = "image_scorer"
    needs = ("compose", "ground1")
    reads = (EDITED_FRAME0, FOREGROUND_REMOVED)

    def measure(self, work: Work) -> r.ImageScore:
        """Score the removal."""
        objects = work.record(r.Ground1Record).round1_objects
        score: r.ImageScore = self.backend.score_removal(
            work.read(EDITED_FRAME0), work.read(FOREGROUND_REMOVED), objects, work.prompt
        )
        return score


# --- stage 3 ---------------------------------------------------------------------------------------


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
        return {"encoding": plain(self.config.encoding)}

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
