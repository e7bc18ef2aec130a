"""Drawn clips: the same every time, with masks that fit and a subject that moves."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from drawn_clips.synthetic import draw_clip
from harness import ROOT
from sparkle.media.decode import decode
from sparkle.media.encode import Encoding
from sparkle.media.normalise import SourceSpec, normalise
from sparkle.schemas.errors import MediaError

WIDTH, HEIGHT, FRAMES = 320, 192, 17
SUBJECTS = ("figure", "ball", "fish")


def draw(path, **options):
    settings = {"seed": 0, "width": WIDTH, "height": HEIGHT, "frames": FRAMES} | options
    return draw_clip(path, **settings)


@pytest.fixture(scope="module", params=[*itertools.product(SUBJECTS, (0, 1, 2))], ids=str)
def drawn(request, tmp_path_factory):
    subject, seed = request.param
    path = tmp_path_factory.mktemp("drawn") / "clip.mp4"
    masks = draw(path, subject=subject, seed=seed)
    return path, decode(path).astype(np.float64), masks


def test_a_drawn_clip_is_a_source_clip(drawn, tmp_path):
    path, frames, masks = drawn
    assert frames.shape == (*masks.shape, 3) == (FRAMES, HEIGHT, WIDTH, 3)
    assert normalise(path, tmp_path / "source.mp4", SourceSpec(), Encoding()).copied


def test_the_subject_is_there_and_moves(drawn):
    _, _, masks = drawn
    share = masks.mean((1, 2))
    assert share.min() > 0.03
    assert share.max() < 0.5
    centres = np.array([np.argwhere(mask).mean(0) for mask in masks])
    assert np.ptp(centres, axis=0).max() > 0.03 * WIDTH


def test_only_the_subject_and_its_shadow_move(drawn):
    _, frames, masks = drawn
    change = frames.std(0).mean(-1)
    swept = masks.any(0)
    assert np.median(change[swept]) > 10
    assert np.median(change[~swept]) < 2.5


def test_the_subject_differs_in_colour_from_the_scene(drawn):
    _, frames, masks = drawn
    scene = frames[0][~masks.any(0)].mean(0)
    subject = frames[0][masks[0]].mean(0)
    assert np.abs(subject - scene).max() > 25


def test_masks_end_where_the_subject_ends(drawn):
    """Where a mask pixel is set on one frame and clear on another, the picture differs between the two."""
    _, frames, masks = drawn
    left = masks[0] & ~masks[-1]
    changed = np.abs(frames[0] - frames[-1]).max(-1)
    assert np.mean(changed[left] > 12) > 0.85


def test_the_same_seed_draws_the_same_clip_in_any_process(tmp_path):
    masks = draw(tmp_path / "here.mp4", frames=5)
    script = (
        "import sys, cv2; from pathlib import Path; from drawn_clips.synthetic import draw_clip;"
        f"size = dict(width={WIDTH}, height={HEIGHT}, frames=5);"
        "cv2.setNumThreads(1); draw_clip(Path(sys.argv[1]), seed=0, **size)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "examples")}
    subprocess.run([sys.executable, "-c", script, tmp_path / "there.mp4"], check=True, env=environment)
    assert (tmp_path / "there.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()
    assert np.array_equal(draw(tmp_path / "here.mp4", frames=5), masks)


def test_seeds_differ_and_reach_every_scene(tmp_path):
    firsts = []
    for seed in range(8):
        draw(tmp_path / "clip.mp4", seed=seed, frames=1)
        firsts.append(decode(tmp_path / "clip.mp4")[0].astype(int))
    corners = [frame[:20, :20].mean((0, 1)) for frame in firsts]
    distances = [np.abs(a - b).max() for a, b in itertools.combinations(firsts, 2)]
    assert min(distances) > 20
    assert max(np.abs(a - b).max() for a, b in itertools.combinations(corners, 2)) > 50


@pytest.mark.parametrize("camera", ["pan", "shake"])
def test_a_moving_camera_moves_everything(tmp_path, camera):
    masks = draw(tmp_path / "clip.mp4", camera=camera, seed=1)
    frames = decode(tmp_path / "clip.mp4").astype(np.float64)
    fixed = draw(tmp_path / "fixed.mp4", seed=1)
    still = decode(tmp_path / "fixed.mp4").astype(np.float64)
    outside = ~(masks.any(0) | fixed.any(0))
    assert np.median(frames.std(0).mean(-1)[outside]) > 2 * np.median(still.std(0).mean(-1)[outside])


def test_any_size_can_be_drawn(tmp_path):
    masks = draw(tmp_path / "tall.mp4", width=128, height=226, frames=3)
    assert masks.any((1, 2)).all()
    with pytest.raises(MediaError):
        draw(tmp_path / "odd.mp4", width=321)
    with pytest.raises(MediaError):
        draw(tmp_path / "none.mp4", frames=0)
