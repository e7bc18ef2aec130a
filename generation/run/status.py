"""How a run goes, for whoever looks on: also from another process, or another machine.

- The driver leaves a file in the folder of its epoch (`sparkle.generation.run.epoch`), every few seconds. It
  goes with the folder, and is no part of the run.
- Where nobody works, what is done is counted from the lines of outcomes; nothing is locked or changed.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sparkle._files import read_document
from sparkle.schemas import layout
from sparkle.schemas.errors import RecordError, RunError
from sparkle.schemas.load import load
from sparkle.schemas.stages import STEP_NAMES
from sparkle.schemas.validate import parse_strict

_FILE = "status.json"
_LONG_SILENCE = 600.0  # seconds; a step of one sample may take minutes
_BLOCK_BYTES = 1 << 24
_LINE = re.compile(rb'^\{"id": "([^"]+)", "fingerprint": "[0-9a-f]{64}", "status": "([a-z]+)"', re.MULTILINE)

_Count = Annotated[int, Meta(ge=0, lt=1 << 31)]
_Number = Annotated[float, Meta(ge=0, lt=1e15)]


class StepStatus(Struct, frozen=True, forbid_unknown_fields=True):
    """How far a step is.

    Args:
        step: Its name.
        done: Samples that have an outcome.
        waiting: Samples that wait for it or are in it.
        per_second: Samples that were done lately.
        seconds: Of a worker, per sample; 0 where none was done.
    """

    step: str
    done: _Count = 0
    waiting: _Count = 0
    per_second: _Number = 0.0
    seconds: _Number = 0.0


class RunStatus(Struct, frozen=True, forbid_unknown_fields=True):
    """How far a run is.

    Args:
        candidates: That it has.
        steps: Those that samples have come to, in their order.
        finished: Whether everything is done.
        host: Where the driver is; empty where there is none.
        process: Of the driver.
        began: When it began to work, in seconds since 1970.
        heard: When it was last heard of.
        workers: Processes that work without a GPU.
        busy: How many of them were at work, on average, lately.
        gpus: Those on one; 0 where that is not known.
        gpus_busy: How many of these were at work.
        seconds_left: Until everything is done, at the pace so far; None where that is not known.
    """

    candidates: _Count
    steps: tuple[StepStatus, ...] = ()
    finished: bool = False
    host: str = ""
    process: _Count = 0
    began: _Number = 0.0
    heard: _Number = 0.0
    workers: _Count = 0
    busy: _Number = 0.0
    gpus: _Count = 0
    gpus_busy: _Number = 0.0
    seconds_left: _Number | None = None

    @property
    def silence(self) -> float:
        """Seconds since the driver was heard of."""
        return max(0.0, time.time() - self.heard)

    @property
    def works(self) -> bool:
        """Whether a driver is there, as far as one can tell from here."""
        if self.host == socket.gethostname():
            return _is_there(self.process)
        return bool(self.host) and self.silence < _LONG_SILENCE


def leave_status(folder: Path, status: RunStatus) -> None:
    """Write down how a run goes in the folder of an epoch; once that is over, nobody is interested."""
    unfinished = folder / f"{_FILE}.new"
    with suppress(FileNotFoundError):
        unfinished.write_bytes(msgspec.json.encode(status) + b"\n")
        unfinished.replace(folder / _FILE)


def read_status(root: Path) -> RunStatus:
    """Return how a run goes, or how far it is where nobody works at it.

    Raises:
        RunError: there is no run, or what its driver left cannot be read.
    """
    if not (root / layout.RUN_CONFIG).is_file():
        raise RunError(
            "there is no run", wanted=layout.RUN_CONFIG, where=root, fix="name the folder of `generate --out`"
        )
    for path in sorted((root / layout.STAGING).glob(f"*/{_FILE}")):  # one at most, but for a moment
        with suppress(FileNotFoundError):  # its epoch has just ended
            return read_left(path)
    return _count(root)


def read_left(path: Path) -> RunStatus:
    """Read the file that a driver leaves.

    Raises:
        RunError: it is something else.
    """
    try:
        return load(RunStatus, parse_strict(read_document(path)))
    except RecordError as error:
        raise RunError("what the driver left cannot be read", got=error, where=path) from None


def _count(root: Path) -> RunStatus:
    steps: list[StepStatus] = []
    coming = candidates = _lines(root / layout.CANDIDATES)
    for step in STEP_NAMES:
        statuses = dict(_outcomes(root / layout.outcomes(step)))
        if not statuses and not coming:
            break
        steps.append(StepStatus(step, len(statuses), max(0, coming - len(statuses))))
        coming = sum(status == b"kept" for status in statuses.values())
    return RunStatus(candidates, tuple(steps), (root / layout.FUNNEL).is_file())


def _outcomes(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield id and status of each outcome; a line that is not yet whole does not count."""
    for block in _blocks(path):
        yield from ((found[1], found[2]) for found in _LINE.finditer(block))


def _lines(path: Path) -> int:
    return sum(block.count(b"\n") for block in _blocks(path))


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield a file in blocks of whole lines."""
    if not path.is_file():
        return
    rest = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            whole, newline, rest_of_block = (rest + block).rpartition(b"\n")
            yield whole + newline
            rest = rest_of_block


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True
