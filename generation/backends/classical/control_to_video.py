"""The classical `control_to_video`: the source's subject over the new background, harmonised once per clip.

It takes the pictures themselves from its guidance, where a generating model takes the edges: the
subject is the source's own, so its identity and motion are kept exactly. Where the guidance is silent about
the background, the edited first frame's is held still.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.backend import Guidance, Identity
from sparkle.generation.backends.classical.composite import Harmony, backdrops, composite_frame, fit_harmony
from sparkle.generation.backends.classical.filters import map_in_threads, working_size
from sparkle.generation.backends.classical.propagate import soft_alpha
from sparkle.media import Mask, Pixels
from sparkle.media.decode import decode
from sparkle.media.frames import resize
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask

_HARMONY_EVERY = 8  # frames: enough to see the subject's colours through the clip


@dataclass
class Backend:
    """The classical `control_to_video`."""

    identity: ClassVar[Identity] = Identity("sparkle/composite", "3", "composited, not generated")

    def synthesize(self, guidance: Guidance, seed: int) -> Iterator[Pixels]:
        """Yield the composited frames."""
        clip = decode(guidance.source)
        size = working_size(clip.shape[2], clip.shape[1])
        masks = resize(load_mask(guidance.mask), size)
        harmony = _fit(resize(clip[::_HARMONY_EVERY], size), masks[::_HARMONY_EVERY], guidance)
        backgrounds = backdrops(guidance)
        parts = ((source, mask, next(backgrounds)) for source, mask in zip(clip, masks, strict=True))

        def composite(part: tuple[Pixels, Mask, Pixels]) -> Pixels:
            source, mask, background = part
            return composite_frame(source, soft_alpha(source, mask), background, harmony)

        yield from map_in_threads(composite, parts)


def _fit(clip: Pixels, masks: Mask, guidance: Guidance) -> Harmony:
    return fit_harmony(clip[masks], read_png(guidance.empty_frame0))
