"""The example that picks pairs by their score, on what it draws itself and on a release."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness import ROOT

pytestmark = pytest.mark.slow

_EXAMPLE = ROOT / "examples" / "pick_by_score.py"


def run(cache: Path, *words: object) -> str:
    command = [sys.executable, str(_EXAMPLE), *map(str, words)]
    environment = {**os.environ, "SPARKLE_CACHE": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout


def test_it_draws_pairs_indexes_them_and_picks_half(cache: Path) -> None:
    said = run(cache)
    assert "\n6 pairs of " in said
    assert said.count("verified") == 3


def test_it_picks_from_a_release(cache: Path, shared_release: Path) -> None:
    files = (shared_release / "data" / "location").glob("*.parquet")
    scores = [score for file in files for score in pq.read_table(file)["edited_video_score"].to_pylist()]
    assert run(cache, shared_release).startswith(f"{sum(score >= 9 for score in scores)} pairs of ")
