from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w

from harness import factories
from sparkle.builders.building.outcomes import read_again
from sparkle.builders.building.replay import Replay, check_artifacts, kept_samples, replay
from sparkle.builders.building.run import read_run
from sparkle.builders.release.sample import STREAMED
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_line
from sparkle.schemas.errors import RecordError, ReleaseError, RunError
from sparkle.schemas.records import STEP_RECORDS
from sparkle.schemas.rules import Thresholds
from sparkle.schemas.stages import STEP_NAMES


def replayed(folder: Path) -> Replay:
    return replay(read_run(folder))


def ids(found: Replay) -> list[str]:
    return [sample.id for sample in found.samples]


def edit_line(path: Path, number: int, new: str) -> None:
    lines = path.read_text().splitlines()
    lines[number - 1] = new
    path.write_text("\n".join(lines) + "\n")


def test_kept_samples_are_those_that_passed_every_step(shared_run: Path) -> None:
    found = replayed(shared_run)
    assert ids(found) == [
        *(f"Sparkle_location_{index:06d}" for index in (0, 3, 6, 9, 12, 15)),
        *(f"Sparkle_openve3m_{index:06d}" for index in (0, 3, 6)),
    ]
    assert found.pending == 0


def test_the_replayed_funnel_is_the_one_that_was_recorded(shared_run: Path) -> None:
    recorded = json.loads((shared_run / layout.FUNNEL).read_text())
    assert [row.to_json() for row in replayed(shared_run).funnel] == recorded["steps"]


def test_a_sample_carries_what_tables_need_and_artifacts(shared_run: Path) -> None:
    sample = replayed(shared_run).samples[1]
    assert sample.id == "Sparkle_location_000003"
    assert sample.scores == {"edited_frame0": 9.0, "foreground_removed": 9.0, "edited_video": 9.75}
    assert sample.prompt == "Put the square of Sparkle_location_000003 on a rooftop."
    assert (sample.subtheme, sample.scene) == ("urban", "rooftop overlooking skyline")
    assert sample.artifacts.keys() == {kind.name for kind in layout.KINDS}
    assert sample.path(layout.SOURCE_VIDEO).stat().st_size == sample.artifacts["source_video"].size


@pytest.mark.parametrize("step", STREAMED)
def test_records_are_those_that_the_run_holds(shared_run: Path, step: str) -> None:
    samples = replayed(shared_run).samples[::-2]  # any samples, in any order
    lines = map(json.loads, (shared_run / layout.outcomes(step)).read_text().splitlines())
    recorded = {line["id"]: line["record"] for line in lines}
    found = read_again([sample.text for sample in samples], step, STEP_RECORDS[step])
    assert [json.loads(dump_line(record)) for record in found] == [recorded[sample.id] for sample in samples]


def test_a_run_that_changes_while_it_is_read_is_refused(run: Path) -> None:
    samples = replayed(run).samples
    path = run / layout.outcomes("ground2")
    path.write_text("\n".join(path.read_text().splitlines()[1:]) + "\n")
    with pytest.raises(RecordError) as caught:
        list(read_again([sample.text for sample in samples], "ground2", STEP_RECORDS["ground2"]))
    assert str(path) in str(caught.value.where)


def test_thresholds_are_replayed_over_stored_verdicts(tmp_path: Path) -> None:
    samples = factories.specs("location", 3)
    samples[1] = replace(samples[1], scores={"edit_score": 8.2})
    run = factories.write_run(
        tmp_path / "run", samples, thresholds=Thresholds(edited_frame0=8.5), judged_under=Thresholds()
    )
    found = replayed(run)
    assert ids(found) == [samples[0].id, samples[2].id]
    rows = {row.step: row for row in found.funnel}
    assert rows["edit_score"].rejected == {"edited frame 0 score too low": 1}
    assert rows["measure"].reached == 2  # outcomes behind the rejection are there, and are not looked at


def test_looser_thresholds_leave_samples_pending(tmp_path: Path) -> None:
    samples = factories.specs("location", 2)
    samples[1] = replace(samples[1], scores={"edit_score": 7.0})
    run = factories.write_run(
        tmp_path / "run", samples, thresholds=Thresholds(edited_frame0=6.0), judged_under=Thresholds()
    )
    found = replayed(run)
    assert ids(found) == [samples[0].id]
    assert found.pending == 1


@pytest.mark.parametrize("step", ["normalise", "edit", "measure"])
def test_a_failed_sample_is_never_kept(tmp_path: Path, step: str) -> None:
    samples = factories.specs("time", 2)
    samples[0] = replace(samples[0], failed_at=step)
    found = replayed(factories.write_run(tmp_path / "run", samples))
    assert ids(found) == [samples[1].id]
    assert {row.step: row.failed for row in found.funnel}[step] == {factories.PROBLEM: 1}


