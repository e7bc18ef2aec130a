"""What is ahead of a run: all that is not there, in proportion to what the steps cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sparkle._progress import Advance
from sparkle.generation.config import resolve_config
from sparkle.generation.run.ahead import WholeRun
from sparkle.generation.run.plan import step_seconds
from sparkle.schemas.stages import STEP_NAMES

CLASSICAL = resolve_config(None, ()).config
NOTHING: dict[str, dict[str, Any]] = {name: {} for name in STEP_NAMES}


class Told:
    """A `Progress` that keeps what it is told."""

    def __init__(self) -> None:
        self.blocks: list[tuple[str, int]] = []
        self.done = self.total = 0

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Advance]:
        self.blocks.append((title, total))
        self.total = total

        def advance(done: int = 1, dropped: int = 0) -> None:
            self.done, self.total = self.done + done, self.total - dropped

        yield advance


def milliseconds(*steps: str) -> int:
    seconds = step_seconds(CLASSICAL)
    return sum(round(1000 * seconds[name]) for name in steps)


def test_a_sample_that_is_rejected_has_nothing_ahead() -> None:
    told = Told()
    with WholeRun(CLASSICAL, 1, told.progress) as whole:
        for step, ids in (("normalise", "ab"), ("flow", "ab"), ("camera", "a")):
            whole.begin(step, len(ids), ids, NOTHING)
            for _ in ids:
                whole.did(step)
            if step == "normalise":
                assert told.blocks == [("whole run (%)", 2 * milliseconds(*STEP_NAMES))]
        assert told.done == 2 * milliseconds("normalise", "flow") + milliseconds("camera")
        assert told.total == 2 * milliseconds("normalise", "flow") + milliseconds(*STEP_NAMES[2:])
    assert told.done == told.total  # the last one was rejected, too
    assert len(told.blocks) == 1


def test_what_is_there_is_not_ahead_and_costs_are_shared_by_workers() -> None:
    told = Told()
    there = {**NOTHING, **{name: {"a": object()} for name in STEP_NAMES[1:]}}
    with WholeRun(CLASSICAL, 2, told.progress) as whole:
        whole.begin("normalise", 2, "ab", there)
    [(_, total)] = told.blocks
    wanted = milliseconds("normalise") / 2 + milliseconds(*STEP_NAMES) / 2
    assert total == pytest.approx(wanted, rel=0.01)


def test_a_finished_run_shows_nothing() -> None:
    told = Told()
    with WholeRun(CLASSICAL, 1, told.progress):
        pass
    assert told.blocks == []
