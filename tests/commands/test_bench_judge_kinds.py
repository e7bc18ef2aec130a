"""The other kinds of judges: upstream's request, Google's client, a model in this process."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from harness.endpoint import LocalEndpoint, fault
from harness.judge_answers import CAPPED, GOOD, HEADINGS, as_object, lines, says

pytest.importorskip("openai", reason="needs the extra vlm: pip install 'sparkle-dataset[vlm]'")

WORDS = "Judge these videos.\nEditing instruction is: {edit_prompt}.\n\nBelow are the videos:\n"


def sent_file(url: str) -> bytes:
    head, _, data = url.partition(",")
    assert head == "data:video/mp4;base64"
    return base64.b64decode(data)


# --- upstream -------------------------------------------------------------------------------------


@pytest.fixture
def upstream(judged_bench, tmp_path):
    """The judge `upstream`, with a script whose words are these."""
    script = tmp_path / "eval_sparkle_bench_gemini.py"
    script.write_text(f"raise SystemExit\nBACKGROUND_REPLACEMENT = {WORDS!r}\n")
    table = {
        "kind": "upstream",
        "model": "gemini-2.5-pro",
        "revision": "1",
        "base_url": judged_bench.endpoint.url,
        "script": str(script),
        "words_sha256": hashlib.sha256(WORDS.encode()).hexdigest(),
    }
    judged_bench.file.write_text("".join(f'{name} = "{value}"\n' for name, value in table.items()))
    judged_bench.endpoint.answer = lambda body: lines()
    return judged_bench


def test_upstreams_request_has_two_whole_videos_and_nothing_else(upstream):
    done = upstream.judge()
    assert done.exit_code == 0, done.output
    first = sorted(upstream.items)[0]
    body = upstream.endpoint.requests[0]
    assert {key: body[key] for key in body if key != "messages"} == {
        "model": "gemini-2.5-pro",
        "seed": 42,
        "temperature": 0,
    }
    ((message),) = body["messages"]
    words, source, edited = message["content"]
    assert words == {"type": "text", "text": WORDS.format(edit_prompt=upstream.items[first].prompt)}
    sent = [sent_file(part["image_url"]["url"]) for part in (source, edited)]
    assert sent[0] == (upstream.bench / f"source_videos/location/{first}.mp4").read_bytes()
    assert sent[1] == upstream.edits[first].read_bytes()
    assert {verdict.scores for verdict in upstream.verdicts().verdicts} == {CAPPED}


def test_upstreams_request_is_sent_once_more_as_it_was(upstream):
    upstream.endpoint.faults.append(says("Lovely.", model="gemini-2.5-pro"))
    assert upstream.judge().exit_code == 0
    first, second, *others = upstream.endpoint.requests
    assert first == second
    assert len(others) == 3
    assert upstream.verdicts().verdicts[0].attempts == 2


def test_other_words_or_options_are_refused(upstream):
    for words in (["temperature=0.5"], ["words_sha256=" + "0" * 64], ["script=nowhere.py"], ["seed=1"]):
        done = upstream.judge("--set", *words)
        assert done.exit_code == 2
        assert "upstream" in done.output
    assert not upstream.endpoint.requests


def test_videos_over_the_limit_go_as_frames(upstream):
    sample = sorted(upstream.items)[0]
    path = upstream.edits[sample]
    path.write_bytes(path.read_bytes() + (200_008).to_bytes(4, "big") + b"free" + bytes(200_000))
    done = upstream.judge("--set", "most_bytes=150000", "--set", "frames=2")
    assert done.exit_code == 0, done.output
    first, *others = upstream.verdicts().verdicts
    assert first.sent == "2 frames: the videos are more than 150,000 bytes"
    assert {verdict.sent for verdict in others} == {None}
    kinds = [part["type"] for part in upstream.endpoint.requests[0]["messages"][0]["content"]]
    assert kinds == ["text", *["text", "image_url"] * 4]


# --- Gemini ---------------------------------------------------------------------------------------


class LocalGemini(LocalEndpoint):
    """The same endpoint, as Google's service speaks."""

    def serves(self, path: str) -> bool:
        return path.endswith("/models/gemini-x:generateContent")

    def said(self, body: dict) -> tuple[int, dict, bytes]:
        return candidate(self.answer(body))


def candidate(text: str, reason: str = "STOP", model: str = "gemini-x") -> tuple[int, dict, bytes]:
    """Status, headers and body of an answer."""
    usage = {"promptTokenCount": 900, "candidatesTokenCount": 80, "thoughtsTokenCount": 300}
    thought = {"text": "Let me see.", "thought": True}
    content = {"role": "model", "parts": [thought, {"text": text}] if text else []}
    found = {"candidates": [{"content": content, "finishReason": reason}], "modelVersion": model}
    return 200, {}, json.dumps(found | {"usageMetadata": usage}).encode()


@pytest.fixture
def gemini(judged_bench, monkeypatch):
    """The judge `gemini` on loopback."""
    pytest.importorskip("google.genai", reason="needs the extra gemini")
    monkeypatch.setenv("GEMINI_API_KEY", "a-key")
    endpoint = LocalGemini()
    endpoint.answer = lambda body: as_object()
    judged_bench.endpoint.close()
    judged_bench.endpoint = endpoint
    judged_bench.configure(
        kind="gemini", model="gemini-x", base_url=endpoint.url.removesuffix("/v1"), thinking_budget=512
    )
    return judged_bench


