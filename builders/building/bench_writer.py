"""Rejects of finished runs become a bench: upstream's files, and ours below them.

How it works
- Samples are chosen first (`bench`). Then everything is written into a folder beside the target, which takes
  its place at the end (`staging`): a build that fails or is killed leaves the bench that was there.
- A bench is a function of its runs, its options and what it must be apart from: nothing in it knows paths,
  hosts or times. Every file is compared with what the run recorded while it is copied.
- `reserve` turns it round: the bench is made first, and the samples of the runs that share a source with it
  are left out of training by `sparkle build --exclude`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from sparkle._files import BLOCK_BYTES, write_atomic
from sparkle._processes import cpus, pool_of
from sparkle._progress import Progress, count_text, silent
from sparkle.builders.bench.contamination import Trained
from sparkle.builders.bench.folder import BenchItem, count_scenes, read_bench, revision_of
from sparkle.builders.building.bench import (
    BenchChoice,
    BenchOptions,
    choose_samples,
    scene_of,
)
from sparkle.builders.building.from_runs import hash_scenes
from sparkle.builders.building.replay import Reject, Replay, replay
from sparkle.builders.building.run import read_run
from sparkle.builders.cards.bench import render_bench_card
from sparkle.builders.release.artifact import read_blocks
from sparkle.builders.release.formats import csv_line
from sparkle.builders.release.manifest import describe_file, dump_manifest, list_files
from sparkle.builders.release.staging import refuse_foreign, refuse_overlap, remove_others, staged
from sparkle.builders.release.tables import table_writer
from sparkle.media.look_alike import NEAR, search, unpack_hashes
from sparkle.media.mask import load_mask
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import canonical_json, dump_document, dump_line, plain
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.layout import FOREGROUND_REMOVED, SOURCE_VIDEO, SOURCE_VIDEO_MASK, Kind
from sparkle.schemas.validate import check

FORMAT, VERSION = "sparkle-bench", 1
_FILES: tuple[tuple[Kind, Callable[[str, str], str]], ...] = (
    (SOURCE_VIDEO, layout.bench_source),
    (FOREGROUND_REMOVED, layout.bench_reference),
    (SOURCE_VIDEO_MASK, layout.bench_mask),
)
_SCHEMA = pa.schema(
    {
        **dict.fromkeys(("id", "theme", "subtheme", "scene", "prompt", "original_video"), pa.string()),
        **dict.fromkeys(("frames", "width", "height"), pa.int32()),
        "rule": pa.string(),
        **dict.fromkeys(("score", "mask_coverage"), pa.float64()),
        **dict.fromkeys(("source_sha256", "source_video_sha256", "median_hash", "licence"), pa.string()),
    }
)


@dataclass(frozen=True)
class BenchInput:
    """What a bench is made of, and apart from.

    Attributes:
        runs: Finished runs.
        limits: Thresholds that differ from those that the runs recorded, by name.
        trained: What the bench must be apart from.
        accepted: Pairs of a sample and one that is trained on which look alike and are not.
        exclude: Ids of samples whose sources are left out.
        previous: A bench whose samples stay in as far as they may; None for none.
        reserve: Whether to look for pairs of the runs that share a source with the bench.
    """

    runs: Sequence[Path]
    limits: Mapping[str, float] = field(default_factory=dict)
    trained: Sequence[Trained] = ()
    accepted: Set[tuple[str, str]] = frozenset()
    exclude: Collection[str] = ()
    previous: Path | None = None
    reserve: bool = False


@dataclass(frozen=True)
class BenchSummary:
    """What a build wrote.

    Attributes:
        out: The bench's folder.
        revision: What it is.
        files: How many files it has.
        bytes: Their size in all.
        choice: Which samples it has, and why not others.
        reserved: The ids of pairs of the runs that share a source with it, where they were looked for.
    """

    out: Path
    revision: str
    files: int
    bytes: int
    choice: BenchChoice
    reserved: tuple[str, ...]


def build_bench(
    made_of: BenchInput,
    out: Path,
    options: BenchOptions,
    progress: Progress = silent,
    *,
    workers: int | None = None,
) -> BenchSummary:
    """Write a bench of what the last stage of finished runs rejected, in place of the bench that is at `out`.

    Args:
        made_of: See `BenchInput`.
        out: Where the bench goes: an empty or new folder, or a bench that it replaces.
        options: See `BenchOptions`.
        progress: Reports progress.
        workers: How many processes read sources; None is one per CPU.

    Raises:
        RunError: a folder is not a finished run.
        RecordError: a line of a run is bad.
        ReleaseError: nothing can be chosen, an artifact is not what was recorded, or `out` contains other
            files.
    """
    out = out.resolve()
    refuse_overlap(made_of.runs, out)
    replays = []
    with progress("reading runs", len(made_of.runs)) as advance:
        for run in made_of.runs:
            replays.append(replay(read_run(run), made_of.limits))
            advance()
    rejects = _rejects(replays)
    before, previous = (None, {}) if made_of.previous is None else read_bench(made_of.previous)
    with pool_of(workers or cpus()) as pool:
        choice = choose_samples(
            rejects,
            made_of.trained,
            options,
            pool,
            progress,
            accepted=made_of.accepted,
            exclude=made_of.exclude,
            previous=previous,
        )
    if not choice.samples:
        _refuse_empty(replays, choice, options)
    told = _options(options) | ({} if before is None else {"previous": before.revision})
    with staged(out, lambda: _refuse_other(out)) as folder:
        remove_others(folder, ())
        revision = _write(folder, replays, made_of.trained, choice, told, progress)
        entries = [describe_file(folder, path) for path in list_files(folder)]
        write_atomic(folder / layout.MANIFEST, dump_manifest(entries))
        size = sum(entry.size for entry in entries)
    reserved = _reserved(replays, choice, progress) if made_of.reserve else ()
    return BenchSummary(out, revision, len(entries) + 1, size, choice, reserved)


def _rejects(replays: Sequence[Replay]) -> list[Reject]:
    """The rejects of several runs; raises ReleaseError where two gave the same id."""
    found: dict[str, Reject] = {}
    for reject in (reject for one in replays for reject in one.rejects):
        if reject.id in found:
            raise ReleaseError(
                "two runs gave the same id",
                got=reject.id,
                wanted="runs that number their samples apart",
                where=f"{found[reject.id].run.folder} and {reject.run.folder}",
                fix="generate one of them again with `--id-offset`",
            )
        found[reject.id] = reject
    return [found[sample_id] for sample_id in sorted(found)]


def _refuse_empty(replays: Sequence[Replay], choice: BenchChoice, options: BenchOptions) -> None:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in choice.excluded.items())
    kept = sum(len(one.samples) for one in replays)
    raise ReleaseError(
        "no sample is left for a bench",
        got=f"{count_text(choice.candidates, 'reject')} of {' and '.join(options.rules)}"
        + (f": {reasons}" if reasons else f", and {count_text(kept, 'sample')} kept"),
        wanted="samples that pass every stage but the last",
        where=", ".join(str(one.run.folder) for one in replays),
        fix="stricter limits make more rejects, such as `--min edited_video=9.5`; build the release with the "
        "same ones, so that it does not have them",
    )


def _refuse_other(out: Path) -> None:
    """Raise ReleaseError when a folder holds something else than a bench of ours."""
    refuse_foreign(out)
    if out.is_dir() and (out / layout.MANIFEST).exists() and not (out / layout.BENCH).exists():
        raise ReleaseError(
            "a release is there, and no bench", got=out, wanted="a new folder, or a bench to replace"
        )


def _options(options: BenchOptions) -> dict[str, Any]:
    return {
        "seed": options.seed,
        "per_scene": options.per_scene,
        "total": options.total,
        "themes": sorted(set(options.themes)),
        "rules": sorted(set(options.rules)),
    }


def _write(
    folder: Path,
    replays: Sequence[Replay],
    trained: Sequence[Trained],
    choice: BenchChoice,
    options: Mapping[str, Any],
    progress: Progress,
) -> str:
    """Write every file but the manifest; returns the bench's revision."""
    rows = []
    with progress("writing the bench", len(choice.samples)) as advance:
        for reject in choice.samples:
            for kind, name in _FILES:
                _copy(reject.artifact(kind), folder / name(theme_of(reject.id), reject.id))
            rows.append(_row(folder, reject, choice))
            advance()
    for theme, of_theme in groupby(choice.samples, key=lambda reject: theme_of(reject.id)):
        samples = list(of_theme)
        lines = [[*layout.BENCH_CSV_COLUMNS]]
        lines += [[theme, reject.compose.prompt, layout.bench_source(theme, reject.id)] for reject in samples]
        write_atomic(folder / layout.bench_csv(theme), "".join(map(csv_line, lines)).encode())
        write_atomic(folder / layout.bench_metadata(theme), b"".join(map(_metadata, samples)))
    with table_writer(folder / layout.BENCH_TABLE, _SCHEMA) as writer:
        writer.write_table(pa.Table.from_pylist(rows, _SCHEMA))
    items = [_item(reject) for reject in choice.samples]
    revision = revision_of(items, {row["id"]: row["source_video_sha256"] for row in rows})
    limits = {canonical_json(plain(one.thresholds)): plain(one.thresholds) for one in replays}
    document = {
        "format": FORMAT,
        "version": VERSION,
        "revision": revision,
        "samples": len(items),
        "scenes": count_scenes(items),
        "options": dict(options),
        "thresholds": [limits[key] for key in sorted(limits)],
        "candidates": choice.candidates,
        "excluded": dict(choice.excluded),
        "short": [
            {"theme": theme, "scene": f"{subtheme}: {scene}", "samples": count}
            for (theme, subtheme, scene), count in choice.short.items()
        ],
        "left": dict(choice.left),
        "licences": dict(sorted(Counter(row["licence"] or "not recorded" for row in rows).items())),
        "train": sorted(map(_told, trained), key=lambda told: str(told["revision"])),
        "near": {"bits": NEAR, "of": 256},
    }
    check("bench", document, where=layout.BENCH)
    write_atomic(folder / layout.BENCH, dump_document(document))
    write_atomic(folder / layout.CARD, render_bench_card(folder).encode())
    return revision


