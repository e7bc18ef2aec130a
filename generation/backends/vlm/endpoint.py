"""A chat-completions endpoint behind the `openai` client: what is tried again, and what went wrong.

- A server that is busy, a lost connection, a timeout or a body that is no completion are tried again, a
  bounded number of times, after a wait that doubles and is at least what `Retry-After` asks for. The
  wait is spread by the question's own hash, never by chance.
- What is left after that is a `ServiceError`: the sample fails, and the next run asks again.
- What no other question would survive stops the run: a wrong key, an unknown model, an endpoint that cannot
  be reached.
- The key never gets into an error: a server's words are quoted without it.
"""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparkle._patience import BUSY, seconds_asked, waiting_time
from sparkle.schemas.errors import ConfigError, RunError, ServiceError, SparkleError

if TYPE_CHECKING:
    from openai import APIError, APIStatusError

LONGEST_WAIT = 120.0  # seconds before one attempt, whatever the server asks for
_ANY_KEY = "none"  # the client wants one
_SHOWN = 400  # characters of what a server said
_STOPS = (401, 403, 404)  # statuses that every question would meet
# Words by which servers tell that they cannot hold an answer to a schema (vLLM, llama.cpp, Gemini, proxies).
_SCHEMA_WORDS = (
    "response_format",
    "json_schema",
    "responseschema",
    "response_schema",
    "structured",
    "guided",
)


class SchemaRefusedError(Exception):
    """The endpoint does not take the schema of the answer."""


@dataclass(frozen=True)
class _Passing:
    """A fault that may pass: what it is if it does not, and the seconds that the server asks to wait."""

    problem: Exception
    wait: float = 0.0


@dataclass(frozen=True)
class Endpoint:
    """One endpoint, for several threads.

    Attributes:
        base_url: Where it is, such as `http://127.0.0.1:8000/v1`.
        key: What it is opened with; empty where it takes any.
        timeout: Seconds for one attempt.
        retries: Further attempts after the first.
        backoff: Seconds before the second attempt; each further wait is twice as long.
        create: `chat.completions.with_raw_response.create` of the client.
    """

    base_url: str
    key: str = field(repr=False)
    timeout: float
    retries: int
    backoff: float
    create: Callable[..., Any]

    @classmethod
    def connect(cls, base_url: str, key: str, *, timeout: float, retries: int, backoff: float) -> Endpoint:
        """Return an endpoint behind a client of its own; nothing is sent."""
        from openai import OpenAI

        client = OpenAI(base_url=base_url, api_key=key or _ANY_KEY, timeout=timeout, max_retries=0)
        create = client.chat.completions.with_raw_response.create
        endpoint = cls(base_url, key, timeout, retries, backoff, create)
        weakref.finalize(endpoint, client.close)
        return endpoint

    def complete(self, request: dict[str, Any], *, asked: str, spread: float) -> dict[str, Any]:
        """Return the first choice of the completion of a request: `message` and `finish_reason`.

        Args:
            request: Arguments of `chat.completions.create`.
            asked: The question in an error.
            spread: From 0 to 1: how much longer than asked for this question waits before it is asked again.

        Raises:
            SchemaRefusedError: the endpoint does not take `response_format`.
            ServiceError: it could not answer this question this time.
            ConfigError: key, model or address are wrong.
            RunError: the endpoint cannot be reached.
        """
        for failures in range(1, self.retries + 1):
            found = self._attempt(request, asked)
            if not isinstance(found, _Passing):
                return found
            wait = waiting_time(failures, None, first=self.backoff * (1 + spread))
            time.sleep(min(max(wait, found.wait), LONGEST_WAIT))
        found = self._attempt(request, asked)
        if isinstance(found, _Passing):
            raise found.problem
        return found

    def _attempt(self, request: dict[str, Any], asked: str) -> dict[str, Any] | _Passing:
        from openai import APIConnectionError, APIError

        try:
            body = self.create(**request).text
        except APIError as error:
            problem = self._problem(error, asked, "response_format" in request)
            # A lost connection is an error without a status, and so is a timeout.
            passes = isinstance(error, APIConnectionError) or getattr(error, "status_code", 0) in BUSY
            if not passes or isinstance(problem, SchemaRefusedError):
                raise problem from None
            response = getattr(error, "response", None)
            return _Passing(problem, (response is not None and seconds_asked(response.headers)) or 0.0)
        choice = _first_choice(body)
        if choice is None:
            got = self._quote(body)
            return _Passing(ServiceError("the endpoint's answer is no completion", got=got, where=asked))
        return choice

    def _problem(self, error: APIError, asked: str, has_schema: bool) -> SparkleError | SchemaRefusedError:
        """Return what an error of the client means for the run."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        attempts = f"{self.retries + 1} attempts"
        if isinstance(error, APITimeoutError):
            got = f"{attempts} of {self.timeout:g} seconds"
            return ServiceError("the endpoint did not answer in time", got=got, where=asked)
        if isinstance(error, APIConnectionError):
            return RunError(
                "the endpoint cannot be reached",
                got=f"{self._quote(str(error.__cause__ or error))} ({attempts})",
                where=self.base_url,
                fix="start it, or correct base_url, and run the same command again: nothing is lost",
            )
        if not isinstance(error, APIStatusError):
            return ServiceError(
                "the endpoint's answer is no completion", got=type(error).__name__, where=asked
            )
        said = self._quote(error.response.text)
        if error.status_code in _STOPS:
            return self._wrong_setting(error, said)
        if has_schema and error.status_code in (400, 415, 422, 501) and _is_about_schema(said):
            return SchemaRefusedError()
        problem = f"the endpoint answered with status {error.status_code}"
        return ServiceError(problem, got=said, where=asked)

    def _wrong_setting(self, error: APIStatusError, said: str) -> ConfigError:
        if error.status_code == 404:
            fix = "correct model and base_url (it ends in /v1 as a rule)"
            return ConfigError("the endpoint does not know the model", got=said, where=self.base_url, fix=fix)
        return ConfigError(  # some servers quote parts of the key: not a word of theirs
            "the endpoint refuses the key",
            got=f"status {error.status_code}",
            where=self.base_url,
            fix="set the environment variable that api_key_env names to a key of this endpoint",
        )

    def _quote(self, text: str) -> str:
        """Return a server's words on one line, without the key."""
        quoted = text.replace(self.key, "***") if self.key else text
        return " ".join(quoted.split())[:_SHOWN]


def _first_choice(body: str) -> dict[str, Any] | None:
    """Return the first choice of a chat completion, or None where a body is none."""
    try:
        choice = json.loads(body)["choices"][0]
        return choice if isinstance(choice["message"], dict) else None
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None


def _is_about_schema(said: str) -> bool:
    return any(word in said.lower() for word in _SCHEMA_WORDS)
