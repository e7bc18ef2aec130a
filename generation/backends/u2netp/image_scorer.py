"""The `image_scorer` with U2-Net-p: the classical one, whose subject is also what stands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.backend import Identity
from sparkle.generation.backends.classical import image_scorer as classical
from sparkle.generation.backends.u2netp.network import SalientObjects, with_network
from sparkle.generation.needs import Estimate


@dataclass(kw_only=True)
class Backend(SalientObjects, classical.Backend):
    """The classical `image_scorer` with U2-Net-p, which also asks whether masks are whole."""

    identity: ClassVar[Identity] = with_network(classical.Backend.identity)
    founded: ClassVar[bool] = True
    seconds: ClassVar[dict[str, Estimate]] = {
        "edit_score": Estimate(1.8, 1.8),
        "remove_score": Estimate(0.1, 0.1),
        "video_score": Estimate(1.4, 1.4),
    }
