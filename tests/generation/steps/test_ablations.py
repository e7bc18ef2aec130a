"""The paper's ablations of stage 5 are chosen in a TOML, and everything before stage 5 is used again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from importlib import resources

import cv2
import numpy as np
import pytest

from sparkle.media.decode import decode
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask
from sparkle.schemas import layout
from sparkle.schemas.stages import STEP_NAMES

pytestmark = pytest.mark.slow

SAMPLE = "Sparkle_location_000000"
BEHIND = STEP_NAMES[STEP_NAMES.index("synthesize") + 1 :]
CLASSICAL = resources.files("sparkle.configs").joinpath("classical.toml").read_text("utf-8")
ABLATIONS = {
    "copy-paste": CLASSICAL.replace(
        '[backends.control_to_video]\nname = "classical"', '[backends.control_to_video]\nname = "copy-paste"'
    ),
    "foreground_only": CLASSICAL + '\n[guidance]\nscope = "foreground_only"\n',
}


@pytest.fixture(scope="module")
def runs(clips, tmp_path_factory):
    """A run of one clip, and one of each ablation that was started on a copy of it."""
    folder = tmp_path_factory.mktemp("ablations")
    (folder / "sources").mkdir()
    shutil.copy(clips["first"].path, folder / "sources" / "clip.mp4")
    made = {"classical": (folder / "classical", _generate(folder, "classical", CLASSICAL))}
    for name, text in ABLATIONS.items():
        shutil.copytree(folder / "classical", folder / name)
        made[name] = (folder / name, _generate(folder, name, text))
    return made


def _generate(folder, name, text):
    config = folder / f"{name}.toml"
    config.write_text(text)
    words = ["--sources", folder / "sources", "--out", folder / name, "--config", config, "--workers", 1]
    command = [sys.executable, "-m", "sparkle", "generate", *map(str, words), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def _fingerprints(run):
    """By step; a step that the sample did not reach has none."""
    found = {}
    for step in STEP_NAMES:
        for line in (run / layout.outcomes(step)).read_text().splitlines():
            found[step] = json.loads(line)["fingerprint"]
    return found


@pytest.mark.parametrize(
    ("name", "changed"), [("copy-paste", {"synthesize"}), ("foreground_only", {"edges", "synthesize"})]
)
def test_an_ablation_makes_again_what_it_changes_and_no_more(runs, name, changed):
    base, other = _fingerprints(runs["classical"][0]), _fingerprints(runs[name][0])
    differ = {step for step in other if other[step] != base[step]}
    assert changed <= differ <= changed | set(BEHIND)
    assert runs[name][1]["processed"] == len(differ)


def test_an_ablation_is_told_in_the_run(runs):
    told = {name: tomllib.loads((run / "run.toml").read_text()) for name, (run, _) in runs.items()}
    models = {
        name: next(m for m in run["models"] if m["capability"] == "control_to_video")
        for name, run in told.items()
    }
    assert models["copy-paste"]["backend"] == "copy-paste"
    assert models["copy-paste"]["model"] != models["classical"]["model"]
    assert told["foreground_only"]["guidance"] == {"scope": "foreground_only"}
    assert told["classical"]["guidance"] == {"scope": "decoupled"}


def test_copy_paste_leaves_the_subject_as_it_was_and_the_background_alive(runs):
    run, _ = runs["copy-paste"]
    source, pasted, plain = (
        decode(path).astype(np.float32)
        for path in (
            run / layout.SOURCE_VIDEO.path(SAMPLE),
            run / layout.EDITED_VIDEO.path(SAMPLE),
            runs["classical"][0] / layout.EDITED_VIDEO.path(SAMPLE),
        )
    )
    masks = load_mask(run / layout.SOURCE_VIDEO_MASK.path(SAMPLE))
    error = {
        name: np.abs(made - source)[masks].mean() for name, made in (("pasted", pasted), ("full", plain))
    }
    assert error["pasted"] < 6  # the codec's alone
    assert error["full"] > error["pasted"]
    far = ~masks.any(axis=0)
    assert np.abs(np.diff(pasted[:, far], axis=0)).mean() > 0.3


def test_foreground_only_has_no_edges_and_no_motion_outside_the_mask(runs):
    run, said = runs["foreground_only"]
    masks = load_mask(run / layout.SOURCE_VIDEO_MASK.path(SAMPLE))
    edges = decode(run / layout.VIDEO_CANNY.path(SAMPLE))[..., 1] > 127
    grown = np.stack([cv2.dilate(mask.view(np.uint8), np.ones((5, 5), np.uint8)) > 0 for mask in masks])
    assert edges[masks].mean() > 0.02
    assert edges[~grown].mean() < 0.0005  # the codec's
    edited = decode(run / layout.EDITED_VIDEO.path(SAMPLE)).astype(np.float32)
    still = read_png(run / layout.FOREGROUND_REMOVED.path(SAMPLE)).astype(np.float32)
    far = ~masks.any(axis=0)
    assert np.abs(edited[:, far] - still[far]).mean() < 4
    assert np.abs(np.diff(edited[:, far], axis=0)).mean() < 0.3
    assert said["funnel"]["kept"] == 0  # a still background is what the measures of liveness are for
