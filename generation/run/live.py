"""What a driver notes while a run is made: how it goes, for people, and what steps took, for plans.

- Nothing here decides anything: a run has the same bytes whether or not somebody looks on.
- A pace is that of the last minutes; the time that is left is told at the pace of the whole run so far.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sparkle.generation.config import RunConfig
from sparkle.generation.run.executor import Executor
from sparkle.generation.run.jobs import Done
from sparkle.generation.run.schedule import Schedule
from sparkle.generation.run.status import RunStatus, StepStatus, leave_status
from sparkle.generation.run.timings import Timings
from sparkle.generation.steps import make_step
from sparkle.schemas.records import FAILED
from sparkle.schemas.stages import STEP_NAMES

_SHOWN_EVERY, _LEFT_EVERY = 1.0, 5.0  # seconds
_PACE_OVER = 300.0


class _Moment(NamedTuple):
    at: float
    done: Counter[str]
    busy: dict[bool, float]  # seconds of work, on a GPU or not


class LiveStatus:
    """How a run goes, as its driver sees it.

    Args:
        folder: Of the epoch, where it is left for others to read.
        config: The run's configuration.
        executor: Who does the work.
        show: Is given it every second or so.
        timings: Where what steps took is noted.
    """

    def __init__(
        self,
        folder: Path,
        config: RunConfig,
        executor: Executor,
        show: Callable[[RunStatus], None] = lambda status: None,
        timings: Timings | None = None,
    ) -> None:
        self.left = 1.0  # of everything that was ahead, the share that still is
        self._folder = folder
        self._on_gpu = {name: make_step(name, config).on_gpu for name in STEP_NAMES}
        self._workers, self._gpus = executor.workers, executor.gpus
        self._show = show
        self._timings = timings
        self._candidates = 0
        self._schedule: Schedule | None = None
        self._done: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._made: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._busy = {False: 0.0, True: 0.0}
        self._began = time.time()
        self._shown = self._written = 0.0
        self._past = deque([_Moment(self._began, Counter(), self._busy.copy())])
        leave_status(folder, self._status(self._began))

    def start(self, candidates: int, schedule: Schedule | None) -> None:
        """Say how many candidates there are, and who knows what waits where they stream."""
        self._candidates = candidates
        self._schedule = schedule
        self._shown = self._written = 0.0
        leave_status(self._folder, self._status(time.time()))

    def begin(self, step: str, done: int, waiting: int) -> None:
        """Say that a step begins: how many samples it has done before, and how many wait for it."""
        self._done[step], self._waiting[step] = done, waiting

    def accepted(self, answers: Sequence[Done], outcomes: Mapping[str, int]) -> None:
        """Say what workers have done, and how many samples have an outcome by it, by step."""
        for step, count in outcomes.items():
            self._done[step] += count
            self._waiting[step] -= count
        for done in answers:
            self._made[done.step] += 1
            self._seconds[done.step] += done.seconds
            self._busy[self._on_gpu[done.step]] += done.seconds
            if self._timings is not None and done.outcome.status != FAILED:
                self._timings.add(done.step, done.seconds)
        self.beat()

    def beat(self) -> None:
        """Let others know, now and then, that the driver is there."""
        now = time.time()
        if now - self._shown > _SHOWN_EVERY:
            self._shown = now
            self._tell(now)

    def close(self) -> None:
        """Write what is left to be written."""
        if self._timings is not None:
            self._timings.write()

    def _tell(self, now: float) -> None:
        status = self._status(now)
        if status.steps:
            self._show(status)
        if now - self._written > _LEFT_EVERY:
            self._written = now
            leave_status(self._folder, status)
            self._past.append(_Moment(now, self._done.copy(), self._busy.copy()))
            while now - self._past[0].at > _PACE_OVER:
                self._past.popleft()

    def _status(self, now: float) -> RunStatus:
        before, schedule = self._past[0], self._schedule
        waiting = self._waiting if schedule is None else schedule.waiting + schedule.working
        lately, elapsed = max(1.0, now - before.at), max(1.0, now - self._began)
        steps = [
            StepStatus(
                step,
                self._done[step],
                max(0, waiting[step]),
                max(0, self._done[step] - before.done[step]) / lately,
                self._seconds[step] / max(1, self._made[step]),
            )
            for step in STEP_NAMES
            if self._done[step] or waiting[step] > 0
        ]
        busy, on_gpus = ((self._busy[gpu] - before.busy[gpu]) / lately for gpu in (False, True))
        return RunStatus(
            self._candidates,
            tuple(steps),
            host=socket.gethostname(),
            process=os.getpid(),
            began=self._began,
            heard=now,
            workers=self._workers if schedule is None else schedule.processors,
            busy=busy,
            gpus=self._gpus if schedule is None else schedule.gpus,
            gpus_busy=on_gpus,
            seconds_left=elapsed * self.left / (1 - self.left) if self.left < 1 else None,
        )
