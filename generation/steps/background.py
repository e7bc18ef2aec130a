"""Stage 3: the background alone, and alive.

- `ground1`: labels and boxes of the foreground, from the first-frame pair.
- `remove`: the labelled foreground is taken out of the edited first frame.
- `remove_score`: how well that was done (EditScore; upstream keeps overall >= 8.5).
- `animate`: the empty background is brought to life, as many frames as the source has.
"""

from __future__ import annotations

from sparkle.generation.backend import ImageEditorBackend, ImageScorerBackend, ImageToVideoBackend, VlmBackend
from sparkle.generation.steps.base import Step, Work
from sparkle.media.encode import encode
from sparkle.media.images import write_png
from sparkle.schemas import records as r
from sparkle.schemas.errors import SampleError
from sparkle.schemas.layout import (
    BACKGROUND_VIDEO,
    EDITED_FRAME0,
    FOREGROUND_REMOVED,
    SOURCE_FRAME0,
    SOURCE_VIDEO,
)


class Ground1(Step[VlmBackend]):
    """source_frame0, edited_frame0 -> round-1 labels and boxes."""

    name = "ground1"
    capability = "vlm"
    needs = ("compose",)
    reads = (SOURCE_VIDEO, SOURCE_FRAME0, EDITED_FRAME0)

    def measure(self, work: Work) -> r.Ground1Record:
        """Ground the foreground on the first frame."""
        return self.backend.ground_first(
            work.read(SOURCE_VIDEO), work.read(SOURCE_FRAME0), work.read(EDITED_FRAME0), work.prompt
        )


class Remove(Step[ImageEditorBackend]):
    """edited_frame0 and round-1 objects -> edited_frame0_foreground_removed."""

    name = "remove"
    capability = "image_editor"
    needs = ("compose", "ground1")
    reads = (EDITED_FRAME0,)
    seed_scope = "scene"

    def measure(self, work: Work) -> r.MadeRecord:
        """Remove the foreground."""
        objects = work.record(r.Ground1Record).round1_objects
        made = self.backend.remove(work.read(EDITED_FRAME0), objects, work.prompt, work.seed)
        if made.image is not None:
            with work.write(FOREGROUND_REMOVED) as path:
                write_png(path, made.image)
        return r.MadeRecord(made.details)


class ScoreRemoval(Step[ImageScorerBackend]):
    """edited_frame0, edited_frame0_foreground_removed -> scores from 0 to 10."""

    name = "remove_score"
    capability = "image_scorer"
    needs = ("compose", "ground1")
    reads = (EDITED_FRAME0, FOREGROUND_REMOVED)

    def measure(self, work: Work) -> r.ImageScore:
        """Score the removal."""
        objects = work.record(r.Ground1Record).round1_objects
        return self.backend.score_removal(
            work.read(EDITED_FRAME0), work.read(FOREGROUND_REMOVED), objects, work.prompt
        )


class Animate(Step[ImageToVideoBackend]):
    """edited_frame0_foreground_removed -> edited_background_video."""

    name = "animate"
    capability = "image_to_video"
    needs = ("normalise", "compose")
    reads = (FOREGROUND_REMOVED,)
    decided_by = ("encoding",)
    seed_scope = "scene"

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
