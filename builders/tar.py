"""Tars whose bytes depend on nothing but names and contents, and where each member lies.

- USTAR headers, owner and time 0, mode 0644, no owner names, two zero blocks, no further padding.
- One pass: a member is hashed while it is copied and compared with what the run recorded; the tar is
  hashed as it is written. When a member is not what was recorded, the tar is not there.
- `list_tar` reads headers only and accepts no other layout than the one that `write_tar` writes.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sparkle.builders.assign import BLOCK, END_BYTES
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import atomic_path
from sparkle.schemas.records import ArtifactRef
from sparkle.schemas.terminal import Advance

MAX_MEMBER_BYTES = 8**11 - 1  # a USTAR size is eleven octal digits: 8 GiB less one byte
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Content:
    """A file that goes into a tar: its name there, where it is, and what it must be."""

    name: str
    path: Path
    ref: ArtifactRef


@dataclass(frozen=True)
class Member:
    """Where a member's data lies in its tar, in bytes from the tar's start."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class Shard:
    """A written tar: its size in bytes, its sha256 and its members in order."""

    size: int
    sha256: str
    members: tuple[Member, ...]


def header(name: str, size: int) -> bytes:
    """The 512 bytes before a member's data."""
    if size > MAX_MEMBER_BYTES:
        raise ReleaseError(
            "a file is too large for a tar member", got=f"{size} bytes", wanted="below 8 GiB", where=name
        )
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(format=tarfile.USTAR_FORMAT, encoding="ascii", errors="strict")


def write_tar(target: Path, contents: Iterable[Content], advance: Advance) -> Shard:
    """Write a tar.

    Args:
        target: The tar; it is there whole or not at all.
        contents: Its members in order.
        advance: Told of each member.

    Raises:
        ReleaseError: a file cannot be read or is not what was recorded.
    """
    members = []
    digest = hashlib.sha256()
    position = 0
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        for content in contents:
            head = header(content.name, content.ref.size)
            file.write(head)
            digest.update(head)
            _copy(content, file, digest)
            padding = bytes(-content.ref.size % BLOCK)
            file.write(padding)
            digest.update(padding)
            members.append(Member(content.name, position + BLOCK, content.ref.size))
            position += BLOCK + content.ref.size + len(padding)
            advance()
        file.write(bytes(END_BYTES))
        digest.update(bytes(END_BYTES))
    return Shard(position + END_BYTES, digest.hexdigest(), tuple(members))


def _copy(content: Content, file: BinaryIO, shard_digest: hashlib._Hash) -> None:
    """Copy a member's data; raise when it is not the recorded bytes."""
    digest, copied = hashlib.sha256(), 0
    try:
        with content.path.open("rb") as source:
            while block := source.read(_READ_BYTES):
                file.write(block)
                digest.update(block)
                shard_digest.update(block)
                copied += len(block)
    except OSError as error:
        raise ReleaseError("an artifact cannot be read", got=error, where=content.path) from None
    check_content(content.path, ArtifactRef(digest.hexdigest(), copied), content.ref)


def check_content(path: Path, found: ArtifactRef, wanted: ArtifactRef) -> None:
    """Raise ReleaseError when an artifact is not the one that was recorded."""
    if found != wanted:
        raise ReleaseError(
            "an artifact is not what the run recorded",
            got=f"sha256 {found.sha256}, {found.size} bytes",
            wanted=f"sha256 {wanted.sha256}, {wanted.size} bytes",
            where=path,
            fix="`sparkle generate` on this run makes it again",
        )


def list_tar(path: Path) -> Iterator[Member]:
    """Yield the members of a tar that `write_tar` wrote, without reading their data.

    Raises:
        ReleaseError: the tar ends early, goes on after its end, or a header is not ours.
    """
    with path.open("rb") as file:
        total = path.stat().st_size
        position = 0
        while (head := file.read(BLOCK)) != bytes(BLOCK):
            member = _parse(head, position)
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


def _parse(head: bytes, position: int) -> Member:
    try:
        info = tarfile.TarInfo.frombuf(head, "ascii", "strict")
        expected = header(info.name, info.size)
    except (tarfile.HeaderError, UnicodeError, ValueError) as error:
        raise ReleaseError("not a tar header", got=error, where=f"byte {position}") from None
    if head != expected:
        raise ReleaseError(
            "a tar header is not as this version writes it",
            got=f"uid {info.uid}, gid {info.gid}, mtime {info.mtime}, mode {info.mode:o}, type {info.type!r}",
            wanted="plain file, owner and time 0, mode 644, USTAR",
            where=info.name,
        )
    return Member(info.name, position + BLOCK, info.size)
