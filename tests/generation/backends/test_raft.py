"""RAFT's camera motion: the homography over drawn flows, and what is said where torchvision is missing."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from sparkle.generation.backends import make_backend
from sparkle.generation.backends.raft import homography_displacement, working_size
from sparkle.generation.config import parse_config
from sparkle.schemas import records as r
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.rules import Thresholds, judge

HEIGHT, WIDTH = 320, 576
AT_720 = 720 / HEIGHT
OTHERS = ("vlm", "image_editor", "image_scorer", "image_to_video", "tracker", "control_to_video")


def homography_flow(transform) -> np.ndarray:
    """The flow of a frame that a homography moves."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    points = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.asarray(transform, float).T
    moved = points[..., :2] / points[..., 2:]
    return (moved - np.stack([columns, rows], axis=-1)).astype(np.float32)


def shifted(x: float, y: float) -> np.ndarray:
    return homography_flow([[1, 0, x], [0, 1, y], [0, 0, 1]])


def test_a_still_camera_does_not_move():
    assert homography_displacement(shifted(0, 0)) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(("x", "y"), [(1, 0), (0, -2), (3, 4), (0.25, 0.1)])
def test_a_pan_is_as_long_as_it_is_in_720p_pixels(x, y):
    assert homography_displacement(shifted(x, y)) == pytest.approx(np.hypot(x, y) * AT_720, rel=0.01)


def test_the_measure_does_not_depend_on_the_size_of_the_flow():
    """The same pan, seen at half the size."""
    small = np.ascontiguousarray(shifted(2, 0)[::2, ::2]) / 2
    assert homography_displacement(small) == pytest.approx(2 * AT_720, rel=0.01)


def test_a_zoom_moves_the_corners_and_not_the_centre():
    grown = 1.02
    flow = homography_flow(
        [[grown, 0, WIDTH / 2 * (1 - grown)], [0, grown, HEIGHT / 2 * (1 - grown)], [0, 0, 1]]
    )
    corner = 0.02 * np.hypot(WIDTH, HEIGHT) / 2 * AT_720
    assert homography_displacement(flow) == pytest.approx(corner * 4 / 5, rel=0.02)


def test_a_tilt_of_the_picture_plane_is_followed():
    keystone = [[1, 0, 0], [0, 1, 0], [2e-5, 0, 1]]
    assert homography_displacement(homography_flow(keystone)) > 1


def test_a_lively_subject_under_a_fixed_camera_does_not_count():
    flow = shifted(0, 0)
    flow[80:300, 150:400] = np.random.default_rng(0).normal(0, 8, (220, 250, 2))
    displacement = homography_displacement(flow)
    assert displacement == pytest.approx(0, abs=0.05)
    assert judge("flow", r.FlowRecord(displacement, displacement), Thresholds()) is None


def test_a_subject_that_is_followed_does_not_hide_the_camera():
    flow = shifted(3, 0)
    flow[60:310, 120:420] = 0
    displacement = homography_displacement(flow)
    assert displacement == pytest.approx(3 * AT_720, rel=0.05)
    assert judge("flow", r.FlowRecord(displacement, displacement), Thresholds()) is not None


def test_the_same_flow_gives_the_same_number():
    flow = shifted(1, 1) + np.random.default_rng(1).normal(0, 1, (HEIGHT, WIDTH, 2)).astype(np.float32)
    assert len({homography_displacement(flow) for _ in range(3)}) == 1


def test_a_flow_that_is_none_cannot_tell():
    assert homography_displacement(np.full((HEIGHT, WIDTH, 2), np.nan, np.float32)) is None
    assert homography_displacement(np.zeros((4, 4, 2), np.float32)) is None


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((1280, 720), (568, 320)),
        ((720, 1280), (320, 568)),
        ((640, 640), (320, 320)),
        ((90, 2000), (128, 1280)),
    ],
)
def test_frames_are_brought_to_sides_that_raft_takes(size, wanted):
    found = working_size(*size, 320)
    assert found == wanted
    assert all(side % 8 == 0 and side >= 128 for side in found)


def read(options: str = ""):
    tables = "".join(f'[backends.{name}]\nname = "classical"\n' for name in OTHERS)
    return parse_config(f'name = "test"\n{tables}[backends.flow]\nname = "raft"\n{options}', where="t")


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is not None, reason="torchvision is installed")
def test_a_missing_torchvision_is_named():
    pytest.importorskip("torch", reason="without torch, that is what is named")
    backend = make_backend(read(), "flow")
    for call in (backend.packages, backend.setup):
        with pytest.raises(ConfigError, match="not installed") as caught:
            call()
        assert "torchvision" in caught.value.wanted


def test_an_option_out_of_range():
    with pytest.raises(ConfigError, match="out of range"):
        make_backend(read("short_side = 8"), "flow")


@pytest.mark.gpu
@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="needs torchvision")
def test_a_real_clip_on_a_gpu(clips):
    backend = make_backend(read(), "flow")
    backend.setup()
    fixed, moving = (backend.camera_motion(clips[name].path) for name in ("first", "moving"))
    assert judge("flow", fixed, Thresholds()) is None
    assert judge("flow", moving, Thresholds()) is not None
