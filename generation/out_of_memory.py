"""When the device's memory is full: what is cached is freed and the sample alone is tried once more.

A second time is the sample's failure, and the run goes on.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import TypeVar

from sparkle.schemas.errors import SampleError

T = TypeVar("T")


def free_device_memory() -> None:
    """Give back what this process holds of a device and no longer uses; nothing where it uses none."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def retry_out_of_memory(call: Callable[[], T], *, what: str) -> T:
    """What `call` gives, at the first or the second time.

    Args:
        call: Work on one sample, that can be done again.
        what: The work in an error, such as "the answer to ground1".

    Raises:
        SampleError: the memory did not suffice twice.
    """
    import torch

    try:
        return call()
    except torch.OutOfMemoryError:
        pass  # outside this block the traceback is gone, and with it what it held
    free_device_memory()
    try:
        return call()
    except torch.OutOfMemoryError as error:
        raise SampleError(
            "the device's memory is too small for this sample",
            got=str(error).partition(". ")[0],
            where=what,
            fix="give fewer or smaller pictures at once, or a device with more memory",
        ) from None
