"""Light that is seen by itself: rays, patches of light, glows, bulbs, a mirror ball, a painted sky."""

from __future__ import annotations

import math

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image, rgb
from sparkle.generation.backends.drawing.noise import Tile, as_field, curve, fractal, smoothstep
from sparkle.generation.backends.drawing.stage import (
    Draw,
    Stage,
    Still,
    blend,
    enlarge,
    glowing,
    halo,
    ink,
    over,
    together,
)

COARSE = 4  # smooth light is made at 1/COARSE of the painted size


def rays(
    stage: Stage,
    *,
    at: tuple[float, float] | None = None,
    strength: float = 0.5,
    length: float = 1.2,
    speed: float = 1.0,
    colour: str = "",
) -> Draw:
    """Shafts of light from a point (share of the width, height), or from the sun; slowly shifting."""
    x, y = stage.grid(COARSE)
    source = at or (stage.light.sun_x, -0.15)
    dx, dy = x - source[0] * stage.aspect, y - source[1]
    angle, reach = np.arctan2(dx, dy) * np.float32(512 / (2 * np.pi)), np.hypot(dx, dy)
    profile = as_field(strength * np.exp(-reach / length) * smoothstep(0.0, 0.25, reach))
    lines = [
        Tile(np.repeat(fractal(stage.rng, 1, 512, cells=cells, slope=1.3, finest=0.2), 2, axis=0)).lookup(
            angle, 0 * angle
        )
        for cells in (26, 40)
    ]
    tone = ink(colour) if colour else stage.light.warm

    def draw(frame: Image, t: float) -> None:
        field = lines[0].at(5.5 * speed * t, 0.0) + lines[1].at(-4.5 * speed * t, 0.0)
        light = np.clip(np.float32(0.15) + np.float32(0.38) * field, 0.0, 1.6) * profile
        big = enlarge(as_field(cv2.GaussianBlur(as_field(light), (0, 0), 1.2)), stage, COARSE)
        frame += cv2.merge([big * np.float32(c) for c in tone])

    return draw


def dapple(
    stage: Stage,
    *,
    y: float = 0.6,
    strength: float = 0.3,
    scale: float = 0.4,
    speed: float = 1.0,
    upright: bool = False,
    soft: float = 0.9,
) -> Draw:
    """Patches of light (of shadow, when negative) that wander over the ground below `y`, or over a wall."""
    x, down = stage.grid(COARSE)
    gain = as_field(strength * smoothstep(y, y + 0.06, down)) if not upright else np.full_like(x, strength)
    if not upright:
        near = np.maximum(down - y, 0.02) / max(1.0 - y, 0.05)
        x, down = (x - 0.5 * stage.aspect) / near, 0.35 / near
    first, second = (
        Tile(fractal(stage.rng, 256, 256, cells=cells, slope=2.0, finest=0.16)).lookup(
            x * 16 * k / scale, down * 16 * k / scale
        )
        for cells, k in ((12, 1.0), (14, 1.1))
    )
    way = 9.0 * speed

    def draw(frame: Image, t: float) -> None:
        field = first.at(way * t, 0.4 * way * t) + second.at(-0.7 * way * t, 0.0)
        patch = enlarge(as_field(smoothstep(-0.4 * soft, 1.2 * soft, field) * gain), stage, COARSE)
        frame *= cv2.merge([patch] * 3) + np.float32(1.0)

    return draw


def glow(
    stage: Stage,
    *,
    at: list[tuple[float, float, float]],
    colour: str = "#ffb45a",
    strength: float = 0.9,
    depth: float = 0.3,
    rate: float = 1.6,
    core: float = 0.15,
) -> Draw:
    """Lights at (share of the width, height, size) with their shine, each wavering by itself."""
    draws = []
    groups: list[list[tuple[float, float, float]]] = [[], [], []]
    for k, spot in enumerate(stage.places(at, 0, (0, 0), (0, 0))):
        groups[k % 3].append(spot)
    for group in filter(None, groups):
        picture = sum(halo(stage, (x, y), size, strength * ink(colour), core * size) for x, y, size in group)
        draws.append(glowing(stage, as_field(picture), depth=depth, rate=rate))
    return together(*draws)


