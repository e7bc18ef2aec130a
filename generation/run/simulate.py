"""A schedule on a virtual clock: how long a run takes before anything is paid for.

How it works:
- It is the very same schedule by which a run is driven; only work is a number of seconds.
- What a sample takes in a step, and where it ends, are drawn beforehand: they do not depend on the schedule.
- The bound is what no schedule can be faster than: the seconds of useful work on the GPUs, or on the
  processors, over how many there are. Seconds that a lost GPU had worked on something are not useful.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from typing import Any

import numpy as np

from sparkle._progress import Advance, Progress, silent
from sparkle.generation.run.placement import PROCESSORS, Workload
from sparkle.generation.run.schedule import INDEX, Load, Schedule, Task
from sparkle.schemas.stages import STEP_NAMES

_SPREAD = 0.15  # sigma of the logarithm of what a sample takes
_STRAGGLERS, _STRAGGLING = 0.001, 4.0  # one task in a thousand takes four times as long
_NOTICED = 10.0  # seconds until it is known that a worker is lost
_TOLD = 1000  # samples


@dataclass(frozen=True)
class Draws:
    """What each sample does.

    Args:
        seconds: By step, of each sample.
        ends: The index of the last step of each sample.
    """

    seconds: Mapping[str, list[float]]
    ends: list[int]


def draw(work: Workload, samples: int, seed: int = 0) -> Draws:
    """Draw what some samples take, and which pass."""
    random = np.random.default_rng(seed)
    ends = np.full(samples, len(STEP_NAMES) - 1)
    seconds = {}
    for index, step in enumerate(STEP_NAMES):
        spread = random.lognormal(-(_SPREAD**2) / 2, _SPREAD, samples)
        spread[random.random(samples) < _STRAGGLERS] *= _STRAGGLING
        seconds[step] = (work.seconds[step] * spread).tolist()
        if index and work.reached[step] < work.reached[STEP_NAMES[index - 1]]:
            passes = work.reached[step] / work.reached[STEP_NAMES[index - 1]]
            ends[(ends >= index) & (random.random(samples) >= passes)] = index - 1
    return Draws(seconds, ends.tolist())


@dataclass(frozen=True)
class Losses:
    """GPUs that are lost again and again.

    Args:
        gpus: How many at once.
        every: Seconds between.
        back_after: Seconds until others take their place.
    """

    gpus: int
    every: float
    back_after: float


@dataclass
class Forecast:
    """What a schedule comes to.

    Args:
        seconds: Until the last task is done.
        bound_seconds: Until then at the least, with as many workers all the time.
        first_pair_seconds: Until the first sample is through every step; None where none is.
        loads: Models that were loaded.
        lost_seconds: What lost GPUs had worked on in vain.
    """

    seconds: float = 0.0
    bound_seconds: float = 0.0
    first_pair_seconds: float | None = None
    loads: int = 0
    lost_seconds: float = 0.0

    @property
    def share(self) -> float:
        """Of the bound: 1 where nobody ever waited."""
        return self.bound_seconds / self.seconds if self.seconds else 1.0


def simulate(
    schedule: Schedule,
    draws: Draws,
    gpus: int,
    processors: int,
    losses: Losses | None = None,
    progress: Progress = silent,
) -> Forecast:
    """Run a schedule on a virtual clock.

    Args:
        schedule: A new one, which has no workers yet.
        draws: What the samples do.
        gpus: Workers on a GPU.
        processors: Workers without one.
        losses: GPUs that are lost on the way.
        progress: Told of samples.
    """
    clock = _Clock(schedule, draws)
    for _ in range(gpus):
        clock.join_gpu()
    for _ in range(processors):
        clock.join(gpu=False)
    if losses is not None:
        clock.lose_again(losses)
    with progress("simulating", len(draws.ends)) as advance:
        clock.run(advance)
    on_gpus = clock.useful - clock.useful_elsewhere
    clock.forecast.bound_seconds = max(
        on_gpus / gpus if gpus else 0.0, clock.useful_elsewhere / processors if processors else 0.0
    )
    return clock.forecast


class _Clock:
    """The virtual clock, and the workers that are on it; each has a number."""

    def __init__(self, schedule: Schedule, draws: Draws) -> None:
        self.schedule = schedule
        self.draws = draws
        self.forecast = Forecast()
        self.useful = self.useful_elsewhere = 0.0
        self._events: list[tuple[float, int, Any]] = []  # when, in which order, what happens
        self._now = 0.0
        self._order = itertools.count()
        self._names = itertools.count()
        self._hands: dict[Hashable, deque[Task | Load]] = {}  # what each has; it works on the first
        self._since: dict[Hashable, float] = {}  # when it began with that
        self._gpus: deque[int] = deque()
        self._begun = self._ended = 0

    def run(self, advance: Advance) -> None:
        """Let time pass until every sample has ended."""
        samples, told = len(self.draws.ends), 0
        while self._ended < samples:
            self._hand_out()
            self._now, _, happens = heappop(self._events)
            happens()
            if self._ended - told >= _TOLD:
                advance(self._ended - told)
                told = self._ended
        advance(samples - told)

    def join(self, *, gpu: bool) -> int:
        """Add a worker."""
        name = next(self._names)
        self._hands[name] = deque()
        self.schedule.joined(name, gpu=gpu)
        return name

    def join_gpu(self) -> None:
        """Add a worker on a GPU."""
        self._gpus.append(self.join(gpu=True))

    def lose_again(self, losses: Losses) -> None:
        """Lose GPUs from now on, those first that have been there longest."""
        self._after(losses.every, partial(self._lose, losses))

    def _lose(self, losses: Losses) -> None:
        for _ in range(losses.gpus):
            name = self._gpus.popleft()
            if self._hands.pop(name):
                self.forecast.lost_seconds += self._now - self._since[name]
            self._after(_NOTICED, partial(self.schedule.lost, name, blame=False))
            self._after(losses.back_after, self.join_gpu)
        self.lose_again(losses)

    def _after(self, seconds: float, happens: Callable[[], object]) -> None:
        heappush(self._events, (self._now + seconds, next(self._order), happens))

    def _hand_out(self) -> None:
        for _ in range(min(self.schedule.room, len(self.draws.ends) - self._begun)):
            self.schedule.put(Task(f"{self._begun:07d}", STEP_NAMES[0]))
            self._begun += 1
        for name, what in self.schedule.hand_out():
            hands = self._hands.get(name)
            if hands is None:  # it is lost, which nobody knows yet
                continue
            hands.append(what)
            if len(hands) == 1:
                self._start(name, what)

    def _start(self, name: Hashable, what: Task | Load) -> None:
        self._since[name] = self._now
        if isinstance(what, Load):
            seconds = self.schedule.work.load_seconds[what.pool]
        else:
            seconds = self.draws.seconds[what.step][int(what.sample)]
        self._after(seconds, partial(self._finish, name, what, seconds))

    def _finish(self, name: Hashable, what: Task | Load, seconds: float) -> None:
        hands = self._hands.get(name)
        if hands is None:
            return
        hands.popleft()
        self.schedule.done(name, what)
        if isinstance(what, Load):
            self.forecast.loads += 1
        else:
            self.useful += seconds
            if self.schedule.work.pool[what.step] == PROCESSORS:
                self.useful_elsewhere += seconds
            self._follow(what)
        if hands:
            self._start(name, hands[0])

    def _follow(self, task: Task) -> None:
        """The sample goes on, or it ends."""
        index = INDEX[task.step]
        if index < self.draws.ends[int(task.sample)]:
            self.schedule.put(Task(task.sample, STEP_NAMES[index + 1]))
            return
        self.schedule.ended(task.sample)
        self._ended += 1
        self.forecast.seconds = self._now
        if index == len(STEP_NAMES) - 1 and self.forecast.first_pair_seconds is None:
            self.forecast.first_pair_seconds = self._now
