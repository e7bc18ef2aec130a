"""A street that runs to its vanishing point, with its signs and lamps."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Points
from sparkle.generation.backends.drawing.house import House, HouseKind
from sparkle.generation.backends.drawing.noise import as_field, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.stage import (
    Draw,
    Stage,
    Still,
    glowing,
    ink,
    layer_of,
    together,
    window_light,
)

KERB = 0.72  # of half the street's width: where the pavement begins, and lamps stand


def street(
    stage: Stage,
    *,
    kind: HouseKind = "brick",
    y: float = 0.52,
    half: float = 0.62,
    eye: float = 0.3,
    tall: float = 1.4,
    lit: float = 0.3,
    snow: float = 0.0,
    middle: float = 0.5,
    signs: int = 0,
    lamps: int = 0,
    blink: float = 0.4,
    depth: float = 8.0,
    pavement: str = "",
) -> Draw:
    """Two rows of houses that face a street, each drawn in perspective.

    Args:
        stage: The stage; draws from its random stream.
        kind: Of the houses, whose doors are about 0.4 high.
        y: Horizon of the street.
        half: Half its width at the bottom of the frame, in frame heights.
        eye: Height of the eye at the nearest house, in frame heights.
        tall: How high the houses are, in frame heights at the nearest one.
        lit: Share of lit windows.
        snow: Whether snow lies on them.
        middle: Where the street vanishes, as a share of the width.
        signs: Neon signs on each side.
        lamps: Street lamps on each side.
        blink: How far lit windows and signs waver.
        depth: How far away the last house stands.
        pavement: Albedo of the pavements along it, where it has any.
    """
    rng = stage.rng
    cx = middle * stage.aspect
    draws: list[Draw] = []
    canvas, windows = stage.canvas(), stage.canvas()
    for side in (-1.0, 1.0):

        def lens(points: Points, out: Points, side: float = side) -> Points:
            z = np.maximum(points[..., 0], 0.3)
            return np.stack([cx + side * (half - out) / z, y + (eye + points[..., 1]) / z], -1)

        wall, lights = canvas.through(lens), windows.through(lens)
        if pavement:
            wide, stone = (1 - KERB) * half, stage.light.lit(ink(pavement), 0.6)
            for x in np.arange(0.3, depth, 0.3)[::-1]:
                slab = np.array([(x, 0, 0), (x, 0, wide), (x + 0.3, 0, wide), (x + 0.3, 0, 0)])
                wall.polygon(slab, stone * rng.uniform(0.88, 1.05))
            for level, tone in ((wide, 0.5), (wide - 0.035, 1.15)):
                kerb = [(0.3, 0, level), (0.3, 0, level - 0.03), (depth, 0, level - 0.03), (depth, 0, level)]
                wall.polygon(np.array(kerb), stone * tone)
        ends = [0.45 + 0.3 * rng.random()]
        while ends[-1] < depth:
            ends.append(ends[-1] + rng.uniform(0.75, 1.15))
        for near, last in list(itertools.pairwise(ends))[::-1]:
            middle_of = 0.5 * (near + last)
            House(
                wall.at(middle_of, 0.0, 1.0),
                lights.at(middle_of, 0.0, 1.0),
                stage,
                kind,
                last - near,
                tall * rng.uniform(0.78, 1.0),
                0.0,
                lit,
                snow,
            ).draw()
    picture, glow = canvas.layer(), windows.layer()
    x_grid, y_grid = stage.grid()
    z = half / np.maximum(np.abs(x_grid - cx), 0.02)
    alpha = picture[..., 3]
    albedo = picture[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    up = eye - (y_grid - y) * z
    stains = sample(fractal(rng, 256, 256, cells=12, slope=1.3), 90 * z, 90 * up)
    faces = np.where((x_grid > cx) == (stage.light.side > 0), 0.72, 1.0)
    faces = faces * (1 + 0.05 * stains) * (0.8 + 0.2 * smoothstep(0.0, 0.25, np.abs(up)))
    shine = sum(
        np.exp(-(((z - near) / 0.5) ** 2) - ((up - 0.6) / 0.55) ** 2) for near in _lamps_at(lamps)
    ) * (0.5 if stage.light.night else 0.25)
    walls = albedo * (faces[..., None] + np.asarray(shine)[..., None] * ink("#ffd8a0") * 1.6)
    draws.append(Still(layer_of(stage.light.hazed(walls, 0.28 * (z - 0.5)), alpha)))
    bright = as_field(glow[..., :3] * np.exp(-0.1 * z)[..., None])
    draws.append(window_light(stage, bright, blink, 0.9))
    for k in range(signs):
        draws.append(_sign(stage, (cx, y, half, eye), k, blink, tall))
    if lamps:
        draws.append(_lamps(stage, (cx, y, half, eye), lamps))
    return together(*draws)


def _lamps_at(count: int) -> list[float]:
    """How far away the lamps of a street stand, the nearest last."""
    return [1.15 * 1.55**k for k in range(count)][::-1]


NEON = ("#ff2e88", "#2ee6ff", "#ffd23a", "#8a5aff", "#4aff9a", "#ff5a3a")


def _sign(stage: Stage, view: tuple[float, float, float, float], k: int, blink: float, tall: float) -> Draw:
    """One neon sign per side that juts into the street: a frame and strokes like writing, which stutter."""
    rng, (cx, y, half, eye) = stage.rng, view
    canvas, side = stage.canvas(), (-1.0, 1.0)[k % 2]
    z = 0.75 + 0.45 * (k // 2) + 0.2 * rng.random()
    scale, x = 1.0 / z, cx + side * half / z * rng.uniform(0.84, 0.95)
    foot, hue = y + (eye - rng.uniform(0.55, 0.62 * tall)) / z, ink(NEON[rng.integers(0, len(NEON))])
    w, long = 0.055, rng.uniform(0.16, 0.30)
    c = canvas.at(x, foot, scale)
    c.box(-w, -long, w, 0.0, 0.14 * hue)
    ring = np.array([(-w, -long), (w, -long), (w, 0.0), (-w, 0.0), (-w, -long)])
    for a, b in itertools.pairwise(ring):
        c.stroke(np.stack([a, b]), 0.008, hue)
    other = ink(NEON[rng.integers(0, len(NEON))])
    for n in range(int(long / 0.05)):
        top = -long + 0.02 + 0.05 * n
        for _ in range(3):
            ends = np.stack([rng.uniform(-0.6 * w, 0.6 * w, 2), top + rng.uniform(0, 0.032, 2)], -1)
            c.stroke(ends, 0.007, other)
    layer = canvas.layer()
    shine = cv2.GaussianBlur(layer[..., :3], (0, 0), 0.016 * stage.height) * 1.1
    wide = cv2.GaussianBlur(layer[..., :3], (0, 0), 0.06 * stage.height) * 1.0
    return glowing(
        stage, as_field(1.1 * layer[..., :3] + shine + wide), depth=1.1 * blink, rate=rng.uniform(0.7, 2.4)
    )


def _lamps(stage: Stage, view: tuple[float, float, float, float], count: int) -> Draw:
    """Street lamps on both kerbs, their wavering light and its pools on the ground."""
    (cx, y, half, eye), canvas = view, stage.canvas()
    light, spots = stage.light, []
    for z in _lamps_at(count):
        for side in (-1.0, 1.0):
            x, foot, s = cx + side * KERB * half / z, y + eye / z, 1.0 / z
            c, iron = canvas.at(float(x), float(foot), float(s)), light.lit(ink("#24262a"), 0.4, 0.3 * z)
            c.stroke(np.array([[0, 0], [0, -0.1], [0, -0.74]]), np.array([0.034, 0.016, 0.012]), iron)
            c.stroke(np.array([[-0.05, -0.7], [0.05, -0.7]]), 0.009, iron)
            c.polygon(
                np.array([(-0.036, -0.84), (0.036, -0.84), (0.022, -0.74), (-0.022, -0.74)]), ink("#ffe6b4")
            )
            c.stroke(np.array([[0, -0.84], [0, -0.74]]), 0.006, iron)
            c.polygon(
                np.array([(-0.042, -0.84), (-0.012, -0.875), (0.0, -0.9), (0.012, -0.875), (0.042, -0.84)]),
                iron,
            )
            spots.append((x, foot, s))
    x_grid, y_grid = stage.grid()
    draws: list[Draw] = [Still(canvas.layer())]
    for group in (spots[::3], spots[1::3], spots[2::3]):
        picture = np.zeros_like(x_grid)
        for x, foot, s in group:
            picture += np.exp(-np.hypot(x_grid - x, y_grid - foot + 0.79 * s) / (0.08 * s)) * 0.85
            picture += 0.22 * np.exp(-((np.hypot(x_grid - x, 3.2 * (y_grid - foot)) / (0.34 * s)) ** 2))
        draws.append(glowing(stage, as_field(picture[..., None] * ink("#ffb860")), depth=0.35, rate=1.7))
    return together(*draws)
