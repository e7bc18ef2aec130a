"""Heights: snow peaks, a misty forested valley, a canyon, ruins on a hill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Image, pick, rgb
from sparkle.generation.backends.drawing.land import crest, gusts, hill, meadow_rows
from sparkle.generation.backends.drawing.light import Fog, Rays
from sparkle.generation.backends.drawing.masonry import LIMESTONE, arch, block_wall, column, sunlit
from sparkle.generation.backends.drawing.massif import SNOWFIELD, massif
from sparkle.generation.backends.drawing.motion import Swaying
from sparkle.generation.backends.drawing.noise import Field, curve, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.plants import Crown, foliage, reach_above
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.stage import Cutout, Element, Stage
from sparkle.generation.backends.drawing.terrain import (
    MAP_SIDE,
    Relief,
    ValleyMist,
    Viewpoint,
    slopes,
    standing,
    survey,
)
from sparkle.generation.backends.drawing.trees import conifer

NEEDLES = np.stack([rgb(44, 78, 56), rgb(34, 64, 50), rgb(64, 96, 62)])
CANYON = np.stack([rgb(192, 108, 66), rgb(160, 82, 54), rgb(212, 142, 92), rgb(140, 70, 52)])


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    kinds: dict[str, Callable[[Stage], list[Element]]] = {
        "peaks": _peaks,
        "valley": _valley,
        "canyon": _canyon,
        "ruins": _ruins,
    }
    return kinds[stage.spec.kind](stage)


def _ridge_of_firs(
    stage: Stage, level: float, rise: float, size: float, count: int, distance: float, blades: int
) -> list[Element]:
    """A wooded ridge: a hill and the firs along its crest and slope."""
    line = crest(stage, level, rise, 2.2)
    canvas = stage.canvas()
    rng = stage.rng
    x = np.sort(rng.uniform(-0.03, stage.aspect + 0.03, count))
    depth = rng.random(count) ** 1.5
    order = np.argsort(depth, kind="stable")
    for place, down in zip(x[order], depth[order], strict=True):
        base = (
            float(line[int(np.clip(place * stage.height, 0, stage.width - 1))])
            + 1.4 * size * down
            + 0.12 * size
        )
        conifer(
            canvas,
            stage,
            (float(place), base),
            size * rng.uniform(0.6, 1.2),
            NEEDLES,
            distance,
            blades=blades,
            snow=stage.mood.snow,
        )
    albedo = NEEDLES.mean(axis=0) * 0.8 if stage.mood.snow < 0.5 else SNOWFIELD * 0.9
    ground = hill(stage, line, albedo, distance, mist=0.5, rough=0.05 if stage.mood.snow > 0.5 else 0.16)
    return [
        Cutout(ground),
        Swaying(
            stage, canvas.layer(), reach_above(stage, level + 0.1, 0.3, 0.004 + 0.03 * size), flutter=0.2
        ),
    ]


def _peaks(stage: Stage) -> list[Element]:
    horizon = float(stage.rng.uniform(0.60, 0.66))
    terrain = massif(
        stage, horizon, 0.46 if stage.mood.snow < 0.5 else 0.15, rise=float(stage.rng.uniform(0.125, 0.155))
    )
    elements: list[Element] = [
        Sky(stage, horizon),
        Relief(stage, terrain),
        ValleyMist(stage, terrain, 0.005, 0.010, 0.5),
    ]
    elements += _ridge_of_firs(stage, horizon + 0.10, 0.02, 0.06, 130, 0.75, 46)
    elements.append(Fog(stage, horizon + 0.10, 0.05, 0.35))
    elements += _foreground(stage, 0.84)
    return elements


def _foreground(stage: Stage, level: float) -> list[Element]:
    """A grassy shoulder in front, with a few large firs at the sides."""
    rng = stage.rng
    line = crest(stage, level, 0.018, 1.5)
    albedo = stage.mood.grass.mean(axis=0) if stage.mood.snow < 0.5 else SNOWFIELD
    canvas = stage.canvas()
    for side in (-1, 1):
        for _ in range(int(rng.integers(1, 4))):
            x = stage.aspect * (0.5 + side * rng.uniform(0.36, 0.52))
            conifer(
                canvas,
                stage,
                (x, level + rng.uniform(0.03, 0.12)),
                rng.uniform(0.35, 0.62),
                NEEDLES,
                0.12,
                blades=300,
                snow=stage.mood.snow,
            )
    elements: list[Element] = [
        Cutout(hill(stage, line, albedo, 0.05, mist=-0.05, rough=0.14 if stage.mood.snow < 0.5 else 0.04))
    ]
    elements.append(Swaying(stage, canvas.layer(), reach_above(stage, level, 0.6, 0.016), flutter=0.3))
    if stage.mood.snow < 0.5:
        elements += meadow_rows(stage, level - 0.10, stage.mood.grass, 0.07, rows=4, first=0.45)
    return elements


def _valley(stage: Stage) -> list[Element]:
    horizon = float(stage.rng.uniform(0.50, 0.56))
    foggy = replace(stage, mood=replace(stage.mood, haze_density=max(0.7, 0.8 * stage.mood.haze_density)))
    terrain = massif(foggy, horizon, 0.9, rise=0.08)
    elements: list[Element] = [
        Sky(stage, horizon, clouds=0.8),
        Relief(foggy, terrain, 0.2),
        ValleyMist(foggy, terrain, 0.01, 0.015, 0.8),
    ]
    for k, (level, size, distance) in enumerate(
        ((0.53, 0.030, 1.3), (0.60, 0.050, 0.95), (0.70, 0.085, 0.60), (0.85, 0.16, 0.22))
    ):
        elements += _ridge_of_firs(
            foggy,
            level + 0.02 * stage.rng.normal(),
            0.035,
            size,
            (420, 330, 220, 110)[k],
            distance,
            (18, 30, 60, 130)[k],
        )
        elements.append(Fog(foggy, level + 0.11, 0.075, 0.80 - 0.13 * k, speed=0.04 + 0.02 * k))
        if k == 1:
            elements.append(
                Rays(stage, (stage.mood.sun_x * stage.aspect, -0.10), 0.45 * stage.mood.glow + 0.08)
            )
    return elements


def _canyon(stage: Stage) -> list[Element]:
    """Mesas of banded rock over a dry floor."""
    mood, rng = stage.mood, stage.rng
    horizon = float(rng.uniform(0.52, 0.58))
    shape = fractal(rng, MAP_SIDE, MAP_SIDE, cells=3.2, slope=2.6, finest=0.03)
    fine = fractal(rng, MAP_SIDE, MAP_SIDE, cells=20, slope=1.5)
    rise = shape + 0.10 * fine
    level = 0.62 * smoothstep(0.0, 0.9, rise) + 0.38 * smoothstep(0.9, 1.5, rise)
    stand = standing((0.12, 0.34), (0.92, 0.99))
    relief = (0.105 * (level * (1.0 + 0.025 * fine)) * stand + 0.0015 * fine).astype(np.float32)
    light, _, shadow = slopes(relief, mood.side, 0.6)
    maps = np.dstack([1.2 * light * (1 - 0.8 * shadow), relief, fine]).astype(np.float32)
    bands = np.concatenate([pick(rng, CANYON, 22, 0.10, 0.03), CANYON])

    def paint(u: Field, v: Field, z: Field) -> Image:
        seen = sample(maps, u, v)
        shade, height, grit = seen[..., 0], seen[..., 1], seen[..., 2]
        strata = np.clip(height / 0.115 * 22 + 0.5 * grit, 0, 24.9)
        lower = strata.astype(np.int32)
        part = smoothstep(0.3, 0.7, strata - lower)[..., None]
        albedo = bands[lower] + (bands[lower + 1] - bands[lower]) * part
        return mood.lit(albedo * (1.0 + 0.08 * grit[..., None]), shade, 0.05 + 0.75 * z)

    terrain = survey(stage, relief, Viewpoint(horizon, eye=0.014, near=0.035, far=0.98, focal=1.6), paint)
    canvas = stage.canvas()
    shrubs = np.stack([rgb(128, 128, 84), rgb(104, 110, 74), rgb(150, 140, 92)])
    for _ in range(26):
        depth = rng.random() ** 0.7
        x, size = rng.uniform(0, stage.aspect), 0.008 + 0.035 * depth
        crown = Crown(
            (x, horizon + 0.12 + 0.36 * depth), (1.7 * size, size), 0.10 * size + 0.002, 90, clumps=7
        )
        foliage(canvas, stage, crown, shrubs, 0.3 * (1 - depth))
    shrub_layer = Swaying(
        stage, canvas.layer(), np.full((stage.height, stage.width), 0.003, np.float32), flutter=0.6
    )
    return [
        Sky(stage, horizon),
        Relief(stage, terrain, 0.45),
        ValleyMist(stage, terrain, 0.004, 0.01, 0.30),
        shrub_layer,
        Fog(stage, 0.93, 0.10, 0.16, speed=0.16),
    ]


def _ruins(stage: Stage) -> list[Element]:
    """A broken colonnade, walls and an arch on a grassy hill, mountains behind."""
    horizon = float(stage.rng.uniform(0.54, 0.58))
    terrain = massif(stage, horizon, 0.62, rise=0.075)
    line = crest(stage, horizon + 0.08, 0.012, 1.5)
    canvas = stage.canvas()
    _stones(canvas, stage, line)
    grass = stage.mood.grass if stage.mood.snow < 0.5 else 0.6 * stage.mood.grass + 0.4 * SNOWFIELD
    return [
        Sky(stage, horizon),
        Relief(stage, terrain),
        ValleyMist(stage, terrain, 0.004, 0.01, 0.5),
        Cutout(hill(stage, line, stage.mood.grass.mean(axis=0), 0.25, mist=-0.1, rough=0.15)),
        Cutout(canvas.layer()),
        *meadow_rows(stage, horizon + 0.05, grass, 0.15, rows=6, first=0.20, hollow=0.5, heads=0.1),
        gusts(stage, horizon + 0.08, 0.15),
    ]


def _stones(canvas: Canvas, stage: Stage, line: Image) -> None:
    """What is left of the buildings, standing on a crest line."""
    rng, middle = stage.rng, 0.5 * stage.aspect
    side = float(rng.choice([-1.0, 1.0]))

    def foot(x: float) -> float:
        return float(line[int(np.clip(x * stage.height, 0, stage.width - 1))])

    x = middle - side * rng.uniform(0.30, 0.36) * stage.aspect
    arch(canvas, stage, x, foot(x) + 0.10, 0.40, 0.58, 0.25)
    for depth in np.linspace(2.6, 0.98, 7):
        x = middle + side * (0.66 / depth - 0.12) * stage.aspect
        whole = bool(rng.random() < 0.55)
        tall = 1.05 / depth * (1.0 if whole else float(rng.uniform(0.3, 0.7)))
        base = foot(x) + 0.24 / depth
        column(canvas, stage, x, base, tall, 0.25 * depth, capital=whole, girth=0.062 / depth)
    light = sunlit(stage, 0.5, 0.15)
    for end in (-1, 1):
        x = middle + end * 0.47 * stage.aspect
        broken = (0.05 + 0.13 * np.abs(curve(rng, 9, cells=2))) * np.linspace(1.3, 0.2, 9)[::-end]
        ragged = foot(x) + 0.04 - broken
        block_wall(canvas, rng, x - 0.24, x + 0.24, ragged, foot(x) + 0.16, 0.030, LIMESTONE, light)
    for _ in range(16):
        x = middle + rng.choice([-1, 1]) * rng.uniform(0.18, 0.5) * stage.aspect
        bush = Crown((x, foot(x) + rng.uniform(0.05, 0.12)), (0.07, 0.035), 0.0055, 150, clumps=7)
        foliage(canvas, stage, bush, stage.mood.foliage, 0.2)
