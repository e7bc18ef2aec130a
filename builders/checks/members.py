"""One tar, read in a worker in one pass: names and places of its members, their hashes and sizes in pixels.

- Headers must be what `tar.header` writes: that refuses links, devices, owners, times and other formats.
  Each of those is a finding that names the member, and reading goes on behind it.
- Nothing is extracted. With contents every byte is read: data is hashed, padding must be zero. So with the
  table's hashes a bit changed anywhere is found.
- An import keeps upstream's tars as they are, so there headers of any kind are fine; what is in them is
  compared with the tables in the same way (`UpstreamTarJob`).
"""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from sparkle._files import BLOCK_BYTES
from sparkle.builders.checks.census import Keys, Numbers, index_reader, keys_of
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.reading.place import Place
from sparkle.builders.release.assign import BLOCK, END_BYTES
from sparkle.builders.release.tar import header
from sparkle.builders.upstream.files import UpstreamTar
from sparkle.builders.upstream.index import Size, list_tar, read_unit
from sparkle.media.probe import Shape, read_shape
from sparkle.schemas.errors import MediaError, ReleaseError
from sparkle.schemas.ids import parse_id
from sparkle.schemas.layout import KIND_BY_NAME
from sparkle.schemas.validate import Finding

# A member that is larger is hashed in blocks and its header is not looked at (`check_media` does); the
# clips of the dataset are near 0.5 MB, masks that are not compressed 9.3 MB.
_WHOLE_BYTES = 64 << 20

_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
_KINDS_OF_MEMBER = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder",
}


@dataclass(frozen=True)
class Members:
    """The members of tars that are artifacts of samples of a theme; arrays have a row for each.

    Attributes:
        tars: The tars' names.
        tar: Which of them holds a member.
        keys: The samples.
        offsets: Where the data begins in its tar.
        sizes: Bytes of data.
        hashes: uint8 (n, 32), the sha256; zeros where contents were not read.
        shapes: float64 (n, 4): frames, width, height, frames a second, see `check_shapes.Shape`.
        findings: What is wrong with the tars themselves.
    """

    tars: tuple[str, ...]
    tar: Numbers
    keys: Keys
    offsets: Numbers
    sizes: Numbers
    hashes: npt.NDArray[np.uint8]
    shapes: npt.NDArray[np.float64]
    findings: list[Finding]


@dataclass(frozen=True)
class TarJob:
    """Reads a tar of a release.

    Attributes:
        path: The file.
        file: Its name in findings.
        theme: The theme of its members.
        kind: The kind of its members.
        contents: Whether to read their data.
        elsewhere: The place that has it where it is not at `path`, where an empty file has its size. With
            contents it is read from front to back and never sought.
    """

    path: Path
    file: str
    theme: str
    kind: str
    contents: bool
    elsewhere: Place | None = None

    def __call__(self) -> Members:
        """Read it."""
        with self.path.open("rb") if self.elsewhere is None else self.elsewhere.open(self.file) as file:
            reader = _Reader(self, file, self.path.stat().st_size)
            while reader.next():
                pass
        return reader.result()


def join_members(parts: list[Members]) -> Members:
    """The members of the tars of a kind as one."""
    return Members(
        tars=tuple(name for part in parts for name in part.tars),
        tar=np.concatenate([part.tar + number for number, part in enumerate(parts)]),
        keys=np.concatenate([part.keys for part in parts]),
        offsets=np.concatenate([part.offsets for part in parts]),
        sizes=np.concatenate([part.sizes for part in parts]),
        hashes=np.concatenate([part.hashes for part in parts]),
        shapes=np.concatenate([part.shapes for part in parts]),
        findings=[finding for part in parts for finding in part.findings],
    )


