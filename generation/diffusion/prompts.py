"""A prompt must fit the text encoder: pipelines cut what is too long, and say so in a log at best."""

from __future__ import annotations

from typing import Any

from sparkle.schemas.errors import SampleError

MOST_TOKENS = 512
"""What FLUX.2's and Wan's pipelines read of a prompt."""


def check_prompt_length(tokenizer: Any, text: str, *, where: str) -> None:
    """Raise SampleError if a prompt is longer than `MOST_TOKENS`.

    Args:
        tokenizer: The pipeline's.
        text: The prompt as the tokenizer gets it.
        where: What the prompt is for.
    """
    count = len(tokenizer(text).input_ids)
    if count > MOST_TOKENS:
        wanted = f"at most {MOST_TOKENS}"
        raise SampleError(
            "the prompt is too long for the model", got=f"{count} tokens", wanted=wanted, where=where
        )
