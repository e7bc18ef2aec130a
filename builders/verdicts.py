"""What the lines of a run's outcomes come to: verdicts, scores and what else is needed of them, in columns.

- A step's lines are judged apart from other steps': which samples got that far is the replay's to say.
- Of a large run the longest files, whose records stay where they are, are judged by other processes while
  this one takes the rest. Columns are what goes between them: a few megabytes a step.
"""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sparkle.builders.check_pool import pool_of
from sparkle.builders.collector import collector_off
from sparkle.builders.outcomes import Told, outcome_reader
from sparkle.builders.sample import SCORES
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.errors import RecordError
from sparkle.schemas.record import Record
from sparkle.schemas.rules import Thresholds, judge, video_score
from sparkle.schemas.stages import STEP_BY_NAME, STEP_NAMES

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
    records: list[Record | None] = field(default_factory=list)


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
            read = outcome_reader(self.step)
            with path.open("rb") as lines:
                offset = 0
                for line in lines:
                    told = read(line, lambda: f"{path}:{len(found.ids) + 1}")
                    self._add(found, told, offset, path)
                    offset += len(line)
        return found

    def _add(self, found: Verdicts, told: Told, offset: int, path: Path) -> None:
        index, record, step = len(found.ids), told.record, STEP_BY_NAME[self.step]
        if record is None:
            found.failed[index] = told.problem or ""
        elif (reason := judge(self.step, record, self.thresholds)) is not None:
            found.rejected[index] = reason
        elif step.makes:
            for kind in step.makes:
                if kind.name not in told.artifacts:
                    where = f"{path}:{index + 1}"
                    raise RecordError("an outcome lacks an artifact", wanted=kind.name, where=where)
        found.ids.append(told.id)
        found.offsets.append(offset)
        if step.makes:
            made = told.artifacts
            found.artifacts.append({kind.name: made[kind.name] for kind in step.makes if kind.name in made})
        if self.step in HELD:
            found.records.append(record)
        if self.step in SCORES:
            _append(found.numbers, SCORES[self.step], _score(record), index)
        elif isinstance(record, r.MeasureRecord):
            for name, value in record.to_json().items():
                if isinstance(value, float):
                    _append(found.numbers, name, value, index)


def _score(record: Record | None) -> float:
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
    workers = len(os.sched_getaffinity(0))
    if candidates < MANY or workers == 1:
        return [job() for job in jobs.values()]
    elsewhere: Sequence[StepJob] = [jobs[name] for name in _ELSEWHERE]
    with pool_of(workers) as run_jobs, ThreadPoolExecutor(1) as waiting:
        answers = waiting.submit(lambda: list(run_jobs(elsewhere)))
        here = {name: jobs[name]() for name in STEP_NAMES if name not in _ELSEWHERE}
        found = here | dict(zip(_ELSEWHERE, answers.result(), strict=True))
    return [found[name] for name in STEP_NAMES]
