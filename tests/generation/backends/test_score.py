"""The classical scorer: good edits score high, every degradation lowers them, and nothing breaks it."""

from __future__ import annotations

import json
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.generation.backends import make_backend
from sparkle.generation.backends.classical.composite import composite_frame, fit_harmony
from sparkle.generation.backends.classical.image_scorer import (
    ScoredFrame,
    score_edit,
    score_frame,
    score_removal,
)
from sparkle.generation.backends.classical.quality import MOTION_GAP, later_index, measure_edit
from sparkle.generation.backends.drawing.render import Scene
from sparkle.generation.config import load_config
from sparkle.generation.taxonomy import load_taxonomy
from sparkle.media.encode import encode
from sparkle.media.frames import score_indices
from sparkle.media.mask import save_mask
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import MediaError
from sparkle.schemas.records import FrameScore, ImageScore

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
WIDTH, HEIGHT = 320, 192
CENTRES = ((150, 100), (160, 104), (168, 98), (156, 96))
DRAWN = [scene for scene in load_taxonomy().all_scenes if scene.is_drawn]
PROMPT = "put the subject on a beach"


def texture(seed: int, colour: tuple[int, int, int], scale: float = 4.0) -> Image:
    """A random pattern around a colour: soft blotches and some finer grain."""
    noise = (
        np.random.Generator(np.random.PCG64([seed])).standard_normal((HEIGHT, WIDTH, 3)).astype(np.float32)
    )
    blotches, grain = (cv2.GaussianBlur(noise, (0, 0), sigma) for sigma in (scale, 1.0))
    pattern = 38 * blotches / blotches.std() + 6 * grain / grain.std()
    return np.clip(np.array(colour, np.float32) + pattern, 0, 255).astype(np.uint8)


def silhouette(centre: tuple[int, int]) -> Floats:
    """A head, a body and an arm that points to the right."""
    x, y = centre
    shape = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.circle(shape, (x, y - 40), 18, 1.0, -1)
    cv2.ellipse(shape, (x, y + 20), (26, 44), 0, 0, 360, 1.0, -1)
    cv2.line(shape, (x + 10, y), (x + 70, y - 10), 1.0, 16)
    return np.asarray(cv2.GaussianBlur(shape, (0, 0), 0.8), np.float32)


def over(front: Image, back: Image, alpha: Floats) -> Image:
    return np.rint(front * alpha[..., None] + back * (1 - alpha[..., None])).astype(np.uint8)


def moved(image: npt.NDArray[np.generic], dx: float, dy: float) -> npt.NDArray[np.generic]:
    return np.asarray(cv2.warpAffine(image, np.array([[1.0, 0, dx], [0, 1.0, dy]]), (WIDTH, HEIGHT)))


SUBJECT = texture(1, (170, 120, 100), 3.0)
ROOM = texture(2, (90, 110, 90))
ALPHAS = np.stack([silhouette(centre) for centre in CENTRES])
MASKS = ALPHAS > 0.5
SUBJECTS = np.stack([moved(SUBJECT, x - CENTRES[0][0], y - CENTRES[0][1]) for x, y in CENTRES])
SCENES = np.stack([texture(10 + index, (120, 140, 190), 1.5) for index in range(4)])
SOURCES = np.stack([over(*parts) for parts in zip(SUBJECTS, [ROOM] * 4, ALPHAS, strict=True)])


def edit_with(alphas: Floats, scenes: Image = SCENES) -> Image:
    return np.stack([over(*parts) for parts in zip(SOURCES, scenes, alphas, strict=True)])


GOOD = edit_with(ALPHAS)


def on_all(change: Callable[[Image], npt.NDArray[np.generic]], frames: Image = GOOD) -> Image:
    return np.stack([np.clip(change(frame), 0, 255).astype(np.uint8) for frame in frames])


