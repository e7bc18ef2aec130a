"""A run through the command line: what it makes, what it survives, and what it does again."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from harness import ROOT, kill_at
from sparkle.media.decode import decode
from sparkle.media.encode import encode
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask
from sparkle.media.probe import probe
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.stages import STEP_NAMES, STEPS
from sparkle.schemas.validate import check

pytestmark = pytest.mark.slow

CLASSICAL = ROOT / "sparkle" / "configs" / "classical.toml"


def sparkle(*words: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sparkle", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == expect, result.stdout + result.stderr
    return result


def generate(sources: Path, out: Path, *words: object) -> dict:
    """Run `sparkle generate` with one worker and return its JSON."""
    result = sparkle("generate", "--sources", sources, "--out", out, "--workers", 1, "--json", *words)
    return json.loads(result.stdout)


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with its hash."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def outcomes(run: Path, step: str) -> dict[str, dict]:
    path = run / layout.outcomes(step)
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return {line["id"]: line for line in map(json.loads, lines)}


@pytest.fixture(scope="module")
def sources(clips, tmp_path_factory):
    """A folder with two good clips and one whose camera moves."""
    folder = tmp_path_factory.mktemp("sources")
    for name, clip in clips.items():
        shutil.copy(clip.path, folder / f"{name}.mp4")
    return folder


@pytest.fixture(scope="module")
def clean(sources, tmp_path_factory):
    """A run that nothing disturbed: its folder and what the command said."""
    out = tmp_path_factory.mktemp("clean") / "run"
    return out, generate(sources, out)


@pytest.fixture(scope="module")
def clean_one(sources, tmp_path_factory):
    """The same of the first source alone."""
    out = tmp_path_factory.mktemp("clean_one") / "run"
    generate(sources, out, "--limit", 1)
    return out


@pytest.fixture(scope="module")
def short(clips, tmp_path_factory):
    """The clips' first five frames, for what does not look at the pictures."""
    folder = tmp_path_factory.mktemp("short")
    for name, clip in clips.items():
        encode(decode(clip.path)[:5], folder / f"{name}.mp4")
    return folder


@pytest.fixture
def copy(clean, tmp_path):
    """A copy of the clean run to disturb."""
    return Path(shutil.copytree(clean[0], tmp_path / "run"))


FIRST = "Sparkle_location_000000"
MOVING = "Sparkle_location_000001"  # first.mp4, moving.mp4, second.mp4


def test_good_clips_are_kept_and_a_moving_camera_is_rejected(clean):
    run, said = clean
    assert said["funnel"]["candidates"] == 3
    assert said["funnel"]["kept"] == 2
    assert outcomes(run, "flow")[MOVING]["status"] == "rejected"
    assert outcomes(run, "flow")[MOVING]["reason"].startswith("moving camera")
    assert MOVING not in outcomes(run, "camera")
    assert set(outcomes(run, "measure")) == {FIRST, "Sparkle_location_000002"}


def test_every_intermediate_exists_and_fits_its_source(clean, clips):
    run, _ = clean
    source = decode(run / layout.SOURCE_VIDEO.path(FIRST))
    frames, height, width = source.shape[:3]
    for kind in (layout.EDITED_VIDEO, layout.BACKGROUND_VIDEO, layout.VIDEO_CANNY):
        info = probe(run / kind.path(FIRST))
        assert (info.frames, info.height, info.width, info.fps) == (frames, height, width, 16.0)
    for kind in (layout.SOURCE_FRAME0, layout.EDITED_FRAME0, layout.FOREGROUND_REMOVED):
        assert read_png(run / kind.path(FIRST)).shape == (height, width, 3)
    masks = load_mask(run / layout.SOURCE_VIDEO_MASK.path(FIRST))
    truth = clips["first"].masks
    assert masks.shape == truth.shape
    overlap = (masks & truth).sum() / (masks | truth).sum()
    assert overlap > 0.7
    for step in STEPS:
        for outcome in outcomes(run, step.name).values():
            check("outcome", outcome, where=step.name)
            for kind, reference in outcome["artifacts"].items():
                path = run / layout.KIND_BY_NAME[kind].path(outcome["id"])
                assert (sha256_file(path), path.stat().st_size) == (reference["sha256"], reference["size"])


