"""A release or an index becomes the folder that a trainer reads.

How it works
- Pairs are chosen (`open_pairs`) and weighted (`mix`), their videos are put into the folder (`media`), and at
  last the trainer's own tables are written (`trainers`): a folder with tables has all that they list.
- A pair whose videos are damaged or differ is left out and named, and `export.json` says so: nothing takes
  its place. Everything else of the export is there.
- A rerun, of the same or of another choice, takes the videos that are there. The release is only read.

How often each pair is listed, so that themes have the shares that were asked for.

- Without weights every pair is listed once. With weights and no limit no pair is left out: the theme that has
  most pairs for its weight is listed once, the others again and again until the shares are right. With a
  limit that many rows are divided by weight, and themes that have more pairs than that give some of them.
- Which pairs give way or are listed once more follows from the seed and their ids alone: adding a theme, or
  running elsewhere, changes nothing for the others.

The videos of an export: each is there whole, verified, and fits its partner; or the pair is left out.

How it works
- A video that stands loose beside the release is linked, one that is in a tar or on a Hub is written out.
  What is there from a run before is taken when it has the right bytes.
- Every video is read and compared with its sha256, linked or not. Of a pair headers are compared too:
  trainers swap a pair whose videos differ for another one, or go on with a repeated frame, without a word.
- Files are written under another name and renamed: a kill leaves whole files, and a rerun goes on. They are
  not synced one by one: what a power cut spoils has other bytes, and is written again.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparkle._files import remove_leftovers, temporary_beside, try_link, write_atomic
from sparkle._progress import Advance, Progress, silent
from sparkle.builders.reading.pairs import Pairs, open_pairs
from sparkle.builders.reading.place import find
from sparkle.builders.reading.source import Source, open_source
from sparkle.builders.release.manifest import list_files
from sparkle.builders.training.trainers import TRAINERS, Listed, Tables
from sparkle.media.probe import read_shape
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ArtifactError, ConfigError, MediaError, RecordError, ReleaseError
from sparkle.schemas.ids import THEMES, theme_of
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO
from sparkle.schemas.seeds import derive_seed
from sparkle.schemas.validate import parse_strict

FORMAT, VERSION = "sparkle-export", 1
EXPORT = "export.json"  # the mark of an export, and what it is


@dataclass(frozen=True)
class Choice:
    """Which pairs are exported.

    Attributes:
        themes: The themes; None is all that there are.
        min_scores: Names of scores to the least one.
        mix: Shares of themes, which are then the themes; None for every pair once.
        limit: How many rows there are at most.
        seed: What the mix is drawn by.
    """

    themes: Sequence[str] | None = None
    min_scores: Mapping[str, float] | None = None
    mix: Mapping[str, Fraction] | None = None
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class ExportSummary:
    """What an export holds.

    Attributes:
        out: Its folder.
        pairs: Pairs by theme.
        rows: Rows by theme: pairs, as often as each counts.
        how: Files by how they came there.
        bytes_written: Bytes of the files that were written, not linked.
        left_out: Pairs that are not in it, and why.
        missing: Names of a kind to the ids of pairs that lack it.
        tables: The trainer's tables.
    """

    out: Path
    pairs: Mapping[str, int]
    rows: Mapping[str, int]
    how: Mapping[str, int]
    bytes_written: int
    left_out: Sequence[LeftOut]
    missing: Mapping[str, Sequence[str]]
    tables: Tables


def export_pairs(
    where: str | Path,
    trainer: str,
    out: Path,
    choice: Choice | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> ExportSummary:
    """Write the folder that a trainer reads.

    Args:
        where: A folder with a release or an index, or `owner/name[@revision]` of either on a Hub.
        trainer: One of `TRAINERS`.
        out: The folder: new, empty, or of an export before.
        choice: Which pairs; None is all.
        progress: Told how the work goes on.
        say: Told what will be written before it is.

    Raises:
        ReleaseError: `where` cannot be read, no pair passes, `out` holds something else, or there is no room.
        ConfigError: there is no such score, or the limit is below 1.
    """
    choice = choice or Choice()
    _refuse(where, out)
    pairs, times = _choose(where, choice)
    rows = np.flatnonzero(times).tolist()
    _make_room(pairs, rows, out, say)
    before = _mark(out, trainer)
    with progress("exporting pairs", len(rows)) as advance:
        source = open_source(pairs.catalog, cache_bytes=0)  # the folder is the copy: none in the cache
        placed = place_videos(pairs, rows, source, out, advance)
    listed = [
        Listed(sample_id, pairs.prompt(row), int(times[row]), placed.sizes[sample_id])
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


def _choose(where: str | Path, choice: Choice) -> tuple[Pairs, np.ndarray[Any, np.dtype[np.int32]]]:
    """The pairs that pass, and how often each is listed."""
    limit = choice.limit if choice.mix is None else None
    themes = choice.themes if choice.mix is None else list(choice.mix)
    pairs = open_pairs(where, themes, kinds=KINDS, min_scores=choice.min_scores, limit=limit)
    ids = list(pairs.ids)
    found = Counter(map(theme_of, ids))
    empty = [theme for theme in choice.mix or () if not found[theme]]
    if not ids or empty:
        named = f" of {', '.join(empty)}" if ids else ""
        raise ReleaseError(f"no pair{named} passes", where=pairs.name, fix="ask for less")
    return pairs, times_listed(ids, choice.mix, choice.limit, choice.seed)


def _refuse(where: str | Path, out: Path) -> None:
    """Raise ReleaseError when the folder holds something that is no export, or stands in what is exported."""
    if Path(where).is_dir() and out.resolve().is_relative_to(Path(where).resolve()):
        raise ReleaseError(
            "an export cannot stand in what is exported", got=out, where=where, fix="choose another --out"
        )
    if out.exists() and not out.is_dir():
        raise ReleaseError("--out is not a folder", got=out, fix="choose another --out")
    if out.is_dir() and list_files(out) and not _is_export(out):
        raise ReleaseError(
            "--out holds something else than an export",
            wanted="a new or empty folder, or an export to go on with",
            where=out,
            fix="choose another --out",
        )


def _is_export(out: Path) -> bool:
    return _read_mark(out).get("format") == FORMAT


def _read_mark(out: Path) -> dict[str, Any]:
    try:
        document = parse_strict((out / EXPORT).read_bytes())
    except (OSError, RecordError):
        return {}
    return document if isinstance(document, dict) else {}


def _make_room(pairs: Pairs, rows: Sequence[int], out: Path, say: Callable[[str], None]) -> None:
    """Say what will be written; raises ReleaseError when there is no room for it."""
    needed = bytes_to_write(pairs, rows, out)
    out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out).free
    say(f"{len(rows):,} pairs; {needed:,} bytes of videos to write, the others are linked or there already")
    if needed > free:
        raise ReleaseError(
            "the export does not fit on this disk",
            got=f"{free:,} bytes free",
            wanted=f"{needed:,} bytes",
            where=out,
            fix="make room, choose another --out, or take less with --limit",
        )


def _mark(out: Path, trainer: str) -> list[str]:
    """Mark the folder as an export that is under way; returns the tables of the one before."""
    remove_leftovers(out)
    before = _read_mark(out)
    tables = list(before.get("tables", ()))
    document = {"format": FORMAT, "version": VERSION, "trainer": trainer, "finished": False, "tables": tables}
    write_atomic(out / EXPORT, dump_document(document))
    return tables


def _finish(summary: ExportSummary, trainer: str, before: Sequence[str]) -> None:
    """Write what the export is; tables of the one before that are no more are removed."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "trainer": trainer,
        "finished": True,
        "tables": list(summary.tables.files),
        "pairs": dict(summary.pairs),
        "rows": dict(summary.rows),
        "left_out": [{"id": left.id, "problem": left.problem} for left in summary.left_out],
        "missing": {name: list(ids) for name, ids in summary.missing.items()},
    }
    write_atomic(summary.out / EXPORT, dump_document(document))
    for name in set(before) - set(summary.tables.files):
        (summary.out / Path(name).name).unlink(missing_ok=True)


