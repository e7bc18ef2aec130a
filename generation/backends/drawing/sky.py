"""What is overhead: the sky, sun and moon, clouds, stars, aurora, lightning, fireworks, planets."""

from __future__ import annotations

import math
from typing import Literal

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
    flicker,
    glowing,
    halo,
    ink,
    layer_of,
    put,
    together,
)


def sky(stage: Stage, *, horizon: float = 0.6, glow: float = 0.7, tint: str = "") -> Draw:
    """The gradient from overhead to the horizon, brighter around the sun; `tint` replaces its hue."""
    x, y = stage.grid()
    light = stage.light
    down = np.clip(y / max(horizon, 0.05), 0.0, 1.0)[..., None]
    stops = light.sky if not tint else as_field(light.sky.mean(axis=1, keepdims=True) * ink(tint) * 1.6)
    picture = (1 - down) ** 2 * stops[0] + 2 * down * (1 - down) * stops[1] + down**2 * stops[2]
    picture = as_field(picture + (stops[2] - picture) * smoothstep(0.62, 1.0, down) * np.float32(0.6))
    if light.sun_y < 1.0:
        place = _sun_place(stage, horizon)
        reach = np.hypot(x - place[0], 1.25 * (y - place[1]))
        gain = np.float32(glow * (0.35 if light.night else 1.0))
        blend(picture, as_field(1.05 * light.warm), as_field(gain * 0.7 * np.exp(-reach / 0.38)))
    return Still(picture)


def _sun_place(stage: Stage, horizon: float) -> tuple[float, float]:
    return stage.light.sun_x * stage.aspect, horizon * (1.0 - 0.86 * stage.light.sun_y)


def sun(
    stage: Stage,
    *,
    horizon: float = 0.6,
    size: float = 0.032,
    kind: Literal["sun", "moon", "striped", "ink"] = "sun",
    colour: str = "",
    pulse: float = 0.25,
) -> Draw:
    """The disc of the sun or moon and the light around it, which breathes."""
    x, y = stage.grid()
    place, edge = _sun_place(stage, horizon), 1.2 / stage.height
    reach = np.hypot(x - place[0], y - place[1])
    face = 1.0 - smoothstep(size - edge, size + edge, reach)
    warm = (
        ink(colour) if colour else (rgb(244, 240, 226) if kind == "moon" else 0.45 * stage.light.warm + 0.55)
    )
    body = np.broadcast_to(np.asarray(warm, np.float32), (*x.shape, 3))
    if kind == "moon":
        marks = as_field(cv2.resize(fractal(stage.rng, 64, 64, cells=9), x.shape[::-1]))
        body = body * (0.92 + 0.07 * marks[..., None])
    if kind == "striped":
        across = np.clip((y - place[1]) / size, -1, 1)
        body = ink("#ffd34d") + (ink("#ff2e88") - ink("#ffd34d")) * ((across + 1) / 2)[..., None]
        face = face * ((across < -0.1) | (np.sin(across * 22.0) > across - 0.35))
    disc = Still(
        layer_of(as_field(body * (1.0 if kind in ("moon", "striped", "ink") else 1.5)), as_field(face))
    )
    if kind == "ink":
        return disc
    strength = 0.35 if kind == "moon" else 0.55
    wide = halo(stage, place, 2.6 * size, strength * np.asarray(warm), size)
    return together(glowing(stage, wide, depth=pulse, rate=0.45), disc)


