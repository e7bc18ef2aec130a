"""Releases and a staging hub that the tests of the hub share; whoever changes a release works on a copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness import factories, staging_server
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions

# Small enough that every kind needs more than one tar.
OPTIONS = ReleaseOptions(max_shard_size=6000, preview=1)


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two releases: five samples of location and two of season; then as `after` says.

    Of location the last is gone and one is new, one has another prompt, one another video score; season is
    the same; style is new.
    """
    folder = tmp_path_factory.mktemp("releases")
    before = [*factories.specs("location", 5), *factories.specs("season", 2)]
    after = [
        before[0],
        replace(before[1], prompt="Put the square on a beach."),
        replace(before[2], scores={"video_score": 8.5}),
        before[3],
        factories.SampleSpec("Sparkle_location_000100"),
        *before[5:],
        *factories.specs("style", 1),
    ]
    built = []
    for name, specs in (("before", before), ("after", after)):
        run = factories.write_run(folder / "runs" / name, specs)
        built.append(build_release([run], folder / name, OPTIONS).out)
    return built[0], built[1]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[staging_server.Staging]:
    """A staging hub that the tests of a module share; each uses a repository of its own."""
    with staging_server.staging(tmp_path_factory.mktemp("staging") / "root") as running:
        yield running


@pytest.fixture
def before(releases: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the older release."""
    return Path(shutil.copytree(releases[0], tmp_path / "before"))
