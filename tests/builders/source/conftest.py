"""A release in a folder and on a Hub; the client of this process is told that there is no other Hub."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from loading import load_module

from sparkle.builders.source import ranges
from sparkle.builders.source.pairs import Pairs, open_pairs


@pytest.fixture(scope="session")
def range_hub() -> ModuleType:
    return load_module("builders/source/range_hub.py")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder of a test."""
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hub(range_hub: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Hub without repositories, which the client takes for the only one."""
    with range_hub.only_hub(tmp_path, monkeypatch) as server:
        yield server


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "_FIRST_WAIT", 0.001)


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
