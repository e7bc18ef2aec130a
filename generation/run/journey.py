"""A sample's way through the steps: what it has to do next, given what is written down of it.

- An outcome that is there is used again when its fingerprint is the same and its artifacts are what they
  were; its verdict is taken again under today's thresholds. Otherwise the sample is done again.
- By step or streaming, this is asked for each sample and each step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from msgspec import structs

from sparkle._cache import HashCache
from sparkle.generation.config import RunConfig
from sparkle.generation.run.fingerprints import sample_fingerprint, step_identity
from sparkle.generation.run.folder import HeldArtifacts, RunFolder
from sparkle.generation.run.jobs import Done, Process
from sparkle.generation.run.live import LiveStatus
from sparkle.generation.steps import make_step
from sparkle.generation.steps.base import AnyStep, SampleState
from sparkle.schemas import records as r
from sparkle.schemas.errors import ServiceError, SourceGoneError, WorkerLostError
from sparkle.schemas.load import load
from sparkle.schemas.records import Record
from sparkle.schemas.rules import judge
from sparkle.schemas.stages import STEP_BY_NAME, STEP_NAMES, STEPS

# Failures that may be gone the next time: a source may be back, a service answer, a worker live.
MAY_PASS = tuple(kind.__name__ for kind in (SourceGoneError, ServiceError, WorkerLostError))

_TOGETHER = 1000  # verdicts that are taken again and share an fsync


class Todo(NamedTuple):
    """A step that a sample has to go through."""

    step: str
    fingerprint: str

    def key(self, sample_id: str) -> bytes:
        """Return what samples have in common that get the same outcome here: only what makes no artifacts."""
        own = sample_id.encode() if STEP_BY_NAME[self.step].makes else b""
        return bytes.fromhex(self.fingerprint) + own


class Journeys:
    """The ways of a run's samples.

    Args:
        run: The run, with its outcomes.
        config: Its configuration.
        hashes: Of files.
        places: Of sources that have moved: by sha256, where they are.
        live: Is told of what was accepted.
    """

    def __init__(
        self,
        run: RunFolder,
        config: RunConfig,
        hashes: HashCache,
        places: Mapping[str, str],
        live: LiveStatus,
    ) -> None:
        self.run = run
        self.config = config
        self.judged_again = 0
        self._hashes = hashes
        self._places = places
        self._live = live
        self._held = HeldArtifacts(run.reclaimed, hashes)
        self._steps = {name: make_step(name, config) for name in STEP_NAMES}
        self._identities = {name: step_identity(step) for name, step in self._steps.items()}
        self._again: dict[str, list[r.AnyOutcome]] = {name: [] for name in STEP_NAMES}

    def next(self, sample_id: str, after: str | None) -> Todo | None:
        """Return what a sample has to do after a step that kept it, if anything; None begins its way."""
        for name in STEP_NAMES[0 if after is None else STEP_NAMES.index(after) + 1 :]:
            found = self.look(name, sample_id)
            if isinstance(found, Todo):
                return found
            if found.status != r.KEPT:
                return None
        return None

    def look(self, step: str, sample_id: str) -> Todo | r.AnyOutcome:
        """Return the outcome of a step that has seen a sample, with today's verdict, or that it has to.

        The steps before it have kept the sample. Another verdict than before is durable after `write_judged`.
        """
        made = self._steps[step]
        fingerprint = sample_fingerprint(made, self._identities[step], self._sample(made, sample_id))
        outcomes = self.run.outcomes[step]
        found = outcomes.get(sample_id) if outcomes.made_from(sample_id, fingerprint) else None
        if found is None or not self._holds(step, found):
            return Todo(step, fingerprint)
        today = self._judge(step, found)
        if today != found:
            self._again[step].append(today)
            if len(self._again[step]) == _TOGETHER:
                self._write_judged(step)
        return today

    def write_judged(self) -> None:
        """Make the verdicts durable that were taken again."""
        for step, some in self._again.items():
            if some:
                self._write_judged(step)

    def process(self, todo: Todo, sample_id: str, *, resident: bool = False) -> Process:
        """Return the job of a sample in a step; see `Process`."""
        step = self._steps[todo.step]
        sample = self._sample(step, sample_id)
        held = self._held.inputs(step.reads, sample_id, sample.artifacts)
        return Process(
            self.run.root,
            self.run.epoch.folder,
            self.config,
            todo.step,
            sample,
            todo.fingerprint,
            held,
            resident,
        )

    def accept(self, answers: Sequence[Done], outcomes: Mapping[str, Sequence[r.AnyOutcome]]) -> None:
        """Make durable what workers made; see `RunFolder.accept`."""
        self.run.start_work()
        self.run.accept(answers, outcomes)
        self._hashes.remember(
            {
                self.run.root / kind.path(done.outcome.id): done.outcome.artifacts[kind.name].sha256
                for done in answers
                for kind in STEP_BY_NAME[done.step].makes
                if kind.name in done.outcome.artifacts
            }
        )
        self._live.accepted(answers, {step: len(some) for step, some in outcomes.items()})

    def source(self, candidate: r.Candidate) -> r.SourceRecord:
        """Return a candidate's source where it is now: a file may have moved since it was first listed."""
        source = self.run.sources[candidate.source]
        place = self._places.get(candidate.source)
        return source if place is None else structs.replace(source, path=place)

    def failures(self) -> Iterator[r.AnyOutcome]:
        """Yield the outcomes that the next run may not meet."""
        for outcomes in self.run.outcomes.values():
            for kind in MAY_PASS:
                yield from (found for found in outcomes.mentioning(kind) if _may_pass(found))

    def _sample(self, step: AnyStep, sample_id: str) -> SampleState:
        """The sample with what the step needs of those before it, all of which kept it."""
        candidate = self.run.candidates[sample_id]
        records: dict[str, Record] = {}
        artifacts: dict[str, r.ArtifactRef] = {}
        for name in _inputs_of(type(step)):
            outcome = self.run.outcomes[name].get(sample_id)
            assert outcome is not None  # noqa: S101
            artifacts |= outcome.artifacts
            if name in step.needs:
                records[name] = load(r.STEP_RECORDS[name], outcome.record)
        return SampleState(candidate, self.source(candidate), records, artifacts)

    def _holds(self, step: str, found: r.AnyOutcome) -> bool:
        """Return whether an outcome, made from the same, may be used again."""
        return not _may_pass(found) and self._intact(step, found)

    def _intact(self, step: str, outcome: r.AnyOutcome) -> bool:
        for kind in STEP_BY_NAME[step].makes:
            reference = outcome.artifacts.get(kind.name)
            path = self.run.root / kind.path(outcome.id)
            if reference is None or self._held.has(kind, outcome.id, reference):
                continue
            if not path.is_file() or path.stat().st_size != reference.size:
                return False
            if self._hashes.sha256(path) != reference.sha256:
                return False
        return True

    def _judge(self, step: str, found: r.AnyOutcome) -> r.AnyOutcome:
        """An outcome under today's thresholds."""
        if found.status == r.FAILED:
            return found
        reason = judge(step, load(r.STEP_RECORDS[step], found.record), self.config.thresholds)
        return structs.replace(found, status=r.REJECTED if reason else r.KEPT, reason=reason)

    def _write_judged(self, step: str) -> None:
        self.run.judge_again(step, self._again[step])
        self.judged_again += len(self._again[step])
        self._again[step] = []


def _may_pass(outcome: r.AnyOutcome) -> bool:
    return outcome.error is not None and outcome.error.get("kind") in MAY_PASS


@cache
def _inputs_of(step: type[AnyStep]) -> list[str]:
    """The steps of which a step reads a record or an artifact."""
    makers = (info.name for info in STEPS if set(info.makes) & set(step.reads))
    return list(dict.fromkeys([*step.needs, *makers]))
