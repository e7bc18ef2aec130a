"""A Qwen3-VL in this process: weights and processor, and batches of questions.

- Of the checkpoint's own settings, which sample, only the token ids are taken over; the caller says how words
  are drawn. A batch that draws does so from the seed of its first question, and the generator of this process
  is left as it was: the same batch gives the same answers on the same device and libraries.
- An answer that ends for want of tokens is an error, never an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from sparkle.generation.vlm.question import Question
from sparkle.generation.vlm.reading import answer_error
from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError

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

        from sparkle.generation.vlm.qwen_processor import load_processor

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
