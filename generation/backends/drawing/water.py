"""Water: a rippled mirror, flooded terraces, falls, fountains, rings of rain."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image, rgb
from sparkle.generation.backends.drawing.land import distance_of, plane_depth
from sparkle.generation.backends.drawing.noise import Tile, as_field, curve, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.stage import Draw, Stage, Still, blend, ink, over


def ripples_of(
    stage: Stage, horizon: float, top: int, scale: float, speed: float
) -> Callable[[float], Image]:
    """Moving slopes of a water surface in perspective: zero mean, deviation about one."""
    x, y = (axis[top:] for axis in stage.grid())
    depth = np.minimum(plane_depth(y, horizon), 22.0)
    u, v = (x - 0.5 * stage.aspect) * depth * scale * 0.45, depth * scale * 1.1
    first, second = (
        Tile(fractal(stage.rng, 256, 256, cells=14, slope=1.35, stretch=1.6, finest=0.3)) for _ in range(2)
    )
    one, two = first.lookup(u, v), second.lookup(1.45 * u, 1.45 * v)
    calm = as_field(np.clip(3.2 / depth, 0.0, 1.0) * smoothstep(21.0, 8.0, depth) * np.float32(0.7))
    return lambda t: (one.at(9 * speed * t, 26 * speed * t) + two.at(-16 * speed * t, 20 * speed * t)) * calm


def water(
    stage: Stage,
    *,
    y: float = 0.6,
    shape: Literal["all", "pond", "basin", "river", "canal"] = "all",
    colour: str = "#1c3f52",
    clear: float = 0.6,
    rough: float = 0.05,
    glitter: float = 0.6,
    speed: float = 1.0,
    swell: float = 0.0,
    width: float = 0.3,
    lean: float = 0.0,
) -> Draw:
    """Water that reflects what is painted above it, bent by ripples, with the sun glittering on it.

    Args:
        stage: The stage; draws from its random stream.
        y: The line at which it mirrors.
        shape: How far it reaches; a basin has a rim of stone.
        colour: The water's own.
        clear: Share of the reflection, straight down; it grows towards the line.
        rough: How far ripples bend the reflection, in frame heights at the bottom of the frame.
        glitter: Strength of the sun on the ripples.
        speed: Multiplies how fast ripples run.
        swell: Height of long waves.
        width: Of a river at the bottom of the frame, of half a pond, as a share of the frame's.
        lean: How steeply the line falls to both sides of the middle: water between the walls of a street.
    """
    top, h, light = stage.row(y), stage.height, stage.light
    x, down = (axis[top:] for axis in stage.grid())
    depth = np.clip((down - y) / (1.0 - y), 0.0, 1.0)
    line = y + lean * np.abs(x - 0.5 * stage.aspect) if lean else y
    ripples = ripples_of(stage, y - 0.02, top, 190.0, speed)
    px, py = x * h - 0.5, (line - (down - line)) * h - 0.5
    bend = as_field(np.float32(rough * h) * (0.15 + 0.85 * depth))
    share = np.clip(clear + (0.92 - clear) * (1.0 - depth) ** 2, 0.0, 1.0)
    own = light.hazed(ink(colour) * (light.ambient + 0.6 * light.key), distance_of(down, y))
    own = as_field(own * (1.0 - share[..., None]))
    mix, mask = cv2.merge([as_field(share)] * 3), _water_mask(stage, shape, x, depth, width)
    if lean:
        mask = as_field(mask * smoothstep(-0.004, 0.004, down - line))
    path = np.exp(-(((x - light.sun_x * stage.aspect) / (0.10 + 0.35 * depth)) ** 2))
    glint = as_field(glitter * ((0.12 if light.sun_y < 0.3 else 0.25) + path) * (0.4 + 0.6 * depth))
    shine = light.key * np.float32(1.25)
    waves = as_field(2 * np.pi * 5.0 / (0.16 + depth) * 0.35)
    rim = _rim(stage, y, width) if shape == "basin" else None

    def draw(frame: Image, t: float) -> None:
        slope = ripples(t)
        if swell:
            slope = slope + np.float32(6 * swell) * np.sin(waves + np.float32(1.4 * speed * t)) * depth
        u, v = px + slope * bend * np.float32(0.22), py + slope * bend
        above = frame if lean else frame[: max(1, top)]
        np.clip(v, 0.0, above.shape[0] - 1, out=v)
        mirrored = cv2.remap(
            above, as_field(u), as_field(v), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        body = mirrored * mix + own
        body *= cv2.merge([as_field(np.float32(1.0) + np.float32(0.09) * slope)] * 3)
        spark = smoothstep(1.0, 2.1, slope) * glint
        body += cv2.merge([spark * c for c in shine])
        if rim:
            rim(frame, t)
        blend(frame[top:], as_field(body), mask)

    return draw


def _water_mask(stage: Stage, shape: str, x: Image, depth: Image, width: float) -> Image:
    edge = 0.05 * curve(stage.rng, x.shape[0], cells=5)[:, None]
    off = np.abs(x / stage.aspect - 0.5 - 0.10 * np.sin(5.0 * depth + 1.0) * (shape == "river") - 0.3 * edge)
    if shape == "river":
        return smoothstep(0.012, -0.012, off - width * (0.08 + 0.92 * depth**1.2))
    if shape == "canal":
        return smoothstep(0.004, -0.004, off - width * (0.12 + 0.88 * depth))
    if shape == "basin":
        return smoothstep(0.01, -0.01, np.hypot((x / stage.aspect - 0.5) / width, (depth - 0.45) / 0.38) - 1)
    if shape == "pond":
        ring = np.hypot((x / stage.aspect - 0.5) / width, (depth - 0.45) / 0.38)
        turn = np.arctan2(depth - 0.45, x / stage.aspect - 0.5)
        return smoothstep(0.03, -0.03, ring - 1.0 - 0.08 * np.sin(3 * turn + 1) - 0.04 * np.sin(7 * turn))
    return as_field(np.ones_like(x))


def _rim(stage: Stage, y: float, width: float) -> Still:
    """The stone rim of a basin, which stands a little above the ground."""
    canvas, turn = stage.canvas(), np.linspace(0, 2 * np.pi, 90)
    middle, tall = np.array([0.5 * stage.aspect, y + 0.45 * (1 - y)]), 0.38 * (1 - y)
    ring = np.stack([np.cos(turn) * width * stage.aspect, np.sin(turn) * tall], -1)
    for share, fall, tone in ((1.12, 0.055, 0.25), (1.13, 0.02, 0.55), (1.13, 0.0, 0.95), (1.02, 0.0, 0.3)):
        canvas.polygon(middle + ring * share + [0, fall], stage.light.lit(ink("#c4b8a2"), tone))
    return Still(canvas.layer())


def terraces(
    stage: Stage,
    *,
    y: float = 0.45,
    count: int = 9,
    colour: str = "#5e7c30",
    glitter: float = 0.7,
    speed: float = 1.0,
) -> Draw:
    """Flooded terraces down a slope: winding banks, and between them water that mirrors the sky.

    Args:
        stage: The stage; draws from its random stream.
        y: Where the slope begins.
        count: How many terraces lie between there and the camera.
        colour: Albedo of the banks.
        glitter: Strength of the sun on the ripples.
        speed: Multiplies how fast ripples run.
    """
    rng, light, top = stage.rng, stage.light, stage.row(y)
    x, down = (axis[top:] for axis in stage.grid())
    near = np.clip((down - y) / (1.0 - y), 0.0, 1.0)
    winding = sample(fractal(rng, 256, 256, cells=4, slope=2.2, finest=0.06), x * 62, near**0.8 * 120)
    bow = (2 * x / stage.aspect - 1) ** 2 * (1.0 - 0.5 * near)
    level = as_field(count * near**0.7 - 1.7 * bow + 0.42 * winding + 8.0)
    step, part = np.floor(level), level - np.floor(level)
    pixel = as_field(np.clip(np.abs(np.gradient(level, axis=0)), 0.004, 0.3))
    cover = as_field(np.clip((0.66 - part) / pixel + 0.5, 0, 1) * np.clip(part / pixel, 0, 1))
    kind = np.mod(np.sin(step * 12.9 + 3.1) * 43758.0, 1.0)  # of each terrace, one number for its tones
    fall = np.clip((part - 0.66) / 0.34, 0, 1)
    tufts = sample(fractal(rng, 256, 256, cells=44, slope=1.0), x * 420, down * 620)
    far = distance_of(down, y)
    shade = 0.95 - 0.75 * fall + 0.13 * tufts - 0.2 * (light.side * (x / stage.aspect - light.sun_x))
    bank = light.lit(ink(colour) * (1 + 0.16 * tufts + 0.2 * (kind - 0.5))[..., None], shade, far)
    sky = light.sky[2] + (0.5 * light.sky[1] + 0.5 * light.sky[0] - light.sky[2]) * near[..., None] ** 0.7
    path = np.exp(-(((x - light.sun_x * stage.aspect) / (0.16 + 0.4 * near)) ** 2))
    sky = sky + (light.warm * 1.1 - sky) * (0.75 * path * (light.sun_y < 1))[..., None]
    shoots = smoothstep(0.55, 1.0, kind) * smoothstep(
        -0.6, 0.8, sample(tufts, x * 90 / (0.3 + near), down * 900)
    )
    mirror = sky * (0.45 + 0.5 * smoothstep(0.0, 0.3, part))[..., None]
    mirror = mirror + (light.lit(ink("#7ca23c"), 0.8, far) - mirror) * (0.7 * shoots)[..., None]
    mirror, own = as_field(mirror), as_field(bank)
    ripples = ripples_of(stage, y - 0.02, top, 190.0, speed)
    shine, gain = light.key * np.float32(1.3), as_field(glitter * (0.2 + path))

    def draw(frame: Image, t: float) -> None:
        slope = ripples(t)
        water = mirror * cv2.merge([as_field(np.float32(1.0) + np.float32(0.075) * slope)] * 3)
        water += cv2.merge([smoothstep(1.2, 2.3, slope) * gain * c for c in shine])
        frame[top:] = own
        blend(frame[top:], as_field(water), cover)

    return draw


def waterfall(
    stage: Stage,
    *,
    at: tuple[float, float] = (0.5, 0.2),
    foot: float = 0.75,
    width: float = 0.12,
    speed: float = 1.0,
    spray: float = 0.85,
    colour: str = "#f8fcff",
) -> Draw:
    """A band of streaks that run down, with a cloud of spray at its foot."""
    (x, y), lip = stage.grid(), (at[0] * stage.aspect, at[1])
    fallen = np.clip((y - lip[1]) / (foot - lip[1]), 0.0, 1.0)
    half = 0.5 * width * (1.0 + 0.5 * fallen)
    across = (x - lip[0]) / half
    body = smoothstep(1.05, 0.75, np.abs(across)) * smoothstep(-0.004, 0.004, y - lip[1])
    body = as_field(body * smoothstep(0.02, -0.02, y - foot) * np.float32(0.93))
    mist = as_field(
        spray * np.exp(-(((x - lip[0]) / (1.1 * width)) ** 2 + ((y - foot) / (0.55 * width)) ** 2))
    )
    rows = slice(stage.row(lip[1] - 0.02), stage.row(foot + 1.2 * width))
    cols = slice(
        max(0, round((lip[0] - 2.6 * width) * stage.height)), round((lip[0] + 2.6 * width) * stage.height)
    )
    body, mist, across, fallen, x, y = (part[rows, cols] for part in (body, mist, across, fallen, x, y))
    run = 150.0 * np.sqrt(fallen + 0.02)
    streaks = [
        Tile(fractal(stage.rng, 256, 256, cells=22, slope=1.2, stretch=0.12)).lookup(
            across * 40.0 * k, -run * k
        )
        for k in (1.0, 1.5)
    ]
    puffs = Tile(fractal(stage.rng, 256, 256, cells=8, slope=1.8)).lookup(x * 150.0, y * 150.0)
    bright, dark = (
        stage.light.lit(ink(colour), 0.75, 0.3),
        stage.light.lit(ink(colour) * rgb(120, 160, 178), 0.4, 0.3),
    )

    def draw(frame: Image, t: float) -> None:
        way, view = 110.0 * speed * t, frame[rows, cols]
        field = streaks[0].at(0.0, way) + streaks[1].at(0.0, 1.3 * way)
        lit = np.clip(np.float32(0.55) + np.float32(0.30) * field, 0.0, 1.0)
        blend(view, as_field(dark + (bright - dark) * cv2.merge([lit] * 3)), body)
        puff = np.clip(np.float32(0.7) + np.float32(0.35) * puffs.at(0.10 * way, 0.35 * way), 0.0, 1.0)
        blend(view, bright, as_field(mist * puff))

    return draw


def fountain(
    stage: Stage, *, at: list[tuple[float, float, float]], drops: int = 260, spread: float = 0.28
) -> Draw:
    """Jets that leap and fall back, at (share of the width, foot, height)."""
    rng, h = stage.rng, stage.height
    jets = stage.places(at, 0, (0, 0), (0, 0))
    phase, angle, force = (
        rng.random((len(jets), drops)),
        rng.normal(0, spread, (len(jets), drops)),
        rng.uniform(0.75, 1, (len(jets), drops)),
    )
    level = (*tuple(int(255 * min(1.0, c)) for c in stage.light.lit(rgb(250, 252, 255), 0.95)), 255)

    def draw(frame: Image, t: float) -> None:
        canvas = np.zeros((*frame.shape[:2], 4), np.uint8)
        for k, (x, foot, tall) in enumerate(jets):
            age = (phase[k] + 0.7 * t) % 1.0
            up = 4 * age * (1 - age) * tall * force[k]
            aside = x + angle[k] * age * tall * 1.3
            for a, b, near in zip(
                (aside * h * 16).astype(int), ((foot - up) * h * 16).astype(int), age, strict=True
            ):
                tail = int(h * tall * 0.55 * (1 - 2 * near) * 1.6)
                cv2.line(
                    canvas, (int(a), int(b)), (int(a), int(b) + tail), level, max(1, h // 240), cv2.LINE_AA, 4
                )
        layer = as_field(cv2.GaussianBlur(canvas, (0, 0), 0.0013 * h)) * np.float32(0.8 / 255)
        over(frame, layer)

    return draw


def rings(
    stage: Stage,
    *,
    y: tuple[float, float] = (0.65, 1.0),
    count: int = 70,
    size: float = 0.05,
    rate: float = 1.0,
) -> Draw:
    """Rings that open where drops fall on water or wet ground."""
    rng, h = stage.rng, stage.height
    x, down = rng.uniform(0, stage.aspect, count), y[0] + (y[1] - y[0]) * rng.random(count) ** 0.8
    phase, pace = rng.random(count), rng.uniform(0.7, 1.3, count) * rate
    near = 0.25 + 0.75 * (down - y[0]) / max(y[1] - y[0], 1e-3)

    def draw(frame: Image, t: float) -> None:
        canvas = np.zeros(frame.shape[:2], np.uint8)
        for k in range(count):
            age = (phase[k] + pace[k] * t) % 1.0
            place = (
                int(((x[k] + 0.31 * math.floor(phase[k] + pace[k] * t)) % stage.aspect) * h * 16),
                int(down[k] * h * 16),
            )
            wide = max(16, int(size * near[k] * age * h * 16))
            cv2.ellipse(
                canvas, place, (wide, max(8, wide // 4)), 0, 0, 360, int(230 * (1 - age)), 1, cv2.LINE_AA, 4
            )
        light = as_field(canvas) * np.float32(0.55 / 255)
        frame += cv2.merge([light] * 3) * (stage.light.ambient + 0.5 * stage.light.key)

    return draw
