import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.generation.bait import VoteError, majority_vote, packed_majority


@settings(max_examples=60)
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


@settings(max_examples=30)
@given(count=st.integers(1, 12), width=st.integers(1, 70), seed=st.integers(0, 2**32))
def test_packed_passes_vote_as_the_passes_do(count, width, seed):
    passes = np.random.default_rng(seed).random((count, 3, 5, width)) < 0.5
    bits = packed_majority(np.packbits(mask) for mask in passes)
    assert np.array_equal(bits, np.packbits(majority_vote(passes)))


def test_a_vote_over_many_blocks_is_the_naive_sum():
    passes = np.random.default_rng(0).random((4, 9, 360, 641)) < 0.5  # more than one block of 64 KB of bits
    assert np.array_equal(majority_vote(passes), passes.sum(axis=0) * 2 > 4)


def test_an_anchor_that_abstains_is_not_counted_and_an_empty_mask_is():
    yes, no = np.ones((2, 3, 5), bool), np.zeros((2, 3, 5), bool)
    assert majority_vote([yes]).all()
    assert not majority_vote([yes, no]).any()


def test_a_pass_may_be_reused_by_its_owner():
    mask = np.ones((2, 3, 8), bool)

    def passes():
        yield mask
        mask[:] = False

    assert majority_vote(passes()).all()
