"""Where things that can be made again are kept between commands: `$SPARKLE_CACHE`, else the user's cache.

The user's cache folder, and small databases in it that a run can do without.

- The folder stands outside the run, so a run folder holds nothing that depends on time or host:
  `$SPARKLE_CACHE`, else `$XDG_CACHE_HOME/sparkle`, else `~/.cache/sparkle`.
- Every statement is a transaction of its own: two runs of one user never wait for each other's end.
- Where a database cannot be written (no home, read-only, not a database), it lives in memory.

Content hashes of files that were hashed before: by (size, mtime, inode), in the user's cache folder.

- A finished run started again must say so in seconds, yet an artifact that was changed behind its back
  must be found. Hashing is skipped only when size, mtime in nanoseconds and inode are as they were.
- Losing the cache costs a hash pass and nothing else; where it cannot be written, every file is hashed.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sparkle.schemas.canonical import sha256_file


def cache_folder() -> Path:
    """The cache folder of this package: `$SPARKLE_CACHE`, `$XDG_CACHE_HOME/sparkle` or `~/.cache/sparkle`.

    Raises:
        RuntimeError: the user has no home.
    """
    if named := os.environ.get("SPARKLE_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sparkle"


# --- the user's cache folder -----------------------------------------------------------------------


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


# --- content hashes of files -----------------------------------------------------------------------


_SCHEMA = """
CREATE TABLE IF NOT EXISTS hashes (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, sha256 TEXT
) WITHOUT ROWID
"""


class HashCache:
    """sha256 of files, remembered between runs; what the cache cannot tell is hashed."""

    def __init__(self) -> None:
        self._database = open_database("hashes.sqlite", _SCHEMA)

    def sha256(self, path: Path) -> str:
        """The hexadecimal sha256 of a file's content."""
        known = self._query(
            "SELECT sha256 FROM hashes WHERE path = ? AND size = ? AND mtime_ns = ? AND inode = ?", path
        )
        if known is not None:
            return known
        found = sha256_file(path)
        self.remember(path, found)
        return found

    def remember(self, path: Path, sha256: str) -> None:
        """Take a hash that was just made while the file was written."""
        self._query(
            "REPLACE INTO hashes (path, size, mtime_ns, inode, sha256) VALUES (?, ?, ?, ?, ?)", path, sha256
        )

    def close(self) -> None:
        """Let go of the cache."""
        self._database.close()

    def _query(self, statement: str, path: Path, *more: str) -> str | None:
        """The first value that a statement about a file gives; None where the cache is of no use now."""
        stat = path.stat()
        values = (os.fsencode(path.absolute()), stat.st_size, stat.st_mtime_ns, stat.st_ino, *more)
        try:
            row = self._database.execute(statement, values).fetchone()
        except sqlite3.Error:  # locked for long, read-only, full: a cache never stops a run
            return None
        return None if row is None else str(row[0])
