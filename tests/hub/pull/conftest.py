"""A release in a folder and on a Hub that fails as it is told."""

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

_TESTS = Path(__file__).parent.parent.parent


def _load(path: str, name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _TESTS / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and a client that does not wait."""
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ranges, "_FIRST_WAIT", 0.001)


@pytest.fixture
def hub(releases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Hub that has the newer release as me/sparkle."""
    range_hub = _load("builders/source/range_hub.py", "sparkle_test_range_hub")
    with range_hub.only_hub(tmp_path, monkeypatch) as server:
        shutil.copytree(releases[1], server.root / "me" / "sparkle")
        yield server


@pytest.fixture(scope="session")
def staging_server() -> ModuleType:
    return _load("hub/staging_server.py", "sparkle_test_staging")


@pytest.fixture(scope="session")
def random_access() -> ModuleType:
    """The benchmark that draws releases of random bytes."""
    return _load("../benchmarks/random_access.py", "sparkle_benchmark_random_access")
