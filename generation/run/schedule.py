"""Who does what next, by step or streaming: a live executor and the plan ask here. It knows no clock.

How it works:
- The driver puts a sample's next task, hands out what `hand_out` says, and reports what is done. It puts what
  follows from that, or says that the sample has ended, before it asks again.
- `ByStep`: a step begins when the one before it is over; a GPU holds the model of that step alone.
- `Streaming`: a sample moves on at once. Of what a worker may do it does what most seconds wait for, per GPU
  that holds the model; in there later steps come first, then ids. A GPU holds what its role says, and loads
  while it has nothing else to do. It leaves its role only where that is worth several loads, or where nobody
  holds what is waited for.
- A worker has one task in hand beside the one that it works on, unless that one is long. Who has none is
  served first.
- What a lost worker had goes to others, each task alone in its worker from then on, so that the next loss
  names the culprit. A worker that joins takes over the role of one that was lost.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from sparkle._progress import count_text, size_text
from sparkle.generation.run.placement import PROCESSORS, Role, Workload, fewest_gpus, place
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.stages import STEP_NAMES

AUTO, BY_STEP, STREAMING = SCHEDULES = ("auto", "by-step", "streaming")

PER_GPU, PER_PROCESSOR = 64, 4  # samples under way: with fewer, workers wait for each other
ATTEMPTS = 3  # workers that one task may take with it

_IN_HAND = 2
_LONG = 5.0  # seconds: fetching the next task costs nothing beside it
_WORTH = 3.0  # loads that a wait must be worth before a GPU leaves its role

INDEX = {name: index for index, name in enumerate(STEP_NAMES)}


class Task(NamedTuple):
    """One sample in one step."""

    sample: str
    step: str


class Load(NamedTuple):
    """A worker gets a model: `fresh` says that what it holds must go first, so that it is a new process."""

    pool: str
    fresh: bool


@dataclass(eq=False)
class _Worker:
    name: Hashable
    pools: Role  # that it may serve
    loaded: set[str]
    hands: list[Task | Load] = field(default_factory=list)
    seconds: float = 0.0  # that its tasks are expected to take


class Schedule(ABC):
    """The tasks of a run, and the workers that do them.

    Args:
        work: What is known of the steps.
        window: Samples that may be under way; None is enough that no worker waits.
    """

    roles: tuple[Role, ...] = ()  # the models of each GPU; none by step

    def __init__(self, work: Workload, window: int | None) -> None:
        self.work = work
        self._window = window
        self.gpus = 0  # workers on one
        self.waiting: Counter[str] = Counter()  # by step
        self.working: Counter[str] = Counter()
        pools = (*work.models, PROCESSORS)
        self._queues: dict[str, list[tuple[int, str]]] = {pool: [] for pool in pools}
        self._wait = dict.fromkeys(pools, 0.0)
        self._under_way: dict[str, Task | None] = {}
        self._workers: dict[Hashable, _Worker] = {}
        self._asking: dict[_Worker, None] = {}
        # Who has nothing to do, and who could have one more task in hand; by what they may do.
        self._idle: dict[str, dict[_Worker, None]] = {pool: {} for pool in pools}
        self._spare: dict[str, dict[_Worker, None]] = {pool: {} for pool in pools}
        self._alone: set[Task] = set()
        self._deaths: Counter[Task] = Counter()

    @property
    def window(self) -> int:
        """How many samples may be under way."""
        return self._window or PER_GPU * self.gpus + PER_PROCESSOR * self.processors

    @property
    def processors(self) -> int:
        """How many workers are not on a GPU."""
        return len(self._workers) - self.gpus

    @property
    def room(self) -> int:
        """How many samples may begin."""
        return max(0, self.window - len(self._under_way))

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nobody works."""
        return not (any(self._queues.values()) or any(worker.hands for worker in self._workers.values()))

    def put(self, task: Task) -> None:
        """Add the next task of a sample; the first one begins it.

        Raises:
            ValueError: the sample has a task already.
        """
        if self._under_way.get(task.sample) is not None:
            raise ValueError(f"{task.sample} has a task already")
        self._under_way[task.sample] = task
        self._queue(task)

    def ended(self, sample: str) -> None:
        """Say that a sample that is under way has no further task."""
        if self._under_way.pop(sample) is not None:
            raise ValueError(f"{sample} has a task")

    def joined(self, name: Hashable, *, gpu: bool) -> None:
        """Add a worker."""
        role = self._role() if gpu else (PROCESSORS,)
        worker = self._workers[name] = _Worker(name, role, set() if gpu else {PROCESSORS})
        self._asking[worker] = None
        self.gpus += gpu

    def lost(self, name: Hashable, *, blame: bool = True) -> list[Task]:
        """Take a worker out, and put back what it had.

        Args:
            name: The worker's.
            blame: Whether a task may have killed it; its node was lost otherwise.

        Returns:
            Tasks that are given up, since they have killed several workers that did nothing else: the driver
            says what has become of the sample.
        """
        worker = self._workers.pop(name)
        self._withdraw(worker)
        self._asking.pop(worker, None)
        if worker.pools != (PROCESSORS,):
            self.gpus -= 1
            self._leave(worker)
        tasks = [what for what in worker.hands if isinstance(what, Task)]
        given_up = []
        for task in tasks:
            self.working[task.step] -= 1
            if blame:
                self._alone.add(task)
                self._deaths[task] += len(tasks) == 1
            if self._deaths[task] < ATTEMPTS:
                self._queue(task)
            else:
                self._settle(task)
                given_up.append(task)
        return given_up

    def done(self, name: Hashable, what: Task | Load) -> None:
        """Say that a worker has done what it was given."""
        worker = self._workers[name]
        worker.hands.remove(what)
        if isinstance(what, Load):
            worker.loaded.add(what.pool)
        else:
            self.working[what.step] -= 1
            worker.seconds -= self.work.seconds[what.step]
            self._settle(what)
        self._withdraw(worker)
        self._asking[worker] = None

    def next(self, name: Hashable) -> Task | Load | None:
        """Return what a worker is to do next, after what it has in hand; None where there is nothing."""
        worker = self._workers[name]
        self._asking.pop(worker, None)
        self._withdraw(worker)
        if worker.hands and not self._takes_more(worker):
            return None
        pool = self._choose(worker)
        if pool is None:
            for each in worker.loaded if worker.hands else worker.pools:
                (self._spare if worker.hands else self._idle)[each][worker] = None
            return None
        return self._take(worker, pool) if pool in worker.loaded else self._load(worker, pool)

    def hand_out(self) -> Iterator[tuple[Hashable, Task | Load]]:
        """Yield every worker that has something to do, with what: who has nothing in hand first."""
        further: deque[_Worker] = deque()
        while worker := (
            self._empty_handed(further) or (further.popleft() if further else self._with_spare())
        ):
            what = self.next(worker.name)
            if what is not None:
                yield worker.name, what
                further.append(worker)

    def _empty_handed(self, further: deque[_Worker]) -> _Worker | None:
        """A worker without anything in hand, that may have something to do."""
        while self._asking:
            worker = next(iter(self._asking))
            if not worker.hands:
                return worker
            del self._asking[worker]
            further.append(worker)
        return next((worker for pool in self._open() for worker in self._idle[pool]), None)

    def _with_spare(self) -> _Worker | None:
        """A worker that can have one more task in hand."""
        return next(
            (
                worker
                for pool in self._open()
                if not self._for_one_alone(pool)
                for worker in self._spare[pool]
            ),
            None,
        )

    def _takes_more(self, worker: _Worker) -> bool:
        return (
            len(worker.hands) < _IN_HAND
            and worker.seconds < _LONG
            and not any(isinstance(what, Load) or what in self._alone for what in worker.hands)
        )

    def _for_one_alone(self, pool: str) -> bool:
        """Whether the task that a pool hands out next is to be alone in its worker."""
        return bool(self._alone) and self._under_way[self._queues[pool][0][1]] in self._alone

    def _queue(self, task: Task) -> None:
        pool = self.work.pool[task.step]
        heappush(self._queues[pool], (self._rank(task.step), task.sample))
        self._wait[pool] += self.work.seconds[task.step]
        self.waiting[task.step] += 1

    def _take(self, worker: _Worker, pool: str) -> Task:
        sample = heappop(self._queues[pool])[1]
        task = self._under_way[sample]
        assert task is not None  # noqa: S101
        seconds = self.work.seconds[task.step]
        self._wait[pool] -= seconds
        self.waiting[task.step] -= 1
        self.working[task.step] += 1
        worker.hands.append(task)
        worker.seconds += seconds
        return task

    def _load(self, worker: _Worker, pool: str) -> Load:
        fresh = self._leaves_no_room(worker, pool)
        if fresh:
            worker.loaded.clear()
        load = Load(pool, fresh)
        worker.hands.append(load)
        return load

    def _settle(self, task: Task) -> None:
        self._under_way[task.sample] = None
        self._alone.discard(task)

    def _withdraw(self, worker: _Worker) -> None:
        for pool in worker.pools:
            self._idle[pool].pop(worker, None)
            self._spare[pool].pop(worker, None)

    @abstractmethod
    def _rank(self, step: str) -> int:
        """The place of a step among those of its pool: lower ones first."""

    @abstractmethod
    def _open(self) -> Iterator[str]:
        """Yield the pools that have a task to hand out."""

    @abstractmethod
    def _choose(self, worker: _Worker) -> str | None:
        """The pool that a worker serves next; one that is not loaded only where it has nothing in hand."""

    @abstractmethod
    def _leaves_no_room(self, worker: _Worker, pool: str) -> bool:
        """Whether what a worker holds must go before it gets another model."""

    @abstractmethod
    def _role(self) -> Role:
        """The models that a worker on a GPU may hold when it joins."""

    @abstractmethod
    def _leave(self, worker: _Worker) -> None:
        """A worker on a GPU has gone."""


