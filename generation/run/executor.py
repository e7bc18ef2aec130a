"""Run a step's jobs on this machine: in this process with one worker, else in spawned processes.

- Workers are spawned, never forked: codecs and OpenCV hold threads.
- A worker keeps one step set up at a time, so a step's memory is freed when the next one starts.
- A step on GPUs has workers of its own: one where there is one GPU, else one for each, which sees that GPU
  alone as `cuda`. They end with the step, and with them everything that it held. GPUs are found without
  loading torch: the driver itself never opens one.
- Workers end when the driver is gone, however it went: no orphan goes on writing.
- Answers come back as they are ready, those together that are: while the driver makes some durable, others
  become ready, so that the faster they come, the more of them share an fsync. Nothing may depend on their
  order.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.queues import SimpleQueue
from types import TracebackType
from typing import Self, TypeVar

import cv2

from sparkle._processes import Job, Workers
from sparkle.schemas.errors import RunError

VISIBLE = "CUDA_VISIBLE_DEVICES"

_QUEUED = 2  # jobs per worker that are handed out ahead, so that no worker waits for the driver's fsync
_LISTING = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
_PATIENCE = 60.0  # seconds; a machine of eight takes a few where persistence is off

Answer = TypeVar("Answer")


class LocalExecutor:
    """Worker processes, in one pool for processors and one for GPUs; a context manager."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.gpus = 0  # that have a worker now
        self._pool: Workers | None = None
        self._gpu_pool: Workers | None = None

    def __enter__(self) -> Self:
        if self.workers == 1:
            cv2.setNumThreads(os.cpu_count() or 1)  # same bytes with any number of threads
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for pool in (self._pool, self._gpu_pool):
            if pool is None:
                continue
            if kind is not None:  # nobody may go on writing when the run's lock is let go
                for process in list((pool._processes or {}).values()):
                    process.kill()
            pool.shutdown(wait=True, cancel_futures=True)

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
            if self._pool is None:
                self._pool = Workers(self.workers, _start_worker)
            yield from _answers(self._pool, jobs, self.workers * _QUEUED)

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
        self.gpus = len(gpus)
        yield from _answers(self._gpu_pool, jobs, workers * _QUEUED)
        self.gpus = 0
        self._gpu_pool.shutdown(wait=True)
        self._gpu_pool = None


def _answers(pool: Workers, jobs: Iterable[Job[Answer]], width: int) -> Iterator[list[Answer]]:
    """Yield answers as they are ready; never more than `width` jobs are under way.

    Where a job raises, what else is ready is answered first.
    """
    waiting = iter(jobs)
    flying: dict[Future[Answer], Job[Answer]] = {}
    try:
        while True:
            for job in islice(waiting, width - len(flying)):
                flying[pool.submit(job)] = job
            if not flying:
                return
            ready, _ = wait(flying, return_when=FIRST_COMPLETED)
            good = [future for future in ready if future.exception() is None]
            if good:
                yield [future.result() for future in good]
            for future in good:
                del flying[future]
            for future in ready.difference(good):
                future.result()
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
