"""The trainers' rules, and where this folder's tests keep what they write."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def rules() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sparkle_test_rules", Path(__file__).parent / "rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
