"""Qwen3-VL in this process, through transformers.

- Answers are greedy: the same question gives the same answer on the same device and libraries. Batches of a
  call have a fixed size, since padding moves the last bits.
- Nothing holds the answer to its shape here: the prompt asks for it, and the parser refuses what is not.

A Qwen3-VL in this process: weights and processor, and batches of questions.

- Of the checkpoint's own settings, which sample, only the token ids are taken over; the caller says how words
  are drawn. A batch that draws does so from the seed of its first question, and the generator of this process
  is left as it was: the same batch gives the same answers on the same device and libraries.
- An answer that ends for want of tokens is an error, never an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from sparkle.generation.backend import Identity
from sparkle.generation.backends.vlm.asking import AskingVlm
from sparkle.generation.backends.vlm.reading import Answer, Question, answer_error
from sparkle.generation.needs import (
    ESTIMATED,
    GIGABYTE,
    VLM_SECONDS,
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


# --- A Qwen3-VL in this process: weights and processor, and batches of questions ---


GREEDY: Mapping[str, Any] = MappingProxyType({"do_sample": False})
"""Takes the likeliest words."""


class Qwen:
    """The model, loaded.

    Args:
        weights: The model's.
        dtype: Of the weights.
        attention: transformers' implementation.
        device: Where the weights go.
        max_tokens: The longest answer.
        drawing: How words are drawn, in transformers' names.
        lora: Of a LoRA that is merged into the weights; None for none.

    Attributes:
        model: transformers' model.

    Raises:
        ConfigError: a model cannot be had, or is another kind of model.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        dtype: str,
        attention: str,
        device: str,
        max_tokens: int,
        drawing: Mapping[str, Any] = GREEDY,
        lora: Weights | None = None,
    ) -> None:
        import torch
        from transformers import AutoConfig, GenerationConfig, Qwen3VLConfig, Qwen3VLForConditionalGeneration

        from sparkle.generation.backends.vlm.qwen_processor import load_processor

        # Without a config the class would make a model of its default size, of 18 GB, from nothing.
        config = weights.load(AutoConfig.from_pretrained)
        if not isinstance(config, Qwen3VLConfig):
            got = config.model_type
            raise ConfigError("another kind of model", got=got, wanted="qwen3_vl", where=weights.model)
        self._processor = load_processor(weights, image_token_id=config.image_token_id)
        model = weights.load(
            Qwen3VLForConditionalGeneration.from_pretrained,
            config=config,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            device_map=device,
        )
        if lora is not None:
            model = _merge_lora(model, lora)
        self.model = model.eval()
        own = model.generation_config
        self._settings = GenerationConfig(
            **drawing,
            max_new_tokens=max_tokens,
            eos_token_id=own.eos_token_id,
            pad_token_id=own.pad_token_id,
        )
        self.model.generation_config = self._settings

    def answer(self, questions: Sequence[Question]) -> list[str]:
        """The answers to a batch.

        Raises:
            AnswerError: one was cut short.
        """
        import torch

        inputs = self._processor.apply_chat_template(
            [_conversation(question) for question in questions],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True, "padding_side": "left"},
        ).to(self.model.device)
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.inference_mode():
            torch.manual_seed(questions[0].seed)
            output = self.model.generate(**inputs, generation_config=self._settings)
        made = output[:, inputs["input_ids"].shape[1] :]
        ends = torch.isin(made, torch.tensor(self._settings.eos_token_id, device=made.device)).any(dim=1)
        texts = self._processor.batch_decode(made, skip_special_tokens=True)
        for question, text, ended in zip(questions, texts, ends.tolist(), strict=True):
            if not ended:
                raise answer_error(
                    "the model's answer was cut short",
                    text,
                    wanted=f"{self._settings.max_new_tokens} tokens",
                    where=question.name,
                    fix="raise max_tokens if the answer was on its way",
                )
        return list(texts)


def _merge_lora(model: Any, lora: Weights) -> Any:
    """The model with a LoRA in its weights."""
    from peft import PeftModel

    return lora.load(partial(PeftModel.from_pretrained, model)).merge_and_unload()


def _conversation(question: Question) -> list[dict[str, Any]]:
    """One turn of the user: pictures, then words."""
    from PIL import Image

    content = [{"type": "image", "image": Image.fromarray(image)} for image in question.images]
    return [{"role": "user", "content": [*content, {"type": "text", "text": question.text}]}]
