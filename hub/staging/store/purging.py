"""Large files are taken out of a repository for good.

Its references get a history that never had them (only the commits that did are new), commits that no
reference leads to are forgotten, and a content that no other repository has is deleted from the disk before
the answer is sent. A kill after the transaction and before the deletion leaves files on a list, which the
next start works off.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from pathlib import Path

from sparkle.hub.staging.store.blobs import BlobStore
from sparkle.hub.staging.store.database import Database
from sparkle.hub.staging.store.repos import Repo, add_commit, history, refs_of, set_ref
from sparkle.hub.staging.store.trees import Reached, TreeEditor, load_tree
from sparkle.hub.staging.store.xet import forget_spans


def purge(
    database: Database,
    blobs: BlobStore,
    repository: Repo,
    gone: Collection[bytes],
    *,
    rewrite: bool,
) -> None:
    """Take large files, by their sha256, out of a repository for good.

    With `rewrite` history forgets that they were there; else their names stay, and cannot be read.
    """
    with database.turn():  # no commit finds a content that is about to be deleted
        with database.write() as connection:
            doomed = _purge(connection, blobs, repository, gone, rewrite=rewrite)
            names = [(str(path.relative_to(blobs.root)),) for path in doomed]
            connection.executemany("INSERT OR IGNORE INTO doomed VALUES(?)", names)
        delete_doomed(database, blobs)


def delete_doomed(database: Database, blobs: BlobStore) -> None:
    """Delete the files that a durable transaction gave up; at start, those that a kill left."""
    rows = database.read().execute("SELECT path FROM doomed").fetchall()
    for row in rows:
        (blobs.root / row["path"]).unlink(missing_ok=True)
    if rows:
        with database.write() as connection:
            connection.execute("DELETE FROM doomed")


def _purge(
    connection: sqlite3.Connection,
    blobs: BlobStore,
    repository: Repo,
    gone: Collection[bytes],
    *,
    rewrite: bool,
) -> list[Path]:
    """Take contents out of history; returns the files to delete when that is durable."""
    connection.executemany(
        "INSERT OR IGNORE INTO purged VALUES(?,?)", [(repository.id, sha256) for sha256 in gone]
    )
    if rewrite:
        _rewrite(connection, repository, set(gone))
    reached = Reached()
    for row in connection.execute("SELECT DISTINCT repo, tree FROM commits").fetchall():
        if rewrite or row["repo"] != repository.id:
            reached.add(connection, row["tree"])
    unused = [sha256 for sha256 in gone if sha256 not in reached.blobs]
    return [*map(blobs.blob, unused), *forget_spans(connection, blobs, unused)]


def _rewrite(connection: sqlite3.Connection, repository: Repo, gone: set[bytes]) -> None:
    """Give every reference a history without some contents, and forget the old one."""
    made: dict[str, str] = {}  # commit before -> after
    known: dict[bytes, list[str]] = {}
    for ref, head_id in refs_of(connection, repository).items():
        line = list(history(connection, repository, head_id))
        for commit in reversed(line):
            if commit.id in made:
                continue
            made[commit.id] = commit.id
            paths = _places(connection, commit.tree, gone, known)
            parent = None if commit.parent is None else made[commit.parent]
            if paths or parent != commit.parent:
                editor = TreeEditor(connection, commit.tree)
                for path in paths:
                    editor.remove(path, folder=False)
                root, said = editor.write(), (commit.title, commit.message, commit.date)
                made[commit.id] = add_commit(connection, repository.id, parent, root, *said).id
        set_ref(connection, repository.id, ref, made[head_id])
    connection.executemany(
        "UPDATE pulls SET merged=? WHERE repo=? AND merged=?",
        [(after, repository.id, before) for before, after in made.items()],
    )
    kept = set(made.values())
    rows = connection.execute("SELECT id FROM commits WHERE repo=?", (repository.id,)).fetchall()
    connection.executemany(
        "DELETE FROM commits WHERE repo=? AND id=?",
        [(repository.id, row["id"]) for row in rows if row["id"] not in kept],
    )


def _places(
    connection: sqlite3.Connection, key: bytes, gone: set[bytes], known: dict[bytes, list[str]]
) -> list[str]:
    """Find where a tree has some contents; `known` is what was found in folders that commits share."""
    if key not in known:
        found = []
        for name, entry in load_tree(connection, key).items():
            if entry.tree:
                found += [f"{name}/{path}" for path in _places(connection, entry.tree, gone, known)]
            elif entry.sha256 in gone:
                found.append(name)
        known[key] = found
    return known[key]
