"""Computes the next items of an iterable in another thread while one is being used.

- A frame is drawn while the one before it is encoded: OpenCV and libav let go of Python's lock, so two
  processors are busy. The order stays, hence the bytes.
- A few items wait at most, so memory is bounded.
- The iterable is entered, used and closed in its own thread; what it raises is raised to whoever consumes,
  and a consumer that stops early stops it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")

_WAITING = 3  # items: two even out frames of unequal cost, more gains nothing (81 frames of 720p)


class _Done:
    """Says that there are no more items, and why."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterable[Item]) -> Generator[Item, None, None]:
    """Yield the same items in the same order, computed ahead in another thread.

    Raises:
        BaseException: Whatever the iterable raises, when its turn comes.
    """
    producer = _Producer(items)
    try:
        while True:
            item = producer.queue.get()
            if isinstance(item, _Done):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        producer.stop()


class _Producer(Generic[Item]):
    """The thread and its queue."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.queue: queue.Queue[Item | _Done] = queue.Queue(_WAITING)
        self._items = items
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, whatever it has left to do."""
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self.queue.get(timeout=0.01)  # room for an item that it may be waiting to put
            except queue.Empty:
                self._thread.join(timeout=0.01)

    def _run(self) -> None:
        iterator = iter(self._items)
        error: BaseException | None = None
        try:
            for item in iterator:
                self.queue.put(item)
                if self._stopped.is_set():
                    break
            if isinstance(iterator, Generator):
                iterator.close()
        except BaseException as raised:  # handed over, not handled
            error = raised
        self.queue.put(_Done(error))
