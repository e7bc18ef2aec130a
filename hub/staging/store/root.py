"""The folder of a staging hub: opened by one process at a time, and cleared of what nothing refers to.

How it works
- ROOT/lock is held as long as a process works on the folder (`flock`, which a kill releases): a second
  server, or a collection of garbage while a server runs, is refused.
- Opening finishes what a kill left: files in `tmp` are removed, and so are contents that were given up.
- A collection keeps what a reference leads to: its commits, their trees, their contents. Everything else
  goes: commits that a squash left behind, contents of deleted repositories, uploads that no commit followed,
  parts, and xorbs, of whose chunks those in kept contents stay.
- The database lets go of it in one transaction before a file is deleted; a kill in between leaves files that
  the next collection finds again.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sparkle._files import exclusive
from sparkle.hub.staging.store.blobs import BlobStore
from sparkle.hub.staging.store.database import Database
from sparkle.hub.staging.store.purging import delete_doomed
from sparkle.hub.staging.store.repos import history, list_repositories, refs_of
from sparkle.hub.staging.store.trees import Reached
from sparkle.hub.staging.store.xet import forget_spans
from sparkle.schemas.errors import ConfigError


@dataclass(frozen=True)
class Root:
    """An opened folder."""

    path: Path
    database: Database
    blobs: BlobStore


@contextmanager
def open_root(path: Path) -> Iterator[Root]:
    """Open the folder of a hub, or make one.

    Raises:
        ConfigError: another process has it open, or it contains other files.
    """
    if path.is_dir() and any(path.iterdir()) and not (path / "lock").exists():
        raise ConfigError(
            "the folder contains other files than those of a staging hub",
            where=path,
            fix="give --root a folder of its own; it is made when it is not there",
        )
    path.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds private repositories
    busy = ConfigError(
        "another process works on this staging hub",
        where=path,
        fix="stop its `sparkle serve`, or give --root another folder",
    )
    with exclusive(path / "lock", busy):
        blobs = BlobStore(path)
        with closing(Database(path / "hub.db")) as database:
            delete_doomed(database, blobs)
            yield Root(path, database, blobs)


@dataclass(frozen=True)
class Collected:
    """How much was deleted: the number of each, and the bytes that the folder is smaller by."""

    commits: int
    blobs: int
    xorbs: int
    bytes: int


def collect(root: Root) -> Collected:
    """Delete what nothing refers to in an opened folder; returns how much it was."""
    before = _bytes(root.path)
    with root.database.write() as connection:
        commits, reached = _mark(connection)
        dead = _sweep_rows(connection, commits, reached)
        gone = [path for path in root.blobs.names("blobs") if bytes.fromhex(path.name) not in reached.blobs]
        forget_spans(connection, root.blobs, [bytes.fromhex(path.name) for path in gone])
        xorbs = list(root.blobs.names("xorbs"))
        connection.executemany("DELETE FROM xorbs WHERE hash=?", [(path.name,) for path in xorbs])
    for path in [*gone, *xorbs]:
        path.unlink()
    for folder in (root.path / "parts").iterdir():
        shutil.rmtree(folder)
    root.database.shrink()
    return Collected(dead, len(gone), len(xorbs), before - _bytes(root.path))


def _mark(connection: sqlite3.Connection) -> tuple[set[tuple[int, str]], Reached]:
    """Return the commits that references lead to, by repository, and what these lead to."""
    commits: set[tuple[int, str]] = set()
    reached = Reached()
    for repository in list_repositories(connection):
        for head_id in refs_of(connection, repository).values():
            for commit in history(connection, repository, head_id):
                if (repository.id, commit.id) in commits:
                    break  # and so are its parents
                commits.add((repository.id, commit.id))
                reached.add(connection, commit.tree)
    return commits, reached


def _sweep_rows(connection: sqlite3.Connection, commits: set[tuple[int, str]], reached: Reached) -> int:
    """Delete rows that nothing leads to; returns how many commits were among them."""
    rows = connection.execute("SELECT repo, id FROM commits").fetchall()
    dead = [tuple(row) for row in rows if tuple(row) not in commits]
    connection.executemany("DELETE FROM commits WHERE repo=? AND id=?", dead)
    for table, column, kept in (("trees", "key", reached.trees), ("contents", "oid", reached.contents)):
        keys: Iterable[tuple[bytes]] = connection.execute(f"SELECT {column} FROM {table}").fetchall()  # noqa: S608
        connection.executemany(
            f"DELETE FROM {table} WHERE {column}=?",  # noqa: S608
            [(key,) for (key,) in keys if key not in kept],
        )
    return len(dead)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
