"""What can be made again and is kept between commands, in the user's cache folder.

- The folder is outside the run, so a run folder holds nothing that depends on time or host:
  `$SPARKLE_CACHE`, else `$XDG_CACHE_HOME/sparkle`, else `~/.cache/sparkle`.
- A transaction of a database is a statement, or the rows that are ready at once: two runs of one user never
  wait for each other's end. Where a database cannot be written (no home, read-only, not a database), it lives
  in memory.
- A file's hash is remembered by (path, size, mtime, inode). A finished run started again must say so in
  seconds, yet an artifact that was changed behind its back must be found: hashing is skipped only when size,
  mtime in nanoseconds and inode are as they were.
- Losing the cache costs the work again and nothing else.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from sparkle.schemas.canonical import sha256_file

_BUSY = 2.0  # seconds to wait for another process that writes the cache

_TOGETHER = 1000  # rows that are written in one transaction, which takes ten milliseconds on some disks

_HASHES = """
CREATE TABLE IF NOT EXISTS hashes (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, sha256 TEXT
) WITHOUT ROWID
"""


def cache_folder() -> Path:
    """Return the cache folder of this package.

    Raises:
        RuntimeError: the user has no home.
    """
    if named := os.environ.get("SPARKLE_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sparkle"


# Everything that is in the folder, by name.
PARTS = {
    "hashes.sqlite": "sha256 of files: without it, a finished run is hashed again",
    "runs.sqlite": "what finished runs came to: without it, each is looked through again",
    "answers.sqlite": "answers of models behind an endpoint: without it, they are asked again",
    "saliency.sqlite": "what a network sees in frames of clips: without it, it looks again",
    "tables": "columns of releases' tables: without it, they are read again",
    "artifacts": "videos and images read from a Hub: without it, they are downloaded again",
    "publish": "what a publish has sent: without it, one that was ended begins anew",
    "takedown": "tars of a takedown under way: without it, one that was ended begins anew",
}


@dataclass(frozen=True)
class CachePart:
    """A part of the cache folder.

    Attributes:
        name: One of `PARTS`.
        files: Number of its files.
        bytes: Their sizes together.
    """

    name: str
    files: int
    bytes: int


def list_cache() -> list[CachePart]:
    """Return the parts that there are; files in the folder that are not ours are in none."""
    found = []
    for name in PARTS:
        sizes = [size for path in _paths(name) for size in _sizes(path)]
        if sizes:
            found.append(CachePart(name, len(sizes), sum(sizes)))
    return found


def delete_cache(names: Collection[str]) -> None:
    """Delete parts of the cache folder."""
    for name in names:
        for path in _paths(name):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _paths(name: str) -> list[Path]:
    """A part's folder, or its database with the files that SQLite puts beside it."""
    return [path for path in cache_folder().glob(f"{name}*") if path.name in (name, *_beside(name))]


def _sizes(path: Path) -> Iterator[int]:
    for file in (path, *path.rglob("*")):
        with suppress(FileNotFoundError):  # another command has just deleted it
            if file.is_file():
                yield file.stat().st_size


def _beside(name: str) -> tuple[str, ...]:
    return tuple(f"{name}-{suffix}" for suffix in ("journal", "wal", "shm"))


class CacheDatabase:
    """A database of the cache folder, made if it is not there; for several threads.

    Args:
        name: Its file's name.
        schema: The statement that makes its table, if it is not there.
    """

    def __init__(self, name: str, schema: str) -> None:
        try:
            path = cache_folder() / name
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = _connect(str(path), schema)
        except (OSError, RuntimeError, sqlite3.Error):  # RuntimeError: there is no home
            self._database = _connect(":memory:", schema)
        self._lock = Lock()
        self.close = weakref.finalize(self, self._database.close)

    def query(self, statement: str, *values: object) -> str | None:
        """Return the first value that a statement gives; None where the cache is of no use now."""
        with self._lock:
            try:
                row = self._database.execute(statement, values).fetchone()
            except sqlite3.Error:  # locked for long, read-only, full: a cache never stops a run
                return None
        return None if row is None else str(row[0])

    def write(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Do a statement once per row, all in one transaction; nothing where the cache is of no use now."""
        with self._lock, suppress(sqlite3.Error):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(statement, rows)
            finally:
                self._database.execute("COMMIT")


def _connect(place: str, schema: str) -> sqlite3.Connection:
    database = sqlite3.connect(place, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    try:
        database.execute(schema)
    except sqlite3.Error:
        database.close()
        raise
    return database


class HashCache:
    """sha256 of files, remembered between runs; what the cache cannot tell is hashed.

    What is new is written some thousand at a time, and by `close`: a kill costs hashing those again.
    """

    def __init__(self) -> None:
        self._database = CacheDatabase("hashes.sqlite", _HASHES)
        self._new: dict[bytes, tuple[bytes, int, int, int, str]] = {}

    def sha256(self, path: Path) -> str:
        """Return the hexadecimal sha256 of a file's content."""
        known = self.find(path)
        if known is not None:
            return known
        found = sha256_file(path)
        self.remember({path: found})
        return found

    def find(self, path: Path) -> str | None:
        """Return the hash of a file where the cache can tell it."""
        identity = _identity(path)
        new = self._new.get(identity[0])
        if new is not None and new[:-1] == identity:
            return new[-1]
        return self._database.query(
            "SELECT sha256 FROM hashes WHERE path = ? AND size = ? AND mtime_ns = ? AND inode = ?", *identity
        )

    def remember(self, hashes: Mapping[Path, str]) -> None:
        """Take hashes that were just made, while the files were read or written."""
        for path, sha256 in hashes.items():
            identity = _identity(path)
            self._new[identity[0]] = (*identity, sha256)
        if len(self._new) >= _TOGETHER:
            self._write()

    def _write(self) -> None:
        statement = "REPLACE INTO hashes (path, size, mtime_ns, inode, sha256) VALUES (?, ?, ?, ?, ?)"
        self._database.write(statement, self._new.values())
        self._new = {}

    def close(self) -> None:
        """Let go of the cache."""
        if self._new:
            self._write()
        self._database.close()


def _identity(path: Path) -> tuple[bytes, int, int, int]:
    stat = path.stat()
    return os.fsencode(path.absolute()), stat.st_size, stat.st_mtime_ns, stat.st_ino
