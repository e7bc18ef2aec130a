"""The procedural backgrounds: what prompts mean, and what the pictures made of them must hold."""

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

from sparkle.generation.backends.drawing import vocabulary
from sparkle.generation.backends.drawing.match import SceneSpec, match
from sparkle.generation.backends.drawing.particles import DRIFTS
from sparkle.generation.backends.drawing.render import FAMILIES, Scene
from sparkle.schemas.errors import ConfigError, MediaError

Picture = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 256, 144
KINDS = [(family, kind) for family, kinds in vocabulary.KIND_TERMS.items() for kind in kinds]

# Prompts as people write them, and the family (and kind) where a person would put them.
PROMPTS = [
    (
        "a lively tropical beach where waves gently roll in, palm fronds sway, seagulls fly",
        "shore",
        "tropical",
    ),
    ("a rocky shoreline with crashing waves under a stormy sky", "shore", "coast"),
    ("a wooden pier on a serene lake at dawn with mist drifting over the water", "shore", "lake"),
    ("a lively enchanted forest clearing with rays of sunlight flickering through leaves", "forest", "woods"),
    ("a snowy pine forest with snowflakes drifting slowly", "forest", "conifer"),
    ("a serene spring park filled with cherry blossom trees, petals drifting", "forest", "blossom"),
    ("a lush rainforest with hanging vines", "forest", "jungle"),
    ("a bamboo grove in the morning", "forest", "bamboo"),
    ("a sunlit vineyard with rows of grapevines and rustling green leaves", "meadow", "vineyard"),
    (
        "an open prairie, tall golden grass swaying vigorously, waves of motion, hazy horizon",
        "meadow",
        "prairie",
    ),
    ("a spring meadow where melting snow reveals green grass, with gentle streams", "meadow", "meadow"),
    ("rolling sand dunes of a vast desert", "meadow", "dunes"),
    ("a twilight landscape silhouetting distant trees while clouds drift", "meadow", "landscape"),
    ("a rooftop overlooking a modern city skyline at dusk", "city", "skyline"),
    ("a Tokyo street at night with neon signs and rain-slick pavement", "city", "neon"),
    ("a snow-capped alpine summit", "mountain", "peaks"),
    ("rolling mist over a forested valley, fog swaying between trees", "mountain", "valley"),
    ("a desert canyon with red cliffs", "mountain", "canyon"),
    ("ancient stone ruins overgrown with wind-swept grass", "mountain", "ruins"),
    ("a classic library study, the desk lamp flickers, curtains sway", "interior", "library"),
    ("a cozy coffee shop interior", "interior", "cafe"),
    ("a carpenter's workshop with tools on the wall", "interior", "workshop"),
    ("a medieval stone-and-timber village with thatched-roof cottages and torchlight", "village", "medieval"),
    ("a vintage European street cafe with street lamps and passersby", "village", "european"),
    ("a sci-fi dystopian industrial wasteland with broken pipes and smelters", "industrial", "wasteland"),
    ("a Victorian glasshouse packed full of palms", "forest", "jungle"),
    ("a purple heather moor beneath fast autumn skies", "meadow", "flowers"),
    ("a vast salt flat covered by a sheet of shallow water", "shore", "lake"),
    ("flooded rice terraces in the last hour of sun", "meadow", "meadow"),
    ("a 1970s disco with a mirror ball over the dance floor", "interior", "cafe"),
    ("a synthwave horizon of glowing grid lines", "city", "skyline"),
    ("a quiet canal lined by tall gabled brick houses", "village", "european"),
    ("an arctic winter snowfield beneath the northern lights", "meadow", "meadow"),
    ("a valley of saguaro cacti", "meadow", "dunes"),
    ("a domed colony on a red desert planet", "space", "ground"),
    ("outer space with a glowing nebula and a planet", "space", "planet"),
    ("the surface of Mars", "space", "ground"),
    ("an underwater coral reef with schools of fish", "underwater", "reef"),
]


