"""Smoke that rises from a mouth, leans with the wind and thins out."""

from __future__ import annotations

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image, rgb
from sparkle.generation.backends.drawing.light import COARSE, coarse_grid
from sparkle.generation.backends.drawing.motion import vigour
from sparkle.generation.backends.drawing.noise import Tile, as_field, fractal, smoothstep
from sparkle.generation.backends.drawing.stage import Stage, blend, bounds


class Plume:
    """One column of smoke.

    Args:
        stage: The stage; draws from its random stream.
        mouth: Where it leaves, in drawing units.
        width: Its width at the mouth.
        length: How high it rises.
        density: Opacity at the mouth.
    """

    def __init__(
        self,
        stage: Stage,
        mouth: tuple[float, float],
        width: float,
        length: float,
        density: float,
    ) -> None:
        rng = stage.rng
        x, y = coarse_grid(stage)
        lean = float(rng.choice([-1.0, 1.0])) * float(rng.uniform(0.25, 0.5)) * (0.5 + stage.spec.energy)
        up = (mouth[1] - y) / length
        rise = np.clip(up, 0.0, 1.5)
        spread = width * (0.55 + 4.2 * rise**0.8)
        across = (x - mouth[0] - lean * length * rise**1.5) / spread
        self._profile = (
            density
            * smoothstep(-0.03, 0.02, up)
            * np.clip(1.0 - rise, 0.0, 1.0) ** 1.2
            * smoothstep(1.25, 0.3, np.abs(across))
        ).astype(np.float32)
        rows, cols = bounds(self._profile, 1)
        self._top, self._left = rows.start * COARSE, cols.start * COARSE
        self._profile, across, rise = (part[rows, cols] for part in (self._profile, across, rise))
        texels = 26.0
        v = -np.log1p(3.0 * rise) * texels * 3.4
        noise = Tile(fractal(rng, 256, 256, cells=9, slope=1.7, finest=0.18))
        self._near = noise.lookup(across * texels + 64.0, v)
        self._far = noise.lookup(across * 1.7 * texels, 1.6 * v)
        shade = 0.45 * rgb(74, 62, 60) + 0.55 * stage.mood.haze * 0.72
        colour = np.asarray(shade, np.float32)
        lit = np.minimum(colour * 1.5 + 0.06, 1.0)
        self._ramp = np.stack([lit - colour, colour], axis=1).astype(np.float32)  # of light to RGB, affine
        self._speed = 15.0 * (0.5 + 0.5 * vigour(stage.spec.energy))

    def draw(self, frame: Image, t: float) -> None:
        """Mixes the smoke into the frame."""
        way = self._speed * t
        field = self._near.at(0.0, way) + np.float32(0.7) * self._far.at(3.0 * t, 1.5 * way)
        alpha = self._profile * np.clip(np.float32(0.75) + np.float32(0.50) * field, 0.0, 1.4)
        light = np.clip(np.float32(0.4) + np.float32(0.4) * field, 0.0, 1.0)
        packed = cv2.merge([np.clip(alpha, 0.0, 0.92), light])
        size = (packed.shape[1] * COARSE, packed.shape[0] * COARSE)
        view = frame[self._top : self._top + size[1], self._left : self._left + size[0]]
        big = cv2.resize(packed, size, interpolation=cv2.INTER_LINEAR)[: view.shape[0], : view.shape[1]]
        alpha, light = cv2.split(big)
        blend(view, as_field(cv2.transform(light, self._ramp)), alpha)
