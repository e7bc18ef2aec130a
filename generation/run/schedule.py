"""Who does what next: a live executor and the plan ask here. It knows no clock.

How it works:
- The driver puts a sample's next task, hands out what `hand_out` says, and reports what is done. It puts what
  follows from that, or says that the sample has ended, before it asks again.
- Which task comes first, and what a GPU holds, is a kind's (`schedules`).
- A worker has one task in hand beside the one that it works on, unless that one is long. Who has none is
  served first.
- What a lost worker had goes to others, each task alone in its worker from then on, so that the next loss
  names the culprit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from sparkle.generation.run.placement import PROCESSORS, Role, Workload
from sparkle.schemas.stages import STEP_NAMES

PER_GPU, PER_PROCESSOR = 64, 4  # samples under way: with fewer, workers wait for each other
ATTEMPTS = 3  # workers that one task may take with it

_IN_HAND = 2
_LONG = 5.0  # seconds: fetching the next task costs nothing beside it

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
class Worker:
    """Who does tasks."""

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
        self._workers: dict[Hashable, Worker] = {}
        self._asking: dict[Worker, None] = {}
        # Who has nothing to do, and who could have one more task in hand; by what they may do.
        self._idle: dict[str, dict[Worker, None]] = {pool: {} for pool in pools}
        self._spare: dict[str, dict[Worker, None]] = {pool: {} for pool in pools}
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
        worker = self._workers[name] = Worker(name, role, set() if gpu else {PROCESSORS})
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
        further: deque[Worker] = deque()
        while worker := (
            self._empty_handed(further) or (further.popleft() if further else self._with_spare())
        ):
            what = self.next(worker.name)
            if what is not None:
                yield worker.name, what
                further.append(worker)

    def _empty_handed(self, further: deque[Worker]) -> Worker | None:
        """A worker without anything in hand, that may have something to do."""
        while self._asking:
            worker = next(iter(self._asking))
            if not worker.hands:
                return worker
            del self._asking[worker]
            further.append(worker)
        return next((worker for pool in self._open() for worker in self._idle[pool]), None)

    def _with_spare(self) -> Worker | None:
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

    def _takes_more(self, worker: Worker) -> bool:
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

    def _take(self, worker: Worker, pool: str) -> Task:
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

    def _load(self, worker: Worker, pool: str) -> Load:
        fresh = self._leaves_no_room(worker, pool)
        if fresh:
            worker.loaded.clear()
        load = Load(pool, fresh)
        worker.hands.append(load)
        return load

    def _settle(self, task: Task) -> None:
        self._under_way[task.sample] = None
        self._alone.discard(task)

    def _withdraw(self, worker: Worker) -> None:
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
    def _choose(self, worker: Worker) -> str | None:
        """The pool that a worker serves next; one that is not loaded only where it has nothing in hand."""

    @abstractmethod
    def _leaves_no_room(self, worker: Worker, pool: str) -> bool:
        """Whether what a worker holds must go before it gets another model."""

    @abstractmethod
    def _role(self) -> Role:
        """The models that a worker on a GPU may hold when it joins."""

    @abstractmethod
    def _leave(self, worker: Worker) -> None:
        """A worker on a GPU has gone."""
