"""The sea at the shore: surf on a beach, spray that bursts from rocks."""

from __future__ import annotations

import math

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image, rgb
from sparkle.generation.backends.drawing.land import distance_of, plane_depth
from sparkle.generation.backends.drawing.noise import Tile, as_field, curve, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.stage import Draw, Stage, blend, ink, together
from sparkle.generation.backends.drawing.water import ripples_of


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
    ripples = ripples_of(stage, y, top, 170.0, power)
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


def bursts(
    stage: Stage, *, at: list[tuple[float, float, float]], every: float = 2.6, colour: str = "#f6fafc"
) -> Draw:
    """Spray that bursts upwards from (share of the width, foot, height) as waves strike, and falls back."""
    white, rng, h = stage.light.lit(ink(colour), 1.0), stage.rng, stage.height
    noise = Tile(fractal(rng, 256, 256, cells=10, slope=1.35))

    def burst(x0: float, foot: float, tall: float) -> Draw:
        rows = slice(stage.row(foot - 1.3 * tall), stage.row(foot + 0.25 * tall) + 1)
        cols = slice(max(0, round((x0 - 1.3 * tall) * h)), max(1, round((x0 + 1.3 * tall) * h)))
        x, y = (axis[rows, cols] for axis in stage.grid())
        shreds = noise.lookup(x * 260 + rng.uniform(0, 256), y * 260)
        phase, lean = float(rng.uniform(0, every)), float(rng.uniform(-0.35, 0.35))

        def draw(frame: Image, t: float) -> None:
            age = (t + phase) % every
            grown = 1.0 - math.exp(-3.0 * age)
            up = (foot - y) / (tall * grown + 0.02) + 0.35 * age**2 / every
            across = (x - x0 - lean * (foot - y)) / (
                tall * (0.14 + 0.5 * grown * (0.35 + 0.65 * np.clip(up, 0, 1)))
            )
            body = np.clip(1.1 - across**2, 0, 1) * np.clip(1.25 - up, 0, 1) * smoothstep(-0.5, 0.1, up)
            torn = 0.75 + 0.75 * shreds.at(0.0, 60.0 * grown + 25.0 * age)
            fade = min(1.0, 9.0 * age) * math.exp(-0.9 * age) * min(1.0, 3.0 * (every - age))
            blend(frame[rows, cols], white, as_field(np.clip(1.7 * body * torn * fade, 0.0, 0.96)))

        return draw

    return together(*(burst(*spot) for spot in stage.places(at, 0, (0, 0), (0, 0))))
