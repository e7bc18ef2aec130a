"""Trainers' own code, out of checkouts that `make test-trainers` names; see its line in the Makefile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import factories
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions


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


@pytest.fixture(scope="session")
def mixed_sizes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of four pairs in three sizes, one of 24 frames per second and with a side that is no
    multiple of 16; all files are loose.
    """
    folder, runs = tmp_path_factory.mktemp("release"), []
    sizes = {
        "a": ("location", 2, 64, 48, 9, 16),
        "b": ("season", 1, 48, 64, 5, 16),
        "c": ("location", 1, 208, 120, 9, 24),
    }
    for first, (name, (theme, count, *values)) in enumerate(sizes.items()):
        with pytest.MonkeyPatch.context() as patch:
            for constant, value in zip(("WIDTH", "HEIGHT", "FRAMES", "FPS"), values, strict=True):
                patch.setattr(factories, constant, value)
            specs = factories.specs(theme, count, first=100 * first)
            runs.append(factories.write_run(folder / name, specs))
    build_release(runs, folder / "release", ReleaseOptions(preview=100))
    return folder / "release"
