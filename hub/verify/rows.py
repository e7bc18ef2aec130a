"""What the tables say of artifacts: which member of which tar, where in it, how long, with which sha256."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from sparkle.builders.progress import Progress, silent
from sparkle.hub.verify.place import MemberRow, Place
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import KINDS, Kind


def table_paths(place: Place, theme: str) -> list[str]:
    """The files of a theme's rows, in order."""
    return sorted(path for path in place.files if path.startswith(f"data/{theme}/"))


def themes_of(place: Place) -> list[str]:
    """The themes that have rows."""
    return [theme for theme in THEMES if table_paths(place, theme)]


def read_rows(place: Place, theme: str, columns: Sequence[str], progress: Progress = silent) -> pa.Table:
    """Columns of a theme's rows.

    Raises:
        ReleaseError: a table cannot be read, or lacks a column.
    """
    paths = table_paths(place, theme)
    place.need(paths, progress, f"fetching the table of {theme}")
    tables = []
    for path in paths:
        try:
            tables.append(pq.ParquetFile(place.folder / path).read(list(columns)))
        except (pa.ArrowException, OSError, KeyError) as error:
            raise ReleaseError("a table cannot be read", got=error, where=f"{place.name} {path}") from None
        if missing := [name for name in columns if name not in tables[-1].column_names]:
            where = f"{place.name} {path}"
            raise ReleaseError("a table lacks a column", wanted=", ".join(missing), where=where)
    return pa.concat_tables(tables)


def member_rows(place: Place, theme: str, kinds: Sequence[Kind] = KINDS) -> list[MemberRow]:
    """Every artifact of a theme that stands in a tar, in the order of kinds and ids.

    Raises:
        ReleaseError: a table cannot be read, or a row says where an artifact is only in part.
    """
    parts = ("shard", "offset", "size", "sha256")
    columns = ["task", *(f"{kind.name}_{part}" for kind in kinds for part in parts)]
    table = read_rows(place, theme, columns)
    ids = table["task"].to_pylist()
    found = []
    for kind in kinds:
        values = [table[f"{kind.name}_{part}"].to_pylist() for part in parts]
        for sample_id, shard, offset, size, sha256 in zip(ids, *values, strict=True):
            if shard is None or not shard.endswith(
                ".tar"
            ):  # an imported release may lack it, or have it loose
                continue
            if None in (sample_id, offset, size, sha256):
                raise ReleaseError(
                    "a row does not say where an artifact is", where=f"{place.name} {sample_id} {kind.name}"
                )
            found.append(MemberRow(sample_id, kind, shard, offset, size, sha256.hex()))
    return sorted(found, key=lambda row: (KINDS.index(row.kind), row.id))
