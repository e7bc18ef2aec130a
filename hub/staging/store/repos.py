"""Repositories, their references and their commits: rows of the database, and what history says of files.

How it works
- A repository is found by its name in any case, or by one that it had before it was moved. Functions take the
  connection to use, so that what belongs together is one transaction.
- `last_touched` walks back until each path's entry differs from the parent's.
- `large_files` lists the large files of every commit that is there.
- `squash` leaves a branch one commit with the files it has now; the old commits stay until they are
  collected.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sparkle.hub.staging.store.database import now
from sparkle.hub.staging.store.refusal import MAIN, Refusal, check_reference, no_revision
from sparkle.hub.staging.store.tokens import USER
from sparkle.hub.staging.store.trees import Entry, TreeEditor, files, find, git_id
from sparkle.hub.staging.store.uploads import GITATTRIBUTES, GITATTRIBUTES_PATH

_SHORT_COMMIT = 7  # the fewest digits by which a commit may be named


@dataclass(frozen=True)
class Repo:
    """A repository.

    Attributes:
        id: Its number in this hub; never used again.
        kind: model or dataset.
        name: `owner/name` as it was created.
        private: Whether only holders of a token may read it.
        gated: `auto` or `manual` where terms must be accepted first; None where not.
        created: When.
    """

    id: int
    kind: str
    name: str
    private: bool
    gated: str | None
    created: str


@dataclass(frozen=True)
class Commit:
    """A commit: `tree` is the key of the root's tree; `parent` is None for a first one."""

    id: str
    parent: str | None
    tree: bytes
    title: str
    message: str
    date: str


