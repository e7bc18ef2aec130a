"""A street that runs to its vanishing point, with its signs and lamps."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from sparkle.generation.backends.drawing.buildings import HouseKind, house
from sparkle.generation.backends.drawing.canvas import Canvas
from sparkle.generation.backends.drawing.noise import as_field
from sparkle.generation.backends.drawing.stage import (
    Draw,
    Stage,
    Still,
    glowing,
    ink,
    layer_of,
    together,
)


def street(
    stage: Stage,
    *,
    kind: HouseKind = "brick",
    y: float = 0.52,
    half: float = 0.62,
    eye: float = 0.42,
    tall: float = 1.45,
    lit: float = 0.3,
    snow: float = 0.0,
    middle: float = 0.5,
    signs: int = 0,
    lamps: int = 0,
    blink: float = 0.4,
    depth: float = 6.0,
) -> Draw:
    """Two rows of houses that face a street, drawn flat and then seen in perspective.

    Args:
        stage: The stage; draws from its random stream.
        kind: Of the houses.
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
    """
    rng, h = stage.rng, stage.height
    cx = middle * stage.aspect
    draws: list[Draw] = []
    flat_h, flat_w = round(0.9 * h), round(2.6 * h)
    picture, glow = np.zeros((h, stage.width, 4), np.float32), np.zeros((h, stage.width, 4), np.float32)
    for side in (-1.0, 1.0):
        canvas, windows = Canvas(flat_h, flat_w), Canvas(flat_h, flat_w)
        x = 0.0
        while x < flat_w / flat_h:
            wide = rng.uniform(0.26, 0.36)
            scale = 0.66 * rng.uniform(0.85, 1.1)
            house(
                canvas.at(x + wide / 2, 1.0, scale),
                windows.at(x + wide / 2, 1.0, scale),
                stage,
                kind,
                wide / scale,
                1.05,
                0.0,
                lit,
                snow,
            )
            x += wide
        near, last = 1.0, depth

        def project(z: float, up: float, side: float = side) -> tuple[float, float]:
            return (cx + side * half / z) * h, (y + (eye - up) / z) * h

        source = np.array([[0, flat_h], [flat_w, flat_h], [flat_w, 0], [0, 0]], np.float32)
        target = np.array(
            [project(near * 0.55, 0.0), project(last, 0.0), project(last, tall), project(near * 0.55, tall)],
            np.float32,
        )
        warp = cv2.getPerspectiveTransform(source, target)
        for made, into in ((canvas, picture), (windows, glow)):
            wall = cv2.warpPerspective(made.layer(), warp, (stage.width, h), flags=cv2.INTER_AREA)
            wall = as_field(np.nan_to_num(wall))  # a pixel at the wall's line of infinity is not a number
            into *= np.float32(1.0) - wall[..., 3:] if into is picture else np.float32(1.0)
            into += wall
    x_grid, _ = stage.grid()
    z = half / np.maximum(np.abs(x_grid - cx), 0.02)
    alpha = np.clip(picture[..., 3], 0, 1)
    albedo = picture[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    faces = np.where((x_grid > cx) == (stage.light.side > 0), 0.72, 1.0)
    draws.append(
        Still(layer_of(stage.light.hazed(albedo * faces[..., None], 0.28 * (z - 0.5)), as_field(alpha)))
    )
    bright = glow[..., :3] * np.exp(-0.1 * z)[..., None]
    spread = cv2.GaussianBlur(as_field(bright), (0, 0), 0.014 * h)
    draws.append(glowing(stage, as_field(0.62 * bright + 0.45 * spread), depth=blink, rate=0.9))
    for k in range(signs):
        draws.append(_sign(stage, (cx, y, half, eye), k, blink, tall))
    if lamps:
        draws.append(_lamps(stage, (cx, y, half, eye), lamps))
    return together(*draws)


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
    """Street lamps on both kerbs and their wavering light."""
    (cx, y, half, eye), canvas = view, stage.canvas()
    light, spots = stage.light, []
    for z in np.linspace(3.4, 0.85, count):
        for side in (-1.0, 1.0):
            x, foot, s = cx + side * 0.72 * half / z, y + eye / z, 1.0 / z
            c = canvas.at(float(x), float(foot), float(s))
            c.stroke(np.array([[0, 0], [0, -0.62]]), 0.018, light.lit(ink("#24262a"), 0.4, 0.3 * z))
            c.polygon(
                np.array([(-0.05, -0.74), (0.05, -0.74), (0.035, -0.62), (-0.035, -0.62)]), ink("#ffe0a0")
            )
            c.polygon(
                np.array([(-0.06, -0.74), (0.0, -0.80), (0.06, -0.74)]),
                light.lit(ink("#24262a"), 0.4, 0.3 * z),
            )
            spots.append((x, foot - 0.68 * s, s))
    x_grid, y_grid = stage.grid()
    draws: list[Draw] = [Still(canvas.layer())]
    for group in (spots[::3], spots[1::3], spots[2::3]):
        picture = sum(np.exp(-np.hypot(x_grid - x, y_grid - top) / (0.10 * s)) * 0.75 for x, top, s in group)
        draws.append(
            glowing(stage, as_field(np.asarray(picture)[..., None] * ink("#ffb860")), depth=0.35, rate=1.7)
        )
    return together(*draws)
