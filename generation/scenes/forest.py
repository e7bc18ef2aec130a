"""Woods: a clearing under broadleaves, firs (with snow), jungle, bamboo, a park in blossom.

- The woods stand in layers, from bright and hazy in the middle of the picture to dark and near at its sides:
  the light at the end draws the eye behind the person.
- Every layer is one canvas that sways; rays, dappled light and fog go between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sparkle.generation.scenes.canvas import Canvas, Colour, Image, pick, rgb
from sparkle.generation.scenes.land import distance_of, gusts, meadow_rows, plane
from sparkle.generation.scenes.light import Dapple, Fog, Rays
from sparkle.generation.scenes.motion import Swaying
from sparkle.generation.scenes.noise import fractal, smoothstep
from sparkle.generation.scenes.plants import Crown, fern, foliage, reach_above, scatter
from sparkle.generation.scenes.sky import Sky, gradient
from sparkle.generation.scenes.stage import Backdrop, Cutout, Element, Stage
from sparkle.generation.scenes.trees import broadleaf, conifer, culm, limb, wander

BLOSSOM = np.stack([rgb(250, 196, 212), rgb(244, 168, 192), rgb(255, 222, 230), rgb(236, 150, 178)])
JUNGLE = np.stack([rgb(52, 116, 48), rgb(34, 92, 46), rgb(84, 146, 56), rgb(26, 76, 44)])
MOSS = rgb(78, 96, 44)
LITTER = {"spring": MOSS, "summer": MOSS, "autumn": rgb(168, 104, 46), "winter": rgb(228, 234, 244)}
DEPTHS = (2.4, 1.7, 1.1, 0.6, 0.12)  # the mood's distance of each layer of woods, far to near


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    kinds: dict[str, Callable[[Stage], list[Element]]] = {
        "woods": _woods, "conifer": _firs, "jungle": _jungle, "bamboo": _bamboo, "blossom": _avenue,
    }  # fmt: skip
    return kinds[stage.spec.kind](stage)


def _glade(stage: Stage, leaves: Colour, mist: float) -> tuple[Stage, Image, float]:
    """The stage under leaves: its haze is lit foliage. Also the opaque light behind the trees, and its middle."""
    mood = stage.mood
    green = np.asarray(leaves.mean(axis=0), np.float32)
    bright = mood.ambient + 0.75 * mood.key
    haze = (1 - mist) * green * bright * 1.25 + mist * mood.haze
    under = replace(
        stage, mood=replace(mood, haze=haze.astype(np.float32), haze_density=max(0.55, mood.haze_density))
    )
    x, y = stage.grid()
    middle = float(stage.rng.uniform(0.42, 0.58)) * stage.aspect
    near = np.exp(-((((x - middle) / 0.42) ** 2 + ((y - 0.40) / 0.36) ** 2) ** 0.7))
    glow = 1.05 * mood.haze + 0.10 * mood.key
    dark = 0.62 * haze
    texture = fractal(stage.rng, stage.height, stage.width, cells=14 * stage.aspect, slope=1.5)
    light = np.clip(near + 0.05 * texture, 0, 1)[..., None]
    return under, (dark + (glow - dark) * light).astype(np.float32), middle


def _floor(stage: Stage, horizon: float, middle: float, leaves: Colour) -> list[Element]:
    """The forest floor: moss or litter, a paler path, leaves lying about, wandering spots of sun."""
    rng, spec = stage.rng, stage.spec
    ground = LITTER[spec.season]
    picture = plane(stage, horizon, ground, patches=ground * 0.72, rough=0.14)
    top = stage.row(horizon)
    x, y = (axis[top:] for axis in stage.grid())
    down = (y - horizon) / (1.0 - horizon)
    bend = middle + 0.10 * np.sin(3.2 * down + rng.uniform(0, 6))
    path = np.exp(-(((x - bend) / (0.030 + 0.26 * down)) ** 4)) * 0.65
    trodden = stage.mood.lit(
        np.broadcast_to(rgb(150, 128, 96) if spec.season != "winter" else rgb(206, 216, 232), picture.shape),
        0.6,
        distance_of(y, horizon),
    )
    picture += (trodden - picture) * path[..., None].astype(np.float32)
    canvas = stage.canvas()
    count = 1400
    depth = rng.random(count) ** 0.6
    places = np.stack(
        [rng.uniform(-0.02, stage.aspect + 0.02, count), horizon + (1.02 - horizon) * depth], -1
    )
    if spec.season == "winter":
        lying = np.stack([rgb(240, 245, 252), rgb(214, 224, 238)])
    else:
        lying = (
            leaves
            if spec.season == "autumn" or spec.kind == "blossom"
            else np.stack([MOSS, 1.25 * MOSS, rgb(120, 96, 58)])
        )
    scatter(
        canvas,
        stage,
        places,
        0.0025 + 0.010 * depth**1.5,
        lying,
        distance_of(places[:, 1], horizon),
        flat=0.45,
    )
    _, rows = stage.grid()
    spots = (
        0.55 * smoothstep(horizon, horizon + 0.15, rows) * float(np.clip(stage.mood.key.max() * 1.2, 0.1, 1))
    )
    return [
        Cutout(_soft_edge(stage, picture, top)),
        Cutout(canvas.layer()),
        Dapple(stage, spots.astype(np.float32), 0.30, horizon=horizon, speed=0.30),
    ]


def _soft_edge(stage: Stage, ground: Image, top: int) -> Image:
    """The ground as a layer of the stage's size that fades in below the horizon."""
    layer = np.zeros((stage.height, stage.width, 4), np.float32)
    alpha = smoothstep(0.0, 0.06, (np.arange(len(ground), dtype=np.float32) / stage.height))[:, None]
    layer[top:, :, :3] = ground * alpha[..., None]
    layer[top:, :, 3] = alpha
    return layer


