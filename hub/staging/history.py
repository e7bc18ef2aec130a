"""What history says of files, and how history is rewritten.

- `last_touched` walks back until each path's entry differs from the parent's.
- `squash` leaves a branch one commit with the files it has now.
- `purge` takes large files out of a repository for good: its references get a history that never had them,
  what is not reachable from a reference is forgotten, and a content that no other repository has is deleted
  from the disk before the answer is sent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from sparkle.hub.staging.blobs import BlobStore
from sparkle.hub.staging.database import Database
from sparkle.hub.staging.names import check_reference
from sparkle.hub.staging.refusal import no_revision
from sparkle.hub.staging.repos import (
    Commit,
    Repository,
    add_commit,
    history,
    load_commit,
    refs_of,
    set_ref,
)
from sparkle.hub.staging.trees import TreeEditor, files, find
from sparkle.hub.staging.xet_store import forget_spans


@dataclass(frozen=True)
class LargeFile:
    """A large file that a repository's history holds.

    Attributes:
        sha256: Of its content.
        path: A path that it had: in the newest commit that has it.
        size: Bytes.
        pushed: When the oldest commit that has it was made.
        ref: A reference that leads to it; None where none does any more, as after a squash.
    """

    sha256: bytes
    path: str
    size: int
    pushed: str
    ref: str | None


def last_touched(
    connection: sqlite3.Connection, repository: Repository, head: Commit, paths: Collection[str]
) -> dict[str, Commit]:
    """The newest commit that changed each path; all of them must be there in `head`."""
    found: dict[str, Commit] = {}
    entries = {path: find(connection, head.tree, path) for path in paths}
    for commit in history(connection, repository, head):
        parent = None if commit.parent is None else load_commit(connection, repository, commit.parent)
        for path in [path for path in entries if path not in found]:
            before = None if parent is None else find(connection, parent.tree, path)
            if before != entries[path]:
                found[path] = commit
        if len(found) == len(entries):
            break
    return found


def squash(
    connection: sqlite3.Connection, repository: Repository, branch: str, message: str, author: str
) -> Commit:
    """Replace a branch's history by one commit with the same files."""
    ref = check_reference(branch, "refs/heads/")
    head_id = refs_of(connection, repository).get(ref)
    if head_id is None:
        raise no_revision(branch)
    head = load_commit(connection, repository, head_id)
    root = TreeEditor(connection, head.tree).write()
    commit = add_commit(connection, repository.id, None, root, message, "", author)
    set_ref(connection, repository.id, ref, commit.id)
    return commit


def large_files(connection: sqlite3.Connection, repository: Repository) -> list[LargeFile]:
    """Every large file of a repository, sorted by hash: also those that a squash left without a reference."""
    found: dict[bytes, LargeFile] = {}
    seen: dict[str, None] = {}
    rows = connection.execute(
        "SELECT id FROM commits WHERE repo=? ORDER BY date DESC, id", (repository.id,)
    ).fetchall()
    heads: list[tuple[str | None, str]] = list(refs_of(connection, repository).items())
    for ref, commit_id in [*heads, *((None, row["id"]) for row in rows)]:
        for commit in history(connection, repository, load_commit(connection, repository, commit_id)):
            if commit.id in seen:
                break  # and so are its parents
            seen[commit.id] = None
            for path, entry in files(connection, commit.tree):
                if entry.sha256:
                    there = found.get(entry.sha256)
                    found[entry.sha256] = LargeFile(
                        entry.sha256,
                        there.path if there else path,
                        entry.size,
                        min(commit.date, there.pushed) if there else commit.date,
                        there.ref if there else ref,
                    )
    return [found[sha256] for sha256 in sorted(found)]


def purge(
    database: Database,
    blobs: BlobStore,
    repository: Repository,
    gone: Collection[bytes],
    *,
    rewrite: bool,
) -> None:
    """Take large files out of a repository for good.

    Args:
        database: Where it is.
        blobs: Where contents are: those that no repository has any more are deleted.
        repository: The repository.
        gone: sha256 of the files.
        rewrite: Whether history forgets that they were there; else their names stay, and cannot be read.
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
    repository: Repository,
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
    kept = set(_held(connection, repository, rewritten=rewrite))
    unused = [sha256 for sha256 in gone if sha256 not in kept]
    return [*map(blobs.blob, unused), *forget_spans(connection, blobs, unused)]


def _rewrite(connection: sqlite3.Connection, repository: Repository, gone: set[bytes]) -> None:
    """Give every reference a history without some contents, and forget the old one."""
    made: dict[str, str] = {}  # commit before -> after
    for ref, head_id in refs_of(connection, repository).items():
        line = list(history(connection, repository, load_commit(connection, repository, head_id)))
        for commit in reversed(line):
            if commit.id not in made:
                made[commit.id] = _rewritten(connection, repository, commit, gone, made)
        connection.execute(
            "UPDATE refs SET commit_id=? WHERE repo=? AND ref=?", (made[head_id], repository.id, ref)
        )
    kept = set(made.values())
    rows = connection.execute("SELECT id FROM commits WHERE repo=?", (repository.id,)).fetchall()
    connection.executemany(
        "DELETE FROM commits WHERE repo=? AND id=?",
        [(repository.id, row["id"]) for row in rows if row["id"] not in kept],
    )


def _rewritten(
    connection: sqlite3.Connection,
    repository: Repository,
    commit: Commit,
    gone: set[bytes],
    made: dict[str, str],
) -> str:
    """The id of a commit without some contents; its own where neither it nor a parent has them."""
    paths = [path for path, entry in files(connection, commit.tree) if entry.sha256 in gone]
    parent = None if commit.parent is None else made[commit.parent]
    if not paths and parent == commit.parent:
        return commit.id
    editor = TreeEditor(connection, commit.tree)
    for path in paths:
        editor.remove(path, folder=False)
    new = add_commit(
        connection, repository.id, parent, editor.write(), commit.title, commit.message, commit.author
    )
    connection.execute(
        "UPDATE commits SET date=? WHERE repo=? AND id=?", (commit.date, repository.id, new.id)
    )
    return new.id


def _held(connection: sqlite3.Connection, purged_from: Repository, *, rewritten: bool) -> Iterator[bytes]:
    """Contents that repositories' commits hold; those of the purged one only where history forgot."""
    seen: set[bytes] = set()
    for row in connection.execute("SELECT DISTINCT repo, tree FROM commits").fetchall():
        if row["tree"] in seen or (row["repo"] == purged_from.id and not rewritten):
            continue
        seen.add(row["tree"])
        yield from (entry.sha256 for _, entry in files(connection, row["tree"]) if entry.sha256)
