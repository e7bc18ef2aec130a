"""Modules of the tests that other tests use: loaded by their file, once a process, whoever asks.

Tests are no package (`--import-mode=importlib`), so that what they share is found by its path.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).resolve().parent


def load_module(path: str) -> ModuleType:
    """The module in a file by its path from `tests`, such as "hub/staging_server.py"."""
    name = "sparkle_tests_" + re.sub(r"\W+", "_", path.removesuffix(".py"))
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, TESTS / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
