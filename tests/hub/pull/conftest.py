"""A release in a folder and on a Hub that fails as it is told."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import ROOT, loopback
from sparkle import _patience


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and a client that does not wait."""
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_patience, "FIRST_WAIT", 0.001)


@pytest.fixture
def hub(releases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Hub that has the newer release as me/sparkle."""
    with loopback.only_hub(tmp_path, monkeypatch) as server:
        shutil.copytree(releases[1], server.root / "me" / "sparkle")
        yield server


@pytest.fixture(scope="session")
def random_access() -> SimpleNamespace:
    """The benchmark that draws releases of random bytes."""
    return SimpleNamespace(**runpy.run_path(str(ROOT / "benchmarks" / "random_access.py")))
