"""`sparkle show` and `sparkle stats --rejected`: what happened to a clip, and what was not kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness import factories
from sparkle.builders.building.history import read_history, read_lost
from sparkle.commands.show import show
from sparkle.commands.stats import stats
from sparkle.schemas import layout
from sparkle.schemas.errors import RunError
from sparkle.schemas.layout import KINDS
from sparkle.schemas.rules import ASKED
from sparkle.schemas.stages import STEP_NAMES


def run_command(command: Any, *words: object) -> Any:
    result = CliRunner().invoke(command, [*map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_kept_sample_has_every_step_number_and_file(shared_run: Path) -> None:
    (found,) = read_history(shared_run, "Sparkle_location_000003")
    assert found.verdict == "kept"
    assert [step.step for step in found.steps] == list(STEP_NAMES)
    assert {step.status for step in found.steps} == {"kept"}
    steps = {step.step: step for step in found.steps}
    assert steps["video_score"].measured == {"overall": 9.75}
    assert steps["video_score"].limits == {"overall": (8.0, None)}
    assert {step for step in steps if steps[step].limits} == ASKED.keys()
    files = {kind: Path(path) for step in found.steps for kind, path in step.files.items()}
    assert files.keys() == {kind.name for kind in KINDS}
    assert all(path.is_file() for path in files.values())


def test_a_lost_sample_says_where_and_why(shared_run: Path) -> None:
    (rejected,) = read_history(shared_run, "Sparkle_location_000001")
    assert rejected.verdict.startswith(
        "rejected at edit_score: edited frame 0 score too low: 1.000, wanted 8"
    )
    (failed,) = read_history(shared_run, "Sparkle_location_000002")
    assert failed.verdict == f"failed at normalise: {factories.PROBLEM}"
    assert [step.status for step in failed.steps[1:]] == [None] * (len(STEP_NAMES) - 1)


def test_a_clip_is_found_by_number_file_and_hash(shared_run: Path) -> None:
    (found,) = read_history(shared_run, "Sparkle_location_000003")
    for name in ("000003", "3", found.source.path, found.source.sha256[:8]):
        assert found.id in [other.id for other in read_history(shared_run, name)]
    with pytest.raises(RunError, match="no sample of the run has this name"):
        read_history(shared_run, "elsewhere.mp4")


def test_an_unfinished_run_says_what_comes_next(run: Path) -> None:
    (run / layout.FUNNEL).unlink()
    (run / layout.outcomes("measure")).unlink()
    (found,) = read_history(run, "Sparkle_location_000003")
    assert found.verdict == "not finished: measure comes next"


def test_files_that_a_release_took_over_are_named_in_its_tars(run: Path, tmp_path: Path) -> None:
    from sparkle.builders import building

    building.build([run], tmp_path / "release", reclaim=True)
    (found,) = read_history(run, "Sparkle_location_000003")
    places = [place for step in found.steps for place in step.files.values()]
    assert places
    assert all(Path(place.partition(" from byte ")[0]).suffix == ".tar" for place in places)
    assert all(Path(place.partition(" from byte ")[0]).is_file() for place in places)


def test_what_was_not_kept_is_listed_as_a_build_sees_it(shared_run: Path) -> None:
    lost = read_lost(shared_run)
    assert [(one.id, one.step, one.status) for one in lost] == [
        ("Sparkle_location_000001", "edit_score", "rejected"),
        ("Sparkle_location_000002", "normalise", "failed"),
        ("Sparkle_style_000000", "flow", "rejected"),
    ]
    said = run_command(stats, shared_run, "--rejected")["not_kept"]
    assert [one["id"] for one in said] == [one.id for one in lost]


def test_the_command_says_all_of_it(shared_run: Path) -> None:
    (found,) = run_command(show, shared_run, "Sparkle_style_000000")["samples"]
    assert found["steps"][1]["status"] == "rejected"
    text = CliRunner().invoke(show, [str(shared_run), "Sparkle_style_000000"]).output
    assert "rejected at flow: moving camera" in text
    assert "(at most 0.2)" in text
