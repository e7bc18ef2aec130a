"""EditScore in this process: its package over Qwen3-VL with EditScore's LoRA (transformers, peft)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sparkle.generation.backend import operational
from sparkle.generation.backends.editscore.scoring import SAMPLING, EditScoring
from sparkle.generation.backends.local_model import lora_weights
from sparkle.generation.backends.vlm.questions import Question, Reply
from sparkle.generation.backends.vlm.qwen3_vl import LocalQwen
from sparkle.generation.needs import GIGABYTE
from sparkle.generation.weights import Weights


@dataclass(kw_only=True)
class Backend(EditScoring, LocalQwen):
    """The `image_scorer` EditScore; the base classes have its other options.

    Args:
        lora: EditScore's adapter, a folder or a repository; None for a model that has it merged in.
        lora_revision: Commit, branch or tag of that repository; None for a folder.
        batch_size: Questions at once, of the two per image and pass.
    """

    capability: ClassVar[str] = "image_scorer"
    working_memory: ClassVar[int] = 4 * GIGABYTE  # pictures, keys and values of a question: estimate

    lora: str | None = operational(None)
    lora_revision: str | None = operational(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._lora = lora_weights(self.lora, self.lora_revision)

    @property
    def weights(self) -> dict[str, Weights]:
        """The model's, and the LoRA's."""
        return {**super().weights, **self._lora}

    def packages(self) -> dict[str, str]:
        """Return the versions of what the model runs on, and of what reads its answers."""
        return {**LocalQwen.packages(self), **EditScoring.packages(self)}

    @property
    def drawing(self) -> Mapping[str, Any]:
        """EditScore's own sampling; without temperature the likeliest words."""
        if not self.temperature:
            return super().drawing
        return {"do_sample": True, "temperature": self.temperature, **SAMPLING}

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """Return the replies without spaces around them."""
        return [Reply(reply.text.strip()) for reply in super().ask(questions)]
