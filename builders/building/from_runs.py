"""Finished runs become a release.

How it works
- Kept samples are selected by replay (`replay`), then everything is written into a folder beside the target
  (`writer`), which takes the target's place at the end (`staging`): a build that fails or is killed leaves
  the release that was there. A rerun goes on with the tars that were finished, and gives the same bytes.
- A release is a function of its runs, its options and the previous release, whose tars stay as they are as
  far as they can (`plan`), and whose samples that were removed stay out (`previous`). Nothing in it knows
  paths, hosts or times.
- Every artifact is hashed while it is packed and compared with what its run recorded (`pack`).
- With `reclaim`, a run's files are deleted as their tars become durable (`reclaim`).
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path

import pyarrow as pa
from msgspec import structs

from sparkle._files import BLOCK_BYTES
from sparkle._processes import cpus
from sparkle._progress import Progress, silent
from sparkle.builders.building.origin import Piece
from sparkle.builders.building.pack import Journal, ShardPlan, Spool
from sparkle.builders.building.plan import Space, place_artifacts, plan_shards, plan_space, refuse_overflow
from sparkle.builders.building.previous import PreviousRelease, read_previous
from sparkle.builders.building.provenance import ReleaseOptions, provenance
from sparkle.builders.building.reclaim import Reclaimer, let_go, locked, refuse_unlinkable
from sparkle.builders.building.replay import Replay, check_artifacts, kept_samples, replay
from sparkle.builders.building.run import read_run
from sparkle.builders.building.text import text_of
from sparkle.builders.building.webdataset import plan_paired
from sparkle.builders.building.writer import write_release
from sparkle.builders.cards.room import is_edited, read_words
from sparkle.builders.release.artifact import read_blocks
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.sample import Sample
from sparkle.builders.release.staging import journal_path, refuse_foreign, refuse_overlap, staged
from sparkle.builders.release.tables import Artifacts, pairs_table
from sparkle.media.look_alike import median_hash
from sparkle.media.threads import side_by_side
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError, SparkleError
from sparkle.schemas.ids import THEMES, theme_of
from sparkle.schemas.layout import KINDS, SOURCE_VIDEO

# What the system says when there is no more room: on the disk, in a quota, in a file.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SCENES = 64  # that are hashed between two reports of progress


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
        workers: How many tars are written at a time; None is one per CPU.
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
        progress: Reports progress.
        mode: See `BuildMode`.

    Raises:
        RunError: a folder is not a finished run, or runs gave the same ids.
        RecordError: a line of a run is bad.
        ReleaseError: nothing is kept, an artifact is not what was recorded, `out` contains other files, the
            previous release cannot be read, or the disk is too small.
    """
    out, mode = out.resolve(), mode or BuildMode()
    refuse_overlap(runs, out)
    with ExitStack() as stack:
        if mode.reclaim:
            stack.enter_context(locked(runs))
        replays, selection = [], options.selection
        limits = selection.thresholds if selection else None
        with progress("reading runs", len(runs)) as advance:
            for run in runs:
                replays.append(replay(read_run(run), limits))
                advance()
        samples = kept_samples(replays, selection, mode.say)
        with staged(out, lambda: refuse_foreign(out)) as folder, _explained(folder, out, mode.say):
            previous = _previous(out, mode)
            samples = previous.keep_out(samples, mode.say)
            check_artifacts(samples)
            samples = hash_scenes(samples, progress)
            origin = RunOrigin(replays, samples, options, previous)
            journal = Journal(journal_path(out), folder, mode.spool)
            journal.clear([*origin.shards(), *origin.paired()])
            reclaimer = _reclaimer(origin, folder) if mode.reclaim else None
            workers = mode.workers or cpus()
            space = plan_space(
                folder,
                origin.shards(),
                origin.paired(),
                journal,
                origin.samples,
                preview=options.preview,
                reclaim=mode.reclaim,
                workers=workers,
            )
            mode.say(str(space))
            refuse_overflow(space, out)
            written = write_release(
                origin,
                folder,
                journal,
                progress,
                workers=workers,
                on_shard=reclaimer.take if reclaimer else None,
            )
        if mode.reclaim:
            for found in replays:
                let_go(found.run)
    return ReleaseSummary(
        out=out,
        files=len(written.entries),
        bytes=written.bytes,
        samples={theme: len(found) for theme, found in origin.samples.items()},
        pending=sum(found.pending for found in replays),
        space=space,
    )


def hash_scenes(samples: Sequence[Sample], progress: Progress = silent) -> list[Sample]:
    """Return samples of which every source has the hash of its scene: runs of earlier versions have none.

    Raises:
        ReleaseError: a source video is not what was recorded.
        MediaError: one does not decode.
    """
    first = {sample.source.sha256: sample for sample in samples if sample.source.median_hash is None}
    if not first:
        return [*samples]
    found: dict[str, str] = {}
    with progress("hashing scenes", len(first)) as advance:
        for start in range(0, len(first), _SCENES):
            some = [*first.items()][start : start + _SCENES]
            scenes = side_by_side(_hash_scene, [sample for _, sample in some], cpus())
            found |= {sha256: scene for (sha256, _), scene in zip(some, scenes, strict=True)}
            advance(len(some))
    return [
        replace(sample, source=structs.replace(sample.source, median_hash=found[sample.source.sha256]))
        if sample.source.sha256 in found
        else sample
        for sample in samples
    ]


