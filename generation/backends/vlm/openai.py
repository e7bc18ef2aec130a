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
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from sparkle._cache import CacheDatabase
from sparkle._extras import install
from sparkle.generation.backend import Identity, operational, require_range
from sparkle.generation.backends.vlm.address import address_of, key_of
from sparkle.generation.backends.vlm.asking import AskingVlm
from sparkle.generation.backends.vlm.budget import Budget
from sparkle.generation.backends.vlm.endpoint import (
    ChatEndpoint,
    Completion,
    Endpoint,
    SchemaRefusedError,
)
from sparkle.generation.backends.vlm.questions import AskedModel, Question, Reply
from sparkle.generation.backends.vlm.reading import Repair
from sparkle.generation.needs import (
    ESTIMATED,
    Requirements,
    card_note,
    needed,
    package_versions,
)
from sparkle.generation.weights import Weights
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.errors import ConfigError, SampleError

_REPLIES = "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT) WITHOUT ROWID"
_SEEDS = 2**31  # servers take seeds of 32 bits with sign


class NotKeptError(SampleError):
    """An answer that nobody may ask for, and that is not in the cache."""


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
        self.budget = Budget()
        self._cache: CacheDatabase | None = None
        self._endpoint: Endpoint | None = None
        self._holds_shapes = self.asks_for_shapes

    @property
    def asks_for_shapes(self) -> bool:
        """Whether an answer of the right shape is asked for by `response_format`."""
        return False

    @property
    def table(self) -> str:
        """The configuration's table, for errors."""
        return f"[backends.{self.capability}]"

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
        self.open_cache()
        self._endpoint = self.connect(retries=self.retries, backoff=self.backoff)

    def open_cache(self) -> None:
        """Open what answers are kept in."""
        self._cache = CacheDatabase("answers.sqlite", _REPLIES)

    def connect(self, **patience: Any) -> Endpoint:
        """Return the endpoint behind a client; nothing is sent."""
        package_versions(("openai",), fix=install("vlm"))
        address, key = address_of(self.base_url, self.table), key_of(self.api_key_env)
        return ChatEndpoint.connect(address, key, timeout=self.timeout, budget=self.budget, **patience)

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
        completion, repairs = self.complete(question)
        return Reply(completion.words(question.name, self.max_tokens), repairs)

    def complete(
        self, question: Question, context: Mapping[str, Any] | None = None
    ) -> tuple[Completion, tuple[Repair, ...]]:
        """Return what is answered to a question, whole or not, and what was done to get it.

        Args:
            question: The question.
            context: What else decides the answer, for its key in the cache.

        Raises:
            NotKeptError: nobody may be asked, and it is not in the cache.
        """
        known = self.find(question, context)
        if known is not None:
            return known
        if self._holds_shapes:
            try:
                return self._fetch(question, context, shaped=True), ()
            except SchemaRefusedError:
                self._holds_shapes = False
        return self._fetch(question, context, shaped=False), self._freely(shaped=False)

    def find(
        self, question: Question, context: Mapping[str, Any] | None = None
    ) -> tuple[Completion, tuple[Repair, ...]] | None:
        """Return what `complete` does where that is in the cache; None where it is not."""
        if self._cache is None:
            raise RuntimeError("setup() comes before the first question")
        for shaped in (True, False) if self.asks_for_shapes else (False,):
            key = self._key(question, context, shaped)
            known = self._cache.query("SELECT reply FROM replies WHERE key = ?", key)
            if known is not None:
                return msgspec.json.decode(known, type=Completion), self._freely(shaped=shaped)
        return None

    def _freely(self, *, shaped: bool) -> tuple[Repair, ...]:
        return (Repair.ASKED_FREELY,) if self.asks_for_shapes and not shaped else ()

    def _key(self, question: Question, context: Mapping[str, Any] | None, shaped: bool) -> str:
        request = self.request(question, question.hashes, shaped)
        return fingerprint({**request, "revision": self.revision, **(context or {})})

    def _fetch(self, question: Question, context: Mapping[str, Any] | None, *, shaped: bool) -> Completion:
        """Ask, and keep a whole answer."""
        if self._cache is None or self._endpoint is None:
            raise NotKeptError("the answer is not in the cache", where=question.name)
        key = self._key(question, context, shaped)
        urls = [f"data:{kind};base64,{base64.b64encode(data).decode()}" for kind, data in question.attached]
        found = self._endpoint.complete(
            self.request(question, urls, shaped),
            asked=question.name,
            spread=int(key[:8], 16) / 0xFFFFFFFF,
            shaped=shaped,
        )
        self.check(found)
        if found.whole:
            reply = msgspec.json.encode(found).decode()
            self._cache.query("REPLACE INTO replies (key, reply) VALUES (?, ?)", key, reply)
        return found

    def check(self, completion: Completion) -> None:
        """Look at an answer before anything is made of it; raises SparkleError where the run must stop."""

    def request(self, question: Question, attached: Sequence[str], shaped: bool) -> dict[str, Any]:
        """Return a request in the protocol's form.

        Args:
            question: The question.
            attached: Its pictures or videos, as URLs; or as hashes, for the cache's key.
            shaped: Whether the answer's shape is asked for.
        """
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": chat_content(question, attached)}],
            "temperature": self.temperature,
            "seed": question.seed % _SEEDS,
            "max_completion_tokens": self.max_tokens,
        }
        if shaped:
            schema = {"name": question.job, "schema": question.shape, "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        if self.extra_body:
            request["extra_body"] = self.extra_body
        return request


def chat_content(question: Question, attached: Sequence[str]) -> list[dict[str, Any]]:
    """Return the parts of a message: pictures with their captions, then words."""
    content: list[dict[str, Any]] = []
    for caption, url in zip(question.captions or [""] * len(attached), attached, strict=True):
        if caption:
            content.append({"type": "text", "text": caption})
        content.append({"type": "image_url", "image_url": {"url": url}})
    return [*content, {"type": "text", "text": question.text}]


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
