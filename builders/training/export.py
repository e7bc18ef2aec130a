"""A release or an index becomes the folder that a trainer reads.

How it works
- Pairs are chosen (`open_pairs`) and weighted (`mix`), their videos are put into the folder (`videos`), and
  at last the trainer's own tables are written (`trainers`): a folder with tables has all that they list.
- A pair whose videos are damaged or differ is left out and named, and `export.json` says so: nothing takes
  its place. Everything else is exported.
- A rerun, of the same or of another choice, takes the videos that are there. The release is only read.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from sparkle._files import read_document, remove_leftovers, write_atomic
from sparkle._progress import Progress, count_text, silent
from sparkle.builders.reading.pairs import Pairs, open_pairs
from sparkle.builders.reading.source import open_source
from sparkle.builders.release.manifest import list_files
from sparkle.builders.training.mix import Times, times_listed
from sparkle.builders.training.trainers import TRAINERS, ExportedPair, Tables
from sparkle.builders.training.videos import KINDS, Named, Placed, bytes_to_write, place_videos
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.validate import parse_strict

FORMAT, VERSION = "sparkle-export", 1
EXPORT = "export.json"  # the mark of an export, and what it is


@dataclass(frozen=True)
class ExportChoice:
    """Which pairs are exported.

    Attributes:
        themes: The themes; None for all.
        min_scores: See `open_pairs`.
        max_scores: See `open_pairs`.
        mix: Shares of themes, which are then the themes; None for every pair once.
        limit: Most rows.
        seed: Seed of the mix.
    """

    themes: Sequence[str] | None = None
    min_scores: Mapping[str, float] | None = None
    max_scores: Mapping[str, float] | None = None
    mix: Mapping[str, Fraction] | None = None
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class ExportSummary:
    """What was exported.

    Attributes:
        out: Its folder.
        pairs: Pairs by theme.
        rows: Rows by theme: pairs, as often as each counts.
        how: Files by how they came there.
        bytes_written: Bytes of the files that were written, not linked.
        left_out: Pairs that were left out, and why.
        uneven: Pairs that were exported, with a video whose frames are not evenly timed.
        missing: Name of a kind -> ids of pairs that lack it.
        tables: The trainer's tables.
    """

    out: Path
    pairs: Mapping[str, int]
    rows: Mapping[str, int]
    how: Mapping[str, int]
    bytes_written: int
    left_out: Sequence[Named]
    uneven: Sequence[Named]
    missing: Mapping[str, Sequence[str]]
    tables: Tables

    @property
    def problems(self) -> list[str]:
        """Lines that name every pair that was left out, or exported with a video that is unevenly timed."""
        return [
            *(f"left out: {pair.id}: {pair.problem}" for pair in self.left_out),
            *(f"exported: {pair.id}: {pair.problem}" for pair in self.uneven),
        ]


def export_pairs(
    where: str | Path,
    trainer: str,
    out: Path,
    choice: ExportChoice | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> ExportSummary:
    """Write the folder that a trainer reads.

    Args:
        where: A folder with a release or an index, or `owner/name[@revision]` of either on a Hub.
        trainer: One of `TRAINERS`.
        out: The folder: new, empty, or of a previous export.
        choice: Which pairs; None for all.
        progress: Reports progress.
        say: Receives, as text, what will be written.

    Raises:
        ReleaseError: `where` cannot be read, no pair passes, `out` contains other files, or there is no room.
        ConfigError: there is no such score or measure, or the limit is below 1.
    """
    choice = choice or ExportChoice()
    _refuse(where, out)
    pairs, times = _choose(where, choice)
    rows = np.flatnonzero(times).tolist()
    _make_room(pairs, rows, out, say)
    before = _mark(out, trainer)
    with progress("exporting pairs", len(rows)) as advance:
        source = open_source(pairs.catalog, cache_bytes=0)  # the folder is the copy: none in the cache
        placed = place_videos(pairs, rows, source, out, advance)
    listed = [
        ExportedPair(sample_id, pairs.prompt(row), int(times[row]), placed.sizes[sample_id])
        for row, sample_id in zip(rows, pairs.take(rows).ids, strict=True)
        if sample_id in placed.sizes
    ]
    if not listed:
        raise ReleaseError(
            "no pair can be exported",
            got="; ".join(f"{left.id}: {left.problem}" for left in placed.left_out[:3]),
        )
    tables = TRAINERS[trainer](out, listed)
    summary = _summary(out, listed, placed, pairs, tables)
    _finish(summary, trainer, before)
    return summary


def _choose(where: str | Path, choice: ExportChoice) -> tuple[Pairs, Times]:
    """Return the pairs that pass, and how often each is listed."""
    limit = choice.limit if choice.mix is None else None
    themes = choice.themes if choice.mix is None else list(choice.mix)
    pairs = open_pairs(
        where,
        themes,
        kinds=KINDS,
        min_scores=choice.min_scores,
        max_scores=choice.max_scores,
        limit=limit,
    )
    ids = list(pairs.ids)
    found = Counter(map(theme_of, ids))
    empty = [theme for theme in choice.mix or () if not found[theme]]
    if not ids or empty:
        named = f" of {', '.join(empty)}" if ids else ""
        raise ReleaseError(f"no pair{named} passes", where=pairs.name, fix="ask for less")
    return pairs, times_listed(ids, choice.mix, choice.limit, choice.seed)


def _refuse(where: str | Path, out: Path) -> None:
    """Raise ReleaseError when the folder contains other files, or lies in what is exported."""
    if Path(where).is_dir() and out.resolve().is_relative_to(Path(where).resolve()):
        raise ReleaseError(
            "--out lies in the release that is exported", got=out, where=where, fix="choose another --out"
        )
    if out.exists() and not out.is_dir():
        raise ReleaseError("--out is not a folder", got=out, fix="choose another --out")
    if out.is_dir() and list_files(out) and not _is_export(out):
        raise ReleaseError(
            "--out contains files that are not part of an export",
            wanted="a new or empty folder, or an export to go on with",
            where=out,
            fix="choose another --out",
        )


def _is_export(out: Path) -> bool:
    return _read_mark(out).get("format") == FORMAT


def _read_mark(out: Path) -> dict[str, Any]:
    try:
        document = parse_strict(read_document(out / EXPORT))
    except (OSError, RecordError):
        return {}
    return document if isinstance(document, dict) else {}


def _make_room(pairs: Pairs, rows: Sequence[int], out: Path, say: Callable[[str], None]) -> None:
    """Say what will be written; raise ReleaseError when there is no room for it."""
    needed = bytes_to_write(pairs, rows, out)
    out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out).free
    say(f"{count_text(len(rows), 'pair')}; {needed:,} bytes of videos to write, others are linked or there")
    if needed > free:
        raise ReleaseError(
            "the export does not fit on this disk",
            got=f"{free:,} bytes free",
            wanted=f"{needed:,} bytes",
            where=out,
            fix="make room, choose another --out, or take less with --limit",
        )


def _mark(out: Path, trainer: str) -> list[str]:
    """Mark the folder as an unfinished export; return the tables of the previous one."""
    remove_leftovers(out)
    before = _read_mark(out)
    tables = list(before.get("tables", ()))
    document = {"format": FORMAT, "version": VERSION, "trainer": trainer, "finished": False, "tables": tables}
    write_atomic(out / EXPORT, dump_document(document))
    return tables


def _finish(summary: ExportSummary, trainer: str, before: Sequence[str]) -> None:
    """Write what was exported, and remove tables that only the previous export has."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "trainer": trainer,
        "finished": True,
        "tables": list(summary.tables.files),
        "pairs": dict(summary.pairs),
        "rows": dict(summary.rows),
        "left_out": list(map(asdict, summary.left_out)),
        "uneven": list(map(asdict, summary.uneven)),
        "missing": {name: list(ids) for name, ids in summary.missing.items()},
    }
    write_atomic(summary.out / EXPORT, dump_document(document))
    for name in set(before) - set(summary.tables.files):
        (summary.out / Path(name).name).unlink(missing_ok=True)


def _summary(
    out: Path, listed: Sequence[ExportedPair], placed: Placed, pairs: Pairs, tables: Tables
) -> ExportSummary:
    rows: Counter[str] = Counter()
    for pair in listed:
        rows[theme_of(pair.id)] += pair.times
    return ExportSummary(
        out=out,
        pairs=dict(Counter(theme_of(pair.id) for pair in listed)),
        rows=dict(rows),
        how=dict(placed.how),
        bytes_written=placed.bytes_written,
        left_out=placed.left_out,
        uneven=placed.uneven,
        missing=pairs.missing,
        tables=tables,
    )
