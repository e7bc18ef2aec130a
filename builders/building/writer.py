"""Finished runs become a release.

How it works
- Kept samples are selected by replay (`select`), then everything is written into a folder beside the
  target, which takes the target's place at the end (`staging`): a build that fails or is killed leaves
  the release that was there. A rerun goes on with the tars that were finished, and gives the same bytes.
- A release is a function of its runs, its options and the release before, whose tars stay as they are as
  far as they can (`plan`), and whose samples that were taken down stay out (`removal`). Nothing in it knows
  paths, hosts or times.
- Every artifact is hashed while it is packed and compared with what its run recorded (`pack`).
- The first samples of a theme stand loose as well (`loose`), and have a preview in its table.
- With `reclaim`, a run's files are deleted as their tars become durable (`reclaim`).

The first samples of a theme as files of their own, which the Hub shows and people open.

They are hard links to the run's files where the file system allows it, and copies elsewhere or where the run
holds an artifact in a tar; compared with the recorded hash in every case.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from sparkle._files import BLOCK_BYTES, atomic_path, try_link
from sparkle._processes import cpus
from sparkle._progress import Progress, silent
from sparkle.builders.building.pack import Journal, ShardPlan, Spool, pack
from sparkle.builders.building.pictures import draw_pictures, side_by_side
from sparkle.builders.building.plan import (
    Previous,
    Space,
    place_artifacts,
    plan_shards,
    plan_space,
    read_previous,
    refuse_overflow,
)
from sparkle.builders.building.provenance import ReleaseOptions, provenance
from sparkle.builders.building.reclaim import Reclaimer, let_go, locked, refuse_unlinkable
from sparkle.builders.building.replay import Replay, check_artifacts, kept_samples, replay
from sparkle.builders.building.run import read_run
from sparkle.builders.building.text import write_text
from sparkle.builders.building.webdataset import estimate_bytes, write_webdataset
from sparkle.builders.cards.card import render_card
from sparkle.builders.cards.croissant import dump_croissant
from sparkle.builders.release import tables
from sparkle.builders.release.artifact import read_blocks
from sparkle.builders.release.manifest import FileEntry, describe_file, dump_manifest
from sparkle.builders.release.removed import Past, read_past
from sparkle.builders.release.sample import Sample
from sparkle.builders.release.staging import (
    journal_path,
    refuse_foreign,
    refuse_overlap,
    remove_others,
    staged,
)
from sparkle.builders.release.tables import Artifacts
from sparkle.builders.release.tar import Shard
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError, SparkleError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import KINDS

# What the system says when there is no more room: on the disk, in a quota, in a file.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class ReleaseSummary:
    """What a build wrote.

    Attributes:
        out: The release's folder.
        files: How many files it has.
        bytes: Their size in all.
        samples: How many samples each theme has.
        pending: Samples that pass as far as their run took them but were not taken to the end.
        space: What was planned.
    """

    out: Path
    files: int
    bytes: int
    samples: dict[str, int]
    pending: int
    space: Space


@dataclass(frozen=True)
class BuildMode:
    """How a build goes about it; unlike `ReleaseOptions`, no part of what a release says of itself.

    Attributes:
        previous: The release whose parts are kept; None is the one that is replaced.
        repack: Whether parts are assigned afresh.
        reclaim: Whether the runs' files are deleted once their tars are durable.
        spool: What takes tars away as they get finished; None where they stay in the release.
        workers: How many tars are written at a time; None is one a processor.
        say: Told of the plan before anything is written.
    """

    previous: Path | None = None
    repack: bool = False
    reclaim: bool = False
    spool: Spool | None = None
    workers: int | None = None
    say: Callable[[str], None] = lambda text: None


def build_release(
    runs: Sequence[Path],
    out: Path,
    options: ReleaseOptions,
    progress: Progress = silent,
    mode: BuildMode | None = None,
) -> ReleaseSummary:
    """Write a release of one or more finished runs, in place of the release that is at `out`.

    Args:
        runs: Run folders.
        out: Where the release goes: an empty or new folder, or a release that it replaces.
        options: See `ReleaseOptions`.
        progress: Told how the work goes on.
        mode: See `BuildMode`.

    Raises:
        RunError: a folder is not a finished run, or runs gave the same ids.
        RecordError: a line of a run is bad.
        ReleaseError: nothing is kept, an artifact is not what was recorded, `out` holds something else, the
            release before cannot be read, or the disk is too small.
    """
    out, mode = out.resolve(), mode or BuildMode()
    refuse_overlap(runs, out)
    with ExitStack() as stack:
        if mode.reclaim:
            stack.enter_context(locked(runs))
        replays, selection = [], options.selection
        limits = selection.thresholds if selection else None
        with progress("reading runs", len(runs)) as advance:
            for folder in runs:
                replays.append(replay(read_run(folder), limits))
                advance()
        samples = kept_samples(replays, selection, mode.say)
        with staged(out, lambda: refuse_foreign(out)) as folder, _explained(folder, out, mode.say):
            past = read_past(mode.previous or out)
            samples = past.keep_out(samples, mode.say)
            check_artifacts(samples)
            writer = _Writer(folder, out, options, progress, mode, past)
            writer.write(replays, samples)
        if mode.reclaim:
            for found in replays:
                let_go(found.run)
    return ReleaseSummary(
        out=out,
        files=len(writer.entries),
        bytes=sum(entry.size for entry in writer.entries),
        samples={theme: len(found) for theme, found in by_theme(samples).items()},
        pending=sum(found.pending for found in replays),
        space=writer.space,
    )


def by_theme(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Samples sorted by id, split by theme, themes in the order of `THEMES`."""
    groups = {theme: list(found) for theme, found in groupby(samples, key=lambda sample: sample.theme)}
    return {theme: groups[theme] for theme in THEMES if theme in groups}


