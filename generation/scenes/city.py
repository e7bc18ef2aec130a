"""Cities: a skyline over water or from a rooftop, a neon street in the rain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from sparkle.generation.scenes.canvas import Canvas, Colour, Image, Points, rgb
from sparkle.generation.scenes.light import Fog, Glow, halo
from sparkle.generation.scenes.motion import Flicker, vigour
from sparkle.generation.scenes.noise import smoothstep
from sparkle.generation.scenes.signs import NEON, sign
from sparkle.generation.scenes.sky import Sky
from sparkle.generation.scenes.stage import Cutout, Element, Stage
from sparkle.generation.scenes.street import Street, Walkers, ground
from sparkle.generation.scenes.water import Mirror

TOWERS = np.stack([rgb(112, 116, 128), rgb(134, 126, 122), rgb(92, 102, 120), rgb(150, 146, 142), rgb(84, 84, 96)])
GLASS = rgb(120, 150, 176)
PANES = np.stack([rgb(255, 210, 138), rgb(255, 190, 110), rgb(255, 232, 190), rgb(190, 220, 255)])
RIVER = rgb(28, 44, 60)
GROUPS = 4  # windows flicker in this many groups


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    kinds: dict[str, Callable[[Stage], list[Element]]] = {"skyline": _skyline, "neon": _neon_street}
    return kinds[stage.spec.kind](stage)


class _Windows:
    """Lit windows: they are collected while buildings are drawn, then become glows that waver in groups."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._canvases = [stage.canvas() for _ in range(GROUPS)]

    def cover(self, left: float, top: float, right: float, bottom: float) -> None:
        """Blanks what a nearer building hides."""
        for canvas in self._canvases:
            canvas.box(left, top, right, bottom, np.zeros(3))

    def light(self, quads: Points, colours: Colour) -> None:
        """Adds windows, (n, 4, 2), spread over the groups."""
        group = self._stage.rng.integers(0, GROUPS, len(quads))
        for k, canvas in enumerate(self._canvases):
            canvas.convex(quads[group == k], colours[group == k])

    def glows(self, strength: float) -> list[Element]:
        """What to add to the frame."""
        elements: list[Element] = []
        for canvas in self._canvases:
            lit = canvas.layer()[..., :3]
            spread = cv2.GaussianBlur(lit, (0, 0), 0.012 * self._stage.height)
            flicker = Flicker(self._stage.rng, depth=0.12, rate=float(self._stage.rng.uniform(0.3, 0.9)))
            elements.append(Glow((lit + 0.55 * spread) * np.float32(strength), flicker))
        return elements


def _skyline(stage: Stage) -> list[Element]:
    rng, mood, spec = stage.rng, stage.mood, stage.spec
    water = spec.has("water") or not spec.has("railing")
    horizon = float(rng.uniform(0.66, 0.72)) if water else float(rng.uniform(0.78, 0.82))
    canvas, windows = stage.canvas(), _Windows(stage)
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
    canvas: Canvas, windows: _Windows, stage: Stage, x: float, width: float, base: float, height: float, distance: float
) -> None:  # fmt: skip
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
        for a, b in zip(rows[:-1], rows[1:], strict=True):
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
    canvas: Canvas, windows: _Windows, stage: Stage, place: tuple[float, float, float, float], distance: float
) -> None:
    rng, mood = stage.rng, stage.mood
    left, top, wide, tall = place
    pitch = 0.0060 + 0.0030 * (2.0 - distance)
    cols, rows = max(2, int(wide / (0.8 * pitch))), max(2, int(0.97 * tall / pitch))
    col, row = (part.ravel() for part in np.meshgrid(np.arange(cols), np.arange(rows)))
    x = left + wide * (col + 0.18) / cols
    y = top + tall * (row + 0.25) / rows
    w, h = 0.64 * wide / cols, 0.55 * tall / rows
    quads = np.stack([np.stack([x, y], -1), np.stack([x + w, y], -1), np.stack([x + w, y + h], -1), np.stack([x, y + h], -1)], 1)
    glass = mood.hazed(GLASS * (mood.ambient + 0.3 * mood.key) * rng.uniform(0.55, 1.0, (len(x), 1)), np.full(len(x), distance))
    canvas.convex(quads, glass)
    busy = rng.uniform(0.12, 0.42) * mood.lamps
    lit = (rng.random(len(x)) < busy) | (rng.random(rows)[row] < 0.06 * mood.lamps)
    if lit.any():
        some = PANES[rng.integers(0, len(PANES), int(lit.sum()))] * rng.uniform(0.4, 1.0, (int(lit.sum()), 1))
        windows.light(quads[lit], some * np.exp(-0.35 * distance))


def _beacons(stage: Stage, scene: Image) -> list[Element]:
    """Red lights that breathe on the highest roofs."""
    rng, elements = stage.rng, []
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
    for a, b in zip(ends[:-1], ends[1:], strict=True):
        s = np.linspace(0.0, 1.0, 40)
        wire = np.stack([a + (b - a) * s, 0.16 + 0.11 * 4 * s * (1 - s) + 0.02 * np.sin(3 * a)], -1)
        canvas.stroke(wire, 0.0025, mood.lit(rgb(40, 40, 44), 0.2))
        for spot in wire[3::6]:
            canvas.circle((float(spot[0]), float(spot[1]) + 0.010), 0.0075, np.minimum(PANES[0] * (0.6 + 0.4 * mood.lamps), 1.0))
            glow += halo(stage, (float(spot[0]), float(spot[1]) + 0.010), 0.016, PANES[0] * 0.75 * mood.lamps)
    return [Cutout(canvas.layer()), Glow(glow, Flicker(rng, depth=0.10, rate=1.1))]


