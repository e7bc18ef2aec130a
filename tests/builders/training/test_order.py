"""The order: every sample once an epoch, mixes exact, batches of one kind, blocks that stay together."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.builders.training.order import (
    BLOCK_ROWS,
    LANES,
    SHUFFLES,
    Order,
    bucket_numbers,
    fill_batches,
    mix_pattern,
    named_weights,
    whole_weights,
)
from sparkle.schemas.errors import ConfigError

SEEDS = st.integers(0, 2**63 - 1)


@given(st.integers(1, 500), SEEDS, st.integers(0, 5), st.sampled_from(SHUFFLES), st.integers(1, 9))
def test_every_row_is_seen_once_an_epoch(count, seed, number, shuffle, batch_size):
    epoch = Order(count, seed, batch_size, shuffle).epoch(number)
    assert sorted(epoch.rows) == list(range(count))
    assert set(epoch.cycles) == {number}


@pytest.mark.parametrize("shuffle", ["rows", "blocks"])
def test_orders_follow_from_seed_and_epoch(shuffle):
    def rows(seed, number):
        return Order(1000, seed, shuffle=shuffle).epoch(number).rows.tolist()

    assert rows(1, 2) == rows(1, 2)
    assert len({tuple(rows(seed, number)) for seed in (0, 1, 2**40) for number in (0, 1)}) == 6


def test_an_order_stays_what_it_is():
    """A numpy or a rewrite that changes the order breaks every state that anybody keeps."""
    # By hand: argsort of the first outputs of PCG64 seeded with [seed, epoch], which numpy promises to keep.
    keys = np.random.PCG64(np.random.SeedSequence([7, 3])).random_raw(10)
    assert Order(10, 7).epoch(3).rows.tolist() == sorted(range(10), key=lambda row: keys[row])


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), SEEDS, st.data())
@settings(max_examples=50)
def test_mixes_are_exact_in_every_window(sizes, seed, data):
    weights = data.draw(st.lists(st.integers(1, 5), min_size=len(sizes), max_size=len(sizes)))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    order = Order(len(groups), seed, groups=groups, weights=tuple(weights))
    seen = np.concatenate([order.epoch(number).rows for number in range(6)])
    whole = whole_weights(weights)
    window = sum(whole)
    for start in range(max(0, len(seen) - window + 1)):
        counts = np.bincount(groups[seen[start : start + window]], minlength=len(sizes))
        assert counts.tolist() == whole


@given(st.lists(st.integers(1, 12), min_size=2, max_size=3), SEEDS, st.data())
@settings(max_examples=50)
def test_groups_of_a_mix_are_gone_through_cycle_by_cycle(sizes, seed, data):
    weights = data.draw(st.lists(st.integers(1, 4), min_size=len(sizes), max_size=len(sizes)))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    order = Order(len(groups), seed, groups=groups, weights=tuple(weights))
    epochs = [order.epoch(number) for number in range(5)]
    rows, cycles = (np.concatenate([getattr(epoch, name) for epoch in epochs]) for name in ("rows", "cycles"))
    for group, size in enumerate(sizes):
        mine = groups[rows] == group
        assert cycles[mine].tolist() == [place // size for place in range(mine.sum())]
        for cycle in range(mine.sum() // size):
            assert sorted(rows[mine & (cycles == cycle)]) == np.flatnonzero(groups == group).tolist()


def test_a_weight_of_0_leaves_a_group_out():
    groups = np.array([0, 0, 1, 1, 1])
    assert set(Order(5, groups=groups, weights=(0, 1)).epoch(0).rows) == {2, 3, 4}


@pytest.mark.parametrize(
    ("weights", "whole"),
    [([2, 1], [2, 1]), ([0.5, 0.25], [2, 1]), ([0.1, 0.2, 0], [1, 2, 0]), ([50, 50], [1, 1])],
)
def test_weights_become_small_whole_numbers(weights, whole):
    assert whole_weights(weights) == whole


@pytest.mark.parametrize("weights", [[], [0, 0], [-1, 2], [float("nan")], [float("inf")], [1, 0.00001]])
def test_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(ConfigError):
        whole_weights(weights)


def test_turns_are_spread_evenly():
    assert mix_pattern([3, 1]).tolist() in ([0, 0, 1, 0], [0, 1, 0, 0])


def test_a_mix_names_every_group():
    assert named_weights(["a", "b"], {"b": 1, "a": 2}) == (2, 1)
    for wrong in ({"a": 1}, {"a": 1, "b": 1, "c": 1}):
        with pytest.raises(ConfigError, match="names every group"):
            named_weights(["a", "b"], wrong)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(1, 8))
def test_batches_are_of_one_bucket_and_leave_when_they_are_full(buckets, batch_size):
    buckets = np.array(buckets)
    moved, ends = fill_batches(buckets, batch_size)
    batches = np.split(moved, ends[:-1])
    assert sorted(moved) == list(range(len(buckets)))
    assert all(len(set(buckets[batch])) == 1 for batch in batches)
    full = [batch for batch in batches if len(batch) == batch_size]
    assert all(len(batch) < batch_size for batch in batches[len(full) :])
    short = Counter(buckets[batch[0]] for batch in batches[len(full) :])
    assert max(short.values(), default=1) == 1
    assert [batch[-1] for batch in full] == sorted(batch[-1] for batch in full)
    for bucket in set(buckets):
        mine = [place for batch in batches for place in batch if buckets[place] == bucket]
        assert mine == sorted(mine)


def test_bucket_numbers_tell_rows_apart_that_differ_in_any_column():
    numbers = bucket_numbers([np.array([81, 81, 69, 81]), np.array([720, 480, 720, 720])])
    assert numbers[0] == numbers[3]
    assert len(set(numbers.tolist())) == 3


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_workers_read_whole_blocks(workers):
    """Whoever takes every n-th batch has one block per lane open at a time."""
    batch_size, count = 4, 64 * BLOCK_ROWS
    rows = Order(count, 5, batch_size, "blocks").epoch(0).rows
    batches = rows.reshape(-1, batch_size)
    # Not the last turns: lanes are not equally long.
    for worker in range(workers):
        mine = batches[worker : len(batches) // 2 : workers].ravel()
        runs = len({int(row) // BLOCK_ROWS for row in mine})
        # A block is cut at a place that differs from epoch to epoch, so each touches two whole ones.
        assert runs <= 2 * (len(mine) // BLOCK_ROWS + LANES // workers)


def test_blocks_are_shuffled_and_so_are_their_rows():
    rows = Order(64 * BLOCK_ROWS, 5, 4, "blocks").epoch(0).rows
    steps = np.diff(rows.reshape(-1, 4), axis=1)
    assert (np.abs(steps) < BLOCK_ROWS).all()
    assert (steps < 0).mean() > 0.3
    firsts = rows[::4] // BLOCK_ROWS
    assert (np.diff(firsts) < 0).mean() > 0.3


@pytest.mark.parametrize(
    "options",
    [
        {"count": 0},
        {"seed": -1},
        {"batch_size": 0},
        {"shuffle": "all"},
        {"buckets": np.zeros(3, int)},
        {"groups": np.zeros(4, int)},
        {"weights": (1,)},
        {"groups": np.zeros(4, int), "weights": (1, 1)},
    ],
)
def test_bad_orders_are_refused(options):
    with pytest.raises(ConfigError):
        Order(**{"count": 4} | options)
