"""A run from the command line whose pictures and videos are made by tiny diffusion models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from sparkle.media.decode import decode
from sparkle.media.images import read_png
from sparkle.schemas import layout

pytestmark = pytest.mark.slow

SAMPLE = "Sparkle_location_000000"


@pytest.fixture
def config(tiny, build_diffusion, tmp_path):
    """Everything that makes pixels is a diffusion model, and nothing is asked of what is made."""
    shared = {"device": "cpu", "dtype": "float32"}
    few = {**shared, "steps": 1, "guidance": 1.0}
    tables = {
        "image_editor": {"name": "flux2-klein", "model": str(build_diffusion("flux2_klein")), **shared},
        "image_to_video": {"name": "wan22-i2v", "model": str(build_diffusion("wan22_i2v")), **few},
        "control_to_video": {
            "name": "wan22-fun-control",
            "model": str(build_diffusion("fun_control", published=True)),
            "base": str(build_diffusion("wan22_i2v")),
            **few,
        },
    }
    text = 'name = "tiny"\n'
    for capability in ("flow", "vlm", "image_scorer", "tracker"):
        text += f'[backends.{capability}]\nname = "classical"\n'
    for capability, table in tables.items():
        lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in table.items())
        text += f"[backends.{capability}]\n{lines}\n"
    path = tmp_path / "config.toml"
    path.write_text(f"{text}[thresholds]\nedited_frame0 = 0\nforeground_removed = 0\nedited_video = 0\n")
    return path


def generate(sources, run, config) -> dict:
    words = ("generate", "--sources", sources, "--out", run, "--config", config, "--workers", "1", "--json")
    result = subprocess.run(
        [sys.executable, "-m", "sparkle", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout)


def test_a_run_makes_pictures_and_videos_of_the_clips_size(clips, config, tmp_path):
    sources, run = tmp_path / "sources", tmp_path / "run"
    sources.mkdir()
    shutil.copy(clips["first"].path, sources)
    generate(sources, run, config)
    shape = decode(run / layout.SOURCE_VIDEO.path(SAMPLE)).shape
    for kind in (layout.EDITED_FRAME0, layout.FOREGROUND_REMOVED):
        assert read_png(run / kind.path(SAMPLE)).shape == shape[1:]
    for kind in (layout.BACKGROUND_VIDEO, layout.EDITED_VIDEO):
        video = decode(run / kind.path(SAMPLE))
        assert video.shape == shape
        assert np.std(video) > 1
