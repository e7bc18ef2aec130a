"""Tars without some members: what stays is copied in one run after another, then read through.

How it works
- Names, sizes and hashes of the members that stay decide every byte of the new tar, as those of any tar of a
  release (`tar`). Headers and padding come over with the data, so that a run of members is one range.
- The result is read again and is there only when it is, byte for byte, the tar that a build would write.
- Members are read from the old tar by range: what leaves is not read, nor is a tar that loses nothing.
- Paired shards are another copy of some artifacts; tables do not say which shard has which sample. Shards are
  in the order of ids: one header of each tells where to look. They keep their numbers and are not refilled.
"""

from __future__ import annotations

import hashlib
import tarfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import chain
from pathlib import Path

from sparkle.builders.assign import BLOCK, END_BYTES, member_bytes
from sparkle.builders.content import Content
from sparkle.builders.manifest import FileEntry
from sparkle.builders.removal_plan import Cut, Held, Store
from sparkle.builders.tar import Shard, check_tar, header
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import atomic_path


def cut_tar(store: Store, cut: Cut, target: Path) -> Shard:
    """Write what is left of a tar.

    Raises:
        ReleaseError: the old tar does not hold what the tables say.
    """
    contents = [Content(held.kind.member(held.id), target, held.ref) for held in cut.left]
    if target.exists() and (shard := check_tar(target, contents, _unheard)):
        return shard  # of an earlier attempt
    with atomic_path(target) as temporary:
        with temporary.open("wb") as file:
            for start, end in cut.runs:
                file.writelines(store.read(cut.path, start, end - start))
            file.write(bytes(END_BYTES))
        shard = check_tar(temporary, contents, _unheard)
        if shard is None:
            raise ReleaseError(
                "a tar does not hold what the tables say, so it cannot be cut",
                wanted=f"{len(contents)} members with the names, sizes and hashes of their rows",
                where=cut.path,
                fix="`sparkle validate` says what is wrong with the release",
            )
    return shard


def _unheard(done: int = 1) -> None:
    """Nobody is told of single members."""


def take_out(store: Store, held: Held, target: Path) -> None:
    """Write an artifact as a file of its own.

    Raises:
        ReleaseError: its tar holds other bytes than its row says.
    """
    digest = hashlib.sha256()
    with atomic_path(target) as temporary:
        with temporary.open("wb") as file:
            for block in store.read(held.shard, held.offset, held.ref.size):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != held.ref.sha256:
            raise ReleaseError(
                "a tar does not hold what the tables say",
                got=f"sha256 {digest.hexdigest()}",
                wanted=f"sha256 {held.ref.sha256}, {held.ref.size} bytes",
                where=f"{held.shard} {held.kind.member(held.id)}",
            )


# --- paired shards ----------------------------------------------------------------------------


def shards_with(store: Store, paths: Sequence[str], ids: Iterable[str]) -> list[str]:
    """The paired shards of a theme in which some samples stand, by the first sample of each."""
    firsts = [_sample(_parse(b"".join(store.read(path, 0, BLOCK)), path, 0)[0]) for path in paths]
    if firsts != sorted(firsts):
        raise ReleaseError("paired shards are not in the order of ids", where=", ".join(paths[:3]))
    found = {bisect_right(firsts, sample_id) - 1 for sample_id in ids}
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
                for block in chain((head,), stream.take(member_bytes(size) - BLOCK)):
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
