"""Wan2.2-Fun-Control: its conditioning and its transformer against computations of our own."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from sparkle.media.decode import decode
from sparkle.media.images import read_png
from sparkle.schemas.errors import ConfigError, MediaError

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")

ROLES = {
    "start": {},
    "reference": {"start_frame": False, "reference": True},
    "both": {"reference": True},
}


@pytest.fixture(scope="module")
def load(tiny, build_diffusion):
    def load(model=None, **options):
        table = {"base": str(build_diffusion("wan22_i2v")), "steps": 2, "guidance": 1.0, **options}
        folder = model or build_diffusion("fun_control")
        return tiny.load("control_to_video", name="wan22-fun-control", model=str(folder), **table)

    return load


@pytest.fixture(scope="module")
def synthesizer(load):
    return load()


def synthesize(backend, guidance, seed=1):
    return np.stack(list(backend.synthesize(guidance, seed)))


def seen_by_transformer(backend, guidance) -> torch.Tensor:
    """What the high-noise transformer gets in the first step."""
    seen = []
    hook = backend._model.transformer.register_forward_pre_hook(
        lambda _module, _arguments, options: seen.append(options["hidden_states"]), with_kwargs=True
    )
    synthesize(backend, guidance)
    hook.remove()
    return seen[0]


def mirrored(frames: np.ndarray) -> torch.Tensor:
    """Frames (T, 72, 104, 3) at 80 x 112, as the autoencoder takes them: (1, 3, T, H, W) in [-1, 1]."""
    tall = np.concatenate([frames, frames[:, 64:][:, ::-1]], axis=1)
    wide = np.concatenate([tall, tall[:, :, 96:][:, :, ::-1]], axis=2)
    return torch.from_numpy(wide.astype(np.float32) / 127.5 - 1).permute(3, 0, 1, 2)[None]


def latents(backend, video: torch.Tensor) -> torch.Tensor:
    vae = backend._model.vae
    with torch.no_grad():
        mode = vae.encode(video).latent_dist.mode()
    for channel in range(16):
        mode[:, channel] = (mode[:, channel] - vae.config.latents_mean[channel]) / vae.config.latents_std[
            channel
        ]
    return mode


# --- the condition ----------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_the_channels_are_noise_control_mask_first_frame_and_reference(load, guidances, role):
    backend = load(**ROLES[role])
    seen = seen_by_transformer(backend, guidances["given"])
    assert seen.shape == (1, 52 + 16, 3, 10, 14)  # 9 frames of 72 x 104 at 80 x 112
    edges = mirrored(decode(guidances["given"].edges))
    picture = mirrored(read_png(guidances["given"].edited_frame0)[None])
    assert torch.equal(
        seen[:, :16], torch.randn(1, 16, 3, 10, 14, generator=torch.Generator().manual_seed(1))
    )
    assert torch.allclose(seen[:, 16:32], latents(backend, edges), atol=1e-5)
    mask, first, reference = torch.zeros(1, 4, 3, 10, 14), torch.zeros(1, 16, 3, 10, 14), seen[:, 52:]
    if role != "reference":
        mask[:, :, 0] = 1
        rest = torch.zeros(1, 3, 8, 80, 112)  # gray
        first = latents(backend, torch.cat([picture, rest], dim=2))
    assert torch.equal(seen[:, 32:36], mask)
    assert torch.allclose(seen[:, 36:52], first, atol=1e-5)
    look = torch.zeros_like(reference)
    if role != "start":
        look[:, :, :1] = latents(backend, picture)
    assert torch.allclose(reference, look, atol=1e-5)


def test_the_transformer_puts_the_reference_in_front_and_leaves_it_out_again(synthesizer):
    from torch.nn import functional as fn

    model = synthesizer._model.transformer
    generator = torch.Generator().manual_seed(3)
    frames, height, width = 3, 8, 6
    given = torch.randn(1, 68, frames, height, width, generator=generator)
    words, time = torch.randn(1, 7, 32, generator=generator), torch.tensor([700.0])
    with torch.no_grad():
        made = model(given, time, words, return_dict=False)[0]
        weights = model.state_dict()
        patches = fn.conv3d(
            given[:, :52],
            weights["patch_embedding.weight"],
            weights["patch_embedding.bias"],
            stride=(1, 2, 2),
        )
        reference = fn.conv2d(
            given[:, 52:, 0],
            weights["patch_embedding.ref_conv.weight"],
            weights["patch_embedding.ref_conv.bias"],
            stride=2,
        )
        tokens = torch.cat([reference.flatten(2), patches.flatten(2)], dim=2).transpose(1, 2)
        rotary = model.rope(torch.zeros(1, 1, frames + 1, height, width))
        steps, projected, text, _ = model.condition_embedder(time, words, None)
        for block in model.blocks:
            tokens = block(tokens, text, projected.unflatten(1, (6, -1)), rotary)
        shift, scale = (model.scale_shift_table + steps.unsqueeze(1)).chunk(2, dim=1)
        tokens = model.proj_out(fn.layer_norm(tokens, tokens.shape[-1:], eps=1e-6) * (1 + scale) + shift)
    tokens = tokens[:, (height // 2) * (width // 2) :]
    grid = tokens.reshape(frames, height // 2, width // 2, 2, 2, 16)
    expected = grid.permute(5, 0, 1, 3, 2, 4).reshape(1, 16, frames, height, width)
    assert torch.allclose(made, expected, atol=1e-5)


# --- the video --------------------------------------------------------------------------------


def test_a_video_depends_on_edges_picture_prompt_and_seed_and_on_nothing_else(synthesizer, load, guidances):
    first = synthesize(synthesizer, guidances["given"])
    assert first.shape == (9, 72, 104, 3)
    assert first.dtype == np.uint8
    assert first.std() > 1
    others = [synthesize(synthesizer, guidances[name]) for name in ("edges", "picture", "prompt")]
    others.append(synthesize(synthesizer, guidances["given"], seed=2))
    others += [synthesize(load(**ROLES[role]), guidances["given"]) for role in ("reference", "both")]
    assert all(not np.array_equal(first, other) for other in others)
    assert np.array_equal(synthesize(synthesizer, guidances["given"]), first)
    assert np.array_equal(synthesize(load(), guidances["given"]), first)


def test_frames_of_another_count_are_as_many_as_the_source_has(synthesizer, guidances):
    assert len(synthesize(synthesizer, guidances["ten"])) == 10


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_published_layout_is_the_same_model(load, build_diffusion, guidances, dtype):
    published = load(build_diffusion("fun_control", published=True), dtype=dtype)
    ours = load(dtype=dtype)
    for part in ("transformer", "transformer_2"):
        found, wanted = (getattr(backend._model, part).state_dict() for backend in (published, ours))
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)
        assert all(found[name].dtype == wanted[name].dtype for name in wanted)
    made = (synthesize(backend, guidances["given"]) for backend in (published, ours))
    assert np.array_equal(*made)


def test_lightx2v_loras_go_with_it(load, build_diffusion, guidances):
    lora = {"lora": str(build_diffusion("lightx2v")), "lora_high": "high.safetensors"}
    few = {**lora, "lora_low": "low.safetensors", "schedule": "lightx2v", "steps": 4}
    backend = load(**few)
    made = synthesize(backend, guidances["given"])
    assert backend._model.scheduler.sigmas.tolist() == pytest.approx([1, 0.9375, 5 / 6, 0.625, 0])
    assert not np.array_equal(synthesize(load(schedule="lightx2v", steps=4), guidances["given"]), made)


# --- what can be wrong ------------------------------------------------------------------------


def test_the_first_frame_needs_a_role(load):
    with pytest.raises(ConfigError, match="no role"):
        load(start_frame=False)


def test_a_transformer_of_other_channels_is_refused(load, build_diffusion):
    with pytest.raises(ConfigError, match="another kind"):
        load(build_diffusion("fun_control", in_channels=36))


@pytest.mark.parametrize("published", [True, False])
def test_a_checkpoint_that_lacks_weights_is_refused(load, build_diffusion, tmp_path, published):
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(build_diffusion("fun_control", published=published), tmp_path / "broken")
    for file in broken.rglob("*.safetensors"):
        weights = {name: tensor for name, tensor in load_file(file).items() if "ref_conv" not in name}
        save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match="ref_conv") as caught:
        load(broken)
    assert str(broken) in str(caught.value)


def test_a_configuration_that_lacks_a_key_is_refused(load, build_diffusion, tmp_path):
    broken = shutil.copytree(build_diffusion("fun_control", published=True), tmp_path / "broken")
    path = broken / "low_noise_model" / "config.json"
    config = json.loads(path.read_text())
    del config["ffn_dim"]
    path.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="ffn_dim"):
        load(broken)


def test_a_picture_of_another_size_fails_the_sample(synthesizer, guidances, tmp_path):
    import dataclasses

    from sparkle.media.images import write_png

    write_png(tmp_path / "small.png", np.zeros((64, 96, 3), np.uint8))
    guidance = dataclasses.replace(guidances["given"], edited_frame0=tmp_path / "small.png")
    with pytest.raises(MediaError, match="differ in size"):
        synthesize(synthesizer, guidance)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("offload", ["none", "model"])
def test_the_same_on_a_gpu(load, guidances, offload):
    backend = load(device="cuda", dtype="bfloat16", offload=offload, reference=True)
    first = synthesize(backend, guidances["given"])
    assert np.array_equal(synthesize(backend, guidances["given"]), first)
    assert not np.array_equal(synthesize(backend, guidances["picture"]), first)
