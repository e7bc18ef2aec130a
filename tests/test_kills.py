"""The benchmark that kills commands at many moments, with few of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness import ROOT

NAMES = {
    *("generate", "build", "pull", "preview", "import", "export", "index"),
    *("publish-xet", "publish-lfs", "pull-hub", "load-hub"),
}


@pytest.mark.slow
def test_a_command_that_was_killed_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    command = [
        sys.executable,
        ROOT / "benchmarks" / "kills.py",
        "--quick",
        "--json",
        "--work",
        tmp_path,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["spoilt"], found["lost"], found["where"]) == (0, 0, [])
    assert found["kills"] + found["interrupts"] >= len(NAMES)
    assert found["commands"].keys() == NAMES
    assert all(row["ends"] for row in found["commands"].values())
