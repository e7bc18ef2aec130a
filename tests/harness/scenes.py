"""Clips of scenes that look like nothing else: a seed's own picture, before which something moves."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.media.encode import Encoding, encode

WIDTH, HEIGHT, FRAMES = 160, 96, 17


def scene_frames(
    seed: int, frames: int = FRAMES, width: int = WIDTH, height: int = HEIGHT
) -> npt.NDArray[np.uint8]:
    """uint8 (T, H, W, 3): a square that moves over patches of light and dark."""
    generator = np.random.Generator(np.random.PCG64(seed))
    patches = generator.integers(0, 256, (12, 20, 3)).astype(np.uint8)
    still = np.asarray(cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    shown = np.repeat(still[None], frames, axis=0)
    for index, frame in enumerate(shown):
        left = index * width // 27
        frame[height * 4 // 10 : height * 6 // 10, left : left + width // 10] = (220, 30, 30)
    return shown


def write_scene(path: Path, seed: int, frames: int = FRAMES, crf: int = 18) -> Path:
    """Write such a clip; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encode(scene_frames(seed, frames), path, encoding=Encoding(crf=crf))
    return path
