"""Parquet tables of others, of which nothing is read that does not fit into memory.

- A file says how many values and bytes a column of a row group has. More than anybody needs is refused before
  it is read: 33 KB may stand for a gigabyte of text.
- A text that many rows repeat is stored once, so that a page of 100 KB may stand for terabytes. So texts are
  read as dictionaries, and put into the rows when their size is known.
- Text that is not UTF-8 is found when it is read, not when somebody first looks at it.
- Whatever Arrow raises is a ReleaseError. No file is opened that one would wait for, as for a fifo.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sparkle.schemas.errors import ReleaseError

MOST_BYTES = 128 << 20  # of the columns of a row group that are read; ours have some 10 MB
MOST_VALUES = 4 << 20  # of a column of a row group; ours have some 100,000, of boxes
MOST_FOOTER = 4 << 20  # bytes; Arrow makes a hundred times as many of them. A theme of upstream's has 0.5 MB

_ROWS = 1 << 17  # of a batch of a whole table; a row group of ours has 10,000

Source: TypeAlias = Path | IO[bytes] | pa.NativeFile


class TableFile:
    """An open Parquet file.

    Args:
        source: The file.
        where: What errors call it; None is the source.
        metadata: What it says of itself, where that was read before.
        encoded: Columns of text that are left as dictionaries.

    Attributes:
        schema: Its columns, texts as texts.
        metadata: What it says of itself.

    Raises:
        ReleaseError: it is no such file.
    """

    def __init__(
        self, source: Source, where: object = None, *, metadata: Any = None, encoded: Sequence[str] = ()
    ) -> None:
        self.where = source if where is None else where
        self._encoded = encoded
        with table_errors(self.where):
            _require_plain(source)
            opened = pq.ParquetFile(source, metadata=metadata)
            self.schema: pa.Schema = opened.schema_arrow
            self.metadata: Any = opened.metadata
            texts = sorted(_texts(self.metadata))
            self._file = pq.ParquetFile(source, metadata=self.metadata, read_dictionary=texts)

    def batches(
        self,
        rows: int,
        columns: Sequence[str] | None = None,
        groups: Iterable[int] | None = None,
        *,
        threads: bool = True,
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows, none of which is in the same batch as one of another row group.

        Args:
            rows: How many are in a batch at most.
            columns: Names of columns, or of fields in them (`preview.path`); None is all.
            groups: Numbers of row groups; None is all.
            threads: Whether Arrow reads columns at once.

        Raises:
            ReleaseError: a column is not there, a row group is too large, or cannot be read.
        """
        with table_errors(self.where):
            for name in columns or ():
                self.schema.field(name.partition(".")[0])
            for group in range(self.metadata.num_row_groups) if groups is None else groups:
                self._require_bounded(group, columns)
                found = self._file.iter_batches(
                    rows, row_groups=[group], columns=columns, use_threads=threads
                )
                yield from map(self._decoded, found)

    def read(self, columns: Sequence[str] | None = None, groups: Iterable[int] | None = None) -> pa.Table:
        """Return rows, columns in the order given; raises as `batches` does."""
        names = list(self.schema.names if columns is None else columns)
        batches = list(self.batches(_ROWS, names, groups))
        with table_errors(self.where):
            schema = batches[0].schema if batches else self.schema
            return pa.Table.from_batches(batches, schema).select(names)

    def _require_bounded(self, group: int, columns: Sequence[str] | None) -> None:
        said, size, most = self.metadata.row_group(group), 0, 0
        for column in (said.column(number) for number in range(said.num_columns)):
            path = column.path_in_schema
            if columns is None or any(path == name or path.startswith(f"{name}.") for name in columns):
                size += max(0, column.total_uncompressed_size)
                most = max(most, column.num_values)
        self._require_size(size, group)
        if most > MOST_VALUES:
            raise ReleaseError(
                "a row group of a table is too large",
                got=f"{most} values in a column of row group {group}",
                wanted=f"at most {MOST_VALUES}",
                where=self.where,
            )

    def _require_size(self, size: int, group: int | None = None) -> None:
        if size > MOST_BYTES:
            place = "once its texts stand in every row" if group is None else f"in row group {group}"
            raise ReleaseError(
                "a row group of a table is too large",
                got=f"{size} bytes {place}",
                wanted=f"at most {MOST_BYTES}",
                where=self.where,
            )

    def _decoded(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The same rows with their texts in them, which are UTF-8."""
        self._require_size(sum(_text_bytes(column) for column in batch.columns))
        columns = [
            column if name in self._encoded else column.cast(_decoded_type(column.type))
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        for name, column in zip(batch.schema.names, columns, strict=True):
            try:
                column.validate(full=True)
            except pa.ArrowInvalid as error:
                got = f"{name}: {error}"
                raise ReleaseError("a table has a value that is none", got=got, where=self.where) from None
        return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def read_columns(source: Source, columns: Sequence[str], where: object = None) -> pa.Table:
    """Return columns of a Parquet file in the order given; raises ReleaseError, also where one is missing."""
    return TableFile(source, where).read(columns)


@contextmanager
def table_errors(where: object) -> Iterator[None]:
    """Turn what Arrow raises about a table that is read inside the block into a ReleaseError."""
    try:
        yield
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise ReleaseError("a table cannot be read", got=error, where=where) from None


def _require_plain(source: Source) -> None:
    """Raise OSError where a source would be waited for, or says too much of itself."""
    if isinstance(source, Path):
        if source.exists() and not source.is_file():
            raise OSError("no plain file")
        with source.open("rb") as file:
            return _require_plain(file)
    size = source.seek(0, io.SEEK_END)
    source.seek(max(0, size - 8))
    footer = int.from_bytes(source.read(4), "little")
    source.seek(0)
    if MOST_FOOTER < footer < size:
        raise OSError(f"it says {footer} bytes of itself, and {MOST_FOOTER} are enough")


def _texts(metadata: Any) -> set[str]:
    """The paths of the columns of text that can be read as dictionaries."""
    found, other = set[str](), set[str]()
    for group in range(metadata.num_row_groups):
        said = metadata.row_group(group)
        for column in (said.column(number) for number in range(said.num_columns)):
            if column.physical_type == "BYTE_ARRAY":
                packed = "DELTA_LENGTH_BYTE_ARRAY" in column.encodings  # in which no text stands for another
                (other if packed else found).add(column.path_in_schema)
    return found - other


def _text_bytes(array: pa.Array) -> int:
    """How many bytes the texts of dictionaries will have in all rows."""
    if pa.types.is_dictionary(array.type):
        sizes = pc.binary_length(array.dictionary).cast(pa.int64())
        return pc.sum(sizes.take(array.indices)).as_py() or 0
    if pa.types.is_list(array.type):
        return _text_bytes(array.flatten())
    if pa.types.is_struct(array.type):
        return sum(map(_text_bytes, array.flatten()))
    return 0


def _decoded_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_decoded_type(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_decoded_type(field.type)) for field in kind])
    return kind
