"""A folder in upstream's layout, and the same as a repository of a Hub; both of other tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import loopback, upstream_folder
from sparkle import _patience


@pytest.fixture
def folder(media: Path, tmp_path: Path) -> Path:
    """A folder in upstream's layout."""
    upstream_folder.write_folder(tmp_path / "folder", media)
    return tmp_path / "folder"


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and a client that does not wait."""
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_patience, "FIRST_WAIT", 0.001)


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Hub that has the folder as me/upstream."""
    with loopback.only_hub(tmp_path, monkeypatch) as server:
        shutil.copytree(folder, server.root / "me" / "upstream")
        yield server
