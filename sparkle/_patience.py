"""How long one waits for a service that is busy, and which answers are worth a wait."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may pass by themselves."""


def doubling_waits(first: float) -> Iterator[float]:
    """Yield the seconds to wait before each further attempt, each twice as long as the one before."""
    while True:
        yield first
        first *= 2


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a service asks to wait, by number or by date; 0 where it does not."""
    value = headers.get("Retry-After", "")
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0.0
