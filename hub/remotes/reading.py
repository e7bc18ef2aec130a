"""Asking a Hub for something until it answers: a busy Hub is waited for, a few minutes and no longer.

The client repeats some requests itself and others not (a download that is answered 503, for one). Asking does
no harm, so here all are repeated alike. A Hub that cannot be reached at all is not waited for: that is said
at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sparkle.hub.remotes.hub_errors import CLIENT_ERRORS, asked_to_wait, is_busy, status_of

_PATIENCE = 300.0  # seconds: the Hub's quotas of requests are counted over five minutes
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0  # seconds

Answer = TypeVar("Answer")


def patiently(ask: Callable[[], Answer]) -> Answer:
    """What a Hub answers; raises what the client raises."""
    started, wait = time.monotonic(), _FIRST_WAIT
    while True:
        try:
            return ask()
        except CLIENT_ERRORS as error:
            if status_of(error) is None or not is_busy(error):
                raise
            pause = asked_to_wait(error) or wait
            if time.monotonic() - started + pause > _PATIENCE:
                raise
        time.sleep(pause)
        wait = min(2 * wait, _LONGEST_WAIT)
