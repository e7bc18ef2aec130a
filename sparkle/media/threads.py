"""Keeps OpenCV and torch to the calling thread while several videos are decoded at once.

Each of them would split every frame over all processors and wait for the slowest part: with a thread a video
already, and more so on a busy machine, that takes several times as long. Both keep the number in a place
that the whole process shares, so it is put back when the last block is left.
"""

from __future__ import annotations

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
            cv2.setNumThreads(0)
            if torch:
                torch.set_num_threads(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                cv2.setNumThreads(_before[0])
                if torch and _before[1]:
                    torch.set_num_threads(_before[1])
