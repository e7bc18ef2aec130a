"""What the diffusion backends are, need and are fingerprinted by: known without loading anything."""

from __future__ import annotations

import importlib.util
import json
import shutil

import pytest

from sparkle.generation.backends import make_backend, pin_models
from sparkle.generation.run.fingerprints import step_identity
from sparkle.generation.steps import make_step
from sparkle.schemas.errors import ConfigError

for package in ("torch", "diffusers", "peft", "ftfy"):
    if importlib.util.find_spec(package) is None:  # an import takes seconds, in every run
        pytest.skip("needs the extra gpu: pip install 'sparkle-dataset[gpu]'", allow_module_level=True)

COMMIT, OTHER = "c0ffee" * 6 + "1234", "beef" * 10
REPOSITORIES = {
    "flux2-klein": ("image_editor", "edit", "black-forest-labs/FLUX.2-klein-9B"),
    "wan22-i2v": ("image_to_video", "animate", "Wan-AI/Wan2.2-I2V-A14B-Diffusers"),
    "wan22-fun-control": ("control_to_video", "synthesize", "alibaba-pai/Wan2.2-Fun-A14B-Control"),
    "wan-vace": ("control_to_video", "synthesize", "linoyts/Wan2.2-VACE-Fun-14B-diffusers"),
}
BASE = {"base_revision": OTHER}
LORA = {
    "lora": "lightx2v/Wan2.2-Lightning",
    "lora_revision": OTHER,
    "lora_high": "high_noise_model.safetensors",
    "lora_low": "low_noise_model.safetensors",
}


def options_of(name: str, **options) -> dict:
    base = BASE if name == "wan22-fun-control" else {}
    model = REPOSITORIES[name][2]
    return {
        "name": name,
        "model": model,
        "revision": COMMIT,
        "device": "cuda",
        "dtype": "bfloat16",
        **base,
        **options,
    }


@pytest.fixture
def backend_of(tiny):
    def backend_of(name, **options):
        capability = REPOSITORIES[name][0]
        return make_backend(tiny.read(capability, **options_of(name, **options)), capability)

    return backend_of


def test_commits_of_all_that_is_loaded_are_the_identity(backend_of):
    assert backend_of("flux2-klein").identity.revision == COMMIT
    assert backend_of("wan22-fun-control").identity.revision == f"{COMMIT} + {OTHER}"
    identity = backend_of("wan22-i2v", **LORA).identity
    assert identity.model == "Wan-AI/Wan2.2-I2V-A14B-Diffusers + lightx2v/Wan2.2-Lightning"
    assert identity.revision == f"{COMMIT} + {OTHER}"


def test_a_licence_that_forbids_commercial_use_reaches_the_card(backend_of):
    assert "non-commercial" in backend_of("flux2-klein").identity.note
    assert backend_of("flux2-klein", note="we have a licence").identity.note == "we have a licence"
    assert backend_of("wan22-i2v").identity.note == ""


def test_the_identity_of_folders_is_their_content_and_no_path(tiny, build_diffusion, tmp_path):
    folder = build_diffusion("flux2_klein")
    moved = shutil.copytree(folder, tmp_path / "elsewhere" / folder.name)

    def mark(model, **options):
        config = tiny.read("image_editor", name="flux2-klein", model=str(model), **options)
        return step_identity(make_step("edit", config))["backend"]

    assert mark(moved) == mark(folder)
    assert str(folder) not in json.dumps(mark(folder))
    weights = moved / "transformer" / "diffusion_pytorch_model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert mark(shutil.copytree(moved, tmp_path / "changed" / folder.name)) != mark(folder)


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_fingerprint_covers_what_decides_pixels_and_not_how_they_are_made(tiny, name):
    capability, step, _ = REPOSITORIES[name]

    def mark(**options):
        return step_identity(make_step(step, tiny.read(capability, **options_of(name, **options))))["backend"]

    assert mark()["packages"]["diffusers"]
    assert mark(device="cuda:1", offload="model") == mark()
    decisive = [{"dtype": "float16"}, {"attention": "sage"}, {"steps": 7}, {"revision": OTHER}]
    if capability != "image_editor":
        decisive += [LORA, {"guidance": 2.5}, {"schedule": "lightx2v"}, {"negative_prompt": "fog"}]
    if capability == "control_to_video":
        decisive += [{"reference": True}]
    marks = [json.dumps(mark(**options), sort_keys=True) for options in [{}, *decisive]]
    assert len(set(marks)) == len(marks)


