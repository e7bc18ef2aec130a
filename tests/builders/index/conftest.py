"""A folder in upstream's layout, and the same as a repository of a Hub; both of other tests."""

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
from sparkle.schemas.layout import KINDS


def _load(path: str, name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent.parent / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def upstream() -> ModuleType:
    return _load("upstream/folder.py", "sparkle_test_upstream_folder")


@pytest.fixture(scope="session")
def range_hub() -> ModuleType:
    return _load("source/range_hub.py", "sparkle_test_range_hub")


@pytest.fixture(scope="session")
def staging_server() -> ModuleType:
    return _load("../hub/staging_server.py", "sparkle_test_staging")


@pytest.fixture(scope="session")
def media(factories: ModuleType, upstream: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for sample_id in upstream.IDS:
        for kind in KINDS:
            factories.write_artifact(folder, kind, sample_id)
    return folder


@pytest.fixture
def folder(media: Path, upstream: ModuleType, tmp_path: Path) -> Path:
    """A folder in upstream's layout."""
    upstream.write_folder(tmp_path / "folder", media)
    return tmp_path / "folder"


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and a client that does not wait."""
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ranges, "_FIRST_WAIT", 0.001)


@pytest.fixture
def hub(
    range_hub: ModuleType, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """A Hub that has the folder as me/upstream."""
    with range_hub.only_hub(tmp_path, monkeypatch) as server:
        shutil.copytree(folder, server.root / "me" / "upstream")
        yield server