@contextmanager
def _explained(folder: Path, out: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Say what a build that fails leaves, and what to do when the system has no more room."""
    try:
        yield
    except (SparkleError, OSError) as error:
        if journal_path(out).exists():
            say(f"note: finished tars stay in {folder} for the next build; delete it to free their room")
        if isinstance(error, OSError) and error.errno in _FULL:
            raise ReleaseError(
                "there is no room to write the release",
                got=error,
                where=folder,
                fix="make room and run the same command again; a release that was there is as it was",
            ) from None
        raise


class _Writer:
    """Writes a release's files into a folder and keeps the list of them."""

    space: Space

    def __init__(
        self,
        folder: Path,
        out: Path,
        options: ReleaseOptions,
        progress: Progress,
        mode: BuildMode,
        past: Past,
    ) -> None:
        self.folder = folder
        self.out = out
        self.options = options
        self.progress = progress
        self.mode = mode
        self.past = past
        self.entries: list[FileEntry] = []

    def write(self, replays: Sequence[Replay], samples: Sequence[Sample]) -> None:
        """Write everything, the manifest included."""
        themes = by_theme(samples)
        plans, next_parts = plan_shards(themes, self.options.max_shard_size, self._previous())
        self._pack(plans, themes, replays)
        artifacts = place_artifacts(plans)
        self._loose(themes)
        for theme, found in themes.items():
            self.entries += write_text(self.folder, theme, found)
            self._catalog(theme, found, artifacts)
        self._pair(themes, artifacts)
        document = provenance(replays, self.options, next_parts, self.past.removed)
        self._write(layout.PROVENANCE, [dump_document(document)])
        if self.options.plots:
            for path, data in draw_pictures(self.folder, replays, themes, self.options.preview):
                self._write(path, [data])
        card = render_card(self.folder)
        self._write(layout.CARD, [card.encode()])
        self._write(layout.CROISSANT, [dump_croissant(self.folder, self.entries, card)])
        if self.past.changelog is not None:
            self._write(layout.CHANGELOG, [self.past.changelog])
        self._write(layout.MANIFEST, [dump_manifest(self.entries)])

    def _previous(self) -> Previous:
        folder = self.mode.previous or self.out
        if self.mode.repack or not (self.mode.previous or (folder / layout.MANIFEST).exists()):
            return Previous()
        return read_previous(folder)

    def _pack(
        self, plans: Sequence[ShardPlan], themes: Mapping[str, Sequence[Sample]], replays: Sequence[Replay]
    ) -> None:
        journal = Journal(journal_path(self.out), self.folder, self.mode.spool)
        remove_others(self.folder, [plan.path for plan in plans if journal.find(plan)])
        workers = self.mode.workers or cpus()
        reclaimer = self._reclaimer(themes, replays) if self.mode.reclaim else None
        self.space = plan_space(
            self.folder,
            plans,
            journal,
            themes,
            preview=self.options.preview,
            reclaim=self.mode.reclaim,
            workers=workers,
            more=self._paired_bytes(themes),
            spool=self.mode.spool is not None,
        )
        self.mode.say(str(self.space))
        refuse_overflow(self.space, self.out)
        with self.progress("packing artifacts", sum(len(plan.ids) for plan in plans)) as advance:
            on_shard = reclaimer.take if reclaimer else self._away
            shards = pack(self.folder, plans, journal, advance, on_shard=on_shard, workers=workers)
        self.entries += [FileEntry(path, shard.size, shard.sha256) for path, shard in shards.items()]

    def _away(self, plan: ShardPlan, shard: Shard) -> None:
        """Have a finished tar taken away, where that is wanted."""
        if self.mode.spool is not None:
            self.mode.spool.take(self.folder / plan.path, plan.path, shard)

    def _reclaimer(self, themes: Mapping[str, Sequence[Sample]], replays: Sequence[Replay]) -> Reclaimer:
        for found in replays:
            refuse_unlinkable(found.run, self.folder)
        samples = [sample for listed in themes.values() for sample in listed]
        loose = {sample.id for listed in themes.values() for sample in listed[: self.options.preview]}
        return Reclaimer(self.folder, samples, loose)

    def _loose(self, themes: Mapping[str, Sequence[Sample]]) -> None:
        shown = [sample for samples in themes.values() for sample in samples[: self.options.preview]]
        with self.progress("first samples as files", len(shown)) as advance:
            for sample in shown:
                self.entries += write_loose(self.folder, sample)
                advance()

    def _previews(self, theme: str, samples: Sequence[Sample]) -> list[bytes]:
        shown = samples[: self.options.preview]
        previews = []
        # Threads do: decoding, resizing and encoding all run outside Python's lock.
        with (
            self.progress(f"making previews of {theme}", len(shown)) as advance,
            ThreadPoolExecutor(cpus()) as pool,
        ):
            for preview in pool.map(self._preview, shown):
                previews.append(preview)
                advance()
        return previews

    def _preview(self, sample: Sample) -> bytes:
        source, edited = (
            self.folder / kind.path(sample.id) for kind in (layout.SOURCE_VIDEO, layout.EDITED_VIDEO)
        )
        clip = sample.normalise
        return side_by_side(source, edited, width=clip.width, height=clip.height, fps=clip.fps)

    def _catalog(self, theme: str, samples: Sequence[Sample], artifacts: Artifacts) -> None:
        previews = self._previews(theme, samples)
        parts = 2 if 0 < len(previews) < len(samples) else 1
        paths = [layout.data_parquet(theme, part, parts) for part in range(parts)]
        tables.write_pairs([self.folder / path for path in paths], samples, artifacts, previews)
        for path in paths:
            self._list(path)

    def _paired_bytes(self, themes: Mapping[str, Sequence[Sample]]) -> int:
        options = self.options.webdataset
        return 0 if options is None else sum(estimate_bytes(found, options) for found in themes.values())

    def _pair(self, themes: Mapping[str, Sequence[Sample]], artifacts: Artifacts) -> None:
        options = self.options.webdataset
        if options is None:
            return
        with self.progress("pairing streams", sum(map(len, themes.values()))) as advance:
            for theme, samples in themes.items():
                self.entries += write_webdataset(self.folder, theme, samples, artifacts, options, advance)

    def _write(self, path: str, lines: Iterable[bytes]) -> None:
        with atomic_path(self.folder / path) as temporary, temporary.open("wb") as file:
            file.writelines(lines)
        self._list(path)

    def _list(self, path: str) -> None:
        self.entries.append(describe_file(self.folder, path))


# --- the first samples of a theme as files of their own --------------------------------------------


def write_loose(folder: Path, sample: Sample) -> list[FileEntry]:
    """Put a sample's artifacts below a release's folder; returns the files.

    Raises:
        ReleaseError: an artifact cannot be read or is not what was recorded.
    """
    entries = []
    for kind in KINDS:
        artifact = sample.artifact(kind)
        _put(artifact, folder / artifact.path)
        entries.append(FileEntry(artifact.path, artifact.size, artifact.hex))
    return entries


def _put(artifact: Artifact, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    buffer = memoryview(bytearray(BLOCK_BYTES))
    if not artifact.offset and try_link(Path(artifact.file), target):
        for _ in read_blocks(artifact, lambda: buffer):
            pass
        return
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        file.writelines(read_blocks(artifact, lambda: buffer))
