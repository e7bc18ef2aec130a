"""What history says of files, and how a branch is squashed.

- `last_touched` walks back until each path's entry differs from the parent's.
- `large_files` lists the large files of every commit that is there.
- `squash` leaves a branch one commit with the files it has now; the old commits stay until they are
  collected.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

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
