"""The rows of two Parquet tables side by side, without holding either table.

How it works
- A table is one or more files whose rows are sorted by `task`, each id once; anything else is refused.
- `align` finds which rows belong together from the ids alone; `differences` then goes through the row groups
  of the older table, reads the matching rows of the newer, and compares column by column in Arrow. Every
  row group is read once.
- Lists and records are compared as whole chunks, and row by row only where a chunk differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sparkle.schemas.errors import ReleaseError

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
        try:
            self._files = [pq.ParquetFile(file) for file in files]
            self.types: dict[str, pa.DataType] = {
                field.name: field.type for file in self._files[:1] for field in file.schema_arrow
            }
            self.ids = self.column(KEY) if files else pa.chunked_array([], pa.string())
        except (pa.ArrowException, KeyError) as error:
            raise ReleaseError("not a table of samples that can be read", got=error, where=name) from None
        self._groups = [
            (file, group) for file in self._files for group in range(file.metadata.num_row_groups)
        ]
        sizes = [file.metadata.row_group(group).num_rows for file, group in self._groups]
        self.starts = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        self._last: tuple[tuple[int, tuple[str, ...]], pa.Table] | None = None
        self._check_order()

    def column(self, name: str) -> pa.ChunkedArray:
        """A whole column."""
        return pa.chunked_array(
            [chunk for file in self._files for chunk in file.read(columns=[name])[name].chunks],
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
            self._last = key, file.read_row_group(group, columns=columns)
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
