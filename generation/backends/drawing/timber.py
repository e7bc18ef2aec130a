"""Village houses: stone below, beams and plaster above, thatch on top.

A house is drawn on the facade plane of `street.Wall` in metres, from the ground up; lit windows are drawn a
second time on a canvas of their own, from which their glow is made.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Points, pick, rgb
from sparkle.generation.backends.drawing.masonry import FIELDSTONE, block_wall
from sparkle.generation.backends.drawing.street import HAZE_PER_METRE, WARM, Street, Wall

BEAM = rgb(74, 52, 38)
PLASTER = np.stack([rgb(206, 186, 150), rgb(190, 166, 128), rgb(214, 198, 168)])
THATCH = np.stack([rgb(150, 122, 76), rgb(128, 102, 62), rgb(170, 142, 92)])
GLASS = rgb(70, 82, 92)
LIT_GLASS = WARM * 0.62  # the pane itself; its spill is added as a glow


def timber_house(canvas: Canvas, windows: Canvas, street: Street, side: float, z: float, wide: float) -> None:
    """Stone below, beams and plaster above, thatch on top."""
    rng = street.stage.rng
    wall = street.wall(side)
    gabled = bool(rng.random() < 0.45) and z > 4.5
    stone, eaves = float(rng.uniform(1.9, 2.3)), float(rng.uniform(3.5, 4.3)) + 0.5 * gabled
    shade = 0.34 if side == street.stage.mood.side else 0.55
    plaster = pick(rng, PLASTER, 1, 0.06, 0.02)[0]
    if not gabled:
        _roof(canvas, street, side, z, wide, eaves, shade)
    end = street.lit(plaster * 0.75, 0.2, z)
    canvas.convex(
        street.at(
            np.array([[wall.x, wall.x, wall.x + side * 6, wall.x + side * 6]]),
            np.array([[0, eaves, eaves, 0]]),
            z,
        ),
        end[None],
    )
    wall.box(canvas, z, stone, wide, eaves - stone, street.lit(plaster, shade, z))

    def light(albedo: Colour, places: Points) -> Colour:
        return street.stage.mood.lit(albedo, np.full(len(albedo), shade), street.haze(places[:, 0]))

    wall.box(canvas, z, 0.0, wide, stone, street.lit(FIELDSTONE.mean(axis=0) * 0.5, shade, z))
    if z < 30:
        block_wall(
            canvas,
            rng,
            z,
            z + wide,
            0.0 + 0.02,
            stone,
            0.34 if z < 16 else 0.6,
            FIELDSTONE,
            light,
            _flipped(wall, stone),
        )
    if gabled:
        _gable(canvas, street, wall, z, wide, eaves, plaster, shade)
    _beams(canvas, street, wall, z, wide, stone, eaves, shade)
    _openings(canvas, windows, street, wall, z, wide, stone, eaves, shade)


def _flipped(wall: Wall, height: float) -> Callable[[Points], Points]:
    """Block walls grow towards smaller y; facades measure y up from the ground."""
    return lambda places: wall(np.stack([places[..., 0], height - places[..., 1] + 0.02], -1))


def _roof(
    canvas: Canvas, street: Street, side: float, z: float, wide: float, eaves: float, shade: float
) -> None:
    """A steep thatch that hangs over the wall, its ridge along the street."""
    rng = street.stage.rng
    low, ridge = side * (street.half - 0.55), side * (street.half + 2.4)
    edge, top = eaves - 0.30, eaves + float(rng.uniform(3.4, 4.6))
    straw = pick(rng, street.stage.mood.snowed(THATCH), 1, 0.08, 0.02)[0]
    gable = street.at(np.array([low, ridge, 2 * ridge - low, low]), np.array([edge, top, edge, edge]), z)
    canvas.polygon(gable, street.lit(straw * 0.55, 0.15, z))
    depths = np.array([z - 0.25, z + wide, z + wide, z - 0.25])
    slope = street.at(np.array([low, low, ridge, ridge]), np.array([edge, edge, top, top]), depths)
    canvas.polygon(slope, street.lit(straw * 0.8, shade, z))
    count = int(np.clip(3600 / max(z, 4.0), 60, 620))
    along, up = z - 0.25 + (wide + 0.25) * rng.random(count), rng.random(count) ** 1.1
    order = np.argsort(-up, kind="stable")
    along, up = along[order], up[order]
    _straw(canvas, street, (low, ridge), (edge, top), along, up, 0.15, shade)
    brim = np.linspace(z - 0.25, z + wide, max(10, count // 4))
    _straw(canvas, street, (low, low), (edge, edge + 0.1), brim, np.full(len(brim), 0.9), 4.0, 0.7 * shade)


def _straw(
    canvas: Canvas,
    street: Street,
    x: tuple[float, float],
    y: tuple[float, float],
    along: Points,
    up: Points,
    length: float,
    shade: float,
) -> None:
    """Straws on a slope from (x[0], y[0]) at its edge to (x[1], y[1]) at its ridge."""
    rng, count = street.stage.rng, len(along)
    down = up - length * rng.uniform(0.6, 1.2, count)
    roots = street.at(x[0] + (x[1] - x[0]) * up, y[0] + (y[1] - y[0]) * up, along)
    tips = street.at(
        x[0] + (x[1] - x[0]) * down, y[0] + (y[1] - y[0]) * down, along + 0.05 * rng.standard_normal(count)
    )
    tone = pick(rng, street.stage.mood.snowed(THATCH), count, 0.08, 0.03)
    light = np.clip(shade + 0.14 * rng.standard_normal(count), 0.0, 1.0)
    colours = street.stage.mood.lit(tone, light, street.haze(along))
    canvas.blades(roots, tips, np.zeros(count), 0.10 * street.focal / np.maximum(along, 1.5), colours)


def _gable(
    canvas: Canvas,
    street: Street,
    wall: Wall,
    z: float,
    wide: float,
    eaves: float,
    plaster: Colour,
    shade: float,
) -> None:
    """A gable that faces the street: a triangle of plaster and beams under the edges of the thatch."""
    peak = eaves + 0.46 * wide
    middle = z + wide / 2
    outer = wall(np.array([[z - 0.3, eaves - 0.35], [z + wide + 0.3, eaves - 0.35], [middle, peak + 0.55]]))
    canvas.polygon(outer, street.lit(THATCH.mean(axis=0) * 0.75, shade, z))
    canvas.polygon(
        wall(np.array([[z, eaves], [z + wide, eaves], [middle, peak]])), street.lit(plaster, shade, z)
    )
    dark = street.lit(BEAM, shade, z)
    for share in (0.0, 0.45):
        y = eaves + share * (peak - eaves)
        half = 0.5 * wide * (1 - share)
        wall.box(canvas, middle - half, y, 2 * half, 0.2, dark)
    wall.box(canvas, middle - 0.1, eaves, 0.2, peak - eaves, dark)
    for sign in (-1.0, 1.0):
        a, b = middle + sign * 0.5 * wide, middle
        rim = np.array([[a, eaves - 0.05], [b, peak], [b, peak - 0.28], [a - sign * 0.3, eaves - 0.05]])
        canvas.polygon(wall(rim), dark)
        straws = round(np.clip(220 / z, 14, 60))
        up = np.linspace(-0.06, 1.0, straws)
        places = np.stack([a + (b - a) * up, eaves + (peak - eaves) * up + 0.40], -1)
        ends = places + np.stack([np.full(straws, sign * 0.20), np.full(straws, -0.50)], -1)
        tone = pick(street.stage.rng, THATCH, straws, 0.12, 0.03)
        colours = street.stage.mood.lit(tone, np.full(straws, shade), np.full(straws, z * HAZE_PER_METRE))
        canvas.blades(
            wall(places), wall(ends), np.zeros(straws), 5.0 / straws * street.focal / max(z, 2.0), colours
        )


def _beams(
    canvas: Canvas, street: Street, wall: Wall, z: float, wide: float, low: float, high: float, shade: float
) -> None:
    rng = street.stage.rng
    dark, light = street.lit(BEAM * 0.7, shade * 0.6, z), street.lit(BEAM, shade, z)
    bars = [(z, low - 0.12, wide, 0.26), (z, high - 0.22, wide, 0.22), (z, 0.5 * (low + high), wide, 0.16)]
    posts = max(2, round(wide / 1.3))
    bars += [(z + k * (wide - 0.2) / posts, low, 0.2, high - low) for k in range(posts + 1)]
    for bar in bars:
        wall.box(canvas, bar[0], bar[1], bar[2], bar[3], dark)
        wall.box(canvas, bar[0], bar[1] + 0.03, bar[2], max(0.06, bar[3] - 0.07), light)
    for k in range(posts):
        if rng.random() < 0.45:
            a = z + k * (wide - 0.2) / posts
            b = a + (wide - 0.2) / posts
            foot, head = (low, 0.5 * (low + high)) if rng.random() < 0.5 else (0.5 * (low + high), low)
            brace = wall(np.array([[a, foot], [b, head], [b, head + 0.18], [a, foot + 0.18]]))
            canvas.polygon(brace, light)


def _openings(
    canvas: Canvas,
    windows: Canvas,
    street: Street,
    wall: Wall,
    z: float,
    wide: float,
    low: float,
    high: float,
    shade: float,
) -> None:
    """A door, and small windows of which some are lit."""
    rng = street.stage.rng
    door = z + wide * rng.uniform(0.2, 0.6)
    wall.box(canvas, door - 0.12, 0.0, 1.24, 2.12, street.lit(BEAM * 0.6, shade, z))
    for k in range(5):
        wall.box(canvas, door + 0.2 * k, 0.0, 0.19, 2.0, street.lit(BEAM * (1.0 + 0.12 * (k % 2)), shade, z))
    for k in range(max(1, round(wide / 2.4))):
        for y in (low + 0.42 * (high - low), 0.75):
            place = z + (k + 0.5) * wide / max(1, round(wide / 2.4)) - 0.4
            if y < low and abs(place - door) < 1.6:
                continue
            warm = rng.random() < 0.35 + 0.45 * street.stage.mood.lamps
            glass = (
                WARM * 1.0 if warm and street.stage.mood.lamps > 0.2 else street.lit(rgb(70, 82, 92), 0.5, z)
            )
            wall.box(canvas, place - 0.1, y - 0.1, 1.0, 1.15, street.lit(BEAM, shade, z))
            wall.box(canvas, place, y, 0.8, 0.95, glass)
            if warm and street.stage.mood.lamps > 0.2:
                wall.box(windows, place, y, 0.8, 0.95, WARM)
            for bar in ((place + 0.37, y, 0.06, 0.95), (place, y + 0.45, 0.8, 0.06)):
                wall.box(canvas, *bar, street.lit(BEAM * 0.8, shade, z))
