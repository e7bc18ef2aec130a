"""The drawn backgrounds: what prompts mean, that recipes show their clauses, and what pictures must hold."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.generation.backends.classical.compose import compose_prompt
from sparkle.generation.backends.drawing.prompt import understand
from sparkle.generation.backends.drawing.recipe import read_recipe
from sparkle.generation.backends.drawing.render import Scene
from sparkle.generation.backends.drawing.truth import (
    clauses_of,
    draw_frames,
    is_shown,
    scene_agreement,
    shown_clauses,
)
from sparkle.generation.taxonomy import TaxonomyScene, load_taxonomy
from sparkle.schemas.errors import ConfigError, MediaError, SampleError

Picture = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 256, 144
DRAWN = {scene.name: scene for scene in load_taxonomy().all_scenes if scene.is_drawn}
SOME = sorted(DRAWN)[::13]  # of every kind, small enough for each run of the tests

# Prompts as people write them, and the scene where a person would put them.
PROMPTS = [
    (
        "a lively tropical beach where waves gently roll in, palm fronds sway, seagulls fly",
        "palm-lined tropical beach",
    ),
    ("a sunlit vineyard with rows of grapevines stretching into the distance", "vineyard above a valley"),
    ("an open prairie under a vast sky, tall golden grass swaying vigorously", "windswept prairie"),
    ("a classic library study. The desk lamp flickers, curtains sway", "classic library"),
    ("a vintage European street cafe with flickering street lamps", "street cafe in old europe"),
    ("an enchanted forest clearing with rays of sunlight through leaves", "enchanted forest clearing"),
    ("a spring park filled with cherry blossom trees, petals drifting", "cherry blossom park"),
    ("a medieval village of thatched-roof cottages in warm torchlight", "medieval market village"),
    ("a sci-fi industrial wasteland with smoke rising from broken pipes", "dystopian industrial wasteland"),
    ("rolling mist over a forested valley in the morning", "misty forested valley"),
    ("three great pyramids in the Egyptian desert", "great pyramids"),
    ("rolling sand dunes of a vast desert", "sea of dunes"),
    ("a neon city street at night with rain falling", "neon-lit avenue"),
    ("a ringed planet in outer space before a glowing nebula", "planet over a violet nebula"),
    ("an ink-wash painting of misty mountains", "ink-wash mountains"),
    ("an underwater coral reef with schools of fish", "coral lagoon under a high sun"),
]


@functools.cache
def scene(name: str, seed: int = 7, width: int = WIDTH, height: int = HEIGHT) -> Scene:
    return Scene(DRAWN[name], seed=seed, width=width, height=height)


def smooth(picture: Picture) -> npt.NDArray[np.float32]:
    """The picture without its grain."""
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.5))


def change(one: Picture, other: Picture) -> float:
    """Mean absolute difference that is not grain."""
    return float(np.abs(smooth(one) - smooth(other)).mean())


class TestPrompts:
    @pytest.mark.parametrize(("prompt", "name"), PROMPTS)
    def test_are_put_where_a_person_would(self, prompt: str, name: str) -> None:
        meant = understand(f"Shift the background to {prompt}. The subject should remain perfectly still.")
        assert meant.reason == ""
        assert meant.scene is DRAWN[name]

    @pytest.mark.parametrize("given_scene", DRAWN.values(), ids=lambda each: each.name)
    def test_that_are_composed_mean_their_scene_at_its_own_pace(self, given_scene: TaxonomyScene) -> None:
        for seed in range(3):
            meant = understand(compose_prompt(given_scene, seed=seed))
            assert meant.scene is given_scene
            assert meant.pace == 1.0

    @pytest.mark.parametrize(
        ("prompt", "named"),
        [
            ("a tropical beach where waves roll in, with a castle and a dragon", ("castle", "dragon")),
            ("three great pyramids on a desert plateau below a flying saucer", ("saucer",)),
            ("Setze die Person an einen Strand mit Palmen im Wind", ("strand", "palmen")),
            ("Remplacez le fond par une plage tropicale", ("plage", "tropicale")),
            ("日本語の背景", ("日本語の背景",)),
            ("a rooftop overlooking a modern city skyline with scaffolding", ("scaffolding",)),
        ],
    )
    def test_that_name_what_cannot_be_drawn_say_which_words(
        self, prompt: str, named: tuple[str, ...]
    ) -> None:
        meant = understand(prompt)
        assert meant.scene is None
        assert meant.reason.startswith("words not understood: ")
        assert set(named) <= set(meant.reason.removeprefix("words not understood: ").split(", "))

    @pytest.mark.parametrize(
        ("prompt", "reason"),
        [
            ("a tropical beach without palms", "not there (without)"),
            ("a tropical beach with no waves rolling in", "not there (no)"),
            ("a tropical beach where the waves don't roll", "not there (don't)"),
            ("beach", "too few words"),
            ("", "too few words"),
            ("!?", "too few words"),
            ("Keep the subject unchanged.", "too few words"),
            ("a tropical beach " * 700, "2100 words, at most"),
        ],
    )
    def test_that_cannot_be_understood_say_why(self, prompt: str, reason: str) -> None:
        meant = understand(prompt)
        assert meant.scene is None
        assert reason in meant.reason

    def test_about_the_subject_do_not_count(self) -> None:
        beach = "a tropical beach where waves roll in and palm fronds sway"
        for rest in (
            ", while the person remains still",
            ". Do not change the person.",
            ". Keep the subject and its motion untouched.",
        ):
            assert understand(f"{beach}{rest}") == understand(beach)

    def test_are_as_lively_as_their_words(self) -> None:
        words = ("slowly and gently", "", "vigorously in a strong wind")
        paces = [understand(f"a prairie of tall golden grass, swaying {each}").pace for each in words]
        assert paces == sorted(set(paces))
        assert paces[1] == 1.0

    @given(st.text(max_size=200))
    def test_of_any_text_are_drawn_or_say_why(self, prompt: str) -> None:
        meant = understand(prompt)
        assert (meant.scene is None) == bool(meant.reason)

    def test_that_cannot_be_drawn_are_an_error_of_the_sample(self) -> None:
        with pytest.raises(SampleError, match="cannot be drawn") as caught:
            Scene.from_prompt("a beach with a castle", seed=0, width=WIDTH, height=HEIGHT)
        assert "castle" in caught.value.got or "beach" in caught.value.got


class TestRecipes:
    def test_can_all_be_read(self) -> None:
        for each in DRAWN.values():
            look, layers = read_recipe(each)
            assert look.haze > 0
            assert {clause.layer for clause in clauses_of(each)} <= {layer.name for layer in layers}

    @pytest.mark.parametrize(
        ("layer", "problem", "where"),
        [
            ({"is": "skie"}, "no such layer", "sea of dunes"),
            ({"is": "sky", "horizn": 0.5}, "no such option", "sky/horizn"),
            ({"is": "sky", "horizon": "low"}, "wrong value", "sky/horizon"),
            ({"is": "ridge", "shape": "cubes"}, "wrong value", "ridge/shape"),
            ({"is": "smoke", "name": "puffs"}, "lacks an option", "puffs"),
        ],
    )
    def test_with_an_unknown_layer_or_option_are_refused(self, layer: dict, problem: str, where: str) -> None:
        broken = replace(DRAWN["sea of dunes"], layers=(layer,))
        with pytest.raises(ConfigError, match=problem) as caught:
            read_recipe(broken)
        assert where in caught.value.where

    def test_with_an_unknown_light_or_thing_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="wrong value") as caught:
            read_recipe(replace(DRAWN["sea of dunes"], look={"hour": "teatime"}))
        assert "look" in caught.value.where
        thing = replace(DRAWN["sea of dunes"], layers=({"is": "props", "kind": "teapot"},))
        with pytest.raises(ConfigError, match="no such thing") as caught:
            Scene(thing, seed=0, width=WIDTH, height=HEIGHT)
        assert caught.value.got == "teapot"

    def test_that_are_none_cannot_be_drawn(self) -> None:
        undrawn = next(each for each in load_taxonomy().all_scenes if not each.is_drawn)
        with pytest.raises(ConfigError, match="no recipe"):
            Scene(undrawn, seed=0, width=WIDTH, height=HEIGHT)


class TestTruth:
    @pytest.mark.parametrize("name", SOME)
    def test_every_clause_is_shown(self, name: str) -> None:
        shown = shown_clauses(DRAWN[name], seed=2)
        assert [words for words, is_there in shown.items() if not is_there] == []

    def test_other_pictures_do_not_show_it(self) -> None:
        beach = scene("palm-lined tropical beach", 2)
        drawn = draw_frames(beach)
        flat = [np.full_like(drawn[0], 128)] * len(drawn)
        frozen = [drawn[0]] * len(drawn)
        lake = draw_frames(scene("calm mountain lake", 2))
        for clause in clauses_of(beach.scene):
            without = draw_frames(beach, without=clause.layer)
            assert is_shown(clause, drawn, drawn, without)
            for other in (flat, frozen, without, lake):
                assert not is_shown(clause, other, drawn, without), clause.words

    def test_a_layer_changes_no_other(self) -> None:
        beach = scene("palm-lined tropical beach", 2)
        whole, bare = beach.frame(0.5), beach.frame(0.5, without="gulls")
        assert 0 < (np.abs(whole.astype(int) - bare).max(axis=2) > 8).mean() < 0.02
        np.testing.assert_array_equal(beach.frame(0.5, without="nothing of this name"), whole)

    def test_a_picture_agrees_with_its_own_text_more_than_with_others(self) -> None:
        names = ("sea of dunes", "moonlit lake", "classic library")
        prompts = {name: compose_prompt(DRAWN[name], seed=1) for name in names}
        hidden = np.zeros((HEIGHT, WIDTH), bool)
        hidden[40:140, 100:150] = True
        for name in names:
            with_subject = np.where(hidden[..., None], np.uint8(255), scene(name, seed=9).frame(0.0))
            agreed = {other: scene_agreement(with_subject, prompts[other], hidden) for other in names}
            assert agreed.pop(name) > 0.5
            assert max(agreed.values()) < 0.3

    @pytest.mark.parametrize(("width", "height"), [(160, 96), (270, 480), (848, 480)])
    def test_a_picture_of_any_shape_is_compared_with_its_like(self, width: int, height: int) -> None:
        drawn = [DRAWN[name] for name in ("sea of dunes", "moonlit lake", "classic library")]
        for place in drawn:
            picture = Scene(place, seed=9, width=width, height=height).frame(2.0)
            agreed = {other: scene_agreement(picture, compose_prompt(other, seed=1)) for other in drawn}
            assert agreed.pop(place) > 0.5
            assert max(agreed.values()) < 0.2

    def test_nothing_agrees_with_what_is_not_drawn(self) -> None:
        assert scene_agreement(scene("palm-lined tropical beach").frame(0.0), "a beach with a castle") == 0

    def test_a_subject_that_hides_the_scene_is_not_blamed(self) -> None:
        beach, everywhere = scene("palm-lined tropical beach").frame(0.0), np.ones((HEIGHT, WIDTH), bool)
        assert scene_agreement(beach, compose_prompt(DRAWN["moonlit lake"], seed=1), everywhere) == 1


class TestPictures:
    @pytest.mark.parametrize("name", SOME)
    def test_are_pictures_that_move(self, name: str) -> None:
        still = scene(name).frame(0.0)
        assert still.shape == (HEIGHT, WIDTH, 3)
        assert still.dtype == np.uint8
        assert 8 < still.mean() < 243
        assert still.std() > 15
        assert change(still, scene(name).frame(0.5)) > 0.4

    @pytest.mark.parametrize(("width", "height"), [(128, 96), (96, 160), (426, 240), (640, 98), (498, 482)])
    @pytest.mark.parametrize("name", ["palm-lined tropical beach", "neon-lit avenue", "pixel-art town"])
    def test_have_any_even_size(self, name: str, width: int, height: int) -> None:
        picture = scene(name, 1, width, height).frame(0.3)
        assert picture.shape == (height, width, 3)
        assert picture.std() > 15

    @pytest.mark.parametrize(("width", "height"), [(321, 192), (320, 64), (5000, 400), (4096, 4096), (0, 0)])
    def test_refuse_sizes_that_cannot_be_painted(self, width: int, height: int) -> None:
        with pytest.raises(MediaError) as caught:
            Scene(DRAWN["sea of dunes"], seed=0, width=width, height=height)
        assert caught.value.got == f"{width}x{height}"

    def test_refuse_a_negative_seed(self) -> None:
        with pytest.raises(ConfigError):
            Scene(DRAWN["sea of dunes"], seed=-1, width=WIDTH, height=HEIGHT)

    def test_differ_with_the_seed(self) -> None:
        stills = [scene("maple forest at peak color", seed).frame(0.0) for seed in (7, 8)]
        assert change(*stills) > 8

    def test_have_no_seam_where_a_texture_begins_again(self) -> None:
        layers = ({"is": "sky"}, {"is": "clouds", "kind": "heaped", "cover": 0.75, "speed": 2.4})
        bare = replace(DRAWN["wheat field before a storm"], layers=layers)
        sky = smooth(Scene(bare, seed=1, width=640, height=360).frame(2.0))[:144]
        steps = np.abs(np.diff(sky, axis=1)).mean(axis=(0, 2))
        around = [float(np.median(steps[max(0, at - 12) : at + 13])) for at in range(len(steps))]
        assert (steps / around).max() < 2.5

    def test_are_described_for_records(self) -> None:
        description = scene("moonlit lake").description
        assert json.loads(json.dumps(description)) == description
        assert description["scene"] == "night: moonlit lake"
        assert "moon" in description["layers"].split()

    def test_look_like_their_style(self) -> None:
        noir = scene("film-noir street").frame(0.0).astype(int)
        assert np.abs(noir.max(axis=2) - noir.min(axis=2)).max() <= 2
        pixels = scene("pixel-art town", 7, 640, 360).frame(0.0)
        np.testing.assert_array_equal(pixels[::4], pixels[1::4])  # blocks of four rows
        ink = scene("ink-wash mountains").frame(0.0).astype(int)
        assert np.median(ink.max(axis=2) - ink.min(axis=2)) < 40
        assert ink[..., 0].mean() > ink[..., 2].mean()  # paper is warm


class TestTime:
    @pytest.mark.parametrize("name", ["cherry blossom park", "medieval market village", "neon-lit avenue"])
    def test_any_order_gives_the_same_pictures(self, name: str) -> None:
        forward = list(scene(name).frames(5, fps=16))
        assert len(forward) == 5
        for k in (4, 0, 2):
            np.testing.assert_array_equal(scene(name).frame(k / 16), forward[k])

    @pytest.mark.parametrize("name", ["empty shoreline at sunrise", "sea of dunes", "snowy pine forest"])
    def test_nothing_pops(self, name: str) -> None:
        frames = list(scene(name).frames(17))
        steps = [change(one, other) for one, other in itertools.pairwise(frames)]
        assert max(steps) < 2.0 * float(np.quantile(steps, 0.8))  # a jump would stand alone above the rest

    def test_pace_drives_motion(self) -> None:
        calm, lively = (
            Scene(DRAWN["windswept prairie"], seed=5, width=WIDTH, height=HEIGHT, pace=pace)
            for pace in (0.6, 1.6)
        )
        np.testing.assert_array_equal(calm.frame(0.0), lively.frame(0.0))
        steps = [change(each.frame(0.0), each.frame(1 / 16)) for each in (calm, lively)]
        assert steps[1] > 1.5 * steps[0]


CODE = """
import hashlib, sys, cv2
from sparkle.generation.backends.drawing.render import Scene
from sparkle.generation.taxonomy import load_taxonomy
cv2.setNumThreads(int(sys.argv[1]))
drawn = {scene.name: scene for scene in load_taxonomy().all_scenes}
for name in sys.argv[2:]:
    painted = Scene(drawn[name], seed=11, width=256, height=144)
    print(hashlib.sha256(b"".join(painted.frame(t).tobytes() for t in (0.0, 0.4))).hexdigest())
"""


@pytest.mark.slow
def test_the_same_bytes_in_other_processes_with_other_threads() -> None:
    names = [
        "impressionist water garden",
        "rain-soaked shopping street",
        "classic library",
        "fireworks over a bay",
    ]
    digests = [
        subprocess.run(
            [sys.executable, "-c", CODE, str(threads), *names], capture_output=True, text=True, check=True
        )
        for threads in (1, 2, 4)
    ]
    assert len({each.stdout for each in digests}) == 1
    here = [
        hashlib.sha256(b"".join(scene(name, 11).frame(t).tobytes() for t in (0.0, 0.4))).hexdigest()
        for name in names
    ]
    assert digests[0].stdout.split() == here


def test_global_random_state_is_left_alone() -> None:
    before = np.random.get_state(legacy=False)
    Scene(DRAWN["windswept prairie"], seed=12, width=WIDTH, height=HEIGHT).frame(0.1)
    np.testing.assert_equal(np.random.get_state(legacy=False), before)
