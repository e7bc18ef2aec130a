"""Qwen3-VL's processor for images alone.

The stock one brings a video processor, which needs torchvision, and with torchvision the image processor is
another one. This one always takes the image processor on Pillow: the same pixels whatever is installed.
"""

from __future__ import annotations

from typing import Any

from transformers import Qwen2VLImageProcessorPil, Qwen3VLProcessor
from transformers.processing_utils import ProcessorMixin

from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError

_MARKS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
}


class ImageProcessor(Qwen3VLProcessor):  # type: ignore[misc]  # untyped
    """Qwen3-VL's processor without its video half; what is loaded is read off this signature."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **_: Any
    ) -> None:
        for name, token in _MARKS.items():
            setattr(self, name, token)
            setattr(self, f"{name}_id", tokenizer.convert_tokens_to_ids(token))
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def load_processor(weights: Weights, *, image_token_id: int) -> ImageProcessor:
    """Return the processor of a checkpoint.

    Args:
        weights: Where it is.
        image_token_id: What the model takes for a picture.

    Raises:
        ConfigError: it cannot be had, or its tokenizer is not the model's (one whose vocabulary is missing
            loads without a word).
    """
    processor: ImageProcessor = weights.load(ImageProcessor.from_pretrained)
    if processor.image_token_id != image_token_id:
        raise ConfigError(
            "the tokenizer is not the model's",
            got=f"{processor.image_token} is token {processor.image_token_id}",
            wanted=f"token {image_token_id}",
            where=weights.model,
            fix="fetch the model again, with all of its files",
        )
    processor.image_processor = weights.load(Qwen2VLImageProcessorPil.from_pretrained)
    return processor
