"""The run folder: what generation writes and builders read (drawn in `sparkle.schemas.layout`).

- One process drives a run at a time: it holds a lock on the folder (flock, gone with the process).
- The driver alone changes what is there: it gives artifacts that workers made (`Work.write`) their place, and
  appends outcomes (`sparkle.generation.run.epoch`).
- Opening a run clears what a kill left: temporary files and torn tails of JSON lines.
- A sample that a step did anew and keeps no longer has nothing behind that step: what an older configuration
  made there is dropped. `dropped.jsonl` says so before the outcome does, and is removed when it is done, so
  that a kill in between changes nothing.
- `finish` sorts every outcome file by id and writes `funnel.json`; it is removed when work starts
  again, so a folder with a funnel is finished.
- Artifacts whose files `sparkle build --reclaim` deleted count as made: tars of a release hold them
  (`sparkle._run_folder`). A tar is hashed before what it holds counts; the hash is remembered as that of any
  artifact. What a step reads is copied out right before its sample is worked on and deleted right after, so
  that a rerun needs no more room than what it makes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from sparkle._cache import HashCache
from sparkle._files import (
    append_lines,
    exclusive,
    read_records,
    recover_jsonl,
    remove_leftovers,
    write_atomic,
)
from sparkle._folders import is_junk
from sparkle._run_folder import Reclaimed
from sparkle.generation.config import RunConfig
from sparkle.generation.run.epoch import RunEpoch, clear_staging
from sparkle.generation.run.jobs import Done
from sparkle.generation.run.lines import Lines
from sparkle.generation.run.outcomes import StepOutcomes
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_document, plain
from sparkle.schemas.errors import RunError
from sparkle.schemas.layout import Kind
from sparkle.schemas.records import KEPT, AnyOutcome, ArtifactRef, Candidate, Record, SampleId, SourceRecord
from sparkle.schemas.stages import STEP_BY_NAME, STEP_NAMES
from sparkle.schemas.validate import check

FORMAT = "sparkle-run"

T = TypeVar("T")


class Dropped(Record, frozen=True):
    """A sample of which nothing stays behind a step."""

    id: SampleId
    step: str

    def __post_init__(self) -> None:
        if self.step not in STEP_NAMES:
            raise ValueError("no such step")


class RunFolder:
    """An open run folder; make one with `open_run`."""

    sources: Lines[SourceRecord]
    candidates: Lines[Candidate]
    epoch: RunEpoch

    def __init__(self, root: Path) -> None:
        self.root = root
        self.outcomes: dict[str, StepOutcomes] = {}
        self.reclaimed = Reclaimed(root)
        self._dropped: list[Dropped] = []
        self._open: list[Lines[Any] | StepOutcomes | RunEpoch] = []

    def load(self) -> None:
        """Take the run over, and read the sources and candidates that are there."""
        self.epoch = RunEpoch(self.root)
        self._open.append(self.epoch)
        self.sources = Lines(self.root / layout.SOURCES, SourceRecord, lambda source: source.sha256)
        self.candidates = Lines(self.root / layout.CANDIDATES, Candidate, lambda candidate: candidate.id)
        self._open += [self.sources, self.candidates]

    def load_outcomes(self) -> None:
        """Read the outcomes that are there, the last of an id counts; drop what a kill left to be dropped."""
        for step in STEP_NAMES:
            path = self.root / layout.outcomes(step)
            recover_jsonl(path)
            self.outcomes[step] = StepOutcomes(path, self.candidates.numbers)
            self.outcomes[step].load()
            self._open.append(self.outcomes[step])
        path = self.root / layout.DROPPED
        recover_jsonl(path)
        self._dropped = [found for _, found in read_records(path, Dropped)] if path.exists() else []
        self.drop()

    def close(self) -> None:
        """Let go of the files."""
        for opened in reversed(self._open):
            opened.close()

    def configure(self, document: bytes) -> None:
        """Write `run.toml`; with another configuration than before the run is no longer finished."""
        target = self.root / layout.RUN_CONFIG
        if not target.exists() or target.read_bytes() != document:
            self.start_work()
            write_atomic(target, document)

    def accept(self, answers: Sequence[Done], outcomes: Mapping[str, Sequence[AnyOutcome]]) -> None:
        """Make durable what workers made of samples: their artifacts, then what was said of them.

        Args:
            answers: Whose artifacts are to have their place.
            outcomes: By step: theirs, and those of samples that are like them.

        Raises:
            RunError: another driver has taken the run over.
        """
        self.epoch.check()
        self.epoch.place(answers)
        for step, some in outcomes.items():
            # Before they say so: a kill in between must not leave what is behind them.
            self._plan_drop(step, [each.id for each in some if each.status != KEPT])
            self.outcomes[step].append(some)

    def judge_again(self, step: str, outcomes: Sequence[AnyOutcome]) -> None:
        """Make other verdicts on the same records durable; what is behind a rejection stays."""
        self.start_work()
        self.outcomes[step].append(outcomes)

    def _plan_drop(self, step: str, sample_ids: Iterable[str]) -> None:
        """Write down, durably, that samples have nothing behind a step any more; `drop` makes it so."""
        behind = [self.outcomes[name] for name in later_steps(step) if len(self.outcomes[name])]
        new = [
            Dropped(sample_id, step)
            for sample_id in sample_ids
            if any(sample_id in found for found in behind)
        ]
        if new:
            append_lines(self.root / layout.DROPPED, new)
            self._dropped += new

    def drop(self) -> None:
        """Delete the outcomes and artifacts that `plan_drop` was told of."""
        if not self._dropped and not (self.root / layout.DROPPED).exists():
            return
        self.epoch.check()
        for planned in self._dropped:
            for step in later_steps(planned.step):
                for kind in STEP_BY_NAME[step].makes:
                    (self.root / kind.path(planned.id)).unlink(missing_ok=True)
        shrunk = [
            outcomes
            for step, outcomes in self.outcomes.items()
            if outcomes.forget(planned.id for planned in self._dropped if step in later_steps(planned.step))
        ]
        self._sort(shrunk)
        (self.root / layout.DROPPED).unlink(missing_ok=True)
        self._dropped = []

    def start_work(self) -> None:
        """Say that the folder is no longer finished."""
        self.epoch.check()
        (self.root / layout.FUNNEL).unlink(missing_ok=True)

    def finish(self, funnel: dict[str, Any]) -> None:
        """Sort every outcome file by id and mark the folder as finished."""
        self.epoch.check()
        self._sort(self.outcomes.values())
        check("funnel", funnel, where=layout.FUNNEL)
        write_atomic(self.root / layout.FUNNEL, dump_document(funnel))

    def _sort(self, files: Collection[StepOutcomes]) -> None:
        if files:
            order = self.candidates.numbers.in_order()
            for outcomes in files:
                outcomes.sort(order)

    @property
    def finished(self) -> bool:
        """Whether the last work was brought to its end."""
        return (self.root / layout.FUNNEL).exists()


def later_steps(step: str) -> tuple[str, ...]:
    """Return the steps behind one."""
    return STEP_NAMES[STEP_NAMES.index(step) + 1 :]


def run_document(config: RunConfig, shard: tuple[int, int], extra: Mapping[str, Any]) -> bytes:
    """Return what `run.toml` says.

    Args:
        config: The resolved configuration.
        shard: (index, count) of the candidates that the folder holds.
        extra: Further tables: packages and models.
    """
    head = {"format": FORMAT, "version": 1, "shard": {"index": shard[0], "count": shard[1]}}
    return tomli_w.dumps({**head, **plain(config), **extra}).encode()


@contextmanager
def open_run(root: Path, *, shard: tuple[int, int]) -> Iterator[RunFolder]:
    """Create or reopen a run folder, lock it, and clear what a kill left; `load` reads what is there.

    Args:
        root: The folder.
        shard: (index, count) of the candidates that this folder holds.

    Raises:
        RunError: the folder holds something else, another shard, or is in use by another process.
    """
    _refuse_foreign(root, shard)
    root.mkdir(parents=True, exist_ok=True)
    with exclusive(root, RunError("another process works in this run", where=root, fix="wait for it")):
        remove_leftovers(root)
        clear_staging(root)
        run = RunFolder(root)
        try:
            yield run
        finally:
            run.close()


def _refuse_foreign(root: Path, shard: tuple[int, int]) -> None:
    if not root.exists():
        return
    if not root.is_dir():
        raise RunError("the run folder is not a folder", where=root, fix="choose another --out")
    config = root / layout.RUN_CONFIG
    if not config.exists():
        names = [entry.name for entry in root.iterdir()]
        others = sorted(
            name for name in names if ".tmp-" not in name and name != layout.STAGING and not is_junk(name)
        )
        if others:
            raise RunError(
                "the folder contains files that do not belong to a run",
                got=", ".join(others[:5]),
                wanted="an empty folder or a run",
                where=root,
                fix="choose another --out",
            )
        return
    try:
        table = tomllib.loads(config.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError("run.toml cannot be read", got=error, where=config) from None
    found = table.get("shard", {})
    if table.get("format") != FORMAT or (found.get("index"), found.get("count")) != shard:
        raise RunError(
            "the folder holds another run",
            got=f"format {table.get('format')}, shard {found.get('index')}/{found.get('count')}",
            wanted=f"format {FORMAT}, shard {shard[0]}/{shard[1]}",
            where=root,
            fix="choose another --out",
        )


class HeldArtifacts:
    """What tars hold for a run, and whether they are whole."""

    def __init__(self, reclaimed: Reclaimed, hashes: HashCache) -> None:
        self._reclaimed = reclaimed
        self._hashes = hashes
        self._whole: dict[str, bool] = {}

    def has(self, kind: Kind, sample_id: str, ref: ArtifactRef) -> bool:
        """Return whether an artifact has no file of its own, and a tar that is whole holds it."""
        held = self._find(kind, sample_id, ref)
        if held is None:
            return False
        if held.file not in self._whole:
            tar = self._reclaimed.run / held.file
            self._whole[held.file] = tar.is_file() and self._hashes.sha256(tar) == tar.stem
        return self._whole[held.file]

    def inputs(
        self, reads: Iterable[Kind], sample_id: str, artifacts: Mapping[str, ArtifactRef]
    ) -> list[Artifact]:
        """Return which artifacts that a step reads of a sample have to be taken out for it."""
        found = (self._find(kind, sample_id, artifacts[kind.name]) for kind in reads)
        return [held for held in found if held is not None]

    def _find(self, kind: Kind, sample_id: str, ref: ArtifactRef) -> Artifact | None:
        held = self._reclaimed.find(kind, sample_id, ref)
        return None if held and (self._reclaimed.run / kind.path(sample_id)).exists() else held
