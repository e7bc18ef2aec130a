"""Imported by every Python process of a node that is not like the others: see `test_ray.py`."""

import ctypes
import os
import sys
import time

WORKER = "default_worker.py" in " ".join(sys.orig_argv)

if "SPARKLE_TEST_OTHER_NUMPY" in os.environ and WORKER:
    import numpy

    numpy.__version__ = "2.0.0"

if (late := os.environ.get("SPARKLE_TEST_LATE")) and WORKER:  # than something has happened
    end = time.monotonic() + 120
    while not os.path.exists(late) and time.monotonic() < end:
        time.sleep(0.05)

if other := os.environ.get("SPARKLE_TEST_OTHER_DISK"):
    libc = ctypes.CDLL(None, use_errno=True)
    NEWNS, PRIVATE, REC = 0x20000, 1 << 18, 1 << 14
    assert libc.unshare(NEWNS) == 0
    assert libc.mount(b"none", b"/", None, REC | PRIVATE, None) == 0
    assert libc.mount(b"tmpfs", other.encode(), b"tmpfs", 0, None) == 0
