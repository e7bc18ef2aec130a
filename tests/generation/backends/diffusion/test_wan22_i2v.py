"""Wan2.2-I2V: tiny random weights of the real classes, loaded through the configuration."""

from __future__ import annotations

import numpy as np
import pytest

from sparkle.generation.backends.vlm.questions import animation_prompt
from sparkle.media.images import read_png
from sparkle.schemas.errors import ConfigError, SampleError

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")

LORA = {"lora_high": "high.safetensors", "lora_low": "low.safetensors"}


@pytest.fixture(scope="module")
def load(tiny, build_diffusion):
    def load(model=None, **options):
        table = {"steps": 2, "guidance": 1.0, **options}
        folder = model or build_diffusion("wan22_i2v")
        return tiny.load("image_to_video", name="wan22-i2v", model=str(folder), **table)

    return load


@pytest.fixture(scope="module")
def animator(load):
    return load()


def animate(animator, picture, prompt="dusk", seed=1, frames=9):
    return np.stack(list(animator.animate(picture, prompt, frames, 16.0, seed)))


def forward_calls(animator, picture) -> list[str]:
    """Which transformer works, step by step."""
    calls = []
    hooks = [
        getattr(animator._model, name).register_forward_pre_hook(lambda *_, name=name: calls.append(name))
        for name in ("transformer", "transformer_2")
    ]
    animate(animator, picture, frames=5)
    for hook in hooks:
        hook.remove()
    return calls


def test_a_video_depends_on_picture_prompt_and_seed_and_on_nothing_else(animator, load, pictures):
    first = animate(animator, pictures[0])
    assert first.shape == (9, *read_png(pictures[0]).shape)
    assert first.dtype == np.uint8
    assert first.std() > 1
    others = [
        animate(animator, pictures[1]),
        animate(animator, pictures[0], prompt="a harbour in fog"),
        animate(animator, pictures[0], seed=2),
    ]
    assert all(not np.array_equal(first, other) for other in others)
    assert np.array_equal(animate(animator, pictures[0]), first)
    assert np.array_equal(animate(load(), pictures[0]), first)


@pytest.mark.parametrize("frames", [1, 5, 6, 10])
def test_any_number_of_frames(animator, pictures, frames):
    assert len(animate(animator, pictures[0], frames=frames)) == frames


def test_frames_of_another_count_are_those_of_the_next(animator, pictures):
    assert np.array_equal(animate(animator, pictures[0], frames=6), animate(animator, pictures[0])[:6])


def test_options_that_decide_pixels_do(animator, load, pictures):
    first = animate(animator, pictures[0])
    guided = animate(load(guidance=3.0), pictures[0])
    assert not np.array_equal(guided, first)
    for options in (
        {"steps": 3},
        {"schedule": "lightx2v"},
        {"flow_shift": 3.0},
        {"dtype": "bfloat16"},
        {"guidance": 3.0, "guidance_low": 1.5},
        {"guidance": 3.0, "negative_prompt": "fog"},
    ):
        made = animate(load(**options), pictures[0])
        assert not np.array_equal(made, first)
        assert not np.array_equal(made, guided)


def test_the_autoencoder_works_in_float32(load, pictures):
    pipeline = load(dtype="bfloat16")._model
    assert pipeline.vae.dtype == torch.float32
    assert pipeline.transformer.dtype == pipeline.transformer_2.dtype == torch.bfloat16


def test_the_template_is_around_the_instruction(animator, pictures, monkeypatch):
    seen = []
    encode = type(animator._model).encode_prompt

    def listen(pipeline, prompt, **options):
        seen.append(prompt)
        return encode(pipeline, prompt=prompt, **options)

    monkeypatch.setattr(type(animator._model), "encode_prompt", listen)
    animate(animator, pictures[0], prompt="a harbour at dusk")
    assert seen == [animation_prompt("a harbour at dusk")]


# --- LightX2V ---------------------------------------------------------------------------------


def test_lightx2v_has_its_four_sigmas_two_to_a_transformer(load, pictures):
    animator = load(schedule="lightx2v", steps=4)
    calls = forward_calls(animator, pictures[0])
    scheduler = animator._model.scheduler
    assert scheduler.sigmas.tolist() == pytest.approx([1, 0.9375, 5 / 6, 0.625, 0], abs=1e-6)
    assert scheduler.timesteps.tolist() == pytest.approx([1000, 937.5, 5000 / 6, 625], abs=1e-3)
    assert calls == ["transformer"] * 2 + ["transformer_2"] * 2


