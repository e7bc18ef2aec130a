"""EditScore behind a real local endpoint, through the real `openai` client, with faults."""

from __future__ import annotations

import json

import pytest

from sparkle.generation.backends import make_backend
from sparkle.generation.backends.editscore.scoring import INSTALL
from sparkle.generation.config import parse_config
from sparkle.schemas import records as r
from sparkle.schemas.errors import AnswerError, ServiceError

pytest.importorskip("editscore", reason=INSTALL)
pytest.importorskip("json_repair", reason=INSTALL)
pytest.importorskip("openai", reason="needs the extra vlm: pip install 'sparkle-dataset[vlm]'")

OTHERS = ("flow", "vlm", "image_editor", "image_to_video", "tracker", "control_to_video")


def says(*scores: float) -> str:
    return json.dumps({"reasoning": "It fits.", "score": scores})


@pytest.fixture
def make_scorer(endpoint):
    def make(**options):
        table = {
            "name": "editscore-openai",
            "model": "editscore",
            "revision": "served",
            "base_url": endpoint.url,
            "backoff": 0.01,
            "passes": 2,
            **options,
        }
        lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in table.items())
        classical = "".join(f'[backends.{name}]\nname = "classical"\n' for name in OTHERS)
        text = f'name = "test"\n{classical}[backends.image_scorer]\n{lines}\n'
        backend = make_backend(parse_config(text, where="test.toml"), "image_scorer")
        backend.setup()
        return backend

    return make


def test_scores_are_asked_for_and_read(endpoint, make_scorer, pair, talk):
    clip, source, edited = pair
    endpoint.answer = lambda body: says(22, 20) if len(talk.pictures(body)) == 2 else says(25, 24)
    score = make_scorer().score_edit(source, edited, talk.instruction, clip=clip)
    assert (score.prompt_following, score.consistency) == (8.8, 8.0)
    assert score.perceptual_quality == pytest.approx(9.6)
    assert score.overall == pytest.approx((8.0 * 9.6) ** 0.5)
    assert [len(talk.pictures(body)) for body in endpoint.requests] == [2, 1] * 2
    assert [body["seed"] for body in endpoint.requests] == [42, 42, 43, 43]
    first = endpoint.requests[0]
    assert (first["temperature"], first["top_p"], first["top_k"]) == (0.7, 0.9, 20)
    assert "response_format" not in first
    assert talk.instruction in talk.question_of(first)


def test_frames_are_asked_about_at_once_and_nothing_twice(endpoint, make_scorer, pair, talk):
    endpoint.answer, endpoint.together = (lambda body: says(20, 20)), 2
    clip = pair[0]
    found = make_scorer().score_frames(clip, clip, clip, talk.instruction, (1, 6, 11, 16))
    assert [frame.O_score for frame in found] == [8.0] * 4
    assert endpoint.peak >= 2
    asked = len(endpoint.requests)
    assert make_scorer().score_frames(clip, clip, clip, talk.instruction, (1, 6, 11, 16)) == found
    assert len(endpoint.requests) == asked  # the cache of answers


@pytest.mark.parametrize("answer", ["It is good.", says(20), says(99, 20), '{"score": [20, 20]}', ""])
def test_an_answer_that_cannot_be_counted_is_kept(endpoint, make_scorer, pair, talk, answer):
    endpoint.answer = lambda body: answer
    clip, source, edited = pair
    with pytest.raises(AnswerError) as caught:
        make_scorer().score_edit(source, edited, talk.instruction, clip=clip)
    assert caught.value.got == answer


def test_a_refusal_and_an_answer_cut_short_are_errors(endpoint, make_scorer, pair, talk):
    clip, source, edited = pair
    for reply in (talk.completion(None, refusal="No."), talk.completion(says(20, 20), "length")):
        endpoint.faults.append(reply)
        with pytest.raises(AnswerError, match=r"refused|cut short"):
            make_scorer(concurrency=1).score_edit(source, edited, talk.instruction, clip=clip)


def test_faults_that_pass_are_tried_again_and_others_fail_the_sample(endpoint, make_scorer, pair, talk):
    endpoint.answer = lambda body: says(20, 20)
    clip, source, edited = pair
    endpoint.faults.extend([talk.fault(429), talk.fault(500)])
    assert make_scorer().score_edit(source, edited, talk.instruction, clip=clip).overall == 8.0
    endpoint.faults.extend([talk.fault(503)] * 9)
    with pytest.raises(ServiceError):
        make_scorer(retries=1).score_removal(
            source, edited, [r.GroundedObject((1, 2, 3, 4), "dog")], talk.instruction
        )