def bulbs(
    stage: Stage,
    *,
    y: float = 0.16,
    sag: float = 0.10,
    spans: int = 3,
    colours: list[str] | None = None,
    size: float = 0.0075,
    depth: float = 0.35,
    flags: bool = False,
    sway: float = 1.0,
) -> Draw:
    """Strings over the frame, hung with bulbs that twinkle, or with flags that flutter."""
    hues = [ink(each) for each in colours or ["#ffd28a"]]
    rng, h, draws = stage.rng, stage.height, []
    wire, pictures = stage.canvas(), [np.zeros((h, stage.width, 3), np.float32) for _ in range(3)]
    pennants = []
    ends = np.linspace(-0.05, stage.aspect + 0.05, spans + 1)
    for n in range(spans):
        s = np.linspace(0.0, 1.0, 40)
        path = np.stack(
            [ends[n] + (ends[n + 1] - ends[n]) * s, y + sag * 4 * s * (1 - s) + 0.02 * np.sin(3 * n)], -1
        )
        wire.stroke(path, 0.0025, stage.light.lit(ink("#28282c"), 0.2))
        for k, (px, py) in enumerate(path[2::4]):
            if flags:
                pennants.append((float(px), float(py), hues[(k + n) % len(hues)], rng.uniform(0, 6.3)))
            else:
                wire.circle((float(px), float(py) + 0.009), size, np.minimum(hues[(k + n) % len(hues)], 1.0))
                pictures[k % 3] += halo(
                    stage, (float(px), float(py) + 0.009), 2.2 * size, hues[(k + n) % len(hues)] * 0.9
                )
    draws = [Still(wire.layer())]
    if not flags:
        return together(*draws, *(glowing(stage, each, depth=depth, rate=0.9) for each in pictures))
    rows = stage.row(y + sag + 0.12)

    def flutter(frame: Image, t: float) -> None:
        canvas = np.zeros((rows, frame.shape[1], 4), np.uint8)
        for px, py, hue, phase in pennants:
            s = np.linspace(0, 1, 5)
            wave = 0.014 * sway * s * np.sin(7.0 * t + phase - 3.0 * s) + 0.02 * s * math.sin(1.3 * t + phase)
            edge = np.stack([px + wave, py + 0.062 * s], -1)
            shade = 0.75 + 0.2 * math.sin(7.0 * t + phase)
            shape = np.concatenate([edge, np.add(edge, (0.042, 0.004))[::-1]]) * h
            level = (*tuple(int(255 * c) for c in np.clip(stage.light.lit(hue, shade), 0, 1)), 255)
            cv2.fillPoly(canvas, [np.round(shape * 16).astype(np.int32)], level, cv2.LINE_AA, 4)
        over(frame, as_field(canvas) * np.float32(1.0 / 255.0))

    return together(*draws, flutter)


def mirror_ball(
    stage: Stage, *, at: tuple[float, float] = (0.5, 0.18), size: float = 0.09, spots: int = 70
) -> Draw:
    """A ball of mirrors that turns, and the flecks of light that circle the room."""
    rng, h = stage.rng, stage.height
    centre = (at[0] * stage.aspect, at[1])
    angle, level, hue = (
        rng.uniform(0, 2 * np.pi, spots),
        rng.uniform(-1.0, 1.0, spots),
        rng.integers(0, 4, spots),
    )
    hues = [ink(each) * 255 for each in ("#ffffff", "#ff9ae0", "#9ae0ff", "#fff09a")]
    side = round(2 * size * h)
    v, u = (as_field(axis) for axis in (np.mgrid[0:side, 0:side] + 0.5) / side * 2 - 1)
    depth, disc = np.sqrt(np.maximum(1 - u**2 - v**2, 0)), smoothstep(1.0, 1 - 3 / side, np.hypot(u, v))
    lon, lat = np.arctan2(u, depth + 1e-3), np.arcsin(np.clip(v, -1, 1))
    tone = rng.random((24, 64)).astype(np.float32)

    def draw(frame: Image, t: float) -> None:
        canvas = np.zeros(frame.shape, np.uint8)
        for k in range(spots):
            x = 0.5 * stage.aspect + 0.75 * stage.aspect * math.sin(angle[k] + 0.9 * t)
            place = (int(x * h * 16), int((0.5 + 0.46 * level[k]) * h * 16))
            wide = int((0.012 + 0.01 * abs(math.cos(angle[k] + 0.9 * t))) * h * 16)
            cv2.ellipse(
                canvas,
                place,
                (wide, int(0.011 * h * 16)),
                0,
                0,
                360,
                hues[hue[k]].tolist(),
                -1,
                cv2.LINE_AA,
                4,
            )
        frame += as_field(cv2.GaussianBlur(canvas, (0, 0), 0.003 * h)) * np.float32(0.55 / 255)
        cell = tone[((lat + 1.6) * 7).astype(int) % 24, ((lon + 0.9 * t) * 9).astype(int) % 64]
        ball = (0.25 + 0.9 * cell**3 + 0.3 * (depth - 0.5))[..., None] * rgb(225, 230, 245)
        left, top = round(centre[0] * h - side / 2), round(centre[1] * h - side / 2)
        over(frame, as_field(np.dstack([ball * disc[..., None], disc])), top, left)

    return draw


def whorls(
    stage: Stage, *, y: float = 0.6, colours: tuple[str, str] = ("#1c3f8c", "#7fb2e0"), speed: float = 1.0
) -> Draw:
    """A sky of turning whorls, as a painter's thick strokes."""
    x, down = stage.grid(2)
    rng = stage.rng
    centres = [
        (rng.uniform(0.1, 0.9) * stage.aspect, rng.uniform(0.05, 0.8) * y, rng.uniform(0.10, 0.2))
        for _ in range(7)
    ]
    angle = 0.6 * down + 0.08 * curve(rng, x.shape[1], cells=3)[None]
    phase = as_field(26 * angle + 3 * x)
    for k, (cx, cy, size) in enumerate(centres):
        reach = np.hypot(x - cx, down - cy)
        near = np.exp(-((reach / size) ** 2))
        spiral = 34 * reach / size / 2.2 + (1 if k % 2 else -1) * np.arctan2(down - cy, x - cx)
        phase = as_field(phase * (1 - near) + spiral * near)
    fade = smoothstep(y + 0.02, y - 0.10, down) * np.float32(0.8)
    low, high = (ink(each) for each in colours)

    def draw(frame: Image, t: float) -> None:
        wave = np.float32(0.5) + np.float32(0.5) * np.sin(phase - np.float32(2.6 * speed * t))
        tone = low + (high - low) * wave[..., None]
        big = enlarge(as_field(np.dstack([tone, fade])), stage, 2)
        blend(frame, as_field(big[..., :3]), np.ascontiguousarray(big[..., 3]))

    return draw
