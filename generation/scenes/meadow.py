"""Open land: meadow, prairie, flowers, vineyard, desert dunes, a landscape at the end of the day."""

from __future__ import annotations

import numpy as np

from sparkle.generation.scenes.canvas import Colour, pick, rgb
from sparkle.generation.scenes.land import crest, distance_of, gusts, hill, meadow_rows, plane, treeline
from sparkle.generation.scenes.light import Fog
from sparkle.generation.scenes.motion import Swaying
from sparkle.generation.scenes.plants import reach_above
from sparkle.generation.scenes.trees import broadleaf
from sparkle.generation.scenes.sky import Sky
from sparkle.generation.scenes.stage import Backdrop, Cutout, Element, Stage

GOLDEN_GRASS = np.stack([rgb(204, 178, 112), rgb(176, 150, 90), rgb(226, 206, 148), rgb(150, 130, 80)])


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    return _prairie(stage)


def _far_hills(stage: Stage, horizon: float, count: int = 3) -> list[Element]:
    elements: list[Element] = []
    for k in range(count):
        share = k / max(1, count - 1)
        line = crest(stage, horizon - 0.045 * (1 - share) - 0.012, 0.028 - 0.012 * share, 2.5 + 2 * share)
        distance = 3.0 - 1.7 * share
        albedo = stage.mood.grass.mean(axis=0) * (0.8 if stage.mood.snow < 0.5 else 1.3)
        elements.append(Cutout(hill(stage, line, albedo, distance, mist=0.8)))
        canvas = stage.canvas()
        treeline(canvas, stage, line, 0.014 + 0.016 * share, round(8 + 10 * share), distance * 0.8)
        elements.append(Cutout(canvas.layer()))
    return elements


def _prairie(stage: Stage) -> list[Element]:
    horizon = float(stage.rng.uniform(0.44, 0.50))
    palette = GOLDEN_GRASS
    return [
        Sky(stage, horizon),
        *_far_hills(stage, horizon),
        Backdrop(plane(stage, horizon, palette.mean(axis=0)), stage.row(horizon)),
        *meadow_rows(stage, horizon, palette, 0.26, density=1.3, heads=0.35),
        gusts(stage, horizon),
    ]
