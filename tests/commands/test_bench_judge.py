"""`sparkle bench judge` with the real client, against an endpoint that has its faults."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import judge_answers
from harness.endpoint import fault, pictures, question_of
from harness.judge_answers import BAD, CAPPED, GOOD, MODEL, as_object, lines, says

pytest.importorskip("openai", reason="needs the extra vlm: pip install 'sparkle-dataset[vlm]'")

FIRST = "Sparkle_location_000000"


def test_every_edit_gets_a_verdict_that_says_how_it_came(judged_bench):
    judged_bench.endpoint.answer = lambda body: as_object()
    done = judged_bench.judge()
    assert done.exit_code == 0, done.output
    file = judged_bench.verdicts()
    assert (file.head.model, file.head.judge.name, file.head.judge.kind) == ("kiwi", MODEL, "openai")
    assert file.head.judge.settings["seed"] == 42
    assert file.head.judge.settings["temperature"] == 0
    assert len(file.head.judge.settings["rubric_sha256"]) == 64
    assert "base_url" not in file.head.judge.settings
    assert [verdict.id for verdict in file.verdicts] == sorted(judged_bench.items)
    for verdict in file.verdicts:
        item = judged_bench.items[verdict.id]
        assert (verdict.raw, verdict.scores) == (GOOD, CAPPED)
        assert (verdict.prompt, verdict.scene) == (item.prompt, item.scene)
        assert (verdict.attempts, verdict.repairs, verdict.answer) == (1, None, as_object())
        assert (verdict.system_fingerprint, verdict.finish_reason) == ("fp_1", "stop")
        assert verdict.usage == {"prompt_tokens": 1000, "completion_tokens": 100}


def test_the_request_shows_matched_frames_with_words(judged_bench):
    judged_bench.judge()
    body = judged_bench.endpoint.requests[0]
    assert (body["seed"], body["temperature"], body["model"]) == (42, 0, MODEL)
    content = body["messages"][0]["content"]
    captions = [part["text"] for part in content[:-1] if part["type"] == "text"]
    assert captions == [
        f"{name} frame {number} of 21, {seconds} s"
        for number, seconds in ((1, "0.00"), (11, "0.62"), (21, "1.25"))
        for name in ("source", "edited")
    ]
    shown = pictures(body)
    assert {picture.shape for picture in shown} == {(64, 128, 3)}  # the source in the rows of the edit
    for source, edited in zip(shown[::2], shown[1::2], strict=True):
        assert abs(255 - source.astype(int) - edited).mean() < 8
    words = question_of(body)
    assert "Change the background to landmark: ancient stone ruins, 0." in words
    assert all(heading in words for heading in judge_answers.HEADINGS)
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["Foreground Integrity"]["enum"] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("case", BAD)
def test_a_bad_answer_is_asked_for_once_more_and_then_failed(judged_bench, case):
    reply, problem = BAD[case]
    judged_bench.endpoint.faults.extend([reply, reply])
    done = judged_bench.judge()
    assert done.exit_code == 1, done.output
    first, *others = judged_bench.verdicts().verdicts
    assert (first.status, first.attempts, first.raw, first.scores) == ("failed", 2, None, None)
    assert first.reason.startswith(problem)
    assert all(verdict.status == "ok" for verdict in others)
    assert len(judged_bench.endpoint.requests) == 2 + len(others)
    assert "could not be read" in question_of(judged_bench.endpoint.requests[1])
    judged_bench.judge()  # what was answered is not asked about again
    assert len(judged_bench.endpoint.requests) == 2 + len(others)


@pytest.mark.parametrize("case", BAD)
def test_a_second_answer_that_can_be_read_counts(judged_bench, case):
    judged_bench.endpoint.faults.append(BAD[case][0])
    assert judged_bench.judge().exit_code == 0
    first = judged_bench.verdicts().verdicts[0]
    assert (first.status, first.attempts) == ("ok", 2)
    assert first.usage == {"prompt_tokens": 2000, "completion_tokens": 200}


def test_what_is_mended_is_named(judged_bench):
    judged_bench.endpoint.faults.append(says(lines().replace("Visual Quality: 3", "Visual Quality: **3/5**")))
    assert judged_bench.judge().exit_code == 0
    assert {"bold", "out of the highest"} <= {*judged_bench.verdicts().verdicts[0].repairs}


def test_an_endpoint_without_schemas_is_asked_for_lines(judged_bench):
    judged_bench.endpoint.answer = lambda body: lines()
    judged_bench.endpoint.faults.append(fault(400, "response_format is not supported"))
    assert judged_bench.judge().exit_code == 0
    assert "response_format" not in judged_bench.endpoint.requests[-1]
    assert judged_bench.verdicts().verdicts[0].repairs == ("asked without a schema",)
    before, count = judged_bench.out.read_bytes(), len(judged_bench.endpoint.requests)
    judged_bench.out.unlink()
    assert judged_bench.judge("--offline").exit_code == 0
    assert (judged_bench.out.read_bytes(), len(judged_bench.endpoint.requests)) == (before, count)


# --- who answers ----------------------------------------------------------------------------------


def test_another_model_stops_before_a_verdict_is_written(judged_bench):
    judged_bench.endpoint.about = judge_answers.about("another-judge")
    done = judged_bench.judge()
    assert done.exit_code == 2
    assert "another model answered" in done.output
    assert "another-judge" in done.output
    assert not judged_bench.out.exists()
    assert len(judged_bench.endpoint.requests) == 1


def test_another_model_may_be_accepted_under_its_name(judged_bench):
    judged_bench.endpoint.about = judge_answers.about("another-judge")
    done = judged_bench.judge("--accept-model", "another-judge")
    assert done.exit_code == 0, done.output
    judge = judged_bench.verdicts().head.judge
    assert (judge.name, judge.settings["model"]) == ("another-judge", MODEL)
    judged_bench.endpoint.about = judge_answers.about()
    assert judged_bench.judge().exit_code == 2  # the file is another judge's


def test_a_model_that_is_swapped_meanwhile_stops_and_what_was_judged_stays(judged_bench):
    judged_bench.endpoint.faults.extend([says(as_object()), says(as_object())])
    judged_bench.endpoint.about = judge_answers.about("another-judge")
    assert judged_bench.judge().exit_code == 2
    assert len(judged_bench.verdicts().verdicts) == 2


# --- what stops, and goes on ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_or_model_stops_and_the_same_command_goes_on(judged_bench, status):
    judged_bench.endpoint.faults.extend([says(as_object()), fault(status, "go away")])
    assert judged_bench.judge().exit_code == 2
    assert len(judged_bench.endpoint.requests) == 2
    assert len(judged_bench.verdicts().verdicts) == 1
    assert judged_bench.judge().exit_code == 0
    assert len(judged_bench.endpoint.requests) == 1 + 1 + 3
    assert len(judged_bench.verdicts().verdicts) == 4


def test_a_gone_endpoint_stops_and_the_same_command_goes_on(judged_bench):
    url = judged_bench.endpoint.url
    judged_bench.judge("--max-requests", 1)
    judged_bench.configure(base_url="http://127.0.0.1:9/v1")
    done = judged_bench.judge()
    assert done.exit_code == 2
    assert "cannot be reached" in done.output
    assert len(judged_bench.verdicts().verdicts) == 1
    judged_bench.configure(base_url=url)
    assert judged_bench.judge().exit_code == 0


def test_a_busy_endpoint_is_waited_for(judged_bench):
    judged_bench.endpoint.faults.append(fault(429, "slower", Retry_After="0"))
    assert judged_bench.judge().exit_code == 0
    assert judged_bench.verdicts().verdicts[0].attempts == 1


def test_what_an_endpoint_could_not_answer_is_asked_again_by_the_next_run(judged_bench):
    judged_bench.endpoint.faults.extend([fault(500, "oops")] * 2)
    done = judged_bench.judge()
    assert done.exit_code == 1, done.output
    first = judged_bench.verdicts().verdicts[0]
    assert (first.status, first.attempts) == ("failed", 0)
    assert "status 500" in first.reason
    assert judged_bench.judge().exit_code == 0
    assert [verdict.status for verdict in judged_bench.verdicts().verdicts] == ["ok"] * 4


def test_limits_of_requests_and_money_stop(judged_bench):
    done = judged_bench.judge("--max-requests", 2)
    assert done.exit_code == 2
    assert "all requests are used up" in done.output
    assert len(judged_bench.verdicts().verdicts) == len(judged_bench.endpoint.requests) == 2
    priced = ["--set", "price_in=1000.0", "--set", "price_out=10000.0"]  # each answer costs 2
    done = judged_bench.judge(*priced, "--max-cost", 1.5)
    assert done.exit_code == 2
    assert "the money is used up" in done.output
    assert len(judged_bench.endpoint.requests) == 3
    assert judged_bench.judge("--max-cost", 1).exit_code == 2  # without prices


def test_money_cannot_be_counted_where_the_endpoint_counts_nothing(judged_bench):
    judged_bench.endpoint.about = {}
    done = judged_bench.judge("--set", "price_in=1.0", "--max-cost", 1)
    assert done.exit_code == 2
    assert "does not say how many tokens" in done.output
    assert len(judged_bench.endpoint.requests) == 1


@pytest.mark.parametrize("pace", ["requests_per_minute=600.0", "tokens_per_minute=660000.0"])
def test_a_pace_is_kept(judged_bench, pace):
    judged_bench.configure(concurrency=4)
    began = time.monotonic()
    assert judged_bench.judge("--set", pace).exit_code == 0
    assert time.monotonic() - began > (0.3 if "requests" in pace else 0.1)


def test_a_plan_asks_nobody(judged_bench):
    judged_bench.judge("--max-requests", 1)
    done = judged_bench.judge("--plan", "--json", "--set", "price_in=1.0")
    assert done.exit_code == 0, done.output
    plan = json.loads(done.stdout)
    assert (plan["judged"], plan["to_judge"], plan["cached"], plan["requests"]) == (1, 3, 0, 3)
    assert plan["tokens"] > 0
    assert plan["cost"] > 0
    assert len(judged_bench.endpoint.requests) == 1
    judged_bench.out.unlink()
    plan = json.loads(judged_bench.judge("--plan", "--json").stdout)
    assert (plan["judged"], plan["to_judge"], plan["cached"], plan["requests"]) == (0, 4, 1, 3)


def test_offline_takes_what_is_kept(judged_bench):
    judged_bench.judge("--max-requests", 3)
    judged_bench.out.unlink()
    done = judged_bench.judge("--offline")
    assert done.exit_code == 1
    assert "1 not asked" in done.output
    assert len(judged_bench.verdicts().verdicts) == 3
    assert len(judged_bench.endpoint.requests) == 3


def test_the_key_goes_to_the_endpoint_and_nowhere_else(judged_bench, monkeypatch, tmp_path):
    monkeypatch.setenv("MY_KEY", "sk-secret-0123456789")
    judged_bench.configure(api_key_env="MY_KEY")
    judged_bench.endpoint.faults.extend([says(as_object()), fault(400, "not for sk-secret-0123456789")])
    done = judged_bench.judge("--report", tmp_path / "report.jsonl")
    assert "sk-secret" not in done.output
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"sk-secret" not in file.read_bytes(), file
    headers = {name.lower(): value for name, value in judged_bench.endpoint.headers[0].items()}
    assert headers["authorization"] == "Bearer sk-secret-0123456789"


# --- the same bytes -------------------------------------------------------------------------------


def test_order_and_workers_do_not_change_the_file(judged_bench):
    judged_bench.judge("--repeats", 2)
    before = judged_bench.out.read_bytes()
    judged_bench.out.unlink()
    shutil.rmtree(judged_bench.file.parent.parent / "cache")
    judged_bench.configure(concurrency=4)
    done = judged_bench.judge("--repeats", 2)
    assert done.exit_code == 0, done.output
    assert judged_bench.out.read_bytes() == before
    assert judged_bench.judge("--repeats", 2).exit_code == 0
    assert judged_bench.out.read_bytes() == before
    assert {body["seed"] for body in judged_bench.endpoint.requests} == {42, 43}


def test_several_are_asked_at_once(judged_bench):
    def answer(body: dict) -> str:
        judged_bench.endpoint.together = 3  # the first is asked alone
        return as_object()

    judged_bench.configure(concurrency=3)
    judged_bench.endpoint.answer = answer
    assert judged_bench.judge().exit_code == 0
    assert judged_bench.endpoint.peak == 3


def test_the_same_bytes_of_another_model_are_not_asked_about_again(judged_bench):
    judged_bench.judge()
    judged_bench.out = judged_bench.out.with_name("other.jsonl")
    judged_bench.results = judged_bench.results.rename(judged_bench.results.with_name("lucy-edit-1.1"))
    assert judged_bench.judge().exit_code == 0
    assert judged_bench.verdicts().head.model == "lucy-edit-1.1"
    assert len(judged_bench.endpoint.requests) == 4


def test_a_torn_line_is_asked_for_again(judged_bench):
    judged_bench.judge()
    before = judged_bench.out.read_bytes()
    judged_bench.out.write_bytes(before[:-20])
    assert judged_bench.judge().exit_code == 0
    assert judged_bench.out.read_bytes() == before
    judged_bench.out.write_bytes(before[:20])  # of the head
    assert judged_bench.judge().exit_code == 0
    assert judged_bench.out.read_bytes() == before
    assert len(judged_bench.endpoint.requests) == 4


def test_a_file_that_was_changed_is_refused_with_its_line(judged_bench):
    judged_bench.judge()
    head, first, *others = judged_bench.out.read_text().splitlines(keepends=True)
    changed = first.replace('"scores": [', '"scores": [9, ', 1)
    for text, place in ((head + changed + "".join(others), ":2"), (head + first + first, ":3")):
        judged_bench.out.write_text(text)
        done = judged_bench.judge()
        assert done.exit_code == 2
        assert f"{judged_bench.out}{place}" in done.output
        assert judged_bench.out.read_text() == text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "lucy"], "another model's edits"),
        (["--set", "temperature=0.5"], "another judge"),
        (["--set", "revision=v2"], "another judge"),
    ],
)
def test_a_file_of_something_else_is_refused(judged_bench, words, said):
    judged_bench.judge()
    before = judged_bench.out.read_bytes()
    done = judged_bench.judge(*words)
    assert done.exit_code == 2
    assert said in done.output
    assert judged_bench.out.read_bytes() == before


def test_two_runs_into_one_file_are_refused(judged_bench):
    from sparkle.commands.judging import alone

    with alone(judged_bench.out):
        done = judged_bench.judge()
    assert done.exit_code == 2
    assert "somebody judges into this file" in done.output
    assert judged_bench.judge().exit_code == 0
    assert [path.name for path in judged_bench.out.parent.iterdir()] == [judged_bench.out.name]


# --- bench and edits ------------------------------------------------------------------------------


def test_a_bench_that_changes_meanwhile_is_refused(judged_bench):
    source = next((judged_bench.bench / "source_videos").rglob("*_location_000002.mp4"))

    def answer(body: dict) -> str:
        source.write_bytes(source.read_bytes() + b"\0" * 8)
        return as_object()

    judged_bench.endpoint.answer = answer
    done = judged_bench.judge()
    assert done.exit_code == 2
    assert "changed while it was judged" in done.output
    done = judged_bench.judge()
    assert done.exit_code == 2
    assert "another bench, or another revision of it" in done.output


def test_a_csv_that_changes_meanwhile_is_refused(judged_bench):
    def answer(body: dict) -> str:
        for path in judged_bench.bench.glob("style*"):
            path.write_text(path.read_text("utf-8").replace("noir street", "wide field"), "utf-8")
        return as_object()

    judged_bench.endpoint.answer = answer
    done = judged_bench.judge()
    assert done.exit_code == 2
    assert "the bench was changed while it was judged" in done.output


def test_edits_that_are_missing_or_broken_have_no_scores_until_they_are_made(judged_bench):
    first, second, third, *_ = (judged_bench.edits[name] for name in sorted(judged_bench.items))
    kept = {path: path.read_bytes() for path in (first, second, third)}
    first.unlink()
    second.write_bytes(b"")
    third.write_bytes(kept[third][:-200])
    done = judged_bench.judge()
    assert done.exit_code == 1, done.output
    statuses = [verdict.status for verdict in judged_bench.verdicts().verdicts]
    assert statuses == ["missing", "unusable", "unusable", "ok"]
    assert len(judged_bench.endpoint.requests) == 1
    for path, data in kept.items():
        path.write_bytes(data)
    assert judged_bench.judge().exit_code == 0
    assert [verdict.status for verdict in judged_bench.verdicts().verdicts] == ["ok"] * 4
    assert len(judged_bench.endpoint.requests) == 4


@pytest.mark.slow
def test_edits_are_judged_as_they_arrive(judged_bench):
    names = sorted(judged_bench.items)
    kept = {name: judged_bench.edits[name].read_bytes() for name in names[1:]}
    for name in kept:
        judged_bench.edits[name].unlink()
    command = [sys.executable, "-P", "-m", "sparkle", *judged_bench.words("--watch", 0.05)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        for count, (name, data) in enumerate(kept.items(), 1):
            judged_bench.endpoint.wait_for_requests(count)
            judged_bench.edits[name].write_bytes(data[:-300])  # under way
            judged_bench.edits[name].write_bytes(data)
        said, _ = run.communicate()
    assert run.returncode == 0, said
    assert [verdict.status for verdict in judged_bench.verdicts().verdicts] == ["ok"] * 4
    assert len(judged_bench.endpoint.requests) == 4


def test_an_edit_that_was_made_anew_is_judged_anew(judged_bench):
    from harness.benches import cropped, drawn
    from harness.videos import write_video

    judged_bench.judge()
    write_video(judged_bench.edits[FIRST], cropped(drawn(77)), rate=16, options={"qp": "20"})
    assert judged_bench.judge().exit_code == 0
    assert len(judged_bench.endpoint.requests) == 5
    assert len(judged_bench.verdicts().verdicts) == 4


def test_an_edit_of_another_sample_is_judged_only_when_that_is_accepted(judged_bench):
    first, second = (judged_bench.edits[f"Sparkle_location_00000{number}"] for number in (0, 1))
    second.write_bytes(first.read_bytes())
    done = judged_bench.judge()
    assert done.exit_code == 1
    assert "another sample's edit" in done.output
    assert len(judged_bench.verdicts().verdicts) == 2
    assert judged_bench.judge("--accept").exit_code == 0
    assert len(judged_bench.verdicts().verdicts) == 4


def test_pictures_over_the_limit_are_made_smaller_and_that_is_said(judged_bench, drawn_bench: Path):
    import numpy as np

    from harness.videos import write_video

    noise = np.random.Generator(np.random.PCG64(1)).integers(0, 255, (21, 320, 512, 3), np.uint8)
    sample = sorted(judged_bench.items)[0]
    source = next((judged_bench.bench / "source_videos").rglob(f"{sample}.mp4"))
    write_video(source, noise, options={"qp": "0"})
    write_video(judged_bench.edits[sample], 255 - noise, options={"qp": "0"})
    judged_bench.configure(most_bytes=1_000_000)
    assert judged_bench.judge().exit_code == 0
    first, *others = judged_bench.verdicts().verdicts
    assert "pixels wide" in first.sent
    assert {verdict.sent for verdict in others} == {None}
    size = sum(picture.nbytes for picture in pictures(judged_bench.endpoint.requests[0]))
    assert size < 1_500_000


def test_whole_videos_go_as_they_are_or_as_frames(judged_bench):
    judged_bench.configure(transport="video")
    assert judged_bench.judge().exit_code == 0
    parts = judged_bench.endpoint.requests[0]["messages"][0]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    assert [url.partition(",")[0] for url in urls] == ["data:video/mp4;base64"] * 2
    assert judged_bench.verdicts().head.judge.settings["transport"] == "video"


# --- the judge's file -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "oracle"', "no such kind of judge"),
        ('kind = "openai"\nmodel = "m"', "missing key"),
        ('kind = "openai"\nmodel = "m"\nrevision = "1"\nframe = 3', "did you mean frames?"),
        ('kind = "openai"\nmodel = "m"\nrevision = "1"\nframes = 1', "out of range"),
        ('kind = "openai"\nmodel = "m"\nrevision = "1"\ntransport = "pigeon"', "no such choice"),
        ('kind = "openai"\nmodel = "m"\nrevision = "1"\nwords = "nowhere.txt"', "cannot be read"),
        ("kind = ", "not TOML"),
    ],
)
def test_a_wrong_file_is_told(judged_bench, text, said):
    judged_bench.file.write_text(text)
    done = judged_bench.judge()
    assert done.exit_code == 2
    assert said in done.output
    assert not judged_bench.endpoint.requests


def test_words_of_ones_own_are_another_rubric(judged_bench, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("Judge $instruction by " + ", ".join(judge_answers.HEADINGS) + ".\n$form\n")
    judged_bench.judge()
    before = judged_bench.verdicts().head
    judged_bench.out = judged_bench.out.with_name("other.jsonl")
    judged_bench.configure(words=str(words))
    assert judged_bench.judge().exit_code == 0
    assert judged_bench.verdicts().head.table() != before.table()
    words.write_text("Judge $instruction.\n$form\n")
    assert "words do not fit" in judged_bench.judge().output
