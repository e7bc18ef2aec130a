"""How long work reports its progress, without knowing who listens; how sizes are written for people.

`Terminal.progress` of `sparkle.commands.console` is a `Progress`; `silent` is for callers that do not care.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Advance(Protocol):
    """Called by long work when some of it is done."""

    def __call__(self, done: int = 1) -> None:
        """Report that `done` more units are finished."""
        ...


_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"))  # decimal, as storage is sold

# (title, units of work) -> a block in which `advance(done)` is called.
Progress = Callable[[str, int], AbstractContextManager[Advance]]


@contextmanager
def silent(title: str, total: int) -> Iterator[Advance]:
    """Tell nobody."""
    yield lambda done=1: None


def size_text(size: int) -> str:
    """Return a number of bytes for people, such as `1.5 GB`."""
    unit, name = next((pair for pair in _UNITS if size >= pair[0]), _UNITS[-1])
    return f"{size / unit:,.1f} {name}"
