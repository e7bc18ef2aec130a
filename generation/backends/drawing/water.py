"""Water: a rippled mirror, surf on a beach, falls, fountains, rings of rain."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image, rgb
from sparkle.generation.backends.drawing.land import distance_of, plane_depth
from sparkle.generation.backends.drawing.noise import Tile, as_field, curve, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.stage import Draw, Stage, blend, ink


def _ripples(stage: Stage, horizon: float, top: int, scale: float, speed: float) -> Callable[[float], Image]:
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
    shape: Literal["all", "pond", "river", "canal"] = "all",
    colour: str = "#1c3f52",
    clear: float = 0.6,
    rough: float = 0.05,
    glitter: float = 0.6,
    speed: float = 1.0,
    swell: float = 0.0,
    width: float = 0.3,
) -> Draw:
    """Water that reflects what is painted above it, bent by ripples, with the sun glittering on it.

    Args:
        stage: The stage; draws from its random stream.
        y: The line at which it mirrors.
        shape: How far it reaches.
        colour: The water's own.
        clear: Share of the reflection, straight down; it grows towards the line.
        rough: How far ripples bend the reflection, in frame heights at the bottom of the frame.
        glitter: Strength of the sun on the ripples.
        speed: Multiplies how fast ripples run.
        swell: Height of long waves.
        width: Of a river at the bottom of the frame, as a share of the width.
    """
    top, h, light = stage.row(y), stage.height, stage.light
    x, down = (axis[top:] for axis in stage.grid())
    below = down - y
    depth = np.clip(below / (1.0 - y), 0.0, 1.0)
    ripples = _ripples(stage, y - 0.02, top, 190.0, speed)
    px, py = x * h - 0.5, (y - below) * h - 0.5
    bend = as_field(np.float32(rough * h) * (0.15 + 0.85 * depth))
    share = np.clip(clear + (0.92 - clear) * (1.0 - depth) ** 2, 0.0, 1.0)
    own = light.hazed(ink(colour) * (light.ambient + 0.6 * light.key), distance_of(down, y))
    own = as_field(own * (1.0 - share[..., None]))
    mix, mask = cv2.merge([as_field(share)] * 3), _water_mask(stage, shape, x, depth, width)
    path = np.exp(-(((x - light.sun_x * stage.aspect) / (0.10 + 0.35 * depth)) ** 2))
    glint = as_field(glitter * ((0.12 if light.sun_y < 0.3 else 0.25) + path) * (0.4 + 0.6 * depth))
    shine = light.key * np.float32(1.25)
    waves = as_field(2 * np.pi * 5.0 / (0.16 + depth) * 0.35)

    def draw(frame: Image, t: float) -> None:
        slope = ripples(t)
        if swell:
            slope = slope + np.float32(6 * swell) * np.sin(waves + np.float32(1.4 * speed * t)) * depth
        u, v = px + slope * bend * np.float32(0.22), py + slope * bend
        above = frame[: max(1, top)]
        np.clip(v, 0.0, above.shape[0] - 1, out=v)
        mirrored = cv2.remap(
            above, as_field(u), as_field(v), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        body = mirrored * mix + own
        body *= cv2.merge([as_field(np.float32(1.0) + np.float32(0.09) * slope)] * 3)
        spark = smoothstep(1.0, 2.1, slope) * glint
        body += cv2.merge([spark * c for c in shine])
        blend(frame[top:], as_field(body), mask)

    return draw


def _water_mask(stage: Stage, shape: str, x: Image, depth: Image, width: float) -> Image:
    edge = 0.05 * curve(stage.rng, x.shape[0], cells=5)[:, None]
    off = np.abs(x / stage.aspect - 0.5 - 0.10 * np.sin(5.0 * depth + 1.0) * (shape == "river") - 0.3 * edge)
    if shape == "river":
        return smoothstep(0.012, -0.012, off - width * (0.08 + 0.92 * depth**1.2))
    if shape == "canal":
        return smoothstep(0.004, -0.004, off - width * (0.12 + 0.88 * depth))
    if shape == "pond":
        ring = np.hypot((x / stage.aspect - 0.5) / width, (depth - 0.45) / 0.38)
        turn = np.arctan2(depth - 0.45, x / stage.aspect - 0.5)
        return smoothstep(0.03, -0.03, ring - 1.0 - 0.08 * np.sin(3 * turn + 1) - 0.04 * np.sin(7 * turn))
    return as_field(np.ones_like(x))


def surf(
    stage: Stage,
    *,
    y: float = 0.45,
    beach: float = 0.72,
    sand: str = "#ecd9b0",
    near: str = "#4fc4c4",
    deep: str = "#1667a0",
    power: float = 1.0,
    slant: float = 0.05,
) -> Draw:
    """A sea that rolls onto sand: ripples, crests with foam on their backs, a swash that climbs the beach."""
    rng, light, top = stage.rng, stage.light, stage.row(y)
    x, down = (axis[top:] for axis in stage.grid())
    ripples = _ripples(stage, y, top, 170.0, power)
    edge = as_field(
        beach + 0.012 * curve(rng, stage.width, cells=4, slope=1.8)[None] + slant * (x / stage.aspect - 0.5)
    )
    close = as_field(np.clip((down - y) / np.maximum(edge - y, 0.02), 0.0, 1.3))
    tone = ink(near) + (ink(deep) - ink(near)) * smoothstep(0.95, 0.25, close)[..., None]
    body = light.lit(tone, 0.62, 1.2 * distance_of(down, y))
    path = np.exp(-(((x - light.sun_x * stage.aspect) / (0.12 + 0.3 * close)) ** 2))
    sky = (
        light.sky[2]
        + (0.5 * (light.sky[0] + light.sky[1]) - light.sky[2]) * np.clip(0.9 * close, 0, 1)[..., None]
    )
    sky = as_field(sky + (light.warm - sky) * (0.6 * path * (light.sun_y < 1))[..., None])
    mirror = as_field((0.26 + 0.5 * np.clip(1.0 - close, 0.0, 1.0) ** 1.5).clip(0, 0.8))
    phase = as_field(2 * np.pi * 3.4 * close**1.6 + 0.5 * curve(rng, stage.width, cells=3)[None] * close)
    rise = smoothstep(0.16, 0.7, close) * (1.0 - smoothstep(1.0, 1.06, close))
    depth = np.minimum(plane_depth(down, y), 22.0)
    u, v = (x - 0.5 * stage.aspect) * depth, depth
    lace_at = Tile(fractal(rng, 256, 256, cells=22, slope=1.25)).lookup(u * 120.0, v * 230.0)
    grain = sample(fractal(rng, 256, 256, cells=40, slope=0.9), u * 260, v * 380)
    dry = light.lit(ink(sand) * (1.0 + 0.04 * grain)[..., None], 0.78)
    wet = as_field(0.42 * dry + 0.4 * (0.6 * light.sky[2] + 0.4 * light.sky[1]))
    white = np.minimum(1.15 * light.lit(rgb(250, 252, 252), 1.0) + 0.05, 1.0)
    spark_gain, shine = as_field((0.25 + path) * 0.9), light.key * np.float32(1.3)
    strength = np.float32(0.45 + 0.5 * min(power, 1.8))

    def draw(frame: Image, t: float) -> None:
        slope, lace = ripples(t), lace_at.at(6.0 * t * power, 14.0 * t * power)
        roll = phase - np.float32(1.9 * power * t) + np.float32(0.12) * slope
        crest = np.clip(np.sin(roll), 0.0, 1.0) ** 8 * rise
        front = np.clip(np.cos(roll), 0.0, 1.0) * rise
        sea = body * cv2.merge(
            [as_field(np.float32(1.0) + np.float32(0.16) * slope - np.float32(0.24) * front)] * 3
        )
        blend(sea, sky, as_field(np.clip(mirror * (np.float32(1.0) + np.float32(0.55) * slope), 0.0, 0.9)))
        back = np.clip(np.sin(roll - np.float32(0.7)), 0.0, 1.0) ** 2 * rise
        foam = crest * np.clip(0.75 + 0.5 * lace, 0.0, 1.3) + back * smoothstep(0.5, 1.7, lace) * np.float32(
            0.75
        )
        blend(sea, white, as_field(np.clip(strength * foam, 0.0, 0.95)))
        sea += cv2.merge([smoothstep(1.25, 2.3, slope) * spark_gain * c for c in shine])
        swash = 0.024 * min(power, 1.6) * math.sin(1.3 * power * t) + 0.008 * math.sin(2.9 * power * t + 1)
        line = edge + np.float32(swash) + np.float32(0.004) * lace
        damp = smoothstep(0.075, -0.010, down - edge - np.float32(0.035 * min(power, 1.6)))
        shore = dry + (wet - dry) * cv2.merge([damp] * 3)
        blend(shore, as_field(sea), smoothstep(0.006, -0.030, down - line))
        rim = np.exp(-(((down - line + 0.006) / np.float32(0.0085)) ** 2)) * np.clip(0.75 + 0.5 * lace, 0, 1)
        blend(shore, white, as_field(np.clip(rim, 0.0, 0.95)))
        frame[top:] = shore

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
        view = frame
        cv2.multiply(view, cv2.cvtColor(np.float32(1.0) - layer[..., 3], cv2.COLOR_GRAY2RGB), dst=view)
        cv2.add(view, cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB), dst=view)

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
