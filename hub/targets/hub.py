"""A repository of a Hub, of a dataset or a model, as a place to publish to.

How it works
- Everything goes through the unmodified `huggingface_hub`: by Xet, or by LFS with `HF_HUB_DISABLE_XET=1`.
  Which Hub it is and who publishes is the client's own business: `HF_ENDPOINT`, `HF_TOKEN`, `hf auth login`.
- Contents are sent first (`preupload_lfs_files`) and lie on the Hub without being visible. Text files that
  the Hub keeps in git travel inside the commit. A commit names its parent, so that it is refused (412) when
  somebody else published meanwhile; when its answer is lost, the branch is looked at before it is repeated.
- Resuming: contents that were acknowledged are in a journal in the user's cache, and are neither sent nor
  read again. Within a file, Xet goes on by its chunks: each block of up to 64 MB that arrived is noted by the
  client at once (`_NOTE_BLOCKS`), and steps of a large file are complete each. By LFS it goes on by parts,
  where the Hub takes a file in parts (`parts`).
- Pace: several groups of files are under way at once. After a publish that did not end, one is, in steps, as
  one that was killed may be killed again; steps grow with what arrives, so that a kill costs about a tenth of
  what its process has sent, and are over when they reach a block of Xet.
- Text is read into memory and compared with the manifest before it is sent; larger files are hashed while
  they are sent, or by the client before, and that is compared.
- The client has no public way to say that a file of a commit was sent by another process, nor whether the Hub
  keeps it as a large one: `additions` alone knows the attributes that say so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    get_session,
)
from huggingface_hub.errors import (
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sparkle._cache import cache_folder
from sparkle._extras import require
from sparkle._files import exclusive
from sparkle.builders.reading.client import (
    CONFLICT,
    HubRefusal,
    host,
    quiet_clients,
    status_of,
)
from sparkle.builders.reading.hub import list_tree
from sparkle.builders.reading.patience import WRITING, Patience, tell
from sparkle.builders.reading.repository import DATASET, MODEL, RepoKind, Repository, require_reference
from sparkle.builders.reading.session import HttpError, raise_for_status
from sparkle.hub.targets.additions import is_large, recall, refuse_ignored, sends_by_xet
from sparkle.hub.targets.journal import SentJournal
from sparkle.hub.targets.parts import PartsUpload
from sparkle.hub.targets.target import Change, Limits, Pace, Parcel, Standing, another_publisher
from sparkle.schemas import layout
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.errors import ConfigError, ReleaseError

_MAIN = "main"
_FIRST_ANSWER = 30.0  # seconds: connections that break now and then are tried again
_IN_MEMORY = 16 << 20  # bytes: files up to this are read once, compared and sent from memory
_BLOCK = 64 << 20  # bytes of a block of Xet, which the client sends and notes as one
# Files at once. By Xet one is read while another is sent and the Hub checks a third. By LFS as many as the
# client sends: with 3, a publish takes 1.3 times as long.
_XET_LANES, _LFS_LANES = 3, 5
_FIRST_STEP = 8 << 20  # bytes of a step after a kill
_STEP_SHARE = 10  # and later: a tenth of what was sent since

# By default hf_xet notes which blocks have arrived every 20 s. Noted at once, a kill costs those under way.
_NOTE_BLOCKS = ("HF_XET_DATA_SESSION_XORB_METADATA_FLUSH_MAX_COUNT", "1")


class HubTarget:
    """A repository to publish to.

    Args:
        repo: `owner/name`.
        revision: The branch; None is the main one. Made from the main one when it is not there.
        private: Whether a repository that is made is private; one that is public already is refused.
        say: Told of waits; the default writes to standard error.
        limits: What the Hub takes.
        checkpoint: Bytes of a large file that are sent in one step when it is sent by Xet, one file at a
            time; None is the whole file, and several at a time. A kill costs what was under way.
        kind: Whether it is a dataset's or a model's.

    Attributes:
        key: A name of the repository and its Hub for files that are kept of them.

    Raises:
        ConfigError: `repo` is no `owner/name`.
    """

    def __init__(
        self,
        repo: str,
        revision: str | None = None,
        *,
        private: bool = False,
        say: Callable[[str], None] = tell,
        limits: Limits | None = None,
        checkpoint: int | None = None,
        kind: RepoKind = DATASET,
    ) -> None:
        require("huggingface_hub", "1.0", extra="publish", whom="publishing to a Hub")
        named = Repository.parse(repo, models=kind == MODEL)
        if named.revision is not None or named.kind not in (None, kind):
            raise ConfigError(f"not the name of a {kind} repository", got=repo, wanted="owner/name")
        os.environ.setdefault(*_NOTE_BLOCKS)
        quiet_clients()
        self._repository = Repository(named.name, kind=kind)
        self.repo, self.kind = named.name, kind
        self.branch = _MAIN if revision is None else require_reference("--revision", revision)
        self.private = private
        self.limits = limits or Limits()
        self._checkpoint = checkpoint
        self._api = HfApi()
        self._say = say
        self._patience = Patience(self.name, say, WRITING)
        self._additions: dict[str, CommitOperationAdd] = {}
        space = [MODEL] if kind == MODEL else []  # a dataset may have the same name
        self.key = fingerprint([host_of(self._api.endpoint), *space, self.repo.lower()])[:32]
        self._notes = cache_folder() / "publish" / self.key
        self._journal = SentJournal(self._notes.with_suffix(".jsonl"))
        self._parts = PartsUpload(self._api, self._repository, self._journal, self._patience)
        self._sent = 0  # bytes by this process

    @property
    def name(self) -> str:
        """`owner/name`, with `@branch` where it is not the main one; a model's after `hf://`."""
        return str(replace(self._repository, revision=None if self.branch == _MAIN else self.branch))

    @property
    def address(self) -> str:
        """The repository's page."""
        branch = "" if self.branch == _MAIN else f"/tree/{self.branch}"
        return f"{host()}/{'' if self.kind == MODEL else 'datasets/'}{self.repo}{branch}"

    @property
    def pace(self) -> Pace:
        """How the next contents are sent."""
        if self._checkpoint is not None:
            return Pace(1, self._checkpoint)
        step = max(_FIRST_STEP, self._sent // _STEP_SHARE)
        if self._journal.unfinished and step < _BLOCK:
            return Pace(1, step)
        return Pace(_XET_LANES if sends_by_xet() else _LFS_LANES, _BLOCK)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep other publishers of this machine away from the repository."""
        lock = self._notes.with_suffix(".lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(lock, another_publisher(self.name)):
            yield

    def look(self) -> Standing:
        """What stands on the branch.

        Raises:
            ConfigError: there is no token, or it may only read.
            ReleaseError: the Hub cannot be asked, `revision` is a tag or a commit, or the repository is
                public and should be private.
        """
        # Who does not answer at all at the very start is at a wrong address: no outage that one waits out.
        first = Patience(self.name, self._say, WRITING._replace(silent=_FIRST_ANSWER))
        return first.run(self._look)

    def _look(self) -> Standing:
        refuse_reader(self._api, self.name)
        try:
            refs = self._api.list_repo_refs(self.repo, repo_type=self.kind)
        except RepositoryNotFoundError:
            return Standing()
        if self.private and not self._api.repo_info(self.repo, repo_type=self.kind).private:
            raise ReleaseError(
                "the repository is public: what is published there is seen by everybody",
                wanted="a private repository",
                where=self.repo,
                fix="make it private on its page first, or publish without --private",
            )
        tags = {tag.name: tag.target_commit for tag in refs.tags}
        heads = {branch.name: branch.target_commit for branch in refs.branches}
        if self.branch not in heads:
            if self.branch in tags or Repository(self.repo, self.branch).commit:
                raise ReleaseError(
                    "a tag or a commit stays as it is", got=self.branch, wanted="a branch", where=self.repo
                )
            return Standing(tags=tags)
        head = heads[self.branch]
        files = list_tree(self.repo, head, kind=self.kind)
        manifest = self.read(layout.MANIFEST, head) if layout.MANIFEST in files else None
        return Standing(head, files, manifest, tags)

    def read(self, path: str, head: str | None = None) -> bytes:
        """The content of a file of the branch, or of a commit of it."""
        return self._patience.run(
            lambda: Path(
                self._api.hf_hub_download(self.repo, path, repo_type=self.kind, revision=head or self.branch)
            ).read_bytes()
        )

    def prepare(self, standing: Standing) -> str:
        """Make the repository and the branch where they are missing; raises ReleaseError."""
        self._journal.begin()
        if standing.head is not None:
            return standing.head
        self._patience.run(self._create)
        head = self._patience.run(self._head)
        if head is None:
            raise ReleaseError("the Hub made no such branch", where=self.name)
        return head

    def _create(self) -> None:
        private = self.private or None  # None: what the owner's settings say
        self._api.create_repo(self.repo, repo_type=self.kind, private=private, exist_ok=True)
        if self.branch != _MAIN:
            self._api.create_branch(self.repo, branch=self.branch, repo_type=self.kind, exist_ok=True)

    def check_card(self, card: bytes) -> None:
        """Ask the Hub about the card; raises ReleaseError, as a commit with a bad one would be refused."""
        self._patience.run(lambda: ask_about_card(self._api, card, self.kind))

    def _head(self) -> str | None:
        try:
            return self._api.repo_info(self.repo, revision=self.branch, repo_type=self.kind).sha
        except (RepositoryNotFoundError, RevisionNotFoundError):
            return None

    def sent(self, parcel: Parcel) -> bool:
        """Whether the Hub acknowledged this content to an earlier publish."""
        return self._journal.has(parcel.entry)

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Send contents; those that the Hub keeps as large files are noted in the journal."""
        before = self._sent
        additions = [
            self._large(parcel)
            if parcel.entry.size > _IN_MEMORY
            else CommitOperationAdd(parcel.entry.path, parcel.read())
            for parcel in parcels
        ]
        self._upload(additions)
        self._sent = max(self._sent, before + sum(parcel.entry.size for parcel in parcels))
        for parcel, addition in zip(parcels, additions, strict=True):
            parcel.compare(addition.upload_info.size, addition.upload_info.sha256.hex())
            refuse_ignored(addition)
            self._additions[parcel.entry.path] = addition
        large = [parcel for parcel in parcels if is_large(self._additions[parcel.entry.path])]
        self._journal.add((parcel.entry, None) for parcel in large)

    def _large(self, parcel: Parcel) -> CommitOperationAdd:
        """A file that is read while it is sent, and hashed by who reads it."""
        source = parcel.source()
        addition = CommitOperationAdd(parcel.entry.path, source)
        if not sends_by_xet():
            if self._parts.send(parcel):
                addition.upload_info.sha256 = bytes.fromhex(parcel.entry.sha256)
            parcel.compare(addition.upload_info.size, addition.upload_info.sha256.hex())
        elif self.pace.step < _BLOCK:
            with source.open("rb") as file:
                while block := file.read(self.pace.step):
                    self._upload([CommitOperationAdd(parcel.entry.path, block)])
                    self._sent += len(block)
        return addition

    def _upload(self, additions: list[CommitOperationAdd]) -> None:
        self._patience.run(
            lambda: self._api.preupload_lfs_files(
                self.repo, additions, repo_type=self.kind, revision=self.branch
            )
        )

    def commit(self, parent: str, change: Change) -> str:
        """Commit a change on top of `parent`; returns the new commit."""
        additions = [self._additions.get(put.entry.path) or recall(put) for put in change.puts]
        deletions = [CommitOperationDelete(path, is_folder=False) for path in change.deletes]

        def commit() -> str:
            made = self._api.create_commit(
                self.repo,
                [*additions, *deletions],
                commit_message=change.title,
                repo_type=self.kind,
                revision=self.branch,
                parent_commit=parent,
            )
            return str(made.oid)

        try:
            return self._patience.run(commit, lambda: self._committed(parent, change))
        except HubRefusal:
            self._journal.forget()  # the Hub may have cleared away what was sent long ago
            raise

    def _committed(self, parent: str, change: Change) -> str | None:
        """The head, when it holds the change; None when nothing has happened.

        Raises:
            ReleaseError: somebody else's commit is there.
        """
        head = self._head()
        if head in (parent, None):
            return None
        files = list_tree(self.repo, str(head), kind=self.kind)
        there = all(put.is_stored(files.get(put.entry.path)) for put in change.puts)
        if there and not any(path in files for path in change.deletes):
            return head
        raise ReleaseError(
            "the branch moved while this was being published",
            got=f"commit {head}",
            wanted=f"commit {parent}",
            where=self.name,
            fix="see what was published there; the same command goes on from it, and sends nothing twice",
        )

    def check_tag(self, name: str) -> None:
        """Raise ConfigError for a name that no tag can have."""
        require_reference("--tag", name)

    def tag(self, name: str, head: str) -> None:
        """Tag a commit; a tag of this name that names another one is refused."""

        def create() -> None:
            try:
                self._api.create_tag(self.repo, tag=name, revision=head, repo_type=self.kind)
            except HttpError as error:
                if status_of(error) != CONFLICT:
                    raise
                refs = self._api.list_repo_refs(self.repo, repo_type=self.kind)
                if {tag.name: tag.target_commit for tag in refs.tags}.get(name) != head:
                    raise

        self._patience.run(create)

    def finish(self) -> None:
        """Forget what was sent: it is visible now."""
        self._journal.forget()


# --- what a publisher asks a Hub -------------------------------------------------------------------


_BAD_REQUEST = 400  # the status of an answer that says what is wrong with a card


def host_of(endpoint: str) -> str:
    """An endpoint without a user's name and password."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def refuse_reader(api: HfApi, where: str) -> None:
    """Raise ConfigError when the token may only read."""
    role = api.whoami(cache=True).get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise ConfigError(
            "this token may only read",
            where=where,
            fix="take a token that may write: `hf auth login`, or set HF_TOKEN",
        )


def ask_about_card(api: HfApi, card: bytes, kind: RepoKind) -> None:
    """Have a card checked by the Hub's own rules; raises ReleaseError for what they refuse."""
    question = {"content": card.decode(), "repoType": kind}
    answer = get_session().post(f"{api.endpoint}/api/validate-yaml", json=question)
    if answer.status_code == _BAD_REQUEST:
        found = answer.json().get("errors", [])
        raise ReleaseError(
            "the Hub does not accept the card",
            got="; ".join(str(error.get("message")) for error in found),
            where=layout.CARD,
        )
    raise_for_status(answer)