def test_templates_are_part_of_the_steps_that_use_them(tiny):
    def prompts(step, capability, name):
        return step_identity(make_step(step, tiny.read(capability, **options_of(name))))["backend"]["prompts"]

    assert set(prompts("remove", "image_editor", "flux2-klein")) == {"removal"}
    assert prompts("edit", "image_editor", "flux2-klein") == {}
    assert set(prompts("animate", "image_to_video", "wan22-i2v")) == {"animation"}


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_pinned_configuration_makes_the_same(tiny, name):
    capability = REPOSITORIES[name][0]
    config = tiny.read(capability, **options_of(name))
    assert pin_models(config) == config


# --- what they need ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPOSITORIES)
def test_what_a_model_needs_is_said(backend_of, name):
    _, step, model = REPOSITORIES[name]
    found = backend_of(name).requirements
    assert found.models[0].model == model
    assert found.models[0].bytes > 10**10
    assert found.seconds[step].low > 0
    offloaded = [
        backend_of(name, offload=way).requirements.vram_bytes for way in ("none", "model", "sequential")
    ]
    assert offloaded == sorted(offloaded, reverse=True)
    assert backend_of(name, dtype="float32").requirements.vram_bytes > offloaded[0]


def test_steps_and_guidance_are_the_cost(backend_of):
    def seconds(**options):
        return backend_of("wan22-i2v", **options).requirements.seconds["animate"]

    few = seconds(steps=4, guidance=1.0)
    assert 50 <= few.low <= few.high <= 110  # noted: 60 to 90
    assert seconds(steps=4, guidance=3.5).low > 1.5 * few.low
    assert seconds(steps=40, guidance=1.0).low > 5 * few.low


def test_every_model_of_a_configuration_is_listed(backend_of):
    found = backend_of("wan22-fun-control", **LORA).requirements.models
    names = {need.model: need for need in found}
    assert set(names) == {
        "alibaba-pai/Wan2.2-Fun-A14B-Control",
        "Wan-AI/Wan2.2-I2V-A14B-Diffusers",
        "lightx2v/Wan2.2-Lightning",
    }
    assert names["Wan-AI/Wan2.2-I2V-A14B-Diffusers"].bytes < 20 * 10**9  # its transformers are not fetched


def test_a_device_that_is_not_there_is_an_error(backend_of):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ConfigError, match="no such device"):
        backend_of("flux2-klein").setup()


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """Put a folder into the Hub's cache as a commit of a repository; the Hub itself is out of reach."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    def cached(repository, folder):
        shutil.copytree(folder, tmp_path / f"models--{repository.replace('/', '--')}" / "snapshots" / COMMIT)

    return cached


def test_weights_of_repositories_are_those_of_folders(tiny, cached, build_diffusion):
    table = {"name": "wan22-fun-control", "lora_high": "high.safetensors", "lora_low": "low.safetensors"}
    models = {"model": "fun_control", "base": "wan22_i2v", "lora": "lightx2v"}
    folders = {option: build_diffusion(model) for option, model in models.items()}
    for option, folder in folders.items():
        cached(f"org/{option}", folder)
    repositories = {option: f"org/{option}" for option in folders}
    revisions = dict.fromkeys(("revision", "base_revision", "lora_revision"), COMMIT)
    theirs = tiny.load("control_to_video", **table, **repositories, **revisions)
    ours = tiny.load("control_to_video", **table, **{option: str(path) for option, path in folders.items()})
    for part in ("transformer", "transformer_2", "vae", "text_encoder"):
        found, wanted = (getattr(backend._model, part).state_dict() for backend in (theirs, ours))
        assert found.keys() == wanted.keys()
        assert all((found[key] == wanted[key]).all() for key in wanted)


def test_a_pipeline_of_a_repository_is_that_of_a_folder(tiny, cached, build_diffusion, pictures):
    cached("org/flux", build_diffusion("flux2_klein"))
    theirs = tiny.load("image_editor", name="flux2-klein", model="org/flux", revision=COMMIT)
    ours = tiny.load("image_editor", name="flux2-klein", model=str(build_diffusion("flux2_klein")))
    made = [editor.edit(pictures[0], "dusk", 1, clip=pictures[0]).image for editor in (theirs, ours)]
    assert (made[0] == made[1]).all()


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_model_that_cannot_be_had_names_its_page(backend_of, name):
    with pytest.raises(ConfigError) as caught:
        backend_of(name, device="cpu").setup()
    said = str(caught.value)
    assert f"https://huggingface.co/{REPOSITORIES[name][2]}" in said
    assert COMMIT in said
    assert "give the folder of a copy" in said
