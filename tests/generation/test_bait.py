import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.generation.bait import VoteError, majority_vote
from sparkle.generation.edges import decoupled_edges


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 40),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 13), st.integers(1, 17)),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_the_vote_is_the_strict_majority_of_the_naive_sum(count, shape, share, seed):
    passes = np.random.default_rng(seed).random((count, *shape)) < share
    voted = majority_vote(iter(passes))
    assert voted.dtype == np.bool_
    assert np.array_equal(voted, passes.sum(axis=0) * 2 > count)


def test_a_tie_loses():
    yes, no = np.ones((2, 3, 5), bool), np.zeros((2, 3, 5), bool)
    assert not majority_vote([yes, no]).any()
    assert majority_vote([yes, no, yes]).all()


def test_a_vote_without_passes_or_with_unlike_ones_is_an_error():
    with pytest.raises(VoteError, match="abstained"):
        majority_vote([])
    with pytest.raises(VoteError, match="shape"):
        majority_vote([np.ones((2, 3, 5), bool), np.ones((2, 3, 4), bool)])


def test_edges_come_from_the_source_inside_the_mask_and_from_the_background_outside():
    source, background = np.zeros((96, 96, 3), np.uint8), np.zeros((96, 96, 3), np.uint8)
    source[:, 40:] = 255
    background[48:] = 255
    mask = np.zeros((96, 96), bool)
    mask[:, 20:60] = True
    edges = decoupled_edges(source, background, mask)
    assert set(np.unique(edges)) == {0, 255}
    inside, outside = np.argwhere((edges > 0) & mask), np.argwhere((edges > 0) & ~mask)
    assert np.abs(inside[:, 1] - 40).max() <= 2
    assert np.abs(outside[:, 0] - 48).max() <= 2
