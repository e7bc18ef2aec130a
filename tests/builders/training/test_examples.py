"""The examples run on a small release, as their first lines say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness import ROOT
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.webdataset import WebDatasetOptions
from sparkle.builders.reading.pairs import open_pairs

pytest.importorskip("torch")

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples"


def run(name, *arguments):
    """What an example prints."""
    command = [sys.executable, EXAMPLES / name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_train_loop_trains_and_goes_on(shared_release, tmp_path):
    ids = sorted(open_pairs(shared_release).ids)

    def seen(text):
        return sorted(name for name in ids if text.count(name) == 1)

    first = run("train_loop.py", shared_release, "--checkpoint", tmp_path, "--workers", 1)
    assert seen(first) == ids
    again = run("train_loop.py", shared_release, "--checkpoint", tmp_path, "--workers", 0, "--epochs", 2)
    assert again.startswith("going on at epoch 1, sample 0 of 9\n")
    assert seen(again) == ids


def test_webdataset_loop_reads_paired_shards(shared_run, tmp_path):
    pytest.importorskip("webdataset")
    options = ReleaseOptions(preview=0, webdataset=WebDatasetOptions(shard_size=24_000))
    release = build_release([shared_run], tmp_path / "release", options).out
    text = run("webdataset_loop.py", release, "--workers", 1)
    assert all(text.count(name) == 1 for name in open_pairs(release).ids)
    shapes = (
        "'source_video': (5, 32, 64, 3), 'edited_video': (5, 32, 64, 3), 'source_video_mask': (5, 32, 64)"
    )
    assert shapes in text
    assert text.endswith("read 9 pairs\n")
    videos = WebDatasetOptions(("source_video", "edited_video"), shard_size=24_000)
    release = build_release(
        [shared_run], tmp_path / "videos", ReleaseOptions(preview=0, webdataset=videos)
    ).out
    text = run("webdataset_loop.py", release, "--workers", 1)
    assert "source_video_mask" not in text
    assert text.endswith("read 9 pairs\n")
