"""Give every reader inputs for long: `python -m fuzz.campaign --count 1000000`, or `--minutes 10`.

- Readers take turns in processes of their own, so one that dies or hangs has escaped as well. All get the
  same time: a quick reader gets more inputs.
- What escapes is written to `--out`: the input, and beside it what was raised. The name of an input makes it
  again.
- `--only` takes the readers whose names contain a word: `--only "one bit"` flips bits all over a release.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import count, cycle
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from fuzz.targets import TARGETS, Files, Target, make_files

_SLICE = 1.0  # seconds of a turn
_HANG = 120  # seconds after which a turn hangs


class Escape(NamedTuple):
    """An input with which something else happened than may: its name, and what."""

    name: str
    said: str


def run_inputs(
    target: Target, files: Files, seeds: Sequence[bytes], names: Iterable[str]
) -> Iterator[Escape]:
    """Give a reader inputs; yields those that escape."""
    for name in names:
        data = target.make(seeds, name)
        try:
            target.read(files, data)
        except target.refuses:
            pass
        except Exception:
            yield Escape(name, traceback.format_exc())


# --- in a worker -----------------------------------------------------------------------------------

_files: Files


def _start(folder: Path) -> None:
    global _files
    scratch = folder / f"scratch-{os.getpid()}"
    scratch.mkdir()
    _files = Files(folder / "run", folder / "release", scratch)
    warnings.simplefilter("error")


class Turn(NamedTuple):
    """What a reader did in its turn: inputs, escapes, and the largest its process ever was, in MB."""

    inputs: int
    escapes: list[Escape]
    size: int


def _turn(index: int, number: int) -> Turn:
    """Give a reader inputs for a while; the last one stands in a file, for whoever finds the process gone."""
    target, done = TARGETS[index], 0
    note = os.open(_files.scratch.with_suffix(".now"), os.O_WRONLY | os.O_CREAT)
    end = time.monotonic() + _SLICE

    def names() -> Iterator[str]:
        nonlocal done
        while time.monotonic() < end:
            name = f"{target.name} {number}-{done}"
            os.pwrite(note, name.encode().ljust(100), 0)
            done += 1
            yield name

    faulthandler.dump_traceback_later(_HANG, exit=True)
    try:
        escapes = list(run_inputs(target, _files, target.seeds(_files), names()))
    finally:
        faulthandler.cancel_dump_traceback_later()
        os.close(note)
    return Turn(done, escapes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


# --- the campaign ----------------------------------------------------------------------------------


def campaign(only: str, most: int, seconds: float, workers: int, out: Path) -> int:
    """Run it; returns how many inputs escaped."""
    chosen = [index for index, target in enumerate(TARGETS) if only in target.name]
    inputs: Counter[str] = Counter()
    escapes: Counter[str] = Counter()
    size, start = 0, time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sparkle-fuzz-") as name:
        folder = Path(name)
        make_files(folder)
        os.environ["SPARKLE_CACHE"] = str(folder / "cache")
        try:
            for target, turn in _turns(chosen, folder, workers):
                inputs[target.name] += turn.inputs
                escapes[target.name] += len(turn.escapes)
                size = max(size, turn.size)
                for escape in turn.escapes:
                    _save(out, folder, target, escape)
                if inputs.total() >= most or time.monotonic() - start >= seconds:
                    break
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
    for target in (TARGETS[index] for index in chosen):
        print(f"{target.name:32}{inputs[target.name]:>10,} inputs {escapes[target.name]:>6} escaped")
    print(f"{'all':32}{inputs.total():>10,} inputs {escapes.total():>6} escaped")
    print(f"{time.monotonic() - start:,.0f} s with {workers} processes, the largest of {size} MB")
    return escapes.total()


def _turns(chosen: Sequence[int], folder: Path, workers: int) -> Iterator[tuple[Target, Turn]]:
    """Let readers take turns without end; one whose process died has escaped with its last input."""
    order, numbers = cycle(chosen), count()
    while True:
        with ProcessPoolExecutor(workers, get_context("spawn"), _start, (folder,)) as pool:
            running: dict[Future[Turn], int] = {}
            try:
                while True:
                    while len(running) < workers:
                        index = next(order)
                        running[pool.submit(_turn, index, next(numbers))] = index
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield TARGETS[running.pop(future)], future.result()
            except BrokenProcessPool:
                pass
        for file in folder.glob("*.now"):
            last = Escape(file.read_text().rstrip(), "the process died or hung, maybe by this")
            file.unlink()
            yield next(one for one in TARGETS if last.name.startswith(f"{one.name} ")), Turn(0, [last], 0)


def _save(out: Path, folder: Path, target: Target, escape: Escape) -> None:
    files = Files(folder / "run", folder / "release", folder)
    stem = escape.name.replace(" ", "-").replace(",", "")
    (out / f"{stem}.bin").write_bytes(target.make(target.seeds(files), escape.name))
    (out / f"{stem}.txt").write_text(escape.said)
    print(f"escaped: {escape.name}: {escape.said.strip().splitlines()[-1]}", file=sys.stderr, flush=True)


def main() -> None:
    """Run a campaign as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, help="how many inputs, in all")
    parser.add_argument("--minutes", type=float, help="how long")
    parser.add_argument("--only", default="", help="readers whose names contain this")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    given = parser.parse_args()
    most = given.count or (sys.maxsize if given.minutes else 1_000_000)
    seconds = 60 * given.minutes if given.minutes else float("inf")
    sys.exit(bool(campaign(given.only, most, seconds, given.workers, given.out)))


if __name__ == "__main__":
    main()
