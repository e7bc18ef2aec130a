"""Chosen samples of a release or an index, as loose files in upstream's layout.

How it works
- Pairs are chosen from the tables, a plan says what is missing (`plan`), and what is missing is read in the
  order in which it lies in its tars and written beside its place, checked, and renamed: a file is there whole
  and right, or not at all.
- Then the folder's tables are written: csv files for trainers, Parquet and an index for our readers. They
  list what this pull brought and what pulls before it did; of a sample that was pulled again, both's streams.
- The folder is an index of itself, so `open_pairs`, the loaders, `sparkle export` and another pull read it as
  they read a release. The index is its mark, too: it is there, without tables, before the first file is.
- A rerun, after a kill or with another choice, brings what is missing and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from sparkle._files import exclusive, remove_leftovers, safe_join, temporary_beside, write_atomic
from sparkle._progress import Progress, silent
from sparkle.builders.reading.columns import BASE, GROUPS, REST
from sparkle.builders.reading.index import HERE, IndexDocument, dump_index, read_index
from sparkle.builders.reading.pairs import Pairs, open_pairs
from sparkle.builders.reading.source import open_source
from sparkle.builders.release.formats import CSV_COLUMNS, csv_line, pair_row
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.read_tables import read_pair_columns
from sparkle.builders.release.tables import ROW_GROUP, pairs_schema, pairs_schema_for_datasets, table_writer
from sparkle.hub.pull.plan import PullPlan, make_plan, refuse_too_much
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES, theme_of
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO, Kind

_MEGABYTE = 10**6


@dataclass(frozen=True)
class PullChoice:
    """Which samples are pulled, and what of them.

    Attributes:
        themes: The themes; None for all.
        min_scores: See `open_pairs`.
        max_scores: See `open_pairs`.
        limit: Most pairs, the first by theme and id.
        kinds: The streams.
    """

    themes: Sequence[str] | None = None
    min_scores: Mapping[str, float] = field(default_factory=dict)
    max_scores: Mapping[str, float] = field(default_factory=dict)
    limit: int | None = None
    kinds: Sequence[Kind] = (SOURCE_VIDEO, EDITED_VIDEO)


@dataclass(frozen=True)
class Pulled:
    """What a pull brought.

    Attributes:
        out: The folder.
        pairs: How many pairs were chosen.
        files: How many files were brought.
        bytes: Their bytes.
        requests: Requests of the Hub, those for tables included.
        received: Bytes of its answers.
        csv: The csv files that were written.
    """

    out: Path
    pairs: int
    files: int
    bytes: int
    requests: int
    received: int
    csv: Sequence[str]


def plan_pull(where: str, choice: PullChoice, out: Path, progress: Progress = silent) -> PullPlan:
    """Choose pairs, and find out what of them is missing in a folder.

    Args:
        where: A folder with a release or an index, or `owner/name[@revision]` of either on a Hub.
        choice: Which pairs, and what of them.
        out: The folder.
        progress: Told how the work goes on.

    Raises:
        ReleaseError: `where` cannot be read, nothing passes, or the folder holds something else.
    """
    refuse_foreign(out)
    pairs = _choose(where, choice)
    with progress("looking at what is there", len(pairs) * len(choice.kinds)) as advance:
        return make_plan(pairs, choice.kinds, out, advance)


def pull_pairs(plan: PullPlan, choice: PullChoice, out: Path, progress: Progress = silent) -> Pulled:
    """Bring what a plan says that is missing.

    Args:
        plan: The plan.
        choice: What it was made of.
        out: The folder.
        progress: Told of megabytes.

    Raises:
        ReleaseError: there is no room, another process pulls into the folder, or what comes is not what the
            tables say. What was brought before stays.
        UnreachableError: the Hub does not answer.
    """
    refuse_too_much(plan, out, None)
    source = open_source(plan.pairs.catalog, cache_bytes=0)  # what is pulled is kept in its place
    out.mkdir(parents=True, exist_ok=True)
    busy = ReleaseError("another process pulls into this folder", where=out, fix="wait for it")
    with exclusive(out, busy), progress("pulling (MB)", plan.missing_bytes // _MEGABYTE) as advance:
        remove_leftovers(out)
        _mark(out)
        done = 0
        for artifact, data in zip(plan.missing, source.read_many(plan.missing, gap=plan.gap), strict=True):
            path = safe_join(out, artifact.path)
            temporary = temporary_beside(path)
            temporary.write_bytes(data)
            temporary.replace(path)  # not synced: a rerun looks at what is there
            before, done = done, done + len(data)
            advance(done // _MEGABYTE - before // _MEGABYTE)
        asked = [name for name in {**choice.min_scores, **choice.max_scores} if name in GROUPS[REST]]
        written = write_tables(out, plan, asked)
    return Pulled(
        out=out,
        pairs=len(plan.pairs),
        files=len(plan.missing),
        bytes=plan.missing_bytes,
        requests=source.requests,
        received=source.bytes_read,
        csv=written,
    )


def _choose(where: str, choice: PullChoice) -> Pairs:
    pairs = open_pairs(
        where,
        choice.themes,
        kinds=choice.kinds,
        min_scores=choice.min_scores,
        max_scores=choice.max_scores,
        limit=choice.limit,
    )
    if not len(pairs):
        raise ReleaseError("no pair passes", where=pairs.name, fix="ask for less in --min and --max")
    return pairs


# --- the tables of a folder ------------------------------------------------------------------------


_PLACES = ("shard", "offset", "size", "sha256")

_Row = dict[str, Any]


def refuse_foreign(out: Path) -> None:
    """Raise ReleaseError when a folder has tables that no pull wrote: they would be replaced."""
    found = [layout.MANIFEST, *(layout.prompts_csv(theme) for theme in THEMES), layout.DATA]
    others = [path for path in found if (out / path).exists()]
    if out.exists() and not out.is_dir():
        raise ReleaseError("--out is not a folder", got=out, fix="choose another --out")
    if (out / layout.INDEX).is_file() and read_index(out / layout.INDEX).folder == HERE:
        return
    if others or (out / layout.INDEX).exists():
        raise ReleaseError(
            "--out already contains a release, an index or a download that no pull made",
            got=", ".join(others) or layout.INDEX,
            wanted="a new or empty folder, or one that was pulled into",
            where=out,
            fix="choose another --out",
        )


def _mark(out: Path) -> None:
    """Say that a folder is a pull's before there is anything in it, so that a killed one goes on."""
    if not (out / layout.INDEX).exists():
        write_atomic(out / layout.INDEX, dump_index(IndexDocument((), (), folder=HERE)))


def write_tables(out: Path, plan: PullPlan, columns: Sequence[str]) -> list[str]:
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
    """The rows of pulls before, by id; also of one that was killed before the index listed its tables."""
    names = [name for name in pairs_schema().names if name != "preview"]
    tables = (out / layout.data_parquet(theme, 0, 1) for theme in THEMES)
    found = (row for path in tables if path.exists() for row in read_pair_columns(path, names).to_pylist())
    return {row["task"]: row for row in found}


def _new_rows(plan: PullPlan, columns: Sequence[str]) -> list[_Row]:
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
