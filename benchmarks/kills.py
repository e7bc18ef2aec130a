"""Whether a kill spoils what the same command makes afterwards: a thousand of them, at random moments.

    python benchmarks/kills.py [--kills 1000] [--quick] [--only NAME ...] [--seed 0] [--json]

- The commands are generate, build, pull, preview, import, export and index, over drawn inputs of a few
  samples; publish by Xet and by LFS to a staging hub; pull and `sparkle.load` from there, through the caches
  of readers.
- Of all requests to the hub 5 % fail: answered 503, dropped, done without an answer, cut off in the answer.
- Each command runs undisturbed three times first: what it leaves is the measure, and the median of its
  duration is what the moments are spread over.
- Then it begins with nothing, is killed one to five times in a row, and runs to its end. Every fourth time
  the last of the kills is an interrupt (SIGINT to all of its processes, as Ctrl-C does), which has to end
  with 130. SIGKILL goes to the first process alone, as a lack of memory does.
- A command runs in a fork of this process, which has imported what it needs: kills hit its work, not the
  start of Python.
- It is spoilt unless its exit code and every file are those of an undisturbed run, and on a hub every file,
  the number of commits and what tags name.
- Something is lost when what the command had promised at a kill is not there in the end: a line of a run's
  outcomes, a tar or an artifact that was listed or had its name (the same file, not made again), what a
  reader's cache kept, a commit or a tag on the hub.

JSON keys: `kills` (SIGKILLs that hit), `interrupts`, `late` (the command had ended before), `ends` (runs that
were compared), `spoilt`, `lost`, `bytes_sent_ratio` (bytes that came in at the hub / bytes of the releases
that were published: small ones, of which a kill can cost all), `faults` (requests that failed, by kind),
`seconds`, `commands` (for each the same counts, and `seconds` of an undisturbed run), `where` (for each that
is spoilt or lost: command, moments, what is wrong, and what was printed). The exit code is 1 when there are
any.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from killed import INTERRUPTED, Bench, tail

from harness import staging_server

SHOWN = 8  # paths that are named of a tree that differs
IN_A_ROW = 5  # kills, at most, before a command may end


def kill(bench: Bench, name: str, kills: int, draw: random.Random) -> tuple[Counter[str], float, list[Any]]:
    """Kill a command until it was killed so often; returns counts, its usual seconds and what was wrong."""
    command, counts, where = bench.commands[name], Counter[str](), []
    undisturbed, states = [], []
    for _ in range(3):
        bench.clear(command)
        undisturbed.append(bench.run(command))
        states.append(bench.found(command))
    if any(state != states[0] for state in states) or len({each.code for each in undisturbed}) > 1:
        differ = _differences(states[0], next((state for state in states if state != states[0]), states[0]))
        raise SystemExit(f"{name} does not make the same twice: {differ}\n{tail(bench.log)}")
    if not states[0] or undisturbed[0].code not in (0, 1):
        raise SystemExit(f"{name} cannot run:\n{tail(bench.log)}")
    seconds = statistics.median(each.seconds for each in undisturbed)
    while counts["kills"] + counts["interrupts"] < kills:
        bench.clear(command)
        wrong, promised, moments = [], set[str](), []
        row = min(draw.randint(1, IN_A_ROW), kills - counts["kills"] - counts["interrupts"])
        for at in range(row):
            interrupt = counts["ends"] % 4 == 3 and at == row - 1
            number = signal.SIGINT if interrupt else signal.SIGKILL
            moments.append(
                f"{number.name} after {(after := draw.uniform(0, seconds / (1 + (at > 0)))):.3f} s"
            )
            disturbed = bench.run(command, number, after)
            promised |= command.promised()
            counts["late" if disturbed.late else "interrupts" if interrupt else "kills"] += 1
            if disturbed.late:
                break
            if disturbed.code not in (INTERRUPTED, -signal.SIGKILL, undisturbed[0].code):
                wrong.append(f"the disturbed run ended with {disturbed.code}")
        again = bench.run(command)
        counts["ends"] += 1
        if again.code != undisturbed[0].code:
            wrong.append(f"the last run ended with {again.code}")
        counted = bench.hub.counters()
        counts["bytes"] += counted["bytes_in"]
        counts += Counter({f"fault: {action}": times for action, times in counted["faults"].items()})
        wrong += _differences(states[0], bench.found(command))
        lost = sorted(promised - command.promised())
        counts["spoilt"] += bool(wrong)
        counts["lost"] += bool(lost)
        if wrong or lost:
            what = {"wrong": wrong, "lost": lost[:SHOWN], "log": tail(bench.log)}
            where.append({"command": name, "moments": moments, **what})
    return counts, seconds, where


def _differences(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    paths = [path for path in sorted(wanted | found) if wanted.get(path) != found.get(path)]
    what = {(True, False): "missing", (False, True): "left over", (True, True): "another content"}
    return [f"{path}: {what[path in wanted, path in found]}" for path in paths[:SHOWN]]


_COUNTS = ("kills", "interrupts", "late", "ends", "spoilt", "lost")


def measure(work: Path, kills: int, seed: int, only: Sequence[str]) -> dict[str, Any]:
    """The figures."""
    began, draw = time.monotonic(), random.Random(seed)  # noqa: S311
    total, commands, where, published = Counter[str](), {}, [], Counter[str]()
    with staging_server.staging(work / "hub") as hub:
        bench = Bench(work, hub, draw)
        chosen = {name: command for name, command in bench.commands.items() if name in only or not only}
        left, shares = kills, sum(command.share for command in chosen.values())
        for name, command in chosen.items():
            part = max(1, round(left * command.share / shares))
            left, shares = left - part, shares - command.share
            counts, seconds, wrong = kill(bench, name, part, draw)
            commands[name] = {key: counts[key] for key in _COUNTS} | {"seconds": seconds}
            where += wrong
            total += counts
            if command.publishes:
                published += Counter(sent=counts["bytes"], wanted=counts["ends"] * bench.bytes)
            print(f"{name}: {commands[name]}", file=sys.stderr, flush=True)
    return {
        **{key: total[key] for key in _COUNTS},
        "bytes_sent_ratio": published["sent"] / published["wanted"] if published else None,
        "faults": {key: total[key] for key in sorted(total) if key.startswith("fault")},
        "seconds": time.monotonic() - began,
        "commands": commands,
        "where": where,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="about one kill per command")
    parser.add_argument("--only", nargs="*", default=(), metavar="NAME", help="these commands alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="where to work; a temporary folder without it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        kills = 12 if options.quick else options.kills
        figures = measure(Path(name), kills, options.seed, options.only)
    if options.json:
        print(json.dumps(figures))
    else:
        print(
            f"{figures['kills']} kills, {figures['interrupts']} interrupts: {figures['spoilt']} spoilt the "
        )
        print(f"next run, {figures['lost']} lost something; sent {figures['bytes_sent_ratio']} times")
        for found in figures["where"]:
            print(f"{found['command']}, {found['moments']}: {found['wrong']} {found['lost']}")
    raise SystemExit(1 if figures["spoilt"] or figures["lost"] else 0)


if __name__ == "__main__":
    main()
