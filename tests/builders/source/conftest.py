"""A release in a folder and on a Hub; the client of this process is told that there is no other Hub."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sparkle.builders.source import ranges
from sparkle.builders.source.pairs import Pairs, open_pairs


def _load(name: str) -> ModuleType:
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"sparkle_test_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def range_hub() -> ModuleType:
    return _load("range_hub")


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
