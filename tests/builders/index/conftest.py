"""A folder in upstream's layout, and the same as a repository of a Hub; both of other tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from loading import load_module

from sparkle.builders.source import ranges
from sparkle.schemas.layout import KINDS


@pytest.fixture(scope="session")
def upstream() -> ModuleType:
    return load_module("builders/upstream/folder.py")


@pytest.fixture(scope="session")
def range_hub() -> ModuleType:
    return load_module("builders/source/range_hub.py")


@pytest.fixture(scope="session")
def staging_server() -> ModuleType:
    return load_module("builders/../hub/staging_server.py")


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
