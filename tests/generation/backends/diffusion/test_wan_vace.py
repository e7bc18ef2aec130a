"""Wan VACE: tiny random weights of the real classes, loaded through the configuration."""

from __future__ import annotations

import numpy as np
import pytest

from sparkle.media.decode import decode
from sparkle.media.images import read_png
from sparkle.schemas.errors import ConfigError

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")


@pytest.fixture(scope="module")
def load(tiny, build_diffusion):
    def load(**options):
        table = {"steps": 2, "guidance": 1.0, **options}
        folder = build_diffusion("wan_vace")
        return tiny.load("control_to_video", name="wan-vace", model=str(folder), **table)

    return load


@pytest.fixture(scope="module")
def synthesizer(load):
    return load()


def synthesize(backend, guidance, seed=1):
    return np.stack(list(backend.synthesize(guidance, seed)))


def test_a_video_depends_on_edges_picture_prompt_and_seed_and_on_nothing_else(synthesizer, load, guidances):
    first = synthesize(synthesizer, guidances["given"])
    assert first.shape == (9, 72, 104, 3)
    assert first.std() > 1
    others = [synthesize(synthesizer, guidances[name]) for name in ("edges", "picture", "prompt")]
    others.append(synthesize(synthesizer, guidances["given"], seed=2))
    others.append(synthesize(load(reference=True), guidances["given"]))
    others.append(synthesize(load(reference=True, start_frame=False), guidances["given"]))
    assert all(not np.array_equal(first, other) for other in others)
    assert np.array_equal(synthesize(synthesizer, guidances["given"]), first)
    assert len(synthesize(synthesizer, guidances["ten"])) == 10


def test_the_first_frame_is_kept_and_the_others_are_made_from_edges(synthesizer, guidances):
    seen = []
    pipeline = synthesizer._model
    hook = pipeline.transformer.register_forward_pre_hook(
        lambda _module, _arguments, options: seen.append(options["control_hidden_states"]), with_kwargs=True
    )
    synthesize(synthesizer, guidances["given"])
    hook.remove()
    frames = decode(guidances["given"].edges)
    frames[0] = read_png(guidances["given"].edited_frame0)
    tall = np.concatenate([frames, frames[:, 64:][:, ::-1]], axis=1)
    wide = np.concatenate([tall, tall[:, :, 96:][:, :, ::-1]], axis=2)
    video = torch.from_numpy(wide.astype(np.float32) / 127.5 - 1).permute(3, 0, 1, 2)[None]
    kept, made = video.clone(), video.clone()
    kept[:, :, 1:] = 0
    made[:, :, 0] = 0
    mean, deviation = (
        torch.tensor(values).view(1, 16, 1, 1, 1)
        for values in (pipeline.vae.config.latents_mean, pipeline.vae.config.latents_std)
    )
    with torch.no_grad():
        parts = [(pipeline.vae.encode(part).latent_dist.mode() - mean) / deviation for part in (kept, made)]
    assert seen[0].shape == (1, 16 + 16 + 64, 3, 10, 14)
    assert torch.allclose(seen[0][:, :32], torch.cat(parts, dim=1), atol=1e-5)


def test_the_first_frame_needs_a_role(load):
    with pytest.raises(ConfigError, match="no role"):
        load(start_frame=False)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_same_on_a_gpu(load, guidances):
    backend = load(device="cuda", dtype="bfloat16", offload="model")
    first = synthesize(backend, guidances["given"])
    assert np.array_equal(synthesize(backend, guidances["given"]), first)
    assert not np.array_equal(synthesize(backend, guidances["picture"]), first)
