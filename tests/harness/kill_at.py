"""Run a command in a process of its own that ends by SIGKILL at a chosen moment: `kill(moment, count, ...)`.

`sweep(moment, ...)` does so at the first such moment, at the second, and so on; `stopped(moment, count, ...)`
lets it stop there by SIGSTOP and live on. The moments are reached by wrapping the real functions, which do
their work until then; `MOMENTS` lists them.
"""

from __future__ import annotations

import inspect
import itertools
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from sparkle._files import TEMPORARY_MARK
from sparkle.commands import hub, main
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_line
from sparkle.schemas.layout import KINDS

Function = Callable[..., Any]


def die() -> None:
    """End or stop here, by the signal that the command line names."""
    os.kill(os.getpid(), signal.Signals[sys.argv[1]])


def before(real: Function) -> Function:
    return lambda *args, **kwargs: (die(), real(*args, **kwargs))[1]


def after(real: Function) -> Function:
    return lambda *args, **kwargs: (real(*args, **kwargs), die())[0]


def half_line(real: Function) -> Function:
    def append(path: Path, records: Any) -> None:
        line = dump_line(next(iter(records)))
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as file:
            file.write(line[: len(line) // 2])
        die()

    return append


def half_file(real: Function) -> Function:
    def commit(temporary: Path, *target: Path) -> None:
        os.truncate(temporary, temporary.stat().st_size // 2)
        die()

    return commit


def half_download(real: Function) -> Function:
    def temporary_beside(path: Path) -> None:
        real(path).write_bytes(b"half of it")
        die()

    return temporary_beside


def to(suffix: str) -> Callable[..., bool]:
    """Count the commits of such files only."""
    return lambda temporary, target: bool(target.suffix == suffix)


def artifact(path: Path, **_: Any) -> bool:
    """Count files of a run that are artifacts in their place."""
    return path.suffix in {kind.suffix for kind in KINDS} and not path.name.startswith(TEMPORARY_MARK)


def into_the_run(source: Path, target: Path, **_: Any) -> bool:
    """Count artifacts that are given their place."""
    return artifact(Path(target))


def of_the_run(path: Path, **_: Any) -> bool:
    """Count files of the run, which is the first argument; temporary ones come and go all the time."""
    return path.is_relative_to(sys.argv[5])


def of_flow(path: Path, *_: Any) -> bool:
    """Count what is said of the step `flow`, which is not the first one."""
    return path.match(layout.outcomes("flow"))


# Which name is replaced where it is looked up, what is called instead at the moment, and which calls count.
MOMENTS: dict[str, tuple[Any, ...]] = {
    # generate
    "inside a step": ("sparkle.generation.steps.tracking.Track.measure", after),
    "half an artifact": ("sparkle.generation.steps.base.fsync_file", half_file),
    "an artifact written, not in place": ("sparkle.generation.steps.base.fsync_file", after),
    "an artifact in place, no outcome": ("os.replace", after, into_the_run),
    "outcomes appended": ("sparkle.generation.run.outcomes.append_lines", after),
    "outcomes of flow appended": ("sparkle.generation.run.outcomes.append_lines", after, of_flow),
    "an epoch begun": ("sparkle.generation.run.epoch.RunEpoch.__init__", after),
    "an epoch not yet over": ("sparkle.generation.run.epoch.RunEpoch.close", before),
    "half a line of sources or candidates": ("sparkle.generation.run.lines.append_lines", half_line),
    "half a line of what is to be dropped": ("sparkle.generation.run.folder.append_lines", half_line),
    "half a line of outcomes": ("sparkle.generation.run.outcomes.append_lines", half_line),
    "outcomes not yet written anew": ("sparkle.generation.run.outcomes.StepOutcomes._copy", before),
    "outcomes written anew": ("sparkle.generation.run.outcomes.StepOutcomes._copy", after),
    "an artifact deleted": ("pathlib.Path.unlink", after, artifact),
    # build
    "half a tar": ("sparkle._files.commit", half_file, to(".tar")),
    "half a file of text": ("sparkle._files.commit", half_file, to(".csv")),
    "a tar in place, not listed": ("sparkle.builders.building.pack.write_tar", after),
    "half a line of the journal": ("sparkle.builders.building.pack.append_lines", half_line),
    "a tar listed": ("sparkle.builders.building.pack.Journal.add", after),
    "before the swap": ("sparkle.builders.release.staging._swap", before),
    "after the swap": ("sparkle.builders.release.staging._swap", after),
    # build --reclaim
    "a tar named by the run, not listed": ("sparkle._run_folder.Reclaimed._link", after),
    "half a line of what is held": ("sparkle._run_folder.append_lines", half_line),
    "what is held listed, nothing deleted": ("sparkle._run_folder.append_lines", after),
    "some files deleted": ("pathlib.Path.unlink", after, of_the_run),
    "a file taken out of a tar": ("sparkle._run_folder.Reclaimed.restore", after),
    "lines forgotten, tars not": ("sparkle._run_folder.write_jsonl", after),
    # index, preview, pull
    "before a unit is read": ("sparkle.builders.upstream.index.Index._read", before),
    "a sample drawn": ("sparkle._files.commit", after, to(".json")),
    "before a rename": ("os.replace", before),
    "half a download": ("sparkle.hub.pull.pulling.temporary_beside", half_download),
}


def kill(moment: str, count: int, *words: object, env: Mapping[str, str] | None = None) -> None:
    """Run `sparkle WORDS` (`sparkle-hub` for a verb of it) and see it die the `count`-th time at a moment."""
    done = _run(moment, count, words, env)
    assert done.returncode == -signal.SIGKILL, done.stderr


def sweep(moment: str, folder: Path, *words: object) -> Iterator[Path]:
    """Kill a command at every such moment; yield the `--out` of each that died, until one ends by itself."""
    for count in itertools.count(1):
        out = folder / f"killed-{count}"
        done = _run(moment, count, (*words, "--out", out), None)
        if done.returncode == 0:
            assert count > 1, f"there is nothing {moment}"
            return
        assert done.returncode == -signal.SIGKILL, done.stderr
        yield out


@contextmanager
def stopped(moment: str, count: int, *words: object) -> Iterator[subprocess.Popen[str]]:
    """Run `sparkle WORDS` until it stops itself the `count`-th time at a moment; SIGCONT lets it go on."""
    command = _command(signal.SIGSTOP, moment, count, words)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            found = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            assert found is not None
            assert found.si_code == os.CLD_STOPPED, process.communicate()[1]
            yield process
        finally:
            process.kill()


def _run(
    moment: str, count: int, words: Sequence[object], env: Mapping[str, str] | None
) -> subprocess.CompletedProcess[str]:
    command = _command(signal.SIGKILL, moment, count, words)
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def _command(by: signal.Signals, moment: str, count: int, words: Sequence[object]) -> list[str]:
    return [sys.executable, "-P", __file__, by.name, moment, str(count), *map(str, words)]


def _arm(moment: str, count: int) -> None:
    place, instead, *counts = MOMENTS[moment]
    owner, _, name = place.rpartition(".")
    target = pkgutil.resolve_name(owner)
    real, numbers = getattr(target, name), itertools.count(1)  # taken from by many threads

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        counted = all(check(*args, **kwargs) for check in counts)
        return (instead(real) if counted and next(numbers) == count else real)(*args, **kwargs)

    static = isinstance(inspect.getattr_static(target, name), staticmethod)
    setattr(target, name, staticmethod(wrapped) if static else wrapped)


if __name__ == "__main__":
    _arm(sys.argv[2], int(sys.argv[3]))
    command = hub if sys.argv[4] in hub.list_commands(click.Context(hub)) else main
    command(sys.argv[4:])