def shifted(strength: float) -> Image:
    return edit_with(np.stack([moved(alpha, 3 * strength, strength) for alpha in ALPHAS]))


def without_arm(strength: float) -> Image:
    cut = ALPHAS.copy()
    for alpha, (x, _) in zip(cut, CENTRES, strict=True):
        alpha[:, x + 70 - round(18 * strength) :] = 0
    return edit_with(cut)


def cast(strength: float) -> Image:
    return on_all(lambda frame: frame * np.exp(np.array([0.18, -0.06, -0.12]) * strength))


def cast_subject(strength: float) -> Image:
    return np.stack([over(*parts) for parts in zip(cast(strength), GOOD, ALPHAS, strict=True)])


def blurred(strength: float) -> Image:
    return on_all(lambda frame: cv2.GaussianBlur(frame, (0, 0), strength))


def blurred_scene(strength: float) -> Image:
    return np.stack([over(*parts) for parts in zip(GOOD, blurred(strength), ALPHAS, strict=True)])


def noisy(strength: float) -> Image:
    noise = np.random.Generator(np.random.PCG64([5])).standard_normal((HEIGHT, WIDTH, 3))
    return on_all(lambda frame: frame + 14 * strength * noise)


def overexposed(strength: float) -> Image:
    return on_all(lambda frame: frame * (1 + 0.8 * strength))


def with_rim(strength: float) -> Image:
    side = 2 * round(strength) + 3
    return edit_with(np.stack([cv2.dilate(alpha, np.ones((side, side), np.uint8)) for alpha in ALPHAS]))


def scored(edited: Image, sources: Image = SOURCES) -> list[FrameScore]:
    """The scores of four frames, each beside the next of them."""
    parts = (sources, edited, MASKS, np.roll(edited, -1, axis=0), np.roll(MASKS, -1, axis=0))
    return [score_frame(ScoredFrame(*frame)) for frame in zip(*parts, strict=True)]


def video(edited: Image, sources: Image = SOURCES) -> float:
    return float(np.mean([frame.O_score for frame in scored(edited, sources)]))


def first(edited: Image) -> ImageScore:
    return score_edit(SOURCES[0], edited[0], MASKS[0])


DEGRADATIONS = [
    shifted,
    without_arm,
    cast,
    cast_subject,
    blurred,
    blurred_scene,
    noisy,
    overexposed,
    with_rim,
]


@pytest.mark.parametrize("degrade", DEGRADATIONS, ids=lambda degrade: degrade.__name__)
def test_the_worse_the_lower(degrade: Callable[[float], Image]) -> None:
    frames = [GOOD, *(degrade(strength) for strength in (1.0, 2.0, 3.0))]
    for scores in ([video(edited) for edited in frames], [first(edited).overall for edited in frames]):
        assert scores == sorted(scores, reverse=True)
        assert scores[0] - scores[-1] > 0.3


def test_the_source_pasted_by_a_shifted_mask_shows_by_the_old_background() -> None:
    for pixels in (6, 12, 18):
        alphas = (moved(alpha, pixels, 0) for alpha in ALPHAS)
        pasted = np.stack([over(*parts) for parts in zip(SOURCES, GOOD, alphas, strict=True)])
        assert video(pasted) < video(GOOD) - 2
        assert first(pasted).overall < first(GOOD).overall - 2


def test_a_good_edit_scores_high_and_a_harmonised_one_nearly_so() -> None:
    harmony = fit_harmony(SOURCES[MASKS], SCENES[0])
    parts = zip(SOURCES, ALPHAS, SCENES, strict=True)
    assert video(GOOD) > 9
    assert video(np.stack([composite_frame(*part, harmony) for part in parts])) > 8.5


