"""What the lines of a run's outcomes come to: verdicts, scores and what else is needed of them, in columns.

How it works
- A step's lines are judged apart from other steps': which samples got that far is the replay's to say.
- Of a large run the longest files, whose records stay where they are, are judged by other processes while
  this one takes the rest. Columns are what goes between them: a few megabytes a step.
- The records of some steps are read again, one by one, when their text is written.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from sparkle._files import read_records
from sparkle._processes import collector_off, cpus, pool_of
from sparkle.builders.release.sample import SCORES, SampleText
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import RecordError
from sparkle.schemas.rules import Thresholds, judge, video_score
from sparkle.schemas.stages import STEP_BY_NAME, STEP_NAMES


def outcome_type(step: str) -> Any:
    """The type of a line of a step's outcomes."""
    return r.Outcome[r.STEP_RECORDS[step]]  # type: ignore[valid-type]  # known when it runs


# Samples from which on processes are worth their start: some two seconds each, a sample takes a fifth of a
# millisecond here and again when its text is written.
MANY = 10_000

HELD = ("normalise", "compose", "measure")  # steps whose records every table needs: they stay in memory
# Judged elsewhere: steps that make nothing and of which nothing is held.
_ELSEWHERE = tuple(name for name in reversed(STEP_NAMES) if not STEP_BY_NAME[name].makes and name not in HELD)


@dataclass
class Verdicts:
    """The lines of a step's outcomes, in columns by index of the line.

    Attributes:
        ids: Ids, in the order of lines.
        offsets: Where each line begins in its file, in bytes.
        rejected: Why a line's record does not pass, by index; others pass or failed.
        failed: The problem of a line that failed, by index.
        numbers: Scores and measures by name; NaN where a line has none.
        artifacts: What the step made, by kind; nothing where it makes nothing.
        records: Its records; nothing where they are not held.
    """

    ids: list[str] = field(default_factory=list)
    offsets: array[int] = field(default_factory=lambda: array("q"))
    rejected: dict[int, str] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    numbers: dict[str, array[float]] = field(default_factory=dict)
    artifacts: list[dict[str, r.ArtifactRef]] = field(default_factory=list)
    records: list[r.Record | None] = field(default_factory=list)


@dataclass(frozen=True)
class StepJob:
    """A step's file to be judged, wherever there is a processor."""

    run: Path
    step: str
    thresholds: Thresholds

    @collector_off()
    def __call__(self) -> Verdicts:
        """Judge every line; none are there when no sample came as far as this step.

        Raises:
            RecordError: a line is bad, or lacks an artifact; the error names file and line.
        """
        found = Verdicts()
        path = self.run / layout.outcomes(self.step)
        if path.is_file():
            for offset, outcome in read_records(path, outcome_type(self.step)):
                self._add(found, outcome, offset, path)
        return found

    def _add(self, found: Verdicts, outcome: r.Outcome[r.Record], offset: int, path: Path) -> None:
        index, record, step = len(found.ids), outcome.record, STEP_BY_NAME[self.step]
        if record is None:
            found.failed[index] = (outcome.error or {})["problem"]
        elif (reason := judge(self.step, record, self.thresholds)) is not None:
            found.rejected[index] = reason
        elif step.makes:
            for kind in step.makes:
                if kind.name not in outcome.artifacts:
                    where = f"{path}:{index + 1}"
                    raise RecordError("an outcome lacks an artifact", wanted=kind.name, where=where)
        found.ids.append(outcome.id)
        found.offsets.append(offset)
        if step.makes:
            made = outcome.artifacts
            found.artifacts.append({kind.name: made[kind.name] for kind in step.makes if kind.name in made})
        if self.step in HELD:
            found.records.append(record)
        if self.step in SCORES:
            _append(found.numbers, SCORES[self.step], _score(record), index)
        elif isinstance(record, r.MeasureRecord):
            for name, value in plain(record).items():
                if isinstance(value, float):
                    _append(found.numbers, name, value, index)


def _score(record: r.Record | None) -> float:
    match record:
        case r.ImageScore():
            return record.overall
        case r.VideoScore():
            return video_score(record)
    return math.nan


def _append(numbers: dict[str, array[float]], name: str, value: float, index: int) -> None:
    """Put the value of a line into its column; lines before it that have none get NaN."""
    column = numbers.setdefault(name, array("d"))
    while len(column) < index:
        column.append(math.nan)
    column.append(value)


def judge_steps(run: Path, candidates: int, thresholds: Thresholds) -> list[Verdicts]:
    """The verdicts of every step, in order.

    Args:
        run: The run.
        candidates: How many samples it has.
        thresholds: What they must reach.

    Raises:
        RecordError: a line is bad; the error names file and line.
        ReleaseError: a process that judged died.
    """
    jobs = {name: StepJob(run, name, thresholds) for name in STEP_NAMES}
    workers = cpus()
    if candidates < MANY or workers == 1:
        return [job() for job in jobs.values()]
    elsewhere: Sequence[StepJob] = [jobs[name] for name in _ELSEWHERE]
    with pool_of(workers) as run_jobs, ThreadPoolExecutor(1) as waiting:
        answers = waiting.submit(lambda: list(run_jobs(elsewhere)))
        here = {name: jobs[name]() for name in STEP_NAMES if name not in _ELSEWHERE}
        found = here | dict(zip(_ELSEWHERE, answers.result(), strict=True))
    return [found[name] for name in STEP_NAMES]


def read_again(found: Iterable[SampleText], step: str, kind: type[r.R]) -> Iterator[r.R]:
    """The records of one of the `STREAMED` steps, one a sample, in their order.

    Raises:
        RecordError: a run's file has changed since it was replayed.
    """
    decode = msgspec.json.Decoder(outcome_type(step)).decode
    with ExitStack() as stack:
        files: dict[Path, BinaryIO] = {}
        for words in found:
            path = words.folder / layout.outcomes(step)
            file = files.get(path) or files.setdefault(path, stack.enter_context(path.open("rb")))
            file.seek(words.offsets[step])
            try:
                outcome: r.Outcome[r.Record] = decode(file.readline())
                sample_id, record = outcome.id, outcome.record
            except (msgspec.MsgspecError, UnicodeDecodeError):
                sample_id, record = "another line", None
            if sample_id != words.id or not isinstance(record, kind):
                where = f"{path} {words.id}"
                raise RecordError("the run changed while it was read", got=sample_id, where=where)
            yield record
