"""Which samples of a run are kept: its rules, replayed over what it recorded.

How it works
- Steps are replayed in their order. A sample goes on when it has an outcome that did not fail and whose
  record passes `rules.judge` under the run's recorded thresholds; a stored verdict is not trusted over
  the replay. The last line of an id counts. Outcomes behind a rejection may be there and are not looked at.
- Memory holds one small entry a sample. A record is read from its line in the run when it is asked for:
  the judges' reasonings of a full-size run are gigabytes.
- A kept sample has every artifact, at its recorded size. Contents are compared while they are packed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sparkle.builders.run_folder import R, Run, parse_line
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.errors import RecordError, ReleaseError, RunError
from sparkle.schemas.layout import KINDS, Kind
from sparkle.schemas.rules import judge
from sparkle.schemas.stages import STEPS, StepInfo


@dataclass(frozen=True)
class Sample:
    """A kept sample: what it is, what was made for it, and where its records stand.

    Attributes:
        id: Its id.
        run: The run that it comes from.
        candidate: What it was before any filter.
        source: The source file that it was made from.
        artifacts: Content hash and size by the name of the kind.
        offsets: Byte offset of its outcome in each step's file.
    """

    id: str
    run: Run
    candidate: r.Candidate
    source: r.SourceRecord
    artifacts: Mapping[str, r.ArtifactRef]
    offsets: Mapping[str, int]

    @property
    def theme(self) -> str:
        """The theme in its id."""
        return self.candidate.theme

    @property
    def prompt(self) -> str:
        """The instruction that it was made by."""
        return self.compose.prompt

    def path(self, kind: Kind) -> Path:
        """Where an artifact stands in the run."""
        return self.run.folder / kind.path(self.id)

    @cached_property
    def compose(self) -> r.ComposeRecord:
        """The instruction and its metadata."""
        return self._read("compose", r.ComposeRecord)

    @property
    def normalise(self) -> r.NormaliseRecord:
        """The normalised clip."""
        return self._read("normalise", r.NormaliseRecord)

    @property
    def edit_score(self) -> r.ImageScore:
        """The score of the edited first frame."""
        return self._read("edit_score", r.ImageScore)

    @property
    def remove_score(self) -> r.ImageScore:
        """The score of the removed foreground."""
        return self._read("remove_score", r.ImageScore)

    @property
    def ground1(self) -> r.Ground1Record:
        """Round 1 of the grounding."""
        return self._read("ground1", r.Ground1Record)

    @property
    def ground2(self) -> r.Ground2Record:
        """Round 2 of the grounding."""
        return self._read("ground2", r.Ground2Record)

    @property
    def video_score(self) -> r.VideoScore:
        """The score of the edited video."""
        return self._read("video_score", r.VideoScore)

    @property
    def measure(self) -> r.MeasureRecord:
        """The measures of the edited video."""
        return self._read("measure", r.MeasureRecord)

    def _read(self, step: str, kind: type[R]) -> R:
        path = self.run.folder / layout.outcomes(step)
        with path.open("rb") as file:
            file.seek(self.offsets[step])
            value = parse_line(file.readline(), "outcome", f"{path} {self.id}")
        return kind.from_json(value["record"])


@dataclass
class StepCount:
    """What became of the samples that reached a step: one row of the funnel."""

    step: str
    reached: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """The row as the `funnel` schema has it, reasons in the order of their names."""
        return {
            "step": self.step,
            "in": self.reached,
            "kept": self.kept,
            "rejected": dict(sorted(self.rejected.items())),
            "failed": dict(sorted(self.failed.items())),
        }


@dataclass(frozen=True)
class Replay:
    """A run's verdicts, taken again.

    Attributes:
        run: The run.
        samples: What is kept, sorted by id.
        funnel: One row a step, in order.
        pending: Samples that pass as far as they were taken but lack the outcome of a later step, as
            happens when thresholds were loosened after the run.
    """

    run: Run
    samples: tuple[Sample, ...]
    funnel: tuple[StepCount, ...]
    pending: int


@dataclass(frozen=True)
class _Verdict:
    """The last outcome of a sample in a step, judged: `reason` and `error` are None when it passes."""

    offset: int
    artifacts: Mapping[str, r.ArtifactRef]
    reason: str | None = None
    error: str | None = None


def replay(run: Run) -> Replay:
    """Judge every sample of a run again.

    Raises:
        RecordError: an outcome's line is bad; the error names file and line.
        RunError: an artifact of a kept sample is missing or has another size than recorded.
    """
    alive: dict[str, dict[str, _Verdict]] = {sample_id: {} for sample_id in run.candidates}
    funnel, pending = [], 0
    for step in STEPS:
        count = StepCount(step.name)
        verdicts = _judge_step(run, step, alive)
        pending += len(alive) - len(verdicts)
        for sample_id, verdict in verdicts.items():
            if verdict.error is not None:
                count.failed[verdict.error] += 1
            elif verdict.reason is not None:
                count.rejected[verdict.reason.partition(":")[0]] += 1
            else:
                alive[sample_id][step.name] = verdict
        alive = {sample_id: found for sample_id, found in alive.items() if step.name in found}
        count.reached, count.kept = len(verdicts), len(alive)
        funnel.append(count)
    samples = tuple(_sample(run, sample_id, alive[sample_id]) for sample_id in sorted(alive))
    return Replay(run, samples, tuple(funnel), pending)


def kept_samples(replays: Sequence[Replay]) -> list[Sample]:
    """The kept samples of several runs, sorted by id.

    Raises:
        RunError: two runs gave the same id; the error names ids and both runs.
        ReleaseError: no sample is kept.
    """
    owner: dict[str, Run] = {}
    for found in replays:
        shared = sorted(owner.keys() & found.run.candidates.keys())
        if shared:
            raise RunError(
                "two runs gave the same ids",
                got=f"{', '.join(shared[:3])}{' ...' if len(shared) > 3 else ''} ({len(shared)} in all)",
                wanted="ids of one run, or of runs that number their samples apart",
                where=f"{owner[shared[0]].folder} and {found.run.folder}",
            )
        owner.update(dict.fromkeys(found.run.candidates, found.run))
    samples = sorted((sample for found in replays for sample in found.samples), key=lambda sample: sample.id)
    if not samples:
        raise ReleaseError(
            "no sample is kept, so there is nothing to release",
            got=f"{len(owner)} candidates",
            where=", ".join(str(found.run.folder / layout.FUNNEL) for found in replays),
            fix="the funnel says which step they fell to and why",
        )
    return samples


def _judge_step(run: Run, step: StepInfo, alive: Mapping[str, Any]) -> dict[str, _Verdict]:
    """The last verdict of each sample that is still there, by id."""
    verdicts: dict[str, _Verdict] = {}
    for where, offset, line in _lines(run.folder / layout.outcomes(step.name)):
        outcome = r.Outcome.from_json(parse_line(line, "outcome", where))
        if outcome.id not in run.candidates:
            raise RecordError(
                "an outcome of an unknown id", got=outcome.id, wanted="a candidate's", where=where
            )
        if outcome.id in alive:
            verdicts[outcome.id] = _judge(run, step, outcome, offset, where)
    return verdicts


def _lines(path: Path) -> Iterator[tuple[str, int, bytes]]:
    """Yield (file:line, byte offset, line); nothing when no sample came as far as this step."""
    if not path.is_file():
        return
    with path.open("rb") as lines:
        offset = 0
        for number, line in enumerate(lines, 1):
            yield f"{path}:{number}", offset, line
            offset += len(line)


def _judge(run: Run, step: StepInfo, outcome: r.Outcome, offset: int, where: str) -> _Verdict:
    if outcome.error is not None:
        return _Verdict(offset, {}, error=outcome.error["problem"])
    try:
        record = r.STEP_RECORDS[step.name].from_json(outcome.record, "/record")
    except RecordError as error:
        place = f"{where} {error.where}"
        raise RecordError(error.problem, got=error.got, wanted=error.wanted, where=place) from None
    reason = judge(step.name, record, run.thresholds)
    missing = [kind.name for kind in step.makes if kind.name not in outcome.artifacts]
    if reason is None and missing:
        raise RecordError("an outcome lacks an artifact", wanted=", ".join(missing), where=where)
    made = {kind.name: outcome.artifacts[kind.name] for kind in step.makes if reason is None}
    return _Verdict(offset, made, reason=reason)


def _sample(run: Run, sample_id: str, verdicts: Mapping[str, _Verdict]) -> Sample:
    candidate = run.candidates[sample_id]
    source = run.sources.get(candidate.source)
    if source is None:
        raise RunError(
            "the source of a candidate is not in the run",
            got=candidate.source,
            where=f"{run.folder / layout.SOURCES}, candidate {sample_id}",
        )
    sample = Sample(
        id=sample_id,
        run=run,
        candidate=candidate,
        source=source,
        artifacts={name: ref for verdict in verdicts.values() for name, ref in verdict.artifacts.items()},
        offsets={step: verdict.offset for step, verdict in verdicts.items()},
    )
    for kind in KINDS:
        _check_there(sample.path(kind), sample.artifacts[kind.name].size)
    return sample


def _check_there(path: Path, size: int) -> None:
    fix = "`sparkle generate` on this run makes it again"
    if not path.is_file():
        raise RunError("an artifact of a kept sample is missing", where=path, fix=fix)
    if path.stat().st_size != size:
        raise RunError(
            "an artifact has another size than recorded",
            got=f"{path.stat().st_size} bytes",
            wanted=f"{size} bytes",
            where=path,
            fix=fix,
        )
