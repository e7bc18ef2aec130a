"""The files of a local folder, read by range.

- A tar is opened once a process and read with `pread`, which has no position: threads, and processes that
  were forked, share a handle.
- The snapshot of a repository in the Hub client's cache is made of links to its `blobs`, and is read as the
  folder that it looks like. No other link may leave the folder.

A release in a local or mounted folder.

What the place of a release can be asked for.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from sparkle._files import safe_join
from sparkle.schemas.errors import ReleaseError

# Handles that stay open: the tars of two kinds of a full release are some thirty, those of all kinds some
# 150, and a process may have 1,024 by default.
_OPEN_FILES = 256


class FolderFiles:
    """The files of a folder.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._handles: OrderedDict[str, _Handle] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Handles stay in their process."""
        return (FolderFiles, (self.folder,))

    @property
    def name(self) -> str:
        """The folder, for messages."""
        return str(self.folder)

    def path(self, path: str) -> Path:
        """Where a file of the folder is, or would be; raises UnsafePathError for one outside."""
        repository = self.folder.parent.parent
        if self.folder.parent.name == "snapshots" and (repository / "blobs").is_dir():
            return safe_join(repository, f"snapshots/{self.folder.name}/{path}")
        return safe_join(self.folder, path)

    def has(self, path: str) -> bool:
        """Whether a file is there."""
        return self.path(path).is_file()

    def fetch(self, path: str) -> Path:
        """The file itself; raises ReleaseError when it is not there."""
        file = self.path(path)
        if not file.is_file():
            raise ReleaseError("there is no such file", wanted=path, where=self.folder)
        return file

    def size(self, path: str) -> int | None:
        """Bytes of a file; None when it is not there."""
        try:
            return os.stat(self.path(path)).st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, path: str, offset: int, size: int) -> bytes:
        """A range of a file: fewer bytes where it ends before.

        Raises:
            FileNotFoundError: it is not there.
        """
        handle = self._handle(path)
        blocks = []
        while size and (block := os.pread(handle.descriptor, size, offset)):
            blocks.append(block)
            offset, size = offset + len(block), size - len(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def _handle(self, path: str) -> _Handle:
        if not path.endswith(".tar"):
            return _Handle(self.path(path))
        with self._lock:
            handle = self._handles.get(path)
            if handle is None:
                handle = self._handles[path] = _Handle(self.path(path))
                if len(self._handles) > _OPEN_FILES:
                    self._handles.popitem(last=False)
            else:
                self._handles.move_to_end(path)
            return handle


class _Handle:
    """An open file; it is closed when nobody reads it any more."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "descriptor"):  # not when opening failed
            close(self.descriptor)  # kept by name: at the interpreter's end `os` is gone


# --- a release in a local or mounted folder --------------------------------------------------------


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


# --- what the place of a release can be asked for --------------------------------------------------


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
