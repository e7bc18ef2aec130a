"""Synthesises by compositing: the source's subject over the new background, harmonised once a clip.

It takes the pictures themselves from its guidance, where a generating model takes the edges: the
subject is the source's own, so its identity and motion are kept exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sparkle.generation.capabilities import Guidance, Identity, Image, Masks
from sparkle.generation.classical.composite import Harmony, composite_frame, fit_harmony
from sparkle.generation.classical.upsample import soft_alpha
from sparkle.generation.classical.working import read_working
from sparkle.media.decode import iter_frames, next_frame
from sparkle.media.frames import resize
from sparkle.media.mask import load_mask

_HARMONY_EVERY = 8  # frames: enough to see the subject's colours through the clip


@dataclass
class Backend:
    """The classical `control_to_video`."""

    identity: ClassVar[Identity] = Identity("sparkle/composite", "1", "composited, not generated")

    def setup(self) -> None:
        """Nothing to load."""

    def synthesize(self, guidance: Guidance, seed: int) -> Iterator[Image]:
        """Yield the composited frames."""
        working = read_working(guidance.source)
        masks = resize(load_mask(guidance.mask), (working.shape[2], working.shape[1]))
        harmony = _fit(working, masks, guidance.background)
        backgrounds = iter_frames(guidance.background)
        for source, mask in zip(iter_frames(guidance.source), masks, strict=True):
            background = next_frame(backgrounds, guidance.background)
            yield composite_frame(source, soft_alpha(source, mask), background, harmony)


def _fit(working: Image, masks: Masks, background: Path) -> Harmony:
    subject = working[::_HARMONY_EVERY][masks[::_HARMONY_EVERY]]
    scene = read_working(background)
    return fit_harmony(subject, scene[len(scene) // 2])