@pytest.mark.parametrize("fault", ["legs", "strip"])
def test_an_edit_by_a_mask_that_lacks_a_part_or_holds_old_background_is_rejected(fault: str) -> None:
    whole = ALPHAS[0]
    plain, wall = (
        cv2.GaussianBlur(each, (0, 0), 8) for each in (SUBJECT, ROOM)
    )  # patterns have edges anywhere
    source = over(plain, wall, whole)
    if fault == "legs":
        wrong = whole.copy()
        wrong[CENTRES[0][1] + 25 :] = 0
    else:
        wrong = np.maximum(whole, np.asarray(moved(whole, 9, 0), np.float32))
    # The scorer is given the mask that the edit was made with, as in a run.
    by_wrong, by_whole = (
        score_edit(source, over(source, SCENES[0], alpha), alpha > 0.5, founded=True)
        for alpha in (wrong, whole)
    )
    assert by_wrong.overall < load_config("classical").thresholds.edited_frame0 <= by_whole.overall
    assert "no edge along" in by_wrong.SC_reasoning


def test_black_before_black_is_no_fault_of_the_mask() -> None:
    rows, columns = np.mgrid[:180, :320]
    whole, head = (np.hypot(columns - 160, rows - 90) < 60, rows < 80)
    for behind, least, most in ((0, 0.0, 0.0), (70, 0.1, 1.0)):
        source = np.full((180, 320, 3), behind, np.uint8)
        source[whole & ~head] = (190, 150, 120)  # above that, as what is behind it
        assert least <= measure_edit(source, 255 - source, whole).unfounded <= most


@pytest.mark.parametrize(
    ("shown", "kept"),
    [("palm-lined tropical beach", True), ("snowy pine forest", False), ("neon-lit avenue", False)],
)
def test_a_scene_that_is_not_the_one_of_the_instruction_is_rejected(shown: str, kept: bool) -> None:
    scene = next(scene for scene in DRAWN if shown in scene.keyword)
    prompt = "a tropical beach where waves roll in and palm fronds sway"
    drawn = Scene(scene, seed=3, width=WIDTH, height=HEIGHT)
    edited = [over(SOURCES[k], drawn.frame(t), ALPHAS[k]) for k, t in enumerate((0.0, 0.5))]
    score = score_edit(SOURCES[0], edited[0], MASKS[0], recipe=prompt)
    frame = score_frame(ScoredFrame(SOURCES[0], edited[0], MASKS[0], edited[1], MASKS[1]), recipe=prompt)
    limits = load_config("classical").thresholds
    assert (score.overall >= limits.edited_frame0) is kept
    assert (frame.O_score >= limits.edited_video) is kept
    assert "the scene agrees with the instruction's by" in score.SC_reasoning
    assert (json.loads(frame.SC_raw_output)["agreement"] > 0.4) is kept
    assert score_edit(SOURCES[0], edited[0], MASKS[0]).prompt_following == 10  # who does not ask


def test_what_no_recipe_draws_is_in_no_drawn_picture() -> None:
    scene = Scene(DRAWN[0], seed=3, width=WIDTH, height=HEIGHT).frame(0.0)
    edited = over(SOURCES[0], scene, ALPHAS[0])
    assert score_edit(SOURCES[0], edited, MASKS[0], recipe="a folded fox").prompt_following == 0


def test_the_source_itself_is_no_edit() -> None:
    score = first(SOURCES)
    assert score.prompt_following < 1
    assert score.overall < 2
    assert video(SOURCES) < 1


def test_a_frozen_background_shows_between_the_frames_but_not_on_one() -> None:
    frozen = edit_with(ALPHAS, np.repeat(SCENES[:1], 4, axis=0))
    assert first(frozen).overall > 9
    assert video(frozen) < 2
    grain = np.random.Generator(np.random.PCG64([6])).normal(0, 3, frozen.shape)
    assert video(np.clip(frozen + grain, 0, 255).astype(np.uint8)) < 4


