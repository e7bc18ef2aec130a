"""What stands behind a field: rows of hazy hills with trees on them, single trees in the middle distance."""

from __future__ import annotations

import numpy as np

from sparkle.generation.backends.drawing.canvas import rgb
from sparkle.generation.backends.drawing.land import crest, hill, treeline
from sparkle.generation.backends.drawing.motion import Swaying
from sparkle.generation.backends.drawing.plants import reach_above
from sparkle.generation.backends.drawing.stage import Cutout, Element, Stage
from sparkle.generation.backends.drawing.trees import broadleaf

SNOW = rgb(236, 242, 250)


def far_hills(stage: Stage, horizon: float, count: int = 3, rise: float = 0.028) -> list[Element]:
    """Hills with small trees along their crests: `count` rows, `rise` the height of the farthest."""
    elements: list[Element] = []
    for k in range(count):
        share = k / max(1, count - 1)
        line = crest(stage, horizon - 0.045 * (1 - share) - 0.012, rise * (1 - 0.45 * share), 2.5 + 2 * share)
        distance = 2.6 - 1.6 * share
        albedo = stage.mood.grass.mean(axis=0) * 0.8 if stage.mood.snow < 0.5 else SNOW * 0.9
        elements.append(Cutout(hill(stage, line, albedo, distance, mist=0.6)))
        canvas = stage.canvas()
        treeline(canvas, stage, line, 0.014 + 0.016 * share, round(8 + 10 * share), distance * 0.8)
        elements.append(Cutout(canvas.layer()))
    return elements


def single_trees(
    stage: Stage, horizon: float, size: float, count: int, distance: float, calm: float
) -> list[Element]:
    """Single trees in the middle distance, away from the middle of the frame."""
    rng = stage.rng
    elements: list[Element] = []
    bare = {"winter": 1.0, "spring": 0.45}.get(stage.spec.season, 0.0)
    for k in range(count):
        canvas = stage.canvas()
        side = -1.0 if k % 2 else 1.0
        x = stage.aspect * (0.5 + side * rng.uniform(calm, 0.5))
        foot = horizon + 0.02 + 0.05 * rng.random()
        tall = size * rng.uniform(0.7, 1.25)
        broadleaf(
            canvas,
            stage,
            (x, foot),
            tall,
            stage.mood.foliage,
            distance,
            detail=float(np.clip(tall * 3.5, 0.3, 1.3)),
            bare=bare,
            spread=0.40,
        )
        elements.append(
            Swaying(stage, canvas.layer(), reach_above(stage, foot, tall, 0.045 * tall), flutter=0.5)
        )
    return elements
