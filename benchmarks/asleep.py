"""Jobs that sleep, for `cluster.py`: a schedule is driven as a run drives it, over drawn samples.

What travels is as large as what a run sends: a job carries the records that its step needs, an answer one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sparkle.generation.run.executor import Executor
from sparkle.generation.run.jobs import Done
from sparkle.generation.run.schedule import INDEX, Load, Schedule, Task
from sparkle.generation.run.schedules import ByStep
from sparkle.generation.run.simulate import Draws
from sparkle.schemas import records as r
from sparkle.schemas.stages import STEP_NAMES

NEEDED = b"." * 2000  # bytes of a job
RECORD = {"words": "." * 400}


@dataclass(frozen=True)
class Sleep:
    """A job: do nothing for some seconds."""

    what: Task | Load
    seconds: float
    needs: bytes = NEEDED

    def __call__(self) -> Done | None:
        """Do it; a model that was loaded is not told of."""
        time.sleep(self.seconds)
        if isinstance(self.what, Load):
            return None
        outcome = r.AnyOutcome(
            id=self.what.sample, fingerprint="", status=r.KEPT, record=RECORD, artifacts={}
        )
        return Done(self.what.step, outcome, "", self.seconds)


def wait_for_workers(executor: Executor, schedule: ByStep, gpus: int, processors: int) -> None:
    """Have short jobs done until as many workers are there."""
    first, count = STEP_NAMES[0], 0
    schedule.put(Task("0", first))
    for answers in executor.stream(schedule, lambda what: Sleep(what, 0.1)):
        for done in answers:
            schedule.ended(done.outcome.id)
        if schedule.gpus < gpus or schedule.processors < processors:
            count += 1
            schedule.put(Task(str(count), first))


def drive(executor: Executor, schedule: Schedule, draws: Draws, scale: float) -> tuple[int, int]:
    """Take all samples through a schedule; returns how many tasks were done, and models loaded."""
    samples, begun, tasks, loads = len(draws.ends), 0, 0, 0

    def begin() -> None:
        nonlocal begun
        for _ in range(min(schedule.room, samples - begun)):
            schedule.put(Task(f"{begun:07d}", STEP_NAMES[0]))
            begun += 1

    def make_job(what: Task | Load) -> Sleep:
        nonlocal loads
        if isinstance(what, Load):
            loads += 1
            return Sleep(what, schedule.work.load_seconds[what.pool] / scale)
        return Sleep(what, draws.seconds[what.step][int(what.sample)] / scale)

    begin()
    for answers in executor.stream(schedule, make_job):
        for done in answers:
            tasks += 1
            index = INDEX[done.step]
            if index < draws.ends[int(done.outcome.id)]:
                schedule.put(Task(done.outcome.id, STEP_NAMES[index + 1]))
            else:
                schedule.ended(done.outcome.id)
        begin()
    return tasks, loads
