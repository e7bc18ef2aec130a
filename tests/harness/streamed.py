"""Samples that stream over workers with GPUs by name: jobs that say where they are, and load nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import ROOT
from sparkle.generation.config import load_config
from sparkle.generation.run.executor import Executor
from sparkle.generation.run.local import VISIBLE
from sparkle.generation.run.placement import PROCESSORS
from sparkle.generation.run.plan import workload
from sparkle.generation.run.schedule import Load, Task
from sparkle.generation.run.schedules import STREAMING, make_schedule
from sparkle.schemas.stages import STEP_NAMES

GPUS = 3
WORK = workload(load_config(ROOT / "sparkle" / "configs" / "paper-fast.toml"))
_held: set[str] = set()  # models in this process


@dataclass(frozen=True)
class Loading:
    """A job that loads a model, in name."""

    pool: str

    def __call__(self) -> None:
        """Do it."""
        _held.add(self.pool)


@dataclass(frozen=True)
class Doing:
    """A job that says where it is; at a chosen task its process dies, once."""

    task: Task
    dies: Path | None

    def __call__(self) -> tuple[Task, frozenset[str], str | None, int]:
        """Do it."""
        if self.dies is not None and self.task.step == "animate":
            try:
                self.dies.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os._exit(9)
        return self.task, frozenset(_held), os.environ.get(VISIBLE), os.getpid()


def stream(executor: Executor, samples: int, dies: Path | None = None) -> None:
    """Take samples through all steps, and check that each was done once, where its model is."""
    schedule = make_schedule(WORK, GPUS, 141 * 10**9, STREAMING, samples)
    for index in range(samples):
        schedule.put(Task(str(index), STEP_NAMES[0]))

    def make_job(what: Task | Load) -> Any:
        return Loading(what.pool) if isinstance(what, Load) else Doing(what, dies)

    done: list[Task] = []
    gpus: set[tuple[str | None, int]] = set()
    for answers in executor.stream(schedule, make_job):
        for task, held, visible, pid in answers:  # type: ignore[misc,attr-defined]
            done.append(task)
            pool = WORK.pool[task.step]
            if pool == PROCESSORS:
                assert not held
            else:
                assert pool in held
                gpus.add((visible, pid))
            index = STEP_NAMES.index(task.step) + 1
            if index < len(STEP_NAMES):
                schedule.put(Task(task.sample, STEP_NAMES[index]))
            else:
                schedule.ended(task.sample)
    assert sorted(done) == sorted(Task(str(index), step) for index in range(samples) for step in STEP_NAMES)
    assert len({pid for _, pid in gpus}) >= GPUS
    assert all(visible and "," not in visible for visible, _ in gpus)
