"""A mountain range beyond open land, shared by the families that have one on their horizon."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparkle.generation.backends.drawing.canvas import Image, rgb
from sparkle.generation.backends.drawing.noise import Field, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.stage import Stage
from sparkle.generation.backends.drawing.terrain import MAP_SIDE, Terrain, Viewpoint, slopes, standing, survey

ROCK = rgb(112, 104, 98)
SNOWFIELD = rgb(238, 243, 250)


def ridged(stage: Stage, cells: float) -> Field:
    """Mountains: folded noise, high where the folds meet, smaller folds on the flanks. About 0..1."""
    rng = stage.rng
    relief = np.zeros((MAP_SIDE, MAP_SIDE), np.float32)
    weight = np.ones_like(relief)
    for octave, gain in enumerate((0.60, 0.25, 0.11, 0.055)):
        frequency = cells * 2.1**octave
        noise = fractal(
            rng, MAP_SIDE, MAP_SIDE, cells=frequency, slope=3.0, finest=1.6 * frequency / MAP_SIDE
        )
        fold = np.clip(1.0 - np.abs(noise) / 1.5, 0.0, 1.0) ** 1.3
        relief += np.float32(gain) * fold * weight
        weight = np.clip(1.6 * fold, 0.15, 1.0)
    return relief


def massif(stage: Stage, horizon: float, snowline: float, rise: float) -> Terrain:
    """Renders a range.

    Args:
        stage: The stage; draws from its random stream.
        horizon: Row of the horizon in drawing units.
        snowline: Height above which snow lies, as a share of the highest peak.
        rise: Height of the highest peak in map periods; 0.14 fills a third of the frame.
    """
    mood = stage.mood
    stand = standing((0.16, 0.60), (0.90, 0.99))
    relief = (rise * (ridged(stage, 2.6) * (0.25 + 0.75 * stand) * stand)).astype(np.float32)
    light, steep, shadow = slopes(relief, mood.side, 0.62)
    rough = fractal(stage.rng, MAP_SIDE, MAP_SIDE, cells=30, slope=1.2)
    snow = smoothstep(-0.25, 0.25, (relief / rise - snowline) * 3.0 + 0.12 * rough - 0.30 * (steep - 0.6))
    wood = smoothstep(0.2, -0.2, (relief / rise - 0.30) * 4.0 + 0.25 * rough + 0.4 * (steep - 0.6))
    green = 0.8 * mood.foliage.mean(axis=0) if mood.snow < 0.5 else 0.82 * SNOWFIELD
    albedo = ROCK * (1.0 + 0.12 * rough[..., None])
    albedo = albedo + (green * (1 + 0.12 * rough[..., None]) - albedo) * wood[..., None]
    albedo = albedo + (SNOWFIELD - albedo) * snow[..., None]
    shade = 1.2 * light**1.2 * (1.0 - 0.8 * shadow)
    maps = np.dstack([albedo, shade, relief, snow]).astype(np.float32)
    return survey(
        stage, relief, Viewpoint(horizon, eye=0.016, near=0.06, far=0.98, focal=2.1), _rock_paint(stage, maps)
    )


def _rock_paint(stage: Stage, maps: Field) -> Callable[[Field, Field, Field], Image]:
    """Paints from maps of albedo, shade, height and snow, with gullies and ledges finer than the map."""
    gullies = fractal(stage.rng, 512, 512, cells=30, slope=1.3)

    def paint(u: Field, v: Field, z: Field) -> Image:
        seen = sample(maps, u, v)
        height = seen[..., 4] * np.float32(MAP_SIDE)
        fine = sample(gullies, 9.0 * u + 2.0 * v, 4.0 * height + 2.0 * v)
        fine *= np.float32(1.0) - np.float32(0.65) * seen[..., 5]
        shade = seen[..., 3] * (1.0 + 0.20 * fine) + 0.03 * fine
        return stage.mood.lit(seen[..., :3] * (1.0 + 0.06 * fine[..., None]), shade, 0.10 + 0.85 * z)

    return paint
