"""A model behind an endpoint: what is tried again, what its answer is, and what went wrong.

- A server that is busy, a lost connection, a timeout or a body that is no completion are tried again, a
  bounded number of times, after a wait that doubles and is at least what `Retry-After` asks for. The
  wait is spread by the question's own hash, never by chance.
- What is left after that is a `ServiceError`: the sample fails, and the next run asks again.
- What no other question would survive stops the run: a wrong key, an unknown model, an endpoint that cannot
  be reached.
- The key never gets into an error: a server's words are quoted without it.
- `ChatEndpoint` speaks the OpenAI protocol through its client; another protocol is another subclass.
"""

from __future__ import annotations

import json
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from sparkle._patience import BUSY, seconds_asked, waiting_time
from sparkle.generation.backends.vlm.budget import Budget
from sparkle.generation.backends.vlm.reading import answer_error
from sparkle.schemas.errors import AnswerError, ConfigError, RunError, ServiceError, SparkleError

LONGEST_WAIT = 120.0  # seconds before one attempt, whatever the server asks for
_ANY_KEY = "none"  # the client wants one
_SHOWN = 400  # characters of what a server said
_STOPS = (401, 403, 404)  # statuses that every question would meet
# Words by which servers tell that they cannot hold an answer to a schema (vLLM, llama.cpp, Gemini, proxies).
_SCHEMA_WORDS = (
    "response_format",
    "json_schema",
    "jsonschema",
    "responseschema",
    "response_schema",
    "structured",
    "guided",
)
_CUT, _FILTERED = "length", "content_filter"


class SchemaRefusedError(Exception):
    """The endpoint does not take the schema of the answer."""


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """What a model answered.

    Attributes:
        text: Its words; empty where there are none.
        refusal: Its words where it refuses.
        finish_reason: Why it stopped.
        model: Its name, as the endpoint gives it.
        fingerprint: The endpoint's `system_fingerprint`.
        usage: Tokens, by `prompt_tokens` and `completion_tokens`.
    """

    text: str = ""
    refusal: str = ""
    finish_reason: str | None = None
    model: str | None = None
    fingerprint: str | None = None
    usage: dict[str, int] | None = None

    @property
    def whole(self) -> bool:
        """Whether it says something, to its end."""
        return bool(self.text.strip()) and not self.refusal and self.finish_reason not in (_CUT, _FILTERED)

    def words(self, asked: str, max_tokens: int) -> str:
        """Return the whole answer; raises AnswerError where it was refused or cut."""
        if self.refusal or self.finish_reason == _FILTERED:
            wanted = None if self.refusal else "no content filter"
            raise answer_error("the model refused", self.refusal or self.text, wanted=wanted, where=asked)
        if self.finish_reason == _CUT:
            raise cut_short(self.text, asked, max_tokens)
        return self.text


def cut_short(text: str, asked: str, max_tokens: int) -> AnswerError:
    """Return the error of an answer that ends for want of tokens."""
    return answer_error(
        "the model's answer was cut short",
        text,
        wanted=f"{max_tokens} tokens",
        where=asked,
        fix="raise max_tokens if the answer was on its way",
    )


class FaultError(Exception):
    """What came in place of an answer.

    Args:
        said: The server's words, or what was wrong with the connection.
        status: Of HTTP; None where there was no answer.
        timed_out: Whether there was none in time.
        wait: Seconds that the server asks to wait.
    """

    def __init__(
        self, said: str, *, status: int | None = None, timed_out: bool = False, wait: float = 0.0
    ) -> None:
        super().__init__(said)
        self.said, self.status, self.timed_out, self.wait = said, status, timed_out, wait


