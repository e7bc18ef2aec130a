"""Jobs over processes, with answers in the order of the jobs.

- With one worker, or one job, everything happens in this process.
- Workers are spawned, never forked: Arrow and codecs hold threads. They end when this process is gone.
- A spawned worker imports the script that was started. One that does its work in the open, and not below
  `if __name__ == "__main__"`, would start workers in each worker, which Python refuses: so none ever gets to
  its first line here, which tells it from a worker that was killed.
- What a job answers depends on nothing but the job, so results are the same with any number of workers.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.synchronize import Event
from typing import Protocol, TypeVar

from sparkle.schemas.errors import ReleaseError, UnguardedScriptError

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


_ALONE_BYTES = 32 << 20  # what one process has read before another one would have started


def cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0))


def useful_workers(size: int) -> int:
    """Return how many processes are worth their start where `size` bytes are read: one per CPU, or one."""
    return cpus() if size > _ALONE_BYTES else 1


class Job(Protocol[Answer_co]):
    """Something to do in a worker: picklable, and callable without arguments."""

    def __call__(self) -> Answer_co:
        """Do it."""
        ...


class Pool(Protocol):
    """Runs jobs; see `pool_of`."""

    def __call__(self, jobs: Sequence[Job[Answer]]) -> Iterator[Answer]:
        """Yield the answer of each job, in their order."""
        ...


@contextmanager
def pool_of(workers: int) -> Iterator[Pool]:
    """Yield what runs jobs in `workers` processes.

    Running raises ReleaseError when a worker dies (killed, or out of memory), and UnguardedScriptError when
    none can start.
    """
    processes = _Processes(workers)
    try:
        yield processes.run
    finally:
        processes.close()


class Workers(ProcessPoolExecutor):
    """Spawned processes, which end when this one is gone, however it went: no orphan goes on working.

    Args:
        count: How many.
        start: Called in each before it does anything else, with `arguments`.
    """

    def __init__(self, count: int, start: Callable[..., None] | None = None, *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self._begun = context.Event()
        super().__init__(
            count, mp_context=context, initializer=_begin, initargs=(self._begun, start, arguments)
        )

    def refuse_unguarded(self) -> None:
        """Raise UnguardedScriptError where the pool is broken since no worker could start."""
        if self._begun.is_set():
            return
        raise UnguardedScriptError(
            "worker processes cannot start: each imports this script, which does its work in the open",
            wanted='what it does below the line `if __name__ == "__main__":`',
            where=getattr(sys.modules["__main__"], "__file__", None),
            fix="write that line above it, or ask for one worker",
        )


def _begin(begun: Event, start: Callable[..., None] | None, arguments: tuple[object, ...]) -> None:
    begun.set()
    threading.Thread(target=_watch_parent, daemon=True).start()
    if start is not None:
        start(*arguments)


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class _Processes:
    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: Workers | None = None

    def run(self, jobs: Sequence[Job[Answer]]) -> Iterator[Answer]:
        if self._workers == 1 or len(jobs) < 2:
            for job in jobs:
                yield job()
            return
        if self._pool is None:
            self._pool = Workers(self._workers)
        try:
            yield from self._pool.map(_call, jobs)
        except BrokenProcessPool:
            self._pool.refuse_unguarded()
            raise ReleaseError(
                "a worker process died",
                wanted="enough memory for each worker",
                fix="run the same command again, with fewer --workers if memory was short",
            ) from None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _call(job: Callable[[], Answer]) -> Answer:
    return job()


@contextmanager
def collector_off() -> Iterator[None]:
    """Switch Python's cycle collector off for a block; as a decorator, for a function.

    For work that makes millions of records, which hold no cycles and are freed when they are let go: on a run
    of 10,000 samples, looking through them again and again takes 40% of the time of building the text.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
