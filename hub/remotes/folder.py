"""A release in a local or mounted folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import safe_join


@dataclass(frozen=True)
class FolderRemote:
    """A release in a folder; its files are read where they are."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder as it was given."""
        return str(self.folder)

    def fetch(self, path: str) -> Path:
        """The file itself; raises ReleaseError when it is not there, UnsafePathError for one outside."""
        file = safe_join(self.folder, path)
        if not file.is_file():
            raise ReleaseError("the release has no such file", wanted=path, where=self.folder)
        return file
