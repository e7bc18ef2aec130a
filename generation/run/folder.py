"""The run folder: what generation writes and builders read (drawn in `sparkle.schemas.layout`).

- One process drives a run at a time: it holds a lock on the folder (flock, gone with the process).
- The driver alone appends outcomes; workers only commit artifacts (`Work.write`).
- Opening a run clears what a kill left: temporary files and torn tails of JSON lines.
- A sample that a step did anew and keeps no longer has nothing behind that step: what an older configuration
  made there is dropped. `dropped.jsonl` says so before the outcome does, and is removed when it is done, so
  that a kill in between changes nothing.
- `finish` sorts every outcome file by id and writes `funnel.json`; it is removed when work starts
  again, so a folder with a funnel is finished.
- Artifacts whose files `sparkle build --reclaim` deleted count as made: tars of a release hold them
  (`sparkle._run_folder`). A tar is hashed before what it holds counts; the hash is remembered as that of any
  artifact. What a step reads is taken out right before its sample is worked on and deleted right after, so
  that a rerun needs no more room than what it makes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    write_jsonl,
)
from sparkle._folders import is_junk
from sparkle._run_folder import Reclaimed, take_out
from sparkle.generation.config import RunConfig
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_document, plain
from sparkle.schemas.errors import RunError
from sparkle.schemas.layout import Kind
from sparkle.schemas.records import AnyOutcome, ArtifactRef, Candidate, Record, SampleId, SourceRecord
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

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources: dict[str, SourceRecord] = {}
        self.candidates: list[Candidate] = []
        self.outcomes: dict[str, dict[str, AnyOutcome]] = {}
        self.reclaimed = Reclaimed(root)
        self._dropped: list[Dropped] = []

    def load(self) -> None:
        """Read what is there, the last line of an id counts; and drop what a kill left to be dropped."""
        self.sources = {source.sha256: source for source in self._records(layout.SOURCES, SourceRecord)}
        self.candidates = list(self._records(layout.CANDIDATES, Candidate))
        for step in STEP_NAMES:
            found = self._records(layout.outcomes(step), AnyOutcome)
            self.outcomes[step] = {outcome.id: outcome for outcome in found}
        self._dropped = list(self._records(layout.DROPPED, Dropped))
        self.drop()

    def configure(self, config: RunConfig, *, shard: tuple[int, int], extra: dict[str, Any]) -> None:
        """Write `run.toml`; with another configuration than before the run is no longer finished.

        Args:
            config: The resolved configuration.
            shard: (index, count) of the candidates that this folder holds.
            extra: Further tables: packages and models.
        """
        head = {"format": FORMAT, "version": 1, "shard": {"index": shard[0], "count": shard[1]}}
        document = tomli_w.dumps({**head, **plain(config), **extra}).encode()
        target = self.root / layout.RUN_CONFIG
        if not target.exists() or target.read_bytes() != document:
            self.start_work()
            write_atomic(target, document)

    def add_sources(self, sources: Iterable[SourceRecord]) -> None:
        """Write sources down, durably."""
        new = [source for source in sources if source.sha256 not in self.sources]
        if new:
            append_lines(self.root / layout.SOURCES, new)
            self.sources.update((source.sha256, source) for source in new)

    def add_candidates(self, candidates: Iterable[Candidate]) -> None:
        """Give candidates their place, durably, before any step sees them."""
        new = list(candidates)
        if new:
            append_lines(self.root / layout.CANDIDATES, new)
            self.candidates.extend(new)

    def append_outcome(self, step: str, outcome: AnyOutcome) -> None:
        """Write an outcome down, durably."""
        append_lines(self.root / layout.outcomes(step), [outcome])
        self.outcomes[step][outcome.id] = outcome

    def plan_drop(self, step: str, sample_ids: Iterable[str]) -> None:
        """Write down, durably, that samples have nothing behind a step any more; `drop` makes it so."""
        later = later_steps(step)
        new = [
            Dropped(sample_id, step)
            for sample_id in sample_ids
            if any(sample_id in self.outcomes[name] for name in later)
        ]
        if new:
            append_lines(self.root / layout.DROPPED, new)
            self._dropped += new

    def drop(self) -> None:
        """Delete the outcomes and artifacts that `plan_drop` was told of."""
        for planned in self._dropped:
            for step in later_steps(planned.step):
                for kind in STEP_BY_NAME[step].makes:
                    (self.root / kind.path(planned.id)).unlink(missing_ok=True)
        for step in STEP_NAMES:
            gone = {planned.id for planned in self._dropped if step in later_steps(planned.step)}
            found = self.outcomes[step]
            if gone & found.keys():
                self.outcomes[step] = {name: outcome for name, outcome in found.items() if name not in gone}
                self._rewrite(step)
        (self.root / layout.DROPPED).unlink(missing_ok=True)
        self._dropped = []

    def start_work(self) -> None:
        """Return the folder is no longer finished."""
        (self.root / layout.FUNNEL).unlink(missing_ok=True)

    def finish(self, funnel: dict[str, Any]) -> None:
        """Sort every outcome file by id and mark the folder as finished."""
        for step in STEP_NAMES:
            self._rewrite(step)
        check("funnel", funnel, where=layout.FUNNEL)
        write_atomic(self.root / layout.FUNNEL, dump_document(funnel))

    def _rewrite(self, step: str) -> None:
        outcomes, path = self.outcomes[step], self.root / layout.outcomes(step)
        if outcomes or path.exists():
            write_jsonl(path, (outcomes[sample_id] for sample_id in sorted(outcomes)))

    @property
    def finished(self) -> bool:
        """Whether the last work was brought to its end."""
        return (self.root / layout.FUNNEL).exists()

    def _records(self, relative: str, kind: type[T]) -> Iterator[T]:
        path = self.root / relative
        recover_jsonl(path)
        if path.exists():
            yield from (record for _, record in read_records(path, kind))


def later_steps(step: str) -> tuple[str, ...]:
    """Return the steps behind one."""
    return STEP_NAMES[STEP_NAMES.index(step) + 1 :]


@contextmanager
def open_run(root: Path, *, shard: tuple[int, int]) -> Iterator[RunFolder]:
    """Create or reopen a run folder, lock it, clear what a kill left, and load what is there.

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
        run = RunFolder(root)
        run.load()
        yield run


def _refuse_foreign(root: Path, shard: tuple[int, int]) -> None:
    if not root.exists():
        return
    if not root.is_dir():
        raise RunError("the run folder is not a folder", where=root, fix="choose another --out")
    config = root / layout.RUN_CONFIG
    if not config.exists():
        names = [entry.name for entry in root.iterdir()]
        others = sorted(name for name in names if ".tmp-" not in name and not is_junk(name))
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


@contextmanager
def taken_out(run: Path, inputs: Sequence[Artifact]) -> Iterator[None]:
    """Give artifacts files of their own while the block runs; raises as `take_out` does."""
    try:
        for held in inputs:
            take_out(run, held)
        yield
    finally:
        for held in inputs:
            (run / held.path).unlink(missing_ok=True)
