"""Pull requests of a repository: each is a row, and a reference `refs/pr/N` that is read and committed to.

How it works
- A pull request begins at the head of the branch that it is for, or at a commit of the client's choice, and
  what is committed to its reference stays there whatever becomes of it.
- Merging makes one commit of the branch: what changed in the pull request since the two parted is applied to
  what the branch has now. A path that both changed, each in its way, is a conflict, and nothing is merged.
- Functions take the connection to use: a commit that opens a pull request, and a merge with its commit, are
  one transaction.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from itertools import takewhile

from sparkle.hub.staging.store.database import now
from sparkle.hub.staging.store.refusal import Refusal, bad_request, no_revision
from sparkle.hub.staging.store.repos import (
    Commit,
    Repo,
    add_commit,
    history,
    load_commit,
    refs_of,
    set_ref,
)
from sparkle.hub.staging.store.trees import Entry, TreeEditor, changes


@dataclass(frozen=True)
class PullRequest:
    """A pull request.

    Attributes:
        number: Its number in the repository.
        base: The branch that it is for, in full.
        title: Its title.
        description: What its author says about it.
        status: draft, open, closed or merged.
        created: When it was opened.
        changed: When the status was set.
        merged: The commit that merging made; None before.
    """

    number: int
    base: str
    title: str
    description: str
    status: str
    created: str
    changed: str
    merged: str | None

    @property
    def ref(self) -> str:
        """Where it is committed to."""
        return f"refs/pr/{self.number}"

    @property
    def waiting(self) -> bool:
        """Whether it is neither closed nor merged."""
        return self.status in ("draft", "open")


def open_pull(
    connection: sqlite3.Connection,
    repository: Repo,
    base: str,
    start: str,
    title: str,
    description: str,
    *,
    draft: bool,
) -> PullRequest:
    """Open a pull request for a branch, which begins at a commit."""
    if base not in refs_of(connection, repository) or not base.startswith("refs/heads/"):
        raise no_revision(base)
    last = connection.execute("SELECT max(number) FROM pulls WHERE repo=?", (repository.id,)).fetchone()[0]
    moment, status = now(), "draft" if draft else "open"
    made = PullRequest((last or 0) + 1, base, title, description, status, moment, moment, None)
    row = (repository.id, made.number, base, title, description, status, moment, moment, None)
    connection.execute("INSERT INTO pulls VALUES(?,?,?,?,?,?,?,?,?)", row)
    set_ref(connection, repository.id, made.ref, start)
    return made


def list_pulls(connection: sqlite3.Connection, repository: Repo) -> list[PullRequest]:
    """Return every pull request, the newest first."""
    rows = connection.execute("SELECT * FROM pulls WHERE repo=? ORDER BY number DESC", (repository.id,))
    return [PullRequest(*tuple(row)[1:]) for row in rows.fetchall()]


def find_pull(connection: sqlite3.Connection, repository: Repo, number: int) -> PullRequest:
    """Return a pull request by its number; raises Refusal."""
    found = next((pull for pull in list_pulls(connection, repository) if pull.number == number), None)
    if found is None:
        raise Refusal(404, "NotFound", f"{repository.name} has no pull request {number}")
    return found


def set_status(connection: sqlite3.Connection, repository: Repo, pull: PullRequest, status: str) -> None:
    """Open or close a pull request that is not merged."""
    if pull.status == "merged":
        raise bad_request(f"pull request {pull.number} is merged: it is neither opened nor closed any more")
    _end(connection, repository, pull, status, None)


def commits_of(connection: sqlite3.Connection, repository: Repo, pull: PullRequest) -> list[Commit]:
    """Return the commits of a pull request that its branch does not have, the newest first."""
    theirs = _ids(connection, repository, pull.base)
    head = refs_of(connection, repository)[pull.ref]
    return list(takewhile(lambda commit: commit.id not in theirs, history(connection, repository, head)))


def conflicts_of(connection: sqlite3.Connection, repository: Repo, pull: PullRequest) -> list[str]:
    """Return the paths that keep a pull request from being merged, sorted."""
    return _apply(connection, repository, pull)[1]


def merge(connection: sqlite3.Connection, repository: Repo, pull: PullRequest) -> Commit:
    """Merge a pull request into its branch; raises Refusal where that is not possible."""
    if pull.status != "open":
        raise bad_request(f"pull request {pull.number} is {pull.status}: only an open one is merged")
    editor, conflicts = _apply(connection, repository, pull)
    if editor is None:
        found = ", ".join(conflicts)
        message = f"pull request {pull.number} is in conflict with {pull.base}: {found}"
        raise Refusal(409, "Conflict", message, extra={"filesWithConflicts": conflicts})
    title = f"{pull.title} (#{pull.number})"
    message = "\n".join(
        f"- {commit.title} ({commit.id})" for commit in commits_of(connection, repository, pull)[::-1]
    )
    head = refs_of(connection, repository)[pull.base]
    made = add_commit(connection, repository.id, head, editor.write(), title, message)
    set_ref(connection, repository.id, pull.base, made.id)
    _end(connection, repository, pull, "merged", made.id)
    return made


def _end(
    connection: sqlite3.Connection, repository: Repo, pull: PullRequest, status: str, merged: str | None
) -> None:
    connection.execute(
        "UPDATE pulls SET status=?, changed=?, merged=? WHERE repo=? AND number=?",
        (status, now(), merged, repository.id, pull.number),
    )


def _ids(connection: sqlite3.Connection, repository: Repo, ref: str) -> set[str]:
    """Return the ids of every commit of a branch; none where it is gone."""
    head = refs_of(connection, repository).get(ref)
    return set() if head is None else {commit.id for commit in history(connection, repository, head)}


def _apply(
    connection: sqlite3.Connection, repository: Repo, pull: PullRequest
) -> tuple[TreeEditor | None, list[str]]:
    """Apply a pull request to its branch; returns the result, or the paths that are in conflict."""
    refs = refs_of(connection, repository)
    if pull.base not in refs:
        raise no_revision(pull.base)
    ours, theirs = _ids(connection, repository, pull.base), refs[pull.ref]
    parted = next((commit for commit in history(connection, repository, theirs) if commit.id in ours), None)
    head, branch = (load_commit(connection, repository, ref) for ref in (theirs, refs[pull.base]))
    if parted is None:  # one of them was squashed
        return None, sorted({path for path, *_ in changes(connection, branch.tree, head.tree)})
    wanted = {path: after for path, _, after in changes(connection, parted.tree, head.tree)}
    done = {path: after for path, _, after in changes(connection, parted.tree, branch.tree)}
    conflicts = {path for path, after in wanted.items() if path in done and done[path] != after}
    conflicts |= _in_the_way(wanted, done) | _in_the_way(done, wanted)
    if conflicts:
        return None, sorted(conflicts)
    editor = TreeEditor(connection, branch.tree)
    left = {path: after for path, after in wanted.items() if path not in done}
    for path in (path for path, after in left.items() if after is None):
        editor.remove(path, folder=False)
    for path, after in left.items():
        if after is not None:
            editor.put(path, after.oid, after.size, after.sha256)
    return editor, []


def _in_the_way(files: dict[str, Entry | None], others: dict[str, Entry | None]) -> set[str]:
    """Return the files of one side that are folders of the other."""
    made = {path for path, after in others.items() if after is not None}
    folders = {path[:place] for path in made for place, letter in enumerate(path) if letter == "/"}
    return {path for path, after in files.items() if after is not None and path in folders}
