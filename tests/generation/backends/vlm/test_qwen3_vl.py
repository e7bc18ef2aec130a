"""Qwen3-VL in process: tiny random weights of the real classes, loaded through the configuration."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from sparkle.generation.backends import make_backend
from sparkle.generation.backends.vlm.questions import Question
from sparkle.generation.config import parse_config
from sparkle.generation.run.fingerprints import step_identity
from sparkle.generation.steps import make_step
from sparkle.schemas import records as r
from sparkle.schemas.errors import AnswerError, ConfigError, SampleError

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")

ANCHORS = (0, 8, 16)
FIRST = r.Ground1Record(("dog",), (r.GroundedObject((1, 2, 3, 4), "dog"),))


@pytest.fixture(scope="module")
def weights(build_qwen3_vl):
    return build_qwen3_vl(seed=1)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def load(talk):
    """A VLM from TOML, set up."""

    def load(folder, **options):
        backend = make_backend(read(talk, folder, **options), "vlm")
        backend.setup()
        return backend

    return load


def read(talk, folder, **options):
    table = {"name": "qwen3-vl", "model": str(folder), "device": "cpu", "dtype": "float32", "max_tokens": 12}
    vlm = "\n".join(f"{name} = {json.dumps(value)}" for name, value in {**table, **options}.items())
    return parse_config(talk.config_toml(vlm), where="test.toml")


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (72, 128, 3), np.uint8)


def raw_answer(backend, text: str, seed: int) -> str:
    """What the model says to a picture and words, whether it comes to an end or not."""
    try:
        return backend.ask([Question("camera", text, (picture(seed),), {})])[0].text
    except AnswerError as error:  # cut short
        return error.got or ""


def test_answers_depend_on_picture_words_and_weights_and_on_nothing_else(load, weights, build_qwen3_vl):
    backend = load(weights)
    asked = [("what?", 1), ("what?", 2), ("what?", 3), ("where?", 1)]
    said = [raw_answer(backend, *question) for question in asked]
    assert len(set(said)) == len(asked)
    assert [raw_answer(load(weights), *question) for question in asked] == said
    assert raw_answer(load(build_qwen3_vl(seed=2)), "what?", 1) not in said


@pytest.mark.parametrize("job", ["camera", "compose", "describe", "ground1", "ground2"])
def test_nonsense_fails_every_job_and_is_kept(load, weights, pair, talk, job):
    backend = load(weights)
    clip, source, edited = pair
    jobs = {
        "camera": lambda: backend.check_camera(clip, r.FlowRecord(0.0, 0.0)),
        "compose": lambda: backend.compose(source, "time", None, 5),
        "describe": lambda: backend.compose(source, "time", talk.instruction, 5),
        "ground1": lambda: backend.ground_first(clip, source, edited, talk.instruction),
        "ground2": lambda: backend.ground_frames(clip, FIRST, ANCHORS),
    }
    with pytest.raises(AnswerError, match=r"cut short|not JSON|nothing") as caught:
        jobs[job]()
    assert caught.value.got is not None
    assert caught.value.where.startswith(job)


def test_a_good_answer_comes_through_the_real_model(load, build_qwen3_vl, pair, talk):
    clip, source, edited = pair
    camera = json.dumps({"reasoning": "The wall stays.", "fixed": False})
    backend = load(build_qwen3_vl(says=camera))
    assert backend.check_camera(clip, r.FlowRecord(0, 0)) == r.CameraRecord(False, "The wall stays.")
    grounding = json.dumps({"objects": [{"bbox_2d": [1, 2, 3, 4], "label": "dog"}]})
    backend = load(build_qwen3_vl(says=f"```json\n{grounding}\n```"), batch_size=2, dtype="bfloat16")
    found = backend.ground_first(clip, source, edited, talk.instruction)
    assert r.without_repairs(found) == FIRST
    found = backend.ground_frames(clip, FIRST, ANCHORS)
    assert found.frame_objects == (FIRST.round1_objects,) * 3
    assert found.repairs == ("ground2, frame 0: fence", "ground2, frame 8: fence", "ground2, frame 16: fence")


def test_answers_of_a_batch_belong_to_their_questions(load, weights, tmp_path):
    ending = shutil.copytree(weights, tmp_path / "ending")  # one that ends at a quarter of the bytes
    settings = json.loads((ending / "generation_config.json").read_text())
    settings["eos_token_id"] = list(range(0, 256, 4))
    (ending / "generation_config.json").write_text(json.dumps(settings))
    questions = [Question("camera", "what?", (picture(seed),), {}) for seed in range(6)]
    options = {"max_tokens": 100, "dtype": "float32"}
    alone = [load(ending, **options).ask([question])[0].text for question in questions]
    assert len(set(alone)) > 3
    together = load(ending, batch_size=4, **options).ask(questions)
    assert [answer.text for answer in together] == alone


# --- identity ---------------------------------------------------------------------------------


def test_the_identity_is_the_content_and_no_path(talk, weights, tmp_path):
    moved = shutil.copytree(weights, tmp_path / "elsewhere" / weights.name)
    identity = make_backend(read(talk, weights), "vlm").identity
    assert make_backend(read(talk, moved), "vlm").identity == identity
    assert str(weights) not in repr(identity)
    changed = shutil.copytree(weights, tmp_path / "changed" / weights.name)
    (changed / "config.json").write_text((changed / "config.json").read_text() + " ")
    assert make_backend(read(talk, changed), "vlm").identity.revision != identity.revision


def test_a_fingerprint_covers_what_decides_an_answer_and_not_how_it_is_made(talk, weights, tmp_path):
    def mark(step: str, folder=weights, **options):
        return step_identity(make_step(step, read(talk, folder, **options)))["backend"]

    assert mark("camera")["packages"]["transformers"]
    assert set(mark("compose")["prompts"]) == {"compose", "describe", "reading"}
    assert mark("camera")["prompts"] != mark("ground1")["prompts"]
    moved = shutil.copytree(weights, tmp_path / weights.name)
    assert mark("camera", moved, device="cuda:1") == mark("camera")
    for option in ({"dtype": "bfloat16"}, {"max_tokens": 13}, {"attention": "eager"}, {"camera_frames": 4}):
        assert mark("camera", **option) != mark("camera")


# --- what can be wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"dtype": "int8"}, "no such choice"),
        ({"attention": "none"}, "no such choice"),
        ({"batch_size": 0}, "out of range"),
        ({"revision": "main"}, "a folder has no revision"),
        ({"model": "/no/such/folder"}, "no such folder"),
    ],
)
def test_a_setting_that_cannot_be(load, weights, options, problem):
    with pytest.raises(ConfigError, match=problem):
        load(weights, **options)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_that_lacks_a_file_is_named(load, weights, tmp_path, name):
    broken = shutil.copytree(weights, tmp_path / "broken")
    (broken / name).unlink()
    with pytest.raises(ConfigError) as caught:
        load(broken)
    assert str(broken) in str(caught.value)


def test_another_kind_of_model_is_refused(load, weights, tmp_path):
    other = shutil.copytree(weights, tmp_path / "other")
    (other / "config.json").write_text('{"model_type": "qwen3"}')
    with pytest.raises(ConfigError, match="another kind"):
        load(other)


def test_weights_that_were_cut_short_are_refused(load, weights, tmp_path):
    broken = shutil.copytree(weights, tmp_path / "broken")
    data = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load(broken)


def test_full_memory_is_tried_once_more_and_then_fails_the_sample(load, build_qwen3_vl, pair):
    backend = load(build_qwen3_vl(says='{"reasoning": "The wall stays.", "fixed": true}'))
    left = 1

    def fill(*_):
        nonlocal left
        if left:
            left -= 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")

    backend._model.model.register_forward_pre_hook(fill)
    assert backend.check_camera(pair[0], r.FlowRecord(0, 0)).fixed
    left = 2
    with pytest.raises(SampleError, match="memory") as caught:
        backend.check_camera(pair[0], r.FlowRecord(0, 0))
    assert caught.value.got == "CUDA out of memory"
    assert backend.check_camera(pair[0], r.FlowRecord(0, 0)).fixed


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_same_on_a_gpu(load, weights, build_qwen3_vl, pair):
    backend = load(weights, device="cuda", dtype="bfloat16")
    said = [raw_answer(backend, "what?", seed) for seed in (1, 2)]
    assert said == [raw_answer(load(weights, device="cuda", dtype="bfloat16"), "what?", n) for n in (1, 2)]
    camera = json.dumps({"reasoning": "The wall stays.", "fixed": True})
    good = load(build_qwen3_vl(says=camera), device="cuda", dtype="bfloat16")
    assert good.check_camera(pair[0], r.FlowRecord(0, 0)).fixed
