"""What the place of a release can be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Remote(Protocol):
    """A release somewhere, read file by file.

    Attributes:
        name: How it is called in messages.
    """

    @property
    def name(self) -> str:
        """How the release is called in messages."""
        ...

    def fetch(self, path: str) -> Path:
        """A local file with the content of a file of the release, under the file's own name.

        Raises:
            ReleaseError: the release has no such file, or its place cannot be reached.
        """
        ...
