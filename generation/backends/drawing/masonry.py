"""Stone: walls of blocks, columns and arches, whole or broken.

Blocks are quadrilaterals with their own tint over a dark bed of mortar; lit by the mood, or drawn in plain
albedo when a family lights its walls itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Points, pick, rgb
from sparkle.generation.backends.drawing.stage import Stage

LIMESTONE = np.stack([rgb(186, 174, 150), rgb(164, 152, 130), rgb(204, 194, 170), rgb(150, 142, 128)])
FIELDSTONE = np.stack([rgb(136, 124, 110), rgb(112, 102, 94), rgb(156, 142, 122), rgb(98, 92, 88)])

Lighting = Callable[[Colour, Points], Colour]
Projection = Callable[[Points], Points]


def block_wall(
    canvas: Canvas,
    rng: np.random.Generator,
    left: float,
    right: float,
    top: Points | float,
    bottom: float,
    course: float,
    palette: Colour,
    light: Lighting,
    project: Projection | None = None,
) -> None:
    """A wall of blocks between two verticals.

    Args:
        canvas: Where to draw it.
        rng: Joints and tints.
        left: Its left edge.
        right: Its right edge.
        top: Its upper edge: one height, or (n,) heights spread from left to right (a broken wall).
        bottom: Its lower edge.
        course: Height of a row of blocks.
        palette: (k, 3) albedos.
        light: Makes (n, 3) seen colours of albedos at (n, 2) places of the wall.
        project: Takes (..., 2) places of the wall to the canvas; the wall is upright on it when left out.
    """
    if project is None:
        project = np.asarray
    box = _blocks(rng, left, right, np.atleast_1d(np.asarray(top, float)), bottom, course)
    if not len(box):
        return
    middle = np.stack([(box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2], -1)
    corners = np.stack([box[:, [0, 1]], box[:, [2, 1]], box[:, [2, 3]], box[:, [0, 3]]], 1)
    mortar = np.tile(palette.mean(axis=0) * 0.50, (len(box), 1))
    canvas.convex(project(corners), light(mortar, middle))
    shrink = 1.0 - rng.uniform(0.04, 0.11, (len(box), 4, 1))
    wobble = course * 0.035 * rng.standard_normal((len(box), 4, 2))
    inner = middle[:, None] + (corners - middle[:, None]) * shrink + wobble
    tint = pick(rng, palette, len(box), 0.08, 0.015)
    canvas.convex(project(inner), light(tint, middle))
    upper = inner.copy()
    upper[:, 2:] = inner[:, [1, 0]] + 0.22 * (inner[:, 2:] - inner[:, [1, 0]])
    canvas.convex(project(upper), light(np.minimum(1.16 * tint, 1.0), middle))


def _blocks(
    rng: np.random.Generator, left: float, right: float, edge: Points, bottom: float, course: float
) -> Points:
    """The blocks of a wall as (n, 4) left, top, right, bottom; joints do not line up."""
    spots = np.linspace(left, right, len(edge))
    blocks = []
    for row, base in enumerate(np.arange(bottom, float(edge.min()), -course)):
        x = left - course * (0.3 + 0.9 * (row % 2)) * rng.uniform(0.6, 1.0)
        while x < right:
            wide = course * rng.uniform(1.1, 2.3)
            a, b = max(x, left), min(x + wide, right)
            if b - a > 0.15 * course and base - 0.5 * course >= np.interp(0.5 * (a + b), spots, edge):
                blocks.append((a, base - course, b, base))
            x += wide
    return np.array(blocks).reshape(-1, 4)


def sunlit(stage: Stage, shade: float, distance: float) -> Lighting:
    """Lighting by the mood: an even share of the key light, a little uneven from block to block."""

    def light(albedo: Colour, places: Points) -> Colour:
        uneven = np.clip(shade + 0.10 * np.sin(37.0 * places[:, 0] + 61.0 * places[:, 1]), 0.0, 1.2)
        return stage.mood.lit(albedo, uneven, np.full(len(albedo), distance))

    return light


def column(
    canvas: Canvas,
    stage: Stage,
    x: float,
    base: float,
    height: float,
    distance: float,
    *,
    capital: bool,
    girth: float,
) -> None:
    """A fluted column of drums, `girth` its radius; without its capital it is broken off."""
    mood, rng = stage.mood, stage.rng
    stone = LIMESTONE[rng.integers(0, len(LIMESTONE))]
    top = base - height
    slant = 0.0 if capital else float(rng.uniform(-1.2, 1.2))
    for k, share in enumerate(np.linspace(-1.0, 1.0, 15)[:-1]):
        middle = share + 1 / 14
        shade = np.clip(0.45 + 0.55 * middle * mood.side, 0.03, 1.0)
        a, b = x + girth * share, x + girth * (share + 1 / 7)
        ragged = 0.0 if capital else girth * (0.35 * rng.random() + 0.5 * slant * (middle + 1))
        tone = stone * (0.84 if k % 2 else 1.0)
        for y in np.linspace(top + max(0.0, ragged), base, 5)[:-1]:
            drop = (base - top - max(0.0, ragged)) / 4
            stain = 1.0 + 0.05 * rng.standard_normal()
            canvas.box(
                a, y, b + 0.0006, y + drop + 0.0006, mood.lit(np.clip(tone * stain, 0, 1), shade, distance)
            )
    for y in np.arange(base - 3.4 * girth, top + 1.2 * girth, -3.4 * girth):
        canvas.box(x - girth, y, x + girth, y + 0.10 * girth, mood.lit(stone * 0.7, 0.25, distance))
    canvas.box(x - 1.35 * girth, base - 0.55 * girth, x + 1.35 * girth, base, mood.lit(stone, 0.5, distance))
    if capital:
        canvas.box(
            x - 1.25 * girth, top, x + 1.25 * girth, top + 0.45 * girth, mood.lit(stone, 0.4, distance)
        )
        canvas.box(x - 1.5 * girth, top - 0.45 * girth, x + 1.5 * girth, top, mood.lit(stone, 0.75, distance))


def arch(
    canvas: Canvas, stage: Stage, x: float, base: float, width: float, height: float, distance: float
) -> None:
    """A free-standing stone arch with a broken crown of masonry; one can see through it."""
    rng = stage.rng
    light = sunlit(stage, 0.55, distance)
    pier = 0.20 * width
    course = 0.055 * height
    spring = base - 0.58 * height
    for a, b in ((x - width / 2, x - width / 2 + pier), (x + width / 2 - pier, x + width / 2)):
        block_wall(canvas, rng, a, b, spring, base, course, LIMESTONE, light)
    inner, outer = width / 2 - pier, width / 2
    turn = np.linspace(np.pi, 0.0, 15)
    int(rng.integers(6, 10)) if rng.random() < 0.4 else len(turn)
    for a, b in itertools.pairwise(turn):
        wedge = np.array(
            [
                [x + r * np.cos(q), spring - r * np.sin(q) * 1.05]
                for r, q in ((inner, a), (outer, a), (outer, b), (inner, b))
            ]
        )
        middle = wedge.mean(axis=0)
        canvas.polygon(wedge, light(0.5 * LIMESTONE[:1], middle[None])[0])
        canvas.polygon(
            middle + 0.92 * (wedge - middle), light(pick(rng, LIMESTONE, 1, 0.06, 0.012), middle[None])[0]
        )
