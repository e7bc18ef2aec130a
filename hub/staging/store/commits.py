"""A commit is made: in one transaction, against the branch as it is then.

Writers take turns, so of two commits with the same parent the second finds the branch moved and is refused
with 412. Large files must have been uploaded, whole and verified, before the commit that names them. Whatever
is refused leaves nothing behind.

A commit as the client sends it: JSON lines, one an operation, read one at a time.

The body is received into a file first, so a slow client holds up nobody and one that goes away leaves
nothing. Then the lines are read in turn: memory is that of the longest, which is bounded before it is read.
"""

from __future__ import annotations

import base64
import binascii
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sparkle.hub.staging.store.blobs import BlobStore
from sparkle.hub.staging.store.cards import check_card_yaml
from sparkle.hub.staging.store.database import Database
from sparkle.hub.staging.store.refusal import Refusal, bad_request, check_path, no_revision, too_large
from sparkle.hub.staging.store.repos import (
    Commit,
    Repository,
    add_commit,
    load_commit,
    refs_of,
    save_content,
    set_ref,
)
from sparkle.hub.staging.store.trees import TreeEditor, git_id, lfs_pointer
from sparkle.hub.staging.store.uploads import MAX_REGULAR


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


# --- a commit as the client sends it ---------------------------------------------------------------


MAX_COMMIT = 4 * 1024**3  # bytes of a whole commit: small files only, large ones come before it
_MAX_LINE = MAX_REGULAR * 4 // 3 + 64 * 1024  # base64 of the largest small file, its path and the keys
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT_ID = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class Header:
    """What a commit says of itself; `parent` is the commit that it was made for, where the client says so."""

    title: str
    message: str
    parent: str | None


@dataclass(frozen=True)
class AddSmall:
    """A file whose content came with the commit."""

    path: str
    content: bytes


@dataclass(frozen=True)
class AddLarge:
    """A file that was uploaded before; `size` is None where the client does not say (a copy)."""

    path: str
    sha256: bytes
    size: int | None


@dataclass(frozen=True)
class Delete:
    """A file, or a folder with all that is in it, that goes."""

    path: str
    folder: bool


Operation = AddSmall | AddLarge | Delete


def read_commit(body: Path) -> tuple[Header, Iterator[Operation]]:
    """The header of a received commit, and its operations as they are read.

    Raises:
        Refusal: a line is too long, no JSON, or not an operation; the first line is no header. Also raised
            by the iterator.
    """
    lines = _lines(body)
    first = next(lines, None)
    if first is None or first[0] != "header":
        raise bad_request("the first line of a commit is its header")
    return _header(first[1]), map(_operation, lines)


def _lines(body: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (key, value) of each line."""
    with body.open("rb") as file:
        while line := file.readline(_MAX_LINE + 1):
            if len(line) > _MAX_LINE:
                raise too_large("a line of the commit", _MAX_LINE)
            if line.isspace():
                continue
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise bad_request(f"a line of the commit is no JSON: {error}") from None
            if not isinstance(record, dict) or not isinstance(record.get("value"), dict):
                raise bad_request('a line of the commit is not {"key": ..., "value": {...}}')
            yield str(record.get("key")), record["value"]


def _header(value: dict[str, Any]) -> Header:
    title, message, parent = value.get("summary"), value.get("description") or "", value.get("parentCommit")
    if not isinstance(title, str) or not title.strip() or not isinstance(message, str):
        raise bad_request("a commit needs a summary")
    if parent is not None and not (isinstance(parent, str) and _COMMIT_ID.fullmatch(parent)):
        raise bad_request(f"parentCommit is no commit: {parent!r}")
    return Header(title, message, parent)


def _operation(line: tuple[str, dict[str, Any]]) -> Operation:
    key, value = line
    path = check_path(value.get("path"))
    if key == "file":
        return AddSmall(path, _content(value, path))
    if key == "lfsFile":
        oid, size = value.get("oid"), value.get("size")
        if not isinstance(oid, str) or not _SHA256.fullmatch(oid) or value.get("algo") != "sha256":
            raise bad_request(f"{path}: not a sha256: {oid!r}")
        if size is not None and (not isinstance(size, int) or size < 0):
            raise bad_request(f"{path}: not a size: {size!r}")
        return AddLarge(path, bytes.fromhex(oid), size)
    if key in ("deletedFile", "deletedFolder"):
        return Delete(path, folder=key == "deletedFolder")
    raise bad_request(f"{path}: unknown operation {key!r}")


def _content(value: dict[str, Any], path: str) -> bytes:
    text, encoding = value.get("content"), value.get("encoding", "utf-8")
    if not isinstance(text, str) or encoding not in ("base64", "utf-8"):
        raise bad_request(f"{path}: content is not text in base64 or utf-8")
    try:
        content = base64.b64decode(text, validate=True) if encoding == "base64" else text.encode()
    except (binascii.Error, UnicodeEncodeError) as error:
        raise bad_request(f"{path}: content cannot be decoded: {error}") from None
    if len(content) > MAX_REGULAR:
        raise too_large(f"{path}: a file inside a commit", MAX_REGULAR)
    return content
