"""Run a step on this machine: in this process with one worker, else in spawned processes.

- Workers are spawned, never forked: codecs and OpenCV hold threads.
- A worker keeps one step set up at a time, so a step's memory is freed when the next one starts.
- Workers end when the driver is gone, however it went: no orphan goes on writing.
- Answers come back as they are ready; nothing may depend on their order.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.connection import wait as wait_for_sentinel
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import cv2

from sparkle.schemas.errors import RunError

_QUEUED_A_WORKER = 2  # jobs handed out ahead, so that no worker waits for the driver's fsync

Answer_co = TypeVar("Answer_co", covariant=True)
Answer = TypeVar("Answer")


class Job(Protocol[Answer_co]):
    """Something to do in a worker: picklable, and callable without arguments."""

    def __call__(self) -> Answer_co:
        """Do it."""
        ...


class LocalExecutor:
    """A pool of worker processes; a context manager."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self.workers == 1:
            cv2.setNumThreads(os.cpu_count() or 1)  # same bytes with any number of threads
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._pool is None:
            return
        if kind is not None:  # nobody may go on writing when the run's lock is let go
            for process in list((self._pool._processes or {}).values()):
                process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, jobs: Iterable[Job[Answer]]) -> Iterator[Answer]:
        """Yield the answer of every job, in the order in which they are ready.

        Raises:
            RunError: a worker process died (killed, or out of memory).
        """
        if self.workers == 1:
            for job in jobs:
                yield job()
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
            )
        yield from _Flight(self._pool, iter(jobs), self.workers * _QUEUED_A_WORKER)


class _Flight(Generic[Answer]):
    """The jobs under way: never more than `width`."""

    def __init__(self, pool: ProcessPoolExecutor, jobs: Iterator[Job[Answer]], width: int) -> None:
        self._pool, self._jobs, self._width = pool, jobs, width

    def __iter__(self) -> Iterator[Answer]:
        flying: dict[Future[Any], Job[Answer]] = {}
        try:
            while True:
                for job in islice(self._jobs, self._width - len(flying)):
                    flying[self._pool.submit(job)] = job
                if not flying:
                    return
                ready, _ = wait(flying, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield future.result()
                    del flying[future]
        except BrokenProcessPool:
            raise RunError(
                "a worker process died",
                got=f"while at {', '.join(sorted(map(str, flying.values())))}",
                wanted="enough memory for each worker (about 1 GB for 720p clips)",
                fix="run the same command again, with fewer --workers if memory was short: nothing is lost",
            ) from None


def _start_worker() -> None:
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_driver, daemon=True).start()


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        wait_for_sentinel([driver.sentinel])
        os._exit(1)
