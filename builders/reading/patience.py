"""How long one waits for a Hub that is busy or cannot be reached, and what is said of it.

How it works
- The client repeats some requests itself, five times in about 30 s; others, such as `create_commit` or a
  download that is answered 503, it does not. `Patience` goes around all of them, and around the ranges of
  files, which are asked for without the client. It waits as long as the Hub asks (`Retry-After`,
  `RateLimit`), else from half a second on, doubling up to half a minute.
- A wait of seconds is told: by `say`, or as a warning of the logger `sparkle`, which Python writes to
  standard error, also in a data loader's worker.
- Asking for something does no harm, so it is simply repeated, for a few minutes; a Hub that cannot be
  reached at all is said at once. What changes something may have been done although its answer was lost:
  before it is repeated, `settled` looks whether it has been.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from sparkle._patience import seconds_asked, waiting_time
from sparkle.builders.reading.client import (
    CLIENT_ERRORS,
    answered,
    chain,
    explain,
    host,
    is_busy,
    is_of_this_machine,
    require_address,
    status_of,
    words_of,
)
from sparkle.schemas.errors import SparkleError

_TOO_MANY = 429
_SAID_WAIT = 2.0  # seconds of a wait that a person wonders about
_MINUTES = 120.0  # seconds from which minutes are told

Answer = TypeVar("Answer")


def tell(text: str) -> None:
    """Tell of a wait where nobody else does: on standard error, unless the program has set up logging."""
    logging.getLogger("sparkle").warning("%s", text)


class Bound(NamedTuple):
    """When one gives up: after seconds of failing (busy, a quota, no answer at all), or so many times."""

    busy: float
    quota: float
    silent: float
    failures: float = math.inf


READING = Bound(300.0, 600.0, 0.0)  # the Hub's quotas of requests are counted over five minutes
# Once a file was found, a connection that breaks is no wrong address. Waits of 0.5 to 16 seconds: half a
# minute in which nothing arrives, more where the Hub asks for it.
STREAMING = Bound(1800.0, 1800.0, 1800.0, failures=6)
# An outage of a quarter of an hour is somebody's to look at. Quotas (commits an hour) end by themselves.
WRITING = Bound(900.0, 7200.0, 900.0)


# What the client's library calls an answer that broke off: somebody is there, so that it is asked again.
_BROKEN = ("RemoteProtocolError", "ReadError", "ChunkedEncodingError")
_MENDING = 10.0  # seconds: four tries


class Patience:
    """How long one waits for a Hub.

    Args:
        where: The place, for messages.
        say: Told of waits.
        bound: When one gives up.
    """

    def __init__(self, where: str, say: Callable[[str], None] = tell, bound: Bound = READING) -> None:
        self._where = where
        self._say = say
        self._bound = bound
        self._told_until = -math.inf  # by the clock: of a wait that many threads have, one line tells

    def run(self, action: Callable[[], Answer], settled: Callable[[], Answer | None] | None = None) -> Answer:
        """Do something; returns what it answers.

        Args:
            action: What to do.
            settled: Asked after a failure: what `action` would have answered, when it was done all the same.

        Raises:
            SparkleError: the Hub refuses, or fails for too long.
            ConfigError: the Hub's address is none.
            OSError: something of this machine failed, such as a full disk.
        """
        require_address()
        spell = self.spell()
        while True:
            try:
                return action()
            except SparkleError:
                raise
            except CLIENT_ERRORS as error:
                if is_of_this_machine(error):
                    raise
                failure = error
            if settled is not None and (found := self.run(settled)) is not None:
                return found
            spell.wait_after(failure)

    def spell(self, where: str | None = None) -> Spell:
        """Begin to count failures in a row, of the place or a part of it."""
        return Spell(where or self._where, self._tell, self._bound)

    def _tell(self, pause: float, words: str) -> None:
        until = time.monotonic() + pause
        if until > self._told_until + _SAID_WAIT:
            self._told_until = until
            self._say(words)


class Spell:
    """Failures in a row.

    Args:
        where: The place, for messages.
        tell: Given the seconds of a wait, and what to say of it.
        bound: When one gives up.
    """

    def __init__(self, where: str, tell: Callable[[float, str], None], bound: Bound) -> None:
        self._where = where
        self._tell = tell
        self._bound = bound
        self._started = time.monotonic()
        self._failures = 0

    def wait_after(self, failure: Exception) -> None:
        """Wait until the same may succeed; raises what to tell a person where it will not, or not in time."""
        self._failures += 1
        pause = waiting_time(self._failures, _seconds_asked(failure))
        left = self._longest(failure) - (time.monotonic() - self._started)
        if not is_busy(failure) or pause > left or self._failures > self._bound.failures:
            raise self._last(failure, pause) from None
        if pause >= _SAID_WAIT:
            bound = f"giving up in {left / 60:.0f} min" if left > _MINUTES else f"giving up in {left:.0f} s"
            last = self._bound.failures - self._failures
            bound = bound if last == math.inf else f"{last + 1:.0f} more {'tries' if last else 'try'}"
            self._tell(pause, f"waiting {pause:.0f} s for {host()} ({bound}): {words_of(failure)}")
        time.sleep(pause)

    def _last(self, failure: Exception, pause: float) -> SparkleError:
        """The error for a failure that is not waited for, with what was waited before."""
        found = explain(failure, self._where)
        if is_busy(failure) and self._failures > 1:
            spent = f"asked {self._failures} times in {time.monotonic() - self._started:.0f} s"
            found.got = f"{found.got or words_of(failure)} ({spent})"
        elif is_busy(failure) and _seconds_asked(failure):
            found.got = f"{found.got or words_of(failure)} (it asks to wait {pause:.0f} s)"
        return found

    def _longest(self, failure: BaseException) -> float:
        status = status_of(failure)
        if status is None and any(type(found).__name__ in _BROKEN for found in chain(failure)):
            return max(self._bound.silent, _MENDING)
        if status is None:
            return self._bound.silent
        return self._bound.quota if status == _TOO_MANY else self._bound.busy


def _seconds_asked(error: BaseException) -> float | None:
    return next((seconds_asked(found.response.headers) for found in answered(error)), None)
