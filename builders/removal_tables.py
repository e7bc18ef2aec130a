"""The Parquet tables of a theme without some samples, as a build would write them of those that stay.

- Row groups, encodings and files are those of `catalog`: a release that is edited and one that is built of
  the same samples have the same tables.
- Previews that were there are taken over; those of samples that move up are made (`preview`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sparkle.builders.catalog import (
    ENCODING,
    PREVIEW_GROUP,
    RECORDS_GROUP,
    RECORDS_SCHEMA,
    ROW_GROUP,
    pairs_schema_for_datasets,
    table_writer,
)
from sparkle.builders.removal_model import ThemeCut
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS


def rows_left(cut: ThemeCut, offsets: Mapping[str, Mapping[str, int]]) -> pa.Table:
    """The rows that stay, with the places that their artifacts have once the tars are cut; no previews.

    Args:
        cut: What the theme loses.
        offsets: Path of a tar that was cut -> where each sample's data begins in it.
    """
    table = cut.rows.filter(cut.stays)
    ids = table["task"].to_pylist()
    for kind in KINDS:
        name = f"{kind.name}_offset"
        shards, known = table[f"{kind.name}_shard"].to_pylist(), table[name].to_pylist()
        values = [
            offsets[shard][sample_id] if shard in offsets else offset
            for sample_id, shard, offset in zip(ids, shards, known, strict=True)
        ]
        if values != known:
            field = table.schema.field(name)
            table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
    return table.combine_chunks()


def read_previews(paths: Iterable[Path]) -> dict[str, bytes]:
    """Every preview of a theme's files by the id of its row."""
    found: dict[str, bytes] = {}
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches(PREVIEW_GROUP, columns=["task", "preview.bytes"]):
            values = batch.column("preview").field("bytes").to_pylist()
            found.update(
                (sample_id, data)
                for sample_id, data in zip(batch.column("task").to_pylist(), values, strict=True)
                if data is not None
            )
    return found


def write_rows(
    paths: Sequence[Path], table: pa.Table, previews: Mapping[str, bytes], *, packed: bool
) -> None:
    """Write a theme's rows; one path, or two where there are rows both with and without a preview.

    Args:
        paths: The files.
        table: All rows, without previews, sorted by id.
        previews: Previews of the first rows, by id.
        packed: Whether columns are encoded as a build encodes them; an import leaves that to Parquet.
    """
    schema = pairs_schema_for_datasets()
    shown = len(previews)
    files = [(table.slice(0, shown), PREVIEW_GROUP)] if shown else []
    files += [(table.slice(shown), ROW_GROUP)] if shown < table.num_rows else []
    for path, (rows, size) in zip(paths, files, strict=True):
        with table_writer(path, schema, **(ENCODING if packed else {})) as writer:
            for start in range(0, rows.num_rows, size):
                group = rows.slice(start, size)
                videos = [_video(sample_id, previews) for sample_id in group["task"].to_pylist()]
                columns = {name: group[name] for name in group.schema.names}
                columns["preview"] = pa.array(videos, schema.field("preview").type)
                writer.write_table(
                    pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)
                )


def _video(sample_id: str, previews: Mapping[str, bytes]) -> dict[str, object] | None:
    data = previews.get(sample_id)
    return None if data is None else {"bytes": data, "path": f"{sample_id}.mp4"}


def cut_records(source: Path, target: Path, ids: Set[str]) -> None:
    """Write a table of records without some samples.

    Raises:
        ReleaseError: it is no such table.
    """
    try:
        file = pq.ParquetFile(source)
        if file.schema_arrow.remove_metadata() != RECORDS_SCHEMA:
            raise ReleaseError("not the columns of a table of records", where=source)
        with table_writer(target, RECORDS_SCHEMA) as writer:
            for table in _regrouped(file, ids):
                writer.write_table(table)
    except (pa.ArrowException, OSError) as error:
        raise ReleaseError("a table of records cannot be read", got=error, where=source) from None


def _regrouped(file: pq.ParquetFile, ids: Set[str]) -> Iterator[pa.Table]:
    """The rows that stay, in full groups."""
    gone = pa.array(sorted(ids), pa.string())
    held = RECORDS_SCHEMA.empty_table()
    for batch in file.iter_batches(RECORDS_GROUP):
        rows = pa.Table.from_batches([batch]).replace_schema_metadata(None)
        held = pa.concat_tables([held, rows.filter(pc.invert(pc.is_in(rows["task"], gone)))])
        while held.num_rows >= RECORDS_GROUP:
            yield held.slice(0, RECORDS_GROUP).combine_chunks()
            held = held.slice(RECORDS_GROUP)
    if held.num_rows:
        yield held.combine_chunks()