def _summary(
    out: Path, listed: Sequence[Listed], placed: Placed, pairs: Pairs, tables: Tables
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
        missing=pairs.missing,
        tables=tables,
    )


# --- how often each pair is listed -----------------------------------------------------------------


Times = npt.NDArray[np.int32]


def parse_mix(text: str) -> dict[str, Fraction]:
    """Weights by theme of `location=2,season=1`.

    Raises:
        ConfigError: a theme is unknown or named twice, or a weight is not above 0.
    """
    weights: dict[str, Fraction] = {}
    for part in text.split(","):
        theme, _, number = part.partition("=")
        try:
            weight = Fraction(number)
        except (ValueError, ZeroDivisionError):
            weight = Fraction(0)
        if theme not in THEMES or theme in weights or weight <= 0:
            raise ConfigError(
                "not shares of themes", got=part, wanted="such as location=2,season=1, each theme once"
            )
        weights[theme] = weight
    return weights


def times_listed(
    ids: Sequence[str], weights: Mapping[str, Fraction] | None, limit: int | None, seed: int
) -> Times:
    """How often each pair is listed.

    Args:
        ids: The pairs.
        weights: Shares of themes, each of which some pair has; None for every pair once.
        limit: How many rows there are in all, with weights; None for as many as leave no pair out.
        seed: What is drawn by.

    Returns:
        int32 (N,).
    """
    if weights is None:
        return np.ones(len(ids), np.int32)
    positions: dict[str, list[int]] = {theme: [] for theme in weights}
    for position, sample_id in enumerate(ids):
        positions[theme_of(sample_id)].append(position)
    times = np.zeros(len(ids), np.int32)
    for theme, rows in _rows(
        {theme: len(found) for theme, found in positions.items()}, weights, limit
    ).items():
        found = positions[theme]
        each, more = divmod(rows, len(found))
        drawn = sorted(found, key=lambda position: (derive_seed(seed, "mix", ids[position]), position))
        times[found] = each
        times[drawn[:more]] += 1
    return times


