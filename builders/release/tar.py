"""Tars whose bytes depend on nothing but names and contents, and where each member lies.

How it works
- USTAR headers as Python's `tarfile` writes them, owner and time 0, mode 0644, no owner names, two zero
  blocks, no further padding.
- One pass: a file is read into a buffer once, hashed there and compared with what was recorded; the
  buffer, headers and padding included, is hashed for the tar and written. When a member is not what was
  recorded, the tar is not there.
- Reading and hashing a file, and hashing and writing the tar, can be done by two threads: hashing runs
  outside Python's lock, so that a single tar keeps two processors busy.
- `check_tar` reads a tar that should be there already and says whether it is byte for byte what
  `write_tar` would write: an old tar is never trusted by its name.
- `hash_tar` says what would be written of members that come from anywhere, without writing it.
- `list_tar` reads headers only and accepts no other layout than the one that `write_tar` writes.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from sparkle._files import BLOCK_BYTES, atomic_path
from sparkle._progress import Advance
from sparkle.builders.release.artifact import read_blocks
from sparkle.builders.release.assign import BLOCK, END_BYTES, member_bytes
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ReleaseError

# What goes into a tar: the name of each member, and its data or where that is read on this machine.
Contents = Iterable[tuple[str, Artifact | bytes]]

MAX_MEMBER_BYTES = 8**11 - 1  # a USTAR size is eleven octal digits: 8 GiB less one byte
_NAME_BYTES = 100  # a longer name is split over two fields, which is left to `tarfile`


@dataclass(frozen=True)
class Member:
    """Where a member's data lies in its tar, in bytes from the tar's start."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class Shard:
    """A written tar: its size in bytes and its sha256; where members lie follows from their sizes."""

    size: int
    sha256: str


def _blank_header() -> bytes:
    info = tarfile.TarInfo("")
    return info.tobuf(format=tarfile.USTAR_FORMAT)


_BLANK = _blank_header()
_NAME, _SIZE, _CHECKSUM = slice(0, _NAME_BYTES), slice(124, 136), slice(148, 156)
# The checksum of a header is the sum of its bytes with spaces where the checksum stands.
_BLANK_SUM = sum(_BLANK) - sum(_BLANK[_SIZE]) - sum(_BLANK[_CHECKSUM]) + 8 * ord(" ")


def header(name: str, size: int) -> bytes:
    """The 512 bytes before a member's data."""
    if size > MAX_MEMBER_BYTES:
        raise ReleaseError(
            "a file is too large for a tar member", got=f"{size} bytes", wanted="below 8 GiB", where=name
        )
    label = name.encode("ascii")
    if len(label) > _NAME_BYTES or name.endswith("/"):
        info = tarfile.TarInfo(name)
        info.size = size
        return info.tobuf(format=tarfile.USTAR_FORMAT, encoding="ascii", errors="strict")
    digits = b"%011o\0" % size
    head = bytearray(_BLANK)
    head[_NAME] = label.ljust(_NAME_BYTES, b"\0")
    head[_SIZE] = digits
    head[_CHECKSUM] = b"%06o\0 " % (_BLANK_SUM + sum(label) + sum(digits))
    return bytes(head)


class _Output:
    """A tar under way: bytes gather in a buffer, which is hashed and written when it is full.

    With a helper the buffer is handed over to another thread, and a second one is filled meanwhile.
    """

    def __init__(self, file: FileIO, helper: ThreadPoolExecutor | None) -> None:
        self.size = 0
        self._file = file
        self._helper = helper
        self._digest = hashlib.sha256()
        self._buffers = [memoryview(bytearray(BLOCK_BYTES)) for _ in range(1 if helper is None else 2)]
        self._filled = 0
        self._pending: Future[None] | None = None

    def space(self) -> memoryview:
        """The free rest of the buffer, never empty; `add` says how much of it was filled."""
        if self._filled == BLOCK_BYTES:
            self.flush()
        return self._buffers[0][self._filled :]

    def add(self, count: int) -> None:
        """Take the first `count` bytes of the space."""
        self._filled += count
        self.size += count

    def put(self, data: bytes) -> None:
        """Take bytes that are in memory: a header, padding."""
        while data:
            space = self.space()
            count = min(len(data), len(space))
            space[:count] = data[:count]
            self.add(count)
            data = data[count:]

    def flush(self) -> None:
        """Hash and write what the buffer holds."""
        filled = self._buffers[0][: self._filled]
        if self._helper is None:
            self._take(filled)
        else:
            self._wait()
            self._pending = self._helper.submit(self._take, filled)
            self._buffers.reverse()
        self._filled = 0

    def finish(self) -> Shard:
        """Write what is left; returns what the tar is."""
        self.flush()
        self._wait()
        return Shard(self.size, self._digest.hexdigest())

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()

    def _take(self, filled: memoryview) -> None:
        self._digest.update(filled)
        while filled:  # a raw write may be short
            filled = filled[self._file.write(filled) :]


