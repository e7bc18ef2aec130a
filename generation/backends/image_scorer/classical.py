"""EditScore's record from measured properties: an honest stand-in, on a scale of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from sparkle.generation.capabilities import Identity
from sparkle.generation.classical.first_frame import first_frame_mask
from sparkle.generation.classical.quality import later_index
from sparkle.generation.classical.score import ScoredFrame, score_edit, score_frame, score_removal
from sparkle.generation.classical.upsample import hard_mask
from sparkle.generation.classical.working import read_working, to_pixel_box
from sparkle.media.decode import iter_frames, next_frame
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask
from sparkle.schemas import records as r
from sparkle.schemas.errors import MediaError


@dataclass
class Backend:
    """The classical `image_scorer`."""

    identity: ClassVar[Identity] = Identity(
        "sparkle/classical-score", "2", "measured, not judged: on a scale of its own, not EditScore's"
    )

    def setup(self) -> None:
        """Nothing to load."""

    def score_edit(self, source: Path, edited: Path, prompt: str, *, clip: Path) -> r.ImageScore:
        """Score the first frame, with the subject found by its motion."""
        image = read_png(source)
        mask = hard_mask(image, first_frame_mask(read_working(clip)))
        return score_edit(image, read_png(edited), mask, prompt)

    def score_removal(
        self, edited: Path, removed: Path, objects: Sequence[r.GroundedObject], prompt: str
    ) -> r.ImageScore:
        """Score the removal inside the objects' boxes and outside."""
        image = read_png(edited)
        height, width = image.shape[:2]
        boxes = np.zeros((height, width), bool)
        for item in objects:
            x0, y0, x1, y1 = to_pixel_box(item.bbox_2d, (height, width))
            boxes[y0:y1, x0:x1] = True
        return score_removal(image, read_png(removed), boxes, prompt)

    def score_frames(
        self, source: Path, edited: Path, mask: Path, prompt: str, indices: Sequence[int]
    ) -> tuple[r.FrameScore, ...]:
        """Score some frames, each beside one that shows whether the scene behind it lives."""
        masks = load_mask(mask)
        if max(indices) >= len(masks):
            raise MediaError("the clip has no such frame", got=max(indices), wanted=len(masks), where=mask)
        later = {index: later_index(index, len(masks)) for index in indices}
        sources, edits = _pick(source, indices), _pick(edited, (*indices, *later.values()))
        return tuple(
            score_frame(ScoredFrame(sources[t], edits[t], masks[t], edits[k], masks[k]), prompt)
            for t, k in later.items()
        )


def _pick(clip: Path, indices: Sequence[int]) -> dict[int, npt.NDArray[np.uint8]]:
    """The frames of these indices; raises MediaError where the clip ends before."""
    frames = iter_frames(clip)
    found = {}
    for index in range(max(indices) + 1):
        frame = next_frame(frames, clip)
        if index in indices:
            found[index] = frame
    return found