def test_the_last_line_of_an_id_counts(run: Path) -> None:
    path = run / layout.outcomes("edit_score")
    line = json.loads(path.read_text().splitlines()[0])
    line["record"]["overall"] = 2.0
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    assert line["id"] not in ids(replayed(run))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder") as caught:
        read_run(tmp_path)
    assert "sparkle generate" in str(caught.value.fix)


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    run = factories.write_run(tmp_path / "run", factories.specs("location", 1), finished=False)
    with pytest.raises(RunError, match="not finished") as caught:
        read_run(run)
    assert caught.value.fix == f"`sparkle generate ... --out {run}` finishes it"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", "not a run that this version reads"),
        ("version", 2, "not a run that this version reads"),
        ("name", 3, "no name"),
        ("thresholds", {"edited_frame0": "high"}, "wrong type"),
        ("thresholds", {"edited_frame": 8.0}, "unknown key"),
        ("models", [{"capability": "flow"}], "missing key"),
        ("seed", float("nan"), "cannot be read"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(
    run: Path, key: str, value: object, message: str
) -> None:
    path = run / layout.RUN_CONFIG
    path.write_text(tomli_w.dumps({**tomllib.loads(path.read_text()), key: value}))
    with pytest.raises(RunError, match=message) as caught:
        read_run(run)
    assert layout.RUN_CONFIG in str(caught.value.where)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("", "blank"),
        ('{"id": "Sparkle_location_000003", "id": "x"}', "a key stands twice"),
        ('{"id": "Sparkle_location_000003", "fingerprint": "0", "status": "kept"}', "artifacts"),
        (
            json.dumps(
                {"id": "Sparkle_season_000001"}
                | {"fingerprint": "0" * 64, "status": "failed", "error": {"problem": "x"}, "artifacts": {}}
            ),
            "unknown id",
        ),
    ],
)
@pytest.mark.parametrize("step", STEP_NAMES[::5])
def test_a_bad_outcome_is_named_by_file_and_line(run: Path, step: str, line: str, message: str) -> None:
    path = run / layout.outcomes(step)
    edit_line(path, 2, line)
    with pytest.raises(RecordError, match=message) as caught:
        replayed(run)
    assert f"{path}:2" in str(caught.value.where)


def test_a_record_of_another_shape_is_named_by_pointer(run: Path) -> None:
    path = run / layout.outcomes("flow")
    line = json.loads(path.read_text().splitlines()[3])
    line["record"]["long"] = "far"
    edit_line(path, 4, json.dumps(line))
    with pytest.raises(RecordError, match="wrong type") as caught:
        replayed(run)
    assert caught.value.where == f"{path}:4 /record/long"


@pytest.mark.parametrize("name", [layout.CANDIDATES, layout.SOURCES])
def test_a_bad_candidate_or_source_is_named_by_file_and_line(run: Path, name: str) -> None:
    edit_line(run / name, 3, "[]")
    with pytest.raises(RecordError) as caught:
        read_run(run)
    assert f"{run / name}:3" in str(caught.value.where)


def test_an_id_that_was_given_twice_is_refused(run: Path) -> None:
    path = run / layout.CANDIDATES
    lines = path.read_text().splitlines()
    edit_line(path, 4, lines[0])
    with pytest.raises(RecordError, match="given twice") as caught:
        read_run(run)
    assert caught.value.where == f"{path}:4"


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_an_artifact_that_is_not_there_is_named(run: Path, damage: str) -> None:
    path = run / layout.SOURCE_VIDEO_MASK.path("Sparkle_openve3m_000003")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunError) as caught:
        check_artifacts(replayed(run).samples)
    assert caught.value.where == str(path)


def test_runs_with_the_same_ids_are_refused_and_named(tmp_path: Path) -> None:
    samples = factories.specs("style", 2)
    first = factories.write_run(tmp_path / "first", samples)
    second = factories.write_run(tmp_path / "second", [samples[1]])
    with pytest.raises(RunError, match="same ids") as caught:
        kept_samples([replayed(first), replayed(second)])
    assert samples[1].id in str(caught.value.got)
    assert caught.value.where == f"{first} and {second}"


def test_when_nothing_is_kept_the_funnel_is_named(tmp_path: Path) -> None:
    samples = [factories.SampleSpec("Sparkle_time_000000", rejected_at="track")]
    run = factories.write_run(tmp_path / "run", samples)
    with pytest.raises(ReleaseError, match="no sample is kept") as caught:
        kept_samples([replayed(run)])
    assert re.search(r"run/funnel\.json$", str(caught.value.where))


def test_several_processes_judge_as_one_does(shared_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = replayed(shared_run)
    monkeypatch.setattr("sparkle.builders.building.outcomes.MANY", 1)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    together = replayed(shared_run)
    assert (ids(together), together.funnel, together.measured) == (ids(alone), alone.funnel, alone.measured)
    for one, other in zip(alone.samples, together.samples, strict=True):
        assert (one.scores, one.offsets, one.artifacts) == (other.scores, other.offsets, other.artifacts)


def test_another_process_names_the_bad_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run / layout.outcomes("video_score")
    edit_line(path, 3, "{")
    monkeypatch.setattr("sparkle.builders.building.outcomes.MANY", 1)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    with pytest.raises(RecordError, match="not JSON") as caught:
        replayed(run)
    assert caught.value.where == f"{path}:3"
