"""Paired shards without some samples.

- Paired shards (`webdataset`) are another copy of some artifacts; no table says which shard has which sample.
  Shards are in the order of ids: the first header of some of them tells where to look.
- A shard that loses samples is read once, front to back, and compared with the manifest on the way. It keeps
  its number, and no other shard is refilled: a build would fill them afresh.
"""

from __future__ import annotations

import hashlib
import tarfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Set
from functools import cache
from pathlib import Path

from sparkle.builders.assign import BLOCK, END_BYTES, member_bytes
from sparkle.builders.manifest import FileEntry
from sparkle.builders.removal_store import Store
from sparkle.builders.tar import header
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import atomic_path


def shards_with(store: Store, theme: str, entries: Mapping[str, FileEntry], ids: Iterable[str]) -> list[str]:
    """The paired shards of a theme in which some samples stand, sorted; none where there are none.

    Raises:
        ReleaseError: a shard does not start with a header as this version writes it.
    """
    start = layout.webdataset_shard(theme, 0).removesuffix("000000.tar")
    paths = sorted(path for path in entries if path.startswith(start))

    @cache
    def first(path: str) -> str:
        return _sample(_parse(b"".join(store.read(path, 0, BLOCK)), path, 0)[0])

    found = {bisect_right(paths, sample_id, key=first) - 1 for sample_id in ids} if paths else set()
    return [paths[index] for index in sorted(found) if index >= 0]


def cut_paired(store: Store, entry: FileEntry, ids: Set[str], target: Path) -> bool:
    """Write what is left of a paired shard, which is read once, front to back.

    Args:
        store: The release.
        entry: The shard.
        ids: The samples that leave.
        target: Where it goes.

    Returns:
        Whether anything is left; where nothing is, no file is written.

    Raises:
        ReleaseError: the shard is not the one that the manifest lists.
    """
    stream = _Stream(store.read(entry.path, 0, entry.size))
    position, left = 0, False
    with atomic_path(target) as temporary:
        with temporary.open("wb") as file:
            while (head := b"".join(stream.take(BLOCK))).strip(b"\0"):
                name, size = _parse(head, entry.path, position)
                stays = _sample(name) not in ids
                if stays:
                    file.write(head)
                for block in stream.take(member_bytes(size) - BLOCK):
                    if stays:
                        file.write(block)
                position += member_bytes(size)
                left |= stays
            file.write(bytes(END_BYTES))
        if stream.finish() != entry.sha256:
            raise ReleaseError(
                "a paired shard is not the one that the manifest lists",
                wanted=f"sha256 {entry.sha256}",
                where=entry.path,
                fix="`sparkle validate` says what is wrong with the release",
            )
    if not left:
        target.unlink()
    return left


class _Stream:
    """Blocks of bytes, taken in other portions and hashed."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")
        self._digest = hashlib.sha256()

    def take(self, count: int) -> Iterator[memoryview]:
        """Yield the next `count` bytes, or what is left."""
        while count:
            if not self._rest:
                block = next(self._blocks, b"")
                if not block:
                    return
                self._digest.update(block)
                self._rest = memoryview(block)
            part, self._rest = self._rest[:count], self._rest[count:]
            count -= len(part)
            yield part

    def finish(self) -> str:
        """Read what is left; returns the sha256 of everything."""
        for block in self._blocks:
            self._digest.update(block)
        return self._digest.hexdigest()


def _parse(head: bytes, path: str, position: int) -> tuple[str, int]:
    """Name and size of the member whose header stands at a byte of a tar."""
    try:
        info = tarfile.TarInfo.frombuf(head, "ascii", "strict")
        if head == header(info.name, info.size):
            return info.name, info.size
        problem: object = f"{info.name}, {info.size} bytes"
    except (tarfile.HeaderError, UnicodeError, ValueError) as error:
        problem = error
    raise ReleaseError("not a tar as this version writes it", got=problem, where=f"{path}, byte {position}")


def _sample(name: str) -> str:
    return name.partition(".")[0]
