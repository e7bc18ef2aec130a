"""Keeps OpenCV and torch to the calling thread while several videos are decoded at once.

Each of them would split every frame over all processors and wait for the slowest part: with a thread a video
already, and more so on a busy machine, that takes several times as long. Both keep the number in a place
that the whole process shares, so it is put back when the last block is left.

A process that is forked meanwhile, such as a worker of a DataLoader, starts outside of every block: nobody
there would leave those of the threads that it does not have, nor let go of their lock.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_lock = threading.Lock()
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


def _start_outside() -> None:
    global _lock, _inside
    if _inside:
        _put_back()
    _lock, _inside = threading.Lock(), 0


os.register_at_fork(after_in_child=_start_outside)
