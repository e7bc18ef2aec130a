"""A release is a function of its runs, whichever interpreter builds it, and whichever checks it."""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path

import pyarrow
import pytest

from harness import ROOT, factories
from sparkle import build, validate
from sparkle.builders.release.manifest import read_manifest
from sparkle.schemas import layout

# Another interpreter with the newest of everything that the package needs.
OTHER = ROOT / ".venv-newest/bin/python"
# Scores of frames whose sum, added one after the other as `sum` did before Python 3.12, is not the nearest.
SCORES = (9.8, 9.8, 9.775, 9.8)


def test_these_scores_tell_sums_apart() -> None:
    total = 0.0
    for score in SCORES:
        total += score
    assert total != math.fsum(SCORES)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose frames have such scores."""
    folder = factories.write_run(
        tmp_path_factory.mktemp("interpreters") / "run", factories.specs("location", 3)
    )
    path = folder / layout.outcomes("video_score")
    outcomes = [json.loads(line) for line in path.read_text().splitlines()]
    for outcome in outcomes:
        for frame, score in zip(outcome["record"]["editscore"], SCORES, strict=True):
            frame |= {"SC_score": score, "PQ_score": score, "O_score": score}
    path.write_text("".join(json.dumps(outcome) + "\n" for outcome in outcomes))
    return folder


def other(*words: object) -> str:
    """What a command of the other interpreter prints, which must end well."""
    if not OTHER.exists():
        pytest.skip(f"no {OTHER.relative_to(ROOT)}: make .venv-newest/.ready NEWEST=python3.13")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(OTHER), *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_another_interpreter_builds_the_same_release_and_finds_nothing_wrong(
    run: Path, tmp_path: Path
) -> None:
    theirs = other("-c", "import pyarrow, sys; print(sys.version, pyarrow.__version__)")
    if theirs.split()[-1] != pyarrow.__version__:
        pytest.skip(f"another pyarrow writes other Parquet files: {theirs}")
    build(run, tmp_path / "ours")
    other("-m", "sparkle", "build", run, "--out", tmp_path / "theirs")
    listed, documents = [], []
    for name in ("ours", "theirs"):
        listed.append({entry.path: entry for entry in read_manifest(tmp_path / name)})
        documents.append(json.loads((tmp_path / name / layout.PROVENANCE).read_text()))
    unlike = {path for path in listed[0] | listed[1] if listed[0].get(path) != listed[1].get(path)}
    # The versions of what wrote the release are recorded; where they are the same, so is every file.
    same = documents[0].pop("packages") == documents[1].pop("packages")
    assert unlike == (set() if same else {layout.PROVENANCE})
    assert documents[0] == documents[1]
    other("-m", "sparkle", "validate", tmp_path / "ours")
    assert not validate(tmp_path / "theirs").findings
