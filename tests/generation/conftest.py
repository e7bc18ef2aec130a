"""Drawn clips with true masks, small enough that a whole run takes seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sparkle.media.synthetic import draw_clip

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
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clip]:
    """Two clips that are to be kept and one whose camera moves."""
    folder = tmp_path_factory.mktemp("clips")
    return {
        "first": draw(folder, "first", 0),
        "second": draw(folder, "second", 1),
        "moving": draw(folder, "moving", 2, camera="pan"),
    }
