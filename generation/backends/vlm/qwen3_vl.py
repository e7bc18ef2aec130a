"""Qwen3-VL in this process, through transformers.

- Answers are greedy: the same question gives the same answer on the same device and libraries. Batches of a
  call have a fixed size, since padding moves the last bits.
- Nothing holds the answer to its shape here: the prompt asks for it, and the parser refuses what is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sparkle.generation.capabilities import Identity
from sparkle.generation.devices import require_device
from sparkle.generation.options import operational, require_choice, require_range
from sparkle.generation.out_of_memory import retry_out_of_memory
from sparkle.generation.packages import package_versions
from sparkle.generation.requirements import ESTIMATED, GIGABYTE, Requirements, card_note, needed
from sparkle.generation.vlm.costs import VLM_SECONDS
from sparkle.generation.vlm.jobs import AskingVlm
from sparkle.generation.vlm.question import Answer, Question
from sparkle.generation.vlm.qwen import Qwen
from sparkle.generation.weights import Weights

_DTYPES = ("bfloat16", "float16", "float32")
_ATTENTION = ("sdpa", "eager", "flash_attention_2")
_WORKING_MEMORY = 8 * GIGABYTE  # pictures, keys and values of a question: estimate


@dataclass(kw_only=True)
class Backend(AskingVlm):
    """The `vlm` in process.

    Args:
        model: A folder, or a repository of the Hugging Face Hub.
        revision: Commit, branch or tag of the repository; None for a folder.
        note: What a reader of the card must know of the model, such as its licence.
        dtype: Of the weights: bfloat16, float16 or float32.
        attention: transformers' implementation: sdpa, eager or flash_attention_2.
        device: Where the weights go: `cuda`, `cuda:1`, `cpu`, or `auto` for as many devices as it takes.
        batch_size: Questions at once.
    """

    model: str = operational()  # which weights: the identity says it, by their content
    revision: str | None = operational(None)
    note: str = ""
    dtype: str = "bfloat16"
    attention: str = "sdpa"
    device: str = operational("cuda")
    batch_size: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice(self, "dtype", _DTYPES)
        require_choice(self, "attention", _ATTENTION)
        require_range(self, "batch_size", 1, 256)
        self._weights = Weights(self.model, self.revision)
        self._model: Any = None

    @property
    def identity(self) -> Identity:
        """The repository and its commit, or the folder's name and the hash of its content."""
        return Identity(self._weights.name, self._weights.commit, card_note(self.model, self.note))

    @property
    def requirements(self) -> Requirements:
        """The model, and the time of Qwen3-VL-32B."""
        model = needed(self._weights, note=self.note)
        if self.device == "cpu":
            return Requirements((model,))  # what runs there is a tiny model
        return Requirements((model,), (model.bytes or 0) + _WORKING_MEMORY, VLM_SECONDS, ESTIMATED)

    def pinned(self) -> dict[str, Any]:
        """The revision as a commit."""
        return self._weights.pinned("revision")

    def packages(self) -> dict[str, str]:
        """What the model runs on."""
        return package_versions(("torch", "transformers", "accelerate", "pillow"), extra="gpu")

    def setup(self) -> None:
        """Load processor and weights.

        Raises:
            ConfigError: a package is missing, or the model cannot be had.
        """
        self.packages()
        require_device(self.device, table="[backends.vlm]")
        self._model = Qwen(
            self._weights,
            dtype=self.dtype,
            attention=self.attention,
            device=self.device,
            max_tokens=self.max_tokens,
        )

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers, `batch_size` at a time."""
        answers: list[Answer] = []
        for start in range(0, len(questions), self.batch_size):
            batch = questions[start : start + self.batch_size]
            texts = retry_out_of_memory(partial(self._model.answer, batch), what=batch[0].name)
            answers += (Answer(text) for text in texts)
        return answers
