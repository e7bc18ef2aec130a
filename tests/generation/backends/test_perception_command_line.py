"""From the command line: SAM3 and EditScore with tiny weights in a run that is otherwise classical."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from sparkle.commands import main
from sparkle.media.mask import load_mask

pytest.importorskip("editscore", reason="needs: pip install --no-deps editscore==0.2")
pytest.importorskip("json_repair", reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")

pytestmark = pytest.mark.slow

OTHERS = ("flow", "vlm", "image_editor", "image_to_video", "control_to_video")
ANSWER = json.dumps({"reasoning": "It fits.", "score": [24, 22]})
SAMPLE = "Sparkle_location_000000"


def write_config(folder: Path, sam3: Path, qwen: Path, **thresholds: float) -> Path:
    limits = {"mask_coverage_min": 0.0, "mask_coverage_max": 1.0, **thresholds}
    classical = "".join(f'[backends.{name}]\nname = "classical"\n' for name in OTHERS)
    text = f"""
name = "tiny"
{classical}
[backends.tracker]
name = "sam3"
model = {json.dumps(str(sam3))}
device = "cpu"
dtype = "float32"
[backends.image_scorer]
name = "editscore"
model = {json.dumps(str(qwen))}
note = "a tiny model"
device = "cpu"
dtype = "float32"
passes = 1
[thresholds]
""" + "".join(f"{name} = {value}\n" for name, value in limits.items())
    path = folder / "tiny.toml"
    path.write_text(text)
    return path


def run(*arguments: object) -> dict:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def outcome(folder: Path, step: str) -> dict:
    return json.loads((folder / "outcomes" / f"{step}.jsonl").read_text())


@pytest.fixture(scope="module")
def tiny(build_sam3, build_qwen3_vl):
    return build_sam3(), build_qwen3_vl(says=ANSWER)


@pytest.fixture(scope="module")
def made(tiny, clips, tmp_path_factory):
    """The arguments of a run, its folder, and what it said."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "clips").mkdir()
    (folder / "clips" / "first.mp4").write_bytes(clips["first"].path.read_bytes())
    config = write_config(folder, *tiny, edited_video=8.0)
    arguments = ("--sources", folder / "clips", "--workers", 1, "--config", config, "--json")
    return arguments, folder / "run", run("generate", "--out", folder / "run", *arguments)


def test_the_run_is_whole(made, clips):
    _, folder, said = made
    assert said["failures"] == []
    assert said["funnel"]["kept"] == 1
    for step in ("edit_score", "remove_score"):
        assert outcome(folder, step)["record"] == {
            "prompt_following": 9.6,
            "consistency": 8.8,
            "perceptual_quality": 8.8,
            "overall": 8.8,
            "SC_reasoning": "It fits.",
            "PQ_reasoning": "It fits.",
        }
    frames = outcome(folder, "video_score")["record"]["editscore"]
    assert [frame["O_score"] for frame in frames] == [8.8] * 4
    assert {frame["SC_raw_output"] for frame in frames} == {ANSWER}
    masks = load_mask(folder / "intermediate_data/location/source_video_mask" / f"{SAMPLE}.npz")
    assert masks.shape == clips["first"].masks.shape
    assert masks.any(axis=(1, 2)).all()
    assert outcome(folder, "track")["record"]["anchors"][0] == 0


def test_what_was_used_is_recorded(made, tiny):
    _, folder, _ = made
    recorded = tomllib.loads((folder / "run.toml").read_text())
    models = {model["capability"]: model for model in recorded["models"]}
    for capability, weights in zip(("tracker", "image_scorer"), tiny, strict=True):
        assert models[capability]["model"] == weights.name
        assert models[capability]["revision"].startswith("sha256:")
    assert models["image_scorer"]["note"] == "a tiny model"
    assert recorded["packages"].keys() >= {"torch", "transformers", "editscore", "json-repair"}


def test_a_second_call_does_nothing(made):
    arguments, folder, _ = made
    assert run("generate", "--out", folder, *arguments)["processed"] == 0


def test_two_workers_make_the_same_bytes(made, tmp_path):
    arguments, folder, _ = made
    words = list(arguments)
    words[words.index("--workers") + 1] = 2
    run("generate", "--out", tmp_path / "run", *words)
    kinds = ("edited_video_canny", "source_video_mask")
    for kind in kinds:
        (path,) = (folder / "intermediate_data/location" / kind).iterdir()
        other = tmp_path / "run" / path.relative_to(folder)
        assert path.read_bytes() == other.read_bytes()


def test_an_answer_that_cannot_be_counted_fails_the_sample_and_is_kept(made, tiny, build_qwen3_vl, tmp_path):
    arguments, _, _ = made
    bad = write_config(tmp_path, tiny[0], build_qwen3_vl(says="It is a good edit."))
    words = list(arguments)
    words[words.index("--config") + 1] = bad
    said = run("generate", "--out", tmp_path / "run", *words)
    assert said["funnel"]["kept"] == 0
    found = outcome(tmp_path / "run", "edit_score")
    assert found["status"] == "failed"
    assert "record" not in found
    assert found["error"]["kind"] == "AnswerError"
    assert found["error"]["got"] == "It is a good edit."


def test_models_lists_folders(made, tiny):
    arguments, _, _ = made
    found = run("models", "--config", arguments[arguments.index("--config") + 1], "--json")
    sizes = {model["model"]: model["bytes"] for one in found["backends"] for model in one.get("models", ())}
    for weights in tiny:
        wanted = sum(path.stat().st_size for path in weights.rglob("*") if path.is_file())
        assert sizes[str(weights)] == wanted
    assert np.isclose(found["fetched_bytes"], sum(sizes.values()))
