"""How a theme's samples differ between two releases, from its tables alone.

How it works
- A pair has changed when an artifact has other bytes (its sha256 is in the pairs' table), or a word, a number
  or a record of it is another. Where it lies in which tar is no property of a pair: `shards`.
- Scores and measures are compared as distributions, over all samples of each side.
- Previews are never read; records are read only when their file differs.
- A table is one or more files whose rows are sorted by `task`, each id once; anything else is refused.
- `align` finds which rows belong together from the ids alone; `differences` then goes through the row groups
  of the older table, reads the matching rows of the newer, and compares column by column in Arrow. Every
  row group is read once, and neither table is held.
- Lists and records are compared as whole chunks, and row by row only where a chunk differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sparkle.builders.release.read_tables import TableFile, table_errors
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS

_PREVIEW = "preview"
_RECORDS = "records."  # before the name of a column that only the table of records has
# Columns of an artifact by their suffix -> whether a difference is one of the artifact, or of its place.
_OF_CONTENT, _OF_PLACE = ("_size", "_sha256"), ("_shard", "_offset")


@dataclass(frozen=True)
class Spread:
    """How the values of a column are spread: how many there are, their mean and percentiles."""

    count: int
    mean: float
    p10: float
    p50: float
    p90: float


@dataclass(frozen=True)
class Shift:
    """A score or measure before and after.

    Attributes:
        column: Its column.
        before: All samples of the older release; None without any.
        after: All samples of the newer release; None without any.
        distance: The largest gap between the two cumulative distributions, 0 (the same) to 1
            (Kolmogorov-Smirnov statistic); None unless both have values.
    """

    column: str
    before: Spread | None
    after: Spread | None
    distance: float | None


@dataclass(frozen=True)
class ShardMembers:
    """What happened to the members of a shard: ids that left it, entered it, or have other bytes in it."""

    left: int = 0
    entered: int = 0
    changed: int = 0


@dataclass(frozen=True)
class ThemeDiff:
    """How a theme's samples differ.

    Attributes:
        theme: The theme.
        before: Samples of the older release.
        after: Samples of the newer release.
        added: Ids that only the newer has, sorted.
        removed: Ids that only the older has, sorted.
        changed: Id -> in what it differs: kinds of artifact, columns, `records.` and a column.
        shifts: Scores and measures.
        shards: Path of a shard -> what happened to its members; shards without a difference are left out.
        columns_added: Columns that only the newer has; they are not compared.
        columns_removed: Columns that only the older has, or with another type; they are not compared.
    """

    theme: str
    before: int
    after: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]
    shifts: tuple[Shift, ...]
    shards: Mapping[str, ShardMembers]
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """A theme in one release: its pairs, and its records where they are to be compared."""

    pairs: Table
    records: Table | None


def compare_theme(theme: str, before: Side, after: Side) -> ThemeDiff:
    """Compare a theme of two releases; raises ReleaseError for a table that cannot be read."""
    rows = align(before.pairs, after.pairs)
    columns = _shared(before.pairs, after.pairs)
    flags = _flags(before.pairs, after.pairs, rows, columns)
    found = _by_field(flags)
    ids = before.pairs.ids.take(pa.array(rows.before))
    changed = _changed_ids(found, ids)
    if before.records is not None and after.records is not None:
        for sample_id, fields in _changed_records(before.records, after.records, found.keys()).items():
            changed[sample_id] = changed.get(sample_id, ()) + fields
    return ThemeDiff(
        theme=theme,
        before=len(before.pairs.ids),
        after=len(after.pairs.ids),
        added=tuple(after.pairs.ids.take(pa.array(rows.added)).to_pylist()),
        removed=tuple(before.pairs.ids.take(pa.array(rows.removed)).to_pylist()),
        changed={sample_id: changed[sample_id] for sample_id in sorted(changed)},
        shifts=tuple(_shifts(before.pairs, after.pairs)),
        shards=_shards(before.pairs, after.pairs, rows, flags),
        columns_added=_unshared(after.pairs, before.pairs),
        columns_removed=_unshared(before.pairs, after.pairs),
    )


# --- pairs ------------------------------------------------------------------------------------


def _shared(before: Table, after: Table) -> list[str]:
    """Columns that can be compared."""
    return [
        name
        for name, dtype in before.types.items()
        if name not in (KEY, _PREVIEW) and after.types.get(name) == dtype
    ]


def _unshared(one: Table, other: Table) -> tuple[str, ...]:
    if not one.types or not other.types:  # one of them has no rows of this theme at all
        return ()
    return tuple(name for name, dtype in one.types.items() if other.types.get(name) != dtype)


def _flags(before: Table, after: Table, rows: Alignment, columns: Sequence[str]) -> dict[str, Flags]:
    """Column -> bool (N,): which aligned rows differ in it."""
    flags = {name: np.zeros(len(rows.before), bool) for name in columns}
    for first, chunk in differences(before, after, rows, columns):
        for name, found in chunk.items():
            flags[name][first : first + len(found)] = found
    return flags


def _by_field(flags: Mapping[str, Flags]) -> dict[str, Flags]:
    """Columns put together by what they say: one field a kind of artifact, places left out."""
    of_place = {f"{kind.name}{suffix}" for kind in KINDS for suffix in _OF_PLACE}
    of_content = {f"{kind.name}{suffix}": kind.name for kind in KINDS for suffix in _OF_CONTENT}
    fields: dict[str, Flags] = {}
    for name, found in flags.items():
        if name not in of_place:
            field = of_content.get(name, name)
            fields[field] = found | fields[field] if field in fields else found
    return fields


def _changed_ids(fields: Mapping[str, Flags], ids: pa.ChunkedArray) -> dict[str, tuple[str, ...]]:
    changed: dict[str, tuple[str, ...]] = {}
    for field, flags in fields.items():
        for sample_id in ids.take(pa.array(np.flatnonzero(flags))).to_pylist():
            changed[sample_id] = (*changed.get(sample_id, ()), field)
    return changed


def _changed_records(before: Table, after: Table, known: Any) -> dict[str, tuple[str, ...]]:
    """Id -> fields of the records that differ, without those that the pairs have as well."""
    rows = align(before, after)
    columns = [name for name in _shared(before, after) if name not in known]
    flags = _flags(before, after, rows, columns)
    ids = before.ids.take(pa.array(rows.before))
    return _changed_ids({f"{_RECORDS}{name}": found for name, found in flags.items()}, ids)


# --- scores -----------------------------------------------------------------------------------


def _shifts(before: Table, after: Table) -> list[Shift]:
    types = before.types or after.types
    names = [name for name, dtype in types.items() if pa.types.is_floating(dtype)]
    return [_shift(name, _values(before, name), _values(after, name)) for name in names]


def _values(table: Table, name: str) -> npt.NDArray[np.float64]:
    """The values of a column that are there, sorted."""
    if name not in table.types:
        return np.empty(0)
    return np.sort(np.asarray(pc.drop_null(table.column(name)).to_numpy(), np.float64))


def _shift(name: str, before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> Shift:
    distance = None
    if len(before) and len(after):
        steps = np.concatenate((before, after))
        shares = [np.searchsorted(values, steps, "right") / len(values) for values in (before, after)]
        distance = float(np.max(np.abs(shares[0] - shares[1])))
    return Shift(name, _spread(before), _spread(after), distance)


def _spread(values: npt.NDArray[np.float64]) -> Spread | None:
    if not len(values):
        return None
    p10, p50, p90 = (float(value) for value in np.percentile(values, [10, 50, 90]))
    return Spread(len(values), float(np.mean(values)), p10, p50, p90)


# --- shards -----------------------------------------------------------------------------------


def _shards(
    before: Table, after: Table, rows: Alignment, flags: Mapping[str, Flags]
) -> dict[str, ShardMembers]:
    counts: dict[str, list[int]] = {}
    for kind in KINDS:
        column = f"{kind.name}_shard"
        moved = flags.get(column)
        if moved is None:  # one side has no rows, or no such column
            moved = np.ones(len(rows.before), bool)
        stayed = ~moved
        content = [flags[name] for suffix in _OF_CONTENT if (name := f"{kind.name}{suffix}") in flags]
        other_bytes = stayed & np.logical_or.reduce([*content, np.zeros(len(stayed), bool)])
        left = np.concatenate((rows.removed, rows.before[moved]))
        entered = np.concatenate((rows.added, rows.after[moved]))
        for index, (table, positions) in enumerate(
            ((before, left), (after, entered), (after, rows.after[other_bytes]))
        ):
            if column in table.types and len(positions):
                _count(table.column(column).take(pa.array(positions)), index, counts)
    return {path: ShardMembers(*counts[path]) for path in sorted(counts)}


def _count(shards: pa.ChunkedArray, index: int, counts: dict[str, list[int]]) -> None:
    for entry in pc.value_counts(shards).to_pylist():
        if entry["values"] is not None:
            counts.setdefault(entry["values"], [0, 0, 0])[index] += entry["counts"]


# --- the rows of two Parquet tables side by side ---------------------------------------------------


KEY = "task"  # the column that holds a row's id

Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Table:
    """The rows of some Parquet files, one after another, read by position.

    Args:
        files: The files in order; none is a table without rows.
        name: What to call the table in messages.

    Attributes:
        types: Arrow type by column; empty when there is no file.
        ids: The column of ids.
        starts: int64 (groups + 1,): position of the first row of each row group, and the number of rows.

    Raises:
        ReleaseError: a file is not Parquet, has no ids, or its rows are not sorted by them.
    """

    def __init__(self, files: Sequence[Path], name: str) -> None:
        self.name = name
        self._files = [TableFile(file, name) for file in files]
        self.types: dict[str, pa.DataType] = {
            field.name: field.type for file in self._files[:1] for field in file.schema
        }
        self.ids = self.column(KEY) if files else pa.chunked_array([], pa.string())
        self._groups = [(file, group) for file in self._files for group in range(len(file.groups))]
        sizes = [file.groups[group].rows for file, group in self._groups]
        self.starts = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        self._last: tuple[tuple[int, tuple[str, ...]], pa.Table] | None = None
        self._check_order()

    def column(self, name: str) -> pa.ChunkedArray:
        """A whole column."""
        with table_errors(self.name):
            return pa.chunked_array(
                [chunk for file in self._files for chunk in file.read([name])[name].chunks],
                type=self.types[name],
            )

    def take(self, positions: Indices, columns: Sequence[str]) -> pa.Table:
        """The rows at some positions, rising and at least one."""
        parts = []
        bounds = np.searchsorted(positions, self.starts)
        for index, (first, last) in enumerate(pairwise(map(int, bounds))):
            if first < last:
                rows, wanted = self._group(index, columns), positions[first:last] - self.starts[index]
                parts.append(rows if len(rows) == len(wanted) else rows.take(pa.array(wanted)))
        return pa.concat_tables(parts)

    def _group(self, index: int, columns: Sequence[str]) -> pa.Table:
        """A row group; the last one is kept, for the next rows that are asked for begin in it."""
        key = (index, tuple(columns))
        if self._last is None or self._last[0] != key:
            file, group = self._groups[index]
            self._last = key, file.read(columns, [group])
        return self._last[1]

    def _check_order(self) -> None:
        if self.ids.null_count:
            raise ReleaseError("a row has no id", where=self.name)
        ids = self.ids.combine_chunks()
        wrong = pc.less_equal(ids[1:], ids[:-1]) if len(ids) > 1 else pa.array([], pa.bool_())
        if pc.any(wrong).as_py():
            index = pc.index(wrong, True).as_py() + 1
            raise ReleaseError(
                "rows are not sorted by id, each id once",
                got=f"{ids[index]} after {ids[index - 1]}",
                where=f"{self.name} row {index}",
                fix="`sparkle validate` on this release says more",
            )


@dataclass(frozen=True)
class Alignment:
    """Which rows of two tables belong together.

    Attributes:
        before: int64 (N,): positions in the older table of the samples that both have, rising.
        after: int64 (N,): their positions in the newer table, rising as well.
        removed: Positions in the older table of samples that only it has.
        added: Positions in the newer table of samples that only it has.
    """

    before: Indices
    after: Indices
    removed: Indices
    added: Indices


def align(before: Table, after: Table) -> Alignment:
    """Find the rows that belong together."""
    found = pc.index_in(before.ids, value_set=after.ids)
    kept = np.asarray(pc.is_valid(found).combine_chunks().to_numpy(zero_copy_only=False), bool)
    positions = np.asarray(pc.drop_null(found).to_numpy(), np.int64)
    added = np.ones(len(after.ids), bool)
    added[positions] = False
    return Alignment(np.flatnonzero(kept), positions, np.flatnonzero(~kept), np.flatnonzero(added))


def differences(
    before: Table, after: Table, rows: Alignment, columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, Flags]]]:
    """Yield (first aligned row, column -> which of its rows differ), a row group of the older at a time.

    Args:
        before: The older table.
        after: The newer table.
        rows: How they belong together.
        columns: Columns that both have, with the same type.
    """
    bounds = np.searchsorted(rows.before, before.starts)
    for first, last in pairwise(map(int, bounds)):
        if first < last:
            old = before.take(rows.before[first:last], columns)
            new = after.take(rows.after[first:last], columns)
            yield first, {name: _differs(old[name], new[name]) for name in columns}


def _differs(old: pa.ChunkedArray, new: pa.ChunkedArray) -> Flags:
    """Where two columns of equal length differ; null equals null."""
    if old.equals(new):
        return np.zeros(len(old), bool)
    if pa.types.is_nested(old.type):
        pairs: Any = zip(old.to_pylist(), new.to_pylist(), strict=True)
        return np.array([left != right for left, right in pairs], bool)
    unlike = pc.fill_null(pc.not_equal(old, new), False)
    nulls = pc.xor(pc.is_null(old), pc.is_null(new))
    return np.asarray(pc.or_(unlike, nulls).to_numpy(), bool)
