"""The `tracker` with U2-Net-p: the classical one; each anchor's mask is cut along what stands out there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.backend import Identity
from sparkle.generation.backends.classical import tracker as classical
from sparkle.generation.backends.u2netp.network import SalientObjects, with_network
from sparkle.generation.needs import Estimate


@dataclass(kw_only=True)
class Backend(SalientObjects, classical.Backend):
    """The classical `tracker` with U2-Net-p."""

    identity: ClassVar[Identity] = with_network(classical.Backend.identity)
    seconds: ClassVar[dict[str, Estimate]] = {"track": Estimate(6.5, 6.5)}
