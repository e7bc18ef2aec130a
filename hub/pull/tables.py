"""The tables of a folder that was pulled into: csv files for trainers, Parquet and an index for our readers.

- They list exactly what the folder has: what this pull brought, and what pulls before it did. A row of an
  earlier pull stays; of a sample that was pulled again the streams of both are there.
- A folder that was pulled into is an index of itself, so `open_pairs`, the loaders, `sparkle export` and
  another pull read it as they read a release.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sparkle.builders.annotate import CSV_COLUMNS, csv_line, pair_row
from sparkle.builders.catalog import ROW_GROUP, pairs_schema, pairs_schema_for_datasets, table_writer
from sparkle.builders.index.document import HERE, IndexDocument, dump_index, read_index
from sparkle.builders.manifest import FileEntry
from sparkle.builders.source.columns import BASE, GROUPS
from sparkle.hub.pull.plan import Plan
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import write_atomic
from sparkle.schemas.ids import THEMES, theme_of
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO

_PLACES = ("shard", "offset", "size", "sha256")

_Row = dict[str, Any]


def refuse_foreign(out: Path) -> None:
    """Raise ReleaseError when a folder has tables that no pull wrote: they would be replaced."""
    found = [layout.MANIFEST, *(layout.prompts_csv(theme) for theme in THEMES), "data"]
    others = [path for path in found if (out / path).exists()]
    if out.exists() and not out.is_dir():
        raise ReleaseError("--out is not a folder", got=out, fix="choose another --out")
    if (out / layout.INDEX).is_file() and read_index(out / layout.INDEX).folder == HERE:
        return
    if others or (out / layout.INDEX).exists():
        raise ReleaseError(
            "--out holds a release, an index or a download that is not of a pull",
            got=", ".join(others) or layout.INDEX,
            wanted="a new or empty folder, or one that was pulled into",
            where=out,
            fix="choose another --out",
        )


def write_tables(out: Path, plan: Plan, columns: Sequence[str]) -> list[str]:
    """Write the tables of what is there; returns the csv files.

    Args:
        out: The folder.
        plan: What was pulled, all of which is there now.
        columns: Columns beside those that every row has: those that were asked for.
    """
    rows = _rows_before(out)
    for row in _new_rows(plan, columns):
        before = rows.get(row["task"], {})
        rows[row["task"]] = before | {name: value for name, value in row.items() if value is not None}
    themes = [theme for theme in THEMES if any(theme_of(sample_id) == theme for sample_id in rows)]
    tables, written = [], []
    for theme in themes:
        of_theme = [rows[sample_id] for sample_id in sorted(rows) if theme_of(sample_id) == theme]
        path = layout.data_parquet(theme, 0, 1)
        _write_parquet(out / path, of_theme)
        tables.append(FileEntry(path, (out / path).stat().st_size, sha256_file(out / path)))
        if _write_csv(out / layout.prompts_csv(theme), of_theme):
            written.append(layout.prompts_csv(theme))
    write_atomic(out / layout.INDEX, dump_index(IndexDocument(tuple(tables), (), folder=HERE)))
    return written


def _rows_before(out: Path) -> dict[str, _Row]:
    """The rows of pulls before, by id."""
    if not (out / layout.INDEX).is_file():
        return {}
    names = [name for name in pairs_schema().names if name != "preview"]
    tables = [entry.path for entry in read_index(out / layout.INDEX).tables]
    found = (row for path in tables for row in pq.read_table(out / path, columns=names).to_pylist())
    return {row["task"]: row for row in found}


def _new_rows(plan: Plan, columns: Sequence[str]) -> list[_Row]:
    pairs = plan.pairs
    known = {name: pairs.column(name).to_pylist() for name in (*GROUPS[BASE], *columns)}
    rows = []
    for at, sample_id in enumerate(pairs.ids):
        row: _Row = {name: values[at] for name, values in known.items()}
        row |= pair_row(sample_id, row["prompt"])
        first = at * len(plan.kinds)
        for artifact in plan.artifacts[first : first + len(plan.kinds)]:
            place = (artifact.path, 0, artifact.size, artifact.sha256)
            row |= {f"{artifact.kind.name}_{name}": value for name, value in zip(_PLACES, place, strict=True)}
        rows.append(row)
    return rows


def _write_parquet(path: Path, rows: Sequence[_Row]) -> None:
    schema = pairs_schema_for_datasets()
    with table_writer(path, schema) as writer:
        for first in range(0, len(rows), ROW_GROUP):
            writer.write_table(pa.Table.from_pylist(list(rows[first : first + ROW_GROUP]), schema))


def _write_csv(path: Path, rows: Sequence[_Row]) -> bool:
    """Write the pairs of which both videos are there; whether there are any."""
    whole = [row for row in rows if _has(row, SOURCE_VIDEO.name) and _has(row, EDITED_VIDEO.name)]
    if whole:
        lines = [list(CSV_COLUMNS), *([row[name] for name in CSV_COLUMNS] for row in whole)]
        write_atomic(path, "".join(map(csv_line, lines)).encode())
    return bool(whole)


def _has(row: Mapping[str, Any], kind: str) -> bool:
    return row.get(f"{kind}_shard") is not None
