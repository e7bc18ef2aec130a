"""The artifacts of upstream's layout: every tar and loose file is read once, and remembered.

How it works
- Units (a tar, or some hundred loose files) are read by several threads; hashing runs
  outside Python's lock.
- A finished unit is written to the journal folder. A rerun takes it from there when the files have the same
  sizes, times and inodes as when they were read, so a kill costs at most the units that were under way.
- Memory holds a unit's list of members for each thread; `load` reads one back when it is asked for.

A tar of upstream's, or some of its loose files, read once: where artifacts lie, hashes, sizes in pixels.

- Memory holds one member at a time, and of a very large one only a block.
- What is wrong with a member is a finding, and so is a tar that ends early or goes wrong on the way: the
  members before that place are taken.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sparkle._files import BLOCK_BYTES, temporary_beside
from sparkle._processes import cpus
from sparkle._progress import Advance, Progress
from sparkle.builders.reading.place import Place
from sparkle.builders.release.any_tar import FOLDER, TarEntry, TarError, TarStream
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.upstream.files import (
    LooseFiles,
    UpstreamFiles,
    UpstreamTar,
    artifact_id,
)
from sparkle.media.probe import read_shape
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.errors import MediaError, ReleaseError
from sparkle.schemas.layout import Kind
from sparkle.schemas.validate import Finding

_VERSION = 1  # of a unit in the journal; raised when it holds something else
_LOOSE_FILES = 1000  # files of a unit: some 500 MB of clips, so that little is read again after a kill
_MEGABYTE = 10**6


class Index:
    """The artifacts of a folder of upstream's layout, unit by unit.

    Args:
        files: What stands where.
        journal: A folder for what was finished; made if need be.
        place: Where it is read.

    Attributes:
        units: Tars sorted by path, then loose files.
    """

    def __init__(self, files: UpstreamFiles, journal: Path, place: Place) -> None:
        self._place = place
        self._journal = journal
        self.units: list[Unit] = [*files.tars, *(part for loose in files.loose for part in _parts(loose))]

    def read_all(self, progress: Progress, threads: int | None = None) -> None:
        """Read every unit that the journal does not have.

        Args:
            progress: Told of megabytes.
            threads: How many units are read at once; None is as many as there are cores.

        Raises:
            OSError: a file cannot be read.
        """
        stamps = {unit: [self._place.stamp(path) for path in paths_of(unit)] for unit in self.units}
        states = {unit: fingerprint(found) for unit, found in stamps.items()}
        units = [unit for unit in self.units if not self._is_done(unit, states[unit])]
        total = sum(size for unit in units for size, *_ in stamps[unit])
        with (
            progress("reading artifacts (MB)", total // _MEGABYTE) as advance,
            ThreadPoolExecutor(threads or cpus()) as pool,
        ):
            told = _megabytes(advance)
            jobs = [pool.submit(self._read, unit, states[unit], told) for unit in units]
            try:
                for job in as_completed(jobs):
                    job.result()
            finally:
                for job in jobs:
                    job.cancel()

    def load(self, unit: Unit) -> Indexed:
        """What a unit holds; it was read before."""
        document = self._document(unit)
        if document is None:
            raise ReleaseError("the journal of an import is gone", where=self._journal)
        return Indexed(
            document["size"],
            document["sha256"],
            [_found(unit.kind, values) for values in document["found"]],
            [Finding(**value) for value in document["findings"]],
        )

    def forget(self, unit: Unit) -> None:
        """Drop what was read of a unit, so that a rerun reads it again."""
        self._path(unit).unlink(missing_ok=True)

    def entries(self) -> Iterator[FileEntry]:
        """Every file that was read, as a manifest lists it."""
        for unit in self.units:
            indexed = self.load(unit)
            if isinstance(unit, UpstreamTar):
                yield FileEntry(unit.path, indexed.size, indexed.sha256)
            else:
                yield from (FileEntry(found.file, found.size, found.hex) for found, _ in indexed.found)

    def _read(self, unit: Unit, state: str, told: Told) -> None:
        indexed = read_unit(self._place, unit, told)
        document = {
            "version": _VERSION,
            "state": state,
            "size": indexed.size,
            "sha256": indexed.sha256,
            "found": [
                [found.id, found.file, found.offset, found.size, found.hex, size]
                for found, size in indexed.found
            ],
            "findings": [asdict(finding) for finding in indexed.findings],
        }
        path = self._path(unit)
        temporary = temporary_beside(path)
        temporary.write_text(json.dumps(document, separators=(",", ":")), "utf-8")
        temporary.replace(path)  # not synced: what a power cut spoils is no JSON, and read again

    def _is_done(self, unit: Unit, state: str) -> bool:
        document = self._document(unit)
        return document is not None and (document["version"], document["state"]) == (_VERSION, state)

    def _document(self, unit: Unit) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] = json.loads(self._path(unit).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return document

    def _path(self, unit: Unit) -> Path:
        return self._journal / f"{paths_of(unit)[0].replace('/', '__')}.json"


def _found(kind: Kind, values: list[Any]) -> tuple[Artifact, Size]:
    """An artifact of the journal."""
    sample_id, file, offset, length, sha256, size = values
    return Artifact(sample_id, kind, file, offset, length, bytes.fromhex(sha256)), size and tuple(size)


def _parts(loose: LooseFiles) -> Iterator[LooseFiles]:
    for first in range(0, len(loose.names), _LOOSE_FILES):
        yield LooseFiles(loose.folder, loose.theme, loose.kind, loose.names[first : first + _LOOSE_FILES])


def _megabytes(advance: Advance) -> Told:
    """Tells of bytes as whole megabytes. Threads share it: a count that is off by one does no harm."""
    count = 0

    def told(size: int) -> None:
        nonlocal count
        before, count = count, count + size
        if done := count // _MEGABYTE - before // _MEGABYTE:
            advance(done)

    return told


# --- a tar of upstream's ---------------------------------------------------------------------------


# Bytes of a member that is looked into. The clips are near 0.5 MB and masks at most 9.3 MB; 4K masks of 81
# frames that are not compressed have 84 MB.
_LOOK_BYTES = 128 << 20
_SHAPED = (".mp4", ".npz")

Unit = UpstreamTar | LooseFiles
Told = Callable[[int], None]  # told of bytes that were read


# Frames, height and width of an artifact; None where its headers do not say, or it is an image.
Size = tuple[int, int, int] | None


@dataclass
class Indexed:
    """What was found in a unit.

    Attributes:
        size: Bytes of a tar.
        sha256: Of a tar, hexadecimal.
        found: Its artifacts, and how large each is.
        findings: What is wrong.
    """

    size: int = 0
    sha256: str = ""
    found: list[tuple[Artifact, Size]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def note(self, file: str, pointer: str, error: MediaError | TarError) -> None:
        """Add a finding."""
        self.findings.append(Finding(file, 0, pointer, error.problem, error.got, error.wanted))


def paths_of(unit: Unit) -> tuple[str, ...]:
    """The files that a unit is read from."""
    if isinstance(unit, UpstreamTar):
        return (unit.path,)
    return tuple(f"{unit.folder}/{name}" for name in unit.names)


def read_unit(place: Place, unit: Unit, told: Told) -> Indexed:
    """Read a unit; raises OSError when a file cannot be read."""
    if isinstance(unit, UpstreamTar):
        return _read_tar(place, unit, told)
    return _read_loose(place, unit, told)


def list_tar(folder: Path, tar: UpstreamTar) -> Indexed:
    """What a tar's headers say: no hashes and no sizes in pixels."""
    indexed = Indexed()
    with (folder / tar.path).open("rb") as file:
        for sample_id, entry in _members(tar, TarStream(file, seek=True), indexed):
            found = Artifact(sample_id, tar.kind, tar.path, entry.offset, entry.size, None)
            indexed.found.append((found, None))
    return indexed


