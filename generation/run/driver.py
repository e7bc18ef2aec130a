"""The driver: sources become candidates, candidates go through the steps one by one.

How it works:
- A step runs over every sample that is still in, then the next step does: one GPU holds one model.
- An outcome that is there is used again when its fingerprint is the same and its artifacts are what
  they were; its verdict is taken again under today's thresholds. Otherwise the sample is done again.
- Samples with the same fingerprint in a step without artifacts (one source in several themes) are
  measured once.
- A rerun continues: what a kill left half done is not there, and a finished run does nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msgspec import structs

from sparkle._cache import HashCache
from sparkle._progress import Progress, count_text, silent
from sparkle.generation.backends import list_models, pin_models
from sparkle.generation.backends.local_model import free_device_memory
from sparkle.generation.config import RunConfig
from sparkle.generation.run.ahead import WholeRun
from sparkle.generation.run.executor import LocalExecutor
from sparkle.generation.run.fingerprints import run_packages, sample_fingerprint, step_identity
from sparkle.generation.run.folder import HeldArtifacts, RunFolder, open_run, taken_out
from sparkle.generation.run.sources import (
    ListedSource,
    inspect_source,
    licences,
    new_candidates,
    refuse_unreadable,
)
from sparkle.generation.steps import make_step
from sparkle.generation.steps.base import (
    AnyStep,
    Failed,
    Kept,
    Rejected,
    SampleState,
    Work,
)
from sparkle.schemas import records as r
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import ServiceError, SourceGoneError
from sparkle.schemas.funnel import make_funnel
from sparkle.schemas.load import load
from sparkle.schemas.rules import judge
from sparkle.schemas.stages import STEP_BY_NAME, STEP_NAMES


@dataclass(frozen=True)
class Inspect:
    """A job: what is this source file?"""

    path: Path
    sha256: str
    licence: str | None

    def __str__(self) -> str:
        return str(self.path)

    def __call__(self) -> r.SourceRecord:
        """Probe it."""
        return inspect_source(self.path, self.sha256, self.licence)


@dataclass(frozen=True)
class Process:
    """A job: one sample in one step."""

    root: Path
    config: RunConfig
    step: str
    sample: SampleState
    fingerprint: str
    held: list[Artifact]

    def __str__(self) -> str:
        return f"{self.step} of {self.sample.id}"

    def __call__(self) -> r.AnyOutcome:
        """Do it, with the step that this process has set up."""
        step = _set_up(self.step, self.config)
        work = Work(self.root, self.config, step, self.sample)
        try:
            with taken_out(self.root, self.held):
                answer = step.process(work)
        except BaseException as error:
            error.add_note(f"in {self}, source {self.sample.source.path}")
            raise
        for kind in STEP_BY_NAME[self.step].makes:
            if kind.name not in work.committed:  # an older one is no longer this sample's
                (self.root / kind.path(self.sample.id)).unlink(missing_ok=True)
        return _outcome(self.sample.id, self.fingerprint, answer, work.committed)


# Failures that may be gone the next time: a source may be back, a service may answer.
_MAY_PASS = (SourceGoneError.__name__, ServiceError.__name__)

_ready: list[AnyStep] = []  # this process's step: one at a time, so that one model is in memory


def _set_up(name: str, config: RunConfig) -> AnyStep:
    if not (_ready and _ready[0].name == name and _ready[0].config == config):
        _ready.clear()
        free_device_memory()
        step = make_step(name, config)
        step.setup()
        _ready.append(step)
    return _ready[0]


def _outcome(
    sample_id: str, fingerprint: str, answer: Kept | Rejected | Failed, artifacts: dict[str, r.ArtifactRef]
) -> r.AnyOutcome:
    if isinstance(answer, Failed):
        return r.AnyOutcome(
            id=sample_id, fingerprint=fingerprint, status=r.FAILED, error=answer.error, artifacts={}
        )
    return r.AnyOutcome(
        id=sample_id,
        fingerprint=fingerprint,
        status=r.KEPT if isinstance(answer, Kept) else r.REJECTED,
        reason=None if isinstance(answer, Kept) else answer.reason,
        record=plain(answer.record),
        artifacts=dict(sorted(artifacts.items())),
    )


@dataclass(frozen=True)
class RunSummary:
    """What a call of `generate` found and did; `notes` say what was done to sources, as their records do."""

    funnel: dict[str, Any]
    processed: int
    judged_again: int
    failures: tuple[str, ...]
    notes: tuple[str, ...]


class Driver:
    """Takes one run from wherever it is to its end."""

    def __init__(
        self,
        run: RunFolder,
        config: RunConfig,
        executor: LocalExecutor,
        hashes: HashCache,
        progress: Progress,
    ) -> None:
        self.run = run
        self.config = config
        self.executor = executor
        self.progress = progress
        self.hashes = hashes
        self.places: dict[str, Path] = {}
        self.unreadable: dict[Path, str] = {}
        self.held = HeldArtifacts(run.reclaimed, hashes)
        self.processed = 0
        self.judged_again = 0

    def ingest(self, listed: list[ListedSource], shard: tuple[int, int], id_offset: int) -> None:
        """Write down the configuration, and the sources and candidates that are new."""
        hashed = []
        for item in listed:
            try:
                hashed.append((self.hashes.sha256(item.path), item))
            except (OSError, ValueError) as error:  # ValueError: a NUL in its name
                self.unreadable[item.path] = getattr(error, "strerror", None) or str(error)
        refuse_unreadable(self.unreadable, hashed, shard)
        for sha256, item in hashed:
            self.places.setdefault(sha256, item.path)
        candidates = new_candidates(self.run.candidates, hashed, shard, id_offset)
        unknown = dict.fromkeys(candidate.source for candidate in candidates)  # in the list's order
        licence = licences(self.run.sources, hashed)
        jobs = [
            Inspect(self.places[sha256], sha256, licence[sha256])
            for sha256 in unknown
            if sha256 not in self.run.sources
        ]
        found = {}
        with self.progress("sources", len(jobs)) as advance:
            for source in self.executor.map(jobs):
                found[source.sha256] = source
                advance()
        extra = {"packages": run_packages(self.config), "models": list_models(self.config)}
        self.run.configure(self.config, shard=shard, extra=extra)
        if candidates:
            self.run.start_work()
        self.run.add_sources(found[job.sha256] for job in jobs)
        self.run.add_candidates(candidates)

    def work(self) -> RunSummary:
        """Take every candidate through the steps."""
        ordered = sorted(self.run.candidates, key=lambda candidate: candidate.id)
        samples = [SampleState(candidate, self._source(candidate)) for candidate in ordered]
        with WholeRun(self.config, self.executor.workers, self.progress) as whole:
            for name in STEP_NAMES:
                samples = self._run_step(make_step(name, self.config), samples, whole)
        funnel = make_funnel(len(self.run.candidates), self.run.outcomes)
        if not self.run.finished:
            self.run.finish(funnel)
        return RunSummary(
            funnel, self.processed, self.judged_again, tuple(self._failures()), tuple(self._notes())
        )

    def _failures(self) -> Iterator[str]:
        """Yield each source that cannot be read and each failed sample, with its file and what was wrong."""
        for path, problem in self.unreadable.items():
            yield f"{path}: {problem}"
        for candidate in self.run.candidates:
            for step in STEP_NAMES:
                outcome = self.run.outcomes[step][candidate.id]
                if outcome.error is not None:
                    yield f"{candidate.id} {self._source(candidate).path}: {outcome.error['problem']}"
                if outcome.status != r.KEPT:
                    break

    def _notes(self) -> Iterator[str]:
        """Yield what was done to the frames of sources, each with its file; see `NormaliseRecord`."""
        for candidate in self.run.candidates:
            record = self.run.outcomes["normalise"][candidate.id].record or {}
            for note in record.get("notes", ()):
                yield f"{candidate.id} {self._source(candidate).path}: {note}"

    def _source(self, candidate: r.Candidate) -> r.SourceRecord:
        """The candidate's source where it is now: a listed file may have moved since it was first seen."""
        source = self.run.sources[candidate.source]
        place = self.places.get(candidate.source)
        return source if place is None else structs.replace(source, path=str(place))

    def _run_step(self, step: AnyStep, samples: list[SampleState], whole: WholeRun) -> list[SampleState]:
        """Bring a step's outcomes up to date; returns the samples that are still in."""
        identity = step_identity(step)
        pending: defaultdict[str, list[SampleState]] = defaultdict(list)
        for sample in samples:
            fingerprint = sample_fingerprint(step, identity, sample)
            if not self._reuse(step, sample, fingerprint):
                pending[fingerprint if not STEP_BY_NAME[step.name].makes else sample.id].append(
                    replace(sample, records=dict(sample.records))
                )
        if pending:
            ids = [sample.id for sample in samples]
            whole.begin(step.name, sum(map(len, pending.values())), ids, self.run.outcomes)
            self._process(step, identity, list(pending.values()), whole)
        return list(self._still_in(step, samples))

    def _process(
        self,
        step: AnyStep,
        identity: dict[str, Any],
        groups: list[list[SampleState]],
        whole: WholeRun,
    ) -> None:
        self.run.start_work()
        by_id = {group[0].id: group for group in groups}
        jobs = (
            Process(
                self.run.root,
                self.config,
                step.name,
                group[0],
                sample_fingerprint(step, identity, group[0]),
                self.held.inputs(step.reads, group[0].id, group[0].artifacts),
            )
            for group in groups
        )
        title = f"step {STEP_NAMES.index(step.name) + 1} of {len(STEP_NAMES)}: {step.name}"
        with self.progress(title, len(groups)) as advance:
            for outcome in self.executor.map(jobs, on_gpu=step.on_gpu):
                if outcome.status != r.KEPT:
                    self.run.plan_drop(step.name, [sample.id for sample in by_id[outcome.id]])
                for sample in by_id[outcome.id]:
                    self.run.append_outcome(step.name, structs.replace(outcome, id=sample.id))
                    self.processed += 1
                    whole.did(step.name)
                for kind in STEP_BY_NAME[step.name].makes:
                    if kind.name in outcome.artifacts:
                        path = self.run.root / kind.path(outcome.id)
                        self.hashes.remember(path, outcome.artifacts[kind.name].sha256)
                advance()
        self.run.drop()

    def _reuse(self, step: AnyStep, sample: SampleState, fingerprint: str) -> bool:
        """Return whether the outcome that is there still holds; its verdict is brought up to date."""
        found = self.run.outcomes[step.name].get(sample.id)
        if found is None or found.fingerprint != fingerprint or not self._intact(step, found):
            return False
        if found.error is not None and found.error.get("kind") in _MAY_PASS:
            return False
        if found.status != r.FAILED:
            record = load(r.STEP_RECORDS[step.name], found.record)
            reason = judge(step.name, record, self.config.thresholds)
            if reason != found.reason:
                today = structs.replace(found, status=r.REJECTED if reason else r.KEPT, reason=reason)
                self.run.start_work()
                self.run.append_outcome(step.name, today)
                self.judged_again += 1
        return True

    def _intact(self, step: AnyStep, outcome: r.AnyOutcome) -> bool:
        for kind in STEP_BY_NAME[step.name].makes:
            reference = outcome.artifacts.get(kind.name)
            path = self.run.root / kind.path(outcome.id)
            if reference is None or self.held.has(kind, outcome.id, reference):
                continue
            if not path.is_file() or path.stat().st_size != reference.size:
                return False
            if self.hashes.sha256(path) != reference.sha256:
                return False
        return True

    def _still_in(self, step: AnyStep, samples: list[SampleState]) -> Iterator[SampleState]:
        for sample in samples:
            outcome = self.run.outcomes[step.name][sample.id]
            if outcome.status == r.KEPT:
                record = load(r.STEP_RECORDS[step.name], outcome.record)
                yield replace(
                    sample,
                    records={**sample.records, step.name: record},
                    artifacts={**sample.artifacts, **outcome.artifacts},
                )


def generate(
    listed: list[ListedSource],
    out: Path,
    config: RunConfig,
    *,
    workers: int,
    shard: tuple[int, int],
    id_offset: int = 0,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> RunSummary:
    """Make a run of what is listed, or bring the run that is there to its end.

    Raises:
        RunError: the folder cannot be used, or a worker died; a rerun continues.
    """
    # What is unknown or missing (a backend, an option, a model, a package) is found before anything starts.
    config = pin_models(config)
    run_packages(config)
    with (
        open_run(out, shard=shard) as run,
        closing(HashCache()) as hashes,
        LocalExecutor(workers) as executor,
    ):
        if len(run.reclaimed):
            say(
                f"note: in tars of a release: {count_text(len(run.reclaimed), 'artifact')} of this run, "
                "which count as made; what a step reads of them is taken out while it works"
            )
        driver = Driver(run, config, executor, hashes, progress)
        driver.ingest(listed, shard, id_offset)
        return driver.work()