@dataclass(frozen=True)
class _Passing:
    """A fault that may pass: what it is if it does not, and the seconds that the server asks to wait."""

    problem: Exception
    wait: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Endpoint(ABC):
    """One endpoint, for several threads.

    Attributes:
        base_url: Where it is, such as `http://127.0.0.1:8000/v1`.
        key: What it is opened with; empty where it takes any.
        timeout: Seconds for one attempt.
        retries: Further attempts after the first.
        backoff: Seconds before the second attempt; each further wait is twice as long.
        budget: How many requests there may be, and how fast.
    """

    base_url: str
    key: str = field(repr=False)
    timeout: float
    retries: int
    backoff: float
    budget: Budget = field(default_factory=Budget)

    @abstractmethod
    def send(self, request: dict[str, Any]) -> Completion | str:
        """Return what is answered to a request, or the body where it is no completion.

        Raises:
            FaultError: there is no answer, or one with a status that says so.
        """

    def complete(self, request: dict[str, Any], *, asked: str, spread: float, shaped: bool) -> Completion:
        """Return what is answered to a request.

        Args:
            request: In the protocol's form.
            asked: The question in an error.
            spread: From 0 to 1: how much longer than asked for this question waits before it is asked again.
            shaped: Whether the request has a schema of the answer.

        Raises:
            SchemaRefusedError: the endpoint does not take that schema.
            ServiceError: it could not answer this question this time.
            ConfigError: key, model or address are wrong.
            RunError: the endpoint cannot be reached, or the budget is used up.
        """
        for failures in range(1, self.retries + 1):
            found = self._attempt(request, asked, shaped)
            if not isinstance(found, _Passing):
                return found
            wait = waiting_time(failures, None, first=self.backoff * (1 + spread))
            time.sleep(min(max(wait, found.wait), LONGEST_WAIT))
        found = self._attempt(request, asked, shaped)
        if isinstance(found, _Passing):
            raise found.problem
        return found

    def _attempt(self, request: dict[str, Any], asked: str, shaped: bool) -> Completion | _Passing:
        self.budget.enter()
        try:
            found = self.send(request)
        except FaultError as fault:
            problem = self._problem(fault, asked, shaped)
            passes = fault.status is None or fault.status in BUSY
            if not passes or isinstance(problem, SchemaRefusedError):
                raise problem from None
            return _Passing(problem, fault.wait)
        if isinstance(found, str):
            problem = ServiceError(
                "the endpoint's answer is no completion", got=self._quote(found), where=asked
            )
            return _Passing(problem)
        self.budget.spend(found.usage or {})
        return found

    def _problem(self, fault: FaultError, asked: str, shaped: bool) -> SparkleError | SchemaRefusedError:
        """Return what a fault means for the run."""
        attempts, said = f"{self.retries + 1} attempts", self._quote(fault.said)
        if fault.timed_out:
            got = f"{attempts} of {self.timeout:g} seconds"
            return ServiceError("the endpoint did not answer in time", got=got, where=asked)
        if fault.status is None:
            return RunError(
                "the endpoint cannot be reached",
                got=f"{said} ({attempts})",
                where=self.base_url,
                fix="start it, or correct base_url, and run the same command again: nothing is lost",
            )
        if fault.status in _STOPS:
            return self._wrong_setting(fault.status, said)
        if shaped and fault.status in (400, 415, 422, 501) and _is_about_schema(said):
            return SchemaRefusedError()
        return ServiceError(f"the endpoint answered with status {fault.status}", got=said, where=asked)

    def _wrong_setting(self, status: int, said: str) -> ConfigError:
        if status == 404:
            fix = "correct model and base_url (it ends in /v1 as a rule)"
            return ConfigError("the endpoint does not know the model", got=said, where=self.base_url, fix=fix)
        return ConfigError(  # some servers quote parts of the key: not a word of theirs
            "the endpoint refuses the key",
            got=f"status {status}",
            where=self.base_url,
            fix="set the environment variable that api_key_env names to a key of this endpoint",
        )

    def _quote(self, text: str) -> str:
        """Return a server's words on one line, without the key."""
        quoted = text.replace(self.key, "***") if self.key else text
        return " ".join(quoted.split())[:_SHOWN]


@dataclass(frozen=True, kw_only=True)
class ChatEndpoint(Endpoint):
    """An endpoint that speaks the OpenAI protocol.

    Attributes:
        create: `chat.completions.with_raw_response.create` of the client.
    """

    create: Callable[..., Any]

    @classmethod
    def connect(cls, base_url: str, key: str, *, timeout: float, **rest: Any) -> Self:
        """Return an endpoint behind a client of its own; nothing is sent."""
        from openai import OpenAI

        client = OpenAI(base_url=base_url, api_key=key or _ANY_KEY, timeout=timeout, max_retries=0)
        create = client.chat.completions.with_raw_response.create
        endpoint = cls(base_url=base_url, key=key, timeout=timeout, create=create, **rest)
        weakref.finalize(endpoint, client.close)
        return endpoint

    def send(self, request: dict[str, Any]) -> Completion | str:
        """Return the first choice of a completion, or the body where it is none."""
        from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

        try:
            body: str = self.create(**request).text
        except APITimeoutError as error:
            raise FaultError(str(error), timed_out=True) from None
        except APIConnectionError as error:  # a lost connection is an error without a status
            raise FaultError(str(error.__cause__ or error)) from None
        except APIStatusError as error:
            wait = seconds_asked(error.response.headers) or 0.0
            raise FaultError(error.response.text, status=error.status_code, wait=wait) from None
        except APIError as error:
            return type(error).__name__
        return _first_choice(body) or body


def _first_choice(body: str) -> Completion | None:
    """Return the first choice of a chat completion, or None where a body is none."""
    try:
        found = json.loads(body)
        choice = found["choices"][0]
        message, usage = choice["message"], found.get("usage")
        if not isinstance(message, dict):
            return None
        return Completion(
            text=_text(message.get("content")),
            refusal=_text(message.get("refusal")),
            finish_reason=_text(choice.get("finish_reason")) or None,
            model=_text(found.get("model")) or None,
            fingerprint=_text(found.get("system_fingerprint")) or None,
            usage=counted(usage, "prompt_tokens", "completion_tokens") if isinstance(usage, dict) else None,
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None


def counted(usage: dict[str, Any], *names: str) -> dict[str, int] | None:
    """Return those counts of tokens that are counts; None where there are none."""
    found = {name: usage[name] for name in names if type(usage.get(name)) is int and usage[name] >= 0}
    return found or None


def _text(value: object) -> str:
    """A text of a message; a lone surrogate, which JSON can escape and no file can hold, stays its escape."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def _is_about_schema(said: str) -> bool:
    return any(word in said.lower() for word in _SCHEMA_WORDS)
