"""Size rules and boxes, held against Kiwi-Edit's arithmetic, and masks by the nearest pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.media.view import SizeRules, View, fit, look
from sparkle.schemas.errors import MediaError

SIDES = st.integers(64, 2000)


@given(SIDES, SIDES, st.integers(5_000, 2_000_000), st.sampled_from([8, 16, 32]))
def test_frames_shrink_to_multiples_below_the_limit(width, height, max_pixels, multiple):
    rules = SizeRules(max_pixels, multiple_of=multiple)
    try:
        view = fit(width, height, rules)
    except MediaError:
        scale = min(1, (max_pixels / (width * height)) ** 0.5)
        assert min(width, height) * scale < multiple + 1
        return
    assert view.width % multiple == view.height % multiple == 0
    assert view.width * view.height <= max(max_pixels, 1)
    assert view.scaled_width >= view.width
    assert view.scaled_height >= view.height
    assert 0 <= view.left <= view.scaled_width - view.width
    assert 0 <= view.top <= view.scaled_height - view.height
    # One side fits exactly, to a pixel's rounding: nothing is shrunk further than it must be.
    assert min(view.scaled_width - view.width, view.scaled_height - view.height) <= 1


def test_720p_loses_eight_rows_above_and_below():
    assert fit(1280, 720, SizeRules()) == View(1280, 720, 1280, 720, 0, 8, 1280, 704)
    assert not fit(1280, 720, SizeRules()).resizes


def test_600_by_600_is_kiwis():
    assert fit(1280, 720, SizeRules(360_000)) == View(1280, 720, 800, 450, 0, 1, 800, 448)


@given(SIDES, SIDES, st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_a_placed_box_stays_inside(width, height, across, down):
    view = fit(width, height, SizeRules(height=64, width=96), place=(across, down))
    assert (view.width, view.height) == (96, 64)
    assert 0 <= view.left <= view.scaled_width - 96
    assert 0 <= view.top <= view.scaled_height - 64


@pytest.mark.parametrize("mirrored", [False, True])
def test_masks_are_pils_nearest(mirrored):
    image_module = pytest.importorskip("PIL.Image")
    rng = np.random.Generator(np.random.PCG64(0))
    masks = rng.integers(0, 2, (3, 91, 161)).astype(bool)  # odd sides: no middle falls between two pixels
    view = fit(161, 91, SizeRules(5000, multiple_of=16), place=(0.5, 0.9), mirrored=mirrored)
    seen = look(masks, view)
    size = (view.scaled_width, view.scaled_height)
    for mask, image in zip(masks, seen, strict=True):
        picture = image_module.fromarray(mask.astype(np.uint8))
        whole = np.asarray(picture.resize(size, image_module.Resampling.NEAREST))
        part = whole[view.top : view.top + view.height, view.left : view.left + view.width]
        assert np.array_equal(image, (part[:, ::-1] if mirrored else part) > 0)


def test_masks_of_another_size_are_refused():
    with pytest.raises(MediaError, match="do not fit their video"):
        look(np.zeros((2, 90, 160), bool), fit(1280, 720, SizeRules()))
