import dataclasses
import re
from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from sparkle.generation.backends.classical.compose import choose_scene, compose_prompt, describe_frame
from sparkle.generation.taxonomy import TaxonomyScene, load_taxonomy, match_prompt
from sparkle.schemas.errors import ConfigError, MediaError
from sparkle.schemas.ids import TAXONOMY_THEMES

TAXONOMY = load_taxonomy()
SCENES = TAXONOMY.all_scenes
SEEDS = range(20)


@pytest.fixture(scope="module")
def prompts() -> list[tuple[TaxonomyScene, list[str]]]:
    """Twenty prompts of each scene: more than 2,000."""
    return [(scene, [compose_prompt(scene, seed=seed) for seed in SEEDS]) for scene in SCENES]


@pytest.fixture(scope="module")
def all_prompts(prompts) -> list[str]:
    return [prompt for _, of_scene in prompts for prompt in of_scene]


def test_length_is_within_upstreams(all_prompts):
    assert len(all_prompts) > 2000
    assert [prompt for prompt in all_prompts if not 151 <= len(prompt) <= 466] == []


SENTENCE = r"[A-Z][^.]*[^ .,]\."
FAULTS = (
    r"  | [,.]|,,|\.\.",  # spaces and marks
    r"[,.][^ ]",
    r"\{|\}",  # a slot or a verb left unresolved
    r"\b(\w+) \1\b",  # a word twice
    r"\ba [aeiou]|\ban [^aeiou]",  # no word of the taxonomy has a silent h or a consonant's u
    r"\b(with|where|while|as|and|include|Include|Add|Show)[,.]",  # an empty clause
    r"\b(with|where|while) (with|where|while|and)\b",
)


def test_prompts_are_whole_sentences(all_prompts):
    for prompt in all_prompts:
        assert re.fullmatch(f"{SENTENCE}( {SENTENCE})*", prompt), prompt


@pytest.mark.parametrize("fault", FAULTS)
def test_prompts_have_no_faults_of_grammar(all_prompts, fault):
    assert [prompt for prompt in all_prompts if re.search(fault, prompt)] == []


def test_a_prompt_tells_the_setting_one_light_and_one_to_three_moves(prompts):
    for scene, of_scene in prompts:
        for prompt in of_scene:
            assert prompt.count(scene.setting) == 1
            text = prompt.lower()
            told = [
                sum(doing.lower() in text or does.lower() in text for doing, does in pairs)
                for pairs in (
                    zip(scene.light, scene.light_finite, strict=True),
                    zip(scene.moves, scene.moves_finite, strict=True),
                )
            ]
            assert told[0] == 1, prompt
            assert 1 <= told[1] <= 3, prompt


def test_prompts_do_not_repeat_each_other(all_prompts):
    assert len(set(all_prompts)) >= 0.99 * len(all_prompts)


def test_prompts_of_one_scene_differ_in_words_and_in_structure(prompts):
    for scene, of_scene in prompts:
        openings = {prompt.split(scene.setting)[0] for prompt in of_scene}
        tellings = {" ".join(prompt.split(scene.setting)[1].split()[:2]) for prompt in of_scene}
        closings = {prompt.split(". ")[-1] for prompt in of_scene}
        assert len(set(of_scene)) >= 15, scene.keyword
        assert len(openings) >= 5, scene.keyword
        assert len(tellings) >= 5, scene.keyword
        assert len(closings) >= 5, scene.keyword


def test_a_prompt_is_matched_to_its_scene(prompts):
    found = [match_prompt(scene.theme, prompt) is scene for scene, few in prompts for prompt in few[:5]]
    assert np.mean(found) >= 0.95


@given(st.sampled_from(SCENES), st.integers(0, 2**63 - 1))
def test_any_seed_gives_one_prompt_of_the_right_length(scene, seed):
    prompt = compose_prompt(scene, seed=seed)
    assert 151 <= len(prompt) <= 466
    assert compose_prompt(scene, seed=seed) == prompt


def test_a_scene_of_too_few_words_is_an_error():
    terse = dataclasses.replace(
        SCENES[0],
        setting="a den",
        moves=("ash falling",) * 2,
        moves_finite=("ash falls",) * 2,
        light=("fire glowing",),
        light_finite=("fire glows",),
    )
    with pytest.raises(ConfigError, match="length") as caught:
        compose_prompt(terse, seed=0)
    assert terse.keyword in caught.value.where


