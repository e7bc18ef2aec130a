"""Doing something at a Hub until it is done: outages are waited out, within bounds; nothing is done twice.

- The client repeats some requests itself, five times in about 30 s; `create_commit`, `create_repo` and others
  it does not. This goes around all of them.
- An answer can be lost: what asked for it may have been done. Before a request that changes something is
  repeated, `settled` looks whether it has been.
- Waits are the Hub's own (`Retry-After`, `RateLimit`), or double from one second to thirty.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sparkle.hub.remotes.hub_errors import CLIENT_ERRORS, asked_to_wait, explain, is_busy, is_quota, scrub
from sparkle.schemas.errors import SparkleError

# An outage of a quarter of an hour is somebody's to look at. Quotas (commits an hour) end by themselves.
_OUTAGE_SECONDS, _QUOTA_SECONDS = 900.0, 7200.0
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0  # seconds
_SAID_WAIT = 5.0  # seconds of a wait that a person wonders about

Answer = TypeVar("Answer")


class Patience:
    """How long one waits for a Hub.

    Args:
        where: The place, for messages.
        say: Told of waits.
        outage: Seconds of failing after which it is given up.
    """

    def __init__(self, where: str, say: Callable[[str], None], outage: float = _OUTAGE_SECONDS) -> None:
        self._where = where
        self._say = say
        self._outage = outage

    def run(self, action: Callable[[], Answer], settled: Callable[[], Answer | None] | None = None) -> Answer:
        """Do something; returns what it answers.

        Args:
            action: What to do.
            settled: Asked after a failure: what `action` would have answered, when it was done all the same.

        Raises:
            SparkleError: the Hub refuses, or fails for too long.
        """
        started, wait = time.monotonic(), _FIRST_WAIT
        while True:
            try:
                return action()
            except SparkleError:
                raise
            except CLIENT_ERRORS as error:
                failure = error
            if settled is not None and (found := self.run(settled)) is not None:
                return found
            if not is_busy(failure):
                raise explain(failure, self._where) from None
            pause = asked_to_wait(failure) or wait
            bound = _QUOTA_SECONDS if is_quota(failure) else self._outage
            if time.monotonic() - started + pause > bound:
                raise explain(failure, self._where) from None
            if pause >= _SAID_WAIT:
                self._say(f"waiting {pause:.0f} s for the Hub: {scrub(failure).splitlines()[0]}")
            time.sleep(pause)
            wait = min(2 * wait, _LONGEST_WAIT)
