"""Draws demo and test clips: a moving, textured subject before a still scene, with its true masks.

How it works
- The seed chooses scene, subject colours and movement; the same call gives the same bytes.
- The scene is painted once, larger than the picture where the camera moves, and slightly out of focus. Every
  frame takes its part of it, lays the subject's soft shadow and then the subject over it, and adds grain.
- The masks are what the subject covers by at least half a pixel: exact, and free of the shadow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from zlib import crc32

import cv2
import numpy as np
import numpy.typing as npt

from drawn_clips.paint import Canvas, Floats
from drawn_clips.scenery import SCENES, Scene
from drawn_clips.subjects import SUBJECTS
from sparkle.media.encode import DEFAULT_ENCODING, Encoding, VideoWriter

SubjectName = Literal["figure", "ball", "fish"]
Camera = Literal["fixed", "pan", "shake"]

# Standard deviation in gray levels of film grain, of the order of a phone's noise indoors.
_GRAIN_LEVELS = 2.0

# World units (picture heights) a second by which a panning camera moves: 2 pixels a frame at 720p, 16 fps.
_PAN_SPEED = 2 * 16 / 720

# World units: a hand-held camera's wander, with steps of about 1 to 3 pixels a frame at 720p, 16 fps.
_SHAKE_REACH = 0.010

# Share of light that the subject's shadow takes: visible, yet too little to pass for the subject.
_SHADOW = 0.16

# World units: how far the scene is out of focus.
_DEFOCUS = 0.0016


def draw_clip(
    path: Path,
    *,
    seed: int,
    subject: SubjectName = "figure",
    width: int = 640,
    height: int = 360,
    frames: int = 49,
    fps: int = 16,
    camera: Camera = "fixed",
    encoding: Encoding = DEFAULT_ENCODING,
) -> npt.NDArray[np.bool_]:
    """Draws a clip of a subject that moves before a still scene.

    Args:
        path: The MP4 to write; replaced if it is there.
        seed: At least 0; decides scene, colours, pattern, movement and grain.
        subject: What moves.
        width: Even number of pixels.
        height: Even number of pixels.
        frames: How many frames.
        fps: Frames a second.
        camera: "fixed", "pan" (steadily to the right) or "shake" (hand-held).
        encoding: Quality and preset.

    Returns:
        bool (T, H, W), the subject's true masks.

    Raises:
        MediaError: A side is odd or there are no frames.
    """
    scene, generator = choose_scene(seed, subject)
    aspect = width / height
    actor = SUBJECTS[subject](aspect, generator)
    path_of_camera = _camera_path(camera, frames, fps, generator)
    margin = int(np.ceil(np.abs(path_of_camera).max(initial=0) * height)) + 2
    backdrop = Canvas(width + 2 * margin, height + 2 * margin, height, (-margin / height, -margin / height))
    scene(backdrop, aspect, generator)
    sharp = np.clip(backdrop.image, 0, 1)
    still = np.asarray(cv2.GaussianBlur(sharp, (0, 0), max(_DEFOCUS * height, 0.3)), np.float32)
    vignette = _vignette(height, width)
    masks = np.zeros((frames, height, width), np.bool_)
    with VideoWriter(path, width=width, height=height, fps=fps, encoding=encoding) as writer:
        for index, corner in enumerate(path_of_camera):
            layer = Canvas(width, height, height, (float(corner[0]), float(corner[1])))
            actor.paint(layer, index / fps)
            masks[index] = layer.alpha >= 0.5
            picture = _composite(_view(still, corner * height + margin, width, height), layer)
            grain = generator.standard_normal((height, width, 1), np.float32) * np.float32(_GRAIN_LEVELS)
            levels = picture * vignette + grain
            writer.write(np.clip(np.rint(levels, out=levels), 0, 255, out=levels).astype(np.uint8))
    return masks


def choose_scene(seed: int, subject: SubjectName) -> tuple[Scene, np.random.Generator]:
    """Return what paints the scene of a clip, and what decides the rest of it."""
    generator = np.random.Generator(np.random.PCG64([seed, crc32(subject.encode())]))
    return SCENES[int(generator.integers(len(SCENES)))], generator


def _camera_path(
    camera: Camera, frames: int, fps: int, generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Where the picture's top left corner is at each frame: float64 (T, 2) world x and y."""
    seconds = np.arange(frames) / fps
    if camera == "fixed":
        return np.zeros((frames, 2))
    if camera == "pan":
        return np.stack((_PAN_SPEED * seconds, np.zeros(frames)), axis=1)
    rates, phases = generator.uniform(0.9, 2.1, (3, 2)), generator.uniform(0, 2 * np.pi, (3, 2))
    waves = np.sin(2 * np.pi * rates[:, None] * seconds[None, :, None] + phases[:, None])
    return np.asarray(_SHAKE_REACH * waves.mean(axis=0))


def _view(still: Floats, corner: npt.NDArray[np.float64], width: int, height: int) -> Floats:
    """The part of a larger picture whose top left corner is at `corner` (x, y), in fractions of pixels."""
    column, row = np.floor(corner).astype(int)
    if (corner == (column, row)).all():
        return still[row : row + height, column : column + width]
    shift = np.array([[1, 0, corner[0]], [0, 1, corner[1]]], np.float64)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(still, shift, (width, height), flags=flags), np.float32)


def _composite(view: Floats, layer: Canvas) -> Floats:
    """Lays a subject and its soft shadow over its scene."""
    height, width = layer.alpha.shape
    small = cv2.resize(layer.alpha, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), 0.025 * height / 4)
    fall = np.array([[1, 0, 0.05 * height / 4], [0, 1, 0.03 * height / 4]], np.float64)
    shadow = cv2.resize(cv2.warpAffine(soft, fall, (width // 4, height // 4)), (width, height))
    return view * (1 - layer.alpha - _SHADOW * shadow * (1 - layer.alpha))[..., None] + layer.image


def _vignette(height: int, width: int) -> Floats:
    """Gray levels of white: float32 (height, width, 1), a tenth darker half way out to the corners."""
    y, x = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
    return np.asarray(255 * (1 - 0.10 * (x[None] ** 2 + y[:, None] ** 2)), np.float32)[..., None]
