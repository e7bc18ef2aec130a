"""Clips are taken apart and put together, and subjects are found by their motion."""

from __future__ import annotations

import numpy as np
import pytest

from sparkle.media.layers import put_together, take_apart
from sparkle.media.moving import moving_subject
from sparkle.schemas.errors import MediaError

COUNT, HEIGHT, WIDTH = 9, 64, 96


def clip(step: int) -> tuple[np.ndarray, np.ndarray]:
    """A white square that goes right before a gray gradient, and its masks."""
    scene = np.broadcast_to(np.linspace(40, 120, WIDTH).astype(np.uint8)[None, :, None], (HEIGHT, WIDTH, 3))
    frames, masks = np.repeat(scene[None], COUNT, axis=0).copy(), np.zeros((COUNT, HEIGHT, WIDTH), bool)
    for now in range(COUNT):
        left = 8 + step * now
        masks[now, 20:40, left : left + 16] = True
    frames[masks] = 255
    return frames, masks


def test_behind_a_subject_is_what_is_seen_there_at_another_time() -> None:
    frames, masks = clip(8)
    background = take_apart(frames, masks).background
    assert (background[:, 0, :] == frames[:, 0, :]).all()  # the gradient is the same in every row
    assert (np.abs(background.astype(int) - background[0, 0]) <= 1).all()


def test_what_is_never_seen_is_painted_in() -> None:
    frames, masks = clip(0)
    background = take_apart(frames, masks).background
    assert background[masks].max() < 180  # and not white as the subject
    assert (background[0] == background[-1]).all()


def test_put_together_as_it_was_it_is_as_it_was() -> None:
    frames, masks = clip(8)
    layers = take_apart(frames, masks)
    again = np.stack([*put_together(layers, range(COUNT), layers.background)])
    assert np.abs(again.astype(int) - frames).max() <= 2  # in the corners, whose edge is soft


def test_a_subject_at_another_time_leaves_no_trace() -> None:
    frames, masks = clip(8)
    layers = take_apart(frames, masks)
    late = np.stack([*put_together(layers, [0] * COUNT, layers.background)])
    assert late[-1][masks[0]].min() > 250
    assert late[-1][masks[-1]].max() < 180


def test_masks_of_another_clip_are_refused() -> None:
    frames, masks = clip(8)
    with pytest.raises(MediaError, match="do not fit"):
        take_apart(frames, masks[:-1])


def test_what_moves_is_the_subject() -> None:
    frames, masks = clip(8)
    found = moving_subject(frames)
    assert found.shape == masks.shape
    assert (found & masks).sum() > 0.9 * masks.sum()
    assert found.sum() < 4 * masks.sum()  # the hull of half a second


def test_a_subject_that_stands_still_is_not_guessed() -> None:
    with pytest.raises(MediaError, match="cannot be told by its motion"):
        moving_subject(clip(0)[0])
