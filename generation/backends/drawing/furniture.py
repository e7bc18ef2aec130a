"""Things in a room, drawn on a plane of it: shelves of books, windows, curtains, lamps, pictures, seats.

- A plane is a function from (..., 2) places in metres to the canvas: the back wall, a side wall, or a place
  in the room facing the camera.
- Everything is drawn in albedo times one dim, even light; `interior` then throws the window's and the
  lamps' light on it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Points, pick, rgb

Plane = Callable[[Points], Points]

WOOD = rgb(112, 72, 44)
BOOKS = np.stack(
    [
        rgb(126, 44, 38),
        rgb(52, 72, 60),
        rgb(46, 58, 88),
        rgb(142, 104, 60),
        rgb(84, 54, 42),
        rgb(160, 140, 104),
        rgb(94, 40, 58),
        rgb(64, 62, 66),
    ]
)
GILT = rgb(206, 170, 92)
BRASS = rgb(176, 132, 62)


def rect(canvas: Canvas, plane: Plane, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
    """A rectangle on a plane: lower left corner and size in metres."""
    canvas.polygon(plane(np.array([[x, y], [x + wide, y], [x + wide, y + high], [x, y + high]])), colour)


def bookcase(
    canvas: Canvas, rng: np.random.Generator, plane: Plane, x: float, wide: float, high: float, light: float
) -> None:
    """A case from the floor to `high`, full of books."""
    wood = WOOD * light
    rect(canvas, plane, x, 0.0, wide, high, 0.35 * wood)
    shelf, bay = 0.36, wide / max(1, round(wide / 0.95))
    boxes, tints = [], []
    for base in np.arange(0.12, high - 0.3, shelf):
        place = x + 0.04
        while place < x + wide - 0.06:
            if rng.random() < 0.04:
                place += rng.uniform(0.05, 0.2)
            thick = rng.uniform(0.028, 0.062)
            tall = shelf * rng.uniform(0.58, 0.86)
            tint = pick(rng, BOOKS, 1, 0.16, 0.05)[0] * light
            boxes.append((place, base, min(thick, x + wide - 0.05 - place) * 0.9, tall))
            tints.append(tint)
            if rng.random() < 0.55:
                boxes.append((place, base + tall * rng.uniform(0.68, 0.82), thick * 0.9, 0.018))
                tints.append(GILT * light * 0.8)
            boxes.append((place, base, thick * 0.22, tall))
            tints.append(tint * 1.25)
            place += thick
    a, b, w, h = np.array(boxes).T
    quads = np.stack([np.stack(p, -1) for p in ((a, b), (a + w, b), (a + w, b + h), (a, b + h))], 1)
    canvas.convex(plane(quads), np.array(tints))
    for base in np.arange(0.06, high, shelf):
        rect(canvas, plane, x, base, wide, 0.055, 0.95 * wood)
        rect(canvas, plane, x, base + 0.045, wide, 0.012, 1.35 * wood)
    for post in np.arange(x, x + wide + 0.01, bay):
        rect(canvas, plane, post - 0.035, 0.0, 0.07, high, 0.85 * wood)
        rect(canvas, plane, post - 0.035, 0.0, 0.016, high, 1.25 * wood)
    rect(canvas, plane, x - 0.05, high - 0.02, wide + 0.1, 0.14, 1.05 * wood)


def window(
    canvas: Canvas,
    plane: Plane,
    x: float,
    y: float,
    wide: float,
    high: float,
    frame: Colour,
    bars: tuple[int, int],
) -> None:
    """An opening one can look through, with a frame and glazing bars."""
    rect(canvas, plane, x - 0.10, y - 0.10, wide + 0.2, high + 0.2, frame)
    rect(canvas, plane, x - 0.18, y - 0.18, wide + 0.36, 0.10, 1.15 * frame)
    canvas.cut(plane(np.array([[x, y], [x + wide, y], [x + wide, y + high], [x, y + high]])))
    for k in range(1, bars[0]):
        rect(canvas, plane, x + wide * k / bars[0] - 0.02, y, 0.04, high, frame)
    for k in range(1, bars[1]):
        rect(canvas, plane, x, y + high * k / bars[1] - 0.02, wide, 0.04, frame)


def curtain(
    canvas: Canvas,
    rng: np.random.Generator,
    plane: Plane,
    x: float,
    top: float,
    wide: float,
    drop: float,
    cloth: Colour,
    lit: Colour,
) -> None:
    """One hanging curtain, in folds; `lit` is added on the folds that catch the window's light."""
    folds = max(5, round(wide / 0.045))
    edges = np.linspace(0.0, 1.0, folds + 1)
    beat = rng.uniform(0, 6)
    s = np.linspace(0.0, 1.0, 14)
    for k in range(folds):
        flare = 1.0 + 0.10 * s + 0.025 * np.sin(5.0 * s + beat)
        left, right = (x + wide * (0.5 + (e - 0.5) * flare) for e in (edges[k], edges[k + 1]))
        y = top - drop * s
        line = np.concatenate([np.stack([left, y], -1), np.stack([right, y], -1)[::-1]])
        wave = 0.5 + 0.5 * np.sin(2 * np.pi * 3.5 * edges[k] + beat) * np.cos(
            2 * np.pi * 1.3 * edges[k] + beat
        )
        canvas.polygon(plane(line), cloth * (0.62 + 0.55 * wave) + lit * wave**2)
    rect(canvas, plane, x - 0.05, top, wide + 0.1, 0.06, 0.8 * cloth)


