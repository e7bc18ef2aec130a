"""Qwen3-VL in this process, through transformers.

- Answers of the `vlm` are greedy: the same question gives the same answer on the same device and libraries.
  Batches of a call have a fixed size, since padding moves the last bits.
- A subclass may draw words instead (`drawing`). A batch then draws from the seed of its first question, and
  the generator of this process is left as it was: the same batch gives the same answers.
- Of the checkpoint's own settings, which sample, only the token ids are taken over.
- Nothing holds the answer to its shape here: the prompt asks for it, and the parser refuses what is not. An
  answer that ends for want of tokens is an error, never an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from sparkle.generation.backend import require_range
from sparkle.generation.backends.local_model import LORA_REVISION, PretrainedModel, retry_out_of_memory
from sparkle.generation.backends.vlm.asking import AskingVlm
from sparkle.generation.backends.vlm.endpoint import cut_short
from sparkle.generation.backends.vlm.questions import AskedModel, Question, Reply
from sparkle.generation.needs import GIGABYTE
from sparkle.schemas.errors import ConfigError


@dataclass(kw_only=True)
class LocalQwen(PretrainedModel, AskedModel):
    """Base of the backends that ask a Qwen3-VL here; the base classes have the other options.

    Args:
        attention: transformers' implementation: sdpa, eager or flash_attention_2.
        device: Where the weights go: `cuda`, `cuda:1`, `cpu`, or `auto` for as many devices as it takes.
        batch_size: Questions at once.
    """

    required_packages: ClassVar[tuple[str, ...]] = ("torch", "transformers", "accelerate", "pillow")
    attentions: ClassVar[tuple[str, ...]] = ("sdpa", "eager", "flash_attention_2")
    fits_better: ClassVar[str] = 'device = "auto", or a smaller model'

    batch_size: int = 1

    def __post_init__(self) -> None:
        PretrainedModel.__post_init__(self)
        AskedModel.__post_init__(self)
        require_range(self, "batch_size", 1, 256)

    @property
    def drawing(self) -> Mapping[str, Any]:
        """How words are drawn, in transformers' names."""
        return {"do_sample": False}  # the likeliest

    def load(self) -> Any:
        """Return the model, a LoRA merged into its weights where there is one; load its processor too."""
        import torch
        from transformers import AutoConfig, GenerationConfig, Qwen3VLConfig, Qwen3VLForConditionalGeneration

        from sparkle.generation.backends.vlm.qwen_processor import load_processor

        # Without a config the class would make a model of its default size, of 18 GB, from nothing.
        config = self._weights.load(AutoConfig.from_pretrained)
        if not isinstance(config, Qwen3VLConfig):
            got = config.model_type
            raise ConfigError("another kind of model", got=got, wanted="qwen3_vl", where=self.model)
        self._processor = load_processor(self._weights, image_token_id=config.image_token_id)
        model = self._weights.load(
            Qwen3VLForConditionalGeneration.from_pretrained,
            config=config,
            dtype=getattr(torch, self.dtype),
            attn_implementation=self.attention,
            device_map=self.device,
        )
        lora = self.weights.get(LORA_REVISION)
        if lora is not None:
            from peft import PeftModel

            model = lora.load(partial(PeftModel.from_pretrained, model)).merge_and_unload()
        own = model.generation_config
        model.generation_config = GenerationConfig(
            **self.drawing,
            max_new_tokens=self.max_tokens,
            eos_token_id=own.eos_token_id,
            pad_token_id=own.pad_token_id,
        )
        return model.eval()

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """Return the replies, `batch_size` asked at a time."""
        replies: list[Reply] = []
        for start in range(0, len(questions), self.batch_size):
            batch = questions[start : start + self.batch_size]
            texts = retry_out_of_memory(partial(self._answer, batch), what=batch[0].name)
            replies += map(Reply, texts)
        return replies

    def _answer(self, questions: Sequence[Question]) -> list[str]:
        """Return the answers to a batch; raises AnswerError if one was cut short."""
        import torch

        inputs = self._processor.apply_chat_template(
            [_conversation(question) for question in questions],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True, "padding_side": "left"},
        ).to(self._model.device)
        settings = self._model.generation_config
        devices = [self._model.device] if self._model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.inference_mode():
            torch.manual_seed(questions[0].seed)
            output = self._model.generate(**inputs, generation_config=settings)
        made = output[:, inputs["input_ids"].shape[1] :]
        ends = torch.isin(made, torch.tensor(settings.eos_token_id, device=made.device)).any(dim=1)
        texts = self._processor.batch_decode(made, skip_special_tokens=True)
        for question, text, ended in zip(questions, texts, ends.tolist(), strict=True):
            if not ended:
                raise cut_short(text, question.name, self.max_tokens)
        return list(texts)


def _conversation(question: Question) -> list[dict[str, Any]]:
    """Return one turn of the user: pictures with their captions, then words."""
    from PIL import Image

    content: list[dict[str, Any]] = []
    for caption, image in zip(question.captions or [""] * len(question.images), question.images, strict=True):
        if caption:
            content.append({"type": "text", "text": caption})
        content.append({"type": "image", "image": Image.fromarray(image)})
    return [{"role": "user", "content": [*content, {"type": "text", "text": question.text}]}]


@dataclass(kw_only=True)
class Backend(AskingVlm, LocalQwen):
    """The `vlm` in process; the base classes have its options."""

    capability: ClassVar[str] = "vlm"
    working_memory: ClassVar[int] = 8 * GIGABYTE  # pictures, keys and values of a question: estimate
