"""OpenCV's and torch's threads are off inside a block and as they were after the last one."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import pytest

from sparkle.media.threads import own_thread_only


def test_threads_are_off_inside_and_back_outside():
    torch = pytest.importorskip("torch")
    before = (cv2.getNumThreads(), torch.get_num_threads())
    with own_thread_only():
        with own_thread_only():
            assert torch.get_num_threads() == 1
        assert cv2.getNumThreads() == 1
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 1
    assert (cv2.getNumThreads(), torch.get_num_threads()) == before


def test_many_threads_may_be_inside_at_once():
    before = cv2.getNumThreads()

    def enter(_):
        with own_thread_only():
            return cv2.getNumThreads()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(enter, range(200))) == {1}
    assert cv2.getNumThreads() == before


def test_an_error_puts_them_back():
    before = cv2.getNumThreads()
    with pytest.raises(ValueError, match="inside"), own_thread_only():
        raise ValueError("inside")
    assert cv2.getNumThreads() == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_starts_outside_of_every_block():
    """Threads of the parent are in and out of blocks all the time: a child has none that would leave them."""
    before, stop = cv2.getNumThreads(), threading.Event()

    def enter():
        while not stop.is_set():
            with own_thread_only():
                pass

    def child():
        signal.alarm(240)  # a lock that nobody lets go of ends it
        with own_thread_only():
            inside = cv2.getNumThreads()
        return 0 if (inside, cv2.getNumThreads()) == (1, before) else 1

    threads = [threading.Thread(target=enter) for _ in range(2)]
    for thread in threads:
        thread.start()
    statuses = []
    try:
        for _ in range(100):
            if (pid := os.fork()) == 0:
                code = 2
                try:
                    code = child()
                finally:
                    os._exit(code)
            statuses.append(os.waitpid(pid, 0)[1])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert statuses == [0] * 100
