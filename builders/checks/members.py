"""The artifacts in a tar or in files of their own, each read once: where they lie, hashes, sizes in pixels.

- A tar of ours must be what `tar.write_tar` writes: that refuses links, devices, owners, times and other
  formats. Each of those is a finding that names the member, and reading goes on behind it. An import keeps
  upstream's tars as they are, so there headers of any kind are fine.
- In a tar of somebody else's, a link to a member of the same tar is that member under another name. Where it
  leads is known once all of the tar was read. A link to anything else is a finding.
- Nothing is extracted. With contents every byte is read: data is hashed, and padding of our tars must be
  zero. So with the table's hashes a bit changed anywhere is found.
- Memory holds one member at a time, and of a very large one only a block.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from sparkle.builders.checks.rows import SampleRows, make_rows
from sparkle.builders.reading.place import Place
from sparkle.builders.release.any_tar import FOLDER, TarEntry, TarError, TarStream, follow, plain_name
from sparkle.builders.release.assign import END_BYTES
from sparkle.media.look_alike import median_hash
from sparkle.media.probe import Shape, read_shape, require_mp4
from sparkle.schemas import layout
from sparkle.schemas.errors import MediaError
from sparkle.schemas.ids import index_reader
from sparkle.schemas.layout import KIND_BY_NAME, SOURCE_VIDEO, Kind
from sparkle.schemas.misplaced import recognise
from sparkle.schemas.validate import Finding

# Bytes of a member that is looked into. The clips are near 0.5 MB and masks at most 9.3 MB; 4K masks of 81
# frames that are not compressed have 84 MB.
_LOOK_BYTES = 128 << 20
# What is read of upstream's artifacts: what its image editor makes has sizes of its own.
_SHAPED_UPSTREAM = (".mp4", ".npz")
SHAPE = Shape._fields
_NO_HASH = bytes(32)
_DTYPE: list[tuple[Any, ...]] = [
    ("offset", np.int64), ("size", np.int64), ("sha256", "V32"), ("median_hash", "V32"),
    *((name, np.float64) for name in SHAPE),
]  # fmt: skip


@dataclass(frozen=True)
class TarJob:
    """Reads a tar of a release.

    Attributes:
        where: The place that has it. With contents it is read from front to back and never sought.
        file: Its path there.
        theme: The theme of its members.
        place: The kind of its members, by name.
        contents: Whether to read their data.
        ours: Whether it must be as we write it; see `read_tar`.
    """

    where: Place
    file: str
    theme: str
    place: str
    contents: bool = True
    ours: bool = True

    def __call__(self) -> SampleRows:
        """Read it."""
        kind = KIND_BY_NAME[self.place]
        with self.where.open(self.file) as file:
            stream = TarStream(file, seek=not self.contents, hashed=False)
            return read_tar(stream, self.file, self.theme, kind, contents=self.contents, ours=self.ours)


@dataclass
class Found:
    """Gathers the artifacts of a kind in a tar, or in files of their own.

    Attributes:
        theme: The theme.
        kind: The kind.
        ours: Whether they are of a release that was built.
        told: Told of bytes that were read.
        findings: What is wrong.
    """

    theme: str
    kind: Kind
    ours: bool = True
    told: Callable[[int], None] = lambda size: None
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rows: list[tuple[Any, ...] | None] = []  # None: a link, whose row is not known yet
        self._seen: dict[str, tuple[tuple[Any, ...], MediaError | None]] = {}  # members, by plain name
        self._targets: dict[str, str] = {}  # of links, by plain name
        self._links: list[tuple[int, int, TarEntry]] = []  # row, index, link

    def note(self, file: str, pointer: str, error: MediaError | TarError) -> None:
        """Add what was raised as a finding."""
        self.findings.append(Finding(file, 0, pointer, error.problem, error.got, error.wanted or error.fix))

    def skip(self, index: int | None, entry: TarEntry) -> None:
        """Add an artifact whose data is not read; without an index it is remembered for links to it."""
        row = (entry.offset, entry.size, _NO_HASH, _NO_HASH, *[np.nan] * len(SHAPE))
        self._add(index, row, None, "", entry.name)

    def read(self, index: int | None, offset: int, blocks: Iterable[bytes], file: str, member: str) -> None:
        """Add an artifact: its size and hash, and what its header says where it is not too large.

        Without an index it is remembered for links to it. A source video of upstream's is decoded for the
        hash of its scene; a build has that from the run.
        """
        digest, size = hashlib.sha256(), 0
        kept: list[bytes] = []
        for block in blocks:
            digest.update(block)
            size += len(block)
            self.told(len(block))
            kept = [*kept, block] if size <= _LOOK_BYTES else []
        shape, scene, problem = Shape(), _NO_HASH, None
        try:
            if size > _LOOK_BYTES:
                raise MediaError(
                    "too large to look into", got=f"{size} bytes", wanted=f"at most {_LOOK_BYTES}"
                )
            if self.ours or self.kind.suffix in _SHAPED_UPSTREAM:
                content = b"".join(kept)
                shape = read_shape(content, self.kind.suffix)
                if self.kind.suffix == ".mp4":
                    require_mp4(content)
                if self.kind is SOURCE_VIDEO and not self.ours:
                    scene = bytes.fromhex(median_hash(content, threads=1))
            elif kept and (misplaced := recognise(kept[0])):
                raise MediaError(misplaced.problem, wanted=misplaced.fix)
        except MediaError as error:
            problem = error
        known = (value or np.nan for value in shape)
        self._add(index, (offset, size, digest.digest(), scene, *known), problem, file, member)

    def _add(
        self, index: int | None, row: tuple[Any, ...], problem: MediaError | None, file: str, member: str
    ) -> None:
        if not self.ours:
            self._seen.setdefault(plain_name(member), (row, problem))
        if index is not None:
            self._rows.append((index, *row))
            if problem is not None:
                self.note(file, member, problem)

    def link(self, index: int | None, entry: TarEntry, target: str) -> None:
        """Remember a link, and that it is an artifact where there is an index."""
        self._targets.setdefault(plain_name(entry.name), plain_name(target))
        if index is not None:
            self._links.append((len(self._rows), index, entry))
            self._rows.append(None)

    def follow_links(self, file: str) -> None:
        """Give the links of a tar that was read the rows of the members to which they lead."""
        for place, index, entry in self._links:
            name = follow(plain_name(entry.name), self._targets, self._seen)
            if name is None:
                problem = f"a member is {entry.odd} to nothing in this tar, and is left out"
                self.findings.append(Finding(file, 0, entry.name, problem, got=entry.target))
                continue
            row, wrong = self._seen[name]
            self._rows[place] = (index, *row)
            if wrong is not None:
                self.note(file, entry.name, wrong)

    def rows(self, *files: str) -> SampleRows:
        """Return what was found in a tar, or in as many files as artifacts."""
        found = [row for row in self._rows if row is not None]
        rows = make_rows(self.theme, files[0], found, _DTYPE, findings=self.findings, kind=self.kind)
        for name in ("sha256", "median_hash"):
            rows.columns[name] = rows.columns[name].view(np.uint8).reshape(len(rows.keys), 32)
        if len(files) > 1:
            rows.files, rows.columns["file"] = files, np.arange(len(files))
        return rows


def read_tar(
    stream: TarStream,
    file: str,
    theme: str,
    kind: Kind,
    *,
    contents: bool = True,
    ours: bool = False,
    told: Callable[[int], None] = lambda size: None,
) -> SampleRows:
    """Return the artifacts of a theme and kind in a tar; whatever else is in it, but folders, is a finding.

    Args:
        stream: The tar.
        file: Its name.
        theme: The theme.
        kind: The kind.
        contents: Whether to read the data.
        ours: Whether everything must be as we write it.
        told: Told of bytes that were read.
    """
    found, index_of = Found(theme, kind, ours, told), index_reader(theme)
    # What a member's name may start with; tar writes "./" when it was told to pack ".".
    start = re.compile(f"(?:[.]/)*(?:{layout.INTERMEDIATE}/)?{theme}/{kind.name}/")
    wanted = f"such as {kind.member(f'Sparkle_{theme}_000000')}"
    try:
        for entry in stream:
            match = None if ours else start.match(entry.name)
            prefix, stem = match[0] if match else f"{theme}/{kind.name}/", PurePosixPath(entry.name).stem
            target = None if ours else entry.target
            index = index_of(stem) if entry.odd is None or target is not None else None
            fits = index is not None and entry.name == f"{prefix}{stem}{kind.suffix}"
            if not fits and (ours or entry.odd != FOLDER):
                problem = _problem(entry) + ("" if ours else ", and is left out")
                found.findings.append(Finding(file, 0, entry.name, problem, wanted=wanted))
            counted = index if fits or ours else None
            if target is not None:
                found.link(counted, entry, target)
            elif entry.odd or (ours and index is None):
                continue
            elif contents:
                found.read(counted, entry.offset, stream.data(entry), file, entry.name)
            else:
                found.skip(counted, entry)
    except TarError as error:
        found.note(file, str(error.where or ""), error)
    else:
        if ours and stream.position - stream.end != END_BYTES:
            problem = "the tar does not end with two zero blocks and nothing else"
            got = f"{stream.position - stream.end} bytes after the last member"
            found.findings.append(Finding(file, 0, "", problem, got, f"{END_BYTES} zero bytes"))
    found.follow_links(file)
    for name in stream.unpadded if ours else ():
        found.findings.append(Finding(file, 0, name, "the padding behind the member is not zero"))
    if ours and stream.foreign:
        problem, got = "tar headers are not as this version writes them", f"{len(stream.foreign)} members"
        right = "owner and time 0, mode 644, no owner names, USTAR"
        found.findings.append(Finding(file, 0, stream.foreign[0], problem, got, right))
    return found.rows(file)


def _problem(entry: TarEntry) -> str:
    if entry.name.startswith("/") or ".." in entry.name.split("/"):
        return "the member's name leaves its folder"
    return f"a member is {entry.odd}" if entry.odd else "not a member of this tar"
