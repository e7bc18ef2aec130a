"""The judge `gemini`: Google's models through their own client, with how long they think set and recorded.

- `thinking_budget` is always sent: without it a model decides by itself how long it thinks, and judges
  otherwise from one day to the next.
- Whole videos are sampled at `fps`; the service's own is one frame a second, which shows no motion.
"""

from __future__ import annotations

import base64
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from sparkle._extras import install
from sparkle._patience import seconds_asked
from sparkle.generation.backend import operational, require_range
from sparkle.generation.backends.vlm.address import address_of, key_of
from sparkle.generation.backends.vlm.endpoint import (
    Completion,
    Endpoint,
    FaultError,
    counted,
)
from sparkle.generation.backends.vlm.openai import chat_content
from sparkle.generation.backends.vlm.questions import Question
from sparkle.generation.judges.openai import TOKENS_PER_FRAME, VIDEO_SECONDS, EndpointJudge
from sparkle.generation.judges.showing import VIDEO_CAPTIONS
from sparkle.generation.needs import package_versions

_SERVICE = "https://generativelanguage.googleapis.com"
_FILTERED = "content_filter"
# The service's reasons in the words of the OpenAI protocol; whatever else is not STOP is a filter's.
_REASONS = {"STOP": "stop", "MAX_TOKENS": "length"}
_COUNTS = ("prompt_token_count", "candidates_token_count", "thoughts_token_count")


@dataclass(kw_only=True)
class GeminiJudge(EndpointJudge):
    """The judge `gemini`; the base classes have its other options.

    Args:
        thinking_budget: Tokens for thinking, which count as those of answers; they are part of `max_tokens`.
        fps: Frames per second of whole videos that the model sees.
    """

    kind: ClassVar[str] = "gemini"

    thinking_budget: int = 1024
    fps: float = 8.0
    max_tokens: int = 4096
    api_key_env: str | None = operational("GEMINI_API_KEY")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "thinking_budget", 0, 1_000_000)
        require_range(self, "fps", 0.1, 24)

    @property
    def video_tokens(self) -> int:
        """About how many tokens two whole videos take."""
        return round(2 * VIDEO_SECONDS * self.fps * TOKENS_PER_FRAME)

    def connect(self, **patience: Any) -> Endpoint:
        """Return the service behind its client; nothing is sent."""
        package_versions(("google-genai",), fix=install("gemini"))
        address = address_of(self.base_url or _SERVICE, self.table)
        key = key_of(self.api_key_env)
        return GeminiEndpoint.connect(address, key, timeout=self.timeout, budget=self.budget, **patience)

    def request(self, question: Question, attached: Sequence[str], shaped: bool) -> dict[str, Any]:
        """Return model, parts, and the fields of `GenerateContentConfig`."""
        parts: list[dict[str, Any]] = []
        for part in chat_content(question, attached):
            if part["type"] == "text":
                parts.append({"text": part["text"]})
            else:
                fps = {"fps": self.fps} if question.captions == VIDEO_CAPTIONS else {}
                parts.append({"url": part["image_url"]["url"], **fps})
        config: dict[str, Any] = {
            "temperature": self.temperature,
            "seed": question.seed,
            "max_output_tokens": self.max_tokens,
            "thinking_config": {"thinking_budget": self.thinking_budget},
        }
        if shaped:
            config |= {"response_mime_type": "application/json", "response_json_schema": question.shape}
        return {"model": self.model, "parts": parts, "config": {**config, **self.extra_body}}


@dataclass(frozen=True, kw_only=True)
class GeminiEndpoint(Endpoint):
    """Google's service.

    Attributes:
        generate: `models.generate_content` of the client.
    """

    generate: Callable[..., Any]

    @classmethod
    def connect(cls, base_url: str, key: str, *, timeout: float, **rest: Any) -> Self:
        """Return the service behind a client of its own; nothing is sent."""
        from google.genai import Client, types

        once = types.HttpRetryOptions(attempts=1)  # which are tried again here
        options = types.HttpOptions(base_url=base_url, timeout=round(1000 * timeout), retry_options=once)
        client = Client(api_key=key, vertexai=False, http_options=options)
        endpoint = cls(
            base_url=base_url, key=key, timeout=timeout, generate=client.models.generate_content, **rest
        )
        weakref.finalize(endpoint, client.close)
        return endpoint

    def send(self, request: dict[str, Any]) -> Completion | str:
        """Return the first candidate of an answer, or what came in its place."""
        from google.genai import errors, types

        config = types.GenerateContentConfig(**request["config"])
        contents = [_part(part) for part in request["parts"]]
        try:
            found = self.generate(model=request["model"], contents=contents, config=config)
        except errors.APIError as error:
            said = error.message or str(error.details)
            # A key that is wrong is a bad request to this service.
            status = 401 if error.code == 400 and "api key" in said.lower() else error.code
            wait = seconds_asked(getattr(error.response, "headers", {})) or 0.0
            raise FaultError(said, status=status, wait=wait) from None
        except ValueError as error:
            return str(error)
        except Exception as error:
            kinds = {kind.__name__ for kind in type(error).__mro__}
            if "TransportError" not in kinds:  # of httpx, under whichever name the client has it
                raise
            raise FaultError(str(error), timed_out="TimeoutException" in kinds) from None
        return _completion(found)


def _part(part: dict[str, Any]) -> Any:
    from google.genai import types

    if "text" in part:
        return types.Part(text=part["text"])
    head, _, data = part["url"].partition(",")
    kind = head.removeprefix("data:").removesuffix(";base64")
    metadata = types.VideoMetadata(fps=part["fps"]) if "fps" in part else None
    blob = types.Blob(data=base64.b64decode(data), mime_type=kind)
    return types.Part(inline_data=blob, video_metadata=metadata)


def _completion(found: Any) -> Completion:
    usage = found.usage_metadata.model_dump() if found.usage_metadata is not None else {}
    question, answer, thoughts = (counted(usage, name) or {} for name in _COUNTS)
    tokens = {
        "prompt_tokens": sum(question.values()),
        "completion_tokens": sum(answer.values()) + sum(thoughts.values()),
    }
    about: dict[str, Any] = {"model": found.model_version, "usage": tokens if usage else None}
    if not found.candidates:
        blocked = found.prompt_feedback.block_reason if found.prompt_feedback is not None else None
        return Completion(finish_reason=_FILTERED if blocked else None, **about)
    candidate = found.candidates[0]
    parts = (candidate.content.parts if candidate.content is not None else None) or []
    reason = candidate.finish_reason.name if candidate.finish_reason is not None else None
    return Completion(
        text="".join(part.text for part in parts if part.text and not part.thought),
        finish_reason=None if reason is None else _REASONS.get(reason, _FILTERED),
        **about,
    )
