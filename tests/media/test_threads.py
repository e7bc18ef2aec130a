"""OpenCV's and torch's threads are off inside a block and as they were after the last one."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from drawn_clips.synthetic import draw_clip
from sparkle.media.container import open_video
from sparkle.media.threads import own_thread_only, side_by_side
from sparkle.schemas.errors import MediaError


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
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
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


def test_what_is_done_side_by_side_comes_in_order():
    for threads in (1, 2, 3, 9):
        assert side_by_side(lambda item: item * 2, range(7), threads) == list(range(0, 14, 2))
    assert side_by_side(str, [], 4) == []


def test_an_error_comes_when_everything_is_done():
    started, done = threading.Barrier(3), []

    def act(item):
        started.wait()
        if item == 0:
            raise ValueError("first")
        done.append(item)

    with pytest.raises(ValueError, match="first"):
        side_by_side(act, range(3), 3)
    assert sorted(done) == [1, 2]


def test_no_thread_that_decodes_ends():
    """While one ends it holds a lock of OpenCV's, which a process forked in this moment would wait for."""

    def act(_):
        together.wait()  # so that each has a thread of its own
        return threading.current_thread()

    together = threading.Barrier(2)
    used = {thread for _ in range(3) for thread in side_by_side(act, range(2), 2)}
    assert threading.main_thread() not in used
    assert all(thread.is_alive() for thread in used)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    assert side_by_side(str, range(2), 2) == ["0", "1"]
    assert status_of_child(lambda: side_by_side(str, range(4), 4)) == 0


def status_of_child(act):
    """Run something in a forked process; returns its wait status: 0, or 14 for one that had to be ended."""
    if (pid := os.fork()) == 0:
        code = 2
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # who hangs in a library's code runs no handler
            signal.alarm(240)
            act()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_ends_no_threads_that_it_does_not_have():
    """OpenCV was used with two threads and then without any, as inside of somebody else's block."""
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (15, 15), 3)
        cv2.setNumThreads(0)

        def block():
            with own_thread_only():
                pass

        assert status_of_child(block) == 0
    finally:
        cv2.setNumThreads(before)


def fails_between_frames(path):
    with open_video(path, threads=4) as video:
        decoding = video.frames()
        next(decoding)
        raise MediaError("no")


def ends_between_frames(path):
    with open_video(path, threads=4) as video:
        decoding = video.frames()
        next(decoding)
    return video, decoding


def does_not_decode(path):
    with open_video(path, threads=4) as video:
        stream, count = video, sum(1 for _ in video.frames())
    return stream, count


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("use", [fails_between_frames, ends_between_frames, does_not_decode])
def test_a_forked_process_meets_no_decoder_of_its_parent(tmp_path, use):
    """What the parent left of it is in a cycle, as the traceback of an error is: the child collects it."""
    path = tmp_path / "clip.mp4"
    draw_clip(path, seed=1, width=160, height=96, frames=21)
    if use is does_not_decode:
        data = bytearray(path.read_bytes())
        start = data.index(b"mdat") + 4
        data[start + (len(data) - start) // 2 :] = bytes(len(data) - start - (len(data) - start) // 2)
        path.write_bytes(data)
    garbage = []
    gc.collect()  # what tests before this one left
    gc.disable()
    try:
        try:
            garbage.append(use(path))
        except MediaError as error:
            garbage.append(error)
        garbage.append(garbage)
        del garbage
        assert status_of_child(gc.collect) == 0
    finally:
        gc.enable()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_leaves_the_garbage_of_its_parent_alone(tmp_path):
    """Somebody's encoder with threads, in a cycle: to free it in the child is to wait for them for ever."""
    script = f"""
import gc, os, signal, sys
import av
import numpy as np
import sparkle.media.threads

gc.disable()
container = av.open({str(tmp_path / "clip.mp4")!r}, "w")
stream = container.add_stream("libx264", rate=10, width=320, height=320, pix_fmt="yuv420p")
stream.codec_context.thread_count = 4
for level in range(40):
    container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((320, 320, 3), level, np.uint8))))
cycle = [container, stream]
cycle.append(cycle)
del container, stream, cycle
if (pid := os.fork()) == 0:
    signal.alarm(240)
    gc.collect()
    os._exit(0)
status = os.waitpid(pid, 0)[1]
print("status", status, flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "status 0\n"
