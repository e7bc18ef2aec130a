"""What a removal needs of the place of a release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from sparkle.builders.manifest import FileEntry
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError


class Store(Protocol):
    """Where a release is read from: its small files whole, its tars by ranges."""

    def file(self, path: str) -> Path:
        """A local file with the content of a file of the release; raises ReleaseError."""
        ...

    def read(self, path: str, start: int, size: int) -> Iterator[bytes]:
        """Yield `size` bytes of a file from byte `start`, in blocks; raises ReleaseError."""
        ...


def listed_file(store: Store, entry: FileEntry) -> Path:
    """A file of a release; raises ReleaseError when it is not the one that the manifest lists."""
    file = store.file(entry.path)
    if file.stat().st_size != entry.size or (found := sha256_file(file)) != entry.sha256:
        raise ReleaseError(
            "a file is not the one that the manifest lists, so nothing can be taken out of it",
            got=f"{file.stat().st_size} bytes" if file.stat().st_size != entry.size else f"sha256 {found}",
            wanted=f"{entry.size} bytes, sha256 {entry.sha256}",
            where=entry.path,
            fix="`sparkle validate` says what is wrong with the release",
        )
    return file