@functools.cache
def scene(prompt: str, seed: int = 7, width: int = WIDTH, height: int = HEIGHT) -> Scene:
    return Scene.from_prompt(prompt, seed=seed, width=width, height=height)


def smooth(picture: Picture) -> npt.NDArray[np.float32]:
    """The picture without its grain."""
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.5))


def change(one: Picture, other: Picture) -> float:
    """Mean absolute difference that is not grain."""
    return float(np.abs(smooth(one) - smooth(other)).mean())


def motion(of: Scene, seconds: float = 0.5) -> float:
    return change(of.frame(0.0), of.frame(seconds))


class TestMatch:
    @pytest.mark.parametrize(("prompt", "family", "kind"), PROMPTS)
    def test_puts_a_prompt_where_a_person_would(self, prompt: str, family: str, kind: str) -> None:
        spec = match(f"Shift the background to {prompt}. The subject should remain perfectly still.")
        assert (spec.family, spec.kind) == (family, kind)

    @pytest.mark.parametrize("prompt", ["", "???", "Keep everything else unchanged", "日本語の背景"])
    def test_has_a_family_for_a_prompt_that_names_none(self, prompt: str) -> None:
        assert match(prompt).family == vocabulary.FALLBACK_FAMILY

    @pytest.mark.parametrize(
        "prompt", ["carpets of scarves", "a seashell necklace", "classics", "parkour shoes"]
    )
    def test_matches_whole_words_only(self, prompt: str) -> None:
        assert match(prompt) == match("")

    @pytest.mark.parametrize(
        ("said", "base"),
        [("beaches", "beach"), ("Villages", "village"), ("MOUNTAINS", "mountain"), ("valleys", "valley")],
    )
    def test_knows_plurals_and_capitals(self, said: str, base: str) -> None:
        assert match(said) == match(base)
        assert match(said).family != vocabulary.FALLBACK_FAMILY

    @pytest.mark.parametrize(
        ("prompt", "attribute", "wanted"),
        [
            ("a forest in autumn", "season", "autumn"),
            ("melting snow in spring", "season", "spring"),
            ("a frozen meadow under snowfall", "season", "winter"),
            ("a beach at sunset", "time_of_day", "twilight"),
            ("a beach under a starry sky at midnight", "time_of_day", "night"),
            ("golden hour over the fields", "time_of_day", "golden"),
            ("a street in the rain", "weather", "rain"),
            ("an oil painting of a harbor", "style", "oil"),
            ("a film noir street", "style", "noir"),
        ],
    )
    def test_reads_season_time_weather_and_style(self, prompt: str, attribute: str, wanted: str) -> None:
        assert getattr(match(prompt), attribute) == wanted

    def test_energy_follows_the_words(self) -> None:
        energies = [
            match(f"a meadow, {words}").energy
            for words in (
                "serene and still, grass swaying slowly and gently",
                "grass swaying gently",
                "grass swaying",
                "grass swaying in a strong wind",
                "grass swaying vigorously in a violent storm",
            )
        ]
        assert energies == sorted(energies)
        assert len(set(energies)) == len(energies)
        assert energies[2] == 0.5

    def test_a_still_person_does_not_calm_the_scene(self) -> None:
        assert (
            match("crashing waves. The subject should remain perfectly still.").energy
            == match("crashing waves").energy
        )
        assert match("still waves").energy < match("waves").energy

    def test_without_takes_a_word_away(self) -> None:
        assert match("a beach without rain").weather == "clear"
        assert match("a beach with no snow").season == match("a beach").season

    def test_nothing_falls_where_it_cannot(self) -> None:
        assert "snow" in match("a village, snow falling").particles
        assert match("a cabin interior with a fireplace, snow falling outside").particles == ("dust",)

    @given(st.text(max_size=200))
    def test_any_text_gives_a_spec_that_can_be_painted(self, prompt: str) -> None:
        spec = match(prompt)
        assert spec.kind in vocabulary.KIND_TERMS[spec.family]
        assert spec.family in FAMILIES
        assert 0.0 < spec.energy < 1.0
        assert set(spec.particles) <= set(DRIFTS)
        assert spec == match(prompt.upper().lower())

    @given(st.lists(st.sampled_from(sorted(vocabulary.FAMILY_TERMS["shore"])), min_size=1, max_size=6))
    def test_the_order_of_words_that_stand_apart_does_not_matter(self, words: list[str]) -> None:
        assert match(", and ".join(words)) == match(", and ".join(reversed(words)))