def test_gemini_is_asked_by_its_own_client(gemini):
    done = gemini.judge()
    assert done.exit_code == 0, done.output
    body = gemini.endpoint.requests[0]
    config = body["generationConfig"]
    assert (config["temperature"], config["seed"]) == (0, 42)
    assert config["thinkingConfig"] == {"thinking_budget": 512}
    assert {*config["responseJsonSchema"]["properties"]} == {"Brief reasoning", *HEADINGS}
    parts = body["contents"][0]["parts"]
    kinds = [part["inlineData"]["mime_type"] for part in parts if "inlineData" in part]
    assert kinds == ["image/png"] * 6
    assert not any("videoMetadata" in part for part in parts)
    file = gemini.verdicts()
    assert (file.head.judge.name, file.head.judge.settings["thinking_budget"]) == ("gemini-x", 512)
    first = file.verdicts[0]
    assert (first.raw, first.scores, first.repairs) == (GOOD, CAPPED, None)
    assert first.usage == {"prompt_tokens": 900, "completion_tokens": 380}
    assert gemini.judge().exit_code == 0
    assert len(gemini.endpoint.requests) == 4


def test_whole_videos_are_sampled_at_a_rate_that_is_said(gemini):
    assert gemini.judge("--set", "transport=video", "--set", "fps=12.0").exit_code == 0
    parts = gemini.endpoint.requests[0]["contents"][0]["parts"]
    assert [part["videoMetadata"] for part in parts if "inlineData" in part] == [{"fps": 12.0}] * 2
    assert gemini.verdicts().head.judge.settings["fps"] == 12.0


BLOCKED = {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "gemini-x"}
BAD = {
    "cut": (candidate(lines()[:40], "MAX_TOKENS"), "the model's answer was cut short"),
    "filter": (candidate("", "SAFETY"), "the model refused"),
    "blocked": (
        (
            200,
            {},
            json.dumps({"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "gemini-x"}).encode(),
        ),
        "the model refused",
    ),
    "nothing": (candidate(""), "the judge answered nothing"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_gemini_does_not_answer_is_failed(gemini, case):
    reply, problem = BAD[case]
    gemini.endpoint.faults.extend([reply, reply])
    assert gemini.judge().exit_code == 1
    first = gemini.verdicts().verdicts[0]
    assert (first.status, first.reason, first.attempts) == ("failed", problem, 2)


def test_another_gemini_stops(gemini):
    gemini.endpoint.faults.append(candidate(as_object(), model="gemini-y"))
    done = gemini.judge()
    assert done.exit_code == 2
    assert "another model answered" in done.output
    assert not gemini.out.exists()


def test_geminis_faults_stop_or_are_waited_for(gemini):
    gemini.endpoint.faults.extend([fault(429, "slower", Retry_After="0"), (200, {}, b"<html>")])
    done = gemini.judge("--set", "retries=2", "--max-requests", 3)
    assert "all requests are used up" in done.output
    assert [verdict.status for verdict in gemini.verdicts().verdicts] == ["ok"]
    for status, said in ((400, "API key not valid. Please pass a valid API key."), (404, "no such model")):
        gemini.endpoint.faults.append(fault(status, said))
        done = gemini.judge()
        assert done.exit_code == 2
        assert "a-key" not in done.output
    assert len(gemini.verdicts().verdicts) == 1
    gemini.endpoint.close()
    assert "cannot be reached" in gemini.judge().output


# --- in this process ------------------------------------------------------------------------------


@pytest.fixture
def qwen(judged_bench, tmp_path):
    """The judge `qwen3-vl`, on tiny weights that say one thing, or what they happen to."""
    for module in ("torch", "transformers", "accelerate", "PIL"):
        pytest.importorskip(module)
    from harness import tiny_qwen3_vl

    def make(says: str | None):
        model = tiny_qwen3_vl.build(tmp_path / "model", says=says)
        text = f'kind = "qwen3-vl"\nmodel = "{model}"\ndevice = "cpu"\ndtype = "float32"\n'
        words = tmp_path / "words.txt"  # each byte is a token
        words.write_text(f"Judge $instruction by {', '.join(HEADINGS)}.\n$form")
        judged_bench.file.write_text(f'{text}frames = 2\nmax_tokens = 40\nwords = "{words}"\n')
        return judged_bench

    return make


@pytest.mark.slow
def test_a_model_in_this_process_judges(qwen):
    bench = qwen(lines())
    done = bench.judge()
    assert done.exit_code == 0, done.output
    file = bench.verdicts()
    assert {(verdict.raw, verdict.scores) for verdict in file.verdicts} == {(GOOD, CAPPED)}
    assert (file.head.judge.kind, file.head.judge.name) == ("qwen3-vl", "model")
    assert file.head.judge.settings["revision"].startswith("sha256:")
    assert not bench.endpoint.requests
    before = bench.out.read_bytes()
    bench.out.unlink()
    bench.judge()
    assert bench.out.read_bytes() == before


@pytest.mark.slow
def test_random_weights_say_nothing_that_counts(qwen):
    bench = qwen(None)
    assert bench.judge().exit_code == 1
    for verdict in bench.verdicts().verdicts:
        assert (verdict.status, verdict.attempts, verdict.finish_reason) == ("failed", 2, "length")
        assert verdict.reason == "the model's answer was cut short"
