"""Woods: a clearing under broadleaves, firs (with snow), jungle, bamboo, a park in blossom.

Every layer of the woods is a canvas of stems that stand and one of leaves that sway; rays, dappled light and
fog go between the layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, pick, rgb
from sparkle.generation.backends.drawing.glade import MOSS, canopy, forest_floor, glade, sides
from sparkle.generation.backends.drawing.light import Fog, Rays
from sparkle.generation.backends.drawing.motion import Swaying
from sparkle.generation.backends.drawing.park import avenue
from sparkle.generation.backends.drawing.plants import Crown, fern, foliage, reach_above, scatter
from sparkle.generation.backends.drawing.rocks import boulder
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.stage import Backdrop, Cutout, Element, Stage
from sparkle.generation.backends.drawing.trees import conifer, culm, limb, wander
from sparkle.generation.backends.drawing.water import Waterfall

JUNGLE = np.stack([rgb(52, 116, 48), rgb(34, 92, 46), rgb(84, 146, 56), rgb(26, 76, 44)])
DEPTHS = (2.4, 1.7, 1.1, 0.6, 0.12)  # the mood's distance of each layer of woods, far to near


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    kinds: dict[str, Callable[[Stage], list[Element]]] = {
        "woods": _woods,
        "conifer": _firs,
        "jungle": _jungle,
        "bamboo": _bamboo,
        "park": avenue,
        "blossom": avenue,
    }
    return kinds[stage.spec.kind](stage)


def _woods(stage: Stage) -> list[Element]:
    leaves = stage.mood.foliage
    under, light, middle = glade(stage, leaves, 0.45)
    horizon = float(stage.rng.uniform(0.56, 0.60))
    elements: list[Element] = [Backdrop(light)]
    bare = 0.75 if stage.spec.season == "winter" else 0.0
    for k, distance in enumerate(DEPTHS):
        near = k / (len(DEPTHS) - 1)
        if k == 1 and stage.spec.has("waterfall"):
            elements += _falls(under, horizon, middle)
        if k == 2:
            elements += forest_floor(under, horizon, middle, leaves)
            elements.append(
                Rays(stage, (stage.mood.sun_x * stage.aspect, -0.25), 0.55 * stage.mood.glow + 0.12)
            )
        canvas, stems = stage.canvas(), stage.canvas()
        foot = horizon + (1.02 - horizon) * near**1.6 * 0.9
        for x in sides(under, (15, 11, 8, 5, 3)[k], (0.05, 0.15, 0.35, 0.55, 0.72)[k]):
            _trunk(
                stems,
                under,
                x,
                max(foot, horizon + 0.05) + 0.02 * stage.rng.normal(),
                0.012 + 0.075 * near**1.5,
                distance,
            )
        if bare < 0.5:
            canopy(canvas, under, leaves, distance, near)
        _undergrowth(canvas, under, leaves, foot, distance, near)
        if stage.spec.kind == "jungle":
            _tropics(canvas, under, leaves, foot, distance, near)
        reach = reach_above(stage, foot, 0.9, 0.010 + 0.016 * near)
        elements += [Cutout(stems.layer()), Swaying(stage, canvas.layer(), reach, flutter=0.6)]
    return elements


def _falls(stage: Stage, horizon: float, middle: float) -> list[Element]:
    """A waterfall over dark rock, deep in the woods."""
    canvas = stage.canvas()
    lip, wide = (middle, float(stage.rng.uniform(0.10, 0.16))), float(stage.rng.uniform(0.10, 0.15))
    for side in (-1.0, 1.0):
        for k in range(5):
            foot = horizon + 0.02 - 0.02 * k * (horizon - lip[1])
            size = (0.13 + 0.03 * k, (horizon - lip[1]) * (1.12 - 0.16 * k))
            boulder(canvas, stage, (middle + side * (0.5 * wide + 0.10 + 0.07 * k), foot), size, 1.2)
    return [Cutout(canvas.layer()), Waterfall(stage, lip, horizon + 0.02, wide)]


def _trunk(canvas: Canvas, stage: Stage, x: float, foot: float, width: float, distance: float) -> None:
    rng = stage.rng
    line = wander(rng, (x, foot), (x + rng.normal(0, 0.05), -0.08), 0.02, 20)
    taper = np.linspace(1.15, 0.75, 20)
    taper[0] = 1.6
    limb(canvas, stage, line, width * taper, distance)
    for _ in range(3):
        start = line[rng.integers(8, 18)]
        tip = start + np.array([rng.choice([-1, 1]) * rng.uniform(0.1, 0.28), -rng.uniform(0.06, 0.2)])
        limb(canvas, stage, wander(rng, start, tip, 0.1), np.linspace(0.4, 0.08, 16) * width, distance)


def _undergrowth(
    canvas: Canvas, stage: Stage, leaves: Colour, foot: float, distance: float, near: float
) -> None:
    """Bushes along the foot of a layer, ferns in front, none in the middle."""
    rng = stage.rng
    leaves = stage.mood.snowed(leaves, 0.7)
    palette = leaves * 0.9 if stage.spec.season != "autumn" else np.concatenate([leaves * 0.8, [MOSS, MOSS]])
    for x in sides(stage, 9, 0.15 + 0.5 * near):
        size = (0.05 + 0.10 * near) * rng.uniform(0.7, 1.3)
        crown = Crown(
            (x, foot - 0.3 * size),
            (1.6 * size, 0.7 * size),
            0.0048 + 0.0042 * near,
            round(170 + 180 * near),
            clumps=8,
        )
        foliage(canvas, stage, crown, palette, distance, dim=0.10)
    if near > 0.4 and stage.spec.season != "winter":
        for x in sides(stage, 8, 0.35 + 0.35 * near):
            fern(
                canvas,
                stage,
                (x, foot + 0.03),
                (0.07 + 0.12 * near) * rng.uniform(0.8, 1.2),
                palette,
                distance,
            )


def _tropics(canvas: Canvas, stage: Stage, leaves: Colour, foot: float, distance: float, near: float) -> None:
    """What makes woods a jungle: lianas with leaves on them, and fronds as tall as a person."""
    rng = stage.rng
    for x in sides(stage, 7, 0.1 + 0.4 * near):
        drop, sag = rng.uniform(0.25, 0.75), rng.normal(0, 0.10)
        s = np.linspace(0.0, 1.0, 18)
        line = np.stack([x + sag * s + 0.03 * np.sin(5 * s + x), -0.05 + drop * s], -1)
        canvas.stroke(line, 0.003 + 0.004 * near, stage.mood.lit(MOSS * 0.8, 0.25, distance))
        spots = line[rng.integers(3, 18, 14)] + 0.008 * rng.standard_normal((14, 2))
        scatter(
            canvas, stage, spots, np.full(14, 0.006 + 0.007 * near), leaves, distance, flat=0.55, shade=0.4
        )
    for x in sides(stage, 6, 0.2 + 0.5 * near):
        fern(canvas, stage, (x, foot + 0.05), (0.16 + 0.24 * near) * rng.uniform(0.8, 1.2), leaves, distance)


def _firs(stage: Stage) -> list[Element]:
    snow = stage.mood.snow
    needles = np.stack([rgb(40, 74, 58), rgb(30, 60, 50), rgb(58, 92, 66)])
    horizon = float(stage.rng.uniform(0.60, 0.66))
    mood = stage.mood
    under = replace(stage, mood=replace(mood, haze_density=0.75 * mood.haze_density**0.5 + 0.2))
    _x, _y = stage.grid()
    elements: list[Element] = [Sky(stage, horizon, clouds=0.8 if snow < 0.5 else 1.4)]
    for k, distance in enumerate((2.2, 1.5, 0.95, 0.45, 0.08)):
        near = k / 4
        foot = horizon + (1.06 - horizon) * near**1.8
        canvas = stage.canvas()
        for spot in sides(under, (46, 26, 14, 8, 4)[k], (0.0, 0.03, 0.22, 0.5, 0.74)[k]):
            tall = (0.20, 0.30, 0.46, 0.72, 1.15)[k] * stage.rng.uniform(0.65, 1.15)
            conifer(
                canvas,
                under,
                (spot, foot + 0.012 * stage.rng.normal()),
                tall,
                needles,
                distance,
                blades=(70, 110, 190, 300, 460)[k],
                snow=snow,
            )
        if k == 1:
            elements += forest_floor(under, horizon, 0.5 * stage.aspect, needles)
        elements.append(
            Swaying(stage, canvas.layer(), reach_above(stage, foot, 0.6, 0.006 + 0.010 * near), flutter=0.3)
        )
        if k < 4:
            elements.append(Fog(stage, foot - 0.02, 0.10 + 0.05 * near, 0.55 - 0.35 * near))
    if stage.spec.has("rays") or snow < 0.5:
        elements.insert(-3, Rays(stage, (mood.sun_x * stage.aspect, -0.2), 0.35 * mood.glow + 0.05))
    return elements


def _jungle(stage: Stage) -> list[Element]:
    return _woods(
        replace(stage, mood=replace(stage.mood, foliage=JUNGLE), spec=replace(stage.spec, season="summer"))
    )


def _bamboo(stage: Stage) -> list[Element]:
    leaves = np.stack([rgb(120, 152, 60), rgb(96, 136, 56), rgb(150, 172, 82)])
    under, light, middle = glade(stage, leaves, 0.4)
    horizon = 0.60
    elements: list[Element] = [Backdrop(light)]
    for k, distance in enumerate(DEPTHS):
        near = k / 4
        if k == 2:
            elements += forest_floor(under, horizon, middle, leaves)
            elements.append(
                Rays(stage, (stage.mood.sun_x * stage.aspect, -0.25), 0.5 * stage.mood.glow + 0.1)
            )
        canvas, stems = stage.canvas(), stage.canvas()
        foot = horizon + (1.05 - horizon) * near**1.6
        for x in sides(under, (44, 30, 20, 12, 7)[k], (0.02, 0.08, 0.25, 0.5, 0.7)[k]):
            culm(
                stems,
                under,
                (x, max(foot, horizon + 0.05) + 0.02 * stage.rng.normal()),
                0.007 + 0.030 * near**1.4,
                distance,
            )
            _sprays(canvas, under, x, leaves, distance, near)
        reach = reach_above(stage, foot, 0.9, 0.014 + 0.014 * near)
        elements.append(Swaying(stage, stems.layer(), reach, flutter=0.0))
        elements.append(Swaying(stage, canvas.layer(), reach, flutter=0.5))
    return elements


def _sprays(canvas: Canvas, stage: Stage, x: float, leaves: Colour, distance: float, near: float) -> None:
    """Hanging leaves around the upper part of a cane."""
    rng = stage.rng
    for _ in range(9):
        heart = np.array([x + rng.normal(0, 0.06), rng.uniform(-0.02, 0.20 + 0.22 * rng.random())])
        count = 16
        angle = rng.normal(0, 0.75, count)
        tips = heart + (0.030 + 0.030 * near) * rng.uniform(0.6, 1.2, (count, 1)) * np.stack(
            [np.sin(angle), np.cos(angle)], -1
        )
        roots = heart + 0.014 * rng.standard_normal((count, 2))
        shade = np.clip(0.5 + 0.25 * rng.standard_normal(count) - 0.2 * near, 0.03, 1)
        colours = stage.mood.lit(pick(rng, leaves, count, 0.10, 0.04), shade, np.full(count, distance))
        canvas.blades(roots, tips, np.zeros(count), 0.007 + 0.004 * near, colours)
