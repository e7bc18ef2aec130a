"""What a removal needs of the place of a release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """Where a release is read from: its small files whole, its tars by ranges."""

    def file(self, path: str) -> Path:
        """A local file with the content of a file of the release; raises ReleaseError."""
        ...

    def read(self, path: str, start: int, size: int) -> Iterator[bytes]:
        """Yield `size` bytes of a file from byte `start`, in blocks; raises ReleaseError."""
        ...