@dataclass(frozen=True)
class LargeFile:
    """A large file of a repository's history.

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


def find_repository(connection: sqlite3.Connection, kind: str, name: str) -> Repo | None:
    """Return the repository that has this name now."""
    row = connection.execute("SELECT * FROM repos WHERE kind=? AND key=?", (kind, name.lower())).fetchone()
    return None if row is None else _repository(row)


def find_moved(connection: sqlite3.Connection, kind: str, name: str) -> Repo | None:
    """Return the repository that had this name before."""
    row = connection.execute(
        "SELECT repos.* FROM moved JOIN repos ON repos.id = moved.repo WHERE moved.kind=? AND moved.key=?",
        (kind, name.lower()),
    ).fetchone()
    return None if row is None else _repository(row)


def move_repository(connection: sqlite3.Connection, repository: Repo, name: str) -> None:
    """Give a repository another name; the old one leads to it until it is used again."""
    old, new = ((repository.kind, key.lower()) for key in (repository.name, name))
    connection.execute("INSERT OR REPLACE INTO moved VALUES(?,?,?)", (*old, repository.id))
    connection.execute("DELETE FROM moved WHERE kind=? AND key=?", new)
    connection.execute("UPDATE repos SET key=?, name=? WHERE id=?", (new[1], name, repository.id))


def list_repositories(connection: sqlite3.Connection) -> list[Repo]:
    """Return every repository, sorted by kind and name."""
    return [_repository(row) for row in connection.execute("SELECT * FROM repos ORDER BY kind, key")]


def create_repository(connection: sqlite3.Connection, kind: str, name: str, *, private: bool) -> Repo:
    """Make a repository with its first commit; the name must be free."""
    cursor = connection.execute(
        "INSERT INTO repos(kind, key, name, private, created) VALUES(?,?,?,?,?)",
        (kind, name.lower(), name, int(private), now()),
    )
    number = cursor.lastrowid
    assert number is not None  # noqa: S101 - SQLite gives one for every INSERT
    connection.execute("DELETE FROM moved WHERE kind=? AND key=?", (kind, name.lower()))
    editor = TreeEditor(connection, None)
    editor.put(GITATTRIBUTES_PATH, save_content(connection, GITATTRIBUTES), len(GITATTRIBUTES))
    commit = add_commit(connection, number, None, editor.write(), "initial commit", "")
    set_ref(connection, number, MAIN, commit.id)
    row = connection.execute("SELECT * FROM repos WHERE id=?", (number,)).fetchone()
    return _repository(row)


def delete_repository(connection: sqlite3.Connection, repository: Repo) -> None:
    """Forget a repository; what only it held is garbage then."""
    for table in ("refs", "pulls", "commits", "purged", "moved"):
        connection.execute(f"DELETE FROM {table} WHERE repo=?", (repository.id,))  # noqa: S608
    connection.execute("DELETE FROM repos WHERE id=?", (repository.id,))


def change_settings(
    connection: sqlite3.Connection, repository: Repo, *, private: bool, gated: str | None
) -> None:
    """Set who may read a repository."""
    connection.execute("UPDATE repos SET private=?, gated=? WHERE id=?", (int(private), gated, repository.id))


def refs_of(connection: sqlite3.Connection, repository: Repo) -> dict[str, str]:
    """Return full references -> commit ids, sorted."""
    rows = connection.execute(
        "SELECT ref, commit_id FROM refs WHERE repo=? ORDER BY ref", (repository.id,)
    ).fetchall()
    return {row["ref"]: row["commit_id"] for row in rows}


def set_ref(connection: sqlite3.Connection, repository_id: int, ref: str, commit_id: str) -> None:
    """Point a reference at a commit."""
    connection.execute("INSERT OR REPLACE INTO refs VALUES(?,?,?)", (repository_id, ref, commit_id))


def delete_ref(connection: sqlite3.Connection, repository: Repo, ref: str) -> None:
    """Forget a reference."""
    connection.execute("DELETE FROM refs WHERE repo=? AND ref=?", (repository.id, ref))


def resolve(connection: sqlite3.Connection, repository: Repo, revision: str) -> Commit:
    """Return the commit that a branch, a tag, a full reference or a commit id names; raises Refusal."""
    refs = refs_of(connection, repository)
    for ref in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
        if ref in refs:
            return load_commit(connection, repository, refs[ref])
    if len(revision) >= _SHORT_COMMIT and set(revision) <= set("0123456789abcdef"):
        rows = connection.execute(
            "SELECT * FROM commits WHERE repo=? AND id>=? AND id<? LIMIT 2",
            (repository.id, revision, revision + "g"),
        ).fetchall()
        if len(rows) == 1:
            return _commit(rows[0])
    raise no_revision(revision)


def load_commit(connection: sqlite3.Connection, repository: Repo, commit_id: str) -> Commit:
    """Return a commit by its id; raises Refusal."""
    row = connection.execute(
        "SELECT * FROM commits WHERE repo=? AND id=?", (repository.id, commit_id)
    ).fetchone()
    if row is None:
        raise no_revision(commit_id)
    return _commit(row)


def history(connection: sqlite3.Connection, repository: Repo, commit_id: str) -> Iterator[Commit]:
    """Yield a commit, its parent, and so on."""
    following: str | None = commit_id
    while following is not None:
        commit = load_commit(connection, repository, following)
        yield commit
        following = commit.parent


def add_commit(
    connection: sqlite3.Connection,
    repository_id: int,
    parent: str | None,
    root: Entry,
    title: str,
    message: str,
    date: str | None = None,
) -> Commit:
    """Store a commit, of now unless a date is given; no reference points at it yet."""
    if root.tree is None:
        raise ValueError("the root of a commit is a folder")
    lines = [f"tree {root.oid.hex()}", *([f"parent {parent}"] if parent else [])]
    # Nanoseconds, so that the same change made twice is two commits.
    lines += [f"author {USER} {time.time_ns()}", "", title, "", message]
    identity = git_id("commit", "\n".join(lines).encode()).hex()
    commit = Commit(identity, parent, root.tree, title, message, date or now())
    connection.execute(
        "INSERT INTO commits VALUES(?,?,?,?,?,?,?)",
        (repository_id, identity, parent, root.tree, title, message, commit.date),
    )
    return commit


def save_content(connection: sqlite3.Connection, data: bytes) -> bytes:
    """Store a small file's content; returns git's id."""
    oid = git_id("blob", data)
    connection.execute("INSERT OR IGNORE INTO contents VALUES(?,?)", (oid, data))
    return oid


def load_content(connection: sqlite3.Connection, oid: bytes) -> bytes:
    """Return a small file's content by git's id."""
    row = connection.execute("SELECT data FROM contents WHERE oid=?", (oid,)).fetchone()
    if row is None:
        raise Refusal(500, "InternalError", f"the content {oid.hex()} is gone from the database")
    data: bytes = row["data"]
    return data


def load_text(connection: sqlite3.Connection, commit: Commit, path: str) -> str:
    """Return a small file of a commit as text; empty when it is not there."""
    entry = find(connection, commit.tree, path)
    if entry is None or entry.tree or entry.sha256:
        return ""
    return load_content(connection, entry.oid).decode("utf-8", "replace")


def last_touched(
    connection: sqlite3.Connection, repository: Repo, head: Commit, paths: Collection[str]
) -> dict[str, Commit]:
    """Return the newest commit that changed each path; all of them must be there in `head`."""
    found: dict[str, Commit] = {}
    entries = {path: find(connection, head.tree, path) for path in paths}
    for commit in history(connection, repository, head.id):
        parent = None if commit.parent is None else load_commit(connection, repository, commit.parent)
        for path in [path for path in entries if path not in found]:
            before = None if parent is None else find(connection, parent.tree, path)
            if before != entries[path]:
                found[path] = commit
        if len(found) == len(entries):
            break
    return found


def squash(connection: sqlite3.Connection, repository: Repo, branch: str, message: str) -> Commit:
    """Replace a branch's history by one commit with the same files."""
    ref = branch if branch.startswith("refs/pr/") else check_reference(branch, "refs/heads/")
    head_id = refs_of(connection, repository).get(ref)
    if head_id is None:
        raise no_revision(branch)
    head = load_commit(connection, repository, head_id)
    root = TreeEditor(connection, head.tree).write()
    commit = add_commit(connection, repository.id, None, root, message, "")
    set_ref(connection, repository.id, ref, commit.id)
    return commit


def large_files(connection: sqlite3.Connection, repository: Repo) -> list[LargeFile]:
    """List every large file of a repository by hash: also those that a squash left without a reference."""
    found: dict[bytes, LargeFile] = {}
    seen: set[str] = set()
    rows = connection.execute(
        "SELECT id FROM commits WHERE repo=? ORDER BY date DESC, id", (repository.id,)
    ).fetchall()
    heads: list[tuple[str | None, str]] = list(refs_of(connection, repository).items())
    for ref, commit_id in [*heads, *((None, row["id"]) for row in rows)]:
        for commit in history(connection, repository, commit_id):
            if commit.id in seen:
                break  # and so are its parents
            seen.add(commit.id)
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


def _repository(row: sqlite3.Row) -> Repo:
    return Repo(
        id=row["id"],
        kind=row["kind"],
        name=row["name"],
        private=bool(row["private"]),
        gated=row["gated"],
        created=row["created"],
    )


def _commit(row: sqlite3.Row) -> Commit:
    return Commit(*(row[name] for name in ("id", "parent", "tree", "title", "message", "date")))
