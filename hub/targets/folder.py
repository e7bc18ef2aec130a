"""A local or mounted folder, as a place to publish to.

How it works, for a folder `NAME`
- Contents are copied to `.NAME.publishing` beside it, hashed on the way, durable each before it is noted in a
  journal there. A rerun copies what is missing.
- The change builds the next state beside the folder and swaps it in (`builders.staging`): files that stay and
  files that were copied get a second name there (or are copied again where a file system has no hard links).
  What stays is hashed first: a folder keeps no hashes that could be trusted instead. Readers see the old
  state or the new one; between two renames they see none for a moment, and a kill there is mended by the next
  publish.
- Its head is the sha256 of its manifest.
- A tag is a folder beside it, `NAME@TAG`, of further names for the same files, never replaced: readers open
  it as any release. So is a revision, which can be published again.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from sparkle._files import BLOCK_BYTES, atomic_path, exclusive, link_or_copy, safe_join, stamp
from sparkle.builders.reading.repository import require_reference
from sparkle.builders.release.manifest import FileEntry, list_files, read_manifest
from sparkle.builders.release.staging import (
    building_folder,
    journal_path,
    refuse_foreign,
    remove_others,
    staged,
)
from sparkle.hub.targets.journal import SentJournal
from sparkle.hub.targets.target import Change, Limits, Pace, Parcel, Standing, another_publisher
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_bytes, sha256_file
from sparkle.schemas.errors import ConfigError, ReleaseError

_NAME_AND_TAG = "@"


class FolderTarget:
    """A folder to publish to.

    Args:
        folder: The folder; it need not be there.
        revision: Publish to `NAME@revision` beside it.

    Raises:
        ConfigError: a revision that is no plain name.
    """

    limits: Limits | None = None
    pace = Pace(lanes=1, step=64 << 20)  # a disk is no quicker for being asked twice at once

    def __init__(self, folder: Path, revision: str | None = None) -> None:
        whole = folder.resolve()
        self._base = whole
        self.folder = whole if revision is None else self._beside(revision)
        self._work = self.folder.with_name(f".{self.folder.name}.publishing")
        self._copies = self._work / "files"
        self._journal = SentJournal(self._work / "sent.jsonl")

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.folder)

    @property
    def address(self) -> str:
        """The folder."""
        return str(self.folder)

    def _beside(self, name: str) -> Path:
        if name != Path(name).name or name.startswith("."):
            raise ConfigError(
                "a tag or revision of a folder is a plain name", got=name, wanted="such as v1.0"
            )
        return self._base.with_name(f"{self._base.name}{_NAME_AND_TAG}{name}")

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep other publishers away from the folder."""
        lock = self.folder.with_name(f".{self.folder.name}.lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(lock, another_publisher(self.name)):
            yield

    def look(self) -> Standing:
        """What stands in the folder.

        Raises:
            ReleaseError: it holds something else than a release, or a build into it is under way.
        """
        if journal_path(self.folder).exists():
            raise ReleaseError(
                "a build into this folder is unfinished", where=self.folder, fix="finish it first"
            )
        prefix = self._base.name + _NAME_AND_TAG
        tags = {
            path.name.removeprefix(prefix): _head(path)
            for path in self._base.parent.glob(f"{prefix}*")
            if (path / layout.MANIFEST).is_file()
        }
        if not self.folder.exists() or (self.folder.is_dir() and not list_files(self.folder)):
            return Standing(tags=tags)
        refuse_foreign(self.folder)
        manifest = self.read(layout.MANIFEST)
        files = {entry.path: replace(entry, size=self._size(entry)) for entry in read_manifest(self.folder)}
        files[layout.MANIFEST] = FileEntry(layout.MANIFEST, len(manifest), sha256_bytes(manifest))
        return Standing(_head(self.folder), files, manifest, tags)

    def _size(self, entry: FileEntry) -> int:
        """The bytes of a file that stands there; -1 when there is none, so that it is no one's."""
        try:
            return safe_join(self.folder, entry.path).stat().st_size
        except FileNotFoundError:
            return -1

    def read(self, path: str) -> bytes:
        """The content of a file that stands there."""
        return safe_join(self.folder, path).read_bytes()

    def prepare(self, standing: Standing) -> str:
        """Make room for copies; returns the head, empty for a folder that is not there yet."""
        self._copies.mkdir(parents=True, exist_ok=True)
        return standing.head or ""

    def check_card(self, card: bytes) -> None:
        """A folder takes any."""

    def sent(self, parcel: Parcel) -> bool:
        """Whether an earlier publish copied this file, and the copy is as it was."""
        mark = self._journal.mark(parcel.entry)
        return mark is not None and mark == stamp(self._copies / parcel.entry.path)

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Copy files, hashing what is written."""
        for parcel in parcels:
            target = safe_join(self._copies, parcel.entry.path)
            with atomic_path(target) as temporary:
                parcel.compare(*_copy(parcel.source(), temporary))
            self._journal.add([(parcel.entry, stamp(target))])

    def commit(self, parent: str, change: Change) -> str:
        """Build the next state and swap it in."""
        staying = self._staying(change)
        with staged(self.folder, lambda: self._refuse_moved(parent)) as folder:
            remove_others(folder, [])
            for path in staying:
                link_or_copy(self.folder / path, folder / path)
            for put in change.puts:
                link_or_copy(self._copies / put.entry.path, folder / put.entry.path)
        return _head(self.folder)

    def _staying(self, change: Change) -> list[str]:
        """Paths that stay, each with the content that the standing manifest says."""
        if not (self.folder / layout.MANIFEST).is_file():
            return []
        gone = {*change.deletes, *(put.entry.path for put in change.puts)}
        staying = [entry for entry in read_manifest(self.folder) if entry.path not in gone]
        for entry in staying:
            path = safe_join(self.folder, entry.path)
            if (found := sha256_file(path)) != entry.sha256:
                raise ReleaseError(
                    "a file of the published release is damaged, and the new one would take it over",
                    got=f"sha256 {found}",
                    wanted=f"sha256 {entry.sha256}",
                    where=path,
                    fix="delete it and publish again: then it is copied anew",
                )
        return [entry.path for entry in staying]

    def _refuse_moved(self, parent: str) -> None:
        standing = _head(self.folder) if (self.folder / layout.MANIFEST).is_file() else ""
        if standing != parent:
            raise ReleaseError(
                "the folder changed while this was being published",
                got=standing,
                wanted=parent,
                where=self.folder,
                fix="see what was published there, then run the same command again",
            )

    def check_tag(self, name: str) -> None:
        """Raise ConfigError for a name that no folder beside it can have."""
        self._beside(require_reference("--tag", name))

    def tag(self, name: str, head: str) -> None:
        """Give the state a folder of its own; one that has it already is fine."""
        target = self._beside(name)
        if target.is_dir() and _head(target) == head:
            return
        with staged(target, lambda: _refuse_there(target)) as folder:
            remove_others(folder, [])
            for path in (*(entry.path for entry in read_manifest(self.folder)), layout.MANIFEST):
                link_or_copy(self.folder / path, folder / path)

    def finish(self) -> None:
        """Remove the copies' first names and the journal."""
        shutil.rmtree(self._work, ignore_errors=True)
        shutil.rmtree(building_folder(self.folder), ignore_errors=True)


def _head(folder: Path) -> str:
    return sha256_file(folder / layout.MANIFEST)


def _refuse_there(target: Path) -> None:
    if target.exists() and list_files(target):
        raise ReleaseError("the tag is taken by another state, and tags stay", where=target)


def _copy(source: Path, target: Path) -> tuple[int, str]:
    """Copy a file; returns the size and sha256 of what was written."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as read, target.open("wb") as written:
        while block := read.read(BLOCK_BYTES):
            digest.update(block)
            written.write(block)
            size += len(block)
    return size, digest.hexdigest()
