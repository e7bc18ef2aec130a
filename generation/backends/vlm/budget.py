"""What a run may ask of an endpoint: how many requests, at what cost, and how fast."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from sparkle.schemas.errors import RunError

_MINUTE = 60.0
_MILLION = 1_000_000


class BudgetError(RunError):
    """A run that has asked as much as it may."""


@dataclass
class Budget:
    """Requests and tokens of one run, for several threads; those under way are always finished.

    Attributes:
        most_requests: None for as many as it takes; a further try of a request is one, too.
        most_cost: In the currency of the prices.
        price_in: Of a million tokens of questions.
        price_out: Of a million tokens of answers.
        requests_per_minute: None for as many as are answered.
        tokens_per_minute: Of questions and answers together, likewise.
        requests: How many were sent.
        cost: What the answers cost so far.
        uncounted: Answers of which nobody said what they took.
    """

    most_requests: int | None = None
    most_cost: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    requests: int = 0
    cost: float = 0.0
    uncounted: int = 0
    _free_at: float = field(default=0.0, repr=False)  # of the monotonic clock
    _lock: Lock = field(default_factory=Lock, repr=False)

    def enter(self) -> None:
        """Wait until a request may be sent, and count it.

        Raises:
            BudgetError: there may be none any more.
        """
        with self._lock:
            again = "raise it, and run the same command again: what was answered is kept"
            if self.most_requests is not None and self.requests >= self.most_requests:
                got, wanted = f"{self.requests} requests", f"at most {self.most_requests}"
                raise BudgetError("all requests are used up", got=got, wanted=wanted, fix=again)
            if self.most_cost is not None and self.cost >= self.most_cost:
                got, wanted = f"{self.cost:.4f}", f"at most {self.most_cost:g}"
                raise BudgetError("the money is used up", got=got, wanted=wanted, fix=again)
            if self.most_cost is not None and self.uncounted:
                problem = "the endpoint does not say how many tokens an answer took"
                fix = "bound the run by the number of requests"
                raise BudgetError(problem, wanted="usage, to count what answers cost", fix=fix)
            self.requests += 1
            starts = max(self._free_at, time.monotonic())
            if self.requests_per_minute is not None:
                self._free_at = starts + _MINUTE / self.requests_per_minute
        time.sleep(max(0.0, starts - time.monotonic()))

    def spend(self, usage: Mapping[str, int]) -> None:
        """Count what an answer took."""
        question, answer = (usage.get(name, 0) for name in ("prompt_tokens", "completion_tokens"))
        with self._lock:
            self.uncounted += not usage
            self.cost += (question * self.price_in + answer * self.price_out) / _MILLION
            if self.tokens_per_minute is not None:
                took = _MINUTE * (question + answer) / self.tokens_per_minute
                self._free_at = max(self._free_at, time.monotonic()) + took
