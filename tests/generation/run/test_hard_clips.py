"""Clips that are awkward to look at or to read: each is kept, scored low or turned away with its reason."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness import videos
from sparkle.media.decode import decode
from sparkle.media.mask import load_mask
from sparkle.media.probe import probe
from sparkle.schemas import layout
from sparkle.schemas.stages import STEP_NAMES

pytestmark = pytest.mark.slow

CLASSICAL = resources.files("sparkle.configs").joinpath("classical.toml").read_text("utf-8")
WIDTH, HEIGHT, FRAMES = 224, 128, 17
MINUTES = 10


# What only the file makes awkward, and the form that it comes to: width, height and frames.
AWKWARD = {
    "rotated": ((WIDTH, HEIGHT), 5),
    "four four four": ((WIDTH, HEIGHT), 5),
    "ten bits": ((WIDTH, HEIGHT), 5),
    "odd sides": ((WIDTH - 6, HEIGHT - 4), 5),
    "4k": ((1280, 720), 5),
    "ten minutes": ((128, 96), FRAMES),
    "five frames": ((WIDTH, HEIGHT), 5),
    "several": ((WIDTH, HEIGHT), FRAMES),
}


def shown(clip, gain=1.0, lift=0.0):
    """The clip in other light."""
    return np.clip(clip * gain + lift, 0, 255).astype(np.uint8)


def textured(seed):
    """A still, soft scene."""
    noise = np.random.default_rng(seed).normal(0, 1, (HEIGHT, WIDTH, 3))
    return np.clip(130 + 500 * cv2.GaussianBlur(noise, (0, 0), 6), 0, 255).astype(np.uint8)


def discs(*paths):
    """Patterned discs that move over a still scene; a path is a function of time from 0 to 1 to (x, y)."""
    scene, rng = textured(1), np.random.default_rng(2)
    pattern = cv2.resize(rng.integers(0, 256, (8, 8, 3), np.uint8), (48, 48), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[:48, :48]
    round_ = ((x - 23.5) ** 2 + (y - 23.5) ** 2 < 23**2)[..., None]
    frames = np.repeat(scene[None], FRAMES, axis=0)
    for index, frame in enumerate(frames):
        padded = cv2.copyMakeBorder(frame, 64, 64, 64, 64, cv2.BORDER_REPLICATE)
        for path in paths:
            left, top = (64 + round(at) for at in path(index / (FRAMES - 1)))
            part = padded[top : top + 48, left : left + 48]
            part[:] = np.where(round_, pattern, part)
        frame[:] = padded[64:-64, 64:-64]
    return frames


def write_all(clip, folder):
    """Every hard clip as a file, by name."""
    write = videos.write_video
    rng = np.random.default_rng(0)
    few = clip[:5]  # enough where only the file is awkward
    lying = np.ascontiguousarray(np.rot90(few, k=-1, axes=(1, 2)))
    big = np.stack([cv2.resize(frame, (3840, 2160), interpolation=cv2.INTER_LINEAR) for frame in few])
    small = np.stack([cv2.resize(frame, (128, 96), interpolation=cv2.INTER_AREA) for frame in clip])
    there_and_back = np.concatenate([small, small[-2:0:-1]])
    long = np.concatenate([there_and_back] * (MINUTES * 60 * 4 // len(there_and_back) + 1))
    times = np.cumsum([0, *rng.integers(20, 110, FRAMES - 1)])
    write(folder / "still.mp4", np.repeat(clip[:1], FRAMES, axis=0))
    write(folder / "all moves.mp4", np.stack([np.roll(textured(3), 9 * t, axis=1) for t in range(FRAMES)]))
    write(folder / "boils.mp4", rng.integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), np.uint8))
    write(folder / "leaves.mp4", discs(lambda t: (60 + 180 * t, 40 + 20 * t)))
    write(folder / "several.mp4", discs(lambda t: (20 + 30 * t, 20), lambda t: (150 - 30 * t, 60 + 10 * t)))
    write(folder / "cut.mp4", np.concatenate([clip[:9], discs(lambda t: (60 + 40 * t, 40))[:8]]))
    write(folder / "near black.mp4", shown(clip, gain=0.03))
    write(folder / "black.mp4", shown(clip, gain=0.0))
    write(folder / "over-exposed.mp4", shown(clip, gain=1.5, lift=180))
    write(folder / "variable rate.mp4", clip, times=times.tolist())
    write(folder / "rotated.mp4", lying, orientation=(90, False, False))
    write(folder / "four four four.mp4", few, pix_fmt="yuv444p")
    write(folder / "ten bits.mp4", few, pix_fmt="yuv420p10le")
    write(folder / "odd sides.mp4", few[:, :-3, :-5], pix_fmt="yuv444p")
    write(folder / "4k.mp4", big, options={"preset": "ultrafast"})
    write(folder / "ten minutes.mp4", long, rate=4, options={"preset": "ultrafast"})
    write(folder / "five frames.mp4", few)
    write(folder / "four frames.mp4", clip[:4])
    write(folder / "postage stamp.mp4", few[:, :48, :64])


@pytest.fixture(scope="module")
def run(clips, tmp_path_factory):
    """A run over all of them: its folder, and for each file its id and the outcomes of its steps."""
    folder = tmp_path_factory.mktemp("hard")
    (folder / "sources").mkdir()
    write_all(decode(clips["first"].path), folder / "sources")
    (folder / "short.toml").write_text(CLASSICAL.replace("max_frames = 81", f"max_frames = {FRAMES}"))
    command = ["generate", "--sources", folder / "sources", "--out", folder / "run", "--json"]
    command += ["--config", folder / "short.toml"]
    result = subprocess.run(
        [sys.executable, "-m", "sparkle", *map(str, command)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr

    def lines(name):
        return map(json.loads, (folder / "run" / name).read_text().splitlines())

    paths = {line["sha256"]: Path(line["path"]).stem for line in lines(layout.SOURCES)}
    ids = {paths[line["source"]]: line["id"] for line in lines(layout.CANDIDATES)}
    outcomes = {name: {} for name in ids}
    for step in STEP_NAMES:
        by_id = {line["id"]: line for line in lines(layout.outcomes(step))}
        for name, sample_id in ids.items():
            if sample_id in by_id:
                outcomes[name][step] = by_id[sample_id]
    return folder / "run", ids, outcomes


def last(run, name):
    """The last step that a clip came to, and its outcome."""
    step, outcome = list(run[2][name].items())[-1]
    return step, outcome


def kind_of(run, name, kind):
    return run[0] / kind.path(run[1][name])


def test_nothing_crashes_and_every_end_has_its_reason(run):
    for name, outcomes in run[2].items():
        step, outcome = last(run, name)
        if outcome["status"] == "kept":
            assert step == STEP_NAMES[-1], name
        else:
            assert outcome.get("reason") or outcome["error"]["problem"], name
        assert list(outcomes) == list(STEP_NAMES[: STEP_NAMES.index(step) + 1])


@pytest.mark.parametrize(
    ("name", "step", "reason"),
    [
        ("still", "edit_score", "score too low"),
        ("black", "edit_score", "score too low"),
        ("all moves", "flow", "moving camera"),
        ("boils", "flow", "moving camera"),
        ("leaves", "track", "empty mask"),
        ("four frames", "normalise", "too short: 4 frames"),
    ],
)
def test_what_cannot_be_a_pair_is_rejected_where_it_shows(run, name, step, reason):
    found, outcome = last(run, name)
    assert (found, outcome["status"]) == (step, "rejected")
    assert reason in outcome["reason"]


@pytest.mark.parametrize("name", ["cut", "near black", "over-exposed"])
def test_what_cannot_be_seen_through_is_not_kept(run, name):
    assert last(run, name)[1]["status"] == "rejected"


def test_what_is_too_small_to_paint_fails_by_its_size(run):
    step, outcome = last(run, "postage stamp")
    assert (step, outcome["status"]) == ("edit", "failed")
    assert "64x48" in outcome["error"]["got"]


@pytest.mark.parametrize(("name", "size", "frames"), [(name, *form) for name, form in AWKWARD.items()])
def test_what_is_only_awkward_comes_to_the_normal_form(run, name, size, frames):
    made = [layout.SOURCE_VIDEO]
    if last(run, name)[1]["status"] == "kept":
        made += [layout.EDITED_VIDEO, layout.BACKGROUND_VIDEO, layout.VIDEO_CANNY]
    for kind in made:
        path = kind_of(run, name, kind)
        info = probe(path)
        assert (info.width, info.height, info.frames, info.fps) == (*size, frames, 16.0)
        assert videos.stored_form(path) == ("yuv420p", 0)


def test_most_of_what_is_only_awkward_is_kept(run):
    ends = [last(run, name)[1]["status"] for name in AWKWARD]
    assert ends.count("kept") >= len(AWKWARD) - 2, ends


def test_a_variable_frame_rate_becomes_a_steady_one(run):
    record = run[2]["variable rate"]["normalise"]["record"]
    assert record["source_frames"] == FRAMES
    assert record["frames"] % 4 == 1
    assert probe(kind_of(run, "variable rate", layout.SOURCE_VIDEO)).fps == 16.0


def test_a_rotated_clip_is_upright(run):
    turned, plain = (decode(kind_of(run, name, layout.SOURCE_VIDEO)) for name in ("rotated", "five frames"))
    assert np.abs(turned.astype(int) - plain).mean() < 3


def test_no_kept_mask_is_empty_on_any_frame(run):
    kept = [name for name, found in run[2].items() if found.get("track", {}).get("status") == "kept"]
    assert len(kept) >= 8
    for name in kept:
        assert load_mask(kind_of(run, name, layout.SOURCE_VIDEO_MASK)).any(axis=(1, 2)).all()


def test_several_subjects_are_both_masked(run):
    masks = load_mask(kind_of(run, "several", layout.SOURCE_VIDEO_MASK))
    for x, y in ((35 + 24, 20 + 24), (135 + 24, 65 + 24)):  # where the discs are half way
        assert masks[FRAMES // 2, y - 8 : y + 8, x - 8 : x + 8].mean() > 0.8