def picture(
    canvas: Canvas,
    rng: np.random.Generator,
    plane: Plane,
    x: float,
    y: float,
    wide: float,
    high: float,
    light: float,
) -> None:
    """A framed landscape, roughly."""
    rect(canvas, plane, x - 0.07, y - 0.07, wide + 0.14, high + 0.14, BRASS * 0.7 * light)
    rect(canvas, plane, x - 0.04, y - 0.04, wide + 0.08, high + 0.08, BRASS * light)
    sky, land = (
        pick(rng, np.stack([rgb(150, 170, 186), rgb(190, 170, 140), rgb(120, 140, 150)]), 1)[0],
        pick(rng, np.stack([rgb(86, 96, 62), rgb(112, 84, 58), rgb(70, 88, 92)]), 1)[0],
    )
    rect(canvas, plane, x, y, wide, high, sky * light)
    for k in range(3):
        s = np.linspace(0.0, 1.0, 12)
        ridge = (
            y + high * (0.55 - 0.15 * k) + 0.10 * high * np.sin(4.0 * s + rng.uniform(0, 6)) * (1 - 0.2 * k)
        )
        line = np.concatenate([np.stack([x + wide * s, ridge], -1), [[x + wide, y], [x, y]]])
        canvas.polygon(plane(line), land * (1.15 - 0.25 * k) * light)


def desk_lamp(
    canvas: Canvas, plane: Plane, x: float, y: float, size: float, on: float
) -> tuple[Points, Points]:
    """A banker's lamp on (x, y); gives the canvas places of its bulb and of the top of its shade."""
    brass, here = BRASS * 0.75, np.array([x, y])
    foot = np.array([[x - 0.28, y], [x + 0.28, y], [x + 0.22, y + 0.07], [x - 0.22, y + 0.07]])
    stem = np.array([[x - 0.03, y], [x + 0.03, y], [x + 0.025, y + 0.78], [x - 0.025, y + 0.78]])
    shade = here + np.array(
        [[-0.52, 0.66], [0.52, 0.66], [0.44, 0.9], [0.3, 0.99], [-0.3, 0.99], [-0.44, 0.9]]
    )
    rim = here + np.array([[-0.5, 0.62], [0.5, 0.62], [0.52, 0.68], [-0.52, 0.68]])
    glow = rgb(74, 172, 84) * (0.35 + 0.75 * on)

    def put(points: Points, colour: Colour) -> None:
        canvas.polygon(plane(here + (points - here) * size), colour)

    put(foot, brass * 0.8)
    put(stem, brass)
    put(
        np.array([[x - 0.015, y + 0.07], [x + 0.0, y + 0.07], [x + 0.0, y + 0.7], [x - 0.015, y + 0.7]]),
        brass * 1.6,
    )
    put(shade, glow * 0.75)
    put(here + (shade - here) * (0.72, 1.0) - (0.04, 0.0), glow)
    put(here + (shade - here) * (0.30, 1.0) - (0.10, 0.0), np.minimum(glow * 1.35 + 0.05, 1))
    put(rim, np.minimum(rgb(255, 226, 160) * (0.4 + 0.7 * on), 1.0))
    bulb = plane(np.array([[x, y + 0.60 * size]]))[0]
    return bulb, plane(np.array([[x, y + 0.95 * size]]))[0]


