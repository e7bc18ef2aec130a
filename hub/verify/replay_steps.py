"""The steps of a run, run again on what a release holds.

How it works
- Every step gets the *recorded* artifacts and records of the steps before it, not those that were made just
  now: so each one is judged alone, a difference does not spread, and when all of them give what was recorded,
  so does the whole chain, from the source on.
- Steps run one after another over all samples, so that one model is in memory, by the executor of `generate`;
  ids and prompts are the samples' own, and with them the seeds.
- What the release does not record of a step (what the camera checks said) is what the step says now.
- A composed prompt and a given one look alike in a release: a prompt that is not composed again is tried as
  given.
- A step whose model or GPU is not here is not tried, and that is said; the others are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from sparkle._files import link_or_copy
from sparkle._progress import Progress
from sparkle.generation.backend import Packaged, Prompted
from sparkle.generation.config import RunConfig
from sparkle.generation.run.epoch import RunEpoch
from sparkle.generation.run.jobs import Process
from sparkle.generation.run.local import LocalExecutor, visible_gpus
from sparkle.generation.steps import make_step
from sparkle.generation.steps.base import AnyStep, SampleState
from sparkle.hub.verify.recorded import Difference, Recorded, compare_files, compare_records
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ConfigError, MediaError, ServiceError, SourceGoneError
from sparkle.schemas.ids import TAXONOMY_THEMES, theme_of
from sparkle.schemas.load import load
from sparkle.schemas.records import Record
from sparkle.schemas.stages import STEP_BY_NAME, STEP_NAMES

_NOT_HERE = (ServiceError.__name__, SourceGoneError.__name__)  # failures that say nothing of the sample


@dataclass
class StepResult:
    """What a step made of a sample, beside what was recorded.

    Attributes:
        step: Its name.
        exact: Whether the same bytes and numbers are promised.
        differences: In what it differs.
        refused: Why it did not keep the sample; None when it did, as it must.
        not_tried: Why it could not be tried here.
    """

    step: str
    exact: bool
    differences: list[Difference] = field(default_factory=list)
    refused: str | None = None
    not_tried: str | None = None

    @property
    def diverges(self) -> bool:
        """Whether it makes something else than was recorded."""
        unlike = any(not (found.within and not self.exact) for found in self.differences)
        return self.refused is not None or unlike

    @property
    def in_band(self) -> bool:
        """Whether it makes something else that lies within the bands."""
        return bool(self.differences) and not self.diverges


@dataclass
class SampleResult:
    """A sample, run again under one configuration.

    Attributes:
        recorded: What the release has of it.
        given: Whether its prompt had to be given; None where it was not composed again at all.
        steps: What each step made, in their order.
    """

    recorded: Recorded
    given: bool | None = None
    steps: list[StepResult] = field(default_factory=list)

    @property
    def first(self) -> StepResult | None:
        """The first step that makes something else; None when none does."""
        return next((step for step in self.steps if step.diverges), None)

    @property
    def reach(self) -> int:
        """How many steps come before the first that differs."""
        return STEP_NAMES.index(self.first.step) if self.first else len(STEP_NAMES)


class Rerun:
    """Runs samples again under one configuration.

    Args:
        config: The configuration that the release records.
        samples: What the release has of them.
        folder: Holds their artifacts, at the paths of a release.
        scratch: A folder to work in.
        promises_bytes: Whether libraries and processor are those of the record.
        executor: Runs the steps.
    """

    def __init__(
        self,
        config: RunConfig,
        samples: Sequence[Recorded],
        folder: Path,
        scratch: Path,
        *,
        promises_bytes: bool,
        executor: LocalExecutor,
    ) -> None:
        self.config = config
        self.folder = folder
        self.scratch = scratch
        self.epoch = RunEpoch(scratch)
        self.promises_bytes = promises_bytes
        self.executor = executor
        self.results = {recorded.id: SampleResult(recorded) for recorded in samples}
        self.samples = {recorded.id: self._sample(recorded) for recorded in samples}

    def run(self, progress: Progress) -> list[SampleResult]:
        """Run every step over every sample."""
        with progress("running steps again", len(STEP_NAMES) * len(self.samples)) as advance:
            for name in STEP_NAMES:
                self._run_step(name)
                advance(len(self.samples))
        return list(self.results.values())

    def _sample(self, recorded: Recorded) -> SampleState:
        """The sample before any step: its source is the clip that the release has of it."""
        path = self.folder / layout.SOURCE_VIDEO.path(recorded.id)
        theme = theme_of(recorded.id)
        sha256 = sha256_file(path)
        prompt = None if theme in TAXONOMY_THEMES else recorded.prompt
        source = r.SourceRecord(sha256, str(path), path.stat().st_size)
        return SampleState(r.Candidate(recorded.id, sha256, theme, prompt), source)

    def _run_step(self, name: str) -> None:
        step, missing = self._ready(name)
        exact = step is not None and is_exact(step) and self.promises_bytes
        asked = list(self.samples.values())
        outcomes: dict[str, r.AnyOutcome] = {}
        if step is not None:
            ready = [sample for sample in asked if all(need in sample.records for need in step.needs)]
            try:
                outcomes = self._outcomes(step, ready)
            except ConfigError as error:
                missing = " ".join(str(error).split())
        for sample in asked:
            result = StepResult(name, exact, not_tried=missing)
            outcome = outcomes.get(sample.id)
            if outcome is not None:
                self._judge(result, sample, outcome)
            elif missing is None:
                result.not_tried = "what a step before said of it is neither recorded nor made again"
            self.results[sample.id].steps.append(result)
            self._go_on(name, sample, outcome)
        if name == "compose" and step is not None:
            self._try_given(step, exact)

    def _ready(self, name: str) -> tuple[AnyStep | None, str | None]:
        """The step, or why it cannot be tried here."""
        try:
            step = make_step(name, self.config)
        except ConfigError as error:
            return None, " ".join(str(error).split())
        if step.on_gpu and not visible_gpus():
            return None, f"backend {self.config.backend_table(str(step.capability))['name']} needs a GPU"
        return step, None

    def _outcomes(self, step: AnyStep, samples: Sequence[SampleState]) -> dict[str, r.AnyOutcome]:
        """Run a step over samples, which find the recorded artifacts of the steps before it."""
        before = STEP_NAMES[: STEP_NAMES.index(step.name)]
        jobs = []
        for sample in samples:
            for kind in (kind for earlier in before for kind in STEP_BY_NAME[earlier].makes):
                _link(self.folder / kind.path(sample.id), self.scratch / kind.path(sample.id))
            jobs.append(Process(self.scratch, self.epoch.folder, self.config, step.name, sample, "", []))
        outcomes: dict[str, r.AnyOutcome] = {}
        for ready in self.executor.map(jobs, on_gpu=step.on_gpu):
            self.epoch.place(ready)
            outcomes.update((done.outcome.id, done.outcome) for done in ready)
        return outcomes

    def _judge(self, result: StepResult, sample: SampleState, outcome: r.AnyOutcome) -> None:
        """Compare what a step made and said with what was recorded."""
        recorded = self.results[sample.id].recorded
        if outcome.error is not None:
            if outcome.error.get("kind") in _NOT_HERE:
                result.not_tried = outcome.error["problem"]
                return
            result.refused = f"it fails: {outcome.error['problem']}"
        elif outcome.reason is not None:
            result.refused = outcome.reason
        for kind in STEP_BY_NAME[result.step].makes:
            made = self.scratch / kind.path(sample.id)
            try:
                found = compare_files(kind.name, made, self.folder / kind.path(sample.id))
            except MediaError as error:
                found = Difference(kind.name, error.problem, "something that decodes", within=False)
            if found is not None:
                result.differences.append(found)
        if result.step in recorded.records and outcome.record is not None:
            said = load(r.STEP_RECORDS[result.step], outcome.record)
            result.differences += compare_records(said, recorded.records[result.step])
        elif result.step == "normalise" and outcome.record is not None:
            result.differences += _compare_size(outcome.record, recorded.size)

    def _go_on(self, name: str, sample: SampleState, outcome: r.AnyOutcome | None) -> None:
        """Give the steps that follow what was recorded, or what the step says now where nothing was."""
        records: dict[str, Record] = dict(sample.records)
        recorded = self.results[sample.id].recorded.records
        if name in recorded:
            records[name] = recorded[name]
        elif outcome is not None and outcome.record is not None:
            records[name] = load(r.STEP_RECORDS[name], outcome.record)
        self.samples[sample.id] = replace(sample, records=records)

    def _try_given(self, step: AnyStep, exact: bool) -> None:
        """Try prompts that were not composed again as given ones."""
        for result in self.results.values():
            result.given = result.recorded.prompt == self.samples[result.recorded.id].candidate.prompt
        retried = []
        for sample in self.samples.values():
            result = self.results[sample.id]
            if result.steps[-1].diverges and not result.given:
                candidate = structs.replace(sample.candidate, prompt=result.recorded.prompt)
                retried.append(replace(sample, candidate=candidate))
        for sample_id, outcome in self._outcomes(step, retried).items() if retried else ():
            again = StepResult(step.name, exact)
            self._judge(again, self.samples[sample_id], outcome)
            if not again.diverges:
                self.results[sample_id].steps[-1] = again
                self.results[sample_id].given = True


def is_exact(step: AnyStep) -> bool:
    """Whether a step promises the same bytes: it has no model, or the CPU backend's drawing and measuring."""
    return not isinstance(step.backend, Packaged | Prompted)


def _compare_size(record: Mapping[str, object], size: tuple[int, int, int]) -> list[Difference]:
    found = tuple(record[name] for name in ("frames", "width", "height"))
    if found == size:
        return []
    return [Difference("/frames,width,height", str(found), str(size), within=False)]


def _link(recorded: Path, target: Path) -> None:
    """Put a recorded artifact where a step reads it: whatever a step made there is replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if recorded.exists():
        link_or_copy(recorded, target)
