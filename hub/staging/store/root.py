"""The folder of a staging hub: opened by one process at a time.

ROOT/lock is held as long as a process works on the folder (`flock`, which a kill releases): a second server,
or a collection of garbage while a server runs, is refused. Opening finishes what a kill left: files in `tmp`
are removed, and so are contents that were given up.

What nothing refers to is deleted: on request, and while no server works on the folder.

Kept is what a reference leads to: its commits, their trees, their contents. Everything else goes: commits
that a squash left behind, contents of deleted repositories, uploads that no commit followed, parts, and xorbs
whose chunks stand in no content that is kept. The database lets go of them in one transaction before a file
is deleted; a kill in between leaves files that the next run finds again.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sparkle._files import exclusive
from sparkle.hub.staging.store.blobs import BlobStore
from sparkle.hub.staging.store.database import Database
from sparkle.hub.staging.store.purging import delete_doomed
from sparkle.hub.staging.store.refusal import PREFIXES
from sparkle.hub.staging.store.repos import Repository, history, list_repositories, load_commit, refs_of
from sparkle.hub.staging.store.trees import load_tree
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
    """Open the folder of a hub, or begin one.

    Raises:
        ConfigError: another process has it open, or it holds something else.
    """
    if path.is_dir() and any(path.iterdir()) and not (path / "lock").exists():
        raise ConfigError(
            "the folder holds something else than a staging hub",
            where=path,
            fix="give --root a folder of its own; it is made when it is not there",
        )
    path.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds private repositories
    busy = ConfigError(
        "another process works on this staging hub",
        where=path,
        fix="stop its `sparkle-hub serve`, or give --root another folder",
    )
    with exclusive(path / "lock", busy):
        blobs = BlobStore(path)
        with closing(Database(path / "hub.db")) as database:
            delete_doomed(database, blobs)
            yield Root(path, database, blobs)


# --- what nothing refers to is deleted -------------------------------------------------------------


@dataclass
class Collected:
    """What was deleted: numbers of each, and the bytes that the folder is smaller by."""

    commits: int = 0
    blobs: int = 0
    xorbs: int = 0
    bytes: int = 0


@dataclass
class _Live:
    """What references lead to."""

    commits: set[tuple[int, str]] = field(default_factory=set)
    trees: set[bytes] = field(default_factory=set)
    contents: set[bytes] = field(default_factory=set)
    blobs: set[bytes] = field(default_factory=set)


def collect(root: Root) -> Collected:
    """Delete what nothing refers to in an opened folder; returns what it was."""
    before = _bytes(root.path)
    found = Collected()
    with root.database.write() as connection:
        live = _mark(connection)
        found.commits = _sweep_rows(connection, live)
        gone = [path for path in root.blobs.names("blobs") if bytes.fromhex(path.name) not in live.blobs]
        forget_spans(connection, root.blobs, [bytes.fromhex(path.name) for path in gone])
        xorbs = list(root.blobs.names("xorbs"))
        connection.executemany("DELETE FROM xorbs WHERE hash=?", [(path.name,) for path in xorbs])
    for path in [*gone, *xorbs]:
        path.unlink()
    for folder in (root.path / "parts").iterdir():
        shutil.rmtree(folder)
    root.database.shrink()
    found.blobs, found.xorbs = len(gone), len(xorbs)
    found.bytes = before - _bytes(root.path)
    return found


def _mark(connection: sqlite3.Connection) -> _Live:
    live = _Live()
    for kind in PREFIXES:
        for repository in list_repositories(connection, kind):
            for commit_id in refs_of(connection, repository).values():
                _mark_line(connection, repository, commit_id, live)
    return live


def _mark_line(connection: sqlite3.Connection, repository: Repository, commit_id: str, live: _Live) -> None:
    for commit in history(connection, repository, load_commit(connection, repository, commit_id)):
        if (repository.id, commit.id) in live.commits:
            return  # and so are its parents
        live.commits.add((repository.id, commit.id))
        _mark_tree(connection, commit.tree, live)


def _mark_tree(connection: sqlite3.Connection, key: bytes, live: _Live) -> None:
    if key in live.trees:
        return
    live.trees.add(key)
    for entry in load_tree(connection, key).values():
        if entry.tree:
            _mark_tree(connection, entry.tree, live)
        elif entry.sha256:
            live.blobs.add(entry.sha256)
        else:
            live.contents.add(entry.oid)


def _sweep_rows(connection: sqlite3.Connection, live: _Live) -> int:
    """Delete rows that are not live; returns how many commits were."""
    rows = connection.execute("SELECT repo, id FROM commits").fetchall()
    dead = [(row["repo"], row["id"]) for row in rows if (row["repo"], row["id"]) not in live.commits]
    connection.executemany("DELETE FROM commits WHERE repo=? AND id=?", dead)
    for table, column, kept in (("trees", "key", live.trees), ("contents", "oid", live.contents)):
        keys: Iterable[tuple[bytes]] = connection.execute(f"SELECT {column} FROM {table}").fetchall()  # noqa: S608
        connection.executemany(
            f"DELETE FROM {table} WHERE {column}=?",  # noqa: S608
            [(key,) for (key,) in keys if key not in kept],
        )
    return len(dead)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
