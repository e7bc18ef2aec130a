"""Run `sparkle` and kill it with SIGKILL at a chosen moment: `python kill_at.py MOMENT COUNT WORDS...`.

MOMENT is `step` (inside a step's work), `artifact` (a half-written artifact beside its place), `committed`
(an artifact in its place, its outcome not written) or `outcome` (half a line appended). COUNT is which time
it comes by, from 1. The moments are reached by wrapping the real functions; they do their work until then.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from sparkle.commands import main
from sparkle.generation.run import folder
from sparkle.generation.steps import base
from sparkle.generation.steps.tracking import Track
from sparkle.schemas.canonical import dump_line


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(count: int, real: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
    """`real`, but `instead` at the `count`-th call."""
    calls = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return (instead if calls == count else real)(*args, **kwargs)

    return wrapped


def half_artifact(temporary, target):
    data = temporary.read_bytes()
    temporary.write_bytes(data[: len(data) // 2])
    die()


def half_line(path, records):
    line = dump_line(next(iter(records)))
    with path.open("ab") as file:
        file.write(line[: len(line) // 2])
        file.flush()
    die()


def arm(moment: str, count: int) -> None:
    real_commit = base.commit
    if moment == "step":
        real = Track.measure
        Track.measure = at_call(count, real, lambda self, work: (real(self, work), die()))
    elif moment == "artifact":
        base.commit = at_call(count, real_commit, half_artifact)
    elif moment == "committed":
        base.commit = at_call(count, real_commit, lambda *args: (real_commit(*args), die()))
    elif moment == "outcome":
        folder.append_lines = at_call(count, folder.append_lines, half_line)
    else:
        raise SystemExit(f"no such moment: {moment}")


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    main(sys.argv[3:])
