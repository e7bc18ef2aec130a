"""What a Parquet file says of its row groups and pages, read by ourselves: Thrift's compact protocol.

- Arrow has what a footer says, too, but ends the process (`std::terminate`) where sizes in it do not fit each
  other; and it does not tell what stands in front of each page, which is what decides how much is unpacked.
- Lengths and counts are held against the bytes that are there, whatever they say.
- The formats: parquet.thrift of https://github.com/apache/parquet-format, and Apache Thrift's
  thrift-compact-protocol.md.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import lru_cache
from typing import IO, Any, NamedTuple

import pyarrow as pa

MOST_FOOTER = 4 << 20  # bytes; Arrow makes a hundred times as many of them. A theme of upstream's has 0.5 MB

# Numbers of encodings: those in which few bytes stand for many, and one of text in which they do not.
REPEATING = (2, 7, 8)  # PLAIN_DICTIONARY, DELTA_BYTE_ARRAY, RLE_DICTIONARY
PLAIN_LENGTHS = 6  # DELTA_LENGTH_BYTE_ARRAY
TEXT, FIXED_TEXT = 6, 7  # numbers of physical types: bytes of any length, and of one

_MOST_PAGES = 10_000  # of a chunk; ours have two
_PAGE_HEADERS = (4 << 10, 1 << 20)  # bytes that are read of one at first, and then
_MAGIC = b"PAR1"
_DEEPEST = 32
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)


class ColumnChunk(NamedTuple):
    """A column of a row group.

    Attributes:
        path: Its name, with the fields in it behind points.
        kind: Number of its physical type.
        encodings: Numbers of its encodings.
        values: How many values it has.
        size: Bytes of its pages, unpacked.
        start: Where its pages are in the file.
        end: Where they end.
        nulls: How many values are null; None where it does not say.
    """

    path: str
    kind: int
    encodings: tuple[int, ...]
    values: int
    size: int
    start: int
    end: int
    nulls: int | None


class Group(NamedTuple):
    """A row group: how many rows, and its columns."""

    rows: int
    chunks: tuple[ColumnChunk, ...]


class Page(NamedTuple):
    """A page of a column of a row group: how many values, its bytes when unpacked, its encoding."""

    values: int
    size: int
    encoding: int


def read_footer(source: IO[bytes] | pa.NativeFile) -> list[Group]:
    """Return the row groups of an open file; raises OSError where it does not say."""
    size = source.seek(0, io.SEEK_END)
    source.seek(max(0, size - 8))
    tail = bytes(source.read(8))
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length + 12 > size:
        raise OSError("not a Parquet file")
    if length > MOST_FOOTER:
        raise OSError(f"{length} bytes of footer, and {MOST_FOOTER} are enough")
    source.seek(size - 8 - length)
    return parse_footer(bytes(source.read(length)))


def read_pages(source: IO[bytes] | pa.NativeFile, chunk: ColumnChunk) -> Iterator[Page]:
    """Yield the pages of a column of a row group of an open file; raises OSError where one cannot be read."""
    at, count = chunk.start, 0
    while at < chunk.end:
        count += 1
        if count > _MOST_PAGES:
            raise OSError(f"more than {_MOST_PAGES} pages of a column in a row group")
        page, step = _read_page(source, at, chunk.end)
        at += step
        yield page


def _read_page(source: IO[bytes] | pa.NativeFile, at: int, end: int) -> tuple[Page, int]:
    """Return the page at a byte, and how many bytes it has."""
    for most in _PAGE_HEADERS:
        source.seek(at)
        reader = _Compact(bytes(source.read(min(most, end - at))))
        try:
            said = reader.struct()
            told = said.get(5) or said.get(7) or said[8]  # of a page of data, a dictionary, or the newer data
            page = Page(int(told[1]), int(said[2]), int(told[4] if 8 in said else told[2]))
            step = reader.at + int(said[3])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            problem = error
            continue
        if min(page.values, page.size, step - reader.at) < 0 or at + step > end:
            problem = ValueError(f"{page} of {step} bytes at byte {at}")
            break
        return page, step
    raise OSError(f"a page that cannot be read: {problem!r}")


@lru_cache(maxsize=4)
def parse_footer(data: bytes) -> list[Group]:
    """Return the row groups that a footer describes; raises OSError where it is none."""
    try:
        said = _Compact(data).struct()
        return [Group(int(group[3]), tuple(map(_chunk, group[1]))) for group in said[4]]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise OSError(f"a footer that cannot be read: {error!r}") from None


def _chunk(column: dict[int, Any]) -> ColumnChunk:
    told = column[3]
    starts = [int(told[field]) for field in (9, 11) if told.get(field)]
    start, encodings = min(starts, default=0), tuple(map(int, told[2]))
    path = ".".join(part.decode() for part in told[3])
    values, size, packed, nulls = int(told[5]), int(told[6]), int(told[7]), told.get(12, {}).get(3)
    if min(start, packed, values, size) < 0:
        raise ValueError(f"{path} below zero")
    return ColumnChunk(path, int(told[1]), encodings, values, size, start, start + packed, nulls)


class _Compact:
    """Reads values one after another; whatever does not fit raises ValueError or IndexError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0
        self._depth = 0

    def struct(self) -> dict[int, Any]:
        """A struct's values by the numbers of their fields."""
        found: dict[int, Any] = {}
        field = 0
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("nested too deep")
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            found[field] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind)
        self._depth -= 1
        return found

    def _value(self, kind: int) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BINARY:
            return self._take(self._varint())
        if kind == _STRUCT:
            return self.struct()
        if kind in (_LIST, _SET):
            return self._list()
        if kind == _DOUBLE:
            return self._take(8)
        if kind in (_TRUE, _FALSE, _BYTE):  # inside a list
            return self._byte()
        raise ValueError(f"a value of unknown type {kind}")

    def _list(self) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()
        if count > len(self._data) - self.at:  # an item has at least a byte
            raise ValueError(f"a list of {count} items")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("nested too deep")
        found = [self._value(head & 15) for _ in range(count)]
        self._depth -= 1
        return found

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._data):
            raise ValueError(f"{count} bytes where fewer are left")
        self.at, start = end, self.at
        return self._data[start:end]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("a number of more than 64 bits")

    def _integer(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
