"""The five jobs through the real client, against a local endpoint that has its faults."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from contextlib import closing

import numpy as np
import pytest

from sparkle.generation.backends import make_backend
from sparkle.generation.backends.vlm.reading import Repair
from sparkle.generation.config import parse_config
from sparkle.generation.taxonomy import load_taxonomy
from sparkle.media.frames import anchor_indices
from sparkle.media.images import read_png
from sparkle.schemas import records as r
from sparkle.schemas.errors import AnswerError, ConfigError, RunError, ServiceError
from sparkle.schemas.validate import load_schema

pytest.importorskip("openai", reason="needs the extra vlm: pip install 'sparkle-dataset[vlm]'")

JOBS = ("camera", "compose", "describe", "ground1", "ground2")
ANCHORS = anchor_indices(17)  # of the drawn clips
KEY = "sk-this-is-the-secret-key-0123456789"


@pytest.fixture
def first(talk):
    """Round 1 as the endpoint answers it."""
    objects = tuple(r.GroundedObject(tuple(item["bbox_2d"]), item["label"]) for item in talk.objects)
    return r.Ground1Record(tuple(item.label for item in objects), objects)


@pytest.fixture
def do(pair, first, talk):
    """Do a job with a backend."""
    clip, source, edited = pair

    def run(backend, job: str):
        if job == "camera":
            return backend.check_camera(clip, r.FlowRecord(0.0, 0.0))
        if job == "compose":
            return backend.compose(source, "location", None, 3)
        if job == "describe":
            return backend.compose(source, "openve3m", talk.instruction, 3)
        if job == "ground1":
            return backend.ground_first(clip, source, edited, talk.instruction)
        return backend.ground_frames(clip, first, ANCHORS)

    return run


# --- the jobs ---------------------------------------------------------------------------------


def test_camera(endpoint, make_vlm, do, talk):
    record = do(make_vlm(), "camera")
    assert record == r.CameraRecord(True, "The walls keep their place.")
    assert len(talk.pictures(endpoint.requests[0])) == 8


def test_compose_offers_scenes_and_takes_one_of_them(endpoint, make_vlm, do, talk):
    record = do(make_vlm(choices=5), "compose")
    listed = [line for line in talk.question_of(endpoint.requests[0]).splitlines() if line.startswith("- ")]
    assert len(listed) == 5
    assert record.prompt == talk.instruction
    assert record.metadata.edit_type == "location"
    assert record.metadata.chosen_keyword in {scene.keyword for scene in load_taxonomy().scenes("location")}
    assert record.metadata.original_scene == "A street with brick houses in even daylight."


def test_the_seed_decides_what_is_offered(make_vlm, pair):
    vlm = make_vlm()
    chosen = [vlm.compose(pair[1], "season", None, seed).metadata.chosen_keyword for seed in range(6)]
    assert len(set(chosen)) > 1
    assert chosen == [vlm.compose(pair[1], "season", None, seed).metadata.chosen_keyword for seed in range(6)]


def test_a_given_prompt_is_kept_and_its_scene_found_in_its_words(make_vlm, pair, talk):
    vlm = make_vlm()
    free = vlm.compose(pair[1], "openve3m", talk.instruction, 1)
    assert (free.prompt, free.metadata.chosen_keyword) == (talk.instruction, None)
    assert free.metadata.edit_type == "openve3m_background_change"
    themed = vlm.compose(pair[1], "location", talk.instruction, 1)
    assert themed.metadata.chosen_keyword.startswith("urban: ")


def test_a_theme_without_taxonomy_needs_a_prompt(make_vlm, pair):
    with pytest.raises(ConfigError, match="no taxonomy"):
        make_vlm().compose(pair[1], "openve3m", None, 1)


def test_ground1_shows_the_pair_in_order(endpoint, make_vlm, do, pair, first, talk):
    assert do(make_vlm(), "ground1") == first
    shown = talk.pictures(endpoint.requests[0])
    assert np.array_equal(shown[0], read_png(pair[1]))
    assert np.array_equal(shown[1], read_png(pair[2]))


def test_ground2_asks_once_a_frame_and_keeps_the_labels(endpoint, make_vlm, do, first):
    record = do(make_vlm(), "ground2")
    assert len(endpoint.requests) == len(record.frame_objects) == len(ANCHORS)
    for objects in record.frame_objects:
        assert tuple(item.label for item in objects) == first.round1_labels
        assert objects[1].bbox_2d == ()


def test_the_shape_that_is_asked_for_is_the_published_records(endpoint, make_vlm, do):
    do(make_vlm(), "ground1")
    asked = endpoint.requests[0]["response_format"]["json_schema"]
    assert asked["strict"]
    box = asked["schema"]["properties"]["objects"]["items"]["properties"]["bbox_2d"]
    published = load_schema("grounding_r1")["properties"]["round1_objects"]["items"]["properties"]["bbox_2d"]
    assert box == published


def test_parameters_of_the_request(endpoint, make_vlm, do):
    do(make_vlm(max_tokens=77, temperature=0.5), "compose")
    body = endpoint.requests[0]
    assert (body["model"], body["max_completion_tokens"], body["temperature"]) == ("qwen3-vl", 77, 0.5)
    assert body["seed"] == 3


def test_a_large_picture_is_made_smaller(endpoint, make_vlm, do, talk):
    do(make_vlm(most_pixels=10_000), "ground1")
    for picture in talk.pictures(endpoint.requests[0]):
        height, width = picture.shape[:2]
        assert height * width <= 10_000
        assert width / height == pytest.approx(224 / 128, rel=0.02)


# --- bad answers ------------------------------------------------------------------------------

BAD = {
    "prose": ("There is a woman in the picture.", "stop", "not JSON"),
    "broken": ('{"objects": [', "stop", "not JSON"),
    "empty": ("", "stop", "nothing"),
    "none": (None, "stop", "nothing"),
    "cut": ('{"objects": [{"bbox_2d"', "length", "cut short"),
    "filtered": ("", "content_filter", "refused"),
    "another job's": ('{"answer": 42}', "stop", "another shape"),
    "a surrogate": ("\ud800 no", "stop", "not JSON"),
}


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_is_an_error_that_keeps_it(endpoint, make_vlm, do, talk, job, name):
    said, reason, problem = BAD[name]
    vlm = make_vlm(concurrency=1)
    endpoint.faults.append(talk.completion(said, reason))
    with pytest.raises(AnswerError, match=problem) as caught:
        do(vlm, job)
    assert caught.value.got == (said or "").encode("utf-8", "backslashreplace").decode()
    assert caught.value.where.startswith(job)


@pytest.mark.parametrize("job", JOBS)
def test_a_refusal_is_an_error_that_keeps_its_words(endpoint, make_vlm, do, talk, job):
    endpoint.faults.append(talk.completion(None, refusal="I cannot look at people."))
    with pytest.raises(AnswerError, match="refused") as caught:
        do(make_vlm(concurrency=1), job)
    assert caught.value.got == "I cannot look at people."


@pytest.mark.parametrize("job", JOBS)
def test_a_fence_is_taken_off_and_written_down(endpoint, make_vlm, do, talk, job):
    plain = do(make_vlm(), job)
    endpoint.answer = lambda body: f"```json\n{talk.good_answer(body)}\n```"
    repaired = do(make_vlm(revision="fenced"), job)
    assert r.without_repairs(repaired) == plain
    assert plain.repairs is None
    assert {repair.partition(": ")[2] for repair in repaired.repairs} == {Repair.FENCE}
    assert len(repaired.repairs) == (len(ANCHORS) if job == "ground2" else 1)


def test_boxes_in_pixels_are_refused(endpoint, make_vlm, do):
    endpoint.answer = lambda _: '{"objects": [{"bbox_2d": [512, 200, 1100, 700], "label": "woman"}]}'
    with pytest.raises(AnswerError, match="outside the picture"):
        do(make_vlm(), "ground1")


# --- a bad service ----------------------------------------------------------------------------


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_fault_that_passes_is_asked_again(endpoint, make_vlm, do, talk, job, status):
    endpoint.faults.append(talk.fault(status))
    do(make_vlm(concurrency=1), job)
    assert len(endpoint.requests) == 1 + (len(ANCHORS) if job == "ground2" else 1)


@pytest.mark.parametrize("status", [429, 500])
def test_a_fault_that_stays_fails_the_sample(endpoint, make_vlm, do, talk, status):
    endpoint.faults.extend([talk.fault(status, "overloaded")] * 9)
    with pytest.raises(ServiceError, match=str(status)) as caught:
        do(make_vlm(retries=2), "ground1")
    assert len(endpoint.requests) == 3
    assert "overloaded" in caught.value.got


def test_waits_grow_and_follow_retry_after(endpoint, make_vlm, do, talk):
    endpoint.faults.append(talk.fault(429, retry_after="0.6"))
    start = time.monotonic()
    do(make_vlm(backoff=0.0), "camera")
    assert time.monotonic() - start >= 0.6
    endpoint.faults.extend([talk.fault(500)] * 3)
    start = time.monotonic()
    do(make_vlm(backoff=0.1), "ground1")
    assert time.monotonic() - start >= 0.1 + 0.2 + 0.4


def test_a_retry_after_that_is_a_past_date_or_nonsense_does_not_hurt(endpoint, make_vlm, do, talk):
    for value in ("Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-5", "nan"):
        endpoint.faults.append(talk.fault(503, retry_after=value))
    do(make_vlm(backoff=0.0), "camera")
    assert len(endpoint.requests) == 5


def test_a_timeout_is_asked_again_then_fails_the_sample(endpoint, make_vlm, do):
    endpoint.delay = 60.0
    with pytest.raises(ServiceError, match="in time"):
        do(make_vlm(timeout=0.1, retries=1), "camera")
    endpoint.wait_for_requests(2)
    endpoint.delay = 0.0
    assert do(make_vlm(timeout=60), "camera").fixed
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize(
    "body", [b"<html>bad gateway</html>", b"{}", b'{"choices": []}', b'{"choices": [{"message": 5}]}', b""]
)
def test_a_body_that_is_no_completion_is_asked_again_then_fails_the_sample(endpoint, make_vlm, do, body):
    endpoint.faults.append((200, {}, body))
    assert do(make_vlm(), "camera").fixed
    endpoint.faults.extend([(200, {}, body)] * 2)
    with pytest.raises(ServiceError, match="no completion"):
        do(make_vlm(retries=1), "ground1")


def test_a_question_that_the_endpoint_refuses_fails_the_sample_at_once(endpoint, make_vlm, do, talk):
    endpoint.faults.append(talk.fault(400, "the prompt is longer than the model's context"))
    with pytest.raises(ServiceError, match="400") as caught:
        do(make_vlm(), "camera")
    assert "context" in caught.value.got
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(("status", "problem"), [(401, "key"), (403, "key"), (404, "model")])
def test_a_wrong_setting_stops_the_run_at_once(endpoint, make_vlm, do, talk, status, problem):
    endpoint.faults.append(talk.fault(status))
    with pytest.raises(ConfigError, match=problem):
        do(make_vlm(), "camera")
    assert len(endpoint.requests) == 1


def test_an_endpoint_that_is_not_there_stops_the_run(make_vlm, do):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(RunError, match="cannot be reached") as caught:
            do(make_vlm(base_url=address, retries=1), "camera")
    assert caught.value.where == address


@pytest.mark.parametrize("status", [400, 422, 501])
def test_an_endpoint_that_takes_no_schema_is_asked_without(endpoint, make_vlm, do, talk, status):
    endpoint.faults.append(talk.fault(status, "Unknown name response_format: json_schema is not supported"))
    vlm = make_vlm()
    record = do(vlm, "camera")
    assert [repair.partition(": ")[2] for repair in record.repairs] == [Repair.ASKED_FREELY]
    assert do(vlm, "ground1").repairs == (f"ground1: {Repair.ASKED_FREELY}",)
    assert ["response_format" in body for body in endpoint.requests] == [True, False, False]


def test_a_schema_can_be_left_out(endpoint, make_vlm, do):
    assert do(make_vlm(structured=False), "camera").repairs is None
    assert "response_format" not in endpoint.requests[0]


# --- cache and concurrency --------------------------------------------------------------------


@pytest.mark.parametrize("job", JOBS)
def test_an_answer_is_asked_for_once(endpoint, make_vlm, do, job):
    once = do(make_vlm(), job)
    asked = len(endpoint.requests)
    assert do(make_vlm(), job) == once
    assert len(endpoint.requests) == asked


def test_the_cache_does_not_know_the_endpoint(endpoint, make_vlm, do):
    once = do(make_vlm(), "ground2")
    endpoint.answer = lambda _: "never"
    other = make_vlm(base_url=endpoint.url.replace("127.0.0.1", "localhost"), concurrency=2, timeout=9)
    assert do(other, "ground2") == once


@pytest.mark.parametrize(
    "options",
    [
        {"revision": "2"},
        {"model": "gemini"},
        {"temperature": 0.1},
        {"max_tokens": 99},
        {"most_pixels": 9000},
        {"structured": False},
    ],
)
def test_what_decides_an_answer_is_asked_again(endpoint, make_vlm, do, options):
    do(make_vlm(), "ground1")
    do(make_vlm(**options), "ground1")
    assert len(endpoint.requests) == 2


def test_other_pictures_are_another_question(endpoint, make_vlm, pair, talk):
    vlm, (clip, source, edited) = make_vlm(), pair
    vlm.ground_first(clip, source, edited, talk.instruction)
    vlm.ground_first(clip, edited, source, talk.instruction)
    assert len(endpoint.requests) == 2


def test_what_failed_is_not_kept(endpoint, make_vlm, do, talk):
    for said, reason in (("", "stop"), ('{"reasoning": "so', "length")):
        endpoint.faults.append(talk.completion(said, reason))
        with pytest.raises(AnswerError):
            do(make_vlm(), "camera")
    assert do(make_vlm(), "camera").fixed


def test_a_frame_that_was_answered_is_not_asked_again(endpoint, make_vlm, do, talk):
    good = talk.completion(json.dumps({"objects": talk.objects}))
    endpoint.faults.extend([good, talk.fault(400)])
    with pytest.raises(ServiceError):
        do(make_vlm(concurrency=1), "ground2")
    answered, refused, *_ = endpoint.requests
    endpoint.requests.clear()
    do(make_vlm(), "ground2")
    assert answered not in endpoint.requests
    assert refused in endpoint.requests


@pytest.mark.parametrize(("concurrency", "peak"), [(1, 1), (2, 2), (16, len(ANCHORS))])
def test_frames_are_asked_at_once_within_the_bound(endpoint, make_vlm, do, concurrency, peak):
    endpoint.delay, endpoint.together = 0.15, peak
    do(make_vlm(concurrency=concurrency), "ground2")
    assert endpoint.peak == peak


# --- the key ----------------------------------------------------------------------------------


def test_the_key_goes_to_the_endpoint_and_nowhere_else(
    endpoint, make_vlm, do, talk, monkeypatch, tmp_path, caplog
):
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level("DEBUG")
    vlm = make_vlm(api_key_env="MY_KEY", retries=0)
    do(vlm, "camera")
    headers = {name.lower(): value for name, value in endpoint.headers[0].items()}
    assert headers["authorization"] == f"Bearer {KEY}"
    problems = []
    for status in (400, 401, 404, 429, 500):
        endpoint.faults.append(talk.fault(status, f"bad key {KEY}"))
        with pytest.raises((ConfigError, ServiceError)) as caught:
            do(vlm, "ground1")
        problems.append(str(caught.value))
    assert all(problems)
    assert KEY not in "".join(problems)
    assert KEY not in repr(vlm) + repr(vars(vlm))
    assert KEY not in repr(vlm.identity)
    assert KEY not in caplog.text
    for file in (tmp_path / "cache").rglob("*"):
        assert KEY.encode() not in file.read_bytes()
    with closing(sqlite3.connect(tmp_path / "cache" / "answers.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM replies").fetchone() == (1,)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"api_key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY"),
        ({"base_url": "http://me:secret@127.0.0.1/v1"}, "secret"),
        ({"base_url": "http://127.0.0.1/v1?key=abc"}, "secret"),
        ({"base_url": "127.0.0.1:8000"}, "no endpoint"),
        ({"concurrency": 0}, "out of range"),
        ({"timeout": 0.0}, "out of range"),
        ({"model": ""}, "cannot be empty"),
        ({"tokens": 5}, "unknown key"),
    ],
)
def test_a_setting_that_cannot_be(make_vlm, options, problem):
    with pytest.raises(ConfigError) as caught:
        make_vlm(**options)
    assert problem in str(caught.value)
    assert "abc" not in str(caught.value)


def test_a_key_that_cannot_be_sent_is_not_shown(make_vlm, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-schlüssel")
    with pytest.raises(ConfigError, match="no key can") as caught:
        make_vlm(api_key_env="MY_KEY")
    assert "schl" not in str(caught.value)


def test_a_revision_must_be_said(talk):
    config = parse_config(talk.config_toml('name = "openai"\nmodel = "m"'), where="test.toml")
    with pytest.raises(ConfigError, match="missing key") as caught:
        make_backend(config, "vlm")
    assert "revision" in caught.value.got