class ByStep(Schedule):
    """One step after the other, over all samples."""

    def __init__(self, work: Workload) -> None:
        super().__init__(work, sys.maxsize)
        self._at = 0

    def _queue(self, task: Task) -> None:
        self._at = min(self._at, INDEX[task.step])
        super()._queue(task)

    def _rank(self, step: str) -> int:
        return INDEX[step]

    def _open(self) -> Iterator[str]:
        while self._at < len(STEP_NAMES):
            step = STEP_NAMES[self._at]
            if self.waiting[step]:
                yield self.work.pool[step]
                return
            if self.working[step]:
                return
            self._at += 1

    def _choose(self, worker: _Worker) -> str | None:
        pool = next(self._open(), None)
        if pool not in worker.pools or (
            worker.hands and (pool not in worker.loaded or self._for_one_alone(pool))
        ):
            return None
        return pool

    def _leaves_no_room(self, worker: _Worker, pool: str) -> bool:
        return bool(worker.loaded)

    def _role(self) -> Role:
        return self.work.models

    def _leave(self, worker: _Worker) -> None:
        pass


class Streaming(Schedule):
    """Every sample moves on at once, over GPUs that hold several models.

    Args:
        work: What is known of the steps.
        window: Samples that may be under way; None is enough that no worker waits.
        roles: The models of each GPU; see `place`.
        vram_bytes: Of one GPU.
    """

    def __init__(
        self, work: Workload, window: int | None, roles: Sequence[Role] = (), vram_bytes: int = 0
    ) -> None:
        super().__init__(work, window)
        self.roles = tuple(roles)
        self._vacant = list(roles)
        self._vram_bytes = vram_bytes
        self._holders: Counter[str] = Counter()  # GPUs in whose role a model is
        self._holders[PROCESSORS] = 1

    def _rank(self, step: str) -> int:
        return -INDEX[step]

    def _open(self) -> Iterator[str]:
        return (pool for pool, queue in self._queues.items() if queue)

    def _empty_handed(self, further: deque[_Worker]) -> _Worker | None:
        return super()._empty_handed(further) or self._mover()

    def _choose(self, worker: _Worker) -> str | None:
        best, most = None, float("-inf")
        for pool in worker.pools:
            if not self._queues[pool]:
                continue
            pressure = self._wait[pool] / self._holders[pool]
            if pool not in worker.loaded:
                if worker.hands:
                    continue
                pressure -= self.work.load_seconds[pool]
            elif worker.hands and self._for_one_alone(pool):
                continue
            if pressure > most:
                best, most = pool, pressure
        if best is None and not worker.hands:
            return next((pool for pool in worker.pools if pool not in worker.loaded), None)
        return best

    def _mover(self) -> _Worker | None:
        """A GPU that has nothing to do, in another role, where something waits long enough for that."""
        idle = next((worker for model in self.work.models for worker in self._idle[model]), None)
        if idle is None:
            return None
        waiting = [model for model in self.work.models if self._queues[model]]
        model = max(waiting, key=lambda model: self._wait[model] / (self._holders[model] + 1), default=None)
        if model is None:
            return None
        gain = self._wait[model] / (self._holders[model] + 1)
        if self._holders[model] and gain < _WORTH * self.work.load_seconds[model]:
            model = next((model for model in waiting if not self._holders[model]), None)
        if model is not None:
            self._withdraw(idle)
            self._holders.subtract(idle.pools)
            idle.pools = self._role_with(model, idle.pools)
            self._holders.update(idle.pools)
        return None if model is None else idle

    def _role_with(self, model: str, others: Role) -> Role:
        """A role of a model, and what of another role finds room beside it."""
        names, need = {model}, self.work.vram_bytes
        for other in sorted(others, key=lambda other: -self._wait[other]):
            if sum(need[name] for name in names) + need[other] <= self._vram_bytes:
                names.add(other)
        return tuple(name for name in self.work.models if name in names)

    def _leaves_no_room(self, worker: _Worker, pool: str) -> bool:
        return not worker.loaded <= set(worker.pools)

    def _role(self) -> Role:
        if self._vacant:
            role = max(self._vacant, key=lambda role: sum(not self._holders[model] for model in role))
            self._vacant.remove(role)
        else:  # more GPUs than were planned
            role = self.roles[len(self._workers) % len(self.roles)]
        self._holders.update(role)
        return role

    def _leave(self, worker: _Worker) -> None:
        self._holders.subtract(worker.pools)
        self._vacant.append(worker.pools)


def make_schedule(
    work: Workload, gpus: int, vram_bytes: int, wanted: str = AUTO, window: int | None = None
) -> Schedule:
    """Return the schedule for some GPUs, without workers yet.

    Args:
        work: What there is to do.
        gpus: How many there are.
        vram_bytes: Of one.
        wanted: One of SCHEDULES; "auto" streams where every model finds room.
        window: Samples that may be under way while it streams; None is enough that no worker waits.

    Raises:
        ConfigError: it is to stream, and the models do not fit.
    """
    roles = None if wanted == BY_STEP else place(work, gpus, vram_bytes)
    if roles is not None:
        return Streaming(work, window, roles, vram_bytes)
    if wanted == STREAMING:
        fewest = fewest_gpus(work, vram_bytes)
        raise ConfigError(
            "the models do not fit on the GPUs at once, which streaming needs",
            got=f"{count_text(gpus, 'GPU')} of {size_text(vram_bytes)}",
            wanted="larger ones" if fewest is None else f"{fewest} of them",
            fix="go by step, one model at a time",
        )
    return ByStep(work)
