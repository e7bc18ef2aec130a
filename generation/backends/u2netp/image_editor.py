"""The `image_editor` with U2-Net-p: the classical one, whose subject is also what stands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparkle.generation.backend import Identity
from sparkle.generation.backends.classical import image_editor as classical
from sparkle.generation.backends.u2netp.network import SalientObjects, with_network
from sparkle.generation.needs import Estimate


@dataclass(kw_only=True)
class Backend(SalientObjects, classical.Backend):
    """The classical `image_editor` with U2-Net-p."""

    identity: ClassVar[Identity] = with_network(classical.Backend.identity)
    seconds: ClassVar[dict[str, Estimate]] = {"edit": Estimate(2.3, 2.3), "remove": Estimate(0.3, 0.3)}
