"""A model behind an OpenAI-compatible endpoint: vLLM, SGLang, Gemini, or any other that speaks the protocol.

- Pictures go as PNG data URLs, before the words. The answer's shape goes as `response_format`; an endpoint
  that refuses it is asked again without, which the record says.
- The questions of a call are asked at once, `concurrency` at a time in each worker process.
- The key for the endpoint comes from an environment variable and goes nowhere else.
- Answers are cached in the user's cache folder, by a hash over everything that decides an answer: model and
  revision, words, the pictures' sha256, parameters. It knows no endpoint: the same model served elsewhere
  gives the same answers. Only whole answers are kept: nothing that was refused, cut short or failed. A run
  that was killed asks nothing twice; losing the cache costs the questions again and nothing else.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from sparkle._cache import CacheDatabase
from sparkle._extras import install
from sparkle.generation.backend import Identity, operational, require_range
from sparkle.generation.backends.vlm.asking import AskingVlm
from sparkle.generation.backends.vlm.endpoint import Endpoint, SchemaRefusedError
from sparkle.generation.backends.vlm.questions import AskedModel, Question, Reply
from sparkle.generation.backends.vlm.reading import Repair, answer_error
from sparkle.generation.needs import (
    ESTIMATED,
    Requirements,
    card_note,
    needed,
    package_versions,
)
from sparkle.generation.weights import Weights
from sparkle.media.images import encode_png
from sparkle.schemas.canonical import fingerprint, sha256_bytes
from sparkle.schemas.errors import ConfigError

_ANSWERS = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT) WITHOUT ROWID"
_SEEDS = 2**31  # servers take seeds of 32 bits with sign


@dataclass(kw_only=True)
class EndpointModel(AskedModel):
    """Base of the backends that ask a model behind an endpoint.

    Args:
        model: The name by which the endpoint serves it.
        revision: The commit or version that the endpoint serves: it cannot be asked, so it is said here.
        note: What a reader of the card must know of the model, such as its licence.
        temperature: 0 takes the likeliest words.
        extra_body: Further fields of the request that this server knows.
        base_url: The endpoint; without it, `OPENAI_BASE_URL` of the environment.
        api_key_env: The environment variable that holds the key; None for a server without one.
        concurrency: Questions under way at once, in each worker process.
        timeout: Seconds for one attempt.
        retries: Further attempts after the first.
        backoff: Seconds before the second attempt; each further wait is twice as long.
    """

    capability: ClassVar[str]

    model: str
    revision: str
    note: str = ""
    temperature: float = 0.0
    extra_body: dict[str, Any] = field(default_factory=dict)
    base_url: str | None = operational(None)
    api_key_env: str | None = operational(None)
    concurrency: int = operational(8)
    timeout: float = operational(300.0)
    retries: int = operational(5)
    backoff: float = operational(1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "temperature", 0, 2)
        require_range(self, "concurrency", 1, 1024)
        require_range(self, "timeout", 0.01, 86_400)
        require_range(self, "retries", 0, 100)
        require_range(self, "backoff", 0, 3600)
        if not (self.model and self.revision):
            raise ConfigError("model and revision cannot be empty", got=(self.model, self.revision))
        self._cache: CacheDatabase | None = None
        self._endpoint: Endpoint | None = None
        self._holds_shapes = self.asks_for_shapes

    @property
    def asks_for_shapes(self) -> bool:
        """Whether an answer of the right shape is asked for by `response_format`."""
        return False

    @property
    def identity(self) -> Identity:
        """As the configuration says it."""
        return Identity(self.model, self.revision, card_note(self.model, self.note))

    @property
    def requirements(self) -> Requirements:
        """No GPU here; the endpoint's takes the time that the model takes in process."""
        model = needed(Weights(self.model, self.revision), served=True, note=self.note)
        return Requirements((model,), 0, self.seconds(), ESTIMATED)

    def setup(self) -> None:
        """Open the cache and the client; nothing is sent.

        Raises:
            ConfigError: the package is missing, there is no address or no key, or the address holds a secret.
        """
        package_versions(("openai",), fix=install("vlm"))
        self._cache = CacheDatabase("answers.sqlite", _ANSWERS)
        self._endpoint = Endpoint.connect(
            self._address(), self._key(), timeout=self.timeout, retries=self.retries, backoff=self.backoff
        )

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """Return the replies, asked `concurrency` at a time; the first question that fails is the error."""
        with ThreadPoolExecutor(min(self.concurrency, len(questions))) as pool:
            flying = [pool.submit(self._ask_one, question) for question in questions]
            try:
                return [future.result() for future in flying]
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _ask_one(self, question: Question) -> Reply:
        if self._holds_shapes:
            try:
                return Reply(self._cached(question, with_shape=True))
            except SchemaRefusedError:
                self._holds_shapes = False
        repairs = (Repair.ASKED_FREELY,) if self.asks_for_shapes else ()
        return Reply(self._cached(question, with_shape=False), repairs)

    def _cached(self, question: Question, *, with_shape: bool) -> str:
        if self._cache is None or self._endpoint is None:
            raise RuntimeError("setup() comes before the first question")
        pictures = [encode_png(image) for image in question.images]
        request = self._request(question, [sha256_bytes(data) for data in pictures], with_shape)
        key = fingerprint({**request, "revision": self.revision})
        answer = self._cache.query("SELECT answer FROM answers WHERE key = ?", key)
        if answer is None:
            urls = [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in pictures]
            request = self._request(question, urls, with_shape)
            spread = int(key[:8], 16) / 0xFFFFFFFF
            choice = self._endpoint.complete(request, asked=question.name, spread=spread)
            answer = _words(choice, question.name, self.max_tokens)
            if answer.strip():
                self._cache.query("REPLACE INTO answers (key, answer) VALUES (?, ?)", key, answer)
        return answer

    def _request(self, question: Question, pictures: Sequence[str], with_shape: bool) -> dict[str, Any]:
        """Arguments of `chat.completions.create`; pictures are URLs, or hashes in the cache's key."""
        content: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in pictures]
        content.append({"type": "text", "text": question.text})
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": self.temperature,
            "seed": question.seed % _SEEDS,
            "max_completion_tokens": self.max_tokens,
        }
        if with_shape:
            schema = {"name": question.job, "schema": question.shape, "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        if self.extra_body:
            request["extra_body"] = self.extra_body
        return request

    def _address(self) -> str:
        address = self.base_url or os.environ.get("OPENAI_BASE_URL", "")
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                "there is no endpoint to ask",
                got=address or "neither base_url nor OPENAI_BASE_URL",
                wanted=f'base_url = "http://127.0.0.1:8000/v1" or the like in [backends.{self.capability}]',
            )
        if parts.username or parts.password or parts.query:
            raise ConfigError(
                "the endpoint's address holds a secret",
                wanted="an address without user, password and query",
                where="base_url",
                fix="put the key into an environment variable and name that in api_key_env",
            )
        return address

    def _key(self) -> str:
        if self.api_key_env is None:
            return ""
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise ConfigError(
                "the endpoint's key is not set",
                wanted=f"the environment variable {self.api_key_env}",
                where="api_key_env",
                fix=f"export {self.api_key_env}=... and run the same command again",
            )
        if not (key.isascii() and key.isprintable()):  # it goes into a header
            raise ConfigError("the endpoint's key holds what no key can", where=self.api_key_env)
        return key


def _words(choice: dict[str, Any], asked: str, max_tokens: int) -> str:
    """Return the whole answer of a choice; raises AnswerError where there is none."""
    message, reason = choice["message"], choice.get("finish_reason")
    said, refusal = _text(message.get("content")), _text(message.get("refusal"))
    if refusal:
        raise answer_error("the model refused", refusal, where=asked)
    if reason == "content_filter":
        raise answer_error("the model refused", said, wanted="no content filter", where=asked)
    if reason == "length":
        fix = "raise max_tokens if the answer was on its way"
        raise answer_error(
            "the model's answer was cut short", said, wanted=f"{max_tokens} tokens", where=asked, fix=fix
        )
    return said


def _text(value: object) -> str:
    """A text of a message; a lone surrogate, which JSON can escape and no file can hold, stays its escape."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


@dataclass(kw_only=True)
class Backend(AskingVlm, EndpointModel):
    """The `vlm` behind an endpoint; the base classes have its other options.

    Args:
        structured: Ask for an answer of the right shape by `response_format`.
    """

    capability: ClassVar[str] = "vlm"

    structured: bool = True

    @property
    def asks_for_shapes(self) -> bool:
        """As configured."""
        return self.structured
