"""manifest.json: every other file of a release with its size and sha256, sorted by path.

The manifest is also the mark of a release: a folder with one may be replaced by a build, provided that it
holds nothing that the manifest does not list.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.record import Record
from sparkle.schemas.strict_json import parse_strict
from sparkle.schemas.validate import check

FORMAT, VERSION = "sparkle-release", 1


@dataclass(frozen=True)
class FileEntry(Record):
    """A file of a release: path from its root, size in bytes, sha256."""

    path: str
    size: int
    sha256: str


def dump_manifest(entries: Iterable[FileEntry]) -> bytes:
    """The bytes of manifest.json."""
    files = [entry.to_json() for entry in sorted(entries, key=lambda entry: entry.path)]
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
        data = path.read_bytes()
    except FileNotFoundError:
        raise ReleaseError("not a release", got=folder, wanted=f"a folder with {layout.MANIFEST}") from None
    return parse_manifest(data, path)


def parse_manifest(data: bytes, where: object) -> list[FileEntry]:
    """The files that the bytes of a manifest list; raises ReleaseError, which names `where`."""
    try:
        document = parse_strict(data)
        check("manifest", document, where=str(where))
    except RecordError as error:
        raise ReleaseError(error.problem, got=error.got, wanted=error.wanted, where=where) from None
    return [FileEntry.from_json(value) for value in document["files"]]


def list_files(folder: Path) -> list[str]:
    """Every file and link below a folder, as sorted paths from it; links are not followed."""
    found = []
    for root, folders, files in os.walk(folder):
        linked = [name for name in folders if os.path.islink(os.path.join(root, name))]
        found += [Path(root, name).relative_to(folder).as_posix() for name in (*files, *linked)]
    return sorted(found)