class Traffic:
    """Head and tail lights that stream along the street, with their streaks on the wet ground.

    Args:
        street: Where they drive.
        count: How many.
    """

    def __init__(self, street: Street, count: int) -> None:
        rng = street.stage.rng
        self._street, self._span = street, 60.0
        self._z = rng.uniform(0, self._span, count)
        self._coming = np.arange(count) % 2 == 0
        speed = rng.uniform(4.0, 8.0, count) * (0.4 + 0.6 * vigour(street.stage.spec.energy))
        self._speed = np.where(self._coming, -speed, speed)
        self._x = np.where(self._coming, -1.0, 1.0) * rng.uniform(0.25, 0.55, count) * street.half

    def draw(self, frame: Image, t: float) -> None:
        """Adds the lights."""
        street, h = self._street, frame.shape[0]
        way = np.mod(self._z + self._speed * t, self._span)
        z = 7.0 + way
        gain = np.clip(np.minimum(way, self._span - way) / 6.0, 0.0, 1.0) * np.exp(-z / 45.0)
        light = np.zeros((*frame.shape[:2], 3), np.uint8)
        for k in range(len(z)):
            colour = (rgb(255, 244, 220) if self._coming[k] else rgb(255, 40, 30)) * gain[k] * 255
            ink = tuple(int(v) for v in colour)
            for shift in (-0.65, 0.65):
                x, y = street.at(self._x[k] + shift, 0.7, z[k]) * h
                foot = street.at(self._x[k] + shift, -0.9, z[k]) * h
                size = max(1.0, 0.16 * street.focal / z[k] * h)
                cv2.circle(light, (round(x * 16), round(y * 16)), round(size * 16), ink, -1, cv2.LINE_AA, 4)
                low = (round(foot[0] * 16), round(foot[1] * 16))
                dim = tuple(int(0.35 * v) for v in ink)
                cv2.line(light, (round(x * 16), round((y + 2 * size) * 16)), low, dim, max(1, round(size)), cv2.LINE_AA, 4)
        small = cv2.resize(light, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        glow = cv2.GaussianBlur(small, (0, 0), 0.008 * h).astype(np.float32) * np.float32(2.2 / 255)
        frame += cv2.resize(glow, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        frame += light.astype(np.float32) * np.float32(1.0 / 255)


def _neon_street(stage: Stage) -> list[Element]:
    """A canyon of towers hung with signs, over wet asphalt."""
    rng, mood = stage.rng, stage.mood
    murk = rgb(64, 40, 92) if mood.night else mood.haze
    dim = mood.ambient * (1.15 if mood.night else 0.8)
    stage = replace(stage, mood=replace(mood, haze=(0.55 * murk + 0.45 * mood.haze).astype(np.float32), ambient=dim))
    x = stage.aspect * float(rng.uniform(0.45, 0.55))
    street = Street(stage, eye=1.8, half=8.0, vanish=(x, float(rng.uniform(0.60, 0.64))), focal=0.95)
    canvas, windows = stage.canvas(), _Windows(stage)
    signs: list[Element] = []
    for side in (-1.0, 1.0):
        z, plots = 4.0, []
        while z < 90.0:
            wide = float(rng.uniform(7.0, 14.0))
            plots.append((z, wide))
            z += wide
        for z, wide in plots[::-1]:
            _block(canvas, windows, street, side, z, wide)
    for side in (-1.0, 1.0):
        for z in (52.0, 44.0, 37.0, 31.0, 26.0, 21.5, 18.0, 15.0, 12.5, 10.5, 8.8):
            out = float(rng.uniform(0.8, 1.6))
            low = float(rng.uniform(2.6, 3.0 + 0.35 * z))
            high = float(rng.uniform(2.5, 6.0))
            corners = street.at(side * (street.half - np.array([0.1, out, out, 0.1])), low + np.array([0, 0, high, high]), z * rng.uniform(0.95, 1.05))
            signs += sign(stage, canvas, corners, NEON[rng.integers(0, len(NEON))], fade=float(np.exp(-z / 60.0)))
    scene = canvas.layer()
    _, y = stage.grid()
    smog = halo(stage, street.vanish, 0.16, (0.5 * NEON[0] + 0.5 * NEON[3]) * 0.55 * max(0.4, mood.lamps))
    road = smoothstep(street.vanish[1] + 0.004, street.vanish[1] + 0.02, y) * (1.0 - scene[..., 3])
    return [
        Sky(stage, street.vanish[1], clouds=1.2), Cutout(ground(street, rgb(40, 40, 50), 0.3)), Glow(smog, Flicker(rng, depth=0.12, rate=0.4)),
        Cutout(scene), *windows.glows(0.8 * max(0.35, mood.lamps)), *signs, Fog(stage, street.vanish[1] - 0.02, 0.14, 0.30),
        Mirror(stage, street.vanish[1], road.astype(np.float32), rgb(30, 30, 40), clear=0.50, rough=0.05, glitter=0.0),
        Walkers(street, 6, mood.lit(np.stack([rgb(40, 40, 52), rgb(64, 54, 70)]), 0.3, 0.3)),
        Traffic(street, 10),
    ]  # fmt: skip


def _block(canvas: Canvas, windows: _Windows, street: Street, side: float, z: float, wide: float) -> None:
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
    windows.light(shop, (0.30 * (0.5 * hue + 0.5 * PANES[2]) * np.exp(-z / 60.0) * max(0.4, mood.lamps))[None])
