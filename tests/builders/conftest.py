"""Runs and releases that the tests of builders share; whoever changes one works on a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import factories
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions

# Small enough that every kind of the shared run needs more than one tar.
OPTIONS = ReleaseOptions(max_shard_size=6000, preview=2)


@pytest.fixture(scope="session")
def options() -> ReleaseOptions:
    return OPTIONS


@pytest.fixture(scope="session")
def shared_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six kept samples of location and three of openve3m; one failed, two rejected (one is all of style)."""
    samples = [
        *factories.specs("location", 6),
        factories.SampleSpec("Sparkle_location_000001", rejected_at="edit_score"),
        factories.SampleSpec("Sparkle_location_000002", failed_at="normalise"),
        *factories.specs("openve3m", 3),
        factories.SampleSpec("Sparkle_style_000000", rejected_at="flow"),
    ]
    scores = {"Sparkle_location_000003": 9.75, "Sparkle_location_000009": 8.25}
    prompts = {"Sparkle_location_000006": 'Say "hello",\nthen leave; é 世', "Sparkle_openve3m_000000": "None"}
    for index, spec in enumerate(samples):
        given = {"video_score": scores[spec.id]} if spec.id in scores else {}
        samples[index] = replace(spec, scores=given, prompt=prompts.get(spec.id))
    return factories.write_run(tmp_path_factory.mktemp("shared") / "run", samples)


@pytest.fixture(scope="session")
def shared_release(shared_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shared") / "release"
    build_release([shared_run], out, OPTIONS)
    return out


@pytest.fixture(scope="session")
def whole_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six samples of location and three of openve3m, in which nothing is to be found."""
    samples = [*factories.specs("location", 6), *factories.specs("openve3m", 3)]
    samples[2] = replace(samples[2], prompt='Say "hello",\nthen leave; é 世')
    run = factories.write_run(tmp_path_factory.mktemp("whole") / "run", samples)
    build_release([run], run.parent / "release", OPTIONS)
    return run.parent / "release"


@pytest.fixture
def run(shared_run: Path, tmp_path: Path) -> Path:
    """A copy of the run."""
    return Path(shutil.copytree(shared_run, tmp_path / "run"))


@pytest.fixture
def release(shared_release: Path, tmp_path: Path) -> Path:
    """A copy of the release."""
    return Path(shutil.copytree(shared_release, tmp_path / "release"))


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Every file below a folder with its bytes."""

    def read(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    return read
