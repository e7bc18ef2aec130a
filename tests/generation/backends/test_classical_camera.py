"""A fixed camera is told from a moving one, whatever moves in front of it."""

import cv2
import numpy as np
import pytest

from sparkle.generation.backends.classical.flow import DenseFlow, camera_motion
from sparkle.schemas.rules import Thresholds

LIMITS = Thresholds()
WIDTH, HEIGHT, FRAMES = 320, 180, 25
STEP = WIDTH / 1280  # working pixels of one pixel at 720p


def scenery(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(40, 216, (height // 12, width // 12, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def filmed(
    dx: np.ndarray, dy: np.ndarray, zoom: np.ndarray | None = None, person: bool = False
) -> np.ndarray:
    """A clip by a camera that is dx, dy pixels (at 720p) off and zoomed in by a factor, frame by frame."""
    scene = scenery(WIDTH + 80, HEIGHT + 80)
    noise = np.random.default_rng(1)
    frames = []
    for t, (x, y) in enumerate(zip(dx, dy, strict=True)):
        scale = 1.0 if zoom is None else zoom[t]
        view = np.array([[scale, 0, -40 - x * STEP], [0, scale, -40 - y * STEP]])
        frame = cv2.warpAffine(scene, view, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
        if person:
            cv2.ellipse(frame, (160 + int(20 * np.sin(t)), 130), (45, 80), 0, 0, 360, (200, 60, 40), -1)
        frames.append(np.clip(frame + noise.normal(0, 2, frame.shape), 0, 255).astype(np.uint8))
    return np.stack(frames)


def moves(frames: np.ndarray) -> bool:
    motion = camera_motion(frames)
    return motion.short > LIMITS.camera_short or motion.long > LIMITS.camera_long


@pytest.mark.parametrize("person", [False, True])
def test_a_fixed_camera_is_kept(person):
    assert not moves(filmed(np.zeros(FRAMES), np.zeros(FRAMES), person=person))


@pytest.mark.parametrize("person", [False, True])
@pytest.mark.parametrize("speed", [0.5, 4.0])
def test_a_pan_is_seen(speed, person):
    assert moves(filmed(np.arange(FRAMES) * speed, np.zeros(FRAMES), person=person))


def test_a_shake_is_seen():
    dx, dy = np.random.default_rng(2).standard_normal((2, FRAMES))
    assert moves(filmed(dx, dy, person=True))


@pytest.mark.parametrize("rate", [0.001, 0.004])
def test_a_zoom_is_seen(rate):
    still = np.zeros(FRAMES)
    assert moves(filmed(still, still, zoom=1 + rate * np.arange(FRAMES)))


def test_a_pan_is_measured_in_pixels_at_720p():
    motion = camera_motion(filmed(np.arange(FRAMES) * 2.0, np.zeros(FRAMES)))
    assert motion.long == pytest.approx(2.0, abs=0.2)


def test_the_measure_does_not_depend_on_the_size_of_the_clip():
    frames = filmed(np.arange(FRAMES) * 2.0, np.zeros(FRAMES))
    larger = np.stack([cv2.resize(frame, (640, 360), interpolation=cv2.INTER_CUBIC) for frame in frames])
    assert camera_motion(larger).long == pytest.approx(camera_motion(frames).long, rel=0.1)


def test_a_flash_does_not_move_the_camera():
    frames = filmed(np.zeros(FRAMES), np.zeros(FRAMES))
    frames[8] = 255
    assert not moves(frames)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_a_short_clip_is_measured_with_the_gap_it_has(count):
    motion = camera_motion(filmed(np.arange(count) * 2.0, np.zeros(count)))
    assert motion.long == pytest.approx(2.0 if count > 1 else 0.0, abs=0.3)


@pytest.mark.parametrize("level", [0, 255])
def test_without_texture_nothing_is_seen_to_move(level):
    motion = camera_motion(np.full((9, 90, 160, 3), level, np.uint8))
    assert (motion.short, motion.long) == (0.0, 0.0)


@pytest.mark.parametrize(("width", "height"), [(16, 16), (64, 16), (16, 320), (1280, 16), (128, 96)])
def test_small_and_thin_frames_are_measured(width, height):
    frames = np.stack([np.roll(scenery(1280, 320)[:height, :width], t, axis=1) for t in range(9)])
    motion = camera_motion(frames)
    assert np.isfinite([motion.short, motion.long]).all()


@pytest.mark.parametrize(("width", "height"), [(64, 15), (15, 64), (320, 16), (31, 480)])
def test_flow_of_thin_frames_is_finite_and_right(width, height):
    start = cv2.cvtColor(scenery(width * 2, max(height * 2, 24)), cv2.COLOR_RGB2GRAY)
    before, after = start[:height, :width], start[:height, 1 : width + 1]
    flow = DenseFlow(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).between(before, after)
    assert flow.shape == (height, width, 2)
    assert np.isfinite(flow).all()
    assert np.median(flow[..., 0]) == pytest.approx(-1, abs=0.5)


def test_one_and_two_threads_measure_the_same():
    frames = filmed(np.arange(9) * 1.0, np.zeros(9), person=True)
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = camera_motion(frames)
        cv2.setNumThreads(2)
        assert camera_motion(frames) == one
    finally:
        cv2.setNumThreads(threads)
