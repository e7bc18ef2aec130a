"""Run a step's jobs on this machine: in this process with one worker, else in spawned processes.

- Workers are spawned, never forked: codecs and OpenCV hold threads.
- A worker keeps one step set up at a time, so a step's memory is freed when the next one starts.
- A step on GPUs has workers of its own: one where there is one GPU, else one for each, which sees that GPU
  alone as `cuda`. They end with the step, and with them everything that it held. GPUs are found without
  loading torch: the driver itself never opens one.
- Workers end when the driver is gone, however it went: no orphan goes on writing.
- Streaming, a GPU's worker keeps the models that its role says; one that must go takes the process with it.
- Answers come back as they are ready, those together that are: while the driver makes some durable, others
  become ready, so that the faster they come, the more of them share an fsync. Nothing may depend on their
  order.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections.abc import Hashable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.queues import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

import cv2

from sparkle._processes import Job, Workers
from sparkle.generation.run.executor import MakeJob
from sparkle.generation.run.jobs import Done
from sparkle.generation.run.schedule import Load, Schedule, Task
from sparkle.schemas.errors import RunError

VISIBLE = "CUDA_VISIBLE_DEVICES"

_QUEUED = 2  # jobs per worker that are handed out ahead, so that no worker waits for the driver's fsync
_LISTING = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
_MEMORY = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
_PATIENCE = 60.0  # seconds; a machine of eight takes a few where persistence is off

Answer = TypeVar("Answer")


class LocalExecutor:
    """Worker processes, in one pool for processors and one for GPUs; a context manager."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: Workers | None = None
        self._gpu_pool: Workers | None = None
        self._gpus: dict[Hashable, Workers] = {}  # when streaming: of each its worker

    def __enter__(self) -> Self:
        if self.workers == 1:
            cv2.setNumThreads(os.cpu_count() or 1)  # same bytes with any number of threads
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for pool in (self._pool, self._gpu_pool, *self._gpus.values()):
            if pool is None:
                continue
            if kind is not None:  # nobody may go on writing when the run's lock is let go
                for process in list((pool._processes or {}).values()):
                    process.kill()
            pool.shutdown(wait=True, cancel_futures=True)

    @property
    def gpus(self) -> int:
        """How many GPUs there are."""
        return len(visible_gpus())

    def vram(self) -> int:
        """Return the bytes of the smallest GPU; 0 where nobody says."""
        return min(map(gpu_bytes, visible_gpus()), default=0)

    def map(self, jobs: Iterable[Job[Answer]], *, on_gpu: bool = False) -> Iterator[list[Answer]]:
        """Yield the answers of all jobs, those together that are ready at once.

        Args:
            jobs: What is to be done. With one worker it is done in this process.
            on_gpu: The jobs load a model into a GPU: no more workers than there are GPUs.

        Raises:
            RunError: a worker process died (killed, or out of memory).
            UnguardedScriptError: none can start.
        """
        if self.workers == 1:
            for job in jobs:
                yield [job()]
        elif on_gpu:
            yield from self._map_on_gpus(jobs)
        else:
            yield from _answers(self._processors(), jobs, self.workers * _QUEUED)

    def stream(self, schedule: Schedule, make_job: MakeJob) -> Iterator[list[Done]]:
        """Yield what came of the tasks of a schedule, until it is idle; see `Executor`.

        Raises:
            RunError: a worker process died (killed, or out of memory).
            UnguardedScriptError: none can start.
        """
        gpus = visible_gpus() if schedule.work.models else ()
        for gpu in gpus:
            schedule.joined(gpu, gpu=True)
        for number in range(self.workers):
            schedule.joined(number, gpu=False)
        flying: dict[Future[Any], Job[Any]] = {}
        given: dict[Future[Any], tuple[Hashable, Task | Load]] = {}
        with _telling_deaths(self._processors(), flying):
            while True:
                for name, what in schedule.hand_out():
                    job = make_job(what)
                    pool = self._worker(name, what) if name in gpus else self._processors()
                    future = pool.submit(job)
                    flying[future], given[future] = job, (name, what)
                if not flying:
                    return
                ready = [(*given.pop(future), future.result()) for future in _take_ready(flying)]
                for name, what, _ in ready:
                    schedule.done(name, what)
                yield [answer for _, what, answer in ready if isinstance(what, Task)]

    def _processors(self) -> Workers:
        if self._pool is None:
            self._pool = Workers(self.workers, _start_worker)
        return self._pool

    def _worker(self, gpu: Hashable, what: Task | Load) -> Workers:
        """The process of a GPU; a new one where what it holds must go."""
        if gpu in self._gpus and isinstance(what, Load) and what.fresh:
            self._gpus.pop(gpu).shutdown(wait=True)
        if gpu not in self._gpus:
            own = multiprocessing.get_context("spawn").SimpleQueue()
            own.put(gpu)
            self._gpus[gpu] = Workers(1, _start_gpu_worker, own)
        return self._gpus[gpu]

    def _map_on_gpus(self, jobs: Iterable[Job[Answer]]) -> Iterator[list[Answer]]:
        gpus = visible_gpus()[: self.workers]
        workers = max(1, len(gpus))
        if workers == 1:  # it sees what the driver sees: a configuration may name `cuda:1`
            self._gpu_pool = Workers(1, _start_worker)
        else:
            own = multiprocessing.get_context("spawn").SimpleQueue()
            for gpu in gpus:
                own.put(gpu)
            self._gpu_pool = Workers(workers, _start_gpu_worker, own)
        yield from _answers(self._gpu_pool, jobs, workers * _QUEUED)
        self._gpu_pool.shutdown(wait=True)
        self._gpu_pool = None


