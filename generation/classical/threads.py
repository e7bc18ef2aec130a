"""Work on frames and passes in threads: OpenCV and NumPy let go of the interpreter while they compute.

- As many threads as OpenCV may use (`cv2.setNumThreads`): all processors when one process works, one in each
  of several workers.
- Every item is computed on its own, and answers come in the items' order: nothing depends on the number of
  threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def map_in_threads(function: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
    """Like `map`; reads few items ahead (as many as there are threads), so that memory stays bounded.

    Args:
        function: Must not change anything that another call reads.
        items: Read in the calling thread.
    """
    threads = cv2.getNumThreads()
    if threads <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[Future[Answer]] = deque()
        try:
            for item in items:
                under_way.append(pool.submit(function, item))
                if len(under_way) > threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