class TestPicture:
    @pytest.mark.parametrize(("family", "kind"), KINDS)
    def test_every_kind_is_a_picture_that_moves(self, family: str, kind: str) -> None:
        spec = replace(match("a calm day"), family=family, kind=kind, energy=0.5)
        painted = Scene(spec, seed=3, width=WIDTH, height=HEIGHT)
        still = painted.frame(0.0)
        assert still.shape == (HEIGHT, WIDTH, 3)
        assert still.dtype == np.uint8
        assert 12 < still.mean() < 243
        assert still.std() > 15
        assert change(still, painted.frame(0.5)) > 1.2

    @pytest.mark.parametrize(("width", "height"), [(128, 96), (96, 160), (426, 240), (640, 98), (498, 482)])
    @pytest.mark.parametrize("prompt", ["a tropical beach", "a neon street in the rain"])
    def test_any_even_size(self, prompt: str, width: int, height: int) -> None:
        picture = scene(prompt, 1, width, height).frame(0.3)
        assert picture.shape == (height, width, 3)
        assert picture.std() > 15

    @pytest.mark.parametrize(("width", "height"), [(321, 192), (320, 64), (5000, 400), (4096, 4096), (0, 0)])
    def test_refuses_sizes_it_cannot_paint(self, width: int, height: int) -> None:
        with pytest.raises(MediaError) as caught:
            Scene.from_prompt("a beach", seed=0, width=width, height=height)
        assert caught.value.got == f"{width}x{height}"

    def test_refuses_a_negative_seed(self) -> None:
        with pytest.raises(ConfigError):
            Scene.from_prompt("a beach", seed=-1, width=WIDTH, height=HEIGHT)

    def test_seeds_differ(self) -> None:
        stills = [scene("a forest clearing", seed).frame(0.0) for seed in (7, 8)]
        assert change(*stills) > 8

    def test_description_can_be_recorded(self) -> None:
        description = scene("a snowy village at night").description
        assert json.loads(json.dumps(description)) == description
        assert description["family"] == "village"
        assert description["season"] == "winter"
        assert description["time_of_day"] == "night"
        assert description["energy"] == 0.5


class TestTime:
    @pytest.mark.parametrize(
        "prompt", ["a meadow with petals", "a medieval village with torches", "a neon street in the rain"]
    )
    def test_any_order_gives_the_same_pictures(self, prompt: str) -> None:
        painted = scene(prompt)
        forward = list(painted.frames(5, fps=16))
        assert len(forward) == 5
        for k in (4, 0, 2):
            np.testing.assert_array_equal(painted.frame(k / 16), forward[k])

    @pytest.mark.parametrize(
        "prompt", ["a beach", "a medieval village with torches", "a coral reef", "a snowy pine forest"]
    )
    def test_nothing_pops(self, prompt: str) -> None:
        frames = list(scene(prompt).frames(17))
        steps = [change(one, other) for one, other in itertools.pairwise(frames)]
        assert max(steps) < 2.0 * float(np.quantile(steps, 0.8))  # a jump would stand alone above the rest

    def test_energy_drives_motion(self) -> None:
        spec = match("a prairie")
        calm, lively = (
            Scene(replace(spec, energy=energy), seed=5, width=WIDTH, height=HEIGHT) for energy in (0.1, 0.9)
        )
        assert motion(lively, 1 / 16) > 2 * motion(calm, 1 / 16)

    def test_a_calm_scene_still_moves(self) -> None:
        spec = replace(match("a landscape"), energy=0.05)
        assert motion(Scene(spec, seed=5, width=WIDTH, height=HEIGHT), 1.0) > 0.8