def test_the_edited_video_keeps_the_subject_before_a_living_background(clean, clips):
    run, _ = clean
    source = decode(run / layout.SOURCE_VIDEO.path(FIRST)).astype(np.float32)
    edited = decode(run / layout.EDITED_VIDEO.path(FIRST)).astype(np.float32)
    background = decode(run / layout.BACKGROUND_VIDEO.path(FIRST)).astype(np.float32)
    masks = clips["first"].masks
    far = ~masks.any(axis=0)
    assert np.abs(edited[:, far] - source[:, far]).mean() > 15
    assert np.abs(edited[:, far] - background[:, far]).mean() < 4
    assert (
        np.abs(edited[masks] - source[masks]).mean() < 0.6 * np.abs(background[masks] - source[masks]).mean()
    )
    assert np.abs(np.diff(edited[:, far], axis=0)).mean() > 0.3
    edges = decode(run / layout.VIDEO_CANNY.path(FIRST))[..., 0] > 127
    assert 0.002 < edges.mean() < 0.2
    assert edges[masks].mean() > 0.005


# Steps whose record speaks of the picture itself; the others say what is the same for both clips.
TELLING = (
    "flow",
    "compose",
    "edit_score",
    "remove",
    "remove_score",
    "ground2",
    "track",
    "edges",
    "video_score",
)


def test_different_sources_make_different_everything(clean):
    run, _ = clean
    for step in STEP_NAMES:
        first, second = (line for sample_id, line in outcomes(run, step).items() if sample_id != MOVING)
        assert first["fingerprint"] != second["fingerprint"]
        assert (first["record"] != second["record"]) >= (step in (*TELLING, "measure")), step
        for kind in first["artifacts"]:
            assert first["artifacts"][kind]["sha256"] != second["artifacts"][kind]["sha256"]


def test_a_finished_run_started_again_does_nothing(clean, sources):
    run, _ = clean
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    said = generate(sources, run)
    assert said["processed"] == 0
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


@pytest.mark.parametrize("changed", ["artifact", "outcomes", "source", "configuration"])
def test_what_changed_since_a_run_was_finished_is_found(clips, tmp_path, changed):
    sources, run, more = tmp_path / "sources", tmp_path / "run", []
    sources.mkdir()
    encode(decode(clips["first"].path)[:5], sources / "clip.mp4")
    said = generate(sources, run)
    wanted = tree(run)
    assert generate(sources, run) == {**said, "processed": 0}
    if changed == "artifact":
        (run / layout.SOURCE_FRAME0.path(FIRST)).write_bytes(b"another")
    elif changed == "outcomes":
        (run / layout.outcomes("flow")).unlink()
    elif changed == "source":
        encode(decode(clips["second"].path)[:5], sources / "clip.mp4")
    else:
        more = ["--set", "source.min_frames=9"]
    said = generate(sources, run, *more)
    assert said["processed"] > 0
    if changed in ("artifact", "outcomes"):
        assert said["processed"] == 1
        assert tree(run) == wanted


def test_two_workers_make_the_same_bytes(clean, sources, tmp_path):
    timings = tmp_path / "timings.json"
    generate(sources, tmp_path / "run", "--workers", 2, "--timings", timings)
    assert tree(tmp_path / "run") == tree(clean[0])
    steps = json.loads(timings.read_text())["steps"]
    assert [*steps] == list(STEP_NAMES)
    assert steps["normalise"]["samples"] == 3
    assert all(step["seconds"] > 0 for step in steps.values())


