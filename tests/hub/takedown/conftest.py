"""A run, its release, and what two releases are compared by; whoever changes one works on a copy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness import factories
from sparkle.builders.building.from_runs import BuildMode, build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.selection import Selection
from sparkle.schemas import layout

# Tars of two or three members; two samples of a theme stand loose.
OPTIONS = ReleaseOptions(max_shard_size=6000, preview=2)
SHARED = ("Sparkle_location_000003", "Sparkle_location_000012", "Sparkle_season_000000")  # of one source

Files = Callable[[Path], dict[str, bytes]]
Build = Callable[..., Path]


def files_of(folder: Path) -> dict[str, bytes]:
    """Path -> content of everything in a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="session")
def files() -> Files:
    return files_of


@pytest.fixture(scope="session")
def taken_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven samples of location and three of season; the three of `SHARED` were made of one source."""
    folder = tmp_path_factory.mktemp("takedown") / "run"
    run: Path = factories.write_run(folder, [*factories.specs("location", 7), *factories.specs("season", 3)])
    lines = [json.loads(line) for line in (run / layout.CANDIDATES).read_text().splitlines()]
    source = next(line["source"] for line in lines if line["id"] == SHARED[0])
    changed = [{**line, "source": source} if line["id"] in SHARED else line for line in lines]
    (run / layout.CANDIDATES).write_text("".join(f"{json.dumps(line)}\n" for line in changed))
    return run


@pytest.fixture(scope="session")
def built(taken_run: Path) -> Path:
    """Its release."""
    return build_release([taken_run], taken_run.parent / "release", OPTIONS).out


@pytest.fixture
def release(built: Path, tmp_path: Path) -> Path:
    """A copy of the release."""
    return Path(shutil.copytree(built, tmp_path / "release"))


@pytest.fixture
def rebuild(taken_run: Path, tmp_path: Path) -> Build:
    """Build the run again, after a release and without some ids."""

    def rebuild(previous: Path, exclude: tuple[str, ...] = (), options: ReleaseOptions = OPTIONS) -> Path:
        selection = Selection(exclude=exclude) if exclude else None
        mode = BuildMode(previous=previous)
        return build_release(
            [taken_run], tmp_path / "rebuilt", replace(options, selection=selection), mode=mode
        ).out

    return rebuild


@pytest.fixture(scope="session")
def shared_source(built: Path) -> str:
    """The source of the samples of `SHARED`."""
    rows = pq.read_table(built / "data" / "season", columns=["task", "source_sha256"]).to_pylist()
    return str(next(row["source_sha256"] for row in rows if row["task"] == SHARED[2]))
