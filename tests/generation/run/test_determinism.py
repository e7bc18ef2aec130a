"""The whole chain gives the same bytes with any number of OpenCV threads, and in other processes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path

import cv2
import pytest

from drawn_clips.synthetic import draw_clip
from sparkle.generation.config import parse_config
from sparkle.generation.run.epoch import RunEpoch
from sparkle.generation.run.jobs import Process
from sparkle.generation.run.sources import inspect_source
from sparkle.generation.steps.base import SampleState
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.load import load
from sparkle.schemas.records import KEPT, STEP_RECORDS, Candidate
from sparkle.schemas.stages import STEP_NAMES, STEPS

pytestmark = pytest.mark.slow

SAMPLE = "Sparkle_location_000000"
CLASSICAL = resources.files("sparkle.configs").joinpath("classical.toml").read_text("utf-8")
NO_LIMITS = "edited_frame0 = 0.0\nforeground_removed = 0.0\nedited_video = 0.0\n"
LENIENT = CLASSICAL.partition("[thresholds]")[0] + "[thresholds]\n" + NO_LIMITS  # whatever the score
KINDS = [kind for step in STEPS for kind in step.makes]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Large enough that OpenCV shares its work out."""
    path = tmp_path_factory.mktemp("sources") / "clip.mp4"
    draw_clip(path, seed=5, width=448, height=256, frames=9)
    return path


def through_the_chain(clip: Path, folder: Path):
    """Every artifact's hash and every record, made in this process."""
    config, source = parse_config(LENIENT, where="test"), inspect_source(clip, sha256_file(clip))
    sample = SampleState(Candidate(SAMPLE, source.sha256, "location"), source)
    epoch = RunEpoch(folder)
    for name in STEP_NAMES:
        done = Process(folder, epoch.folder, config, name, sample, "0" * 64, [])()
        epoch.place([done])
        outcome = done.outcome
        assert outcome.status == KEPT, outcome
        sample = replace(
            sample,
            records={**sample.records, name: load(STEP_RECORDS[name], outcome.record)},
            artifacts={**sample.artifacts, **outcome.artifacts},
        )
    return {name: made.sha256 for name, made in sample.artifacts.items()}, sample.records


@pytest.fixture(scope="module")
def by_threads(clip, tmp_path_factory):
    """What the chain made with so many OpenCV threads."""
    threads = cv2.getNumThreads()
    made = {}
    try:
        for count in (1, 2, 4):
            cv2.setNumThreads(count)
            made[count] = through_the_chain(clip, tmp_path_factory.mktemp(f"threads{count}"))
    finally:
        cv2.setNumThreads(threads)
    return made


@pytest.mark.parametrize("count", [2, 4])
def test_the_number_of_threads_changes_no_artifact_and_no_record(by_threads, count):
    assert by_threads[count][0] == by_threads[1][0]
    assert by_threads[count][1] == by_threads[1][1]
    assert set(by_threads[1][0]) == {kind.name for kind in KINDS}


def test_worker_processes_make_the_same_artifacts(clip, by_threads, tmp_path):
    (tmp_path / "lenient.toml").write_text(LENIENT)
    command = ["generate", "--sources", clip.parent, "--out", tmp_path / "run", "--workers", 2, "--json"]
    command += ["--config", tmp_path / "lenient.toml"]
    result = subprocess.run(
        [sys.executable, "-m", "sparkle", *map(str, command)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    made = {kind.name: sha256_file(tmp_path / "run" / kind.path(SAMPLE)) for kind in KINDS}
    assert made == by_threads[1][0]
