"""manifest.json: every other file of a release with its size and sha256, sorted by path.

The manifest is also the mark of a release: a folder with one may be replaced by a build, provided that it
holds nothing that the manifest does not list.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from sparkle._files import read_document
from sparkle._folders import is_no_part
from sparkle.builders.release.exported import refuse_export
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document, plain, sha256_file
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.load import load
from sparkle.schemas.records import Record
from sparkle.schemas.validate import check, parse_strict

FORMAT, VERSION = "sparkle-release", 1
_TEXT = (".csv", ".jsonl", ".json", ".md")
_SMALL_BYTES = 10 << 20  # above, a Hub keeps any file as a large one, of which it knows the sha256


class FileEntry(Record, frozen=True, eq=False):
    """A file of a release, or of the place where one is.

    Attributes:
        path: From the release's root.
        size: In bytes.
        sha256: Hexadecimal; empty where a place does not know it.
        git_sha1: Of small text files, the hash that git gives their content: all that a Hub knows of them
            without a download. It says nothing that the sha256 does not, and is left out of comparisons.
    """

    path: str
    size: int
    sha256: str
    git_sha1: str | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileEntry) and self._content == other._content

    def __ne__(self, other: object) -> bool:  # a Struct has one of its own, which does not ask __eq__
        return not self == other

    def __hash__(self) -> int:
        return hash(self._content)

    @property
    def _content(self) -> tuple[str, int, str]:
        return self.path, self.size, self.sha256


def describe_file(folder: Path, path: str, *, sha256: str | None = None) -> FileEntry:
    """A file of a release that stands in a folder, as the manifest lists it.

    Args:
        folder: The release.
        path: The file, from there.
        sha256: Its sha256 where it is known already.
    """
    file = folder / path
    size = file.stat().st_size
    small_text = path.endswith(_TEXT) and size <= _SMALL_BYTES
    git_sha1 = hash_file_by_git(file) if small_text else None
    return FileEntry(path, size, sha256 or sha256_file(file), git_sha1)


def hash_by_git(data: bytes) -> str:
    """The hash that git gives a content."""
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()


def hash_file_by_git(path: Path) -> str:
    """The hash that git gives the content of a file, which is read in blocks."""
    head = b"blob %d\0" % path.stat().st_size
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha1(head, usedforsecurity=False)).hexdigest()


def dump_manifest(entries: Iterable[FileEntry]) -> bytes:
    """The bytes of manifest.json."""
    files = plain(sorted(entries, key=lambda entry: entry.path))
    document = {"format": FORMAT, "version": VERSION, "files": files}
    check("manifest", document, where=layout.MANIFEST)
    return dump_document(document)


def read_manifest(folder: Path) -> list[FileEntry]:
    """The files that a release lists.

    Raises:
        ReleaseError: there is no manifest, or it cannot be read.
    """
    path = folder / layout.MANIFEST
    try:
        data = read_document(path)
    except FileNotFoundError:
        refuse_export(folder)
        raise ReleaseError("not a release", got=folder, wanted=f"a folder with {layout.MANIFEST}") from None
    except OSError as error:
        raise ReleaseError("a manifest cannot be read", got=error.strerror, where=path) from None
    return parse_manifest(data, path)


def parse_manifest(data: bytes, where: object) -> list[FileEntry]:
    """The files that the bytes of a manifest list; raises ReleaseError, which names `where`."""
    try:
        document = parse_strict(data)
        check("manifest", document, where=str(where))
    except RecordError as error:
        raise ReleaseError(error.problem, got=error.got, wanted=error.wanted, where=where) from None
    return load(list[FileEntry], document["files"], "/files")


def list_files(folder: Path) -> list[str]:
    """Every file and link below a folder that is a part of it, as sorted paths from it.

    Links are not followed; junk and what is the Hub client's own are no part.
    """
    found = []
    for root, folders, files in os.walk(folder):
        linked = [name for name in folders if os.path.islink(os.path.join(root, name))]
        found += [Path(root, name).relative_to(folder).as_posix() for name in (*files, *linked)]
    return sorted(path for path in found if not is_no_part(path))
