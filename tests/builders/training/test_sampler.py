"""Ranks together see the order; from any point, any other number of ranks sees exactly the rest of it."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.builders.training.order import Order
from sparkle.builders.training.sampler import Draw, PairSampler
from sparkle.schemas.errors import ConfigError


@st.composite
def orders(draw):
    """Orders of every sort, with the number of buckets."""
    count = draw(st.integers(1, 120))
    buckets = draw(st.integers(1, 4))
    mixed = draw(st.booleans()) and count > 1
    numbers = np.arange(count) % buckets if buckets > 1 else None
    return Order(
        count,
        draw(st.integers(0, 2**32)),
        draw(st.integers(1, 7)),
        draw(st.sampled_from(["rows", "blocks", "none"])),
        groups=np.arange(count) % 2 if mixed else None,
        weights=(2, 1) if mixed else (),
        buckets=numbers,
    )


def walk(order, world, *, state=None, epochs=1, drop_last=False):
    """Steps of all ranks: a list a step of what the ranks got, with the state behind it."""
    samplers = [PairSampler(order, rank=rank, world_size=world, drop_last=drop_last) for rank in range(world)]
    steps = []
    for sampler in samplers:
        if state is not None:
            sampler.resume(state)
    for _ in range(epochs):
        ranks = [list(sampler) for sampler in samplers]
        for step in range(len(ranks[0])):
            steps.append([batches[step] for batches in ranks if step < len(batches)])
    return samplers[0], steps


def as_batch(draws):
    """What a data loader makes of items of these draws."""
    return {name: np.array([getattr(draw, name) for draw in draws]) for name in ("epoch", "position")}


def flat(steps):
    return [(int(draw), draw.cycle) for step in steps for batch in step for draw in batch]


@given(orders(), st.integers(1, 5))
def test_ranks_together_see_the_whole_order(order, world):
    _, steps = walk(order, world)
    epoch = order.epoch(0)
    assert flat(steps) == list(zip(epoch.rows.tolist(), epoch.cycles.tolist(), strict=True))


@pytest.mark.slow
@given(orders(), st.integers(1, 4), st.integers(1, 4), st.data())
@settings(max_examples=200)
def test_other_ranks_go_on_exactly(order, world, other, data):
    sampler, steps = walk(order, world, epochs=2)
    done = data.draw(st.integers(1, len(steps)))
    states = [sampler.state_after(as_batch(batch)) for batch in steps[done - 1]]
    assert all(state == states[0] for state in states)
    state = json.loads(json.dumps(states[0]))
    _, rest = walk(order, other, state=state, epochs=2 - state["epoch"])
    assert flat(steps[:done]) + flat(rest) == flat(steps)
    assert all(type(value) is int for value in state.values())
    batches = sum(len(step) for step in steps[:done])
    assert PairSampler(order).state_at(batches) == state


@given(orders(), st.integers(1, 4))
def test_drop_last_gives_every_rank_as_many_full_batches(order, world):
    sampler, steps = walk(order, world, epochs=2, drop_last=True)
    assert all(len(step) == world for step in steps)
    assert all(len(batch) == order.batch_size for step in steps for batch in step)
    seen = [row for row, cycle in flat(steps) if cycle == 0]
    assert len(seen) == len(set(seen))
    _, first = walk(order, world, epochs=1, drop_last=True)
    for step in steps[-1:]:  # an epoch of a mix may have too few full batches for all ranks
        assert sampler.state_after(as_batch(step[0])) == sampler._state(1 + (len(steps) > len(first)), 0)


@pytest.mark.parametrize("shuffle", ["rows", "none"])
def test_batches_may_become_larger(shuffle):
    state = PairSampler(Order(50, 3, 4, shuffle)).state_at(5)
    _, rest = walk(Order(50, 3, 7, shuffle), 2, state=state)
    assert [row for row, _ in flat(rest)] == Order(50, 3, 4, shuffle).epoch(0).rows[20:].tolist()


def test_batches_of_one_kind_keep_their_size():
    buckets = np.arange(50) % 3
    state = PairSampler(Order(50, batch_size=4, buckets=buckets)).state_at(5)
    with pytest.raises(ConfigError, match="no batch begins where"):
        PairSampler(Order(50, batch_size=7, buckets=buckets)).resume(state)


def test_lengths_are_of_the_rest():
    sampler = PairSampler(Order(10, batch_size=3), rank=1, world_size=2)
    assert len(sampler) == 2
    sampler.resume({"seed": 0, "rows": 10, "epoch": 4, "position": 6})
    assert len(sampler) == 1
    assert [draw.cycle for batch in sampler for draw in batch] == [4]
    assert len(sampler) == 2
    assert {draw.cycle for batch in sampler for draw in batch} == {5}


def test_an_iteration_that_is_left_begins_again():
    """What a data loader fetched ahead and nobody used is not lost."""
    sampler = PairSampler(Order(10))
    first = [next(iter(sampler)) for _ in range(3)]
    assert len({tuple(batch) for batch in first}) == 1
    assert [draw.cycle for _ in range(3) for batch in sampler for draw in batch][::10] == [0, 1, 2]


def test_a_state_of_another_order_is_refused():
    sampler = PairSampler(Order(10, seed=1))
    state = sampler.state_at(2)
    PairSampler(Order(10, seed=1)).resume(state)
    for order in (Order(10, seed=2), Order(11, seed=1)):
        with pytest.raises(ConfigError, match="another sampler"):
            PairSampler(order).resume(state)
    with pytest.raises(ConfigError, match="another sampler"):
        sampler.resume({"seed": 1, "rows": 10})


@given(orders(), st.integers(1, 4))
def test_no_rank_is_all_of_them(order, world):
    """What accelerate deals out: batch by batch, rank after rank."""
    every = list(PairSampler(order, rank=None, world_size=world, drop_last=True))
    for rank in range(world):
        assert every[rank::world] == list(PairSampler(order, rank=rank, world_size=world, drop_last=True))
    assert len(every) % world == 0


def test_used_batches_are_counted_through_epochs():
    """Whatever was begun or fetched ahead in between."""
    sampler = PairSampler(Order(10, batch_size=3))
    states = [sampler.state_at(batches) for batches in range(12)]
    assert [list(state.values())[2:] for state in states[:5]] == [[0, 0], [0, 3], [0, 6], [0, 9], [1, 0]]
    for _ in range(2):
        list(sampler)
    assert [sampler.state_at(batches) for batches in range(12)] == states
    other = PairSampler(Order(10, batch_size=3))
    other.resume(states[5])
    assert [other.state_at(batches) for batches in range(7)] == states[5:]


@pytest.mark.parametrize(("rank", "world"), [(-1, 2), (2, 2), (0, 0)])
def test_ranks_that_are_none_are_refused(rank, world):
    with pytest.raises(ConfigError):
        PairSampler(Order(10), rank=rank, world_size=world)


def test_draws_are_row_numbers_that_travel():
    draw = pickle.loads(pickle.dumps(Draw(5, 1, 2, 30)))  # noqa: S301
    assert (draw, draw.cycle, draw.epoch, draw.position) == (5, 1, 2, 30)
    assert "abcdef"[draw] == "f"


def test_an_epoch_of_140000_rows_is_a_blink():
    """Resuming costs one epoch's order, wherever it is: 0.1 s would be noticed between batches."""
    import time

    order = Order(140_000, buckets=np.arange(140_000) % 6, batch_size=4, shuffle="blocks")
    sampler = PairSampler(order, rank=3, world_size=8)
    sampler.resume(PairSampler(order).state_at(20_000))
    start = time.process_time()
    next(iter(sampler))
    assert time.process_time() - start < 1