def clouds(
    stage: Stage,
    *,
    horizon: float = 0.6,
    cover: float = 0.45,
    speed: float = 1.0,
    kind: Literal["fair", "heaped", "streaks"] = "fair",
) -> Draw:
    """Clouds on a plane overhead, in perspective, drifting; two fields at two speeds change their shapes."""
    rows = stage.row(horizon + 0.04)
    x, y = (axis[:rows] for axis in stage.grid())
    light, rng = stage.light, stage.rng
    depth = 1.0 / np.maximum(horizon - y + (0.35 if kind == "heaped" else 0.10), 0.03)
    u, v = (x - 0.5 * stage.aspect) * depth * 150.0, depth * 260.0
    if kind == "heaped":
        u, v = x * 120.0, y * 260.0
    stretch = {"fair": 1.5, "heaped": 1.6, "streaks": 4.0}[kind]
    broad = fractal(rng, 512, 512, cells=3.0, slope=1.9, stretch=stretch, finest=0.22)
    detail = fractal(rng, 512, 512, cells=9.0, slope=1.55, stretch=stretch, finest=0.25)
    towards = np.roll(broad, (-10, round(-14 * light.side)), axis=(0, 1))
    rim = 12  # so that the blurred slopes wrap around as the fields do
    slopes = np.pad(broad - towards, rim, mode="wrap")
    shade = as_field(cv2.GaussianBlur(slopes, (0, 0), 2.5)[rim:-rim, rim:-rim])
    near = Tile(np.dstack([broad, shade])).lookup(u, v)
    fine = Tile(detail).lookup(1.6 * u, 1.6 * v)
    # Covers that leave gaps: the threshold is the field's own quantile.
    threshold = np.float32(np.quantile(broad + 0.42 * detail, 1.0 - np.clip(cover, 0.02, 0.98)) - 0.5)
    far = smoothstep(-0.02, 0.20, horizon - y) if kind != "heaped" else smoothstep(0.0, 0.10, horizon - y)
    dark = as_field(light.cloud_shade + (light.cloud_lit - light.cloud_shade) * np.float32(0.25))
    gap, way = as_field(light.cloud_lit - dark), speed * 26.0 * float(rng.choice([-1.0, 1.0]))

    def draw(frame: Image, t: float) -> None:
        wide, side = (as_field(part) for part in cv2.split(near.at(way * t, 0.1 * way * t)))
        field = wide + np.float32(0.42) * fine.at(1.8 * way * t, 0.3 * way * t)
        alpha = smoothstep(0.0, 1.0 if kind == "heaped" else 1.4, field - threshold)
        bright = np.clip(np.float32(0.62) + np.float32(0.9) * side - np.float32(0.28) * alpha, 0.0, 1.0)
        colour = dark + gap * cv2.merge([bright, bright, bright])
        blend(frame[:rows], as_field(colour), as_field(alpha * far * np.float32(0.9)))

    return draw


def stars(stage: Stage, *, horizon: float = 0.6, count: int = 420, milky: float = 0.0) -> Draw:
    """Points of light in three groups that twinkle out of step; `milky` adds the band of the galaxy."""
    rng, h, rows = stage.rng, stage.height, stage.row(horizon)
    x, y = stage.grid()
    draws: list[Draw] = []
    if milky:
        across = (x - 0.5 * stage.aspect) * 0.55 + (y - 0.35)
        clots = as_field(cv2.resize(fractal(rng, 128, 256, cells=5, slope=1.5), x.shape[::-1]))
        band = (
            np.exp(-((across / 0.13) ** 2))
            * np.clip(0.6 + 0.45 * clots, 0, 1.6)
            * smoothstep(horizon, 0.2, y)
        )
        draws.append(glowing(stage, as_field(milky * band[..., None] * rgb(120, 124, 170)), depth=0.06))
    for group in range(3):
        picture = np.zeros((h, stage.width, 3), np.float32)
        some = round(count * stage.aspect / 1.78 / 3)
        light = np.minimum(rng.pareto(1.6, some) * 0.10 + 0.12, 0.9)
        tint = np.clip(1.0 + 0.12 * rng.standard_normal((some, 1)) * np.array([1.0, 0.2, -1.0]), 0.6, 1.2)
        down, along = (rng.random(some) ** 1.15 * rows).astype(int), rng.integers(0, stage.width, some)
        picture[np.minimum(down, h - 1), along] = light[:, None] * tint
        picture = as_field(cv2.GaussianBlur(picture, (0, 0), max(0.6, h / 560))) * np.float32(2.8)
        draws.append(glowing(stage, picture, depth=0.75, rate=0.35 + 0.2 * group))
    return together(*draws)


