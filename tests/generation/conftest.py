"""Drawn clips with true masks, small enough that a whole run takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from drawn_clips.synthetic import draw_clip

WIDTH, HEIGHT, FRAMES = 224, 128, 17


@dataclass(frozen=True)
class Clip:
    """A drawn clip and the masks of its subject, bool (T, H, W)."""

    path: Path
    masks: npt.NDArray[np.bool_]


def draw(folder: Path, name: str, seed: int, camera: str = "fixed", frames: int = FRAMES) -> Clip:
    path = folder / f"{name}.mp4"
    return Clip(path, draw_clip(path, seed=seed, width=WIDTH, height=HEIGHT, frames=frames, camera=camera))


@pytest.fixture(scope="session")
def build_qwen3_vl(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Build a tiny Qwen3-VL in a folder of its own; takes the arguments of `tiny_qwen3_vl.build`."""
    for package in ("torch", "transformers", "accelerate", "PIL"):
        pytest.importorskip(package, reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")
    from harness import tiny_qwen3_vl as module

    def build(**arguments: Any) -> Path:
        return Path(module.build(tmp_path_factory.mktemp("models") / "tiny-qwen3-vl", **arguments))

    return build


@pytest.fixture(scope="session")
def build_sam3(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Build a tiny SAM3 in a folder of its own; takes the arguments of `tiny_sam3.build`."""
    for package in ("torch", "transformers"):
        pytest.importorskip(package, reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")
    from harness import tiny_sam3 as module

    def build(**arguments: Any) -> Path:
        return Path(module.build(tmp_path_factory.mktemp("models") / "tiny-sam3", **arguments))

    return build


@pytest.fixture(scope="session")
def build_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Build a tiny diffusion model: the name of a function of `tiny_diffusion`, and its arguments."""
    for package in ("torch", "diffusers", "transformers", "accelerate", "peft", "ftfy", "PIL"):
        pytest.importorskip(package, reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")
    from harness import tiny_diffusion as module

    built: dict[tuple[Any, ...], Path] = {}

    def build(name: str, **arguments: Any) -> Path:
        key = (name, *sorted(arguments.items()))
        if key not in built:
            folder = tmp_path_factory.mktemp("models") / f"tiny-{name.replace('_', '-')}"
            built[key] = Path(getattr(module, name)(folder, **arguments))
        return built[key]

    return build


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clip]:
    """Two clips that are to be kept and one whose camera moves."""
    folder = tmp_path_factory.mktemp("clips")
    return {
        "first": draw(folder, "first", 0),
        "second": draw(folder, "second", 1),
        "moving": draw(folder, "moving", 2, camera="pan"),
    }
