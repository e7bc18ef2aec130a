"""The wheel: every module and data file once, below `sparkle/`, and nothing else on the top level."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from harness import ROOT

FOLDERS = ("schemas", "generation", "builders", "hub")


def wanted() -> set[str]:
    """What git knows of the package, by its name in the wheel."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = {path for path in listed.stdout.splitlines() if (ROOT / path).is_file()}
    own = {path for path in files if path.startswith("sparkle/")}
    return own | {f"sparkle/{path}" for path in files if path.split("/")[0] in FOLDERS}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of a copy (setuptools leaves files behind), which sets up an environment to build in."""
    tmp_path = tmp_path_factory.mktemp("wheel")
    hidden = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    source = shutil.copytree(ROOT, tmp_path / "source", symlinks=True, ignore=hidden)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, source]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    return wheel


@pytest.mark.slow
def test_the_wheel_has_every_file_once(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert len(names) == len(set(names))
    assert set(names) == wanted()


@pytest.mark.slow
def test_the_wheel_knows_its_configurations_by_name(wheel: Path, tmp_path: Path):
    """The checkout's root shadows an installed package, so this is done in another folder."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    for words in (["config", "list"], ["models", "--config", "paper-fast"], ["config", "reference"]):
        command = [sys.executable, "-P", "-m", "sparkle", *words]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "paper-fast" in done.stdout
