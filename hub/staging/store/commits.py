"""A commit: received as JSON lines, one per operation, and made in one transaction.

How it works
- The body is received into a file first, so a slow client holds up nobody and one that goes away leaves
  nothing. Then the lines are read in turn: memory is that of the longest, which is bounded before it is read.
- Writers take turns, so of two commits with the same parent the second finds that the branch has moved and is
  refused with 412.
- A commit may open a pull request and be its first: see `pulls`.
- Large files must have been uploaded, whole and verified, before the commit that names them. Whatever is
  refused leaves nothing behind.
"""

from __future__ import annotations

import base64
import binascii
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from sparkle.hub.staging.store.blobs import BlobStore
from sparkle.hub.staging.store.cards import check_card_yaml
from sparkle.hub.staging.store.database import Database
from sparkle.hub.staging.store.pulls import PullRequest, open_pull
from sparkle.hub.staging.store.refusal import (
    Refusal,
    bad_request,
    check_hash,
    check_path,
    no_revision,
    too_large,
)
from sparkle.hub.staging.store.repos import (
    Commit,
    Repo,
    add_commit,
    load_commit,
    refs_of,
    resolve,
    save_content,
    set_ref,
)
from sparkle.hub.staging.store.trees import TreeEditor, git_id, lfs_pointer
from sparkle.hub.staging.store.uploads import MAX_REGULAR

MAX_COMMIT = 4 * 1024**3  # bytes of a whole commit: small files only, large ones come before it
_MAX_LINE = MAX_REGULAR * 4 // 3 + 64 * 1024  # base64 of the largest small file, its path and the keys
_COMMIT_ID = re.compile(r"[0-9a-f]{7,40}")


class CommitLine(msgspec.Struct):
    """A line: the kind of what is said, and its fields."""

    key: str
    value: dict[str, Any]


_decode = msgspec.json.Decoder(CommitLine).decode


def make_commit(
    database: Database,
    blobs: BlobStore,
    repository: Repo,
    branch: str,
    body: Path,
    *,
    opens_pull: bool = False,
) -> tuple[Commit, PullRequest | None]:
    """Make the commit that a client sent, and the pull request for the branch that it opens.

    When this returns they are durable. Raises Refusal.
    """
    lines = _read(body)
    title, message, parent = _header(next(lines, None))
    ref = branch if branch.startswith("refs/") else f"refs/heads/{branch}"
    with database.write() as connection:
        head_id = refs_of(connection, repository).get(ref)
        if head_id is None or ref.startswith("refs/tags/"):
            raise no_revision(branch)
        pull = None
        if opens_pull:
            head_id = head_id if parent is None else resolve(connection, repository, parent).id
            pull = open_pull(connection, repository, ref, head_id, title, message, draft=False)
            ref = pull.ref
        elif parent is not None and not head_id.startswith(parent):
            raise Refusal(
                412,
                "PreconditionFailed",
                "The branch was updated since you opened this page. Please refresh and try again.",
                extra={"wanted": parent, "head": head_id},
            )
        editor = TreeEditor(connection, load_commit(connection, repository, head_id).tree)
        for line in lines:
            _apply(connection, blobs, repository, editor, line)
        made = add_commit(connection, repository.id, head_id, editor.write(), title, message)
        set_ref(connection, repository.id, ref, made.id)
    return made, pull


def _read(body: Path) -> Iterator[CommitLine]:
    """Yield the lines of a received commit; raises Refusal for one that is too long or malformed."""
    with body.open("rb") as file:
        while line := file.readline(_MAX_LINE + 1):
            if len(line) > _MAX_LINE:
                raise too_large("a line of the commit", _MAX_LINE)
            if line.isspace():
                continue
            try:
                yield _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                form = '{"key": ..., "value": {...}}'
                raise bad_request(f"a line of the commit is not {form}: {error}") from None


def _header(line: CommitLine | None) -> tuple[str, str, str | None]:
    """Return title, message, and the commit that it was made for where the client says so."""
    if line is None or line.key != "header":
        raise bad_request("the first line of a commit is its header")
    title, message = line.value.get("summary"), line.value.get("description") or ""
    parent = line.value.get("parentCommit")
    if not isinstance(title, str) or not title.strip() or not isinstance(message, str):
        raise bad_request("a commit needs a summary")
    if parent is not None and not (isinstance(parent, str) and _COMMIT_ID.fullmatch(parent)):
        raise bad_request(f"parentCommit is no commit: {parent!r}")
    return title, message, parent


def _apply(
    connection: sqlite3.Connection,
    blobs: BlobStore,
    repository: Repo,
    editor: TreeEditor,
    line: CommitLine,
) -> None:
    """Do what a line says; raises Refusal where that is not possible."""
    path = check_path(line.value.get("path"))
    match line.key:
        case "file":
            content = _content(line.value, path)
            if path == "README.md":
                _check_card(content, repository.kind)
            editor.put(path, save_content(connection, content), len(content))
        case "lfsFile":
            sha256, size = _large_file(blobs, line.value, path)
            editor.put(path, git_id("blob", lfs_pointer(sha256, size)), size, sha256)
            # It is wanted again.
            connection.execute("DELETE FROM purged WHERE repo=? AND sha256=?", (repository.id, sha256))
        case "deletedFile" | "deletedFolder":
            editor.remove(path, folder=line.key == "deletedFolder")
        case _:
            raise bad_request(f"{path}: unknown operation {line.key!r}")


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


def _large_file(blobs: BlobStore, value: dict[str, Any], path: str) -> tuple[bytes, int]:
    """Return hash and size of a file that was uploaded before; a copy comes without a size."""
    sha256, size = check_hash(value.get("oid"), path), value.get("size")
    if value.get("algo") != "sha256":
        raise bad_request(f"{path}: algo: got {value.get('algo')!r}, wanted sha256")
    found = blobs.size(sha256)
    if found is None:
        raise bad_request(f"{path}: LFS pointer pointed to a file that does not exist: {sha256.hex()}")
    if size is not None and size != found:
        raise bad_request(f"{path}: got a size of {size!r}, but {sha256.hex()} has {found} bytes")
    return sha256, found


def _check_card(content: bytes, kind: str) -> None:
    """Refuse a card that the Hub refuses when it is pushed."""
    errors, _ = check_card_yaml(content.decode("utf-8", "replace"), kind)
    if errors:
        raise bad_request("Invalid metadata in README.md: " + "; ".join(errors))
