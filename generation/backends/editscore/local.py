"""EditScore in this process: its package over Qwen3-VL with EditScore's LoRA (transformers, peft)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sparkle.generation.backend import Identity
from sparkle.generation.backends.editscore import scoring
from sparkle.generation.backends.editscore.scoring import EditScoring
from sparkle.generation.backends.vlm.reading import Answer, Question
from sparkle.generation.needs import (
    ESTIMATED,
    GIGABYTE,
    Requirements,
    card_note,
    needed,
    operational,
    package_versions,
    require_choice,
    require_device,
    require_range,
    retry_out_of_memory,
)
from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError

_DTYPES = ("bfloat16", "float16", "float32")
_ATTENTION = ("sdpa", "eager", "flash_attention_2")
_TOP_P, _TOP_K = 0.9, 20  # EditScore's own sampling settings (package `editscore`)
_WORKING_MEMORY = 4 * GIGABYTE  # pictures, keys and values of a question: estimate


@dataclass(kw_only=True)
class Backend(EditScoring):
    """The `image_scorer` EditScore.

    Args:
        model: Qwen3-VL: a folder, or a repository of the Hugging Face Hub.
        revision: Commit, branch or tag of the repository; None for a folder.
        lora: EditScore's adapter, likewise; None for a model that has it merged in.
        lora_revision: Commit, branch or tag of that repository; None for a folder.
        note: What a reader of the card must know of the model.
        dtype: Of the weights: bfloat16, float16 or float32.
        attention: transformers' implementation: sdpa, eager or flash_attention_2.
        device: Where the weights go: `cuda`, `cuda:1`, `cpu`, or `auto`.
        batch_size: Questions at once, of the two an image and pass.
    """

    model: str = operational()  # which weights: the identity says it, by their content
    revision: str | None = operational(None)
    lora: str | None = operational(None)
    lora_revision: str | None = operational(None)
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
        if self.lora is None and self.lora_revision is not None:
            raise ConfigError("a revision of no LoRA", got=self.lora_revision, wanted="lora")
        self._weights = Weights(self.model, self.revision)
        self._lora = None if self.lora is None else Weights(self.lora, self.lora_revision)
        self._model: Any = None

    @property
    def identity(self) -> Identity:
        """Repositories and their commits, or names of folders and hashes of their content."""
        parts = [weights for weights in (self._weights, self._lora) if weights is not None]
        names, commits = (part.name for part in parts), (part.commit for part in parts)
        return Identity(" + ".join(names), " + ".join(commits), card_note(self.model, self.note))

    @property
    def requirements(self) -> Requirements:
        """Model and LoRA; time grows with the passes."""
        models = [needed(self._weights, note=self.note)]
        if self._lora is not None:
            models.append(needed(self._lora))
        if self.device == "cpu":
            return Requirements(tuple(models))  # what runs there is a tiny model
        vram = (models[0].bytes or 0) + _WORKING_MEMORY
        return Requirements(tuple(models), vram, self.seconds(), ESTIMATED)

    def pinned(self) -> dict[str, Any]:
        """The revisions as commits."""
        adapter = {} if self._lora is None else self._lora.pinned("lora_revision")
        return {**self._weights.pinned("revision"), **adapter}

    def packages(self) -> dict[str, str]:
        """What the model runs on, and what reads its answers."""
        names = ("torch", "transformers", "accelerate", "pillow", *(() if self._lora is None else ("peft",)))
        return {**package_versions(names, extra="gpu"), **scoring.package_versions()}

    def setup(self) -> None:
        """Load processor, weights and LoRA.

        Raises:
            ConfigError: a package or the device is missing, or a model cannot be had.
        """
        self.packages()

        from sparkle.generation.backends.vlm.qwen3_vl import GREEDY, Qwen

        require_device(self.device, table="[backends.image_scorer]")
        drawn = {"do_sample": True, "temperature": self.temperature, "top_p": _TOP_P, "top_k": _TOP_K}
        self._model = Qwen(
            self._weights,
            lora=self._lora,
            dtype=self.dtype,
            attention=self.attention,
            device=self.device,
            max_tokens=self.max_tokens,
            drawing=drawn if self.temperature else GREEDY,
        )
        super().setup()

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers, `batch_size` at a time."""
        answers: list[Answer] = []
        for start in range(0, len(questions), self.batch_size):
            batch = questions[start : start + self.batch_size]
            texts = retry_out_of_memory(partial(self._model.answer, batch), what=batch[0].name)
            answers += (Answer(text.strip()) for text in texts)
        return answers
