"""Run `sparkle generate` in a process of its own, on a Ray cluster of this machine, and let a fault happen.

What happens when is a `Plan`. Its moments are reached by wrapping real functions, in the driver or in the
workers (by a job that wraps them when it begins); they do their work until then.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sparkle.generation.run.epoch
import sparkle.generation.run.journey
import sparkle.generation.run.outcomes
import sparkle.generation.steps.base
import sparkle.generation.steps.tracking
from sparkle.commands import main
from sparkle.generation.run.jobs import Done, Process

# Where they are looked up, and whether in a worker; the fault comes after the call, but for the first.
MOMENTS = {
    "in a step": ("sparkle.generation.steps.tracking", "Track.measure"),
    "artifact written": ("sparkle.generation.steps.base", "fsync_file"),
    "artifact placed": ("sparkle.generation.run.epoch", "RunEpoch.place"),
    "outcome appended": ("sparkle.generation.run.outcomes", "StepOutcomes.append"),
}
IN_WORKERS = ("in a step", "artifact written")
FULL = "SPARKLE_TEST_FULL_DISK"  # in the environment of a node of which the disk is full
WAS_FULL = "was-full"  # noted when a job has found that
_SMALL = 500  # bytes of the longest file there


@dataclass(frozen=True)
class Plan:
    """What happens when.

    Attributes:
        folder: Where it is noted what has happened.
        moment: One of MOMENTS.
        count: At the how manieth.
        fault: Who dies: "worker", "raylet", "driver", or freezes: "frozen raylet", "frozen node"; or a "bug".
            Whatever the moment, "poison" is a sample that kills its workers, and "none" is none.
    """

    folder: str
    moment: str
    count: int
    fault: str

    def reached(self) -> None:
        """Let the fault happen, if it is time."""
        if self._number() == self.count:
            self._act()

    def enter(self) -> None:
        """Note a worker, and the raylet that has started it."""
        self.note(f"worker-{os.getpid()}", str(os.getppid()))

    def _number(self) -> int:
        number = 1
        while not self.note(f"moment-{number}"):
            number += 1
        return number

    def note(self, name: str, text: str = "") -> bool:
        """Make a file, at once with what is in it: others look while it is made. False where it is there."""
        with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix="being-made-") as file:
            file.write(text)
            file.flush()
            try:
                os.link(file.name, Path(self.folder, name))
            except FileExistsError:
                return False
        return True

    def _act(self) -> None:
        if self.fault == "bug":
            raise ZeroDivisionError("a bug")
        worker, raylet = self._victim()
        Path(self.folder, "victims").write_text(f"{worker} {raylet}")
        if self.fault == "driver":
            os.kill(int(Path(self.folder, "driver").read_text()), signal.SIGKILL)
        elif self.fault == "worker":
            os.kill(worker, signal.SIGKILL)
        elif self.fault == "raylet":
            os.kill(raylet, signal.SIGKILL)
        else:
            os.kill(raylet, signal.SIGSTOP)
            if self.fault == "frozen node":
                os.kill(worker, signal.SIGSTOP)

    def _victim(self) -> tuple[int, int]:
        """This worker and its raylet; for the driver, those that began to work last."""
        if not Path(self.folder, f"worker-{os.getpid()}").exists():
            noted = max(Path(self.folder).glob("worker-*"), key=lambda path: path.stat().st_mtime_ns)
            return int(noted.name.removeprefix("worker-")), int(noted.read_text())
        return os.getpid(), os.getppid()


@dataclass(frozen=True)
class Armed(Process):
    """A job in whose worker something may happen."""

    plan: Plan | None = None

    def __call__(self) -> Done:
        """Do it."""
        plan = self.plan
        assert plan is not None
        plan.enter()
        if plan.moment in IN_WORKERS:
            arm(plan)
        if plan.fault == "poison" and self.step == "compose" and self.sample.id.endswith("1"):
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            with _full_disk(plan):
                return super().__call__()
        finally:
            if plan.fault == "frozen node" and Path(plan.folder, "victims").exists():
                plan.note(f"ended-{os.getpid()}")


@contextmanager
def _full_disk(plan: Plan) -> Iterator[None]:
    """Let writing fail on a node that has no room."""
    if FULL not in os.environ:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        plan.note(WAS_FULL)


_armed: list[Plan] = []


def arm(plan: Plan) -> None:
    """Wrap the function of a moment, once in a process; another plan takes the place of the one before."""
    _armed.append(plan)
    if len(_armed) > 1:
        return
    module, place = MOMENTS[plan.moment]
    owner: Any = sys.modules[module]
    *names, name = place.split(".")
    for each in names:
        owner = getattr(owner, each)
    real = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if plan.moment == "in a step":
            _armed[-1].reached()
        answer = real(*args, **kwargs)
        if plan.moment != "in a step" and not (plan.moment == "artifact placed" and not _places(args)):
            _armed[-1].reached()
        return answer

    setattr(owner, name, wrapped)


def _places(args: tuple[Any, ...]) -> bool:
    return any(done.outcome.artifacts for done in args[1])


def start(plan: Plan, *words: object) -> subprocess.Popen[str]:
    """Start `sparkle generate WORDS` under a plan."""
    Path(plan.folder).mkdir()
    command = [sys.executable, "-P", __file__, plan.folder, plan.moment, str(plan.count), plan.fault]
    return subprocess.Popen(
        [*command, "generate", *map(str, words)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _main() -> None:
    from harness import on_ray  # by the name under which workers find it

    folder, moment, count, fault = sys.argv[1:5]
    plan = on_ray.Plan(folder, moment, int(count), fault)
    Path(folder, "driver").write_text(str(os.getpid()))
    if moment in MOMENTS and moment not in IN_WORKERS:
        on_ray.arm(plan)
    sparkle.generation.run.journey.Process = lambda *args: on_ray.Armed(*args, plan=plan)
    main(sys.argv[5:])


if __name__ == "__main__":
    _main()
