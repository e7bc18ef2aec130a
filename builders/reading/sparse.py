"""Columns of a Parquet file, without the rest of it.

- Of a Hub only the footer and the chunks of the columns are transferred, neighbours in one request.
- A folder's file is mapped, and its sha256 compared first.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from sparkle.builders.reading.place import Place, read_exactly
from sparkle.builders.release.footer import Group, read_footer
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.read_tables import TableFile, table_errors
from sparkle.builders.release.tables import LATER_COLUMNS
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.misplaced import refuse_misplaced

_CONNECTIONS = 8  # at once: as many as the Hub's own client uses for downloads
_FOOTER_BYTES = 1 << 18  # a table of sixty columns and a few row groups has some 50 KB of it
_TAIL_BYTES = 8  # length of the footer and "PAR1"
_GAP_BYTES = 1 << 16  # bytes between two chunks that are read rather than making another request


def read_listed(
    place: Place, entry: FileEntry, columns: Sequence[str], *, optional: Collection[str] = LATER_COLUMNS
) -> pa.Table:
    """Return columns of a table that a place lists, the names of tars as dictionaries.

    Args:
        place: Where it is.
        entry: The table.
        columns: What is read of it.
        optional: Columns that are left out where it lacks them.

    Raises:
        ReleaseError: it is not the one that is listed, cannot be read, or lacks a column.
    """
    with table_errors(f"{place.name} {entry.path}"):
        if place.folder is not None:
            return _read_file(place, entry, columns, optional)
        return _read_ranges(place, entry, columns, optional)


def _read_file(place: Place, entry: FileEntry, columns: Sequence[str], optional: Collection[str]) -> pa.Table:
    path = place.fetch(entry.path)
    with pa.memory_map(str(path)) as file:
        data = file.read_buffer()
        if (digest := hashlib.sha256(data).hexdigest()) != entry.sha256:
            refuse_misplaced(path, ReleaseError, path)
            place.refuse_changed()
            raise ReleaseError(
                "a table is not the one that is listed",
                got=f"sha256 {digest}",
                wanted=entry.sha256,
                where=path,
                fix="`sparkle validate` on a release, `sparkle index` again for an index",
            )
        return _read(pa.BufferReader(data), columns, optional)


def _read_ranges(
    place: Place, entry: FileEntry, columns: Sequence[str], optional: Collection[str]
) -> pa.Table:
    def read(span: tuple[int, int]) -> bytes:
        return read_exactly(place, entry.path, span[0], span[1] - span[0])

    file = _Sparse(entry.size)
    start = max(0, entry.size - _FOOTER_BYTES)
    file.put(start, read((start, entry.size)))
    footer = int.from_bytes(file.last(_TAIL_BYTES)[:4], "little") + _TAIL_BYTES
    if _FOOTER_BYTES < footer <= entry.size:
        file.put(entry.size - footer, read((entry.size - footer, start)))
    spans = [
        (first, min(last, start))
        for first, last in _chunks(read_footer(file), columns, optional)
        if first < start
    ]
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        for (first, _), data in zip(spans, pool.map(read, spans), strict=True):
            file.put(first, data)
    return _read(file, columns, optional)


def _read(source: Any, columns: Sequence[str], optional: Collection[str]) -> pa.Table:
    shards = [name for name in columns if name.endswith("_shard")]
    parquet = TableFile(source, encoded=shards)
    known = set(parquet.schema.names)
    return parquet.read([name for name in columns if name in known or name not in optional])


def _chunks(
    groups: Sequence[Group], columns: Sequence[str], optional: Collection[str]
) -> list[tuple[int, int]]:
    """The ranges that hold some columns, those near each other joined, in order."""
    found = []
    for group in groups:
        chunks = {chunk.path.partition(".")[0]: chunk for chunk in group.chunks}
        for name in columns:
            if name in chunks or name not in optional:
                found.append((chunks[name].start, chunks[name].end))
    joined: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if joined and first <= joined[-1][1] + _GAP_BYTES:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


class _Sparse(io.RawIOBase):
    """A file of which some ranges are in memory; reading anything else is an error."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0
        self._ranges: list[tuple[int, bytes]] = []

    def put(self, start: int, data: bytes) -> None:
        """Have a range; one that begins where another ends is joined with it."""
        for index, (first, known) in enumerate(self._ranges):
            if start + len(data) == first:
                self._ranges[index] = (start, data + known)
                return
        self._ranges.append((start, data))

    def last(self, count: int) -> bytes:
        """The last bytes of the file."""
        self.seek(-count, io.SEEK_END)
        return self.read(count)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        size = min(self._size - self._at, self._size if size < 0 else size)
        for start, data in self._ranges:
            if start <= self._at and self._at + size <= start + len(data):
                self._at += size
                return data[self._at - size - start : self._at - start]
        raise OSError(f"bytes {self._at} to {self._at + size} were not asked for")