def write_tar(target: Path, contents: Contents, advance: Advance, *, threads: int = 1) -> Shard:
    """Write a tar.

    Args:
        target: The tar; it is there whole or not at all.
        contents: Its members.
        advance: Told of each member.
        threads: With 2, another thread hashes and writes while this one reads; the bytes are the same.

    Raises:
        ReleaseError: a file cannot be read or is not what was recorded.
        OSError: the tar cannot be written.
    """
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic_path(target))
        file = stack.enter_context(temporary.open("wb", buffering=0))
        helper = stack.enter_context(ThreadPoolExecutor(1)) if threads > 1 else None
        output = _Output(file, helper)
        for name, data in contents:
            size = len(data) if isinstance(data, bytes) else data.size
            output.put(header(name, size))
            if isinstance(data, bytes):
                output.put(data)
            else:
                for block in read_blocks(data, output.space):
                    output.add(len(block))
            output.put(bytes(-size % BLOCK))
            advance()
        output.put(bytes(END_BYTES))
        return output.finish()


def hash_tar(
    members: Iterable[tuple[str, int, Iterable[bytes]]], write: Callable[[bytes], object] = len
) -> Shard:
    """What `write_tar` would write of members that come from anywhere.

    Args:
        members: Name, size in bytes and data of each, in order; each one's data is read before the next
            member is asked for.
        write: Given the tar's bytes, a part after the other; without it they are hashed only.

    Raises:
        ReleaseError: a member has more or fewer bytes than its size.
    """
    digest, total = hashlib.sha256(), 0

    def take(data: bytes) -> None:
        digest.update(data)
        write(data)

    for name, size, blocks in members:
        take(header(name, size))
        found = 0
        for block in blocks:
            take(block)
            found += len(block)
        if found != size:
            raise ReleaseError("a member is not as long as it should be", got=found, wanted=size, where=name)
        take(bytes(-size % BLOCK))
        total += member_bytes(size)
    take(bytes(END_BYTES))
    return Shard(total + END_BYTES, digest.hexdigest())


def check_tar(path: Path, contents: Iterable[tuple[str, Artifact]], advance: Advance) -> Shard | None:
    """What a tar is, when it is byte for byte what `write_tar` would write of `contents`; else None.

    Args:
        path: The tar.
        contents: Its members in order: names, sizes and hashes count, where they lie does not.
        advance: Told of each member.
    """
    whole = hashlib.sha256()
    buffer = memoryview(bytearray(BLOCK_BYTES))
    size = 0

    def take(count: int) -> memoryview:
        """The next `count` bytes, or as many as there are and fit."""
        nonlocal size
        found = buffer[: file.readinto(buffer[: min(count, BLOCK_BYTES)])]
        whole.update(found)
        size += len(found)
        return found

    with path.open("rb", buffering=0) as file:
        for name, artifact in contents:
            if take(BLOCK) != header(name, artifact.size):
                return None
            digest, left = hashlib.sha256(), artifact.size
            while left and (found := take(left)):
                digest.update(found)
                left -= len(found)
            padding = -artifact.size % BLOCK
            if left or digest.digest() != artifact.sha256 or take(padding) != bytes(padding):
                return None
            advance()
        if take(END_BYTES) != bytes(END_BYTES) or take(1):
            return None
    return Shard(size, whole.hexdigest())


def list_tar(path: Path) -> Iterator[Member]:
    """Yield the members of a tar that `write_tar` wrote, without reading their data.

    Raises:
        ReleaseError: the tar ends early, goes on after its end, or a header is not ours.
    """
    with path.open("rb") as file:
        total = path.stat().st_size
        position = 0
        while (head := file.read(BLOCK)) != bytes(BLOCK):
            member = parse_header(head, position)
            padded = -(-member.size // BLOCK) * BLOCK
            if member.offset + padded + END_BYTES > total:
                raise ReleaseError("the tar ends inside a member", got=f"{total} bytes", where=member.name)
            yield member
            position = member.offset + padded
            file.seek(position)
        if total != position + END_BYTES or file.read(BLOCK) != bytes(BLOCK):
            raise ReleaseError(
                "the tar does not end with two zero blocks and nothing else",
                got=f"{total - position} bytes after the last member",
                wanted=f"{END_BYTES} zero bytes",
            )


def parse_header(head: bytes, position: int, tar: str = "") -> Member:
    """Return the member whose header is at a byte of a tar that `write_tar` wrote.

    Raises:
        ReleaseError: it is no such header; the error names the place in `tar`.
    """
    try:
        info = tarfile.TarInfo.frombuf(head, "ascii", "strict")
        expected = header(info.name, info.size)
    except (tarfile.HeaderError, UnicodeError, ValueError) as error:
        raise ReleaseError("not a tar header", got=error, where=f"{tar} byte {position}".strip()) from None
    if head != expected:
        raise ReleaseError(
            "a tar header is not as this version writes it",
            got=f"uid {info.uid}, gid {info.gid}, mtime {info.mtime}, mode {info.mode:o}, type {info.type!r}",
            wanted="plain file, owner and time 0, mode 644, USTAR",
            where=f"{tar} {info.name}".strip(),
        )
    return Member(info.name, position + BLOCK, info.size)
