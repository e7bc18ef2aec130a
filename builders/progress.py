"""How long work reports that it goes on, without knowing who listens.

`Terminal.progress` of `sparkle.schemas.terminal` is a `Progress`; `silent` is for callers that do not care.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from sparkle.schemas.terminal import Advance

# (title, units of work) -> a block in which `advance(done)` is called.
Progress = Callable[[str, int], AbstractContextManager[Advance]]


@contextmanager
def silent(title: str, total: int) -> Iterator[Advance]:
    """Tell nobody."""
    yield lambda done=1: None