def _rows(counts: Mapping[str, int], weights: Mapping[str, Fraction], limit: int | None) -> dict[str, int]:
    """How many rows each theme gets: by weight, rounded so that they add up (largest remainder first)."""
    total = sum(weights.values())
    if limit is None:
        scale = max(counts[theme] / weights[theme] for theme in weights)
        return {theme: round(weight * scale) for theme, weight in weights.items()}
    shares = {theme: weight * limit / total for theme, weight in weights.items()}
    rows = {theme: int(share) for theme, share in shares.items()}
    left = limit - sum(rows.values())
    for theme in sorted(shares, key=lambda theme: (rows[theme] - shares[theme], THEMES.index(theme)))[:left]:
        rows[theme] += 1
    return rows


# --- the videos of an export -----------------------------------------------------------------------


_BATCH = 16  # pairs in memory: some 16 MB
KINDS = (SOURCE_VIDEO, EDITED_VIDEO)

HARD_LINKED, LINKED, WRITTEN, KEPT = "hard links", "symbolic links", "written", "already there"


@dataclass(frozen=True)
class LeftOut:
    """A pair that is not in an export, and why."""

    id: str
    problem: str


@dataclass
class Placed:
    """What was done with the videos.

    Attributes:
        how: Files by `HARD_LINKED`, `LINKED`, `WRITTEN` and `KEPT`.
        bytes_written: Bytes of those that were written.
        sizes: (frames, width, height) of the videos of each pair that is there, by id.
        left_out: Pairs that are not.
    """

    how: Counter[str] = field(default_factory=Counter)
    bytes_written: int = 0
    sizes: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)


def bytes_to_write(pairs: Pairs, rows: Sequence[int], out: Path) -> int:
    """About how many bytes will be written: of videos that are neither there nor loose."""
    total = 0
    for row in rows:
        for artifact in (pairs.artifact(row, kind) for kind in KINDS):
            if _loose(pairs, artifact) is None and not (out / artifact.path).is_file():
                total += artifact.size
    return total


