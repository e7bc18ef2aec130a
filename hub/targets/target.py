"""What a place can be asked for by whoever publishes a release to it.

A place shows one state at a time, its head, and goes from one to the next by a `Change`, whole or not at all.
Contents are sent before, and nobody sees them until a change names them. `targets.hub` and `targets.folder`
are the two kinds of place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from sparkle._files import stamp
from sparkle.builders.release.manifest import FileEntry, hash_by_git
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ReleaseError


@dataclass(frozen=True)
class Standing:
    """What stands in a place.

    Attributes:
        head: Its state, a commit; None when there is no such repository, branch or folder yet.
        files: Every file by its path, without what a Hub puts there itself.
        manifest: The release's manifest there, as bytes; None when there is none.
        tags: The head that each tag names.
    """

    head: str | None = None
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    manifest: bytes | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Parcel:
    """A file to be sent.

    Attributes:
        entry: Its path in the release, size and sha256.
        file: Where it is; None for one that was sent before and is no longer here.
        noted: Its stamp (`sparkle._files.stamp`) from before it was looked at.
    """

    entry: FileEntry
    file: Path | None
    noted: list[int] | None = None

    def read(self) -> bytes:
        """Its content; raises ReleaseError when that is not what the manifest says."""
        data = self.source().read_bytes()
        self.compare(len(data), sha256_bytes(data))
        return data

    def source(self) -> Path:
        """Where it is; raises ReleaseError when it is not here."""
        if self.file is None:
            raise ReleaseError("a file of the release is not here to be sent", where=self.entry.path)
        return self.file

    def is_stored(self, stored: FileEntry | None) -> bool:
        """Return whether a file of a place has this content; one that a Hub keeps in git is read here."""
        if stored is None or stored.size != self.entry.size:
            return False
        if stored.sha256:
            return stored.sha256 == self.entry.sha256
        return stored.git_sha1 == hash_by_git(self.read())

    def refuse_changed(self) -> None:
        """Raise ReleaseError when the file is not the one that was noted."""
        if self.file is not None and stamp(self.file) != self.noted:
            raise ReleaseError(
                "the release changes while it is being published",
                got="another size, time or inode than at the start",
                where=self.file,
                fix="wait until it is finished, and publish again; nothing of this was made visible",
            )

    def compare(self, size: int, sha256: str) -> None:
        """Raise ReleaseError when what was read is not what the manifest says."""
        if (size, sha256) != (self.entry.size, self.entry.sha256):
            raise ReleaseError(
                "a file is not what the manifest says",
                got=f"{size} bytes, sha256 {sha256}",
                wanted=f"{self.entry.size} bytes, sha256 {self.entry.sha256}",
                where=self.file or self.entry.path,
                fix="`sparkle build` again, then publish; nothing of this was made visible",
            )


@dataclass(frozen=True)
class Change:
    """What turns one state of a place into the next.

    Attributes:
        puts: Files that are new or replaced; their contents were sent.
        deletes: Paths that go.
        title: One line that says what it is.
    """

    puts: tuple[Parcel, ...]
    deletes: tuple[str, ...]
    title: str


@dataclass(frozen=True)
class Limits:
    """What a Hub takes; the numbers stand in its documentation of storage and rate limits.

    Attributes:
        commit_files: Files a commit; more are advised against, since a commit has a minute.
        hourly_commits: Commits an hour.
        folder_files: Entries a folder.
        files: Files a repository, as advised.
        file_bytes: The most bytes of a file.
        advised_bytes: Bytes of a file above which downloads get slow.
    """

    commit_files: int = 100
    hourly_commits: int = 128
    folder_files: int = 10_000
    files: int = 100_000
    file_bytes: int = 200_000_000_000
    advised_bytes: int = 50_000_000_000


class Pace(NamedTuple):
    """How much is sent before it is noted, which is what a kill costs.

    Attributes:
        lanes: Groups of files that are sent at once.
        step: Bytes of a group; where a place goes on within a file, of a larger file too.
    """

    lanes: int
    step: int


class Target(Protocol):
    """A place that a release is published to."""

    @property
    def name(self) -> str:
        """How the place is called in messages."""
        ...

    @property
    def address(self) -> str:
        """Where people find what is published: a page or a folder."""
        ...

    @property
    def limits(self) -> Limits | None:
        """What it takes; None where only the disk counts."""
        ...

    @property
    def pace(self) -> Pace:
        """How the next contents are sent; `send` may be called by as many threads."""
        ...

    def session(self) -> AbstractContextManager[None]:
        """Keep other publishers of this machine away; raises ReleaseError when there is one."""
        ...

    def look(self) -> Standing:
        """What stands there; raises ReleaseError when that cannot be found out, or nothing may be written."""
        ...

    def read(self, path: str) -> bytes:
        """The content of a file that stands there."""
        ...

    def prepare(self, standing: Standing) -> str:
        """Create what is missing; returns the head to go on from."""
        ...

    def check_card(self, card: bytes) -> None:
        """Have the card checked; raises ReleaseError when it would be refused later on."""
        ...

    def sent(self, parcel: Parcel) -> bool:
        """Whether an earlier publish sent this content, durably."""
        ...

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Send contents, durably; nobody sees them yet."""
        ...

    def commit(self, parent: str, change: Change) -> str:
        """Go from `parent` to the next state, once; returns its head.

        Raises:
            ReleaseError: something else was published there meanwhile, or the place refuses.
        """
        ...

    def check_tag(self, name: str) -> None:
        """Raise ConfigError for a name that no tag of this place can have."""
        ...

    def tag(self, name: str, head: str) -> None:
        """Give a state a name that stays; one that names it already is fine."""
        ...

    def finish(self) -> None:
        """Forget what was only kept to go on from: everything is published."""
        ...


def another_publisher(where: str) -> ReleaseError:
    """What to say when somebody else holds the lock of a target."""
    return ReleaseError("another process publishes there", where=where, fix="wait for it to end")
