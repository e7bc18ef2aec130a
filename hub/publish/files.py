"""The files of a release that is published, and whether they stay what they were when it began.

Size, modification time and inode of each are noted at the start, before anything is checked or hashed, and
compared again before and after it is sent.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sparkle.builders.manifest import FileEntry, read_manifest
from sparkle.hub.remotes.target import Parcel
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import safe_join


def list_release(folder: Path) -> list[FileEntry]:
    """Every file of a release, its manifest included, sorted by path.

    Raises:
        ReleaseError: it is not a release, or its manifest cannot be read.
    """
    entries = read_manifest(folder)
    manifest = (folder / layout.MANIFEST).read_bytes()
    own = FileEntry(layout.MANIFEST, len(manifest), sha256_bytes(manifest))
    return sorted([*entries, own], key=lambda entry: entry.path)


class LocalFiles:
    """Where the files of a release are, as far as they are here.

    Args:
        folder: The release.
        entries: Its files.

    Raises:
        UnsafePathError: a path of the manifest leaves the folder.
        ReleaseError: a path of it is a link or no file.
    """

    def __init__(self, folder: Path, entries: Sequence[FileEntry]) -> None:
        self._stamps: dict[Path, tuple[int, int, int]] = {}
        self._paths: dict[str, Path] = {}
        for entry in entries:
            path = safe_join(folder, entry.path)
            if path.is_symlink() or (path.exists() and not path.is_file()):
                raise ReleaseError("a path of the release is no plain file", where=path)
            if path.exists():
                self._paths[entry.path] = path
                self._stamps[path] = _stamp(path)

    def parcel(self, entry: FileEntry) -> Parcel:
        """A file, ready to be sent."""
        return Parcel(entry, self._paths.get(entry.path))

    def refuse_changed(self, parcels: Sequence[Parcel]) -> None:
        """Raise ReleaseError when a file is not the one that it was at the start."""
        for parcel in parcels:
            if parcel.file is not None and _stamp(parcel.file) != self._stamps[parcel.file]:
                raise ReleaseError(
                    "the release changes while it is being published",
                    got="another size, time or inode than at the start",
                    where=parcel.file,
                    fix="wait until it is finished, and publish again; nothing of this was made visible",
                )


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file is replaced, written to or removed."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return (-1, -1, -1)
    return (found.st_size, found.st_mtime_ns, found.st_ino)