class TestModifiers:
    def test_night_is_darker_than_noon(self) -> None:
        for place in ("a meadow", "a beach"):
            assert (
                scene(f"{place} at night").frame(0.0).mean()
                < 0.6 * scene(f"{place} at noon").frame(0.0).mean()
            )

    def test_winter_ground_is_brighter_and_bluer_than_summer(self) -> None:
        ground = {
            season: scene(f"a meadow in {season} at noon").frame(0.0)[2 * HEIGHT // 3 :].mean(axis=(0, 1))
            for season in ("summer", "winter")
        }
        assert ground["winter"].mean() > 1.3 * ground["summer"].mean()
        assert ground["winter"][2] / ground["winter"].sum() > ground["summer"][2] / ground["summer"].sum()

    def test_autumn_is_redder_than_summer(self) -> None:
        red = {
            season: scene(f"a forest in {season} at noon").frame(0.0).mean(axis=(0, 1))
            for season in ("summer", "autumn")
        }
        assert red["autumn"][0] / red["autumn"][1] > 1.2 * red["summer"][0] / red["summer"][1]

    def test_golden_hour_is_warmer_than_noon(self) -> None:
        noon, golden = (
            scene(f"a beach at {hour}").frame(0.0).mean(axis=(0, 1)) for hour in ("noon", "golden hour")
        )
        assert golden[0] / golden[2] > 1.3 * noon[0] / noon[2]

    def test_noir_has_no_colour(self) -> None:
        picture = scene("a film noir city skyline").frame(0.0).astype(int)
        assert np.abs(picture.max(axis=2) - picture.min(axis=2)).max() <= 2

    def test_snow_falls_only_when_asked_for(self) -> None:
        spec = match("a village at night")
        without, with_snow = (
            Scene(replace(spec, particles=particles), seed=5, width=WIDTH, height=HEIGHT).frame(0.0)
            for particles in ((), ("snow",))
        )
        brighter = with_snow.astype(int).mean(axis=2) - without.astype(int).mean(axis=2) > 40
        assert 0.001 < brighter.mean() < 0.2


def _digest(prompt: str) -> str:
    painted = Scene.from_prompt(prompt, seed=11, width=WIDTH, height=HEIGHT)
    return hashlib.sha256(b"".join(painted.frame(t).tobytes() for t in (0.0, 0.4))).hexdigest()


ELSEWHERE = """
import hashlib, sys, cv2
from sparkle.generation.backends.drawing.render import Scene
cv2.setNumThreads(2)
for prompt in sys.argv[1:]:
    painted = Scene.from_prompt(prompt, seed=11, width=256, height=144)
    print(hashlib.sha256(b"".join(painted.frame(t).tobytes() for t in (0.0, 0.4))).hexdigest())
"""


@pytest.mark.slow
def test_the_same_bytes_in_another_process_with_other_threads() -> None:
    prompts = ["a lake below mountain peaks, oil painting", "a neon street in the rain", "a library study"]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        here = [_digest(prompt) for prompt in prompts]
    finally:
        cv2.setNumThreads(threads)
    there = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *prompts], capture_output=True, text=True, check=True
    )
    assert there.stdout.split() == here


def test_global_random_state_is_left_alone() -> None:
    before = np.random.get_state(legacy=False)
    scene("a prairie with falling leaves", seed=12).frame(0.1)
    np.testing.assert_equal(np.random.get_state(legacy=False), before)


def test_specs_are_values() -> None:
    spec = match("a beach at dawn")
    assert isinstance(spec, SceneSpec)
    assert spec == match("a beach at dawn")
    assert hash(spec) == hash(match("a beach at dawn"))
