"""What a backend needs, and `sparkle models`: known without loading, fetching or asking anybody."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from harness import ROOT
from sparkle.commands import main
from sparkle.generation.backends import make_backend
from sparkle.generation.config import CAPABILITIES, load_config, parse_config
from sparkle.generation.needs import Demanding, card_note, needed
from sparkle.generation.weights import Weights
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.rules import Thresholds

CONFIGS = ROOT / "sparkle" / "configs"
PAPER = ("paper", "paper-fast")
KLEIN = "black-forest-labs/FLUX.2-klein-9B"


def run(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def listed(name: str) -> dict:
    result = run("models", "--config", CONFIGS / f"{name}.toml", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", PAPER)
def test_the_paper_configurations_name_the_papers_models_and_thresholds(name):
    config = load_config(CONFIGS / f"{name}.toml")
    assert config.name == name
    wanted = Thresholds()
    assert (wanted.edited_frame0, wanted.foreground_removed, wanted.edited_video) == (8.0, 8.5, 8.0)
    assert config.thresholds == wanted
    backends = [make_backend(config, capability) for capability in CAPABILITIES]
    assert all(isinstance(backend, Demanding) for backend in backends)
    assert config.backend_table("image_editor")["model"] == KLEIN
    assert config.backend_table("image_scorer")["score_range"] == 25


def test_the_fast_configuration_differs_in_how_videos_are_made():
    paper, fast = (load_config(CONFIGS / f"{name}.toml").backends for name in PAPER)
    differ = {capability for capability in CAPABILITIES if paper[capability] != fast[capability]}
    assert differ == {"image_to_video", "control_to_video"}
    for capability in differ:
        assert fast[capability]["schedule"] == "lightx2v"
        assert (fast[capability]["steps"], fast[capability]["guidance"]) == (4, 1.0)
        assert paper[capability]["steps"] >= 40


@pytest.mark.parametrize("name", PAPER)
def test_every_model_is_listed_with_revision_size_licence_gating_and_memory(name):
    found = listed(name)
    assert [one["capability"] for one in found["backends"]] == list(CAPABILITIES)
    for one in found["backends"]:
        assert one["models"]
        assert one["vram_bytes"] > 0
        assert one["source"]
        for model in one["models"]:
            assert model["revision"]
            assert model["bytes"] > 0
            assert model["licence"] != "unknown"
            assert model["page"].startswith("https://")
    assert found["non_commercial"] == [KLEIN]
    assert found["gated"] == [KLEIN, "facebook/sam3"]
    assert found["vram_bytes"] == max(one["vram_bytes"] for one in found["backends"])
    sizes = {}
    for one in found["backends"]:
        for model in one["models"]:
            sizes[model["model"]] = max(model["bytes"], sizes.get(model["model"], 0))
    assert found["fetched_bytes"] == sum(sizes.values())  # a repository that two backends share is once


def test_what_is_said_to_a_person_warns_of_licences():
    result = run("models", "--config", CONFIGS / "paper.toml")
    assert result.exit_code == 0
    assert f"{KLEIN} is for non-commercial use" in result.stderr
    assert "accept the licence of facebook/sam3" in result.stderr


def test_a_non_commercial_licence_reaches_the_card():
    """The identity's note is what the provenance and the card say."""
    config = load_config(CONFIGS / "paper.toml")
    commit = "0" * 40
    tables = dict(config.backends)
    tables["image_editor"] = {**tables["image_editor"], "revision": commit}
    editor = make_backend(type(config)(name="test", backends=tables), "image_editor")
    assert editor.identity.revision == commit
    assert "non-commercial" in editor.identity.note
    assert card_note(KLEIN, "my words") == "my words"
    assert card_note("Qwen/Qwen3-VL-32B-Instruct", "") == ""


def test_classical_needs_nothing():
    result = run("models", "--json")
    found = json.loads(result.stdout)
    assert (found["fetched_bytes"], found["vram_bytes"]) == (0, 0)
    assert found["non_commercial"] == found["gated"] == []


def test_a_folder_is_as_large_as_its_files_and_an_unknown_repository_is_unknown(tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "model.safetensors").write_bytes(b"x" * 1000)
    (tmp_path / "config.json").write_bytes(b"{}")
    assert needed(Weights(str(tmp_path))).bytes == 1002
    unknown = needed(Weights("someone/something", "v1"))
    assert (unknown.bytes, unknown.licence, unknown.revision) == (None, "unknown", "v1")
    assert needed(Weights(KLEIN), served=True).served


@pytest.mark.parametrize("capability", ["image_to_video", "control_to_video", "image_scorer"])
def test_time_follows_the_options(capability):
    option = "passes" if capability == "image_scorer" else "steps"

    def seconds(count):
        config = load_config(CONFIGS / "paper-fast.toml")
        tables = {**config.backends, capability: {**config.backends[capability], option: count}}
        backend = make_backend(type(config)(name="test", backends=tables), capability)
        return sum(span.high for span in backend.requirements.seconds.values())

    assert seconds(2) < seconds(4) < seconds(8)


def test_a_served_model_takes_no_gpu_of_this_machine(tmp_path):
    text = (CONFIGS / "classical.toml").read_text()
    vlm = '[backends.vlm]\nname = "openai"\nmodel = "Qwen/Qwen3-VL-32B-Instruct"\nrevision = "served"\n'
    served = text.replace('[backends.vlm]\nname = "classical"\n', vlm)
    assert served != text
    wanted = make_backend(parse_config(served, where="t"), "vlm").requirements
    assert wanted.vram_bytes == 0
    assert wanted.models[0].served
    (tmp_path / "served.toml").write_text(served)
    result = run("models", "--config", tmp_path / "served.toml", "--json")
    assert json.loads(result.stdout)["fetched_bytes"] == 0


def test_nothing_heavy_is_imported():
    """Torch takes seconds to import, and is not there on the laptop where a plan is made."""
    code = (
        "import sys\n"
        "from sparkle.commands import main\n"
        f"main(['models', '--config', {str(CONFIGS / 'paper.toml')!r}, '--json'], standalone_mode=False)\n"
        f"main(['plan', '--sources', '9', '--config', {str(CONFIGS / 'paper-fast.toml')!r}, '--json'],"
        " standalone_mode=False)\n"
        "heavy = {'torch', 'transformers', 'diffusers', 'peft', 'editscore', 'openai'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("text", "problem"), [("name = 1", "wrong type"), ("not toml at all [", "not TOML"), ("", "missing")]
)
def test_a_configuration_that_cannot_be_read_is_said(tmp_path, text, problem):
    (tmp_path / "bad.toml").write_text(text)
    result = run("models", "--config", tmp_path / "bad.toml", "--json")
    assert result.exit_code == 2
    assert problem in result.stderr


def test_an_empty_name_is_no_folder():
    with pytest.raises(ConfigError, match="no such folder of weights"):
        _ = Weights("").commit
    assert needed(Weights("")).bytes is None