@given(st.integers(2, 200), st.data())
def test_the_frame_beside_lies_in_the_clip_and_as_far_as_it_can(frames: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, frames - 1))
    gap = abs(later_index(index, frames) - index)
    assert 0 <= later_index(index, frames) < frames
    assert gap == min(MOTION_GAP, max(index, frames - 1 - index))


def gentle_clip(frames: int, frozen_from: int) -> Image:
    """A still subject before a scene that drifts by 0.3 pixels a frame, until it freezes."""
    scenes = (moved(SCENES[0], 0.3 * min(t, frozen_from), 0) for t in range(frames))
    return np.stack([over(SOURCES[0], np.asarray(scene, np.uint8), ALPHAS[0]) for scene in scenes])


@pytest.fixture(scope="module")
def backend_score(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Image], float]:
    """The score of a clip of files, as the video_score step takes it."""
    folder = tmp_path_factory.mktemp("videos")
    backend = make_backend(load_config(None, ["backends.image_scorer.drawn=false"]), "image_scorer")

    def score(edited: Image) -> float:
        paths = [folder / name for name in ("source.mp4", "edited.mp4", "mask.npz")]
        encode(np.repeat(SOURCES[:1], len(edited), axis=0), paths[0])
        encode(edited, paths[1])
        save_mask(paths[2], np.repeat(MASKS[:1], len(edited), axis=0))
        frames = backend.score_frames(*paths, PROMPT, score_indices(len(edited)))
        return float(np.mean([frame.O_score for frame in frames]))

    return score


def test_a_gentle_scene_scores_the_same_however_short_the_clip(
    backend_score: Callable[[Image], float],
) -> None:
    scores = [backend_score(gentle_clip(frames, frozen_from=99)) for frames in (9, 17, 49)]
    assert min(scores) > 8
    assert max(scores) - min(scores) < 0.5


def test_a_scene_that_freezes_halfway_scores_half(backend_score: Callable[[Image], float]) -> None:
    alive, halfway, frozen = (backend_score(gentle_clip(49, frozen_from)) for frozen_from in (99, 24, 0))
    assert alive > halfway + 2
    assert halfway > frozen + 2
    assert frozen < 1


def test_a_change_of_light_is_no_motion() -> None:
    frozen = edit_with(ALPHAS, np.repeat(SCENES[:1], 4, axis=0)).astype(np.int16)
    brighter = np.clip(frozen + np.arange(4).reshape(4, 1, 1, 1) * 4, 0, 255).astype(np.uint8)
    assert video(brighter) < video(GOOD) - 4


def test_mild_relighting_is_forgiven() -> None:
    relit = on_all(lambda frame: frame * np.array([0.97, 0.93, 0.88]))
    assert video(GOOD) - video(relit) < 1
    assert video(relit) > video(shifted(2.0)) + 1


def test_a_removed_subject_scores_high_and_what_is_left_of_it_lowers() -> None:
    boxes = np.zeros((HEIGHT, WIDTH), bool)
    ys, xs = np.nonzero(MASKS[0])
    boxes[ys.min() - 2 : ys.max() + 3, xs.min() - 2 : xs.max() + 3] = True

    def overall(removed: Image) -> float:
        return score_removal(GOOD[0], removed, boxes).overall

    def ghost(strength: float) -> Image:
        return over(GOOD[0], SCENES[0], np.full((HEIGHT, WIDTH), strength, np.float32))

    clean = overall(SCENES[0])
    ghosts = [clean, *(overall(ghost(strength)) for strength in (0.3, 0.6, 1.0))]
    assert clean > 6
    assert ghosts == sorted(ghosts, reverse=True)
    assert ghosts[-1] < 4
    smeared = over(cv2.GaussianBlur(SCENES[0], (0, 0), 6), SCENES[0], ALPHAS[0])
    painted = over(np.full_like(SCENES[0], (200, 60, 60)), SCENES[0], ALPHAS[0])
    outside = np.where(boxes[..., None], SCENES[0], SCENES[1])
    for worse in (smeared, painted, outside):
        assert overall(worse) < clean - 0.5


