"""Backends of tiny models through the configuration, and what they are given."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from sparkle.generation.backend import Guidance
from sparkle.generation.backends import make_backend
from sparkle.generation.config import CAPABILITIES, parse_config
from sparkle.media.encode import Encoding, encode
from sparkle.media.images import write_png

WIDTH, HEIGHT, FRAMES = 104, 72, 9  # sides that are no multiples of 16
INSTRUCTION = "Change the background to a harbour at dusk, where fog drifts over the water."


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Sums in one order."""
    try:
        import torch
    except ImportError:  # what needs it is skipped by itself
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def config_toml(capability: str, **options) -> str:
    """A configuration whose other backends are classical."""
    table = {"device": "cpu", "dtype": "float32", **options}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in table.items()]
    others = [f'[backends.{name}]\nname = "classical"' for name in CAPABILITIES if name != capability]
    return "\n".join(['name = "test"', *others, f"[backends.{capability}]", *lines, ""])


def read(capability: str, **options):
    return parse_config(config_toml(capability, **options), where="test.toml")


def load(capability: str, **options):
    backend = make_backend(read(capability, **options), capability)
    backend.setup()
    return backend


@pytest.fixture(scope="session")
def tiny() -> SimpleNamespace:
    """`read(capability, **options)` a configuration; `load` a backend from it, set up."""
    return SimpleNamespace(read=read, load=load, toml=config_toml, instruction=INSTRUCTION)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Two pictures."""
    paths = [tmp_path_factory.mktemp("pictures") / f"{seed}.png" for seed in range(2)]
    for seed, path in enumerate(paths):
        write_png(path, noise(seed, HEIGHT, WIDTH, 3))
    return paths


@pytest.fixture(scope="session")
def guidances(pictures, tmp_path_factory):
    """Guidance, and the same with one thing changed: `edges`, `picture`, `prompt`; `frames` are ten."""
    folder = tmp_path_factory.mktemp("guidance")
    names = {"edges": FRAMES, "other": FRAMES, "ten": 10}
    for seed, (name, count) in enumerate(names.items()):
        frames = np.where(noise(seed, count, HEIGHT, WIDTH, 1) < 16, 255, 0).astype(np.uint8)
        encode(iter(frames.repeat(3, axis=3)), folder / f"{name}.mp4", fps=16, encoding=Encoding())

    def guidance(edges="edges", picture=0, prompt=INSTRUCTION):
        video = folder / f"{edges}.mp4"
        return Guidance(
            source=folder / "nobody-reads-it.mp4",
            mask=folder / "nobody-reads-it.npz",
            background=None,
            edges=video,
            edited_frame0=pictures[picture],
            empty_frame0=folder / "nobody-reads-it.png",
            prompt=prompt,
        )

    return {
        "given": guidance(),
        "edges": guidance(edges="other"),
        "picture": guidance(picture=1),
        "prompt": guidance(prompt="Change the background to a desert at noon."),
        "ten": guidance(edges="ten"),
    }
