"""Artifacts of a Hub on disk, up to a number of bytes, shared by processes.

How it works
- An artifact is a file named by its sha256 (by its place where that is not known), written beside and
  renamed: it is there whole or not at all, and two processes that fetch the same one do no harm.
- How much there is stands in `total`. One process at a time counts, makes room and writes. What is to be
  written is counted before: a kill leaves the count too high, never too low, until the next clean-up.
- When the limit is passed, the files that were not read for the longest time go, until a tenth is free.
- When the disk is full or cannot be written, that is said once and nothing more is kept; reading goes on.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sparkle._files import TEMPORARY_MARK, exclusive
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import fingerprint

_KEPT = 0.9  # of the limit, after a clean-up: so that not every write makes one
_TOTAL = "total"
_MAX_DIGITS = 20


class ArtifactCache:
    """A bounded folder of artifacts.

    Args:
        folder: Where they are; made when the first is kept.
        limit: Bytes at most.
        origin: What they belong to, where their sha256 is not known.
    """

    def __init__(self, folder: Path, limit: int, origin: str) -> None:
        self._folder, self._limit, self._origin = folder, limit, origin
        self._writable = limit > 0

    def get(self, artifact: Artifact) -> bytes | None:
        """An artifact that was kept; None where it was not."""
        path = self._path(artifact)
        try:
            data = path.read_bytes()
            os.utime(path)  # read now: it goes last
        except OSError:
            return None
        return data

    def put(self, artifact: Artifact, data: bytes) -> None:
        """Keep an artifact, and let others go for it."""
        if not self._writable or len(data) > self._limit or not _is_it(artifact, data):
            return
        path = self._path(artifact)
        temporary = path.with_name(f"{TEMPORARY_MARK}{os.getpid()}-{path.name}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked() as total:
                if not path.exists():  # nobody was quicker
                    self._reserve(total, len(data))
                    temporary.write_bytes(data)
                    temporary.replace(path)
        except OSError as error:
            self._writable = False
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            warnings.warn(
                f"the cache of artifacts cannot be written, and reading goes on without: {error}",
                RuntimeWarning,
                stacklevel=2,
            )

    def drop(self, artifact: Artifact) -> bool:
        """Let an artifact go; whether it was there."""
        try:
            self._path(artifact).unlink()
        except OSError:
            return False
        return True

    def _path(self, artifact: Artifact) -> Path:
        if artifact.sha256 is not None:
            key = artifact.sha256.hex()
        else:
            key = fingerprint([self._origin, artifact.file, artifact.offset, artifact.size])
        return self._folder / key[:2] / key

    def _reserve(self, total: Path, count: int) -> None:
        """Count bytes that are about to be written, after making room for them."""
        size = _read_count(total)
        if size is None:
            size = self._measure()
        if size + count > self._limit:
            size = self._clean(int(_KEPT * self._limit) - count)
        total.write_text(str(size + count))

    @contextmanager
    def _locked(self) -> Iterator[Path]:
        with exclusive(self._folder / ".lock", busy=None):
            yield self._folder / _TOTAL

    def _files(self) -> list[tuple[int, int, Path]]:
        """(time of the last read in ns, bytes, path) of every file, those that a kill left included."""
        found = []
        for path in self._folder.glob("??/*"):
            with suppress(FileNotFoundError):
                stat = path.stat()
                found.append((stat.st_mtime_ns, stat.st_size, path))
        return sorted(found)

    def _measure(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _clean(self, goal: int) -> int:
        """Let files go, the longest unread first; returns the bytes that are left."""
        files = self._files()
        left = sum(size for _, size, _ in files)
        for _, size, path in files:
            if left <= max(goal, 0):
                break
            path.unlink(missing_ok=True)
            left -= size
        return left


def _read_count(total: Path) -> int | None:
    """The bytes that are counted; None where there is no count, or a kill left none."""
    try:
        with total.open("rb") as file:
            digits = file.read(_MAX_DIGITS)
    except FileNotFoundError:
        return None
    return int(digits) if digits.isdigit() else None


def _is_it(artifact: Artifact, data: bytes) -> bool:
    """Whether bytes are the artifact's, as far as that is known: nothing else is kept under its name."""
    return len(data) == artifact.size and artifact.sha256 in (None, hashlib.sha256(data).digest())
