"""Content hashes of files that were hashed before: by (size, mtime, inode), in the user's cache folder.

- A finished run started again must say so in seconds, yet an artifact that was changed behind its back
  must be found. Hashing is skipped only when size, mtime in nanoseconds and inode are as they were.
- The cache stands outside the run, so a run folder holds nothing that depends on time or host:
  `$SPARKLE_CACHE`, else `$XDG_CACHE_HOME/sparkle`, else `~/.cache/sparkle`.
- Losing it costs a hash pass and nothing else; where it cannot be written, every file is hashed.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sparkle.schemas.canonical import sha256_file

_SCHEMA = """
CREATE TABLE IF NOT EXISTS hashes (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, sha256 TEXT
) WITHOUT ROWID
"""
_BUSY = 30.0  # seconds to wait for another process that writes the cache


def cache_folder() -> Path:
    """The user's cache folder of this package."""
    if named := os.environ.get("SPARKLE_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sparkle"


class HashCache:
    """sha256 of files, remembered between runs."""

    def __init__(self) -> None:
        self._database = _open(cache_folder() / "hashes.sqlite")

    def sha256(self, path: Path) -> str:
        """The hexadecimal sha256 of a file's content."""
        stat = path.stat()
        key = str(path.absolute())
        state = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        query = "SELECT size, mtime_ns, inode, sha256 FROM hashes WHERE path = ?"
        row = self._database.execute(query, (key,)).fetchone()
        if row is not None and row[:3] == state:
            return str(row[3])
        found = sha256_file(path)
        self._database.execute("REPLACE INTO hashes VALUES (?, ?, ?, ?, ?)", (key, *state, found))
        return found

    def remember(self, path: Path, sha256: str) -> None:
        """Take a hash that was just made while the file was written."""
        stat = path.stat()
        row = (str(path.absolute()), stat.st_size, stat.st_mtime_ns, stat.st_ino, sha256)
        self._database.execute("REPLACE INTO hashes VALUES (?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Write down what was remembered."""
        self._database.commit()
        self._database.close()


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=_BUSY)
        database.execute(_SCHEMA)
        database.commit()
    except (OSError, sqlite3.Error):  # no home, read-only, or not a database: hash everything
        database = sqlite3.connect(":memory:")
        database.execute(_SCHEMA)
    return database
