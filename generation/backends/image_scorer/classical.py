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
from sparkle.generation.classical.score import score_edit, score_frames, score_removal
from sparkle.generation.classical.upsample import hard_mask
from sparkle.generation.classical.working import read_working, to_pixel_box
from sparkle.media.decode import iter_frames
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask
from sparkle.schemas import records as r


@dataclass
class Backend:
    """The classical `image_scorer`."""

    identity: ClassVar[Identity] = Identity(
        "sparkle/classical-score", "1", "measured properties on a scale of their own, not EditScore's"
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
        """Score four frames together: a frozen background shows between them."""
        masks = load_mask(mask)[list(indices)]
        return score_frames(_pick(source, indices), _pick(edited, indices), masks, prompt)


def _pick(clip: Path, indices: Sequence[int]) -> npt.NDArray[np.uint8]:
    wanted = set(indices)
    return np.stack([frame for index, frame in enumerate(iter_frames(clip)) if index in wanted])
