"""Items computed ahead come in order, with their errors, and stop when nobody wants them."""

import gc
import threading
import time

import pytest

from sparkle.media.ahead import ahead


@pytest.fixture(autouse=True)
def no_threads_of_others() -> None:
    gc.collect()  # what tests before this one left in a cycle, as the traceback of an error is


def running() -> int:
    return sum(thread.name == "ahead" for thread in threading.enumerate())


def test_the_items_come_in_order():
    assert list(ahead(range(100))) == list(range(100))
    assert list(ahead([])) == []
    assert running() == 0


def test_they_are_computed_in_another_thread_while_one_is_used():
    threads = set()

    def items():
        for index in range(3):
            threads.add(threading.get_ident())
            yield index

    assert list(ahead(items())) == [0, 1, 2]
    assert threading.get_ident() not in threads
    assert len(threads) == 1


def test_only_a_few_wait():
    made = []

    def items():
        for index in range(100):
            made.append(index)
            yield index

    iterator = ahead(items())
    assert next(iterator) == 0
    deadline = time.monotonic() + 60
    while len(made) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.1)  # one more would come now
    assert len(made) < 10
    iterator.close()
    assert running() == 0


def test_an_error_comes_when_its_turn_does():
    def items():
        yield 1
        raise ValueError("no more of this")

    iterator = ahead(items())
    assert next(iterator) == 1
    with pytest.raises(ValueError, match="no more of this"):
        next(iterator)
    assert running() == 0


def test_a_consumer_that_stops_closes_the_source():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    for _ in ahead(items()):
        break
    assert closed.wait(60)
    deadline = time.monotonic() + 60
    while running() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running() == 0
