"""Records of a file that grows, by key: memory holds where lines begin, and they are read when asked for.

Keys have numbers, by which whoever has something to say of them keeps it in arrays: a million keys are in
memory once.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar, cast

import msgspec

from sparkle._files import append_lines, read_records, recover_jsonl
from sparkle.schemas.records import Record

R = TypeVar("R", bound=Record)

_DIGITS = 64  # of a sha256; no id is as long
_NONE = -1


class Numbers:
    """A number for each key, from 0 in the order in which they come: what goes by key is an array."""

    def __init__(self) -> None:
        self.keys: list[str | bytes] = []
        self._numbers: dict[str | bytes, int] = {}

    def find(self, key: str | bytes) -> int | None:
        """Return a key's number, if it has one."""
        return self._numbers.get(key)

    def give(self, key: str | bytes) -> int:
        """Return a key's number; a new one where it has none."""
        number = self._numbers.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
        return number

    def in_order(self) -> array[int]:
        """Return all numbers in the order of their keys, which are of one type."""
        keys = cast("list[str]", self.keys)
        return array("i", sorted(range(len(keys)), key=keys.__getitem__))


class Lines(Mapping[str, R], Generic[R]):
    """The records of a file; the last one of a key counts.

    Args:
        path: The file; a torn tail is cut off.
        kind: What its lines are.
        key: Of a record: 64 hexadecimal digits, or any other text.
    """

    def __init__(self, path: Path, kind: type[R], key: Callable[[R], str]) -> None:
        self._path = path
        self._kind = kind
        self._key = key
        self.numbers = Numbers()  # digits as bytes, which take half the room
        self._begins = array("q")
        self._count = 0
        self._file: BinaryIO | None = None
        self._decode = msgspec.json.Decoder(kind).decode
        recover_jsonl(path)
        if path.exists():
            for begin, record in read_records(path, kind):
                self._put(record, begin)

    def append(self, records: Sequence[R]) -> None:
        """Write records down, durably."""
        if not records:
            return
        begin = self._path.stat().st_size if self._path.exists() else 0
        for record, length in zip(records, append_lines(self._path, records), strict=True):
            self._put(record, begin)
            begin += length

    def _put(self, record: R, begin: int) -> None:
        number = self.numbers.give(_packed(self._key(record)))
        self._begins.extend([_NONE] * (number + 1 - len(self._begins)))
        self._count += self._begins[number] == _NONE
        self._begins[number] = begin

    def _begin(self, key: str) -> int:
        number = self.numbers.find(_packed(key))
        return _NONE if number is None or number >= len(self._begins) else self._begins[number]

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def __getitem__(self, key: str) -> R:
        begin = self._begin(key)
        if begin == _NONE:
            raise KeyError(key)
        if self._file is None:
            self._file = self._path.open("rb")
        self._file.seek(begin)
        return self._decode(self._file.readline())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._begin(key) != _NONE

    def __iter__(self) -> Iterator[str]:
        for key, begin in zip(self.numbers.keys, self._begins, strict=False):
            if begin != _NONE:  # others may number keys of which there is no record
                yield key if isinstance(key, str) else key.hex()

    def __len__(self) -> int:
        return self._count

    def records(self) -> Iterator[R]:
        """Read all records, in the order of the file."""
        if self._path.exists():
            yield from (record for _, record in read_records(self._path, self._kind))


def _packed(key: str) -> str | bytes:
    return bytes.fromhex(key) if len(key) == _DIGITS else key
