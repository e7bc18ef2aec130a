"""The whole pipeline from the command line, with a VLM that is asked: an endpoint, and weights from a Hub."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest

from harness.endpoint import Server
from sparkle.generation.backends.classical.compose import compose_prompt
from sparkle.generation.taxonomy import load_taxonomy
from sparkle.media.decode import decode
from sparkle.schemas import layout

pytestmark = pytest.mark.slow

KEY = "sk-a-key-that-nobody-may-see"
FIRST = "Sparkle_location_000000"
COMMIT = "c0ffee" * 6 + "1234"


def sparkle(*words, expect: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [sys.executable, "-m", "sparkle", *map(str, words)],
        env={**os.environ, "NO_PROXY": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == expect, result.stdout + result.stderr
    return result


def outcome(run, step: str, sample: str = FIRST) -> dict:
    lines = (run / layout.outcomes(step)).read_text("utf-8").splitlines()
    return next(line for line in map(json.loads, lines) if line["id"] == sample)


def box_of(mask) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = mask.shape
    corners = (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height)
    return [round(1000 * corner) for corner in corners]


@pytest.fixture
def sources(clips, tmp_path):
    folder = tmp_path / "sources"
    folder.mkdir()
    shutil.copy(clips["first"].path, folder / "first.mp4")
    return folder


@pytest.fixture
def seeing(clips, talk):
    """An answer to every job by someone who sees the drawn clip, each in a fence."""
    clip = clips["first"]
    frames = decode(clip.path).astype(np.int16)

    def answer(body: dict) -> str:
        job = talk.job_of(body)
        if job == "camera":
            said = {"reasoning": "The wall and the floor keep their place.", "fixed": True}
        elif job == "compose":
            keyword = json.loads(talk.good_answer(body))["chosen_keyword"]
            scene = next(each for each in load_taxonomy().scenes("location") if each.keyword == keyword)
            prompt = compose_prompt(scene, seed=1)
            said = {"original_scene": "A painted room.", "chosen_keyword": keyword, "prompt": prompt}
        else:
            shown = talk.pictures(body)[0].astype(np.int16)
            index = int(np.abs(frames - shown).mean(axis=(1, 2, 3)).argmin())
            said = {"objects": [{"bbox_2d": box_of(clip.masks[index]), "label": "walking figure"}]}
        return f"```json\n{json.dumps(said)}\n```"

    return answer


@pytest.fixture
def config(endpoint, talk, tmp_path):
    """A configuration file that asks the endpoint, with the classical thresholds."""

    def write(**options) -> object:
        table = {
            "name": "openai",
            "model": "qwen3-vl",
            "revision": COMMIT,
            "base_url": endpoint.url,
            "api_key_env": "TEST_VLM_KEY",
            "backoff": 0.01,
            **options,
        }
        lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in table.items())
        text = talk.config_toml(lines).replace(
            '[backends.tracker]\nname = "classical"',
            '[backends.tracker]\nname = "classical"\ntrusted_boxes = true',
        )
        limits = "edited_frame0 = 5.0\nforeground_removed = 5.0\nedited_video = 5.0\n"
        path = tmp_path / "config.toml"
        path.write_text(f"{text}\n[thresholds]\n{limits}")
        return path

    pytest.importorskip("openai", reason="needs the extra vlm: pip install 'sparkle-dataset[vlm]'")
    return write


def generate(sources, out, config, **environment: str) -> dict:
    words = ("generate", "--sources", sources, "--out", out, "--config", config, "--workers", 1, "--json")
    return json.loads(sparkle(*words, TEST_VLM_KEY=KEY, **environment).stdout)


def test_a_clip_is_kept_and_released_and_nothing_is_asked_twice(endpoint, config, sources, seeing, tmp_path):
    endpoint.answer = seeing
    run, release = tmp_path / "run", tmp_path / "release"
    said = generate(sources, run, config())
    assert said["funnel"]["kept"] == 1, said
    jobs = 1 + 1 + 1 + 3  # camera, compose, ground1, three anchors
    assert len(endpoint.requests) == jobs
    assert outcome(run, "ground1")["record"]["repairs"] == ["ground1: fence"]
    assert [objects[0]["label"] for objects in outcome(run, "ground2")["record"]["frame_objects"]] == [
        "walking figure"
    ] * 3

    sparkle("build", run, "--out", release)
    sparkle("validate", release)
    lines = (release / "intermediate_data/location/foreground_grounding_r2.jsonl").read_text().splitlines()
    assert "repairs" not in json.loads(lines[0])
    models = json.loads((release / "provenance.json").read_text())["runs"][0]["models"]
    assert {
        "capability": "vlm",
        "backend": "openai",
        "model": "qwen3-vl",
        "revision": COMMIT,
        "note": "",
    } in models
    for folder in (run, release, tmp_path / "cache"):
        assert not [
            path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()
        ]

    assert generate(sources, run, config())["processed"] == 0
    assert generate(sources, run, config(concurrency=1, timeout=7.5))["processed"] == 0
    whole = (run / layout.outcomes("ground2")).read_bytes()
    (run / layout.outcomes("ground2")).unlink()
    assert generate(sources, run, config())["processed"] == 1
    assert (run / layout.outcomes("ground2")).read_bytes() == whole
    assert len(endpoint.requests) == jobs


def test_a_bad_answer_stays_failed_and_a_bad_service_is_asked_again(
    endpoint, config, sources, talk, tmp_path
):
    run = tmp_path / "run"
    endpoint.faults.append(talk.fault(503, "loading"))
    assert len(generate(sources, run, config(retries=0))["failures"]) == 1
    failed = outcome(run, "camera")
    assert (failed["status"], failed["error"]["kind"]) == ("failed", "ServiceError")
    endpoint.answer = lambda _: "It looks fixed to me."
    generate(sources, run, config(retries=0))
    failed = outcome(run, "camera")
    assert failed["error"]["kind"] == "AnswerError"
    assert failed["error"]["got"] == "It looks fixed to me."
    assert len(endpoint.requests) == 2
    assert generate(sources, run, config(retries=0))["processed"] == 0


def test_a_wrong_key_stops_the_command_and_is_not_shown(endpoint, config, sources, talk, tmp_path):
    endpoint.faults.append(talk.fault(401, f"wrong key {KEY}"))
    words = (
        "generate",
        "--sources",
        sources,
        "--out",
        tmp_path / "run",
        "--config",
        config(),
        "--workers",
        1,
    )
    result = sparkle(*words, expect=2, TEST_VLM_KEY=KEY)
    assert "refuses the key" in result.stderr
    assert KEY not in result.stdout + result.stderr
    result = sparkle(*words, expect=2)
    assert "TEST_VLM_KEY" in result.stderr


# --- weights from a Hub -----------------------------------------------------------------------


class LocalHub:
    """Enough of the Hub to fetch one repository from, whose only branch is `main`."""

    def __init__(self, folder) -> None:
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()} if folder else {}
        self.server = Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def environment(self, cache) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.server.server_port}"
        return {"HF_ENDPOINT": url, "HF_HUB_CACHE": str(cache), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

    def reply(self, path: str) -> tuple[int, dict[str, str], bytes]:
        path = path.partition("?")[0]
        if path == "/api/models/tiny/qwen3-vl/revision/main":
            siblings = [{"rfilename": name} for name in self.files]
            info = {"_id": "1", "id": "tiny/qwen3-vl", "sha": COMMIT, "siblings": siblings}
            return 200, {}, json.dumps(info).encode()
        if path.startswith("/api/models/tiny/qwen3-vl/tree/"):
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                for name, data in self.files.items()
            ]
            return 200, {}, json.dumps(tree).encode()
        if path.startswith("/api/models/tiny/qwen3-vl/revision/"):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        if path.startswith(f"/tiny/qwen3-vl/resolve/{COMMIT}/"):
            data = self.files.get(path.rpartition("/")[2])
            if data is None:
                return 404, {"X-Error-Code": "EntryNotFound"}, b""
            return 200, {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT}, data
        if "/gated/" in path:
            return 403, {"X-Error-Code": "GatedRepo"}, b"{}"
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    def _handler(hub):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, headers, data = hub.reply(self.path)
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(data)

            do_HEAD = do_GET

            def log_message(self, *_) -> None:
                pass

        return Handler


@pytest.fixture
def make_hub():
    hubs = []

    def make(folder=None) -> LocalHub:
        hubs.append(LocalHub(folder))
        return hubs[-1]

    yield make
    for hub in hubs:
        hub.server.shutdown()
        hub.server.server_close()


def qwen_config(talk, tmp_path, **options):
    table = {"name": "qwen3-vl", "model": "tiny/qwen3-vl", "device": "cpu", "max_tokens": 8, **options}
    path = tmp_path / "qwen.toml"
    path.write_text(
        talk.config_toml("\n".join(f"{key} = {json.dumps(value)}" for key, value in table.items()))
    )
    return path


def test_a_branch_is_loaded_and_recorded_as_its_commit(make_hub, build_qwen3_vl, talk, sources, tmp_path):
    hub = make_hub(build_qwen3_vl(seed=1)).environment(tmp_path / "hub")
    run = tmp_path / "run"
    said = generate(sources, run, qwen_config(talk, tmp_path, revision="main"), **hub)
    assert said["funnel"]["kept"] == 0
    failed = outcome(run, "camera")["error"]
    assert failed["kind"] == "AnswerError"
    assert failed["got"]
    recorded = tomllib.loads((run / layout.RUN_CONFIG).read_text("utf-8"))
    assert recorded["backends"]["vlm"]["revision"] == COMMIT
    model = next(model for model in recorded["models"] if model["capability"] == "vlm")
    assert (model["model"], model["revision"]) == ("tiny/qwen3-vl", COMMIT)
    assert recorded["packages"]["torch"]
    # The commit is known now, and the Hub may be gone.
    offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "hub")}
    for revision in ("main", COMMIT):
        again = generate(sources, run, qwen_config(talk, tmp_path, revision=revision), **offline)
        assert again["processed"] == 0


@pytest.mark.parametrize(
    ("model", "revision", "problem"),
    [
        ("some/gated", "main", "licence must be accepted"),
        ("no/such-model", "main", "no such model repository"),
        ("tiny/qwen3-vl", "v7", "no such revision"),
        ("no such folder", None, "no such folder"),
    ],
)
def test_a_model_that_cannot_be_had_stops_before_anything_starts(
    make_hub, talk, sources, tmp_path, model, revision, problem
):
    hub = make_hub().environment(tmp_path / "hub")
    options = {"model": model} if revision is None else {"model": model, "revision": revision}
    config = qwen_config(talk, tmp_path, **options)
    words = ("generate", "--sources", sources, "--out", tmp_path / "run", "--config", config)
    said = sparkle(*words, expect=2, **hub).stderr
    assert problem in said
    assert model in said
    assert "a folder with the model's files" in said
    if revision is not None:
        assert revision in said
        assert f"https://huggingface.co/{model}" in said
    assert not (tmp_path / "run").exists()
