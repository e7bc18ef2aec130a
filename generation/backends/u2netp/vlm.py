"""The `vlm` with U2-Net-p: the classical one; subjects are what moves and what stands out on the anchors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.backend import Identity
from sparkle.generation.backends.classical import vlm as classical
from sparkle.generation.backends.u2netp.network import SalientObjects, with_network
from sparkle.generation.needs import Estimate


@dataclass(kw_only=True)
class Backend(SalientObjects, classical.Backend):
    """The classical `vlm` with U2-Net-p."""

    identity: ClassVar[Identity] = with_network(classical.Backend.identity)
    seconds: ClassVar[dict[str, Estimate]] = {
        "compose": Estimate(0.2, 0.2),
        "camera": Estimate(0.8, 0.8),
        "ground1": Estimate(5.5, 5.5),
        "ground2": Estimate(1.2, 1.2),
    }
