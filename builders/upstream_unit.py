"""A tar of upstream's, or some of its loose files, read once: where artifacts lie, hashes, sizes in pixels.

- Memory holds one member at a time, and of a very large one only a block.
- What is wrong with a member is a finding, and so is a tar that ends early or goes wrong on the way: the
  members before that place are taken.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sparkle.builders.check_shapes import read_shape
from sparkle.builders.upstream_files import Files, LooseFiles, UpstreamTar, artifact_id
from sparkle.builders.upstream_tar import FOLDER, TarEntry, TarError, TarStream
from sparkle.schemas import layout
from sparkle.schemas.errors import MediaError
from sparkle.schemas.layout import Kind
from sparkle.schemas.validate import Finding

# Bytes of a member that is looked into. The clips are near 0.5 MB and masks at most 9.3 MB; 4K masks of 81
# frames that are not compressed have 84 MB.
_LOOK_BYTES = 128 << 20
_READ_BYTES = 1 << 20
_SHAPED = (".mp4", ".npz")

Unit = UpstreamTar | LooseFiles
Told = Callable[[int], None]  # told of bytes that were read


@dataclass(frozen=True)
class Found:
    """An artifact.

    Attributes:
        id: Its sample.
        file: The tar that holds it, or the file that it is.
        offset: Byte offset of its data in that file.
        size: Bytes of its data.
        sha256: Hexadecimal.
        shape: Frames, height and width; None where its headers do not say, or it is an image.
    """

    id: str
    file: str
    offset: int
    size: int
    sha256: str
    shape: tuple[int, int, int] | None


@dataclass
class Indexed:
    """What was found in a unit; `size` and `sha256` are a tar's."""

    size: int = 0
    sha256: str = ""
    found: list[Found] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def note(self, file: str, pointer: str, error: MediaError | TarError) -> None:
        """Add a finding."""
        self.findings.append(Finding(file, 0, pointer, error.problem, error.got, error.wanted))


def paths_of(unit: Unit) -> tuple[str, ...]:
    """The files that a unit is read from."""
    if isinstance(unit, UpstreamTar):
        return (unit.path,)
    return tuple(f"{unit.folder}/{name}" for name in unit.names)


def read_unit(files: Files, unit: Unit, told: Told) -> Indexed:
    """Read a unit; raises OSError when a file cannot be read."""
    if isinstance(unit, UpstreamTar):
        return _read_tar(files, unit, told)
    return _read_loose(files, unit, told)


def list_tar(folder: Path, tar: UpstreamTar) -> Indexed:
    """What a tar's headers say: no hashes and no sizes in pixels."""
    indexed = Indexed()
    with (folder / tar.path).open("rb") as file:
        for sample_id, entry in _members(tar, TarStream(file, seek=True), indexed):
            indexed.found.append(Found(sample_id, tar.path, entry.offset, entry.size, "", None))
    return indexed


def _read_tar(files: Files, tar: UpstreamTar, told: Told) -> Indexed:
    indexed = Indexed()
    with files.open(tar.path) as file:
        stream = TarStream(file)
        try:
            for sample_id, entry in _members(tar, stream, indexed):
                data = _Data(entry.size, stream.data(entry), told)
                shape = data.shape(tar.kind, indexed, tar.path, entry.name)
                indexed.found.append(Found(sample_id, tar.path, entry.offset, data.size, data.sha256, shape))
        except TarError as error:  # inside the data of a member
            indexed.note(tar.path, error.where or "", error)
        indexed.sha256 = stream.finish()
        indexed.size = stream.position
    return indexed


def _members(tar: UpstreamTar, stream: TarStream, indexed: Indexed) -> Iterator[tuple[str, TarEntry]]:
    """Yield (id, member) of a tar's artifacts; other members, but folders, are findings."""
    # What a member's name may start with; tar writes "./" when it was told to pack ".".
    start = re.compile(f"(?:[.]/)*(?:{layout.INTERMEDIATE}/)?{tar.theme}/{tar.kind.name}/")
    wanted = f"such as {tar.kind.member(f'Sparkle_{tar.theme}_000000')}"
    try:
        for entry in stream:
            sample_id = _id_of_member(entry, tar, start)
            if sample_id is not None:
                yield sample_id, entry
            elif entry.odd != FOLDER:
                problem = f"a member is {entry.odd}" if entry.odd else "not a member of this tar"
                finding = Finding(tar.path, 0, entry.name, f"{problem}, and is left out", wanted=wanted)
                indexed.findings.append(finding)
    except TarError as error:
        indexed.note(tar.path, error.where or "", error)


def _id_of_member(entry: TarEntry, tar: UpstreamTar, start: re.Pattern[str]) -> str | None:
    match = start.match(entry.name)
    if match is None or entry.odd is not None:
        return None
    return artifact_id(entry.name[match.end() :], tar.theme, tar.kind)


def _read_loose(files: Files, loose: LooseFiles, told: Told) -> Indexed:
    indexed = Indexed()
    for name in loose.names:
        path = f"{loose.folder}/{name}"
        data = _read_file(files, path, told)
        shape = data.shape(loose.kind, indexed, path, "")
        sample_id = name.removesuffix(loose.kind.suffix)
        indexed.found.append(Found(sample_id, path, 0, data.size, data.sha256, shape))
    return indexed


def _read_file(files: Files, path: str, told: Told) -> _Data:
    with files.open(path) as file:
        return _Data(files.size(path), iter(lambda: file.read(_READ_BYTES), b""), told)


class _Data:
    """The data of an artifact, read: its size and hash, and the bytes where they are not too many."""

    def __init__(self, size: int, blocks: Iterator[bytes], told: Told) -> None:
        digest = hashlib.sha256()
        kept: list[bytes] | None = [] if size <= _LOOK_BYTES else None
        self.size = 0
        for block in blocks:
            digest.update(block)
            self.size += len(block)
            told(len(block))
            if kept is not None:
                kept.append(block)
        self.sha256 = digest.hexdigest()
        self._bytes = None if kept is None else b"".join(kept)

    def shape(self, kind: Kind, indexed: Indexed, file: str, member: str) -> tuple[int, int, int] | None:
        """Frames, height and width by the headers; None, and a finding, where they do not say."""
        if kind.suffix not in _SHAPED:
            return None
        try:
            if self._bytes is None:
                wanted = f"at most {_LOOK_BYTES}"
                raise MediaError("too large to look into", got=f"{self.size} bytes", wanted=wanted)
            shape = read_shape(self._bytes, kind.suffix)
        except MediaError as error:
            indexed.note(file, member, error)
            return None
        return shape.frames, shape.height, shape.width
