"""Any tar, read once from front to back: members, where they lie, and the tar's own sha256.

How it works
- The stream is never sought, so that a tar can be indexed while it is downloaded; who wants names alone of a
  file that is there can have data passed over.
- USTAR, GNU (long names, large sizes) and pax headers are understood, whoever wrote them: owners, times and
  modes do not matter, and neither does whether zero blocks end the tar or how many.
- What is not a plain file is yielded as what it is; it is for the reader to say whether that may be there. A
  link says which member it leads to: GNU tar stores a file with several names once.
- What is allowed in anybody's tar and is not as `tar.write_tar` writes it is counted on the way (`foreign`,
  `unpadded`, `end`), so that a check of our own tars is this reader too.
- A tar that ends inside a member, or holds bytes that are no header, is an error that says where: what comes
  after it is not read. A file that is no tar at all is named for what it is where that is known.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import tarfile
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from sparkle._files import BLOCK_BYTES
from sparkle.builders.release.assign import BLOCK
from sparkle.builders.release.tar import header
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.misplaced import recognise

_MAX_EXTENSION = 1 << 20  # bytes of a long name or a pax header; real ones have some hundred
_MAX_DIGITS = 20  # of a number in a pax header
_MOST_LINKS = 40  # that lead from one to the next, as in the kernel: a tar may have a chain of millions

_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_LONG_NAME, _LONG_LINK = tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
_EXTENSIONS = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE, _LONG_NAME, _LONG_LINK)
_HARD_LINK, _SYMBOLIC_LINK = "a hard link", "a symbolic link"
_WITHOUT_DATA = {
    tarfile.LNKTYPE: _HARD_LINK,
    tarfile.SYMTYPE: _SYMBOLIC_LINK,
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder",
}
FOLDER, SPARSE = "a folder", "a sparse file"


class TarError(ReleaseError):
    """A tar that ends early or goes wrong on the way; not one that cannot be reached."""


@dataclass(frozen=True)
class TarEntry:
    """A member of a tar.

    Attributes:
        name: Its name, as it stands there.
        offset: Byte offset of its data from the tar's start.
        size: Bytes of its data.
        odd: None for a plain file, else what it is: a link, a device, a folder, a sparse file.
        target: What a link leads to, as a member's name; None for what is no link.
    """

    name: str
    offset: int
    size: int
    odd: str | None = None
    target: str | None = None


def plain_name(name: str) -> str:
    """Return a member's name as whoever extracts it takes it: `./a//b` is `a/b`."""
    return posixpath.normpath(name)


def follow(name: str, targets: Mapping[str, str], members: Container[str]) -> str | None:
    """Return the member to which a link leads, or leads on; None where the tar has none.

    Args:
        name: The link, by its plain name, as all of these.
        targets: What each link leads to.
        members: The plain files.
    """
    for _ in range(_MOST_LINKS):
        if name in members:
            return name
        if name not in targets:
            break
        name = targets[name]
    return None


