"""Open land: meadow with a stream, prairie, flowers, desert dunes, a landscape at the end of the day.

The vineyard has a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from sparkle.generation.scenes import vineyard
from sparkle.generation.scenes.canvas import Canvas, Colour, Image, rgb
from sparkle.generation.scenes.land import crest, distance_of, drifts, gusts, hill, meadow_rows, plane, treeline
from sparkle.generation.scenes.light import Dapple, Fog, Rays
from sparkle.generation.scenes.motion import Swaying
from sparkle.generation.scenes.noise import Field, Tile, curve, fractal, smoothstep
from sparkle.generation.scenes.plants import grass, reach_above, scatter
from sparkle.generation.scenes.sky import Sky
from sparkle.generation.scenes.stage import Backdrop, Cutout, Element, Stage
from sparkle.generation.scenes.terrain import MAP_SIDE, Relief, View, slopes, survey
from sparkle.generation.scenes.trees import broadleaf
from sparkle.generation.scenes.water import Mirror

GOLDEN_GRASS = np.stack([rgb(204, 178, 112), rgb(176, 150, 90), rgb(226, 206, 148), rgb(150, 130, 80)])
SNOW = rgb(236, 242, 250)
BLOOMS = np.stack([rgb(232, 70, 74), rgb(250, 206, 72), rgb(246, 240, 236), rgb(150, 110, 214), rgb(244, 150, 190)])
LAVENDER = np.stack([rgb(138, 104, 190), rgb(116, 84, 172), rgb(164, 132, 206)])
DUNE = rgb(226, 172, 112)
BROOK = rgb(48, 74, 70)


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    kinds: dict[str, Callable[[Stage], list[Element]]] = {
        "meadow": _meadow, "prairie": _prairie, "flowers": _flowers, "vineyard": vineyard.build, "dunes": _dunes,
        "landscape": _landscape,
    }  # fmt: skip
    return kinds[stage.spec.kind](stage)


def _far_hills(stage: Stage, horizon: float, count: int = 3, rise: float = 0.028) -> list[Element]:
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


def _trees(stage: Stage, horizon: float, size: float, count: int, distance: float, calm: float) -> list[Element]:
    """Single trees in the middle distance, away from the middle of the frame."""
    rng, elements = stage.rng, []
    bare = {"winter": 1.0, "spring": 0.45}.get(stage.spec.season, 0.0)
    for k in range(count):
        canvas = stage.canvas()
        side = -1.0 if k % 2 else 1.0
        x = stage.aspect * (0.5 + side * rng.uniform(calm, 0.5))
        foot = horizon + 0.02 + 0.05 * rng.random()
        tall = size * rng.uniform(0.7, 1.25)
        broadleaf(canvas, stage, (x, foot), tall, stage.mood.foliage, distance, detail=float(np.clip(tall * 3.5, 0.3, 1.3)),
                  bare=bare, spread=0.40)  # fmt: skip
        elements.append(Swaying(stage, canvas.layer(), reach_above(stage, foot, tall, 0.045 * tall), flutter=0.5))
    return elements


def _prairie(stage: Stage) -> list[Element]:
    horizon = float(stage.rng.uniform(0.44, 0.50))
    palette = GOLDEN_GRASS if stage.mood.snow < 0.5 else 0.5 * GOLDEN_GRASS + 0.5 * SNOW
    return [
        Sky(stage, horizon), *_far_hills(stage, horizon),
        Backdrop(plane(stage, horizon, palette.mean(axis=0)), stage.row(horizon)),
        *meadow_rows(stage, horizon, palette, 0.26, density=1.3, heads=0.35), gusts(stage, horizon),
    ]  # fmt: skip


def _meadow(stage: Stage) -> list[Element]:
    rng, mood = stage.rng, stage.mood
    horizon = float(rng.uniform(0.46, 0.52))
    snow = drifts(stage, horizon, mood.snow) if 0 < mood.snow < 1 else np.full((stage.height, stage.width), mood.snow, np.float32)
    ground = plane(stage, horizon, mood.grass.mean(axis=0), patches=SNOW, share=snow, rough=0.08)
    elements: list[Element] = [
        Sky(stage, horizon), *_far_hills(stage, horizon), Backdrop(ground, stage.row(horizon)),
        *_trees(stage, horizon, 0.26, 4, 0.55, 0.18),
    ]  # fmt: skip
    lying = snow
    if stage.spec.has("stream") or stage.spec.has("melting"):
        brook = _brook_mask(stage, horizon)
        lying = np.maximum(snow, brook)
        elements += [Cutout(_bank(stage, brook)), Mirror(stage, horizon, brook, BROOK, clear=0.55, rough=0.035, glitter=1.1)]
    elements += _banks(stage, horizon, lying if mood.snow < 1 else None)
    if stage.spec.has("rays"):
        elements.append(Rays(stage, (mood.sun_x * stage.aspect, -0.2), 0.40 * mood.glow + 0.04))
    elements.append(gusts(stage, horizon, 0.16))
    return elements


def _bank(stage: Stage, brook: Image) -> Image:
    """The wet dark edge of a stream, as a layer."""
    alpha = np.clip(cv2.GaussianBlur(brook, (0, 0), 0.010 * stage.height) * 1.6, 0.0, 1.0) * np.float32(0.7)
    colour = stage.mood.lit(rgb(84, 76, 52), 0.3)
    return np.dstack([alpha[..., None] * colour, alpha]).astype(np.float32)


def _brook_mask(stage: Stage, horizon: float) -> Image:
    """Where a winding stream runs from the hills to the front, 0..1."""
    rng = stage.rng
    x, y = stage.grid()
    down = np.clip((y - horizon - 0.03) / (0.97 - horizon), 0.0, 1.2)
    start, end = stage.aspect * rng.uniform(0.42, 0.58), stage.aspect * rng.choice([0.24, 0.76])
    bends = 0.16 * np.sin(7.5 * np.sqrt(down) + rng.uniform(0, 6)) * np.sqrt(down)
    middle = start + (end - start) * down**1.3 + bends
    ragged = 0.010 * curve(rng, stage.height, cells=12, slope=1.2)[:, None]
    half = 0.006 + 0.15 * down**1.4 + ragged * down
    edge = 0.004 + 0.012 * down
    mask = smoothstep(0.0, 1.0, (half - np.abs(x - middle)) / edge) * (y > horizon + 0.03)
    return np.asarray(mask, np.float32)


def _banks(stage: Stage, horizon: float, lying: Image | None) -> list[Element]:
    """Short grass and flowers over the field, none where water or snow lies."""
    winter = stage.mood.snow >= 1
    palette = stage.mood.grass if not winter else 0.35 * stage.mood.grass + 0.65 * SNOW
    rows = meadow_rows(stage, horizon, palette, 0.085, rows=6, first=0.08, density=0.4 if winter else 1.15, lying=lying)
    if winter or stage.spec.season == "autumn":
        return list(rows)
    canvas = stage.canvas()
    _sprinkle(canvas, stage, horizon, BLOOMS, 420 if stage.mood.snow == 0 else 200, 0.0055, lying)
    return [*rows, Swaying(stage, canvas.layer(), reach_above(stage, 1.2, 0.9, 0.008), flutter=0.3)]


def _sprinkle(
    canvas: Canvas, stage: Stage, horizon: float, palette: Colour, count: int, size: float, water: Image | None = None
) -> None:
    """Flower heads over a field, in patches of one colour each."""
    rng = stage.rng
    depth = rng.random(count) ** 0.8
    x = rng.uniform(-0.02, stage.aspect + 0.02, count)
    y = horizon + 0.05 + (0.95 - horizon) * depth
    patch = np.sin(5.0 * x / (0.25 + depth) + 1.7) + np.sin(9.0 * depth + 2.3 * x)
    row = np.clip(((patch + 2.0) / 4.0 + 0.12 * rng.standard_normal(count)) * len(palette), 0, len(palette) - 1).astype(int)
    keep = np.ones(count, bool)
    if water is not None:
        rows = np.clip((y * stage.height).astype(int), 0, stage.height - 1)
        cols = np.clip((x * stage.height).astype(int), 0, stage.width - 1)
        keep = water[rows, cols] < 0.05
    for k in range(len(palette)):
        some = keep & (row == k)
        places = np.stack([x, y], -1)[some]
        sizes = (size * (0.25 + 1.3 * depth**1.3) * rng.uniform(0.6, 1.3, count))[some]
        scatter(canvas, stage, places, sizes, palette[k][None], distance_of(places[:, 1], horizon), flat=0.75, shade=0.85)
        scatter(canvas, stage, places, 0.32 * sizes, palette[k][None] * 0.6 + 0.15, distance_of(places[:, 1], horizon), flat=0.8)


def _flowers(stage: Stage) -> list[Element]:
    rng = stage.rng
    horizon = float(rng.uniform(0.44, 0.50))
    blooms = LAVENDER if stage.spec.season == "summer" and rng.random() < 0.25 else BLOOMS
    green = stage.mood.grass.mean(axis=0)
    elements: list[Element] = [
        Sky(stage, horizon), *_far_hills(stage, horizon), *_trees(stage, horizon, 0.16, 5, 0.9, 0.12),
        Backdrop(plane(stage, horizon, green, patches=0.6 * blooms.mean(axis=0) + 0.4 * green), stage.row(horizon)),
    ]  # fmt: skip
    rows = meadow_rows(stage, horizon, stage.mood.grass, 0.13, rows=6, first=0.08)
    for k, row in enumerate(rows):
        elements.append(row)
        canvas = stage.canvas()
        low, high = horizon + (0.98 - horizon) * (k / 6) ** 1.4, horizon + (1.0 - horizon) * ((k + 1.3) / 6) ** 1.4
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
    kind = np.clip((0.5 + 0.24 * tone + 0.14 * rng.standard_normal(count)) * len(blooms), 0, len(blooms) - 1).astype(int)
    stems = np.stack([x, y + 5.0 * size], -1)
    grass(canvas, stage, stems, 5.0 * size, stage.mood.grass * 0.9, distance_of(y, horizon), width=0.0022 + 0.0006 * k)
    order = np.argsort(y, kind="stable")
    for turn in np.linspace(0, 2 * np.pi, 6)[:-1]:
        petals = np.stack([x + 0.62 * size * np.cos(turn), y + 0.50 * size * np.sin(turn)], -1)
        light = np.clip(0.72 + 0.22 * np.cos(turn) * stage.mood.side - 0.18 * np.sin(turn), 0.1, 1.1)
        colours = stage.mood.lit(blooms[kind] * (1 + 0.05 * rng.standard_normal((count, 1))), light, distance_of(y, horizon))
        canvas.dabs(petals[order], np.stack([0.62 * size, 0.46 * size], -1)[order], np.full(count, turn), colours[order])
    hearts = stage.mood.lit(np.clip(blooms[kind] * 0.5 + rgb(120, 90, 20) * 0.6, 0, 1), 0.7, distance_of(y, horizon))
    canvas.dabs(np.stack([x, y], -1)[order], np.stack([0.34 * size, 0.28 * size], -1)[order], np.zeros(count), hearts[order])


def _dunes(stage: Stage) -> list[Element]:
    mood, rng = stage.mood, stage.rng
    horizon = float(rng.uniform(0.46, 0.52))
    broad = fractal(rng, MAP_SIDE, MAP_SIDE, cells=3.0, slope=3.0, finest=0.010)
    ridge = fractal(rng, MAP_SIDE, MAP_SIDE, cells=6.0, slope=3.0, stretch=1.6, finest=0.016)
    sharp = np.clip(1.0 - np.abs(ridge) / 1.3, 0.0, 1.0) ** 1.25
    away = (np.arange(MAP_SIDE, dtype=np.float32) / MAP_SIDE)[:, None]
    stand = 0.25 + 0.75 * smoothstep(0.06, 0.35, away) * (1.0 - smoothstep(0.93, 1.0, away))
    relief = ((0.030 * sharp * (0.7 + 0.3 * broad) + 0.010 * broad) * stand).astype(np.float32)
    relief = cv2.GaussianBlur(np.pad(relief, 8, mode="wrap"), (0, 0), 1.2)[8:-8, 8:-8]
    light, _, shadow = slopes(relief, mood.side, 0.42)
    shade = np.clip(1.35 * light**1.6 * (1 - 0.85 * shadow), 0, 1.2)
    maps = Tile(np.dstack([shade, fractal(rng, MAP_SIDE, MAP_SIDE, cells=30, slope=1.2)]).astype(np.float32))
    ripples = Tile(fractal(rng, 256, 256, cells=26, slope=2.2, stretch=3.0, finest=0.3))

    def paint(u: Field, v: Field, z: Field) -> Image:
        lit, grain = cv2.split(maps.lookup(u, v).at(0, 0))
        near = np.exp(-z / 0.10)
        wave = ripples.lookup(22.0 * u, 22.0 * v).at(0, 0) * near
        return mood.lit(DUNE * (1.0 + 0.03 * grain[..., None]), lit * (1.0 + 0.16 * wave), 0.9 * z)

    terrain = survey(stage, relief, View(horizon, eye=0.030, near=0.03, far=0.99, focal=1.5), paint)
    return [
        Sky(stage, horizon, clouds=0.6), Relief(stage, terrain, 0.22),
        Fog(stage, horizon + 0.16, 0.10, 0.26, colour=1.05 * mood.lit(DUNE, 0.8), speed=0.20),
        Fog(stage, 0.92, 0.10, 0.24, colour=mood.lit(DUNE, 0.9), speed=0.34),
    ]  # fmt: skip


def _landscape(stage: Stage) -> list[Element]:
    """A wide dark field, trees against the sky, and most of the picture sky."""
    rng, mood = stage.rng, stage.mood
    horizon = float(rng.uniform(0.60, 0.66))
    elements: list[Element] = [Sky(stage, horizon, clouds=1.35), *_far_hills(stage, horizon, 2, 0.018)]
    ground = plane(stage, horizon, mood.grass.mean(axis=0) * 0.8, patches=mood.grass[0] * 0.6)
    elements.append(Backdrop(ground, stage.row(horizon)))
    line = np.full(stage.width, horizon + 0.012, np.float32)
    hedge = stage.canvas()
    treeline(hedge, stage, line, 0.035, 26, 0.45)
    elements.append(Swaying(stage, hedge.layer(), reach_above(stage, horizon + 0.02, 0.05, 0.003), flutter=0.5))
    elements += _trees(stage, horizon, 0.24, 5, 0.30, 0.13)
    elements += meadow_rows(stage, horizon, mood.grass * 0.85, 0.10, rows=6, first=0.08, heads=0.1)
    elements.append(gusts(stage, horizon, 0.14))
    _, y = stage.grid()
    if mood.sun_y < 0.3:
        elements.append(Fog(stage, horizon + 0.02, 0.05, 0.22))
    elements.append(Dapple(stage, (0.10 * smoothstep(horizon, 1.0, y)).astype(np.float32), 0.8, horizon=horizon, speed=0.4))
    return elements
