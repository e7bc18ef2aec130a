"""Whether a kill spoils what the same command makes afterwards: SIGINT and SIGKILL at 200 moments.

    python benchmarks/kills.py [--kills 200] [--quick] [--seed 0] [--json]

- The commands are pull, preview, import, export and index, over drawn inputs of a few samples.
- Each runs undisturbed three times first: what it leaves is the measure, and the median of its duration is
  what the moments are spread over, one in each equal share of it, SIGINT and SIGKILL in turn.
- A command runs in a fork of this process, which has imported what it needs: kills hit its work, not the
  start of Python. SIGINT goes to all of its processes, as Ctrl-C does; SIGKILL to the first, as a lack of
  memory does.
- After each kill the same command runs again. It is spoilt unless its exit code and every file are those of
  an undisturbed run. An interrupted command that ends with anything but 130 is spoilt, too.

JSON keys: `kills`, `spoilt`, `seconds`, `commands` (for each: `kills`, `spoilt`, `late` (it had ended
before), `seconds` of an undisturbed run), `where` (for each that is spoilt: command, signal, seconds, what is
wrong, and what was printed). The exit code is 1 when something is spoilt.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from harness import factories, upstream_folder
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.commands import main as sparkle
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.layout import KINDS

INTERRUPTED = 130
MODULES = (  # what the commands import when they are called
    "sparkle.builders.training.export",
    "sparkle.builders.upstream.import_",
    "sparkle.builders.upstream.indexing",
    "sparkle.hub.preview.make",
    "sparkle.hub.pull.pulling",
    "sparkle.hub.targets.hub",
)
HANG = 300.0  # seconds: only ends a hang
SHOWN = 8  # paths that are named of a tree that differs


@dataclass(frozen=True)
class Ending:
    """How a command ended: its exit code, negative for a signal; the seconds it took; whether it was late."""

    code: int | None
    seconds: float
    late: bool


class Bench:
    """A folder with inputs, a place that every run has to itself, and a log."""

    def __init__(self, work: Path) -> None:
        samples = [*factories.specs("location", 4), *factories.specs("season", 2)]
        run = factories.write_run(work / "run", samples)
        release = build_release([run], work / "release", ReleaseOptions(max_shard_size=20_000, preview=1)).out
        for sample_id in upstream_folder.IDS:
            for kind in KINDS:
                factories.write_artifact(work / "media", kind, sample_id)
        upstream_folder.write_folder(work / "upstream", work / "media")
        self.place, self.log = work / "place", work / "log"
        out = ("--out", self.place / "made" / "out")
        self.commands: dict[str, Sequence[object]] = {
            "pull": ("pull", release, *out),
            "preview": ("preview", release, *out),
            "import": ("import", work / "upstream", *out),
            "export": ("export", release, "--to", "kiwi", *out),
            "index": ("index", work / "upstream", *out),
        }
        verbs = (f"sparkle.commands.{name}" for name in ("pull", "preview", "import_", "export", "index"))
        for module in (*MODULES, *verbs):
            importlib.import_module(module)
        os.environ |= {"SPARKLE_CACHE": str(self.place / "cache"), "HF_HOME": str(self.place / "home")}

    def clear(self) -> None:
        """Let the next run begin with nothing."""
        shutil.rmtree(self.place, ignore_errors=True)
        (self.place / "made").mkdir(parents=True)

    def found(self) -> dict[str, str]:
        """What a command left, beside its folder as well: path -> hash."""
        made = self.place / "made"
        files = sorted(path for path in made.rglob("*") if path.is_file() or path.is_symlink())
        return {path.relative_to(made).as_posix(): sha256_file(path) for path in files}

    def run(self, name: str, number: signal.Signals | None = None, after: float | None = None) -> Ending:
        """Run a command; send it a signal after some seconds."""
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe(duplex=False)
        words = [str(word) for word in self.commands[name]]
        process = context.Process(target=_run, args=(words, self.log, there))
        process.start()
        there.close()
        with suppress(EOFError):
            here.recv()
        began = time.monotonic()
        process.join(HANG if after is None else after)
        late = process.exitcode is not None
        if number is not None and process.pid is not None and not late:
            whom = os.kill if number is signal.SIGKILL else os.killpg
            with suppress(ProcessLookupError):
                whom(process.pid, number)
            process.join(HANG)
        ending = Ending(process.exitcode, time.monotonic() - began, late)
        if process.exitcode is None:
            process.kill()
        process.join()
        return ending


def _run(words: list[str], log: Path, ready: Connection) -> None:
    os.setsid()
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    ready.send("begins")
    ready.close()
    sparkle(words, prog_name="sparkle")


def kill(bench: Bench, name: str, kills: int, draw: random.Random) -> tuple[dict[str, Any], list[Any]]:
    """Kill a command at moments of its run; returns its counts and what was spoilt."""
    undisturbed, states, late, where = [], [], 0, []
    for _ in range(3):
        bench.clear()
        undisturbed.append(bench.run(name))
        states.append(bench.found())
    if any(state != states[0] for state in states) or len({each.code for each in undisturbed}) > 1:
        raise SystemExit(f"{name} does not make the same twice:\n{_tail(bench.log)}")
    if not states[0] or undisturbed[0].code not in (0, 1):
        raise SystemExit(f"{name} cannot run:\n{_tail(bench.log)}")
    seconds = statistics.median(each.seconds for each in undisturbed)
    for moment in range(kills):
        number = signal.SIGKILL if moment % 2 else signal.SIGINT
        after = (moment + draw.random()) / kills * seconds
        bench.clear()
        bench.log.write_bytes(b"")
        disturbed = bench.run(name, number, after)
        late += disturbed.late
        wrong = []
        if not disturbed.late and disturbed.code not in (INTERRUPTED, -signal.SIGKILL, undisturbed[0].code):
            wrong.append(f"the disturbed run ended with {disturbed.code}")
        again = bench.run(name)
        if again.code != undisturbed[0].code:
            wrong.append(f"the next run ended with {again.code}")
        wrong += _differences(states[0], bench.found())
        if wrong:
            what = {"wrong": wrong, "log": _tail(bench.log)}
            where.append({"command": name, "signal": number.name, "seconds": after, **what})
    return {"kills": kills, "spoilt": len(where), "late": late, "seconds": seconds}, where


def _differences(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    paths = [path for path in sorted(wanted | found) if wanted.get(path) != found.get(path)]
    what = {(True, False): "missing", (False, True): "left over", (True, True): "another content"}
    return [f"{path}: {what[path in wanted, path in found]}" for path in paths[:SHOWN]]


def _tail(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-3000:]


def measure(work: Path, kills: int, seed: int) -> dict[str, Any]:
    """The figures."""
    began, bench, draw = time.monotonic(), Bench(work), random.Random(seed)  # noqa: S311
    commands, where = {}, []
    for index, name in enumerate(bench.commands):
        share = kills * (index + 1) // len(bench.commands) - kills * index // len(bench.commands)
        commands[name], wrong = kill(bench, name, share, draw)
        where += wrong
        print(f"{name}: {commands[name]}", file=sys.stderr, flush=True)
    seconds = time.monotonic() - began
    return {"kills": kills, "spoilt": len(where), "seconds": seconds, "commands": commands, "where": where}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="two kills per command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="where to work; a temporary folder without it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        figures = measure(Path(name), 10 if options.quick else options.kills, options.seed)
    if options.json:
        print(json.dumps(figures))
    else:
        print(f"{figures['spoilt']} of {figures['kills']} kills spoilt the next run")
        for found in figures["where"]:
            print(f"{found['command']}, {found['signal']} at {found['seconds']:.2f} s: {found['wrong']}")
    raise SystemExit(1 if figures["spoilt"] else 0)


if __name__ == "__main__":
    main()