@pytest.mark.parametrize("option", ["--timings", "--hashes"])
def test_what_is_noted_beside_a_run_is_never_inside(sources, tmp_path, option):
    inside = tmp_path / "run" / "noted"
    result = sparkle("generate", "--sources", sources, "--out", tmp_path / "run", option, inside, expect=2)
    assert "would be inside the run folder" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("moment", "count"),
    [
        ("inside a step", 1),
        ("half an artifact", 5),
        ("an artifact in place, no outcome", 3),
        ("half a line of sources or candidates", 1),
        ("half a line of sources or candidates", 2),
        ("half a line of outcomes", 1),
        ("half a line of outcomes", 9),
    ],
)
def test_a_kill_at_any_moment_and_a_rerun_make_the_same_bytes(clean_one, sources, tmp_path, moment, count):
    run = tmp_path / "run"
    words = ["--sources", sources, "--out", run, "--workers", 1, "--limit", 1]
    kill_at.kill(moment, count, "generate", *words)
    assert not (run / layout.FUNNEL).exists()
    generate(sources, run, "--limit", 1)
    assert tree(run) == tree(clean_one)


def test_a_killed_driver_takes_its_workers_with_it_and_a_rerun_finishes(clean, sources, tmp_path):
    run = tmp_path / "run"
    words = ("generate", "--sources", sources, "--out", run, "--workers", 2)
    with kill_at.stopped("outcomes of flow appended", 1, *words) as driver:  # else it may end meanwhile
        status = json.loads(sparkle("status", run, "--json").stdout)
        workers = children(driver.pid)
    assert driver.returncode == -signal.SIGKILL
    assert workers
    assert (status["works"], status["process"], status["candidates"]) == (True, driver.pid, 3)
    assert status["steps"][0]["step"] == "normalise"
    assert status["steps"][0]["done"] > 0
    deadline = time.monotonic() + 120
    while any(Path(f"/proc/{pid}").exists() and not zombie(pid) for pid in workers):
        assert time.monotonic() < deadline, "workers outlive their driver"
        time.sleep(0.05)
    assert f"process {driver.pid}" in sparkle("status", run, expect=1).stdout
    generate(sources, run)
    assert tree(run) == tree(clean[0])


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_threshold_is_replayed_without_doing_anything_again(clean, copy, sources, tmp_path):
    strict = tmp_path / "strict.toml"
    text = CLASSICAL.read_text()
    strict.write_text(text.replace("background_motion = ", "background_motion = 9"))
    said = generate(sources, copy, "--config", strict)
    assert (said["processed"], said["judged_again"]) == (0, 2)
    assert said["funnel"]["kept"] == 0
    assert outcomes(copy, "measure")[FIRST]["reason"].startswith("background too still")
    assert generate(sources, copy)["processed"] == 0
    assert tree(copy) == tree(clean[0])


def test_what_a_setting_decides_is_done_again_and_nothing_else(clean, copy, sources, tmp_path):
    coarse = tmp_path / "coarse.toml"
    text = CLASSICAL.read_text()
    coarse.write_text(text.replace("crf = 20", "crf = 30"))
    generate(sources, copy, "--config", coarse)
    old, new = tree(clean[0]), tree(copy)
    assert old[layout.SOURCE_FRAME0.path(FIRST)] == new[layout.SOURCE_FRAME0.path(FIRST)]
    assert old[layout.EDITED_FRAME0.path(FIRST)] == new[layout.EDITED_FRAME0.path(FIRST)]
    assert old[layout.BACKGROUND_VIDEO.path(FIRST)] != new[layout.BACKGROUND_VIDEO.path(FIRST)]
    assert old[layout.EDITED_VIDEO.path(FIRST)] != new[layout.EDITED_VIDEO.path(FIRST)]


def test_another_seed_is_another_dataset(short, tmp_path):
    other = tmp_path / "other.toml"
    text = CLASSICAL.read_text()
    other.write_text(text.replace("seed = 0", "seed = 1"))
    generate(short, tmp_path / "run", "--limit", 1)
    before = outcomes(tmp_path / "run", "compose")[FIRST]["record"]
    generate(short, tmp_path / "run", "--limit", 1, "--config", other)
    assert outcomes(tmp_path / "run", "compose")[FIRST]["record"] != before


