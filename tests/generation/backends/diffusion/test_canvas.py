"""Sizes and frame counts of models, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.generation.backends.diffusion.base import Padding, model_frames

sides = st.integers(1, 90)


@given(width=sides, height=sides, least=st.sampled_from([16, 64]))
def test_a_picture_comes_back_as_it_was(width, height, least):
    image = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    canvas = Padding.of(image, least=least)
    padded = canvas.pad(image)
    assert padded.shape[:2] == canvas.size[::-1]
    assert all(side % 16 == 0 and side >= least for side in canvas.size)
    assert canvas.size[0] - width < max(16, least)
    assert np.array_equal(canvas.crop(padded), image)


def test_what_is_added_mirrors_the_picture():
    image = np.arange(20 * 17 * 3, dtype=np.uint8).reshape(20, 17, 3)
    padded = Padding.of(image).pad(image)
    assert padded.shape == (32, 32, 3)
    assert np.array_equal(padded[20:32, :17], image[8:20][::-1])
    assert np.array_equal(padded[:20, 17:32], image[:, 2:17][:, ::-1])


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1088), (64, 64)])
def test_sizes_that_fit_stay(size):
    assert Padding(*size).size == size


@given(st.integers(1, 200))
def test_frames_are_the_next_that_a_model_makes(count):
    made = model_frames(count)
    assert made % 4 == 1
    assert count <= made < count + 4
