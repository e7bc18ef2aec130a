"""A folder, local or mounted, as a place to read.

- A tar is opened once per process and read with `pread`, which has no position: threads, and processes that
  were forked, share a handle.
- A snapshot in the Hub client's cache is read as the folder that it looks like. No other link may leave the
  folder (`leads_inside`).
- Trainings last for days. Where something is missing or wrong, the folder is compared with what was opened:
  one that is gone or was replaced is told as that, and not as damage to a file or a sample.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from sparkle._files import safe_join, stamp
from sparkle.builders.release.manifest import FileEntry, list_files
from sparkle.schemas import layout
from sparkle.schemas.errors import MissingFileError, ReleaseError
from sparkle.schemas.misplaced import HEAD_BYTES, refuse_misplaced

# Handles that stay open: the tars of two kinds of a full release are some thirty, those of all kinds some
# 150, and a process may have 1,024 by default.
_OPEN_FILES = 256
_BLOCK_BYTES = 32 << 20  # of a read: an artifact comes in one, but for the largest masks


class FolderPlace:
    """A folder.

    Args:
        folder: The folder.
        name: What to call it in messages; None is the folder as it is given.
        expected: Tars that must have their sizes, by path; see `expecting`.
        remedy: What to do when one has another.
        opened: What its lists of files were when it was opened; None is what they are now.

    Attributes:
        folder: The folder, absolute.
    """

    commit: str | None = None
    requests = 0

    def __init__(
        self,
        folder: Path,
        name: str | None = None,
        expected: Mapping[str, FileEntry] | None = None,
        remedy: str = "",
        opened: tuple[Any, ...] | None = None,
    ) -> None:
        self.name = str(folder) if name is None else name
        self.folder = folder.absolute()
        self.bytes_read = 0
        self._expected, self._remedy = expected or {}, remedy
        self._opened = self._lists() if opened is None else opened
        self._handles: OrderedDict[str, _Handle] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Handles stay in their process."""
        return (FolderPlace, (self.folder, self.name, self._expected, self._remedy, self._opened))

    @property
    def where(self) -> str:
        """The folder, absolute."""
        return str(self.folder)

    def expecting(self, entries: Iterable[FileEntry], remedy: str) -> FolderPlace:
        """Return the same folder, whose tars must have those sizes; see `Place.expecting`."""
        expected = {entry.path: entry for entry in entries}
        return FolderPlace(self.folder, self.name, expected, remedy, self._opened)

    def refuse_changed(self) -> None:
        """Raise ReleaseError where the folder is gone, or lists other files than when it was opened."""
        refuse_gone(self.folder)
        if self._lists() != self._opened:
            raise ReleaseError(
                "the release was replaced, or changed, since it was opened",
                where=self.folder,
                fix="start again, to read what is there now; or put back what was there, and go on from "
                "the last state",
            )

    def list(self) -> dict[str, FileEntry]:
        """Return every file by its path; a link has the size of what it leads to."""
        return {path: FileEntry(path, _size(self.folder / path), "") for path in list_files(self.folder)}

    def fetch(self, path: str) -> Path:
        """Return the file itself; raises MissingFileError, or UnsafePathError for one outside."""
        file = safe_join(self.folder, path)
        if not file.is_file():  # a fifo is never opened: one would wait for it
            refuse_gone(self.folder)
            got = "no plain file" if file.exists() else None
            raise MissingFileError("there is no such file", got=got, wanted=path, where=self.name)
        return file

    def read(self, path: str, start: int, size: int) -> Iterator[bytes]:
        """Yield a range of a file; fewer bytes where it ends before."""
        handle = self._handle(path)
        while size and (block := self._pread(path, handle, min(size, _BLOCK_BYTES), start)):
            with self._lock:
                self.bytes_read += len(block)
            start, size = start + len(block), size - len(block)
            yield block

    def _pread(self, path: str, handle: _Handle, size: int, start: int) -> bytes:
        try:
            return os.pread(handle.descriptor, size, start)
        except OSError as error:  # which does not say of which file
            raise ReleaseError(
                "a file cannot be read",
                got=error.strerror,
                where=f"{self.name} {path}",
                fix="see that its disk, or the network to it, is in order, and go on from the last state",
            ) from error

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open a file to be read once, from front to back."""
        with self.fetch(path).open("rb") as file:
            yield file

    def stamp(self, path: str) -> Sequence[Any]:
        """Return size, time of change and inode of a file, and its path."""
        return [*(stamp(self.folder / path) or (0,)), path]

    def _lists(self) -> tuple[Any, ...]:
        return tuple(stamp(self.folder / name) for name in (layout.MANIFEST, layout.INDEX))

    def _handle(self, path: str) -> _Handle:
        if not path.endswith(".tar"):
            return self._open(path)
        with self._lock:
            handle = self._handles.get(path)
            if handle is None:
                handle = self._handles[path] = self._open(path)
                if path in self._expected:
                    self._compare(path, handle)
                if len(self._handles) > _OPEN_FILES:
                    self._handles.popitem(last=False)
            else:
                self._handles.move_to_end(path)
            return handle

    def _open(self, path: str) -> _Handle:
        try:
            return _Handle(self.fetch(path))
        except (FileNotFoundError, NotADirectoryError):
            raise MissingFileError("there is no such file", wanted=path, where=self.name) from None

    def _compare(self, path: str, handle: _Handle) -> None:
        size, wanted = os.fstat(handle.descriptor).st_size, self._expected[path].size
        if size != wanted:
            del self._handles[path]
            self.refuse_changed()
            refuse_misplaced(os.pread(handle.descriptor, HEAD_BYTES, 0), ReleaseError, f"{self.name} {path}")
            raise ReleaseError(
                "a tar is not the one that the tables speak of: it is cut short, or was changed since",
                got=f"{size} bytes",
                wanted=f"{wanted} bytes",
                where=f"{self.name} {path}",
                fix=self._remedy,
            )


def refuse_gone(folder: Path) -> None:
    """Raise ReleaseError where a folder that was opened is not there any more."""
    if not folder.is_dir():
        raise ReleaseError(
            "the folder is gone since it was opened",
            where=folder,
            fix="bring it back (is its disk mounted?), and go on from the last state",
        )


def _size(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_size
    return file.lstat().st_size  # a link to nothing


class _Handle:
    """An open file; it is closed when nobody reads it any more."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "descriptor"):  # not when opening failed
            close(self.descriptor)  # kept by name: at the interpreter's end `os` is gone