def _hash_scene(sample: Sample) -> str:
    artifact = sample.artifact(SOURCE_VIDEO)
    room = memoryview(bytearray(artifact.size))
    data = b"".join(bytes(block) for block in read_blocks(artifact, lambda: room))
    return median_hash(data, threads=1)


def _previous(out: Path, mode: BuildMode) -> PreviousRelease:
    if mode.previous is None and not (out / layout.MANIFEST).exists():
        return PreviousRelease()
    previous = read_previous(mode.previous or out, repack=mode.repack)
    if mode.previous is not None and (out / layout.MANIFEST).exists():
        own = read_words(out)
        return replace(previous, words=own if is_edited(out) else previous.words or own)
    return previous


def _reclaimer(origin: RunOrigin, folder: Path) -> Reclaimer:
    for found in origin.replays:
        refuse_unlinkable(found.run, folder)
    samples = [sample for listed in origin.samples.values() for sample in listed]
    shown = origin.options.preview
    loose = {sample.id for listed in origin.samples.values() for sample in listed[:shown]}
    return Reclaimer(folder, samples, loose)


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


class RunOrigin:
    """Finished runs, as an `Origin`.

    Args:
        replays: The runs.
        samples: What is taken of them, sorted by id.
        options: What the release is.
        previous: The release that it replaces; a tar that would be the same is linked.

    Attributes:
        samples: The samples of each theme.
        words: What the publisher wrote into the card of the previous release.
    """

    kept: Mapping[str, FileEntry] = {}

    def __init__(
        self,
        replays: Sequence[Replay],
        samples: Sequence[Sample],
        options: ReleaseOptions,
        previous: PreviousRelease,
    ) -> None:
        self.replays, self.options = replays, options
        self.before, self.words = previous.entries, previous.words
        groups = {theme: list(found) for theme, found in groupby(samples, key=lambda sample: sample.theme)}
        self.samples = {theme: groups[theme] for theme in THEMES if theme in groups}
        self._previous = previous
        self._plans, self._next_parts = plan_shards(self.samples, options.max_shard_size, previous)

    def fetch(self, path: str) -> Path:
        """Nothing stays unseen: what a build uses again is among its tars."""
        raise KeyError(path)

    def shards(self) -> Sequence[ShardPlan]:
        """Return every tar; those that the previous release or a run has are linked."""
        return self._plans

    def paired(self) -> Sequence[ShardPlan]:
        """Return the paired shards, where they are asked for."""
        return self._paired

    @cached_property
    def _paired(self) -> list[ShardPlan]:
        options = self.options.webdataset
        if options is None:
            return []
        return [plan for theme, found in self.samples.items() for plan in plan_paired(theme, found, options)]

    def themes(self) -> Iterator[RunTheme]:
        """Yield every theme."""
        for theme, samples in self.samples.items():
            plans = [plan for plan in self._plans if theme_of(plan.ids[0]) == theme]
            yield RunTheme(theme, samples, self.options.preview, place_artifacts(plans))

    def read(self, artifact: Artifact) -> Iterator[memoryview]:
        """Yield the data of an artifact of a run."""
        buffer = memoryview(bytearray(BLOCK_BYTES))
        return read_blocks(artifact, lambda: buffer)

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Yield the provenance, and the changelog that is handed down."""
        previous, about = self._previous, self.options.about
        document = provenance(
            self.replays,
            self.options,
            self._next_parts,
            previous.removed,
            previous.about if about is None else about,
        )
        yield layout.PROVENANCE, dump_document(document)
        if self._previous.changelog is not None:
            yield layout.CHANGELOG, self._previous.changelog


@dataclass(frozen=True)
class RunTheme:
    """The samples of a theme, as an `OriginTheme`.

    Attributes:
        name: The theme.
        samples: Its samples, sorted by id.
        preview: How many of them also get loose files.
        artifacts: Where theirs are going to lie.
    """

    name: str
    samples: Sequence[Sample]
    preview: int
    artifacts: Artifacts
    packed: bool = True

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self.samples)

    def loose(self) -> list[Artifact]:
        """Return the artifacts of the first samples."""
        return [sample.artifact(kind) for sample in self.samples[: self.preview] for kind in KINDS]

    def text(self) -> Iterator[Piece]:
        """Yield csv, JSON lines and records."""
        return text_of(self.name, self.samples)

    def rows(self, start: int, end: int) -> pa.Table:
        """Return rows."""
        return pairs_table(self.samples[start:end], self.artifacts)

    def previews(self) -> dict[str, bytes]:
        """Return none: a build makes them."""
        return {}