def _read_tar(place: Place, tar: UpstreamTar, told: Told) -> Indexed:
    indexed = Indexed()
    with place.open(tar.path) as file:
        stream = TarStream(file)
        try:
            for sample_id, entry in _members(tar, stream, indexed):
                data = _Data(stream.data(entry), told)
                size = data.shape(tar.kind, indexed, tar.path, entry.name)
                found = Artifact(sample_id, tar.kind, tar.path, entry.offset, data.size, data.sha256)
                indexed.found.append((found, size))
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


def _read_loose(place: Place, loose: LooseFiles, told: Told) -> Indexed:
    indexed = Indexed()
    for name in loose.names:
        path = f"{loose.folder}/{name}"
        data = _read_file(place, path, told)
        size = data.shape(loose.kind, indexed, path, "")
        sample_id = name.removesuffix(loose.kind.suffix)
        indexed.found.append((Artifact(sample_id, loose.kind, path, 0, data.size, data.sha256), size))
    return indexed


def _read_file(place: Place, path: str, told: Told) -> _Data:
    with place.open(path) as file:
        return _Data(iter(lambda: file.read(BLOCK_BYTES), b""), told)


class _Data:
    """The data of an artifact, read: its size and hash, and the bytes where they are not too many."""

    def __init__(self, blocks: Iterator[bytes], told: Told) -> None:
        digest = hashlib.sha256()
        kept: list[bytes] | None = []
        self.size = 0
        for block in blocks:
            digest.update(block)
            self.size += len(block)
            told(len(block))
            if kept is not None and self.size <= _LOOK_BYTES:
                kept.append(block)
            else:
                kept = None
        self.sha256 = digest.digest()
        self._bytes = None if kept is None else b"".join(kept)

    def shape(self, kind: Kind, indexed: Indexed, file: str, member: str) -> Size:
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
