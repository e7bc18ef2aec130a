"""A staging hub for the tests of this folder."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load() -> ModuleType:
    path = Path(__file__).parent.parent / "staging_server.py"
    spec = importlib.util.spec_from_file_location("sparkle_test_staging", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def staging_server() -> ModuleType:
    """The module `staging_server`."""
    return _load()


@pytest.fixture(scope="module")
def hub(staging_server: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A hub that the tests of a module share; each uses a repository of its own."""
    with staging_server.staging(tmp_path_factory.mktemp("staging") / "root") as running:
        yield running