def test_the_records_say_what_was_measured() -> None:
    for frame in scored(GOOD):
        assert frame.O_score == pytest.approx(np.sqrt(frame.SC_score * frame.PQ_score), abs=1e-3)
        found = json.loads(frame.SC_raw_output) | json.loads(frame.PQ_raw_output)
        assert {"replaced", "motion", "identity", "sharpness", "noise"} <= set(found)
        assert frame.SC_score_reasoning.startswith("Measured by the classical scorer: ")
    score = first(GOOD)
    least = min(score.prompt_following, score.consistency)
    assert score.overall == pytest.approx(np.sqrt(least * score.perceptual_quality), abs=1e-3)


def test_the_same_scores_for_one_and_two_threads() -> None:
    threads = cv2.getNumThreads()
    try:
        results = []
        for count in (1, 2):
            cv2.setNumThreads(count)
            results.append(scored(shifted(2.0)))
    finally:
        cv2.setNumThreads(threads)
    assert results[0] == results[1]


def test_what_was_kept_hardly_depends_on_the_size_of_the_frames() -> None:
    large = [
        cv2.resize(image, (4 * WIDTH, 4 * HEIGHT), interpolation=cv2.INTER_CUBIC)
        for image in (SOURCES[0], GOOD[0])
    ]
    mask = cv2.resize(ALPHAS[0], (4 * WIDTH, 4 * HEIGHT)) > 0.5
    found, wanted = score_edit(*large, mask), first(GOOD)
    assert found.prompt_following == pytest.approx(wanted.prompt_following, abs=1)
    assert found.consistency == pytest.approx(wanted.consistency, abs=1)
    assert found.perceptual_quality < wanted.perceptual_quality  # what is enlarged is not sharp


def test_without_a_subject_nothing_was_kept() -> None:
    empty = np.zeros((HEIGHT, WIDTH), bool)
    assert score_edit(SOURCES[0], SCENES[0], empty).consistency < 2
    assert score_edit(SOURCES[0], SOURCES[0], ~empty).prompt_following == 0
    assert score_removal(GOOD[0], SCENES[0], empty).prompt_following < 1


def test_what_cannot_be_compared_is_an_error() -> None:
    with pytest.raises(MediaError, match="one size"):
        score_edit(SOURCES[0], GOOD[0][:-2], MASKS[0])
    with pytest.raises(MediaError, match="one size"):
        score_removal(SOURCES[0], GOOD[0], MASKS[0][:-2])
    with pytest.raises(MediaError, match="one size"):
        score_frame(ScoredFrame(SOURCES[0], GOOD[0], MASKS[0], GOOD[1][:-2], MASKS[1]))


@settings(max_examples=40)
@given(
    st.integers(0, 2**31),
    st.integers(1, 48),
    st.integers(1, 48),
    st.sampled_from((0.0, 0.02, 0.5, 1.0)),
    st.sampled_from((0, 1, 255)),
)
def test_any_images_have_a_score(seed: int, height: int, width: int, share: float, spread: int) -> None:
    rng = np.random.Generator(np.random.PCG64([seed]))
    frames = rng.integers(0, spread + 1, (2, 4, height, width, 3)).astype(np.uint8)
    masks = rng.random((4, height, width)) < share
    records: list[ImageScore | FrameScore] = [
        score_edit(frames[0, 0], frames[1, 0], masks[0]),
        score_removal(frames[0, 0], frames[1, 0], masks[0]),
        score_frame(ScoredFrame(frames[0, 0], frames[1, 0], masks[0], frames[1, 1], masks[1])),
    ]
    for record in records:
        numbers = [value for value in plain(record).values() if isinstance(value, float)]
        assert all(np.isfinite(value) and 0 <= value <= 10 for value in numbers)
        assert all(value == round(value, 4) for value in numbers)