def aurora(stage: Stage, *, horizon: float = 0.6, strength: float = 0.9) -> Draw:
    """Curtains of light: a wavy foot, light that fades upwards, streaks that run along it."""
    rng, w, rows = stage.rng, stage.width, stage.row(horizon)
    y = ((np.arange(rows, dtype=np.float32) + 0.5) / stage.height)[:, None]
    x = (np.arange(w, dtype=np.float32) + 0.5) / stage.height
    curtains = [
        (
            horizon * base + 0.05 * curve(rng, w),
            Tile(np.repeat(fractal(rng, 1, 2 * w, cells=40, slope=1.2), 2, 0)),
            ink(colour),
        )
        for base, colour in ((0.80, "#46eb96"), (0.62, "#50dcbe"), (0.46, "#966ee6"))
    ]

    def draw(frame: Image, t: float) -> None:
        for k, (feet, streaks, colour) in enumerate(curtains):
            wave = 0.022 * np.sin(4.0 * x + 0.8 * t + k) + 0.012 * np.sin(11.0 * x - 1.3 * t)
            above = as_field((feet + wave)[None]) - y
            streak = streaks.window(1, w, (18 + 9 * k) * t) + streaks.window(1, w, -11.0 * t)
            body = np.exp(-np.maximum(above, 0) / 0.15) * smoothstep(-0.03, 0.02, above)
            body *= np.clip(0.5 + 0.28 * streak, 0.05, 1.3)
            frame[:rows] += cv2.merge([as_field(body) * np.float32(strength * c) for c in colour])

    return draw


def lightning(stage: Stage, *, horizon: float = 0.6, every: float = 1.9) -> Draw:
    """Forked bolts with a flash over the whole sky, one about every few seconds."""
    x, y = stage.grid()
    bolts = []
    for _ in range(3):
        canvas, foot = stage.canvas(), float(stage.rng.uniform(0.2, 0.8) * stage.aspect)
        for reach, wide in ((1.0, 0.005), (0.6, 0.003), (0.4, 0.003)):
            s = np.linspace(0, reach, 14)
            zig = np.cumsum(stage.rng.normal(0, 0.028, 14))
            canvas.stroke(np.stack([foot + zig - zig[0], 0.05 + (horizon - 0.06) * s], -1), wide, np.ones(3))
        bolt = canvas.layer()[..., :3]
        spread = as_field(cv2.GaussianBlur(bolt, (0, 0), 0.02 * stage.height)) * np.float32(3)
        flash = 0.30 * np.exp(-(((x - foot) / 0.7) ** 2)) * smoothstep(horizon + 0.05, horizon - 0.2, y)
        bolts.append(as_field(bolt * 1.6 + spread + flash[..., None] * rgb(200, 210, 255)))

    def draw(frame: Image, t: float) -> None:
        turn, since = divmod(t + 0.45 * every, every)
        gain = math.exp(-since / 0.16) * (0.6 + 0.4 * math.cos(40 * since)) if since < 0.8 else 0.0
        cv2.scaleAdd(bolts[int(turn) % 3], gain + 0.04, frame, dst=frame)

    return draw