def pendant(canvas: Canvas, plane: Plane, x: float, ceiling: float, drop: float, on: float) -> Points:
    """A hanging lamp with a metal shade; gives the canvas place of its bulb."""
    y = ceiling - drop
    rect(canvas, plane, x - 0.012, y, 0.024, drop, rgb(30, 28, 28))
    shade = np.array([[x - 0.22, y - 0.16], [x + 0.22, y - 0.16], [x + 0.07, y + 0.06], [x - 0.07, y + 0.06]])
    canvas.polygon(plane(shade), rgb(52, 48, 46) * (0.5 + 0.3 * on))
    rim = np.array([[x - 0.21, y - 0.19], [x + 0.21, y - 0.19], [x + 0.22, y - 0.155], [x - 0.22, y - 0.155]])
    canvas.polygon(plane(rim), np.minimum(rgb(255, 222, 150) * (0.35 + 0.75 * on), 1.0))
    return np.asarray(plane(np.array([[x, y - 0.20]]))[0])


def potted(
    canvas: Canvas, rng: np.random.Generator, plane: Plane, x: float, y: float, size: float, light: float
) -> None:
    """A plant with long leaves in a clay pot."""
    pot = np.array(
        [
            [x - 0.16 * size, y],
            [x + 0.16 * size, y],
            [x + 0.21 * size, y + 0.34 * size],
            [x - 0.21 * size, y + 0.34 * size],
        ]
    )
    canvas.polygon(plane(pot), rgb(152, 88, 62) * light)
    rect(canvas, plane, x - 0.23 * size, y + 0.30 * size, 0.46 * size, 0.07 * size, rgb(172, 102, 72) * light)
    count = 26
    angle = rng.normal(0, 0.75, count)
    length = size * rng.uniform(0.5, 1.0, count)
    roots = np.tile([x, y + 0.34 * size], (count, 1)) + rng.normal(0, 0.03 * size, (count, 2)) * [1, 0]
    tips = roots + length[:, None] * np.stack([np.sin(angle), np.cos(angle)], -1)
    a, b = plane(roots), plane(tips)
    unit = float(np.abs(plane(np.array([[x, y + size]]))[0] - plane(np.array([[x, y]]))[0]).max())
    tone = (
        pick(rng, np.stack([rgb(64, 112, 56), rgb(48, 92, 52), rgb(92, 136, 66)]), count, 0.14, 0.05) * light
    )
    canvas.blades(a, b, 0.10 * unit * np.sign(angle), 0.075 * unit, np.clip(tone, 0, 1))


def armchair(canvas: Canvas, plane: Plane, x: float, wide: float, cloth: Colour) -> None:
    """A stuffed chair or, when wide, a sofa, standing on the floor and seen from the front."""

    def block(a: float, y: float, w: float, h: float, tone: float) -> None:
        rect(canvas, plane, a, y, w, h, np.clip(cloth * tone, 0, 1))

    block(x, 0.35, wide, 0.72, 0.8)
    seats = max(1, round(wide / 0.8))
    for k in range(seats):
        part = (wide - 0.36) / seats
        block(x + 0.18 + k * part + 0.015, 0.48, part - 0.03, 0.52, 0.95)
        block(x + 0.18 + k * part + 0.015, 0.94, part - 0.03, 0.06, 1.2)
        block(x + 0.18 + k * part + 0.01, 0.30, part - 0.02, 0.20, 1.1)
        block(x + 0.18 + k * part + 0.01, 0.46, part - 0.02, 0.045, 1.3)
    for a in (x - 0.05, x + wide - 0.17):
        block(a, 0.12, 0.22, 0.62, 0.88)
        block(a, 0.70, 0.22, 0.06, 1.25)
    block(x, 0.10, wide, 0.20, 0.65)
