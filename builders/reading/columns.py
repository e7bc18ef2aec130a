"""Columns of a table of pairs as memory-mapped Arrow files, shared between processes.

How it works
- Parquet must be decoded into memory of one process. So what is asked for is written once, uncompressed, to
  the cache folder and mapped from there: opening it again takes milliseconds, workers share its pages, and
  what is not touched is not in memory.
- Columns go together in groups: what is known of a sample, then shard, offset, size and sha256 of a kind.
- A group's file is named by the sha256 of the table that it was read from, so it is never stale; it is
  written beside and renamed, so two processes that fill it do the same work and neither sees half a file.
- Where the cache cannot be written (no home, a full disk), columns live in memory; that is said once.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sparkle._cache import cache_folder
from sparkle._files import TEMPORARY_MARK, commit
from sparkle.builders.reading.place import Place
from sparkle.builders.reading.sparse import read_listed
from sparkle.builders.release.formats import CSV_COLUMNS
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.read_tables import table_errors
from sparkle.builders.release.tables import SCORE_COLUMNS, pad_columns, pairs_schema
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS, Kind

_VERSION = 2  # of a group's file; raised when it holds something else

BASE, REST = "base", "rest"
_SHA256_BYTES = 32
_PLACES = ("shard", "offset", "size", "sha256")
_BASE_COLUMNS = ("task", "prompt", "subtheme", "scene", "frames", "width", "height", *SCORE_COLUMNS)
_OF_KINDS = tuple(f"{kind.name}_{place}" for kind in KINDS for place in _PLACES)
# A preview is large and nobody trains on it; two of upstream's four strings follow from the id.
_LEFT_OUT = ("preview", *CSV_COLUMNS)
GROUPS: Mapping[str, tuple[str, ...]] = {
    BASE: _BASE_COLUMNS,
    **{kind.name: tuple(f"{kind.name}_{place}" for place in _PLACES) for kind in KINDS},
    REST: tuple(
        name for name in pairs_schema().names if name not in (*_BASE_COLUMNS, *_OF_KINDS, *_LEFT_OUT)
    ),
}
_TYPES = {
    **{f"{kind.name}_shard": pa.dictionary(pa.int32(), pa.string()) for kind in KINDS},
    **{f"{kind.name}_sha256": pa.binary(_SHA256_BYTES) for kind in KINDS},
}


def group_of(column: str) -> str:
    """The group that has a column; raises ReleaseError for one that none has."""
    for group, columns in GROUPS.items():
        if column in columns:
            return group
    known = ", ".join(name for columns in GROUPS.values() for name in columns)
    raise ReleaseError("the tables have no such column", got=column, wanted=f"one of {known}")


def kind_group(kind: Kind) -> str:
    """The group of a kind of artifact."""
    return kind.name


def numbers(column: pa.ChunkedArray, null: float = 0) -> npt.NDArray[Any]:
    """A column of numbers or flags as numpy, with a value for its nulls.

    pyarrow's own ways import pandas where it is installed, for a single scalar as for an array, and that
    takes as long as everything else here.
    """
    if not len(column):
        return np.empty(0, np.dtype(column.type.to_pandas_dtype()))
    if column.null_count:
        return np.where(numbers(column.is_valid()), _buffer(column), null).astype(_dtype(column), copy=False)
    return _buffer(column)


def positions(rows: npt.NDArray[np.int32]) -> pa.Array:
    """Positions of rows as Arrow takes them, without a copy; not pyarrow's own way either."""
    rows = np.ascontiguousarray(rows, np.int32)
    return pa.Array.from_buffers(pa.int32(), len(rows), [None, pa.py_buffer(rows)])


def _buffer(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """The values of a column as they are in memory, read-only; anything where they are null."""
    flags = pa.types.is_boolean(column.type)
    array = (column.cast(pa.uint8()) if flags else column).combine_chunks()
    values = np.frombuffer(array.buffers()[1], _dtype(array))[array.offset : array.offset + len(array)]
    return values.view(bool) if flags else values


def _dtype(array: pa.Array | pa.ChunkedArray) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(array.type.to_pandas_dtype())
    return found


def open_groups(place: Place, entries: Sequence[FileEntry], groups: Iterable[str]) -> dict[str, pa.Table]:
    """Groups of columns of some tables, one table after another, mapped from the cache.

    Args:
        place: Where the tables are.
        entries: The tables.
        groups: Names out of `GROUPS`.

    Raises:
        ReleaseError: a table is not the one that is listed, or cannot be read.
    """
    wanted = list(groups)
    parts: dict[str, list[pa.Table]] = {group: [] for group in wanted}
    for entry in entries:
        for group, table in _open_groups(place, entry, wanted).items():
            parts[group].append(table)
    empty = {group: _schema(group).empty_table() for group in wanted if not parts[group]}
    return {group: pa.concat_tables(found) for group, found in parts.items() if found} | empty


def _open_groups(place: Place, entry: FileEntry, groups: Sequence[str]) -> dict[str, pa.Table]:
    found = {group: table for group in groups if (table := _mapped(_path(entry, group))) is not None}
    missing = [group for group in groups if group not in found]
    if missing:
        columns = [name for group in missing for name in GROUPS[group]]
        table = _read(place, entry, columns)
        for group in missing:
            found[group] = _keep(_path(entry, group), table.select(GROUPS[group]))
    return found


def _path(entry: FileEntry, group: str) -> Path | None:
    """Where a group of a table is kept; None where there is no cache folder."""
    try:
        return cache_folder() / "tables" / f"{entry.sha256}-{group}-{_VERSION}.arrow"
    except RuntimeError:
        return None


def _mapped(path: Path | None) -> pa.Table | None:
    """A group that was kept; None where it was not, or what is there is no such file."""
    if path is None:
        return None
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowException):
        return None


def _keep(path: Path | None, table: pa.Table) -> pa.Table:
    """Write a group and map it; the table itself where it cannot be written."""
    if path is None:
        return table
    # Named by the thread as well: two that fill it at once do not write into one file.
    temporary = path.with_name(f"{TEMPORARY_MARK}{os.getpid()}-{get_ident()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pa.ipc.new_file(str(temporary), table.schema) as writer:
            writer.write_table(table)
        commit(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        warnings.warn(
            f"the cache of tables cannot be written, so every process holds its own: {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return table
    mapped = _mapped(path)
    return table if mapped is None else mapped


def _schema(group: str) -> pa.Schema:
    fields = pairs_schema()
    return pa.schema({name: _TYPES.get(name, fields.field(name).type) for name in GROUPS[group]})


def _read(place: Place, entry: FileEntry, columns: Sequence[str]) -> pa.Table:
    """Columns of a table with the types that are kept, one chunk each."""
    table, fields = pad_columns(read_listed(place, entry, columns), columns), pairs_schema()
    found = {}
    with table_errors(f"{place.name} {entry.path}"):
        for name in columns:
            column = table[name]
            wanted = _TYPES.get(name, fields.field(name).type)
            if column.type != wanted:
                column = _cast(column, wanted)
            found[name] = column.unify_dictionaries() if pa.types.is_dictionary(wanted) else column
        return pa.table(found).combine_chunks()


def _cast(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(wanted):
        return pc.dictionary_encode(column.cast(pa.string()))
    return column.cast(wanted)
