"""What goes into a question: prompt files, offered scenes, pictures; and the texts for other models."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.generation.backends.vlm.asking import list_scenes, offer_scenes
from sparkle.generation.backends.vlm.questions import (
    animation_prompt,
    fill_prompt,
    pick_frames,
    prompt_hashes,
    read_image,
    removal_prompt,
    shrink,
    spread_frames,
    spread_indices,
)
from sparkle.generation.taxonomy import load_taxonomy
from sparkle.media.decode import decode
from sparkle.media.images import encode_png, read_png, write_png
from sparkle.schemas.errors import ConfigError, MediaError
from sparkle.schemas.records import GroundedObject

FILES = ("camera", "compose", "describe", "ground1", "ground2", "removal", "animation")


def test_every_prompt_file_is_used_and_hashed_by_its_words():
    folder = resources.files("sparkle.generation.backends.vlm").joinpath("prompts")
    assert {file.name.removesuffix(".txt") for file in folder.iterdir()} == set(FILES)
    assert len(set(prompt_hashes(*FILES).values())) == len(FILES)


def test_a_slot_that_is_not_filled_is_an_error():
    with pytest.raises(KeyError, match="count"):
        fill_prompt("camera")
    assert "You see 8 pictures" in fill_prompt("camera", count=8)


@pytest.mark.parametrize("theme", ["location", "season", "time", "style"])
def test_scenes_are_offered_from_many_subthemes(theme):
    taxonomy = load_taxonomy()
    subthemes = taxonomy.subthemes(theme)
    offered = offer_scenes(theme, len(subthemes), seed=7)
    assert {scene.subtheme for scene in offered} == set(subthemes)
    everything = offer_scenes(theme, 1000, seed=7)
    assert sorted(everything, key=str) == sorted(taxonomy.scenes(theme), key=str)
    assert everything[: len(offered)] == offered


def test_every_scene_gets_its_turn_by_the_seed():
    seen = {scene.keyword for seed in range(60) for scene in offer_scenes("season", 4, seed=seed)}
    assert seen == {scene.keyword for scene in load_taxonomy().scenes("season")}
    assert offer_scenes("season", 4, seed=1) == offer_scenes("season", 4, seed=1)


def test_scenes_are_listed_one_a_line_with_their_keyword():
    scenes = offer_scenes("time", 3, seed=0)
    lines = list_scenes(scenes).splitlines()
    assert [line[2:].partition(" (")[0] for line in lines] == [scene.keyword for scene in scenes]


def test_a_theme_without_scenes_offers_none():
    with pytest.raises(ConfigError, match="no taxonomy"):
        offer_scenes("openve3m", 4, seed=0)


@given(st.integers(1, 81), st.integers(1, 81))
def test_frames_are_spread_from_end_to_end(frames, count):
    count = min(frames, count)
    indices = spread_indices(frames, count)
    assert len(set(indices)) == len(indices) == count
    assert indices[0] == 0
    if count > 1:
        assert indices[-1] == frames - 1
        gaps = np.diff(indices)
        assert gaps.max() - gaps.min() <= 1


@given(st.integers(1, 60), st.integers(1, 60), st.integers(16, 2000))
def test_a_picture_fits_and_keeps_its_aspect(height, width, most):
    image = np.zeros((height, width, 3), np.uint8)
    fitted = shrink(image, most)
    assert fitted.shape[0] * fitted.shape[1] <= max(most, height, width)
    if height * width <= most:
        assert fitted is image


def test_frames_of_a_clip_come_in_order(clips):
    clip = clips["first"].path
    frames = decode(clip)
    found = pick_frames(clip, (0, 8, 16), 10**7)
    assert np.array_equal(np.stack(found), frames[[0, 8, 16]])
    assert np.array_equal(spread_frames(clip, 3, 10**7)[1], frames[8])
    assert len(spread_frames(clip, 50, 10**7)) == len(frames)
    with pytest.raises(MediaError, match="too short"):
        pick_frames(clip, (0, 40), 10**7)


def test_a_picture_is_the_same_as_a_file_and_as_bytes(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    write_png(tmp_path / "image.png", image)
    assert (tmp_path / "image.png").read_bytes() == encode_png(image)
    assert np.array_equal(read_png(tmp_path / "image.png"), image)
    assert read_image(tmp_path / "image.png", 600).shape[:2] == (20, 30)


def test_removal_names_each_label_once_in_order():
    objects = [GroundedObject((1, 2, 3, 4), label) for label in ("dog", "red ball", "dog")]
    assert ": dog; red ball." in removal_prompt(objects)


def test_animation_tells_the_instruction():
    assert '"Move the subject to a beach."' in animation_prompt("Move the subject to a beach.")
