"""What a sample took in each step: a file beside a run, for the plan of a larger one.

- It is never inside the run, whose bytes do not depend on time; a run that goes on adds to it.
- Loading a model does not count, nor do failures: what they took says nothing of the next sample.
- It is written now and then, as a whole: a kill loses seconds that nobody misses.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sparkle._files import read_document, write_atomic
from sparkle.schemas.errors import ConfigError, RecordError
from sparkle.schemas.load import load
from sparkle.schemas.stages import STEP_NAMES
from sparkle.schemas.validate import parse_strict

_EVERY = 10.0  # seconds


class StepTime(Struct, forbid_unknown_fields=True):
    """What a step took: `seconds` of a worker, for so many samples."""

    samples: Annotated[int, Meta(ge=1, lt=1 << 40)]
    seconds: Annotated[float, Meta(ge=0, lt=1e12)]


class TimingsFile(Struct, frozen=True, forbid_unknown_fields=True):
    """What is written: what each step took."""

    steps: dict[str, StepTime]


class Timings:
    """The timings of one run while it is made.

    Args:
        path: Of their file, which may be there.

    Raises:
        ConfigError: something else is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._steps = _read(path) if path.exists() else {}
        self._written = time.monotonic()

    def add(self, step: str, seconds: float) -> None:
        """Say what a sample took."""
        if step in self._steps:
            self._steps[step].samples += 1
            self._steps[step].seconds += seconds
        else:
            self._steps[step] = StepTime(1, seconds)
        if time.monotonic() - self._written > _EVERY:
            self.write()

    def write(self) -> None:
        """Bring the file up to date."""
        steps = {step: self._steps[step] for step in STEP_NAMES if step in self._steps}
        text = msgspec.json.format(msgspec.json.encode(TimingsFile(steps)), indent=1)
        write_atomic(self._path, text + b"\n")
        self._written = time.monotonic()


def read_timings(path: Path) -> dict[str, float]:
    """Return the seconds that a sample took, by step.

    Raises:
        ConfigError: it is no file of timings, or has none.
    """
    return {step: found.seconds / found.samples for step, found in _read(path).items()}


def _read(path: Path) -> dict[str, StepTime]:
    try:
        steps = load(TimingsFile, parse_strict(read_document(path))).steps
        if not steps or not steps.keys() <= {*STEP_NAMES}:
            raise RecordError("no steps of ours", got=", ".join(sorted(steps)[:3]) or "none")
    except RecordError as error:
        wanted = "a file that `sparkle generate --timings FILE` wrote"
        raise ConfigError("the timings cannot be read", got=error, wanted=wanted, where=path) from None
    return steps
