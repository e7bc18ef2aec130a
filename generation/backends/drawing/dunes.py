"""A desert: dunes with sharp crests, wind ripples near the camera, sand that the wind carries."""

from __future__ import annotations

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image, rgb
from sparkle.generation.backends.drawing.light import Fog
from sparkle.generation.backends.drawing.noise import Field, as_field, fractal, sample
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.stage import Element, Stage
from sparkle.generation.backends.drawing.terrain import MAP_SIDE, Relief, Viewpoint, slopes, standing, survey

DUNE = rgb(226, 172, 112)


def dunes(stage: Stage) -> list[Element]:
    """The elements of a desert, back to front."""
    mood, rng = stage.mood, stage.rng
    horizon = float(rng.uniform(0.46, 0.52))
    broad = fractal(rng, MAP_SIDE, MAP_SIDE, cells=3.0, slope=3.0, finest=0.010)
    ridge = fractal(rng, MAP_SIDE, MAP_SIDE, cells=6.0, slope=3.0, stretch=1.6, finest=0.016)
    sharp = np.clip(1.0 - np.abs(ridge) / 1.3, 0.0, 1.0) ** 1.25
    stand = 0.25 + 0.75 * standing((0.06, 0.35), (0.93, 1.0))
    relief = as_field((0.030 * sharp * (0.7 + 0.3 * broad) + 0.010 * broad) * stand)
    relief = as_field(cv2.GaussianBlur(np.pad(relief, 8, mode="wrap"), (0, 0), 1.2))[8:-8, 8:-8]
    light, _, shadow = slopes(relief, mood.side, 0.42)
    shade = np.clip(1.35 * light**1.6 * (1 - 0.85 * shadow), 0, 1.2)
    maps = np.dstack([shade, fractal(rng, MAP_SIDE, MAP_SIDE, cells=30, slope=1.2)]).astype(np.float32)
    ripples = fractal(rng, 256, 256, cells=26, slope=2.2, stretch=3.0, finest=0.3)

    def paint(u: Field, v: Field, z: Field) -> Image:
        seen = sample(maps, u, v)
        wave = sample(ripples, 22.0 * u, 22.0 * v) * np.exp(-z / 0.10)
        return mood.lit(DUNE * (1.0 + 0.03 * seen[..., 1:]), seen[..., 0] * (1.0 + 0.16 * wave), 0.9 * z)

    terrain = survey(stage, relief, Viewpoint(horizon, eye=0.030, near=0.03, far=0.99, focal=1.5), paint)
    return [
        Sky(stage, horizon, clouds=0.6),
        Relief(stage, terrain, 0.22),
        Fog(stage, horizon + 0.16, 0.10, 0.26, colour=1.05 * mood.lit(DUNE, 0.8), speed=0.20),
        Fog(stage, 0.92, 0.10, 0.24, colour=mood.lit(DUNE, 0.9), speed=0.34),
    ]
