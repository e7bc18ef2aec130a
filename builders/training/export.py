"""A release or an index becomes the folder that a trainer reads.

How it works
- Pairs are chosen (`open_pairs`), their videos are put into the folder (`videos`), those that are in order
  are weighted (`mix`), and at last the trainer's own tables are written (`trainers`): a folder with tables
  has all that they list.
- A pair whose videos are damaged or differ is left out and named, and `export.json` says so. Everything else
  is exported; with a limit the next pair takes its place.
- A rerun, of the same or of another choice, takes the videos that are there. When one is replaced by another
  video, the tables of the previous export and the latents that were cached of it are removed before.
- The release is only read; but what is linked is its own, and `ExportChoice.copy` makes files apart.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from sparkle._files import remove_leftovers
from sparkle._progress import Progress, count_text, silent
from sparkle.builders.reading.catalog import open_catalog
from sparkle.builders.reading.pairs import Pairs, open_pairs
from sparkle.builders.reading.source import open_source
from sparkle.builders.release.exported import read_mark, write_mark
from sparkle.builders.release.manifest import list_files
from sparkle.builders.training.mix import candidates, times_listed
from sparkle.builders.training.trainers import CACHE, FURTHER, TRAINERS, ExportedPair, Tables
from sparkle.builders.training.videos import PAIR, Files, Named, Placed
from sparkle.schemas.errors import ConfigError, ReleaseError, command
from sparkle.schemas.ids import theme_of


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
        further: What the trainer reads besides both videos, by the names of `FURTHER`.
        copy: Whether every file is one of its own, and none a link to the release's.
    """

    themes: Sequence[str] | None = None
    min_scores: Mapping[str, float] | None = None
    max_scores: Mapping[str, float] | None = None
    mix: Mapping[str, Fraction] | None = None
    limit: int | None = None
    seed: int = 0
    further: Sequence[str] = ()
    copy: bool = False


@dataclass(frozen=True)
class ExportSummary:
    """What was exported.

    Attributes:
        out: Its folder.
        pairs: Pairs by theme.
        rows: Rows by theme: pairs, as often as each counts.
        how: Files by how they came there.
        shared: Files that are links to the release's own.
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
    shared: int
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
        ConfigError: there is no such score or measure, the limit is below 1, or the trainer does not read
            what is asked for besides videos.
    """
    choice, out = choice or ExportChoice(), out.absolute()
    _refuse(where, out)
    pairs = _choose(where, trainer, choice)
    tried = candidates(list(pairs.ids), choice.mix, choice.limit, choice.seed)
    source = open_source(pairs.catalog, cache_bytes=0)  # the folder is the copy: none in the cache
    before = read_mark(out)
    tables_before = list(before.get("tables", ()))
    files = Files(
        pairs=pairs,
        source=source,
        out=out,
        kinds=[FURTHER[name] for name in choice.further],
        copy=choice.copy,
        outdate=lambda sample_id: _remove_outdated(out, tables_before, sample_id),
    )
    first = [rows[:most] for rows, most in tried]
    count = sum(map(len, first))
    _make_room(files, first, count, say)
    if before.get("finished") is False:
        say(f"{out} is an export that did not end: going on")
    _mark(out, trainer, where, tables_before)
    with progress("exporting pairs", count) as advance:
        for rows, most in tried:
            files.place(rows, most, advance)
    listed = _listed(pairs, files.placed, choice)
    tables = TRAINERS[trainer].write(out, listed, choice.further)
    summary = _summary(out, listed, files.placed, pairs, tables)
    _finish(summary, trainer, tables_before)
    return summary


def _choose(where: str | Path, trainer: str, choice: ExportChoice) -> Pairs:
    """Return the pairs that pass."""
    if choice.limit is not None and choice.limit < 1:
        raise ConfigError("invalid number of rows", got=choice.limit, wanted="1 or more")
    if unread := [name for name in choice.further if name not in TRAINERS[trainer].reads]:
        reads = ", ".join(TRAINERS[trainer].reads)
        raise ConfigError(
            f"{trainer} does not read that besides videos", got=", ".join(unread), wanted=f"some of {reads}"
        )
    catalog = open_catalog(where)
    if without := [theme for theme in choice.mix or () if theme not in catalog.themes]:
        raise ReleaseError(
            "the mix names themes that are not there",
            got=", ".join(without),
            wanted=f"some of {', '.join(catalog.themes)}",
            where=catalog.name,
            fix=_without(choice.mix, without),
        )
    pairs = open_pairs(
        catalog,
        choice.themes if choice.mix is None else list(choice.mix),
        kinds=[*PAIR, *(FURTHER[name] for name in choice.further)],
        min_scores=choice.min_scores,
        max_scores=choice.max_scores,
    )
    found = Counter(map(theme_of, pairs.ids))
    empty = [theme for theme in choice.mix or () if not found[theme]]
    if empty or not found:
        named = f" of {', '.join(empty)}" if found else ""
        lacking = [f"{len(ids)} have no {name}" for name, ids in pairs.missing.items()]
        asked = [name for name in choice.further if FURTHER[name].name in pairs.missing]
        less = "ask for less" + (f", such as without --with {','.join(asked)}" if asked else "")
        raise ReleaseError(
            f"no pair{named} passes",
            got="; ".join(lacking) or None,
            where=pairs.name,
            fix=f"{_without(choice.mix, empty)}, or {less}" if found else less,
        )
    return pairs


