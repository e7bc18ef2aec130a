"""What a measure sees and what it leaves out, on drawn clips and on made-up pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn_clips.synthetic import draw_clip
from sparkle.media.decode import decode
from sparkle.media.encode import encode
from sparkle.media.frames import resize
from sparkle.media.measures import background_motion, flicker, foreground_psnr, mask_stability, sharpness
from sparkle.schemas.errors import MediaError

SIZE = (320, 180)
EMPTY = np.zeros((9, 60, 80), np.bool_)
FULL = ~EMPTY


def middle(count: int = 9) -> np.ndarray:
    """Masks of a square in the middle."""
    masks = np.zeros((count, 60, 80), np.bool_)
    masks[:, 20:40, 30:50] = True
    return masks


def noise(count: int = 9, seed: int = 0) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 255, (count, 60, 80, 3), np.uint8)


@pytest.fixture(scope="module", params=[0, 1, 2])
def drawn(request, tmp_path_factory):
    """A drawn clip at working size with its masks."""
    path = tmp_path_factory.mktemp("drawn") / "clip.mp4"
    masks = draw_clip(path, seed=request.param, frames=17)
    return decode(path, size=SIZE), resize(masks, SIZE)


def revived(frames, masks, pixels_a_frame):
    """The same subject before a scene that drifts, as an edited background does."""
    height, width = masks.shape[1:]
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        127 + 50 * np.sin((x + pixels_a_frame * k) / 5) * np.cos((y - pixels_a_frame * k) / 7)
        for k in range(len(frames))
    ]
    scene = np.repeat(np.asarray(waves, np.uint8)[..., None], 3, axis=-1)
    return np.where(masks[..., None], frames, scene)


def test_a_frozen_scene_does_not_move_and_a_drifting_one_does(drawn, tmp_path):
    frames, masks = drawn
    found = []
    for speed in (0, 0.5):
        encode(revived(frames, masks, speed), tmp_path / "clip.mp4")
        found.append(background_motion(decode(tmp_path / "clip.mp4"), masks))
    frozen, alive = found
    assert frozen < 0.01
    assert alive > 1
    # The drawn scene itself stands still but for the subject's shadow.
    assert frozen < background_motion(frames, masks) < alive / 2


def test_the_subject_does_not_count_as_background(drawn):
    frames, masks = drawn
    assert background_motion(frames, np.zeros_like(masks)) > 10 * background_motion(frames, masks) + 0.1


def test_grain_alone_is_no_motion(tmp_path):
    rng = np.random.Generator(np.random.PCG64(0))
    scene = resize(noise(1)[:, :12, :16], (1280, 720)).astype(float)
    grainy = [np.clip(scene[0] + rng.normal(0, 4, (720, 1280, 1)), 0, 255).astype(np.uint8) for _ in range(9)]
    encode(grainy, tmp_path / "grain.mp4")
    frames = decode(tmp_path / "grain.mp4", size=SIZE)
    assert background_motion(frames, np.zeros(frames.shape[:3], np.bool_)) < 0.01


def test_more_motion_measures_more(drawn):
    frames, masks = drawn
    found = [background_motion(revived(frames, masks, speed), masks) for speed in (0, 0.25, 0.5, 1)]
    assert found[0] == 0
    assert found == sorted(found)


def test_psnr_of_the_subject_ignores_the_background():
    source, edited = noise(), noise(seed=1)
    masks = middle()
    edited[masks] = source[masks]
    assert foreground_psnr(source, edited, masks) == 60
    assert foreground_psnr(source, edited, FULL) < 12


@settings(max_examples=20)
@given(st.integers(1, 100))
def test_psnr_is_that_of_its_definition(error):
    source = np.full((3, 60, 80, 3), 100, np.uint8)
    edited = source + np.uint8(error)
    expected = min(60.0, 20 * np.log10(255 / error))
    assert foreground_psnr(source, edited, middle(3)) == pytest.approx(expected)


def test_psnr_is_the_mean_over_frames_that_have_a_subject():
    source = np.full((9, 60, 80, 3), 100, np.uint8)
    edited = source.copy()
    edited[0] += 255 // 10
    masks = middle()
    masks[2:] = False
    expected = (20 * np.log10(255 / 25) + 60) / 2
    assert foreground_psnr(source, edited, masks) == pytest.approx(expected)


def test_a_subject_that_jitters_flickers():
    frames = np.full((9, 60, 80, 3), 100, np.uint8)
    frames[1::2][middle()[1::2]] += 10
    assert flicker(frames, middle()) == pytest.approx(10, abs=0.01)


def test_what_the_whole_scene_does_is_no_flicker():
    frames = np.full((9, 60, 80, 3), 100, np.uint8)
    frames[1::2] += 10
    assert flicker(frames, middle()) == pytest.approx(0, abs=1e-4)


def test_fading_is_no_flicker():
    frames = np.full((9, 60, 80, 3), 60, np.uint8)
    frames[middle()] += np.repeat(np.arange(9, dtype=np.uint8) * 5, 400)[:, None]
    assert flicker(frames, middle()) == pytest.approx(0, abs=1e-4)


def test_frames_without_subject_are_left_out_of_flicker():
    frames = np.full((9, 60, 80, 3), 100, np.uint8)
    frames[1::2][middle()[1::2]] += 10
    masks = middle()
    masks[7:] = False
    frames[7:] = 0
    assert flicker(frames, masks) == pytest.approx(10, abs=0.01)


def test_masks_that_stay_are_stable_and_masks_that_jump_are_not():
    assert mask_stability(middle()) == 1
    jumping = middle()
    jumping[1::2] = np.roll(jumping[1::2], 10, axis=2)
    assert mask_stability(jumping) == pytest.approx(1 / 3)
    jumping[1::2] = False
    assert mask_stability(jumping) == 0


def test_absent_on_two_frames_is_agreement():
    masks = middle(4)
    masks[2:] = False
    assert mask_stability(masks) == pytest.approx((1 + 0 + 1) / 3)


def test_blur_is_less_sharp_and_flat_is_not_sharp_at_all():
    sharp = noise()
    blurred = resize(resize(sharp, (40, 30)), (80, 60))
    assert sharpness(sharp) > 4 * sharpness(blurred) > 0
    assert sharpness(np.full((3, 20, 20, 3), 77, np.uint8)) == 0


NOTHING_TO_MEASURE = {
    "no background": lambda: background_motion(noise(), FULL),
    "one frame does not move": lambda: background_motion(noise(1), middle(1)),
    "no subject to compare": lambda: foreground_psnr(noise(), noise(), EMPTY),
    "no subject to flicker": lambda: flicker(noise(), EMPTY),
    "no scene to flicker against": lambda: flicker(noise(), FULL),
    "two frames do not flicker": lambda: flicker(noise(2), middle(2)),
    "no masks": lambda: mask_stability(EMPTY),
    "one mask": lambda: mask_stability(middle(1)),
    "no frames": lambda: sharpness(noise(0)),
    "gray frames": lambda: sharpness(noise()[..., 0]),
    "masks of another length": lambda: background_motion(noise(), middle(5)),
    "masks of bytes": lambda: background_motion(noise(), middle().astype(np.uint8)),
    "clips of different size": lambda: foreground_psnr(noise(), noise()[:, 1:], middle()),
}


@pytest.mark.parametrize("reason", NOTHING_TO_MEASURE)
def test_nothing_to_measure_is_an_error_and_no_score(reason):
    with pytest.raises(MediaError):
        NOTHING_TO_MEASURE[reason]()
