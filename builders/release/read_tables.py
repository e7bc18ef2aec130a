"""Parquet tables of others, of which nothing is read that does not fit into memory.

- A file says how many values and bytes a column of a row group has, in its footer and before each page. More
  than anybody needs is refused before it is unpacked: 33 KB may stand for a gigabyte of text.
- A text that many rows repeat is stored once, so that a page of 100 KB may stand for terabytes. So texts are
  read as dictionaries, and put into the rows when their size is known.
- Text that is not UTF-8 is found when it is read, not when somebody first looks at it.
- Whatever Arrow raises is a ReleaseError. No file is opened that one would wait for, as for a fifo.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sparkle.builders.release.footer import (
    FIXED_TEXT,
    PLAIN_LENGTHS,
    REPEATING,
    TEXT,
    Group,
    read_footer,
    read_pages,
)
from sparkle.builders.release.tables import LATER_COLUMNS, pad_columns
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.misplaced import refuse_misplaced

MOST_BYTES = 128 << 20  # of the columns of a row group that are read; ours have some 10 MB
MOST_VALUES = 4 << 20  # of a column of a row group; ours have some 100,000, of boxes. And rows of a file
_MOST_PAGES = 200_000  # of a file, each of which is looked at; ours have some 10,000

_ROWS = 1 << 17  # of a batch of a whole table; a row group of ours has 10,000

Source: TypeAlias = Path | IO[bytes] | pa.NativeFile


class TableFile:
    """An open Parquet file.

    Args:
        source: The file.
        where: What errors call it; None is the source.
        encoded: Columns of text that are left as dictionaries.

    Attributes:
        schema: Its columns, texts as texts.
        groups: What it says of its row groups.

    Raises:
        ReleaseError: it is no such file.
    """

    def __init__(self, source: Source, where: object = None, *, encoded: Sequence[str] = ()) -> None:
        self.where = source if where is None else where
        self._encoded = encoded
        if isinstance(source, Path):
            refuse_misplaced(source, ReleaseError, self.where)
        with table_errors(self.where):
            self._source = _opened(source)
            self.groups = read_footer(self._source)
            self._pages = 0
            if self.rows > MOST_VALUES or min((group.rows for group in self.groups), default=0) < 0:
                raise OSError(f"it says that it has {self.rows} rows, and {MOST_VALUES} are enough")
            self._texts = _texts(self.groups)
            opened = pq.ParquetFile(self._source)
            self.schema: pa.Schema = opened.schema_arrow
            options = {"metadata": opened.metadata, "read_dictionary": sorted(self._texts)}
            self._file = pq.ParquetFile(self._source, **options)

    @property
    def rows(self) -> int:
        """How many rows it says that it has."""
        return sum(group.rows for group in self.groups)

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
            for group in range(len(self.groups)) if groups is None else groups:
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
        size = 0
        for chunk in self.groups[group].chunks:
            path = chunk.path
            if columns is not None and not any(
                path == name or path.startswith(f"{name}.") for name in columns
            ):
                continue
            pages = list(read_pages(self._source, chunk))
            self._pages += len(pages)
            if self._pages > _MOST_PAGES:
                raise OSError(f"more than {_MOST_PAGES} pages")
            repeats = any(page.encoding in REPEATING for page in pages)
            if repeats and chunk.kind in (TEXT, FIXED_TEXT) and path not in self._texts:
                raise OSError(f"{path} has other encodings than it says")
            values = max(chunk.values, sum(page.values for page in pages))
            if values > MOST_VALUES:
                raise ReleaseError(
                    "a row group of a table is too large",
                    got=f"{values} values of {path} in row group {group}",
                    wanted=f"at most {MOST_VALUES}",
                    where=self.where,
                )
            size += max(chunk.size, sum(page.size for page in pages))
        self._require_size(size, group)

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


def read_pair_columns(source: Source, columns: Sequence[str], where: object = None) -> pa.Table:
    """Return columns of a table of pairs in the order given; null where an earlier version had none."""
    table = TableFile(source, where)
    known = set(table.schema.names)
    return pad_columns(
        table.read([name for name in columns if name in known or name not in LATER_COLUMNS]), columns
    )


@contextmanager
def table_errors(where: object) -> Iterator[None]:
    """Turn what Arrow raises about a table that is read inside the block into a ReleaseError."""
    try:
        yield
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise ReleaseError("a table cannot be read", got=error, where=where) from None


def _opened(source: Source) -> IO[bytes] | pa.NativeFile:
    """The source as an open file; raises OSError where one would wait for it."""
    if not isinstance(source, Path):
        return source
    if source.exists() and not source.is_file():
        raise OSError("no plain file")
    return pa.OSFile(str(source))


def _texts(groups: Iterable[Group]) -> set[str]:
    """The paths of the columns of text that can be read as dictionaries."""
    chunks = [chunk for group in groups for chunk in group.chunks if chunk.kind == TEXT]
    other = {chunk.path for chunk in chunks if PLAIN_LENGTHS in chunk.encodings}
    return {chunk.path for chunk in chunks} - other


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
