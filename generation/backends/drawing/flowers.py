"""Flowers: heads sprinkled over a field, and a field of them from the horizon to the camera."""

from __future__ import annotations

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Image, rgb
from sparkle.generation.backends.drawing.countryside import far_hills, single_trees
from sparkle.generation.backends.drawing.land import distance_of, gusts, looked_up, meadow_rows, plane
from sparkle.generation.backends.drawing.motion import Swaying
from sparkle.generation.backends.drawing.noise import curve
from sparkle.generation.backends.drawing.plants import grass, reach_above, scatter
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.stage import Backdrop, Element, Stage

BLOOMS = np.stack(
    [rgb(232, 70, 74), rgb(250, 206, 72), rgb(246, 240, 236), rgb(150, 110, 214), rgb(244, 150, 190)]
)
SUNFLOWERS = np.stack([rgb(250, 196, 40), rgb(244, 176, 30), rgb(252, 214, 80)])
LAVENDER = np.stack([rgb(138, 104, 190), rgb(116, 84, 172), rgb(164, 132, 206)])


def sprinkle(
    canvas: Canvas,
    stage: Stage,
    horizon: float,
    palette: Colour,
    count: int,
    size: float,
    water: Image | None = None,
) -> None:
    """Flower heads over a field, in patches of one colour each."""
    rng = stage.rng
    depth = rng.random(count) ** 0.8
    x = rng.uniform(-0.02, stage.aspect + 0.02, count)
    y = horizon + 0.05 + (0.95 - horizon) * depth
    patch = np.sin(5.0 * x / (0.25 + depth) + 1.7) + np.sin(9.0 * depth + 2.3 * x)
    row = np.clip(
        ((patch + 2.0) / 4.0 + 0.12 * rng.standard_normal(count)) * len(palette), 0, len(palette) - 1
    ).astype(int)
    keep = np.ones(count, bool)
    if water is not None:
        keep = looked_up(stage, water, np.stack([x, y], -1)) < 0.05
    for k in range(len(palette)):
        some = keep & (row == k)
        places = np.stack([x, y], -1)[some]
        sizes = (size * (0.25 + 1.3 * depth**1.3) * rng.uniform(0.6, 1.3, count))[some]
        scatter(
            canvas,
            stage,
            places,
            sizes,
            palette[k][None],
            distance_of(places[:, 1], horizon),
            flat=0.75,
            shade=0.85,
        )
        scatter(
            canvas,
            stage,
            places,
            0.32 * sizes,
            palette[k][None] * 0.6 + 0.15,
            distance_of(places[:, 1], horizon),
            flat=0.8,
        )


def flower_field(stage: Stage) -> list[Element]:
    """The elements of a field in bloom, back to front."""
    rng = stage.rng
    horizon = float(rng.uniform(0.44, 0.50))
    blooms = (
        LAVENDER if stage.spec.has("lavender") else SUNFLOWERS if stage.spec.has("sunflowers") else BLOOMS
    )
    green = stage.mood.grass.mean(axis=0)
    elements: list[Element] = [
        Sky(stage, horizon),
        *far_hills(stage, horizon),
        *single_trees(stage, horizon, 0.16, 5, 0.9, 0.12),
        Backdrop(
            plane(stage, horizon, green, patches=0.6 * blooms.mean(axis=0) + 0.4 * green), stage.row(horizon)
        ),
    ]
    rows = meadow_rows(stage, horizon, stage.mood.grass, 0.13, rows=6, first=0.08)
    for k, row in enumerate(rows):
        elements.append(row)
        canvas = stage.canvas()
        low, high = (
            horizon + (0.98 - horizon) * (k / 6) ** 1.4,
            horizon + (1.0 - horizon) * ((k + 1.3) / 6) ** 1.4,
        )
        _band_of_flowers(canvas, stage, blooms, (low, high), horizon, k)
        reach = reach_above(stage, high + 0.05, 0.12, 0.006 + 0.003 * k)
        elements.append(Swaying(stage, canvas.layer(), reach, flutter=0.25))
    elements.append(gusts(stage, horizon, 0.14))
    return elements


def _band_of_flowers(
    canvas: Canvas, stage: Stage, blooms: Colour, between: tuple[float, float], horizon: float, k: int
) -> None:
    rng = stage.rng
    count = 260 - 26 * k
    x = rng.uniform(-0.02, stage.aspect + 0.02, count)
    y = rng.uniform(*between, count)
    size = 0.0022 + 0.0105 * ((y - horizon) / (1 - horizon)) ** 1.4 * rng.uniform(0.6, 1.25, count)
    tone = np.interp(x, np.linspace(-0.1, stage.aspect + 0.1, 256), curve(rng, 256, cells=4, slope=1.2))
    kind = np.clip(
        (0.5 + 0.24 * tone + 0.14 * rng.standard_normal(count)) * len(blooms), 0, len(blooms) - 1
    ).astype(int)
    stems = np.stack([x, y + 5.0 * size], -1)
    grass(
        canvas,
        stage,
        stems,
        5.0 * size,
        stage.mood.grass * 0.9,
        distance_of(y, horizon),
        width=0.0022 + 0.0006 * k,
    )
    order = np.argsort(y, kind="stable")
    for turn in np.linspace(0, 2 * np.pi, 6)[:-1]:
        petals = np.stack([x + 0.62 * size * np.cos(turn), y + 0.50 * size * np.sin(turn)], -1)
        light = np.clip(0.72 + 0.22 * np.cos(turn) * stage.mood.side - 0.18 * np.sin(turn), 0.1, 1.1)
        colours = stage.mood.lit(
            blooms[kind] * (1 + 0.05 * rng.standard_normal((count, 1))), light, distance_of(y, horizon)
        )
        canvas.dabs(
            petals[order],
            np.stack([0.62 * size, 0.46 * size], -1)[order],
            np.full(count, turn),
            colours[order],
        )
    hearts = stage.mood.lit(
        np.clip(blooms[kind] * 0.5 + rgb(120, 90, 20) * 0.6, 0, 1), 0.7, distance_of(y, horizon)
    )
    canvas.dabs(
        np.stack([x, y], -1)[order],
        np.stack([0.34 * size, 0.28 * size], -1)[order],
        np.zeros(count),
        hearts[order],
    )
