"""Each reader gets some inputs of the mutator; `make fuzz` gives them a million."""

from __future__ import annotations

import pytest

from fuzz.campaign import run_inputs
from fuzz.targets import TARGETS, Files, Target, make_files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("fuzz")
    make_files(folder)
    (folder / "scratch").mkdir()
    return Files(folder / "run", folder / "release", folder / "scratch")


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_escapes(files: Files, target: Target) -> None:
    seeds = target.seeds(files)
    assert seeds
    for seed in seeds:  # as they are, they are read
        target.read(files, seed)
    assert not list(run_inputs(target, files, seeds, map(str, range(target.quick))))
