"""The staging hub's SQLite file: everything but large contents.

- Trees and small contents are here and not in files of their own: a commit of 20,000 files is one
  transaction and one fsync, and is there whole or not at all.
- `synchronous=FULL` with a write-ahead log: once a transaction returns, a kill or a power cut does not undo
  it.
- Writers take turns. Readers have one connection per thread and wait for nobody; what they read is either
  content-addressed or one row.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sparkle.schemas.errors import ConfigError

_VERSION = 3  # of the schema below
_READABLE = (0, 2, _VERSION)  # a new file; one from before pull requests and moves
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens(hash BLOB PRIMARY KEY, role TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS repos(
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
  private INTEGER NOT NULL, gated TEXT, created TEXT NOT NULL, UNIQUE(kind, key));
CREATE TABLE IF NOT EXISTS moved(
  kind TEXT NOT NULL, key TEXT NOT NULL, repo INTEGER NOT NULL, PRIMARY KEY(kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refs(
  repo INTEGER NOT NULL, ref TEXT NOT NULL, commit_id TEXT NOT NULL, PRIMARY KEY(repo, ref)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commits(
  repo INTEGER NOT NULL, id TEXT NOT NULL, parent TEXT, tree BLOB NOT NULL, title TEXT NOT NULL,
  message TEXT NOT NULL, date TEXT NOT NULL, PRIMARY KEY(repo, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pulls(
  repo INTEGER NOT NULL, number INTEGER NOT NULL, base TEXT NOT NULL, title TEXT NOT NULL,
  description TEXT NOT NULL, status TEXT NOT NULL, created TEXT NOT NULL, changed TEXT NOT NULL, merged TEXT,
  PRIMARY KEY(repo, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trees(key BLOB PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS contents(oid BLOB PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS purged(
  repo INTEGER NOT NULL, sha256 BLOB NOT NULL, PRIMARY KEY(repo, sha256)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS doomed(path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS xorbs(hash TEXT PRIMARY KEY, sizes BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spans(
  xorb TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL, sha256 BLOB NOT NULL,
  offset INTEGER NOT NULL, PRIMARY KEY(xorb, start, stop, sha256, offset)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spans_of_blob ON spans(sha256);
"""
# Readers that find the file locked wait this long: only while a log is being put back into the file.
_BUSY_SECONDS = 30.0
_LOG_BYTES = 64 * 1024 * 1024  # what a log that a large commit made longer is cut down to


class Database:
    """The file and its connections.

    Args:
        path: The file; made when it is not there.

    Raises:
        ConfigError: another version wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.RLock()
        self._own = threading.local()
        self._opened: set[sqlite3.Connection] = set()
        self._writer = self._connect()
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version not in _READABLE:
            raise ConfigError(
                "the folder was written by another version of the staging hub",
                got=f"version {version}",
                wanted=f"version {_VERSION}",
                where=path,
                fix="serve it with the version that wrote it, or give --root another folder",
            )
        self._writer.execute("PRAGMA journal_mode=WAL")
        self._writer.execute("PRAGMA synchronous=FULL")
        self._writer.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
        self._writer.executescript(_SCHEMA)
        if version != _VERSION:
            self._writer.execute(f"PRAGMA user_version={_VERSION}")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        self._opened.add(connection)
        return connection

    def _forget(self, connection: sqlite3.Connection) -> None:
        self._opened.discard(connection)
        connection.close()

    def read(self) -> sqlite3.Connection:
        """Return this thread's connection for reading."""
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect()
            connection.execute("PRAGMA query_only=ON")
            # Threads of the server come and go.
            weakref.finalize(threading.current_thread(), self._forget, connection).atexit = False
        return connection

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep other writers away for more than one transaction."""
        with self._turn:
            yield

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Begin a transaction: durable when the block is left, undone when it raises."""
        with self._turn:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # a full disk ends it by itself
                    self._writer.execute("ROLLBACK")
                raise

    def shrink(self) -> None:
        """Give room that is no longer used back to the disk."""
        with self._turn:
            self._writer.execute("VACUUM")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection; the log is put back into the file."""
        for connection in list(self._opened):
            self._forget(connection)


def now() -> str:
    """Return the current time as the Hub writes it, UTC in milliseconds: `2026-01-31T12:00:00.000Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