def _sides(stage: Stage, count: int, calm: float) -> list[float]:
    """Places along x, spread evenly with jitter, kept `calm` (a share of the width) away from the middle."""
    rng = stage.rng
    spots = (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count
    spots = np.where(spots < 0.5, spots * (1 - calm), 1 - (1 - spots) * (1 - calm))
    return [float(v) for v in (1.10 * spots - 0.05) * stage.aspect]


def _woods(stage: Stage) -> list[Element]:
    leaves = stage.mood.foliage
    under, light, middle = _glade(stage, leaves, 0.45)
    horizon = float(stage.rng.uniform(0.56, 0.60))
    elements: list[Element] = [Backdrop(light)]
    bare = 0.75 if stage.spec.season == "winter" else 0.0
    for k, distance in enumerate(DEPTHS):
        near = k / (len(DEPTHS) - 1)
        if k == 2:
            elements += _floor(under, horizon, middle, leaves)
            elements.append(
                Rays(stage, (stage.mood.sun_x * stage.aspect, -0.25), 0.55 * stage.mood.glow + 0.12)
            )
        canvas, stems = stage.canvas(), stage.canvas()
        foot = horizon + (1.02 - horizon) * near**1.6 * 0.9
        for x in _sides(under, (15, 11, 8, 5, 3)[k], (0.05, 0.15, 0.35, 0.55, 0.72)[k]):
            _trunk(stems, under, x, foot + 0.02 * stage.rng.normal(), 0.012 + 0.075 * near**1.5, distance)
        if bare < 0.5:
            _canopy(canvas, under, leaves, distance, near)
        _undergrowth(canvas, under, leaves, foot, distance, near)
        reach = reach_above(stage, foot, 0.9, 0.010 + 0.016 * near)
        elements += [Cutout(stems.layer()), Swaying(stage, canvas.layer(), reach, flutter=0.6)]
    return elements


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


def _canopy(canvas: Canvas, stage: Stage, leaves: Colour, distance: float, near: float) -> None:
    """Leaves along the top, reaching lower towards the sides, more on one side than on the other."""
    rng = stage.rng
    heavy = rng.uniform(-0.35, 0.35)
    for x in np.linspace(-0.05, 1.05, 11) * stage.aspect + rng.normal(0, 0.06, 11):
        aside = abs(x / stage.aspect - 0.5 + 0.25 * heavy) * 2
        low = -0.02 + (0.06 + 0.30 * near * (1 + heavy * np.sign(x / stage.aspect - 0.5))) * aside**1.7
        low += rng.uniform(-0.05, 0.06)
        size = (0.13 + 0.09 * rng.random()) * (0.8 + 0.4 * near)
        crown = Crown((float(x), low), (1.3 * size, 0.6 * size), 0.0055 + 0.0050 * near, round(420 + 260 * near),
                      clumps=12, clump=0.36)  # fmt: skip
        foliage(canvas, stage, crown, leaves, distance, dim=0.04 + 0.10 * near)


def _undergrowth(
    canvas: Canvas, stage: Stage, leaves: Colour, foot: float, distance: float, near: float
) -> None:
    """Bushes along the foot of a layer, ferns in front, none in the middle."""
    rng = stage.rng
    palette = leaves * 0.9 if stage.spec.season != "autumn" else np.concatenate([leaves * 0.8, [MOSS, MOSS]])
    for x in _sides(stage, 9, 0.15 + 0.5 * near):
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
        for x in _sides(stage, 8, 0.35 + 0.35 * near):
            fern(
                canvas,
                stage,
                (x, foot + 0.03),
                (0.07 + 0.12 * near) * rng.uniform(0.8, 1.2),
                palette,
                distance,
            )


def _firs(stage: Stage) -> list[Element]:
    snow = stage.mood.snow
    needles = np.stack([rgb(40, 74, 58), rgb(30, 60, 50), rgb(58, 92, 66)])
    horizon = float(stage.rng.uniform(0.60, 0.66))
    mood = stage.mood
    under = replace(stage, mood=replace(mood, haze_density=0.75 * mood.haze_density**0.5 + 0.2))
    x, y = stage.grid()
    elements: list[Element] = [Sky(stage, horizon, clouds=0.8 if snow < 0.5 else 1.4)]
    for k, distance in enumerate((2.2, 1.5, 0.95, 0.45, 0.08)):
        near = k / 4
        foot = horizon + (1.06 - horizon) * near**1.8
        canvas = stage.canvas()
        for spot in _sides(under, (46, 26, 14, 8, 4)[k], (0.0, 0.03, 0.22, 0.5, 0.74)[k]):
            tall = (0.20, 0.30, 0.46, 0.72, 1.15)[k] * stage.rng.uniform(0.65, 1.15)
            conifer(canvas, under, (spot, foot + 0.012 * stage.rng.normal()), tall, needles, distance,
                    blades=(70, 110, 190, 300, 460)[k], snow=snow)  # fmt: skip
        if k == 1:
            elements += _floor(under, horizon, 0.5 * stage.aspect, needles)
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
    under, light, middle = _glade(stage, leaves, 0.4)
    horizon = 0.60
    elements: list[Element] = [Backdrop(light)]
    for k, distance in enumerate(DEPTHS):
        near = k / 4
        if k == 2:
            elements += _floor(under, horizon, middle, leaves)
            elements.append(
                Rays(stage, (stage.mood.sun_x * stage.aspect, -0.25), 0.5 * stage.mood.glow + 0.1)
            )
        canvas, stems = stage.canvas(), stage.canvas()
        foot = horizon + (1.05 - horizon) * near**1.6
        for x in _sides(under, (44, 30, 20, 12, 7)[k], (0.02, 0.08, 0.25, 0.5, 0.7)[k]):
            culm(stems, under, (x, foot + 0.02 * stage.rng.normal()), 0.007 + 0.030 * near**1.4, distance)
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


def _avenue(stage: Stage) -> list[Element]:
    """Two rows of trees that lead away, over a lawn."""
    spring = stage.spec.season in ("spring", "summer")
    leaves = BLOSSOM if spring else stage.mood.foliage
    rng, horizon = stage.rng, float(stage.rng.uniform(0.60, 0.64))
    mood = replace(stage.mood, haze=(0.55 * stage.mood.haze + 0.45 * leaves.mean(axis=0)).astype(np.float32))
    under = replace(stage, mood=mood)
    middle = float(rng.uniform(0.46, 0.54)) * stage.aspect
    elements: list[Element] = [Sky(stage, horizon, clouds=0.7)]
    elements += _floor(replace(under, mood=replace(under.mood)), horizon, middle, leaves)
    for k, depth in enumerate((9.0, 6.0, 4.0, 2.7, 1.75, 1.12)):
        canvas = stage.canvas()
        foot = horizon + 0.40 / depth * 1.02
        for side in (-1.0, 1.0):
            for row in range(3 if k < 4 else 2):
                x = middle + side * (0.82 + 1.0 * row + 0.12 * rng.normal()) / depth
                tall = 1.22 / depth * rng.uniform(0.92, 1.12)
                broadleaf(canvas, under, (x, foot + 0.01 * rng.normal()), tall, leaves, 2.2 * (1 - 1 / depth) ** 3,
                          detail=float(np.clip(2.0 / depth, 0.25, 1.7)), spread=0.52)  # fmt: skip
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
    return elements
