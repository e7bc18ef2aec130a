"""A theme's text without some samples: rows of the csv and JSON lines leave, all others stay byte for byte.

- A csv is read by Python's csv module, so that a row of several lines is one row, whoever quoted it; what is
  written are the bytes that it was read from.
- A JSON line belongs to the sample that its `id` names. A line that cannot be read leaves when it names one
  of the samples anywhere.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

import msgspec

from sparkle.builders.annotate import CSV_COLUMNS
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import atomic_path

_ID_COLUMN = CSV_COLUMNS[-1]


class _Line(msgspec.Struct):
    """What is read of a JSON line."""

    id: str


def cut_csv(source: Path, target: Path, ids: Set[str]) -> None:
    """Write a table of pairs without some samples.

    Raises:
        ReleaseError: it is no csv with a column of ids.
    """
    _write(target, (raw for raw, sample_id in _rows(source) if sample_id not in ids))


def cut_lines(source: Path, target: Path, ids: Set[str]) -> None:
    """Write a file of JSON lines without some samples."""
    names = tuple(sample_id.encode() for sample_id in sorted(ids))
    read = msgspec.json.Decoder(_Line).decode

    def stays(line: bytes) -> bool:
        try:
            return read(line.removeprefix(codecs.BOM_UTF8)).id not in ids
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return not any(name in line for name in names)

    with source.open("rb") as lines:
        _write(target, (line for line in lines if stays(line)))


def _write(target: Path, parts: Iterable[bytes]) -> None:
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        file.writelines(parts)


def _rows(path: Path) -> Iterator[tuple[bytes, str]]:
    """Yield (bytes, id) of each row; the first one is the header, which has the column's name for an id."""
    raw: list[bytes] = []

    def lines() -> Iterator[str]:
        for line in file:
            raw.append(line)
            yield line.removeprefix(codecs.BOM_UTF8).decode()

    with path.open("rb") as file:
        column = None
        try:
            for fields in csv.reader(lines()):
                if column is None:
                    column = fields.index(_ID_COLUMN)
                yield b"".join(raw), fields[column] if column < len(fields) else ""
                raw.clear()
        except (csv.Error, ValueError) as error:
            raise ReleaseError(
                "a table of pairs cannot be read, so nothing can be taken out of it",
                got=error,
                where=path,
                fix="`sparkle validate` says what is wrong with the release",
            ) from None
