"""The user's cache folder, and small databases in it that a run can do without.

- The folder stands outside the run, so a run folder holds nothing that depends on time or host:
  `$SPARKLE_CACHE`, else `$XDG_CACHE_HOME/sparkle`, else `~/.cache/sparkle`.
- Every statement is a transaction of its own: two runs of one user never wait for each other's end.
- Where a database cannot be written (no home, read-only, not a database), it lives in memory.
"""

from __future__ import annotations

import sqlite3

from sparkle.schemas.cache_folder import cache_folder

_BUSY = 2.0  # seconds to wait for another process that writes the cache


def open_database(name: str, schema: str) -> sqlite3.Connection:
    """A database of the cache folder, made if it is not there.

    Its connection may be used by several threads, one at a time.

    Args:
        name: Its file's name.
        schema: The statement that makes its table, if it is not there.
    """
    try:
        path = cache_folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return _connect(str(path), schema)
    except (OSError, RuntimeError, sqlite3.Error):  # RuntimeError: there is no home
        return _connect(":memory:", schema)


def _connect(place: str, schema: str) -> sqlite3.Connection:
    database = sqlite3.connect(place, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    database.execute(schema)
    return database