def _without(mix: Mapping[str, Fraction] | None, themes: Sequence[str]) -> str:
    """Say what to do about themes of a mix that have no pairs."""
    rest = ",".join(f"{theme}={share}" for theme, share in (mix or {}).items() if theme not in themes)
    return f"leave them out: --mix {rest}" if rest else "name others in --mix"


def _listed(pairs: Pairs, placed: Placed, choice: ExportChoice) -> list[ExportedPair]:
    """Return the pairs that are there, as often as each counts."""
    rows = [row for row, sample_id in enumerate(pairs.ids) if sample_id in placed.shapes]
    ids = list(pairs.take(rows).ids)
    found = Counter(map(theme_of, ids))
    # A theme whose share comes to no row has no pair either.
    bad = {theme_of(left.id) for left in placed.left_out}
    empty = [theme for theme in choice.mix or () if not found[theme] and theme in bad]
    if empty or not ids:
        named = f" of {', '.join(empty)}" if ids else ""
        shown = [left for left in placed.left_out if not ids or theme_of(left.id) in empty][:3]
        raise ReleaseError(
            f"no pair{named} can be exported",
            got="; ".join(f"{left.id}: {left.problem}" for left in shown),
            where=pairs.name,
            fix=_without(choice.mix, empty) if ids else pairs.catalog.remedy,
        )
    times = times_listed(ids, choice.mix, choice.limit, choice.seed)
    return [
        ExportedPair(sample_id, pairs.prompt(row), count, placed.shapes[sample_id])
        for row, sample_id, count in zip(rows, ids, times.tolist(), strict=True)
        if count
    ]


def _refuse(where: str | Path, out: Path) -> None:
    """Raise ReleaseError when the folder contains other files, or lies in what is exported."""
    if Path(where).is_dir() and out.resolve().is_relative_to(Path(where).resolve()):
        raise ReleaseError(
            "--out lies in the release that is exported", got=out, where=where, fix="choose another --out"
        )
    if out.exists() and not out.is_dir():
        raise ReleaseError("--out is not a folder", got=out, fix="choose another --out")
    if out.is_dir() and list_files(out) and not read_mark(out):
        raise ReleaseError(
            "--out contains files that are not part of an export",
            wanted="a new or empty folder, or an export to go on with",
            where=out,
            fix="choose another --out",
        )


def _make_room(files: Files, first: Sequence[Sequence[int]], count: int, say: Callable[[str], None]) -> None:
    """Say what will be written; raise ReleaseError when there is no room for it."""
    needed = sum(map(files.bytes_to_write, first))
    files.out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(files.out).free
    others = "others are there" if files.copy else "others are linked or there"
    say(f"{count_text(count, 'pair')}; {needed:,} bytes of files to write, {others}")
    if needed > free:
        raise ReleaseError(
            "the export does not fit on this disk",
            got=f"{free:,} bytes free",
            wanted=f"{needed:,} bytes",
            where=files.out,
            fix="make room, choose another --out, or take less with --limit",
        )


def _mark(out: Path, trainer: str, where: str | Path, tables: Sequence[str]) -> None:
    """Mark the folder as an unfinished export, with the tables of the previous one."""
    remove_leftovers(out)
    again = command("sparkle", "export", where, "--to", trainer, "--out", out)
    write_mark(out, {"trainer": trainer, "finished": False, "next": again, "tables": list(tables)})


def _remove_outdated(out: Path, tables: Sequence[str], sample_id: str) -> None:
    """Remove what speaks of a video that is about to become another one: tables, and latents cached of it."""
    for name in tables:
        (out / Path(name).name).unlink(missing_ok=True)
    for path in (out / CACHE).glob(f"*/{sample_id}_*"):
        path.unlink()


def _finish(summary: ExportSummary, trainer: str, before: Sequence[str]) -> None:
    """Write what was exported, and remove tables that only the previous export has."""
    says = {
        "trainer": trainer,
        "finished": True,
        "tables": list(summary.tables.files),
        "pairs": dict(summary.pairs),
        "rows": dict(summary.rows),
        "left_out": list(map(asdict, summary.left_out)),
        "uneven": list(map(asdict, summary.uneven)),
        "missing": {name: list(ids) for name, ids in summary.missing.items()},
    }
    write_mark(summary.out, says)
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
        shared=placed.shared,
        bytes_written=placed.bytes_written,
        left_out=placed.left_out,
        uneven=placed.uneven,
        missing=pairs.missing,
        tables=tables,
    )
