"""Whoever read a command's output has left, as `head` does: it ends as other tools do.

Those are ended by the signal SIGPIPE, which a shell reports as 141. Python ignores that signal, and must: it
would also end a command whose connection to a Hub breaks. So the write fails, and click would end with 1,
which says that there are findings.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_UNREAD = 128 + signal.SIGPIPE


@contextmanager
def ended_by_its_reader() -> Iterator[None]:
    """End the process without a word where the block writes what nobody reads any more."""
    try:
        yield
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in unread():  # what is left in its buffer is written when Python ends
            os.dup2(nowhere, stream.fileno())
        raise SystemExit(_UNREAD) from None


def unread() -> list[TextIO]:
    """Return those of standard output and error that are pipes whose readers have left."""
    return [stream for stream in (sys.stdout, sys.stderr) if _is_unread(stream)]


def _is_unread(stream: TextIO) -> bool:
    poll = select.poll()
    try:
        poll.register(stream.fileno(), 0)  # errors are always reported
    except (OSError, ValueError):  # a stream in memory
        return False
    return any(event & select.POLLERR for _, event in poll.poll(0))