class TarStream:
    """A tar that is read once.

    Args:
        stream: Open for reading bytes, at the tar's start.
        seek: Whether to seek over data that nobody reads; there is no sha256 then.
        hashed: Whether `finish` tells the sha256 of all of it.

    Attributes:
        position: How far it was read, in bytes.
        end: Where the members end, once all were read.
        foreign: The headers of files, and extensions, that are not as `tar.header` writes them, by name.
        unpadded: The members behind whose data, which was read, there are other bytes than zeros.
    """

    def __init__(self, stream: BinaryIO, *, seek: bool = False, hashed: bool = True) -> None:
        self.position = self.end = 0
        self.foreign: list[str] = []
        self.unpadded: list[str] = []
        self._stream = stream
        self._size: int | None = None
        if seek:
            self._size = stream.seek(0, os.SEEK_END)
            stream.seek(0)
        self._digest = hashlib.sha256() if hashed else None
        self._last: TarEntry | None = None
        self._next = 0  # where the next header is

    def __iter__(self) -> Iterator[TarEntry]:
        """Yield the members; each one's `data` can be read before the next is asked for.

        Raises:
            TarError: the tar ends inside a member, or something in it is no tar header.
        """
        changes: dict[str, str] = {}  # what extensions say of the member that follows them
        while (head := self._header()) is not None:
            info = self._parse(head)
            if info.type in _EXTENSIONS:
                self.foreign.append(info.name)
                changes |= self._extension(info)
                continue
            entry = self._entry(info, changes)
            changes = {}
            if entry.odd is None and not _is_ours(head, info):
                self.foreign.append(entry.name)
            self._last = entry
            yield entry

    def data(self, entry: TarEntry) -> Iterator[bytes]:
        """The data of the member that was yielded last, in blocks.

        Raises:
            TarError: the tar ends inside it.
        """
        left = entry.size
        while left:
            block = self._read(min(left, BLOCK_BYTES))
            if not block:
                raise TarError(
                    "the tar ends inside a member", got=f"{left} bytes are missing", where=entry.name
                )
            left -= len(block)
            yield block

    def finish(self) -> str:
        """Read what is left of the file; returns the sha256 of all of it, empty where nothing was hashed."""
        while self._read(BLOCK_BYTES):
            pass
        return "" if self._digest is None else self._digest.hexdigest()

    def _read(self, count: int) -> bytes:
        block = self._stream.read(count)
        if self._digest is not None:
            self._digest.update(block)
        self.position += len(block)
        return block

    def _exactly(self, count: int) -> bytes:
        """So many bytes, or fewer where the tar ends."""
        blocks = []
        while count and (block := self._read(count)):
            blocks.append(block)
            count -= len(block)
        return b"".join(blocks)

    def _header(self) -> bytes | None:
        """The next header; None at the end of the tar."""
        last = self._last
        if last is not None and self.position == last.offset + last.size and self.position < self._next:
            if self._exactly(self._next - self.position).strip(b"\0"):
                self.unpadded.append(last.name)
        elif self._size is not None and self._next <= self._size:
            self.position = self._stream.seek(self._next)
        while self.position < self._next:
            if not self._read(min(self._next - self.position, BLOCK_BYTES)):
                raise TarError("the tar ends inside a member", where=f"byte {self.position}")
        self.end = self.position
        head = self._exactly(BLOCK)
        if not head.strip(b"\0"):
            self._refuse_more()
            return None
        if len(head) < BLOCK:
            self._refuse_misplaced(head)
            raise TarError("the tar ends inside a header", where=f"byte {self.end}")
        return head

    def _refuse_misplaced(self, head: bytes) -> None:
        """Raise TarError where a tar's first bytes are those of something else that is known."""
        if not self.end and (misplaced := recognise(head)):
            raise TarError(misplaced.problem, wanted=misplaced.fix)

    def _refuse_more(self) -> None:
        """Behind the end there are zeros at most; a second tar behind the first is one that is overlooked."""
        while block := self._read(BLOCK_BYTES):
            if block.strip(b"\0"):
                raise TarError(
                    "the tar goes on after its end",
                    got=f"bytes that are not zero before byte {self.position}",
                    wanted="zeros at most",
                )

    def _parse(self, head: bytes) -> tarfile.TarInfo:
        where = f"byte {self.position - BLOCK}"
        try:
            info = tarfile.TarInfo.frombuf(head, "utf-8", "backslashreplace")
        except (tarfile.HeaderError, ValueError) as error:
            self._refuse_misplaced(head)
            raise TarError("not a tar header", got=error, where=where) from None
        if info.size < 0:
            raise TarError("a member of a size below zero", got=info.size, where=where)
        return info

    def _extension(self, info: tarfile.TarInfo) -> dict[str, str]:
        """What a long name or a pax header says of the next member."""
        where = f"byte {self.position - BLOCK}"
        if info.size > _MAX_EXTENSION:
            raise TarError("a header of impossible size", got=f"{info.size} bytes", where=where)
        body = self._exactly(info.size)
        if len(body) < info.size:
            raise TarError("the tar ends inside a header", where=where)
        self._next = self.position + -info.size % BLOCK
        if info.type in (_LONG_NAME, _LONG_LINK):
            key = "path" if info.type == _LONG_NAME else "linkpath"
            return {key: body.rstrip(b"\0").decode("utf-8", "backslashreplace")}
        if info.type == tarfile.XGLTYPE:
            return {}  # what holds for all members: owners, times, comments
        return _pax_records(body, where)

    def _entry(self, info: tarfile.TarInfo, changes: dict[str, str]) -> TarEntry:
        name = changes.get("path", info.name)
        size = info.size
        if "size" in changes:
            if not changes["size"].isdecimal() or len(changes["size"]) > _MAX_DIGITS:
                raise TarError("not a size in a pax header", got=changes["size"], where=name)
            size = int(changes["size"])
        odd = _WITHOUT_DATA.get(info.type)
        if odd is not None:
            size = 0
        elif info.type not in _PLAIN or any(key.startswith("GNU.sparse") for key in changes):
            odd = SPARSE
        elif name.endswith("/"):
            odd = FOLDER
        missing = 0 if self._size is None else self.position + size - self._size
        if missing > 0:  # else whoever reads the data finds out
            raise TarError("the tar ends inside a member", got=f"{missing} bytes are missing", where=name)
        self._next = self.position + -(-size // BLOCK) * BLOCK
        target = changes.get("linkpath", info.linkname) if odd in (_HARD_LINK, _SYMBOLIC_LINK) else None
        if target is not None and odd == _SYMBOLIC_LINK:  # it starts where the link is
            target = posixpath.join(posixpath.dirname(name), target)
        return TarEntry(name, self.position, size, odd, target)


def _is_ours(head: bytes, info: tarfile.TarInfo) -> bool:
    """Whether a header is what `tar.write_tar` writes before such a member."""
    try:
        return head == header(info.name, info.size)
    except (ReleaseError, ValueError):  # too large for one, or not ASCII
        return False


def _pax_records(body: bytes, where: str) -> dict[str, str]:
    """The `LENGTH KEY=VALUE` lines of a pax header (POSIX.1-2001)."""
    records = {}
    while body.strip(b"\0"):
        digits, _, _ = body.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < _MAX_DIGITS else 0
        line, body = body[:length], body[length:]
        key, found, value = line[len(digits) + 1 : -1].partition(b"=")
        if not found or len(line) != length or line[-1:] != b"\n":
            raise TarError("not a pax header", got=repr(line[:40]), where=where)
        records[key.decode("utf-8", "backslashreplace")] = value.decode("utf-8", "backslashreplace")
    return records
