"""A Qwen3-VL in this process that samples its answers from a seed, with EditScore's LoRA merged into it.

Sampling settings other than temperature are EditScore's own (top-p 0.9, top-k 20). A batch is drawn from one
seed, and batches have a fixed size: the same questions give the same answers on the same device and
libraries. The generator of this process is left as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sparkle.generation.vlm.question import Question
from sparkle.generation.vlm.qwen_processor import load_processor
from sparkle.generation.vlm.reading import answer_error
from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError

_TOP_P, _TOP_K = 0.9, 20


class SamplingQwen:
    """The model, loaded.

    Args:
        weights: The model's.
        lora: EditScore's; None for a model that holds them.
        dtype: Of the weights.
        attention: transformers' implementation.
        device: Where the weights go.
        temperature: 0 takes the likeliest words.
        max_tokens: The longest answer.

    Raises:
        ConfigError: a model cannot be had, or is another kind of model.
    """

    def __init__(
        self,
        weights: Weights,
        lora: Weights | None,
        *,
        dtype: str,
        attention: str,
        device: str,
        temperature: float,
        max_tokens: int,
    ) -> None:
        import torch
        from transformers import AutoConfig, Qwen3VLConfig, Qwen3VLForConditionalGeneration

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
        self._model = model.eval()
        self._max_tokens = max_tokens
        self._settings = _generation_settings(model.generation_config, temperature, max_tokens)
        self._model.generation_config = self._settings

    def answer(self, questions: Sequence[Question]) -> list[str]:
        """The answers to a batch, drawn from the seed of its first question.

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
        ).to(self._model.device)
        devices = [self._model.device] if self._model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.inference_mode():
            torch.manual_seed(questions[0].seed)
            output = self._model.generate(**inputs, generation_config=self._settings)
        made = output[:, inputs["input_ids"].shape[1] :]
        ends = torch.isin(made, torch.tensor(self._settings.eos_token_id, device=made.device)).any(dim=1)
        texts = self._processor.batch_decode(made, skip_special_tokens=True)
        for question, text, ended in zip(questions, texts, ends.tolist(), strict=True):
            if not ended:
                raise answer_error(
                    "the model's answer was cut short",
                    text,
                    wanted=f"{self._max_tokens} tokens",
                    where=question.name,
                    fix="raise max_tokens if the answer was on its way",
                )
        return [text.strip() for text in texts]


def _merge_lora(model: Any, lora: Weights) -> Any:
    """The model with a LoRA in its weights."""
    from peft import PeftModel

    return lora.load(partial(PeftModel.from_pretrained, model)).merge_and_unload()


def _generation_settings(own: Any, temperature: float, max_tokens: int) -> Any:
    """How words are drawn; of the checkpoint's own settings only the token ids are taken over."""
    from transformers import GenerationConfig

    drawn = {"do_sample": True, "temperature": temperature, "top_p": _TOP_P, "top_k": _TOP_K}
    return GenerationConfig(
        **(drawn if temperature else {"do_sample": False}),
        max_new_tokens=max_tokens,
        eos_token_id=own.eos_token_id,
        pad_token_id=own.pad_token_id,
    )


def _conversation(question: Question) -> list[dict[str, Any]]:
    """One turn of the user: pictures, then words."""
    from PIL import Image

    content = [{"type": "image", "image": Image.fromarray(image)} for image in question.images]
    return [{"role": "user", "content": [*content, {"type": "text", "text": question.text}]}]
