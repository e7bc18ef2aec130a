"""The composite keeps the bytes outside the matte, the colours inside it, and no rim of the old scene."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.generation.backends.classical.composite import Harmony, composite_frame, fit_harmony
from sparkle.schemas.errors import MediaError

Image = npt.NDArray[np.uint8]
NEUTRAL = Harmony(gains=(1.0, 1.0, 1.0))
WIDTH, HEIGHT = 320, 192


def noise(seed: int, shape: tuple[int, ...]) -> Image:
    return np.random.Generator(np.random.PCG64([seed])).integers(0, 256, shape, dtype=np.uint8)


def flat(colour: tuple[int, int, int]) -> Image:
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def squares(size: int, *colours: tuple[int, int, int]) -> Image:
    y, x = np.indices((HEIGHT, WIDTH)) // size
    return np.array(colours, np.uint8)[(x + y) % 2]


def disc(radius: int, softness: float = 1.2) -> npt.NDArray[np.float32]:
    sharp = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.circle(sharp, (WIDTH // 2, HEIGHT // 2), radius, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(sharp, (0, 0), softness), np.float32)


def over(front: Image, back: Image, alpha: npt.NDArray[np.float32]) -> Image:
    return np.rint(front * alpha[..., None] + back * (1 - alpha[..., None])).astype(np.uint8)


def lab_mean(image: Image, where: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[where].mean(
        axis=0, dtype=np.float64
    )


def test_outside_the_matte_the_background_is_untouched() -> None:
    background, alpha = noise(1, (HEIGHT, WIDTH, 3)), disc(40)
    out = composite_frame(noise(2, background.shape), alpha, background, NEUTRAL)
    assert np.array_equal(out[alpha == 0], background[alpha == 0])
    assert not np.array_equal(out, background)


def test_an_empty_matte_gives_the_background_and_a_full_one_the_source() -> None:
    source, background = flat((180, 90, 60)), flat((20, 40, 200))
    empty, full = np.zeros((HEIGHT, WIDTH), np.float32), np.ones((HEIGHT, WIDTH), np.float32)
    assert np.array_equal(composite_frame(source, empty, background, NEUTRAL), background)
    assert np.abs(composite_frame(source, full, background, NEUTRAL).astype(int) - source).max() <= 2


def test_the_subjects_own_detail_survives_a_neutral_harmony() -> None:
    source, alpha = noise(3, (HEIGHT, WIDTH, 3)), disc(60)
    out = composite_frame(source, alpha, flat((0, 0, 0)), NEUTRAL)
    core = disc(40) > 0.999
    assert np.abs(out[core].astype(int) - source[core]).max() <= 2


@pytest.mark.parametrize("old", [(20, 220, 40), (250, 250, 250), (10, 10, 10)])
def test_the_old_background_leaves_no_rim(old: tuple[int, int, int]) -> None:
    subject, new = (170, 60, 70), (60, 70, 150)
    alpha = disc(50)
    source = over(flat(subject), flat(old), alpha)
    wanted = over(flat(subject), flat(new), alpha).astype(int)
    plain = over(source, flat(new), alpha).astype(int)
    out = composite_frame(source, alpha, flat(new), NEUTRAL).astype(int)
    rim = (alpha > 0.05) & (alpha < 0.95)
    rim_error, plain_error = (np.abs(image - wanted)[rim].mean() for image in (out, plain))
    assert rim_error < 0.5 * plain_error


@pytest.mark.parametrize("size", [8, 16])
def test_no_colour_is_made_up_where_the_subject_and_the_old_background_have_patterns(size: int) -> None:
    """Black squares at the edge of a hat before a blue night became orange."""
    subject = squares(size, (210, 185, 150), (20, 20, 20))
    old, new = squares(3 * size, (0, 30, 90), (40, 160, 200)), flat((0, 0, 0))
    alpha = disc(50)
    source = over(subject, old, alpha)
    out = composite_frame(source, alpha, new, NEUTRAL).astype(int)
    warmth = [(image[..., 0] - image[..., 2]).max() for image in (out, over(subject, new, alpha).astype(int))]
    assert warmth[0] <= warmth[1] + 3


@pytest.mark.parametrize("old", [(250, 250, 250), (10, 10, 10)])
def test_a_matte_within_the_subject_draws_no_outline(old: tuple[int, int, int]) -> None:
    subject, new = flat((170, 90, 110)), flat((60, 70, 60))
    source, alpha = over(subject, flat(old), disc(54)), disc(50)
    out = composite_frame(source, alpha, new, NEUTRAL).astype(int)
    assert np.abs(out - over(subject, new, alpha)).max() <= 2


def test_light_wraps_from_a_bright_scene_and_a_dark_one_takes_none_away() -> None:
    source, alpha = flat((60, 60, 60)), disc(50)
    inner_edge = (alpha > 0.9) & (alpha < 0.999)
    for level, least, most in ((240, 4, 40), (0, -1, 1)):
        scene = flat((level, level, level))
        added = composite_frame(source, alpha, scene, NEUTRAL).astype(int) - over(source, scene, alpha)
        assert least <= added[inner_edge].min()
        assert added[inner_edge].max() <= most


def test_harmony_moves_towards_the_scene_but_only_a_little() -> None:
    subject, scene = flat((120, 120, 120)), flat((250, 150, 60))
    harmony = fit_harmony(subject.reshape(-1, 3), scene)
    full = np.ones((HEIGHT, WIDTH), np.float32)
    everywhere = full > 0
    before, target = lab_mean(subject, everywhere), lab_mean(scene, everywhere)
    after = lab_mean(composite_frame(subject, full, scene, harmony), everywhere)
    assert np.linalg.norm(after - target) < np.linalg.norm(before - target)
    assert np.abs(after - before)[1:].max() < 12


def test_black_stays_black_in_any_light() -> None:
    harmony = fit_harmony(flat((90, 90, 90)).reshape(-1, 3), flat((255, 200, 120)))
    full = np.ones((HEIGHT, WIDTH), np.float32)
    out = composite_frame(flat((0, 0, 0)), full, flat((0, 0, 0)), harmony)
    assert out.max() <= 8


def test_one_harmony_gives_still_pixels_the_same_colour_on_every_frame() -> None:
    """A background that brightens leaves the inside of the subject alone: light is fitted once a clip."""
    source, alpha = noise(4, (HEIGHT, WIDTH, 3)), disc(70)
    harmony = fit_harmony(source[alpha > 0.9], flat((100, 120, 140)))
    first, second = (
        composite_frame(source, alpha, flat(c), harmony) for c in ((100, 120, 140), (140, 120, 100))
    )
    core = disc(20) > 0.999
    assert np.array_equal(first[core], second[core])


def test_the_same_bytes_for_one_and_two_threads() -> None:
    source, background, alpha = noise(5, (HEIGHT, WIDTH, 3)), noise(6, (HEIGHT, WIDTH, 3)), disc(60, 3.0)
    harmony = fit_harmony(source[alpha > 0.9], background)
    threads = cv2.getNumThreads()
    try:
        results = []
        for count in (1, 2):
            cv2.setNumThreads(count)
            results.append(composite_frame(source, alpha, background, harmony))
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(*results)


def test_what_cannot_be_composited_is_an_error() -> None:
    with pytest.raises(MediaError, match="no subject"):
        fit_harmony(np.zeros((0, 3), np.uint8), flat((0, 0, 0)))
    with pytest.raises(MediaError, match="one size"):
        composite_frame(flat((0, 0, 0)), np.zeros((8, 8), np.float32), flat((0, 0, 0)), NEUTRAL)


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(9, 70), st.integers(9, 70))
def test_any_images_composite(seed: int, height: int, width: int) -> None:
    rng = np.random.Generator(np.random.PCG64([seed]))
    source, background = (rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(2))
    alpha = np.clip(rng.normal(0.5, 1.0, (height, width)), 0, 1).astype(np.float32)
    out = composite_frame(source, alpha, background, fit_harmony(source.reshape(-1, 3), background))
    assert out.shape == source.shape
    assert out.dtype == np.uint8
    assert np.array_equal(out[alpha == 0], background[alpha == 0])
