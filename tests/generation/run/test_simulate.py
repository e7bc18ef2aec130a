"""Schedules on a virtual clock."""

from __future__ import annotations

import pytest

from sparkle.generation.config import load_config
from sparkle.generation.run.placement import PROCESSORS, place
from sparkle.generation.run.plan import workload
from sparkle.generation.run.schedules import ByStep, Streaming
from sparkle.generation.run.simulate import Losses, draw, simulate
from sparkle.schemas.stages import STEP_NAMES

VRAM = 141 * 10**9
PAPER = workload(load_config("paper-fast"))


def streaming(gpus):
    return Streaming(PAPER, None, place(PAPER, gpus, VRAM), VRAM)


def test_what_is_drawn_is_what_the_plan_says():
    draws = draw(PAPER, 20_000)
    reached = [sum(end >= index for end in draws.ends) / 20_000 for index in range(len(STEP_NAMES))]
    assert reached == pytest.approx([PAPER.reached[step] for step in STEP_NAMES], abs=0.01)
    for step in STEP_NAMES:
        assert sum(draws.seconds[step]) / 20_000 == pytest.approx(PAPER.seconds[step], rel=0.02)


@pytest.mark.parametrize("make", [lambda: ByStep(PAPER), lambda: streaming(4)])
def test_every_second_of_work_is_in_the_bound(make):
    draws = draw(PAPER, 300)
    found = simulate(make(), draws, 4, 32)
    on_gpus = sum(
        draws.seconds[step][sample]
        for sample, end in enumerate(draws.ends)
        for step in STEP_NAMES[: end + 1]
        if PAPER.pool[step] != PROCESSORS
    )
    assert found.bound_seconds == pytest.approx(on_gpus / 4)
    assert 0.5 < found.share < 1
    assert 0 < found.first_pair_seconds < found.seconds
    assert found == simulate(make(), draws, 4, 32)


def test_lost_gpus_cost_what_they_had_begun_and_the_time_that_they_are_away():
    draws = draw(PAPER, 1000)
    calm = simulate(streaming(8), draws, 8, 64)
    found = simulate(streaming(8), draws, 8, 64, Losses(gpus=2, every=1200, back_after=300))
    assert found.bound_seconds == pytest.approx(calm.bound_seconds)
    assert found.lost_seconds > 0
    assert found.seconds > calm.seconds
    assert found.loads > calm.loads


def test_processors_can_be_the_bottleneck():
    work = workload(load_config("classical"))
    draws = draw(work, 200)
    found = simulate(Streaming(work, None), draws, 0, 2)
    assert found.share > 0.99
    assert found.loads == 0
