"""What does the work of a run: processes of this machine (`local`), or of a Ray cluster (`ray_executor`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from sparkle._processes import Job
from sparkle.generation.run.jobs import Done
from sparkle.generation.run.schedule import Load, Schedule, Task

Answer = TypeVar("Answer")
MakeJob = Callable[[Task | Load], Job[Done | None]]


class Executor(Protocol):
    """Does jobs; answers come back as they are ready, in any order, those together that are."""

    @property
    def workers(self) -> int:
        """How many share what is not on a GPU."""
        ...

    @property
    def gpus(self) -> int:
        """How many GPUs there are."""
        ...

    def vram(self) -> int:
        """Return the bytes of a GPU; 0 where nobody says."""
        ...

    def map(self, jobs: Iterable[Job[Answer]], *, on_gpu: bool = False) -> Iterator[list[Answer]]:
        """Yield the answers of all jobs.

        Args:
            jobs: What is to be done.
            on_gpu: The jobs load a model into a GPU: no more workers than there are GPUs.

        Raises:
            RunError: the work cannot go on.
        """
        ...

    def stream(self, schedule: Schedule, make_job: MakeJob) -> Iterator[list[Done]]:
        """Yield what came of the tasks of a schedule, until it is idle.

        Whoever asks puts the next tasks of those samples, or ends them, before asking again.

        Args:
            schedule: Without workers.
            make_job: Makes a job of what a worker is to do: of a task one that answers `Done`.

        Raises:
            RunError: the work cannot go on.
        """
        ...