def place_videos(pairs: Pairs, rows: Sequence[int], source: Source, out: Path, advance: Advance) -> Placed:
    """Put the videos of some pairs into a folder, under their loose paths.

    Args:
        pairs: Pairs.
        rows: Which of them.
        source: Where their artifacts are.
        out: The folder.
        advance: Told of each pair.

    Raises:
        ReleaseError: a tar is not the one that the tables speak of, or cannot be read.
    """
    placed = Placed()
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        artifacts = {row: [pairs.artifact(row, kind) for kind in KINDS] for row in batch}
        found = _read(source, [artifact for pair in artifacts.values() for artifact in pair], out)
        for pair in artifacts.values():
            _place_pair(pairs, out, placed, [(artifact, found[artifact.path]) for artifact in pair])
            advance()
    return placed


def _place_pair(
    pairs: Pairs, out: Path, placed: Placed, pair: Sequence[tuple[Artifact, bytes | ArtifactError]]
) -> None:
    whole = []
    for artifact, data in pair:
        if isinstance(data, ArtifactError):
            got = f" (got {data.got})" if data.got else ""
            placed.left_out.append(LeftOut(artifact.id, f"{artifact.kind.name}: {data.problem}{got}"))
            return
        whole.append((artifact, data))
    try:
        sizes = [read_shape(data, artifact.kind.suffix)[:3] for artifact, data in whole]
    except MediaError as error:
        placed.left_out.append(LeftOut(whole[0][0].id, f"a video cannot be read: {error.problem}"))
        return
    if sizes[0] != sizes[1]:
        said = " and ".join("{} frames of {}x{}".format(*size) for size in sizes)
        placed.left_out.append(LeftOut(whole[0][0].id, f"the videos differ: {said}"))
        return
    for artifact, data in whole:
        how = _place(pairs, artifact, data, out)
        placed.how[how] += 1
        placed.bytes_written += len(data) if how == WRITTEN else 0
    placed.sizes[whole[0][0].id] = sizes[0]


def _place(pairs: Pairs, artifact: Artifact, data: bytes, out: Path) -> str:
    """Put a video where it belongs; returns how."""
    target = out / artifact.path
    if target.is_file() and target.read_bytes() == data:
        return KEPT
    temporary = temporary_beside(target)
    temporary.unlink(missing_ok=True)
    loose = _loose(pairs, artifact)
    # A tar's member counts, not a loose file that differs from it.
    how = _link(loose, temporary) if loose is not None and loose.read_bytes() == data else WRITTEN
    if how == WRITTEN:
        temporary.write_bytes(data)
    temporary.replace(target)
    return how


def _link(loose: Path, target: Path) -> str:
    """A hard link, or a symbolic one where the file system has none across its borders."""
    if try_link(loose, target):
        return HARD_LINKED
    try:
        target.symlink_to(loose.resolve())  # a file of the Hub's cache is a link to its content
    except OSError:
        return WRITTEN
    return LINKED


def _read(source: Source, artifacts: Sequence[Artifact], out: Path) -> dict[str, bytes | ArtifactError]:
    """The bytes of artifacts by their path: of the files that are there, else from the source.

    One that is wrong is its error, and the others are read all the same.
    """
    found: dict[str, bytes | ArtifactError] = {}
    for artifact in artifacts:
        if (data := _right(out, artifact)) is not None:
            found[artifact.path] = data
    missing = [artifact for artifact in artifacts if artifact.path not in found]
    try:
        found |= {
            artifact.path: data for artifact, data in zip(missing, source.read_many(missing), strict=True)
        }
    except ArtifactError:
        for artifact in missing:
            try:
                found[artifact.path] = source.read(artifact)
            except ArtifactError as error:
                found[artifact.path] = error
    return found


def _right(out: Path, artifact: Artifact) -> bytes | None:
    """The bytes of a file that is there from before; None where it is not, or is not right."""
    path = out / artifact.path
    if artifact.sha256 is None or not path.is_file() or path.stat().st_size != artifact.size:
        return None
    data = path.read_bytes()
    return data if hashlib.sha256(data).digest() == artifact.sha256 else None


def _loose(pairs: Pairs, artifact: Artifact) -> Path | None:
    """The file that an artifact is beside the release, where it is one."""
    place = pairs.catalog.artifacts
    path = None if place.folder is None else find(place, artifact.path)
    return path if path is not None and path.stat().st_size == artifact.size else None
