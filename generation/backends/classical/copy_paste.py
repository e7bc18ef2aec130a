"""The paper's ablation: the source's subject cut out by the mask and pasted, and nothing blended.

No soft edge, no fitting light, no light wrap: what synthesis adds is what this leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sparkle.generation.backend import Guidance, Identity
from sparkle.generation.backends.classical.composite import backdrops
from sparkle.media import Pixels
from sparkle.media.decode import iter_frames
from sparkle.media.mask import load_mask


@dataclass
class Backend:
    """The ablation `copy-paste` of `control_to_video`."""

    identity: ClassVar[Identity] = Identity("sparkle/copy-paste", "1", "an ablation: pasted, not blended")

    def synthesize(self, guidance: Guidance, seed: int) -> Iterator[Pixels]:
        """Yield the pasted frames."""
        backgrounds = backdrops(guidance)
        for source, mask in zip(iter_frames(guidance.source), load_mask(guidance.mask), strict=True):
            yield np.where(mask[..., None], source, next(backgrounds))
