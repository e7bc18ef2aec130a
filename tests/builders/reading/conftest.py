"""A release in a folder and on a Hub; the client of this process is told that there is no other Hub."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import loopback
from sparkle import _patience
from sparkle.builders.reading.pairs import Pairs, open_pairs


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder of a test."""
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Hub without repositories, which the client takes for the only one."""
    with loopback.only_hub(tmp_path, monkeypatch) as server:
        yield server


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_patience, "FIRST_WAIT", 0.001)


@pytest.fixture
def repo(hub: Any, release: Path) -> Path:
    """The release as a repository."""
    return Path(shutil.copytree(release, hub.root / "me" / "sparkle"))


@pytest.fixture
def pairs(hub: Any, repo: Path) -> Pairs:
    opened = open_pairs("me/sparkle")
    hub.asked.clear()
    hub.bytes_sent = 0
    return opened
