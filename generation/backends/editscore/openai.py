"""EditScore behind an OpenAI-compatible endpoint, such as vLLM with EditScore's LoRA.

The questions are the same as in process. Answers are free text, as EditScore was trained.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from sparkle.generation.backends.editscore.scoring import SAMPLING, EditScoring
from sparkle.generation.backends.vlm.openai import EndpointModel


@dataclass(kw_only=True)
class Backend(EditScoring, EndpointModel):
    """The `image_scorer` EditScore behind an endpoint; the base classes have its other options.

    Args:
        extra_body: Further fields of the request; EditScore's own are these.
    """

    capability: ClassVar[str] = "image_scorer"

    extra_body: dict[str, Any] = field(default_factory=lambda: dict(SAMPLING))

    def setup(self) -> None:
        """Open the cache and the client; nothing is sent.

        Raises:
            ConfigError: a package is missing, there is no address or no key, or the address holds a secret.
        """
        self.packages()
        super().setup()
