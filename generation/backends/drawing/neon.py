"""A neon street: a canyon of towers hung with signs, over wet ground."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, rgb
from sparkle.generation.backends.drawing.light import Fog, Glow, halo
from sparkle.generation.backends.drawing.motion import Flicker
from sparkle.generation.backends.drawing.noise import as_field, smoothstep
from sparkle.generation.backends.drawing.panes import GLASS, PANES, TOWERS, Panes
from sparkle.generation.backends.drawing.signs import NEON, sign
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.stage import Cutout, Element, Stage
from sparkle.generation.backends.drawing.street import Street, Walkers, ground
from sparkle.generation.backends.drawing.traffic import Traffic
from sparkle.generation.backends.drawing.water import Mirror

FARTHEST = 90.0  # metres: where the towers end in the smog
SIGNS = (52.0, 44.0, 37.0, 31.0, 26.0, 21.5, 18.0, 15.0, 12.5, 10.5, 8.8)  # metres, far to near


def neon_street(stage: Stage) -> list[Element]:
    """A canyon of towers hung with signs, over wet asphalt."""
    stage = _lit_by_signs(stage)
    rng, mood = stage.rng, stage.mood
    x = stage.aspect * float(rng.uniform(0.45, 0.55))
    street = Street(stage, eye=1.8, half=8.0, vanish=(x, float(rng.uniform(0.60, 0.64))), focal=0.95)
    horizon = street.vanish[1]
    canvas, windows = stage.canvas(), Panes(stage)
    for side in (-1.0, 1.0):
        z, plots = 4.0, []
        while z < FARTHEST:
            plots.append((z, float(rng.uniform(7.0, 14.0))))
            z += plots[-1][1]
        for z, wide in plots[::-1]:
            _block(canvas, windows, street, side, z, wide)
    signs = [light for side in (-1.0, 1.0) for z in SIGNS for light in _sign(canvas, street, side, z)]
    scene = canvas.layer()
    _, y = stage.grid()
    road = smoothstep(horizon + 0.004, horizon + 0.02, y) * (np.float32(1.0) - scene[..., 3])
    smog = halo(stage, street.vanish, 0.16, (0.28 * NEON[0] + 0.28 * NEON[3]) * max(0.4, mood.lamps))
    coats = mood.lit(np.stack([rgb(40, 40, 52), rgb(64, 54, 70)]), 0.3, 0.3)
    return [
        Sky(stage, horizon, clouds=1.2),
        Cutout(ground(street, rgb(40, 40, 50), 0.3)),
        Glow(smog, Flicker(rng, depth=0.12, rate=0.4)),
        Cutout(scene),
        *windows.glows(0.8 * max(0.35, mood.lamps)),
        *signs,
        Fog(stage, horizon - 0.02, 0.14, 0.30),
        Mirror(stage, horizon, road, rgb(30, 30, 40), clear=0.50, rough=0.05, glitter=0.0),
        Walkers(street, 6, coats),
        Traffic(street, 10),
    ]


def _lit_by_signs(stage: Stage) -> Stage:
    """The stage with violet haze: the light of signs in wet air."""
    mood = stage.mood
    murk = rgb(64, 40, 92) if mood.night else mood.haze
    haze = as_field(0.55 * murk + 0.45 * mood.haze)
    ambient = mood.ambient * np.float32(1.15 if mood.night else 0.8)
    return replace(stage, mood=replace(mood, haze=haze, ambient=ambient))


def _sign(canvas: Canvas, street: Street, side: float, z: float) -> list[Element]:
    """One sign that hangs out over the street at depth z; higher up where it is far."""
    rng = street.stage.rng
    out, low, high = (float(rng.uniform(*span)) for span in ((0.8, 1.6), (2.6, 3.0 + 0.35 * z), (2.5, 6.0)))
    x = side * (street.half - np.array([0.1, out, out, 0.1]))
    corners = street.at(x, low + np.array([0.0, 0.0, high, high]), z * rng.uniform(0.95, 1.05))
    colour = NEON[rng.integers(0, len(NEON))]
    return sign(street.stage, canvas, corners, colour, fade=float(np.exp(-z / 60.0)))


def _block(canvas: Canvas, windows: Panes, street: Street, side: float, z: float, wide: float) -> None:
    """One tower of the canyon: its face on the street, its end towards the camera, lit panes on both."""
    rng, mood = street.stage.rng, street.stage.mood
    wall, high = street.wall(side), float(rng.uniform(16.0, 46.0))
    albedo = TOWERS[rng.integers(0, len(TOWERS))] * 0.7
    ends = np.array([wall.x, wall.x, wall.x + side * 14, wall.x + side * 14])
    end = street.at(ends, np.array([0, high, high, 0.0]), z)
    canvas.polygon(end, street.lit(albedo * 0.8, 0.2, z))
    wall.box(canvas, z, 0.0, wide, high, street.lit(albedo, 0.35, z))
    for y in np.arange(4.0, high, 3.4):
        wall.box(canvas, z, y, wide, 0.35, street.lit(albedo * 0.6, 0.2, z))
    floors, bays = int(high / 3.4), max(2, int(wide / 1.8))
    bay, floor = (part.ravel() for part in np.meshgrid(np.arange(bays), np.arange(1, floors)))
    a, b = z + wide * (bay + 0.15) / bays, z + wide * (bay + 0.82) / bays
    low, top = 3.4 * floor + 1.1, 3.4 * floor + 3.0
    quads = wall(np.stack([np.stack(p, -1) for p in ((a, low), (b, low), (b, top), (a, top))], 1))
    canvas.convex(quads, street.stage.mood.lit(np.tile(GLASS * 0.4, (len(a), 1)), 0.3, street.haze(a)))
    lit = rng.random(len(a)) < 0.16 + 0.2 * mood.lamps
    for canvas_part in (end, wall(np.array([[z, 0], [z + wide, 0], [z + wide, high], [z, high]]))):
        for group in windows._canvases:
            group.polygon(canvas_part, np.zeros(3))
    tint = PANES[rng.integers(0, len(PANES), int(lit.sum()))] * rng.uniform(0.3, 0.9, (int(lit.sum()), 1))
    windows.light(quads[lit], tint * np.exp(-z / 70.0))
    shop = wall(np.array([[[z + 0.5, 0.3], [z + wide - 0.5, 0.3], [z + wide - 0.5, 3.0], [z + 0.5, 3.0]]]))
    hue = NEON[rng.integers(0, len(NEON))]
    windows.light(
        shop, (0.30 * (0.5 * hue + 0.5 * PANES[2]) * np.exp(-z / 60.0) * max(0.4, mood.lamps))[None]
    )
