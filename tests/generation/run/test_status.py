"""How a run goes, told from outside: `sparkle status`."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import msgspec
import pytest
from click.testing import CliRunner

from harness import factories
from sparkle.commands import main
from sparkle.generation.config import load_config
from sparkle.generation.run.jobs import Done
from sparkle.generation.run.live import LiveStatus
from sparkle.generation.run.local import LocalExecutor
from sparkle.generation.run.placement import place
from sparkle.generation.run.plan import workload
from sparkle.generation.run.schedule import Task
from sparkle.generation.run.schedules import Streaming
from sparkle.generation.run.status import RunStatus, leave_status, read_status
from sparkle.schemas import layout
from sparkle.schemas.records import AnyOutcome
from sparkle.schemas.stages import STEP_NAMES

SAMPLES = [
    factories.SampleSpec("Sparkle_location_000000"),
    factories.SampleSpec("Sparkle_location_000001", rejected_at="edit_score"),
    factories.SampleSpec("Sparkle_location_000002", failed_at="track"),
    factories.SampleSpec("Sparkle_location_000003"),
]


def status(*words: object, expect: int):
    result = CliRunner().invoke(main, ["status", *map(str, words)])
    assert result.exit_code == expect, result.output
    return result


def done(step: str, seconds: float) -> Done:
    outcome = AnyOutcome(id=SAMPLES[0].id, fingerprint="0" * 64, status="kept", record={}, artifacts={})
    return Done(step, outcome, "", seconds)


@pytest.fixture
def run(tmp_path):
    """An unfinished run, of which a kill tore a line."""
    run = factories.write_run(tmp_path / "run", SAMPLES, finished=False)
    lines = (run / layout.outcomes("synthesize")).read_bytes()
    whole, _, _ = lines.partition(b"\n")
    (run / layout.outcomes("synthesize")).write_bytes(lines[: len(whole) + 30])
    for step in ("video_score", "measure"):
        (run / layout.outcomes(step)).unlink()
    return run


def everything(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_an_unfinished_run_that_nobody_makes_is_counted(run):
    before = everything(run)
    found = json.loads(status(run, "--json", expect=1).stdout)
    assert (found["candidates"], found["finished"], found["works"]) == (4, False, False)
    steps = {step["step"]: (step["done"], step["waiting"]) for step in found["steps"]}
    assert steps["normalise"] == steps["edit_score"] == (4, 0)
    assert steps["track"] == (3, 0)
    assert steps["synthesize"] == (1, 1)
    assert steps["video_score"] == (0, 1)
    assert "measure" not in steps
    assert everything(run) == before
    people = status(run, expect=1)
    assert "nobody works at it" in people.stdout
    assert "sparkle generate" in people.stdout


def test_a_line_that_is_written_again_counts_once(run):
    path = run / layout.outcomes("flow")
    path.write_bytes(path.read_bytes() * 2)
    assert next(step for step in read_status(run).steps if step.step == "flow").done == 4


def test_a_finished_run_says_so(tmp_path):
    run = factories.write_run(tmp_path / "run", SAMPLES)
    found = json.loads(status(run, "--json", expect=0).stdout)
    assert found["finished"]
    assert [step["step"] for step in found["steps"]] == list(STEP_NAMES)
    assert "finished" in status(run, expect=0).stdout


def test_what_a_driver_sees_is_what_others_read(run):
    shown: list[RunStatus] = []
    folder = run / layout.STAGING / "epoch-1"
    folder.mkdir(parents=True)
    live = LiveStatus(folder, load_config("paper-fast"), LocalExecutor(3), shown.append)
    live.start(4, None)
    live.begin("track", 1, 3)
    live.left = 0.75
    live.accepted([done("track", 6.0)], {"track": 2})
    found = read_status(run)
    assert [found] == shown
    assert (found.candidates, found.workers, found.process, found.works) == (4, 3, os.getpid(), True)
    assert 0 < found.gpus_busy <= 6.0
    assert found.busy == 0.0
    assert found.seconds_left >= 3.0
    [track] = found.steps
    assert (track.done, track.waiting, track.seconds) == (3, 1, 6.0)
    people = status(run, expect=0)
    assert "at work: 0.0 of 3 workers" in people.stdout
    live.accepted([done("track", 1.0)], {"track": 1})
    assert [*folder.iterdir()] == [folder / "status.json"]


def test_what_waits_while_samples_stream_the_schedule_knows(run):
    folder = run / layout.STAGING / "epoch-1"
    folder.mkdir(parents=True)
    work = workload(load_config("paper-fast"))
    schedule = Streaming(work, None, place(work, 4, 10**12), 10**12)
    for number in range(4):
        schedule.joined(number, gpu=True)
    schedule.joined("a", gpu=False)
    for sample in "123":
        schedule.put(Task(sample, "track"))
    live = LiveStatus(folder, load_config("paper-fast"), LocalExecutor(8))
    live.start(4, schedule)
    live.accepted([done("edges", 0.5)], {"edges": 1})
    found = read_status(run)
    assert (found.gpus, found.workers) == (4, 1)
    assert {step.step: (step.done, step.waiting) for step in found.steps} == {
        "track": (0, 3),
        "edges": (1, 0),
    }


def test_a_driver_that_looks_at_sources_is_there(run):
    folder = run / layout.STAGING / "epoch-1"
    folder.mkdir(parents=True)
    LiveStatus(folder, load_config("classical"), LocalExecutor(1))
    assert "its sources are looked at" in status(run, expect=0).stdout


def test_nothing_is_left_where_the_epoch_is_over(run):
    leave_status(run / layout.STAGING / "gone", RunStatus(4))
    assert not (run / layout.STAGING).exists()


def test_a_driver_that_is_gone_is_told(run):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder = run / layout.STAGING / "epoch-1"
    folder.mkdir(parents=True)
    LiveStatus(folder, load_config("classical"), LocalExecutor(1)).accepted([done("flow", 0.1)], {"flow": 1})
    leave_status(folder, msgspec.structs.replace(read_status(run), process=ended.pid))
    assert f"process {ended.pid}" in status(run, expect=1).stdout
    elsewhere = msgspec.structs.replace(read_status(run), host="another")
    leave_status(folder, elsewhere)
    assert status(run, expect=0)  # it was heard of a moment ago
    leave_status(folder, msgspec.structs.replace(elsewhere, heard=elsewhere.heard - 3600))
    assert "is gone" in status(run, expect=1).stdout


@pytest.mark.parametrize("text", ["", "{", "[]", '{"candidates": -1}', '{"candidates": 1, "more": 2}'])
def test_what_no_driver_left_is_refused(run, text):
    folder = run / layout.STAGING / "epoch-1"
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(text)
    assert "what the driver left cannot be read" in status(run, expect=2).stderr


def test_what_is_no_run_is_refused(tmp_path):
    assert "there is no run" in status(tmp_path, expect=2).stderr
    status(tmp_path / "nowhere", expect=2)
