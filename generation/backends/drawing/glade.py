"""Under trees: the light between them, the forest floor, the canopy.

The woods stand in layers, from bright and hazy in the middle of the picture to dark and near at its sides:
the light at the end draws the eye behind the person. Families put trunks of their own between.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Image, rgb
from sparkle.generation.backends.drawing.land import distance_of, plane
from sparkle.generation.backends.drawing.light import Dapple
from sparkle.generation.backends.drawing.noise import fractal, smoothstep
from sparkle.generation.backends.drawing.plants import Crown, foliage, scatter
from sparkle.generation.backends.drawing.stage import Cutout, Element, Stage

MOSS = rgb(78, 96, 44)
LITTER = {"spring": MOSS, "summer": MOSS, "autumn": rgb(168, 104, 46), "winter": rgb(228, 234, 244)}


def glade(stage: Stage, leaves: Colour, mist: float) -> tuple[Stage, Image, float]:
    """The stage under leaves (its haze is lit foliage), the light behind the trees, and its middle."""
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


def forest_floor(stage: Stage, horizon: float, middle: float, leaves: Colour) -> list[Element]:
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
            if spec.season == "autumn" or (spec.kind == "blossom" and spec.season != "winter")
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


def sides(stage: Stage, count: int, calm: float) -> list[float]:
    """Places along x, spread evenly with jitter, kept `calm` (a share of the width) away from the middle."""
    rng = stage.rng
    spots = (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count
    spots = np.where(spots < 0.5, spots * (1 - calm), 1 - (1 - spots) * (1 - calm))
    return [float(v) for v in (1.10 * spots - 0.05) * stage.aspect]


def canopy(canvas: Canvas, stage: Stage, leaves: Colour, distance: float, near: float) -> None:
    """Leaves along the top, reaching lower towards the sides, more on one side than on the other."""
    rng = stage.rng
    heavy = rng.uniform(-0.35, 0.35)
    for x in np.linspace(-0.05, 1.05, 11) * stage.aspect + rng.normal(0, 0.06, 11):
        aside = abs(x / stage.aspect - 0.5 + 0.25 * heavy) * 2
        low = -0.02 + (0.06 + 0.30 * near * (1 + heavy * np.sign(x / stage.aspect - 0.5))) * aside**1.7
        low += rng.uniform(-0.05, 0.06)
        size = (0.13 + 0.09 * rng.random()) * (0.8 + 0.4 * near)
        crown = Crown(
            (float(x), low),
            (1.3 * size, 0.6 * size),
            0.0055 + 0.0050 * near,
            round(420 + 260 * near),
            clumps=12,
            clump=0.36,
        )
        foliage(canvas, stage, crown, leaves, distance, dim=0.10 * near - 0.04)
