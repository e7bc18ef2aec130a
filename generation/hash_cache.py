"""Content hashes of files that were hashed before: by (size, mtime, inode), in the user's cache folder.

- A finished run started again must say so in seconds, yet an artifact that was changed behind its back
  must be found. Hashing is skipped only when size, mtime in nanoseconds and inode are as they were.
- Losing the cache costs a hash pass and nothing else; where it cannot be written, every file is hashed.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sparkle.generation.user_cache import open_database
from sparkle.schemas.canonical import sha256_file

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