def test_what_an_older_configuration_made_does_not_stay_behind_a_rejection(clean, copy, sources, tmp_path):
    long = tmp_path / "long.toml"
    text = CLASSICAL.read_text()
    long.write_text(text.replace("max_frames = 81", "max_frames = 81\nmin_frames = 21"))
    said = generate(sources, copy, "--config", long)
    assert said["funnel"]["kept"] == 0
    assert [path for path in copy.rglob("*") if path.suffix in (".mp4", ".png", ".npz")] == []
    assert outcomes(copy, "measure") == {}
    generate(sources, copy)
    assert {path: sha for path, sha in tree(copy).items() if "outcomes" not in path} == {
        path: sha for path, sha in tree(clean[0]).items() if "outcomes" not in path
    }


@pytest.fixture(scope="module")
def rejecting(clean_one, sources, tmp_path_factory):
    """A configuration that rejects what is there at the first step, and the run that it leaves."""
    folder = tmp_path_factory.mktemp("rejecting")
    text = CLASSICAL.read_text()
    (folder / "long.toml").write_text(text.replace("max_frames = 81", "max_frames = 81\nmin_frames = 21"))
    run = Path(shutil.copytree(clean_one, folder / "run"))
    generate(sources, run, "--limit", 1, "--config", folder / "long.toml")
    return folder / "long.toml", run


@pytest.mark.parametrize(
    ("moment", "count"),
    [
        ("half a line of what is to be dropped", 1),
        ("half a line of outcomes", 1),
        ("outcomes not yet written anew", 1),
        ("outcomes written anew", 1),
        ("outcomes written anew", 15),
        ("an artifact deleted", 3),
        ("an artifact deleted", 8),
    ],
)
def test_a_kill_leaves_nothing_behind_a_rejection(clean_one, rejecting, sources, tmp_path, moment, count):
    config, wanted = rejecting
    run = Path(shutil.copytree(clean_one, tmp_path / "run"))
    words = ["--sources", sources, "--out", run, "--workers", 1, "--limit", 1, "--config", config]
    kill_at.kill(moment, count, "generate", *words)
    generate(sources, run, "--limit", 1, "--config", config)
    assert tree(run) == tree(wanted)


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_artifact_is_made_again(clean, copy, sources, damage):
    path = copy / layout.SOURCE_VIDEO_MASK.path(FIRST)
    if damage == "changed":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()
    assert generate(sources, copy)["processed"] == 1
    assert tree(copy) == tree(clean[0])


def test_more_sources_get_new_ids_and_the_old_ones_stay(clean, copy, sources, clips, tmp_path):
    more = tmp_path / "more"
    shutil.copytree(sources, more)
    shutil.copy(clips["first"].path, more / "a copy of first.mp4")  # the same content: no new candidate
    (more / "aaa.mp4").write_bytes(b"not a video")
    said = generate(more, copy)
    assert said["funnel"]["candidates"] == 4
    lines = (copy / layout.CANDIDATES).read_text().splitlines()
    assert lines[:3] == (clean[0] / layout.CANDIDATES).read_text().splitlines()
    assert json.loads(lines[3])["id"] == "Sparkle_location_000003"
    assert outcomes(copy, "normalise")["Sparkle_location_000003"]["status"] == "failed"


def test_shards_have_the_ids_of_the_whole(short, tmp_path):
    generate(short, tmp_path / "whole")
    for index in (0, 1):
        generate(short, tmp_path / str(index), "--shard", f"{index}/2")
    parts = [outcomes(tmp_path / str(index), "normalise") for index in (0, 1)]
    assert not set(parts[0]) & set(parts[1])
    assert parts[0] | parts[1] == outcomes(tmp_path / "whole", "normalise")


def test_one_source_in_two_themes_is_measured_once(short, tmp_path):
    said = generate(short, tmp_path / "run", "--limit", 1, "--theme", "season", "--theme", "time")
    assert said["funnel"]["candidates"] == 2
    flows = outcomes(tmp_path / "run", "flow")
    assert set(flows) == {"Sparkle_season_000000", "Sparkle_time_000000"}
    assert len({outcome["fingerprint"] for outcome in flows.values()}) == 1
