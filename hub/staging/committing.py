"""A commit is made: in one transaction, against the branch as it is then.

Writers take turns, so of two commits with the same parent the second finds the branch moved and is refused
with 412. Large files must have been uploaded, whole and verified, before the commit that names them. Whatever
is refused leaves nothing behind.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from sparkle.hub.staging.blobs import BlobStore
from sparkle.hub.staging.card_rules import check_card_yaml
from sparkle.hub.staging.commit_stream import AddLarge, AddSmall, Delete, Header, Operation, read_commit
from sparkle.hub.staging.database import Database
from sparkle.hub.staging.refusal import Refusal, bad_request, no_revision
from sparkle.hub.staging.repos import (
    Commit,
    Repository,
    add_commit,
    load_commit,
    refs_of,
    save_content,
    set_ref,
)
from sparkle.hub.staging.trees import TreeEditor, git_id, lfs_pointer


def commit_received(
    database: Database, blobs: BlobStore, repository: Repository, branch: str, body: Path, author: str
) -> Commit:
    """Make the commit that a client sent; when this returns it is durable. Raises Refusal."""
    header, operations = read_commit(body)
    with database.write() as connection:
        return make_commit(connection, blobs, repository, branch, header, operations, author)


def make_commit(
    connection: sqlite3.Connection,
    blobs: BlobStore,
    repository: Repository,
    branch: str,
    header: Header,
    operations: Iterable[Operation],
    author: str,
) -> Commit:
    """Make a commit on a branch, inside a transaction; raises Refusal."""
    ref = branch if branch.startswith("refs/") else f"refs/heads/{branch}"
    head_id = refs_of(connection, repository).get(ref)
    if head_id is None or ref.startswith("refs/tags/"):
        raise no_revision(branch)
    if header.parent is not None and not head_id.startswith(header.parent):
        raise Refusal(
            412,
            "PreconditionFailed",
            f"A commit has happened since. Please refresh and try again: {branch} is at {head_id}, "
            f"not at {header.parent}",
        )
    head = load_commit(connection, repository, head_id)
    editor = TreeEditor(connection, head.tree)
    for operation in operations:
        _apply(connection, blobs, repository, editor, operation)
    commit = add_commit(
        connection, repository.id, head.id, editor.write(), header.title, header.message, author
    )
    set_ref(connection, repository.id, ref, commit.id)
    return commit


def _check_card(content: bytes, kind: str) -> None:
    """Refuse a card that the Hub refuses when it is pushed."""
    errors, _ = check_card_yaml(content.decode("utf-8", "replace"), kind)
    if errors:
        raise bad_request("Invalid metadata in README.md: " + "; ".join(errors))


def _apply(
    connection: sqlite3.Connection,
    blobs: BlobStore,
    repository: Repository,
    editor: TreeEditor,
    operation: Operation,
) -> None:
    match operation:
        case AddSmall(path, content):
            if path == "README.md":
                _check_card(content, repository.kind)
            editor.put(path, save_content(connection, content), len(content))
        case AddLarge(path, sha256, size):
            found = blobs.size(sha256)
            if found is None:
                raise bad_request(
                    f"{path}: LFS pointer pointed to a file that does not exist: {sha256.hex()}"
                )
            if size is not None and size != found:
                raise bad_request(f"{path}: got a size of {size}, but {sha256.hex()} has {found} bytes")
            editor.put(path, git_id("blob", lfs_pointer(sha256, found)), found, sha256)
            connection.execute(
                "DELETE FROM purged WHERE repo=? AND sha256=?", (repository.id, sha256)
            )  # it is wanted again
        case Delete(path, folder):
            editor.remove(path, folder=folder)
