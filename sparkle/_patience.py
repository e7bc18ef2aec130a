"""How long one waits for a service that is busy, and which answers are worth a wait."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may succeed."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds of a wait that nobody asked for."""

_RESET = re.compile(r"r=0;t=(\d+)")  # of `RateLimit`: nothing is left, and until when


def waiting_time(failures: int, asked: float | None, first: float | None = None) -> float:
    """Return the seconds to wait after some failures in a row.

    Args:
        failures: How many; 1 or more.
        asked: What the service asks for, which is kept; None or 0 where it does not.
        first: Seconds after the first failure, `FIRST_WAIT` if not given; they double up to `LONGEST_WAIT`.
    """
    return asked or min((FIRST_WAIT if first is None else first) * 2 ** (failures - 1), LONGEST_WAIT)


def seconds_asked(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait; None where it does not say.

    `Retry-After` is a number of seconds or a date (RFC 9110, 10.2.3); `RateLimit` is the Hub's.
    """
    value = headers.get("Retry-After", "")
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        pass
    reset = _RESET.search(headers.get("RateLimit", ""))
    return float(reset[1]) if reset else None
