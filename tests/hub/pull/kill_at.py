"""Run `sparkle-hub pull` and end it with SIGKILL in the write of a file: `kill_at.py COUNT WORDS...`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from sparkle.commands import pull
from sparkle.hub.pull import pulling

if __name__ == "__main__":
    count, real = int(sys.argv[1]), pulling.temporary_beside

    def temporary(path: Path) -> Path:
        global count
        beside = real(path)
        if count == 0:
            beside.write_bytes(b"half of it")
            os.kill(os.getpid(), signal.SIGKILL)
        count -= 1
        return beside

    pulling.temporary_beside = temporary
    pull.pull(sys.argv[2:])
