"""A repository forgets its history, and with it everything that was taken down.

How it works
- Each branch becomes one commit with the files that it has (`super_squash_history`). Tags lead to old
  commits: one that names the same release as a branch is set again, on the new commit; others are deleted.
- Contents that no branch, tag or pull request leads to any more are deleted for good, and so are those of
  pull requests that hold what was taken down. Then it is looked whether one of them is still there.
- Every step looks at what stands, so a rerun after a kill does what is left. A kill between deleting a tag
  and setting it again loses that tag: its name is in the plan.
- None of it can be undone, and every commit and link to one changes: it is done only when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import LFSFileInfo, RepoFile

from sparkle._progress import Progress, silent
from sparkle.builders.reading.client import CONFLICT, status_of
from sparkle.builders.reading.session import HttpError
from sparkle.builders.release.manifest import FileEntry
from sparkle.hub.takedown.history import History, Trace
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError, command

_TITLE = "Forget what was before"
_HEADS, _TAGS, _PULLS = "refs/heads/", "refs/tags/", "refs/pr/"
_GONE = (EntryNotFoundError, RevisionNotFoundError, RepositoryNotFoundError)


@dataclass(frozen=True)
class PurgePlan:
    """What a purge is going to do.

    Attributes:
        branches: Branch -> how many commits it has.
        moved: Tag -> the branch that it is set on again.
        deleted: Tags that are deleted.
        trace: Where the samples still are.
    """

    branches: dict[str, int]
    moved: dict[str, str]
    deleted: tuple[str, ...]
    trace: Trace

    def to_json(self) -> dict[str, Any]:
        """It as JSON values."""
        return {
            "branches": self.branches,
            "moved": self.moved,
            "deleted": self.deleted,
            "trace": self.trace.to_json(),
        }

    def lines(self) -> list[str]:
        """It for people."""
        found = [f"purge: branch {name}, {count:,} commits to one" for name, count in self.branches.items()]
        found += [f"purge: tag {tag} is set again, on {branch}" for tag, branch in self.moved.items()]
        return [*found, *(f"purge: tag {tag} is deleted" for tag in self.deleted)]


@dataclass(frozen=True)
class Purged:
    """What a purge did.

    Attributes:
        files: Contents that were deleted for good.
        bytes: Their size.
        text: Small text files of old commits that the Hub still serves to whoever knows the commit.
        pulls: Pull requests that still show such files to everybody, as `refs/pr/N`: no client can change
            what they were.
    """

    files: int
    bytes: int
    text: int
    pulls: tuple[str, ...]


def plan_purge(history: History, branch: str, progress: Progress = silent) -> PurgePlan:
    """Find out what a purge has to do.

    Raises:
        ReleaseError: a branch still shows what was taken down.
    """
    refs = history.refs()
    heads = {ref.name: ref.target_commit for ref in refs if ref.ref.startswith(_HEADS)}
    for name, commit in heads.items():
        if history.held(commit):
            first = command("sparkle", "takedown", f"{history.repo}@{name}")
            raise ReleaseError(
                "a branch still shows what was taken down, so its history cannot be purged",
                got=name,
                where=history.repo,
                fix=f"`{first}` with the same samples first",
            )
    tags = {ref.name: ref.target_commit for ref in refs if ref.ref.startswith(_TAGS)}
    manifests = {_manifest_of(history, commit): name for name, commit in reversed(heads.items())}
    moved = {
        tag: manifests[found]
        for tag, commit in tags.items()
        if (found := _manifest_of(history, commit)) is not None and found in manifests
    }
    return PurgePlan(
        branches={name: len(history.commits(name)) for name in heads},
        moved=moved,
        deleted=tuple(tag for tag in tags if tag not in moved),
        trace=history.trace(branch, progress),
    )


def purge(history: History, plan: PurgePlan, progress: Progress = silent) -> Purged:
    """Do it.

    Raises:
        ReleaseError: the Hub refuses, or still serves a content that was deleted.
    """
    api, repo = history.api, history.repo
    steps = [
        *(_squash(history, name) for name, count in plan.branches.items() if count > 1),
        *(_delete_tag(history, tag) for tag in plan.deleted),
        *(_move_tag(history, tag, branch) for tag, branch in plan.moved.items()),
    ]
    before = _doomed(history, plan.trace, plan.deleted)
    pulls = {
        ref.ref: history.held(ref.target_commit)
        for ref in history.refs()
        if ref.ref.startswith(_PULLS) and ref.ref in plan.trace.refs
    }
    with progress("purging", len(steps) + 1) as advance:
        for step in steps:
            step()
            advance()
        # Listed before, too: a Hub may list no content that nothing leads to.
        doomed = list({file.file_oid: file for file in (*before, *_doomed(history, plan.trace))}.values())
        history.ask(lambda: api.permanently_delete_lfs_files(repo, doomed, repo_type="dataset"))
        advance()
    _refuse_left(history, doomed)
    text = _still_served(history, plan.trace.files, doomed)
    shown = tuple(
        ref for ref, files in pulls.items() if any(_is_served(history, ref, file) for file in files)
    )
    return Purged(len(doomed), sum(file.size for file in doomed), text, shown)


def _manifest_of(history: History, commit: str) -> str | None:
    """A hash of the manifest that a commit has: releases with the same one are the same."""
    found = history.ask(
        lambda: history.api.get_paths_info(
            history.repo, layout.MANIFEST, revision=commit, repo_type="dataset"
        )
    )
    return next((item.blob_id for item in found if isinstance(item, RepoFile)), None)


def _squash(history: History, branch: str) -> Callable[[], None]:
    def step() -> None:
        history.ask(
            lambda: history.api.super_squash_history(
                history.repo, branch=branch, commit_message=_TITLE, repo_type="dataset"
            )
        )

    return step


def _delete_tag(history: History, tag: str) -> Callable[[], None]:
    def delete() -> None:
        try:
            history.api.delete_tag(history.repo, tag=tag, repo_type="dataset")
        except RevisionNotFoundError:  # a lost answer, or a rerun
            return

    return lambda: history.ask(delete)


def _move_tag(history: History, tag: str, branch: str) -> Callable[[], None]:
    def create() -> None:
        try:
            history.api.create_tag(history.repo, tag=tag, revision=branch, repo_type="dataset")
        except HttpError as error:
            if status_of(error) != CONFLICT:
                raise

    def step() -> None:
        _delete_tag(history, tag)()
        history.ask(create)

    return step


def _doomed(history: History, trace: Trace, leaving: Sequence[str] = ()) -> list[LFSFileInfo]:
    """The contents that nothing leads to, and those that hold the samples.

    What a branch or a tag that stays leads to is never among them: none of those shows the samples now.

    Args:
        history: The repository.
        trace: Where the samples still are.
        leaving: Tags that do not stay.
    """
    api, repo = history.api, history.repo
    refs = history.ask(lambda: api.list_repo_refs(repo, repo_type="dataset", include_pull_requests=True))
    kept, others = (
        {sha for ref in found for sha in _contents(history, ref.target_commit)}
        for found in (
            (*refs.branches, *(tag for tag in refs.tags if tag.name not in leaving)),
            (*refs.converts, *(refs.pull_requests or ())),
        )
    )
    kept |= others - {file.sha256 for _, file in trace.files}
    found = history.ask(lambda: list(api.list_lfs_files(repo, repo_type="dataset")))
    return [file for file in found if file.file_oid not in kept and file.oid not in kept]


def _contents(history: History, commit: str) -> set[str]:
    """The large files of a commit, by sha256."""
    tree = history.ask(
        lambda: list(
            history.api.list_repo_tree(history.repo, recursive=True, revision=commit, repo_type="dataset")
        )
    )
    return {item.lfs.sha256 for item in tree if isinstance(item, RepoFile) and item.lfs is not None}


def _refuse_left(history: History, doomed: Sequence[LFSFileInfo]) -> None:
    gone = {file.file_oid for file in doomed}
    listed = history.ask(lambda: list(history.api.list_lfs_files(history.repo, repo_type="dataset")))
    left = [file.filename for file in listed if file.file_oid in gone]
    if left:
        raise _still_there(history, left)


def _still_served(
    history: History, files: Sequence[tuple[str, FileEntry]], doomed: Sequence[LFSFileInfo]
) -> int:
    """How many small text files of old commits are still served; raises ReleaseError for a large file."""
    large = {oid for file in doomed for oid in (file.file_oid, file.oid)}
    served = [file for commit, file in files if _is_served(history, commit, file)]
    left = [file.path for file in served if file.sha256 in large]
    if left:
        raise _still_there(history, left)
    return len(served)


def _is_served(history: History, revision: str, file: FileEntry) -> bool:
    def ask() -> bool:
        try:
            get_hf_file_metadata(hf_hub_url(history.repo, file.path, repo_type="dataset", revision=revision))
        except _GONE:
            return False
        return True

    return history.ask(ask)


def _still_there(history: History, paths: Sequence[str]) -> ReleaseError:
    return ReleaseError(
        "the Hub still has contents that were deleted for good",
        got=f"{', '.join(paths[:3])} ({len(paths)} in all)",
        where=history.repo,
        fix="run the same command again; if it stays so, ask the people who run the Hub",
    )
