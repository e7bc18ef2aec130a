"""Frame arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.media.frames import (
    anchor_indices,
    fit,
    is_4k_plus_1,
    resize,
    score_indices,
)
from sparkle.schemas.errors import MediaError


def test_score_indices_are_upstream_s_at_77_frames():
    assert score_indices(77) == (1, 26, 51, 76)


@given(st.integers(5, 10_000))
def test_score_indices_go_from_the_second_frame_to_the_last(frames):
    indices = score_indices(frames)
    assert indices[0] == 1
    assert indices[-1] == frames - 1
    assert sorted(set(indices)) == list(indices)
    steps = np.diff(indices)
    assert steps.max() - steps.min() <= 1


def test_too_short_a_clip_is_not_scored():
    with pytest.raises(MediaError):
        score_indices(4)


@given(st.integers(1, 1000), st.integers(1, 20))
def test_anchors_are_every_so_many_frames_from_the_first(frames, every):
    indices = anchor_indices(frames, 2 * every)
    assert indices[0] == 0
    assert set(np.diff(indices)) <= {every}
    assert frames - every <= indices[-1] < frames


def test_anchors_are_two_a_second():
    assert anchor_indices(81) == (0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80)


@given(st.integers(1, 10_000))
def test_four_k_plus_1(k):
    assert is_4k_plus_1(4 * k + 1)
    assert not any(is_4k_plus_1(4 * k + more) for more in (0, 2, 3))


@pytest.mark.parametrize("n", [0, -3])
def test_no_clip_has_no_frames(n):
    assert not is_4k_plus_1(n)


def test_resize_averages_areas():
    frames = np.zeros((2, 4, 6, 3), np.uint8)
    frames[:, ::2] = 100
    assert (resize(frames, (3, 2)) == 50).all()
    assert resize(frames, (3, 2)).shape == (2, 2, 3, 3)
    assert (resize(frames[..., 0], (3, 2)) == 50).all()


def test_resized_masks_keep_what_is_at_least_half_covered():
    masks = np.zeros((1, 4, 4), np.bool_)
    masks[0, 0, 0] = masks[0, :2, 2] = masks[0, 2:, :2] = True
    small = resize(masks, (2, 2))
    assert small.dtype == np.bool_
    assert small[0].tolist() == [[False, True], [True, False]]


def test_resize_to_the_same_size_is_a_copy():
    frames = np.ones((1, 4, 4, 3), np.uint8)
    same = resize(frames, (4, 4))
    same[:] = 0
    assert frames.all()


@given(st.integers(64, 8000), st.integers(64, 8000), st.integers(32, 500))
def test_what_is_shown_is_even_no_larger_and_of_the_same_proportions(width, height, side):
    across, down = fit(width, height, side)
    assert across % 2 == 0
    assert down % 2 == 0
    assert across <= width + 1
    assert down <= height + 1
    assert min(across, down) <= side + 1
    assert max(across, down) <= 4 * side + 1
    assert abs(across - down * width / height) <= 1 + max(1, width / height) + 1e-9


def test_an_hd_clip_is_shown_at_360_rows_and_a_phone_s_at_360_columns():
    assert fit(1280, 720, 360) == (640, 360)
    assert fit(720, 1280, 360) == (360, 640)
    assert fit(64, 48, 360) == (64, 48)
