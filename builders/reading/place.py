"""A release, a run or an index, wherever it is; and where a name says that it is.

- There are two kinds of place, a folder (`FolderPlace`) and a dataset repository at a commit (`HubPlace`).
  Whoever reads asks a `Place`, and works on both.
- A folder that is there comes before a repository of the same name; `hf://datasets/` says that it is none.
- A place pickles: it opens its files and connections in the process that reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.reading.repository import Repository
from sparkle.builders.release.exported import refuse_export
from sparkle.builders.release.manifest import FileEntry, read_manifest
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ConfigError, MissingFileError, ReleaseError
from sparkle.schemas.misplaced import refuse_misplaced


class Place(Protocol):
    """A release, a run or an index, wherever it is."""

    @property
    def name(self) -> str:
        """What to call it in messages."""
        ...

    @property
    def where(self) -> str:
        """What to open to get to the same bytes again: a folder, or a repository at a commit."""
        ...

    @property
    def folder(self) -> Path | None:
        """The folder, absolute; None for a repository."""
        ...

    @property
    def commit(self) -> str | None:
        """The commit of a repository; None for a folder."""
        ...

    @property
    def requests(self) -> int:
        """How many requests this process made for parts of files, redirects and repetitions included."""
        ...

    @property
    def bytes_read(self) -> int:
        """How many bytes of parts of files this process has read."""
        ...

    def list(self) -> Mapping[str, FileEntry]:
        """Return every file by its path, sorted, without what a Hub puts there itself.

        A Hub knows the sha256 of what it keeps as large files: of tars, media, tables and every file over
        some 10 MB. Of small text files it knows the hash that git gives them. A folder knows sizes only.

        Raises:
            ReleaseError: the Hub does not answer.
        """
        ...

    def fetch(self, path: str) -> Path:
        """Return a local file with the content of a whole file, under the file's own name.

        Raises:
            MissingFileError: there is no such file.
            ReleaseError: the Hub does not answer.
            UnsafePathError: the path leads out of the folder.
        """
        ...

    def read(self, path: str, start: int, size: int) -> Iterator[bytes]:
        """Yield `size` bytes of a file from byte `start` on, in blocks; fewer where a folder's file ends.

        Raises:
            MissingFileError: there is no such file.
            ReleaseError: it is not the file that is expected, or the Hub does not answer.
        """
        ...

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open a file to be read once, from front to back; raises what `read` raises, then and later."""
        ...

    def stamp(self, path: str) -> Any:
        """Return the size of a file, and JSON values that are others when the file is another."""
        ...

    def refuse_changed(self) -> None:
        """Raise ReleaseError where it is not what was opened; asked when something is missing or wrong."""
        ...

    def expecting(self, entries: Iterable[FileEntry], remedy: str) -> Place:
        """Return the same place, whose files must be those where they are read in parts.

        Args:
            entries: The files: their sizes, and sha256 where it is known.
            remedy: What to do when one is another.
        """
        ...


def open_place(name: str | Path, *, models: bool = False) -> Place:
    """Find out what a name means.

    Args:
        name: A folder, or `owner/name[@revision]` of a dataset on a Hub, which `hf://datasets/` may precede.
        models: Whether it may be a model's repository too, which `hf://` may precede. A plain name is a
            dataset's where there is one.

    Raises:
        ReleaseError: it means neither, or the Hub does not have it.
        UnreachableError: the Hub does not answer.
    """
    text = str(name)
    plain = not text.startswith("hf://")
    if plain and text and Path(text).is_dir():
        return FolderPlace(Path(text))
    try:
        repository = Repository.parse(text, models=models)
    except ConfigError:
        raise ReleaseError(
            "neither a folder nor a repository",
            got=text,
            wanted="a folder, or owner/name[@revision] of a dataset on the Hub",
        ) from None
    from sparkle.builders.reading.hub import open_repository

    try:
        return open_repository(repository)
    except ReleaseError as error:
        if plain:
            error.problem = f"no such folder, and {error.problem}"
        raise error from None


def find(place: Place, path: str) -> Path | None:
    """Return what `place.fetch` does, or None where there is no such file."""
    try:
        return place.fetch(path)
    except MissingFileError:
        return None


def read_exactly(place: Place, path: str, start: int, size: int) -> bytes:
    """Return `size` bytes of a file from byte `start` on; raises ReleaseError where it has fewer."""
    data = b"".join(place.read(path, start, size))
    if len(data) != size:
        raise ReleaseError(
            "another number of bytes than asked for",
            got=len(data),
            wanted=f"{size} from byte {start}",
            where=f"{place.name} {path}",
        )
    return data


def read_entries(place: Place) -> dict[str, FileEntry]:
    """Return the files that a release lists, by path; raises ReleaseError where there is no release."""
    manifest = find(place, layout.MANIFEST)
    if manifest is None:
        if place.folder is not None:
            refuse_export(place.folder)
        raise ReleaseError(
            "not a release",
            got=place.name,
            wanted=f"a place with {layout.MANIFEST}",
            fix="`sparkle build RUN --out RELEASE` makes one",
        )
    # A file that was fetched has its own name, so its folder can be read as that of a release.
    return {entry.path: entry for entry in read_manifest(manifest.parent)}


def fetch_listed(place: Place, entry: FileEntry) -> Path:
    """Return what `place.fetch` does; raises ReleaseError when it is not the file that the manifest lists."""
    file = place.fetch(entry.path)
    size = file.stat().st_size
    if size != entry.size or (found := sha256_file(file)) != entry.sha256:
        refuse_misplaced(file, ReleaseError, f"{place.name} {entry.path}")
        raise ReleaseError(
            "a file is not the one that the manifest lists",
            got=f"{size} bytes" if size != entry.size else f"sha256 {found}",
            wanted=f"{entry.size} bytes, sha256 {entry.sha256}",
            where=f"{place.name} {entry.path}",
            fix="`sparkle validate` says what is wrong with the release",
        )
    return file