@pytest.mark.parametrize("theme", TAXONOMY_THEMES)
def test_scenes_are_chosen_evenly_over_subthemes_then_scenes(theme):
    draws = 1500
    chosen = [choose_scene(theme, seed=seed) for seed in range(draws)]
    subthemes = Counter(scene.subtheme for scene in chosen)
    names = Counter(scene.keyword for scene in chosen)
    drawn = [scene for scene in TAXONOMY.scenes(theme) if scene.is_drawn]
    assert set(names) == {scene.keyword for scene in drawn}
    share = 1 / len({scene.subtheme for scene in drawn})
    spread = 5 * np.sqrt(draws * share * (1 - share))  # five standard deviations of a binomial
    assert all(abs(count - draws * share) < spread for count in subthemes.values())


def test_a_scene_is_chosen_by_its_seed():
    assert choose_scene("location", seed=7) is choose_scene("location", seed=7)


def test_free_prompts_have_no_scene_to_choose():
    with pytest.raises(ConfigError, match="no taxonomy"):
        choose_scene("openve3m", seed=0)
    with pytest.raises(ConfigError, match="not a theme"):
        choose_scene("weather", seed=0)


def flat(rgb: tuple[int, int, int], height: int = 90, width: int = 160) -> np.ndarray:
    return np.full((height, width, 3), rgb, np.uint8)


@pytest.mark.parametrize(
    ("rgb", "words"),
    [
        ((0, 0, 0), "A very dark, low-contrast scene in blacks with little fine detail."),
        ((128, 128, 128), "A moderately bright, low-contrast scene in grays with little fine detail."),
        ((255, 255, 255), "A very bright, low-contrast scene in whites with little fine detail."),
        ((255, 0, 0), "A moderately bright, low-contrast scene in vivid reds with little fine detail."),
        ((255, 255, 0), "A very bright, low-contrast scene in vivid yellows with little fine detail."),
        ((0, 200, 0), "A bright, low-contrast scene in vivid greens with little fine detail."),
        ((0, 0, 140), "A very dark, low-contrast scene in vivid dark blues with little fine detail."),
        ((96, 64, 40), "A dim, low-contrast scene in muted browns with little fine detail."),
    ],
)
def test_plain_colors_are_named(rgb, words):
    assert describe_frame(flat(rgb)) == words


def test_two_colors_are_named_with_the_larger_first():
    frame = flat((60, 120, 220))
    frame[:, :60] = (255, 0, 0)
    assert "vivid blues and reds" in describe_frame(frame)
    frame[:, 20:60] = (60, 120, 220)
    assert "vivid blues with" in describe_frame(frame)  # an eighth of the frame is not named


@pytest.mark.parametrize("side", ["top", "bottom", "left", "right"])
def test_the_brighter_side_is_named(side):
    frame = flat((60, 60, 60))
    half = {
        "top": np.s_[:45],
        "bottom": np.s_[45:],
        "left": np.s_[:, :80],
        "right": np.s_[:, 80:],
    }[side]
    frame[half] = 180
    assert describe_frame(frame).endswith(f", brighter toward the {side}.")


def test_fine_detail_is_measured_at_one_scale():
    noise = np.random.Generator(np.random.PCG64(5)).integers(0, 256, (192, 320, 3), np.uint8)
    assert "much fine detail" in describe_frame(noise)
    assert "little fine detail" in describe_frame(cv2.GaussianBlur(noise, (0, 0), 9))
    larger = cv2.resize(noise, (640, 384), interpolation=cv2.INTER_NEAREST)
    assert describe_frame(larger) == describe_frame(noise)


def test_contrast_grows_with_the_spread_of_lightness():
    ramp = np.linspace(-1, 1, 160)[None, :, None] * np.ones((90, 1, 3))
    words = [
        describe_frame(np.uint8(128 + spread * ramp)).split(", ")[1].split()[0] for spread in (10, 90, 127)
    ]
    assert words == ["low-contrast", "medium-contrast", "high-contrast"]


COLORS = (
    r"(blacks|grays|whites|pinks|crimsons|(deep )?reds|oranges|browns|yellows|olives"
    r"|(dark )?(greens|teals|blues|purples))"
)
SENTENCE_OF_A_FRAME = re.compile(
    r"A (very dark|dim|moderately bright|bright|very bright), (low|medium|high)-contrast scene"
    rf" in ((muted|vivid) )?{COLORS}( and ((muted|vivid) )?{COLORS})?"
    r" with (little|some|much) fine detail(, brighter toward the (top|bottom|left|right))?\."
)

frames = nps.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)))


@settings(max_examples=40)
@given(frames)
def test_any_frame_is_described_by_measured_words_only(frame):
    words = describe_frame(frame)
    assert SENTENCE_OF_A_FRAME.fullmatch(words)
    assert describe_frame(frame.copy()) == words


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
    ],
)
def test_what_is_no_frame_is_refused(frame):
    with pytest.raises(MediaError, match="not a frame"):
        describe_frame(frame)