@dataclass
class _Reader:
    """Goes from header to header and gathers what it finds."""

    job: TarJob
    file: BinaryIO
    total: int
    position: int = 0
    rows: list[tuple[int, int, int]] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)  # members whose headers are not ours

    def __post_init__(self) -> None:
        self._kind = KIND_BY_NAME[self.job.kind]
        self._index = index_reader(self.job.theme)

    def next(self) -> bool:
        """Read a member; False at the end, wherever that is."""
        head = self.file.read(BLOCK)
        if head == bytes(BLOCK):
            self._check_end()
            return False
        try:
            info = tarfile.TarInfo.frombuf(head, "utf-8", "backslashreplace")
        except tarfile.HeaderError as error:
            problem = "the tar ends without its two zero blocks" if not head else "not a tar header"
            self._note(f"byte {self.position}", problem, got=None if not head else str(error))
            return False
        self.position += BLOCK
        self._check_header(head, info)
        if info.type in _KINDS_OF_MEMBER:  # these have no data
            return True
        padded = -(-info.size // BLOCK) * BLOCK
        if info.size < 0 or self.position + padded > self.total:
            self._note(info.name, "the tar ends inside a member", got=f"{self.total} bytes")
            return False
        self._take(info)
        self.position += padded
        if not self.job.contents:  # else everything up to there was read: a stream cannot be sought
            self.file.seek(self.position)
        return True

    def _check_end(self) -> None:
        left = self.total - self.position
        if left != END_BYTES or self.file.read(BLOCK) != bytes(BLOCK):
            problem = "the tar does not end with two zero blocks and nothing else"
            got, wanted = f"{left} bytes after the last member", f"{END_BYTES} zero bytes"
            self._note("", problem, got=got, wanted=wanted)

    def _check_header(self, head: bytes, info: tarfile.TarInfo) -> None:
        name = info.name
        if name.startswith("/") or ".." in name.split("/"):
            self._note(name, "the member's name leaves its folder", wanted="a plain relative path")
        if info.type not in _PLAIN:
            got = _KINDS_OF_MEMBER.get(info.type, f"type {info.type!r}")
            self._note(name, "a member that is no plain file", got=got, wanted="a file")
            return
        try:
            ours = head == header(name, info.size)
        except (ReleaseError, ValueError):
            ours = False
        if not ours:
            self.foreign.append(name)

    def _take(self, info: tarfile.TarInfo) -> None:
        """Note a member with data, where it is an artifact of a sample."""
        digest, shape = self._read(info) if self.job.contents else (bytes(32), Shape())
        if info.type not in _PLAIN:
            return
        sample_id = PurePosixPath(info.name).stem
        index = self._index(sample_id)
        if index is None:
            self._note(info.name, f"not an id of theme {self.job.theme}", got=repr(sample_id))
            return
        if info.name != self._kind.member(sample_id):
            wanted = self._kind.member(sample_id)
            self._note(info.name, "not the name of this member", wanted=wanted)
        self.rows.append((index, self.position, info.size))
        self.hashes.append(digest)
        self.shapes.append(shape)

    def _read(self, info: tarfile.TarInfo) -> tuple[bytes, Shape]:
        """The sha256 of a member's data, and what its header says; checks the padding."""
        if info.size > _WHOLE_BYTES:
            digest = hashlib.sha256()
            for start in range(0, info.size, BLOCK_BYTES):
                digest.update(self.file.read(min(BLOCK_BYTES, info.size - start)))
            found, shape = digest.digest(), Shape()
        else:
            data = self.file.read(info.size)
            found, shape = hashlib.sha256(data).digest(), self._shape(info, data)
        if any(self.file.read(-info.size % BLOCK)):
            self._note(info.name, "the padding behind the member is not zero")
        return found, shape

    def _shape(self, info: tarfile.TarInfo, data: bytes) -> Shape:
        try:
            return read_shape(data, self._kind.suffix)
        except MediaError as error:
            self._note(info.name, error.problem, got=error.got, wanted=error.wanted)
            return Shape()

    def _note(self, pointer: str, problem: str, *, got: str | None = None, wanted: str | None = None) -> None:
        self.findings.append(Finding(self.job.file, 0, pointer, problem, got, wanted))

    def result(self) -> Members:
        """What was read."""
        if self.foreign:
            wanted = "owner and time 0, mode 644, no owner names, USTAR"
            problem = "tar headers are not as this version writes them"
            self._note(self.foreign[0], problem, got=f"{len(self.foreign)} members", wanted=wanted)
        rows = np.array(self.rows, np.int64).reshape(len(self.rows), 3)
        indices, offsets, sizes = rows.T.copy()
        return Members(
            tars=(self.job.file,),
            tar=np.zeros(len(rows), np.int64),
            keys=keys_of(indices),
            offsets=offsets,
            sizes=sizes,
            hashes=np.frombuffer(b"".join(self.hashes), np.uint8).reshape(len(rows), 32),
            shapes=np.array(self.shapes, np.float64).reshape(len(rows), len(Shape._fields)),
            findings=self.findings,
        )


# --- a tar of an imported release ------------------------------------------------------------------


@dataclass(frozen=True)
class UpstreamTarJob:
    """Reads a tar of an imported release.

    Attributes:
        folder: The release.
        file: The tar's path from it.
        theme: The theme of its members.
        kind: The kind of its members.
        contents: Whether to read their data.
    """

    folder: Path
    file: str
    theme: str
    kind: str
    contents: bool

    def __call__(self) -> Members:
        """Read it."""
        tar = UpstreamTar(self.file, self.theme, KIND_BY_NAME[self.kind], part=0)
        if self.contents:
            indexed = read_unit(FolderPlace(self.folder), tar, lambda size: None)
        else:
            indexed = list_tar(self.folder, tar)
        found, count = [one for one, _ in indexed.found], len(indexed.found)
        indices = [parse_id(one.id)[1] for one in found]
        shapes = [_shape(size) for _, size in indexed.found]
        hashes = b"".join(one.sha256 or bytes(32) for one in found)
        return Members(
            tars=(self.file,),
            tar=np.zeros(count, np.int64),
            keys=keys_of(np.array(indices, np.int64)),
            offsets=np.array([one.offset for one in found], np.int64),
            sizes=np.array([one.size for one in found], np.int64),
            hashes=np.frombuffer(hashes, np.uint8).reshape(count, 32),
            shapes=np.array(shapes, np.float64).reshape(count, len(Shape._fields)),
            findings=indexed.findings,
        )


def _shape(size: Size) -> Shape:
    if size is None:
        return Shape()
    frames, height, width = size
    return Shape(frames, width, height)
