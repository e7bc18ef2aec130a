"""One publisher at a time: a lock on a file, gone with the process that holds it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparkle.schemas.errors import ReleaseError


@contextmanager
def exclusive(lock: Path, where: str) -> Iterator[None]:
    """Hold a lock file, made if need be, against other processes.

    Raises:
        ReleaseError: another process holds it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReleaseError(
                "another process publishes there", where=where, fix="wait for it to end"
            ) from None
        yield
