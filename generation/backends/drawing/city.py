"""Cities: a skyline over water or from a rooftop; the neon street has a file of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Image, rgb
from sparkle.generation.backends.drawing.light import Fog, Glow, halo
from sparkle.generation.backends.drawing.motion import Flicker
from sparkle.generation.backends.drawing.neon import neon_street
from sparkle.generation.backends.drawing.noise import smoothstep
from sparkle.generation.backends.drawing.panes import GLASS, PANES, TOWERS, Panes
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.stage import Cutout, Element, Stage
from sparkle.generation.backends.drawing.water import Mirror

RIVER = rgb(28, 44, 60)


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    kinds: dict[str, Callable[[Stage], list[Element]]] = {"skyline": _skyline, "neon": neon_street}
    return kinds[stage.spec.kind](stage)


def _skyline(stage: Stage) -> list[Element]:
    rng, mood, spec = stage.rng, stage.mood, stage.spec
    water = spec.has("water") or not spec.has("railing")
    horizon = float(rng.uniform(0.66, 0.72)) if water else float(rng.uniform(0.78, 0.82))
    canvas, windows = stage.canvas(), Panes(stage)
    peak = float(rng.uniform(0.3, 0.7)) * stage.aspect
    for k, (wide, tall, distance) in enumerate(((0.050, 0.30, 2.0), (0.065, 0.40, 1.2), (0.085, 0.46, 0.55))):
        x = -0.05
        while x < stage.aspect + 0.05:
            width = wide * float(rng.uniform(0.6, 1.5))
            near_peak = np.exp(-(((x - peak) / (0.45 * stage.aspect)) ** 2))
            calm = 1.0 - (0.0, 0.25, 0.55)[k] * np.exp(-(((x / stage.aspect - 0.5) / 0.16) ** 2))
            height = tall * float(rng.uniform(0.35, 1.0)) * (0.45 + 0.75 * near_peak) * calm
            _tower(canvas, windows, stage, x, width, horizon, height, distance)
            x += width * float(rng.uniform(0.85, 1.25))
    scene = canvas.layer()
    elements: list[Element] = [Sky(stage, horizon), Cutout(scene), *windows.glows(0.95 * mood.lamps)]
    elements += _beacons(stage, scene)
    elements.append(Fog(stage, horizon - 0.02, 0.07, 0.35 if spec.has("fog") else 0.22))
    if water:
        _, y = stage.grid()
        mask = smoothstep(horizon - 0.001, horizon + 0.003, y)
        elements.append(Mirror(stage, horizon, mask, RIVER, clear=0.62, rough=0.055, glitter=0.35))
    else:
        elements += _rooftop(stage, horizon)
    return elements


def _tower(
    canvas: Canvas,
    windows: Panes,
    stage: Stage,
    x: float,
    width: float,
    base: float,
    height: float,
    distance: float,
) -> None:
    """One high-rise: a lit front, a darker flank, set-backs or a mast, and rows of windows."""
    rng, mood = stage.rng, stage.mood
    glassy = bool(rng.random() < 0.4)
    albedo = (GLASS if glassy else TOWERS[rng.integers(0, len(TOWERS))]) * rng.uniform(0.7, 1.15)
    parts = [(x, width, height)]
    if rng.random() < 0.4:
        parts.append((x + 0.18 * width, 0.64 * width, height * 1.12))
    if rng.random() < 0.3:
        parts.append((x + 0.34 * width, 0.32 * width, height * 1.24))
    for left, wide, tall in parts[::-1]:
        top = base - tall
        flank = 0.28 * wide
        split = left + flank if mood.side > 0 else left + wide - flank
        windows.cover(left, top, left + wide, base)
        rows = np.linspace(top, base, 9)
        for a, b in itertools.pairwise(rows):
            fade = distance + 0.5 * (0.5 * (a + b) - top) / 0.4
            canvas.box(left, a, left + wide, b + 0.001, mood.lit(albedo, 0.72, fade))
            dark = (left, split) if mood.side > 0 else (split, left + wide)
            canvas.box(dark[0], a, dark[1], b + 0.001, mood.lit(albedo * 0.75, 0.12, fade))
        _window_grid(canvas, windows, stage, (left, top, wide, tall), distance)
    if rng.random() < 0.3:
        tip = base - parts[-1][2]
        mast = np.array([[x + 0.5 * width, tip], [x + 0.5 * width, tip - 0.05 * rng.uniform(0.5, 1.4)]])
        canvas.stroke(mast, 0.0022, mood.lit(rgb(70, 70, 78), 0.3, distance))


def _window_grid(
    canvas: Canvas, windows: Panes, stage: Stage, place: tuple[float, float, float, float], distance: float
) -> None:
    rng, mood = stage.rng, stage.mood
    left, top, wide, tall = place
    pitch = 0.0060 + 0.0030 * (2.0 - distance)
    cols, rows = max(2, int(wide / (0.8 * pitch))), max(2, int(0.97 * tall / pitch))
    col, row = (part.ravel() for part in np.meshgrid(np.arange(cols), np.arange(rows)))
    x = left + wide * (col + 0.18) / cols
    y = top + tall * (row + 0.25) / rows
    w, h = 0.64 * wide / cols, 0.55 * tall / rows
    quads = np.stack(
        [
            np.stack([x, y], -1),
            np.stack([x + w, y], -1),
            np.stack([x + w, y + h], -1),
            np.stack([x, y + h], -1),
        ],
        1,
    )
    glass = mood.hazed(
        GLASS * (mood.ambient + 0.3 * mood.key) * rng.uniform(0.55, 1.0, (len(x), 1)),
        np.full(len(x), distance),
    )
    canvas.convex(quads, glass)
    busy = rng.uniform(0.12, 0.42) * mood.lamps
    lit = (rng.random(len(x)) < busy) | (rng.random(rows)[row] < 0.06 * mood.lamps)
    if lit.any():
        some = PANES[rng.integers(0, len(PANES), int(lit.sum()))] * rng.uniform(0.4, 1.0, (int(lit.sum()), 1))
        windows.light(quads[lit], some * np.exp(-0.35 * distance))


def _beacons(stage: Stage, scene: Image) -> list[Element]:
    """Red lights that breathe on the highest roofs."""
    rng = stage.rng
    elements: list[Element] = []
    solid = scene[..., 3] > 0.5
    tops = np.where(solid.any(axis=0), solid.argmax(axis=0), stage.height)
    for _ in range(4):
        spot = rng.integers(0, stage.width, 12)
        col = int(spot[np.argmin(tops[spot])])
        centre = ((col + 0.5) / stage.height, float(tops[col]) / stage.height)
        glow = halo(stage, centre, 0.006, rgb(255, 60, 50) * (0.4 + 0.8 * stage.mood.lamps))
        elements.append(Glow(glow, Flicker(rng, depth=0.85, rate=0.5)))
    return elements


def _rooftop(stage: Stage, horizon: float) -> list[Element]:
    """A parapet with a railing and a string of bulbs."""
    rng, mood, aspect = stage.rng, stage.mood, stage.aspect
    canvas = stage.canvas()
    concrete = rgb(120, 114, 110)
    top = horizon + 0.05
    canvas.box(-0.1, top, aspect + 0.1, 1.01, mood.lit(concrete * 0.8, 0.25))
    canvas.box(-0.1, top, aspect + 0.1, top + 0.022, mood.lit(concrete, 0.8))
    steel = mood.lit(rgb(70, 72, 78), 0.5)
    for y in (top - 0.085, top - 0.045):
        canvas.stroke(np.array([[-0.1, y], [aspect + 0.1, y]]), 0.006, steel)
    for x in np.arange(rng.uniform(0, 0.1), aspect, 0.16):
        canvas.stroke(np.array([[x, top - 0.088], [x, top]]), 0.007, steel)
    ends = np.linspace(-0.05, aspect + 0.05, 4)
    glow = np.zeros((stage.height, stage.width, 3), np.float32)
    for a, b in itertools.pairwise(ends):
        s = np.linspace(0.0, 1.0, 40)
        wire = np.stack([a + (b - a) * s, 0.16 + 0.11 * 4 * s * (1 - s) + 0.02 * np.sin(3 * a)], -1)
        canvas.stroke(wire, 0.0025, mood.lit(rgb(40, 40, 44), 0.2))
        for spot in wire[3::6]:
            canvas.circle(
                (float(spot[0]), float(spot[1]) + 0.010),
                0.0075,
                np.minimum(PANES[0] * (0.6 + 0.4 * mood.lamps), 1.0),
            )
            glow += halo(stage, (float(spot[0]), float(spot[1]) + 0.010), 0.016, PANES[0] * 0.75 * mood.lamps)
    return [Cutout(canvas.layer()), Glow(glow, Flicker(rng, depth=0.10, rate=1.1))]
