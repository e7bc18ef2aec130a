"""Records of a file that grows, by key: memory holds where lines begin, and they are read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import msgspec

from sparkle._files import append_lines, read_records, recover_jsonl
from sparkle.schemas.records import Record

R = TypeVar("R", bound=Record)

_DIGITS = 64  # of a sha256; no id is as long


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
        self._begins: dict[str | bytes, int] = {}  # digits as bytes, which take half the room
        self._file: BinaryIO | None = None
        self._decode = msgspec.json.Decoder(kind).decode
        recover_jsonl(path)
        if path.exists():
            self._begins = {_packed(key(record)): begin for begin, record in read_records(path, kind)}

    def append(self, records: Sequence[R]) -> None:
        """Write records down, durably."""
        if not records:
            return
        begin = self._path.stat().st_size if self._path.exists() else 0
        for record, length in zip(records, append_lines(self._path, records), strict=True):
            self._begins[_packed(self._key(record))] = begin
            begin += length

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def __getitem__(self, key: str) -> R:
        begin = self._begins[_packed(key)]
        if self._file is None:
            self._file = self._path.open("rb")
        self._file.seek(begin)
        return self._decode(self._file.readline())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and _packed(key) in self._begins

    def __iter__(self) -> Iterator[str]:
        for key in self._begins:
            yield key if isinstance(key, str) else key.hex()

    def __len__(self) -> int:
        return len(self._begins)

    def records(self) -> Iterator[R]:
        """Read all records, in the order of the file."""
        if self._path.exists():
            yield from (record for _, record in read_records(self._path, self._kind))


def _packed(key: str) -> str | bytes:
    return bytes.fromhex(key) if len(key) == _DIGITS else key
