"""Decodes several videos at once, and keeps OpenCV and torch to the thread that calls them meanwhile.

Each of them would split every frame over all processors and wait for the slowest part: with a thread a video
already, and more so on a busy machine, that takes several times as long. Both keep the number in a place
that the whole process shares, so it is put back when the last block is left.

A process that is forked meanwhile, such as a worker of a DataLoader, starts outside of every block: nobody
there would leave those of the threads that it does not have, nor let go of their lock.

For the same reason no thread that decodes ever ends. One that has used OpenCV takes a lock of OpenCV's while
it ends, and Python before 3.13 does not wait for that: a process that was forked in this very moment waited
for the lock for ever (one in 1,500 on a busy machine).

Nor does such a process collect the garbage of its parent: it would wait for the threads of anybody's encoder
or decoder in it, which it does not have. What is in use is still freed when nothing refers to it any more.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

import cv2

_THREADS = 64  # of a process; what comes on top waits for its turn

Item = TypeVar("Item")
Result = TypeVar("Result")

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_inside = 0
_before: list[int] = []  # threads of OpenCV, and of torch where it is imported


@contextmanager
def own_thread_only() -> Iterator[None]:
    """A block in which OpenCV and torch start no threads, whichever thread calls them."""
    global _inside
    torch = sys.modules.get("torch")
    with _lock:
        if _inside == 0:
            _before[:] = [cv2.getNumThreads(), torch.get_num_threads() if torch else 0]
        _inside += 1  # before the numbers change, and down after they are back: a fork may come in between
        cv2.setNumThreads(0)
        if torch:
            torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            if _inside == 1:
                _put_back()
            _inside -= 1


def _put_back() -> None:
    # 0 and 1 are the same to whoever draws. But 1 has OpenCV end the threads that it once started, and in a
    # forked process, which does not have them, it waits for ever for that.
    cv2.setNumThreads(_before[0] if _before[0] > 1 else 0)
    if _before[1]:
        sys.modules["torch"].set_num_threads(_before[1])


def side_by_side(act: Callable[[Item], Result], items: Sequence[Item], threads: int) -> list[Result]:
    """Return what a function makes of each item, in several threads; all are done when it returns or raises.

    Args:
        act: The function; it does not call this one.
        items: The items.
        threads: How many at once, at least 1; 1 is the calling thread.
    """
    global _pool
    if min(threads, len(items)) <= 1:
        return [act(item) for item in items]
    with _lock:
        pool = _pool = _pool or ThreadPoolExecutor(_THREADS, thread_name_prefix="decoding")
    shares = [items[start::threads] for start in range(min(threads, len(items)))]
    futures = [pool.submit(lambda share: [act(item) for item in share], share) for share in shares]
    wait(futures)
    made = [future.result() for future in futures]
    return [made[index % len(made)][index // len(made)] for index in range(len(items))]


def _start_outside() -> None:
    global _lock, _inside, _pool
    gc.freeze()
    if _inside:
        _put_back()
    _lock, _inside, _pool = threading.Lock(), 0, None


os.register_at_fork(after_in_child=_start_outside)