def test_lightx2v_steps_are_eulers(load):
    scheduler = load(schedule="lightx2v")._model.scheduler
    scheduler.set_timesteps(4)
    sample = torch.linspace(-1, 1, 8)
    expected = sample.double()
    for step, (high, low) in enumerate(((1, 0.9375), (0.9375, 5 / 6), (5 / 6, 0.625), (0.625, 0))):
        velocity = torch.sin(3 * sample + step)
        expected = expected + (low - high) * velocity.double()
        sample = scheduler.step(velocity, scheduler.timesteps[step], sample, return_dict=False)[0]
    assert torch.allclose(sample.double(), expected, atol=1e-6)


def test_loras_are_added_to_the_weights_of_their_transformers(load, build_diffusion):
    from safetensors.torch import load_file

    lora = build_diffusion("lightx2v")
    plain = load()._model
    fused = load(lora=str(lora), **LORA)._model
    for part, file in (("transformer", "high"), ("transformer_2", "low")):
        weights = load_file(lora / f"{file}.safetensors")
        key = "diffusion_model.blocks.1.self_attn.q"
        rank = weights[f"{key}.lora_down.weight"].shape[0]
        delta = weights[f"{key}.lora_up.weight"] @ weights[f"{key}.lora_down.weight"]
        delta *= weights[f"{key}.alpha"] / rank
        before = getattr(plain, part).blocks[1].attn1.to_q.weight
        after = getattr(fused, part).blocks[1].attn1.to_q.weight
        assert torch.allclose(after, before + delta, atol=1e-6)
        assert delta.abs().max() > 0.1


def test_a_lora_of_another_model_is_refused(load, build_diffusion, tmp_path):
    from safetensors.torch import load_file, save_file

    lora = build_diffusion("lightx2v")
    for name in ("high", "low"):
        weights = load_file(lora / f"{name}.safetensors")
        renamed = {key.replace("diffusion_model", "text_encoder"): value for key, value in weights.items()}
        save_file(renamed, tmp_path / f"{name}.safetensors")
    with pytest.raises(ConfigError):
        load(lora=str(tmp_path), **LORA)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"lora_high": "high.safetensors"}, "both transformers"),
        ({"lora": "/somewhere", "lora_low": "low.safetensors"}, "both transformers"),
        ({"lora_revision": "main"}, "no LoRA"),
        ({"lora": "/no/such/folder", **LORA}, "no such folder"),
        ({"guidance": 0.5}, "out of range"),
        ({"steps": 0}, "out of range"),
        ({"schedule": "ddim"}, "no such choice"),
        ({"attention": "best"}, "no such choice"),
        ({"offload": "model"}, "nowhere to go"),
        ({"revision": "main"}, "a folder has no revision"),
        ({"model": "/no/such/folder"}, "no such folder"),
    ],
)
def test_a_setting_that_cannot_be(load, options, problem):
    with pytest.raises(ConfigError, match=problem):
        load(**options)


def test_a_lora_file_that_is_not_there_is_named(load, build_diffusion):
    files = {**LORA, "lora_low": "lowest.safetensors"}
    with pytest.raises(ConfigError) as caught:
        load(lora=str(build_diffusion("lightx2v")), **files)
    assert "lowest.safetensors" in str(caught.value)


def test_another_kind_of_model_is_refused(load, build_diffusion):
    with pytest.raises(ConfigError, match="another kind"):
        load(model=build_diffusion("wan_vace"))
    with pytest.raises(ConfigError, match="two transformers"):
        load(model=build_diffusion("wan22_i2v", both=False))


def test_a_prompt_that_would_be_cut_fails_the_sample(animator, pictures):
    with pytest.raises(SampleError, match="too long"):
        animate(animator, pictures[0], prompt="a harbour " * 500)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("offload", ["none", "model"])
def test_the_same_on_a_gpu(load, pictures, build_diffusion, offload):
    options = {"device": "cuda", "dtype": "bfloat16", "offload": offload, "schedule": "lightx2v", "steps": 4}
    animator = load(lora=str(build_diffusion("lightx2v")), **LORA, **options)
    first = animate(animator, pictures[0])
    assert np.array_equal(animate(animator, pictures[0]), first)
    assert not np.array_equal(animate(animator, pictures[0], seed=2), first)