def fireworks(stage: Stage, *, top: float = 0.12, low: float = 0.42, every: float = 0.55) -> Draw:
    """Rockets that burst into spheres of sparks, which sink and fade."""
    rng, h = stage.rng, stage.height
    shots = [
        (
            rng.uniform(0.12, 0.88) * stage.aspect,
            rng.uniform(top, low),
            rng.uniform(0.10, 0.2),
            rng.uniform(0, 6.3, 70),
            np.sqrt(rng.random(70)),
            ink(("#ff6a5a", "#ffd76a", "#7ad0ff", "#b98cff", "#8cff9a")[k % 5]),
        )
        for k in range(10)
    ]

    def draw(frame: Image, t: float) -> None:
        canvas = np.zeros((*frame.shape[:2], 3), np.uint8)
        for k, (x, y, size, angle, reach, colour) in enumerate(shots):
            age = (t + 8.0 - k * every) % (len(shots) * every)
            if age > 2.2:
                continue
            grown, fade = 1 - math.exp(-2.6 * age), math.exp(-1.1 * age)
            out = size * grown * reach
            places = np.stack([x + out * np.cos(angle), y + out * np.sin(angle) + 0.035 * age**2], -1)
            tails = np.stack(
                [x + 0.8 * out * np.cos(angle), y + 0.8 * out * np.sin(angle) + 0.03 * age**2], -1
            )
            level = tuple(int(255 * fade * c) for c in colour)
            for one, two in zip(
                (places * h * 16).astype(int).tolist(), (tails * h * 16).astype(int).tolist(), strict=False
            ):
                cv2.line(canvas, one, two, level, max(1, h // 300), cv2.LINE_AA, 4)
        light = as_field(canvas) * np.float32(1.4 / 255)
        frame += light
        small = cv2.GaussianBlur(cv2.resize(light, None, fx=0.25, fy=0.25), (0, 0), 0.03 * h / 4)
        frame += cv2.resize(small, frame.shape[1::-1]) * np.float32(2.2)

    return draw


def planet(
    stage: Stage,
    *,
    at: tuple[float, float] = (0.68, 0.34),
    size: float = 0.2,
    colours: tuple[str, str] = ("#4f7ec9", "#e8eef4"),
    ring: bool = False,
    turning: float = 1.0,
) -> Draw:
    """A planet that turns, lit from one side, with a rim of air; perhaps with a ring."""
    side = max(16, round(2 * size * stage.height))
    v, u = (as_field(axis) for axis in (np.mgrid[0:side, 0:side] + 0.5) / side * 2 - 1)
    depth = np.sqrt(np.maximum(1 - u**2 - v**2, 0.0))
    disc = smoothstep(1.0, 1.0 - 3.0 / side, np.hypot(u, v))
    lit = np.clip(0.12 + 1.1 * (0.62 * stage.light.side * u - 0.4 * v + 0.62 * depth), 0.03, 1.1)
    marks = Tile(fractal(stage.rng, 256, 256, cells=5, slope=1.6, stretch=2.2 if ring else 1.2))
    wrapped = marks.lookup(np.arctan2(u, depth + 0.02) * 50.0, np.arcsin(np.clip(v, -1, 1)) * 60.0)
    low, high = (ink(each) for each in colours)
    canvas = stage.canvas()
    centre = (at[0] * stage.aspect, at[1])
    if ring:
        for k in range(26):
            s = np.linspace(0.06 * np.pi, 0.94 * np.pi, 60)
            reach = size * (1.35 + 0.028 * k)
            loop = np.stack([centre[0] + reach * np.cos(s), centre[1] + 0.24 * reach * np.sin(s)], -1)
            canvas.stroke(loop, 0.02 * size, high * (0.55 + 0.35 * math.sin(1.7 * k)))
    front = Still(canvas.layer())

    def draw(frame: Image, t: float) -> None:
        field = smoothstep(-0.3, 0.9, wrapped.at(7.0 * turning * t, 0.0))
        colour = (low + (high - low) * field[..., None]) * lit[..., None]
        colour += (np.clip(np.hypot(u, v), 0, 1) ** 8 * lit)[..., None] * (0.5 * low + 0.2)
        put(frame, layer_of(as_field(colour), disc), centre[0] * stage.height, centre[1] * stage.height)
        front(frame, t)

    return draw


def nebula(stage: Stage, *, colours: tuple[str, str] = ("#7a2f9e", "#1f6fb0"), strength: float = 0.8) -> Draw:
    """Glowing gas in two colours that drifts slowly."""
    x, y = stage.grid(4)
    fields = [
        Tile(fractal(stage.rng, 256, 256, cells=3, slope=1.7, finest=0.2)).lookup(x * 70, y * 70)
        for _ in range(2)
    ]
    inks = [ink(each) * np.float32(strength) for each in colours]

    def draw(frame: Image, t: float) -> None:
        total = np.zeros((*x.shape, 3), np.float32)
        for k, (field, colour) in enumerate(zip(fields, inks, strict=True)):
            gas = smoothstep(-0.2, 2.0, field.at((5.0 - 9.0 * k) * t, 2.5 * t))
            total += gas[..., None] * colour
        frame += enlarge(total, stage, 4)

    return draw


def searchlights(
    stage: Stage, *, count: int = 3, y: float = 0.8, strength: float = 0.3, speed: float = 1.0
) -> Draw:
    """Beams from the ground that swing over the sky."""
    x, down = stage.grid(4)
    feet = (np.arange(count) + stage.rng.uniform(0.3, 0.7, count)) / count * stage.aspect
    phases, waver = stage.rng.uniform(0, 6.3, count), flicker(stage.rng, 0.1, 0.5)

    def draw(frame: Image, t: float) -> None:
        light = np.zeros_like(x)
        for foot, phase in zip(feet, phases, strict=True):
            angle = 0.55 * math.sin(0.9 * speed * t + phase)
            up = np.maximum(y - down, 0.0)
            off = (x - foot - up * math.tan(angle)) / (0.012 + 0.07 * up)
            light += np.exp(-(off**2)) * np.exp(-up / 0.7) * (down < y)
        shine = as_field(light * strength * waver(t))
        big = enlarge(shine, stage, 4)
        frame += cv2.merge([big * np.float32(c) for c in stage.light.warm])

    return draw
