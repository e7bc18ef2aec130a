"""Run `sparkle index` and end it with SIGKILL when some units have been read: `kill_at.py COUNT WORDS...`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from sparkle.builders.upstream.index import Index
from sparkle.commands.index import index

if __name__ == "__main__":
    count, real = int(sys.argv[1]), Index._read

    def read(*arguments: Any) -> None:
        global count
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*arguments)
        count -= 1

    Index._read = read  # type: ignore[method-assign]
    index(sys.argv[2:])
