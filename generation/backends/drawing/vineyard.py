"""A vineyard: rows of vines on posts that run to the horizon, earth paths between them, dancing shadows."""

from __future__ import annotations

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, rgb
from sparkle.generation.backends.drawing.land import crest, gusts, hill, plane, treeline
from sparkle.generation.backends.drawing.light import Dapple, Rays
from sparkle.generation.backends.drawing.motion import Swaying
from sparkle.generation.backends.drawing.noise import smoothstep
from sparkle.generation.backends.drawing.plants import Crown, foliage, reach_above, scatter
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.stage import Backdrop, Cutout, Element, Stage
from sparkle.generation.backends.drawing.trees import limb, wander

EARTH = rgb(164, 124, 84)
GRAPES = np.stack([rgb(74, 44, 92), rgb(92, 52, 104), rgb(58, 40, 84)])
EYE = 0.40  # ground at depth 1 lies this far below the horizon, in frame heights
TALL = 0.66  # height of a vine at depth 1
SPACING = 0.95  # between rows at depth 1
DEPTHS = (
    (9.0, 4.6),
    (4.6, 2.4),
    (2.4, 1.35),
    (1.35, 0.95),
)  # far and near end of the groups that sway together


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    rng, mood = stage.rng, stage.mood
    horizon = float(rng.uniform(0.42, 0.48))
    vanish = stage.aspect * float(rng.uniform(0.42, 0.58))
    elements: list[Element] = [Sky(stage, horizon)]
    for k in range(3):
        line = crest(stage, horizon - 0.035 + 0.016 * k, 0.022 - 0.005 * k, 2.5 + k)
        elements.append(Cutout(hill(stage, line, mood.foliage.mean(axis=0) * 0.8, 2.4 - 0.8 * k, mist=0.5)))
        canvas = stage.canvas()
        treeline(canvas, stage, line, 0.012 + 0.008 * k, 14, 2.0 - 0.6 * k)
        elements.append(Cutout(canvas.layer()))
    ground = plane(stage, horizon, EARTH, patches=0.55 * EARTH + 0.45 * mood.grass.mean(axis=0), rough=0.08)
    elements.append(Backdrop(ground, stage.row(horizon)))
    _, y = stage.grid()
    spots = -0.50 * smoothstep(horizon + 0.02, horizon + 0.2, y) * float(mood.key.max())
    elements.append(Dapple(stage, spots.astype(np.float32), 0.26, horizon=horizon, speed=0.35))
    palette = mood.foliage if mood.snow < 0.5 else mood.foliage * 0.7 + 0.25
    for far, near in DEPTHS:
        canvas = stage.canvas()
        _rows(canvas, stage, (vanish, horizon), (far, near), palette)
        foot = horizon + EYE / near
        reach = reach_above(stage, foot, TALL / near, 0.030 / near)
        elements.append(Swaying(stage, canvas.layer(), reach, flutter=0.55))
    elements.append(Rays(stage, (mood.sun_x * stage.aspect, -0.1), 0.38 * mood.glow + 0.04))
    elements.append(gusts(stage, horizon, 0.10))
    return elements


def _rows(
    canvas: Canvas,
    stage: Stage,
    vanish: tuple[float, float],
    between: tuple[float, float],
    palette: np.ndarray,
) -> None:
    """The vines of all rows between two depths, far to near, outer rows first."""
    rng = stage.rng
    depth = between[0]
    while depth > between[1]:
        unit = 1.0 / depth
        reach = int(np.ceil((stage.aspect / 2 + 0.4) * depth / SPACING))
        offsets = sorted(np.arange(-min(reach, 7), min(reach, 7) + 1) + 0.5, key=abs, reverse=True)
        for offset in offsets:
            x = vanish[0] + SPACING * offset * unit
            foot = vanish[1] + EYE * unit
            if -0.5 < x < stage.aspect + 0.5:
                _vine(canvas, stage, (x, foot), unit, palette, rng)
        depth -= 0.145 * depth**0.8


def _vine(
    canvas: Canvas,
    stage: Stage,
    root: tuple[float, float],
    unit: float,
    palette: np.ndarray,
    rng: np.random.Generator,
) -> None:
    distance = float(np.clip(0.9 * (1.0 - unit) ** 2 * 1.6, 0.0, 1.6))
    x, foot = root
    if unit > 0.18:
        post = np.array([[x, foot], [x, foot - 0.80 * TALL * unit]])
        canvas.stroke(post, 0.030 * unit, stage.mood.lit(rgb(120, 98, 76), 0.4, distance))
        trunk = wander(rng, (x + 0.02 * unit, foot), (x, foot - 0.42 * TALL * unit), 0.10, 8)
        limb(canvas, stage, trunk, np.linspace(0.034, 0.020, 8) * unit, distance)
    dabs = int(np.clip(420 * unit**0.8, 30, 460))
    leaf = 0.0135 * unit**0.85 + 0.0014
    crown = Crown(
        (x, foot - 0.60 * TALL * unit), (0.30 * unit, 0.46 * TALL * unit), leaf, dabs, clumps=14, clump=0.36
    )
    foliage(canvas, stage, crown, palette, distance)
    if unit > 0.35 and stage.mood.snow < 0.5:
        for _ in range(2):
            centre = np.array([x + rng.normal(0, 0.10 * unit), foot - TALL * unit * rng.uniform(0.38, 0.6)])
            drop = rng.random(14)
            berries = centre + unit * np.stack(
                [0.022 * (1 - drop) * rng.standard_normal(14), 0.075 * drop], -1
            )
            scatter(canvas, stage, berries, np.full(14, 0.0095 * unit), GRAPES, distance, flat=1.0, shade=0.5)