def _told(trained: Trained) -> dict[str, Any]:
    return {
        "samples": len(trained.pairs),
        "sources": trained.clips,
        "unhashed": trained.unhashed,
        "revision": trained.revision,
    }


def _copy(artifact: Artifact, target: Path) -> None:
    """Copy an artifact, which must be what the run recorded."""
    target.parent.mkdir(parents=True, exist_ok=True)
    room = memoryview(bytearray(BLOCK_BYTES))
    with target.open("wb") as file:
        for block in read_blocks(artifact, lambda: room):
            file.write(block)


def _item(reject: Reject) -> BenchItem:
    return BenchItem(reject.id, *scene_of(reject), reject.compose.prompt)


def _metadata(reject: Reject) -> bytes:
    line = {"id": reject.id, "prompt": reject.compose.prompt, "metadata": plain(reject.compose.metadata)}
    check("training_metadata", line, where=reject.id)
    return dump_line(line)


def _row(folder: Path, reject: Reject, choice: BenchChoice) -> dict[str, Any]:
    theme, subtheme, scene = scene_of(reject)
    source, clip = choice.sources[reject.id], reject.normalise
    return {
        "id": reject.id,
        "theme": theme,
        "subtheme": subtheme,
        "scene": scene,
        "prompt": reject.compose.prompt,
        "original_video": layout.bench_source(theme, reject.id),
        "frames": clip.frames,
        "width": clip.width,
        "height": clip.height,
        "rule": reject.rule,
        "score": reject.score,
        "mask_coverage": round(float(load_mask(folder / layout.bench_mask(theme, reject.id)).mean()), 6),
        "source_sha256": reject.source.sha256,
        "source_video_sha256": source.sha256,
        "median_hash": source.hash,
        "licence": reject.source.licence,
    }


def _reserved(replays: Sequence[Replay], choice: BenchChoice, progress: Progress) -> tuple[str, ...]:
    """The ids of pairs of the runs whose source the bench has, or one that looks like it."""
    kept = hash_scenes([sample for one in replays for sample in one.samples], progress)
    files = {reject.source.sha256 for reject in choice.samples}
    hashes = [sample.source.median_hash or "" for sample in kept]
    near = search([source.variants for source in choice.sources.values()], unpack_hashes(hashes), NEAR)
    alike = {pair.row for pair in near}
    found: Iterable[str] = (
        sample.id for row, sample in enumerate(kept) if row in alike or sample.source.sha256 in files
    )
    return tuple(sorted(found))
