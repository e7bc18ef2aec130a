"""A park: two rows of trees that lead away over a lawn, in blossom or in the colours of the season."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparkle.generation.backends.drawing.canvas import rgb
from sparkle.generation.backends.drawing.glade import canopy, forest_floor
from sparkle.generation.backends.drawing.light import Rays
from sparkle.generation.backends.drawing.motion import Swaying
from sparkle.generation.backends.drawing.noise import as_field
from sparkle.generation.backends.drawing.plants import reach_above
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.stage import Element, Stage
from sparkle.generation.backends.drawing.trees import broadleaf

BLOSSOM = np.stack([rgb(250, 196, 212), rgb(244, 168, 192), rgb(255, 222, 230), rgb(236, 150, 178)])


def avenue(stage: Stage) -> list[Element]:
    """Two rows of trees that lead away, over a lawn."""
    in_bloom = stage.spec.kind == "blossom" and stage.spec.season in ("spring", "summer")
    leaves = BLOSSOM if in_bloom else stage.mood.foliage
    rng, horizon = stage.rng, float(stage.rng.uniform(0.60, 0.64))
    mood = replace(stage.mood, haze=(0.55 * stage.mood.haze + 0.45 * leaves.mean(axis=0)).astype(np.float32))
    under = replace(stage, mood=mood)
    middle = float(rng.uniform(0.46, 0.54)) * stage.aspect
    elements: list[Element] = [Sky(stage, horizon, clouds=0.7)]
    elements += forest_floor(under, horizon, middle, leaves)
    for k, depth in enumerate((9.0, 6.0, 4.0, 2.7, 1.75, 1.12)):
        canvas = stage.canvas()
        foot = horizon + 0.40 / depth * 1.02
        for side in (-1.0, 1.0):
            for row in range(3 if k < 4 else 2):
                x = middle + side * (0.82 + 1.0 * row + 0.12 * rng.normal()) / depth
                tall = 1.22 / depth * rng.uniform(0.92, 1.12)
                broadleaf(
                    canvas,
                    under,
                    (x, foot + 0.01 * rng.normal()),
                    tall,
                    leaves,
                    2.2 * (1 - 1 / depth) ** 3,
                    detail=float(np.clip(2.0 / depth, 0.25, 1.7)),
                    spread=0.52,
                    bare=0.9 if stage.mood.snow == 1 else 0.0,
                )
        elements.append(
            Swaying(
                stage,
                canvas.layer(),
                reach_above(stage, foot, 1.0 / depth, 0.022 / depth + 0.003),
                flutter=0.6,
            )
        )
        if k == 2:
            elements.append(
                Rays(stage, (stage.mood.sun_x * stage.aspect, -0.2), 0.45 * stage.mood.glow + 0.05)
            )
    if stage.mood.snow < 1:
        boughs = stage.canvas()
        canopy(boughs, under, leaves, 0.05, 0.75)
        reach = as_field(0.016 * np.clip(1.0 - stage.grid()[1] / 0.5, 0.2, 1.0))
        elements.append(Swaying(stage, boughs.layer(), reach, flutter=0.6))
    return elements
