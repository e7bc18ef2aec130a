"""What a driver notes while a run is made: how it goes, for people, and what steps took, for plans.

- Nothing here decides anything: a run has the same bytes whether or not somebody looks on.
- A pace is that of the last minutes; the time that is left is told at the pace of the whole run so far.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sparkle.generation.run.status import RunStatus, StepStatus, leave_status
from sparkle.generation.run.timings import Timings
from sparkle.schemas.stages import STEP_NAMES

_SHOWN_EVERY, _LEFT_EVERY = 1.0, 5.0  # seconds
_PACE_OVER = 300.0


class Staff(Protocol):
    """Who works: processes, and how many of them are on a GPU."""

    @property
    def workers(self) -> int:
        """All of them."""
        ...

    @property
    def gpus(self) -> int:
        """Those on a GPU."""
        ...


class LiveStatus:
    """How a run goes, as its driver sees it.

    Args:
        folder: Of the epoch, where it is left for others to read.
        candidates: That the run has.
        staff: Who works at it.
        show: Is given it every second or so.
        timings: Where what steps took is noted.
    """

    def __init__(
        self,
        folder: Path,
        candidates: int,
        staff: Staff,
        show: Callable[[RunStatus], None],
        timings: Timings | None,
    ) -> None:
        self._folder = folder
        self._candidates = candidates
        self._staff = staff
        self._show = show
        self._timings = timings
        self._done: Counter[str] = Counter()
        self.waiting: Counter[str] = Counter()  # by step; one that a schedule has counted may take its place
        self._made: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._busy = 0.0
        self._began = time.time()
        self._shown = self._left = 0.0
        self._past: deque[tuple[float, Counter[str]]] = deque([(self._began, Counter())])

    def begin(self, step: str, done: int, waiting: int) -> None:
        """Say how many samples a step has done before, and how many wait for it."""
        self._done[step], self.waiting[step] = done, waiting

    def did(
        self, step: str, samples: int, seconds: float, *, on_gpu: bool, failed: bool, left: float
    ) -> None:
        """Say that a worker has done something.

        Args:
            step: In which step.
            samples: That have an outcome by it.
            seconds: That it took.
            on_gpu: Whether on a GPU.
            failed: Whether the outcome is a failure.
            left: Of everything that was ahead of this driver, the share that still is.
        """
        self._done[step] += samples
        self.waiting[step] -= samples
        self._made[step] += 1
        self._seconds[step] += seconds
        if on_gpu or not self._staff.gpus:
            self._busy += seconds
        if self._timings is not None and not failed:
            self._timings.add(step, seconds)
        now = time.time()
        if now - self._shown > _SHOWN_EVERY:
            self._shown = now
            self._tell(now, left)

    def close(self) -> None:
        """Write what is left to be written."""
        if self._timings is not None:
            self._timings.write()

    def _tell(self, now: float, left: float) -> None:
        status = self._status(now, left)
        self._show(status)
        if now - self._left > _LEFT_EVERY:
            self._left = now
            leave_status(self._folder, status)
            self._past.append((now, self._done.copy()))
            while now - self._past[0][0] > _PACE_OVER:
                self._past.popleft()

    def _status(self, now: float, left: float) -> RunStatus:
        since, before = self._past[0]
        steps = [
            StepStatus(
                step,
                self._done[step],
                max(0, self.waiting[step]),
                max(0, self._done[step] - before[step]) / max(1.0, now - since),
                self._seconds[step] / max(1, self._made[step]),
            )
            for step in STEP_NAMES
            if self._done[step] or self.waiting[step] > 0
        ]
        elapsed, staff = max(1.0, now - self._began), self._staff
        return RunStatus(
            self._candidates,
            tuple(steps),
            host=socket.gethostname(),
            process=os.getpid(),
            began=self._began,
            heard=now,
            workers=staff.workers,
            gpus=staff.gpus,
            busy=min(1.0, self._busy / elapsed / max(1, staff.gpus or staff.workers)),
            seconds_left=elapsed * left / (1 - left) if left < 1 else None,
        )
