"""Trainers' own code, out of checkouts that `make test-trainers` names; see its line in the Makefile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def checkout() -> Callable[[str, str], Path]:
    """Find the checkout that a variable names; without one its tests are skipped, and say what they need."""

    def find(variable: str, repository: str) -> Path:
        named = os.environ.get(variable)
        if not named:
            pytest.skip(
                f"nothing of {repository} is run: name a checkout, as in make test-trainers {variable}=folder"
            )
        folder = Path(named).resolve()
        assert folder.is_dir(), f"{variable}: there is no folder {folder}"
        return folder

    return find
