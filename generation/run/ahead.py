"""What is ahead of a run, so that progress can say how long the whole of it takes.

- The unit is a millisecond that a step is expected to take (`plan.step_seconds`), on as many workers as there
  are. On another machine it is not one, but the share of what is done holds about as well.
- A sample that is rejected has nothing ahead any more; an outcome that is there is expected to hold.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from sparkle._progress import Advance, Progress
from sparkle.generation.config import RunConfig
from sparkle.generation.run.plan import step_seconds
from sparkle.generation.steps import make_step
from sparkle.schemas.stages import STEP_NAMES


class WholeRun:
    """The progress of a whole run; a context manager. It is shown from the first step that has work to do.

    Args:
        config: The run's.
        workers: Processes that share a step that is not on a GPU.
        progress: Where it is shown.
    """

    def __init__(self, config: RunConfig, workers: int, progress: Progress) -> None:
        self._costs = {
            name: max(1, round(1000 * seconds / (1 if make_step(name, config).on_gpu else workers)))
            for name, seconds in step_seconds(config).items()
        }
        self._progress = progress
        self._advance: Advance | None = None
        self._left = self._spent = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._advance is not None and error is None:
            self._advance(0, self._left)
        self._stack.__exit__(kind, error, trace)

    def begin(
        self, step: str, pending: int, ids: Sequence[str], outcomes: Mapping[str, Container[str]]
    ) -> None:
        """Say what is ahead when a step begins.

        Args:
            step: Its name.
            pending: Samples that it has to do.
            ids: Samples that reach it.
            outcomes: By step, the ids of those that are there.
        """
        left = pending * self._costs[step]
        for name in STEP_NAMES[STEP_NAMES.index(step) + 1 :]:
            there = outcomes[name]
            left += self._costs[name] * (len(ids) - (sum(each in there for each in ids) if there else 0))
        if self._advance is None:
            self._advance = self._stack.enter_context(self._progress("whole run (%)", left))
        else:
            self._advance(0, self._left - left)
        self._left = left

    def did(self, step: str) -> None:
        """Say that a step has done a sample."""
        assert self._advance is not None  # noqa: S101
        self._advance(self._costs[step])
        self._left -= self._costs[step]
        self._spent += self._costs[step]

    @property
    def left(self) -> float:
        """Of everything that was ahead, the share that still is."""
        return self._left / max(1, self._left + self._spent)