def _answers(pool: Workers, jobs: Iterable[Job[Answer]], width: int) -> Iterator[list[Answer]]:
    """Yield answers as they are ready; never more than `width` jobs are under way.

    Where a job raises, what else is ready is answered first.
    """
    waiting = iter(jobs)
    flying: dict[Future[Answer], Job[Answer]] = {}
    with _telling_deaths(pool, flying):
        while True:
            for job in islice(waiting, width - len(flying)):
                flying[pool.submit(job)] = job
            if not flying:
                return
            yield [future.result() for future in _take_ready(flying)]


def _take_ready(flying: dict[Future[Answer], Job[Answer]]) -> list[Future[Answer]]:
    """Take out what has an answer, once there is some; raise what a job raised where nothing else has one."""
    ready, _ = wait(flying, return_when=FIRST_COMPLETED)
    good = [future for future in ready if future.exception() is None]
    for future in good or ready:
        future.result()
        del flying[future]
    return good


@contextmanager
def _telling_deaths(pool: Workers, flying: Mapping[Future[Answer], Job[Answer]]) -> Iterator[None]:
    """Say at what a worker died."""
    try:
        yield
    except BrokenProcessPool:
        pool.refuse_unguarded()
        raise RunError(
            "a worker process died",
            got=f"while at {', '.join(sorted(map(str, flying.values())))}",
            wanted="enough memory for each worker (about 1 GB for 720p clips)",
            fix="run the same command again, with fewer --workers if memory was short: nothing is lost",
        ) from None


def _start_worker() -> None:
    cv2.setNumThreads(1)


def _start_gpu_worker(own: SimpleQueue[str]) -> None:
    os.environ[VISIBLE] = own.get()  # before anything opens a GPU
    _start_worker()


def visible_gpus() -> tuple[str, ...]:
    """Return names that `CUDA_VISIBLE_DEVICES` takes, one per GPU; none where there is no driver.

    What the variable says already counts, and as CUDA reads it: up to the first name that is negative.
    """
    allowed = os.environ.get(VISIBLE)
    if allowed is not None:
        names = [name.strip() for name in allowed.split(",")]
        ends = next((i for i, name in enumerate(names) if not name or name.startswith("-")), len(names))
        return tuple(names[:ends])
    try:
        listing = subprocess.run(_LISTING, capture_output=True, text=True, timeout=_PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in listing.stdout.splitlines() if line.strip())


def gpu_bytes(gpu: str) -> int:
    """Return the memory of a GPU, by a name that `CUDA_VISIBLE_DEVICES` takes; 0 where nobody says."""
    try:
        said = subprocess.run(
            (*_MEMORY, f"--id={gpu}"), capture_output=True, text=True, timeout=_PATIENCE, check=True
        ).stdout
        return int(said) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0
