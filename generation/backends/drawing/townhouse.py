"""Town houses: stucco over a shop or cafe front, rows of shuttered windows, awnings, a slate roof.

Drawn like the houses of `timber`.
"""

from __future__ import annotations

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, pick, rgb
from sparkle.generation.backends.drawing.street import WARM, Street, Wall

STUCCO = np.stack(
    [rgb(226, 208, 176), rgb(214, 188, 150), rgb(230, 218, 196), rgb(206, 170, 140), rgb(196, 190, 176)]
)
SHUTTER = np.stack([rgb(62, 92, 86), rgb(74, 98, 120), rgb(112, 66, 56), rgb(84, 96, 66)])
AWNING = np.stack([rgb(152, 46, 44), rgb(40, 84, 74), rgb(176, 120, 52), rgb(60, 72, 116)])
SLATE = rgb(92, 98, 108)
GLASS = rgb(70, 82, 92)
LIT_GLASS = WARM * 0.62  # the pane itself; its spill is added as a glow


def townhouse(
    canvas: Canvas, windows: Canvas, street: Street, side: float, z: float, wide: float, cafe: bool
) -> None:
    """Stucco over a shop or cafe front with an awning, rows of shuttered windows, a slate roof."""
    rng, mood = street.stage.rng, street.stage.mood
    wall = street.wall(side)
    high = float(rng.uniform(10.5, 13.5))
    shade = 0.30 if side == mood.side else 0.62
    tone = pick(rng, STUCCO, 1, 0.05, 0.02)[0]
    end_x = np.array([wall.x, wall.x, wall.x + side * 8, wall.x + side * 8])
    canvas.polygon(street.at(end_x, np.array([0, high, high, 0]), z), street.lit(tone * 0.7, 0.2, z))
    wall.box(canvas, z, 0, wide, high, street.lit(tone, shade, z))
    slate = street.at(
        side * street.half + side * np.array([-0.4, -0.4, 1.8, 1.8]),
        np.array([high, high, high + 3.2, high + 3.2]),
        np.array([z, z + wide, z + wide, z]),
    )
    canvas.polygon(slate, street.lit(mood.snowed(SLATE), shade * 0.8, z))
    for y, deep in ((high - 0.35, 0.35), (4.0, 0.28), (7.1, 0.16)):
        wall.box(canvas, z, y, wide, deep, street.lit(np.minimum(tone * 1.12, 1.0), shade + 0.1, z))
        wall.box(canvas, z, y - 0.10, wide, 0.10, street.lit(tone * 0.6, shade * 0.5, z))
    _shutters(canvas, windows, street, wall, z, wide, high, shade)
    _shopfront(canvas, windows, street, wall, side, z, wide, shade, cafe)


def _shutters(
    canvas: Canvas,
    windows: Canvas,
    street: Street,
    wall: Wall,
    z: float,
    wide: float,
    high: float,
    shade: float,
) -> None:
    rng, mood = street.stage.rng, street.stage.mood
    paint = pick(rng, SHUTTER, 1, 0.08, 0.03)[0]
    count = max(2, round(wide / 2.3))
    for floor in np.arange(4.75, high - 2.2, 3.0):
        for k in range(count):
            place = z + (k + 0.5) * wide / count - 0.45
            warm = rng.random() < 0.10 + 0.25 * mood.lamps and mood.lamps > 0.1
            wall.box(canvas, place - 0.12, floor - 0.12, 1.14, 1.95, street.lit(rgb(226, 218, 204), shade, z))
            wall.box(
                canvas,
                place,
                floor,
                0.9,
                1.7,
                LIT_GLASS * rng.uniform(0.75, 1.1) if warm else street.lit(GLASS, 0.55, z),
            )
            if warm:
                wall.box(windows, place, floor, 0.9, 1.7, WARM)
            for bar in ((place + 0.42, floor, 0.06, 1.7), (place, floor + 1.1, 0.9, 0.06)):
                wall.box(canvas, *bar, street.lit(rgb(214, 206, 192), shade, z))
            for edge in (place - 0.66, place + 1.02):
                wall.box(canvas, edge, floor - 0.05, 0.54, 1.8, street.lit(paint, shade, z))
                for slat in range(7):
                    wall.box(
                        canvas,
                        edge + 0.05,
                        floor + 0.05 + 0.25 * slat,
                        0.44,
                        0.06,
                        street.lit(paint * 0.7, shade, z),
                    )
            wall.box(canvas, place - 0.5, floor - 0.45, 1.9, 0.10, street.lit(rgb(52, 50, 52), shade, z))


def _shopfront(
    canvas: Canvas,
    windows: Canvas,
    street: Street,
    wall: Wall,
    side: float,
    z: float,
    wide: float,
    shade: float,
    cafe: bool,
) -> None:
    rng, mood = street.stage.rng, street.stage.mood
    wood = pick(rng, AWNING, 1, 0.10, 0.04)[0]
    wall.box(canvas, z + 0.2, 0.0, wide - 0.4, 3.7, street.lit(wood * 0.55, shade, z))
    panes = max(2, round(wide / 1.7))
    for k in range(panes):
        place = z + 0.4 + k * (wide - 0.8) / panes
        pane = (wide - 0.8) / panes - 0.18
        low = 0.0 if k == panes // 2 else 0.7
        glow = street.lit(GLASS, 0.6, z) * (1 - mood.lamps) + LIT_GLASS * rng.uniform(0.75, 1.05) * mood.lamps
        wall.box(canvas, place, low, pane, 2.6 - low, glow)
        if mood.lamps > 0.1:
            wall.box(windows, place, low, pane, 2.6 - low, WARM)
        for shelf in rng.uniform(0.1, 0.75, 3):
            dark = street.lit(wood * 0.25, 0.3, z) + 0.22 * WARM * mood.lamps
            wall.box(canvas, place + shelf * pane, low, 0.22 * pane, rng.uniform(0.7, 1.7) - low, dark)
        wall.box(canvas, place, 2.05, pane, 0.08, street.lit(wood * 0.6, shade, z))
    wall.box(canvas, z + 0.3, 2.85, wide - 0.6, 0.55, street.lit(wood, shade, z))
    if cafe or rng.random() < 0.5:
        _awning(canvas, street, side, z + 0.3, wide - 0.6, pick(rng, AWNING, 1, 0.08, 0.03)[0], shade)


def _awning(
    canvas: Canvas, street: Street, side: float, z: float, wide: float, cloth: Colour, shade: float
) -> None:
    back, front = side * street.half, side * (street.half - 1.5)
    stripes = max(4, round(wide / 0.45))
    for k in range(stripes):
        a, b = z + wide * k / stripes, z + wide * (k + 1) / stripes
        colour = cloth if k % 2 else rgb(232, 222, 202)
        depths = np.array([a, b, b, a])
        top = street.at(np.array([back, back, front, front]), np.array([3.0, 3.0, 2.35, 2.35]), depths)
        canvas.polygon(top, street.lit(colour, shade + 0.15, a))
        hem = street.at(front, np.array([2.35, 2.35, 2.12, 2.12]), depths)
        canvas.polygon(hem, street.lit(colour * 0.85, shade, a))
