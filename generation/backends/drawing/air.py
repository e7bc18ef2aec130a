"""What is in the air: particles, fog, smoke, fire, birds, heat."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image
from sparkle.generation.backends.drawing.noise import Tile, as_field, fractal, smoothstep
from sparkle.generation.backends.drawing.stage import (
    Draw,
    Stage,
    blend,
    bounds,
    enlarge,
    flicker,
    glowing,
    halo,
    ink,
    over,
    together,
)

COARSE = 4  # smooth light is made at 1/COARSE of the painted size


@dataclass(frozen=True)
class Drift:
    """One kind of particle; lengths in frame heights, speeds a second; negative `fall` rises."""

    count: int
    radius: float
    fall: float
    carry: float
    wobble: float
    colours: tuple[str, ...]
    opacity: float
    shape: str = "disc"
    glows: bool = False
    pulse: float = 0.0


DRIFTS = {
    "snow": Drift(620, 0.0042, 0.16, 0.05, 0.014, ("#f8faff",), 0.9),
    "rain": Drift(420, 0.0016, 1.5, 0.22, 0.0, ("#becde1",), 0.42, "streak"),
    "petals": Drift(150, 0.0085, 0.085, 0.09, 0.030, ("#ffd0dc", "#fab4ca", "#ffe4ea"), 0.95, "flake"),
    "leaves": Drift(90, 0.0120, 0.11, 0.10, 0.040, ("#ce7022", "#de9e32", "#b0421e"), 0.97, "flake"),
    "embers": Drift(
        140, 0.0028, -0.12, 0.03, 0.028, ("#ff9632", "#ff6e1e", "#ffbe5a"), 1.2, "disc", True, 0.5
    ),
    "ash": Drift(170, 0.0042, 0.03, 0.055, 0.020, ("#2e2826", "#463a32", "#1e1c1e"), 0.85, "flake"),
    "dust": Drift(190, 0.0030, -0.010, 0.020, 0.024, ("#ffecc4", "#fff6de"), 0.6, "disc", True, 0.7),
    "sand": Drift(420, 0.0022, 0.01, 0.55, 0.012, ("#ecc890", "#f4dcb4"), 0.7, "streak"),
    "fireflies": Drift(80, 0.0040, -0.010, 0.012, 0.050, ("#ffe878", "#d2ff8c"), 1.2, "disc", True, 1.0),
    "spores": Drift(
        150, 0.0040, -0.035, 0.015, 0.035, ("#8cf0ff", "#d88cff", "#a0ffc8"), 1.0, "disc", True, 0.8
    ),
    "bubbles": Drift(90, 0.0075, -0.13, 0.0, 0.012, ("#beebf5",), 0.55, "ring"),
    "pixels": Drift(110, 0.0045, -0.05, 0.05, 0.01, ("#ff5ad2", "#5ae6ff"), 1.0, "disc", True, 0.6),
}
Kind = Literal[
    "snow", "rain", "petals", "leaves", "embers", "ash", "dust", "sand", "fireflies", "spores",
    "bubbles", "pixels",
]  # fmt: skip


def particles(
    stage: Stage,
    *,
    kind: Kind,
    amount: float = 1.0,
    speed: float = 1.0,
    wind: float = 1.0,
    size: float = 1.0,
    colours: list[str] | None = None,
) -> Draw:
    """One kind of particle at three depths: many small slow ones behind, a few large fast ones in front.

    A place is a function of time alone: a straight path wrapped around a frame with a margin, plus a wobble.
    """
    drift, rng, h = DRIFTS[kind], stage.rng, stage.height
    span = np.array([stage.aspect + 0.24, 1.24])
    heading = float(rng.choice([-1.0, 1.0]))
    inks = np.stack([ink(each) for each in colours or drift.colours]) * 255.0
    light = (
        1.0 if drift.glows else float(np.clip((stage.light.ambient + 0.75 * stage.light.key).max(), 0.5, 1.0))
    )
    parts = []
    for share, bigger, faster in ((0.62, 0.55, 0.6), (0.30, 1.0, 1.0), (0.08, 2.1, 1.7)):
        n = max(2, round(drift.count * amount * share * (0.35 + 0.65 * stage.aspect / 1.78)))
        radius = np.maximum(drift.radius * size * bigger * rng.uniform(0.6, 1.4, n), 0.55 / h)
        velocity = (
            faster
            * speed
            * rng.uniform(0.7, 1.3, (n, 1))
            * np.array([heading * wind * drift.carry, drift.fall])
        )
        wobbles = drift.wobble * bigger**0.5 * rng.uniform(0.5, 1.5, n)
        rates, phases = rng.uniform(0.8, 2.2, n), rng.uniform(0, 2 * np.pi, n)
        hues = inks[rng.integers(0, len(inks), n)]
        parts.append((rng.random((n, 2)) * span, radius, velocity, wobbles, rates, phases, hues))
    start, radius, velocity, wobble, rate, phase, colour = (
        np.concatenate(each) for each in zip(*parts, strict=True)
    )

    def draw(frame: Image, t: float) -> None:
        canvas, swing = np.zeros((*frame.shape[:2], 4), np.uint8), rate * t + phase
        wander = wobble[:, None] * np.stack([np.sin(swing), 0.6 * np.cos(0.77 * swing + 1.0)], -1)
        place = np.mod(start + velocity * t, span) - 0.12 + wander
        pulse = 1.0 - drift.pulse * (0.5 - 0.5 * np.sin(1.3 * swing + 2.0 * phase))
        levels = (
            (np.concatenate([colour, np.full((len(place), 1), 255)], 1) * pulse[:, None]).astype(int).tolist()
        )
        centres, radii = (
            np.round(place * h * 16 - 8).astype(int).tolist(),
            np.maximum(np.round(radius * h * 16), 1).astype(int).tolist(),
        )
        if drift.shape == "streak":
            tails = np.round((place - 0.030 * velocity) * h * 16).astype(int).tolist()
            for centre, tail, level, wide in zip(centres, tails, levels, radius.tolist(), strict=True):
                cv2.line(canvas, centre, tail, level, 2 if wide > 2 * drift.radius else 1, cv2.LINE_AA, 4)
        elif drift.shape == "flake":
            spin = np.degrees(phase + 0.8 * np.sin(0.9 * swing)).tolist()
            thin = (0.22 + 0.45 * np.abs(np.sin(1.1 * swing))).tolist()
            for centre, wide, level, angle, part in zip(centres, radii, levels, spin, thin, strict=True):
                cv2.ellipse(
                    canvas, centre, (wide, max(8, int(wide * part))), angle, 0, 360, level, -1, cv2.LINE_AA, 4
                )
        else:
            for centre, wide, level in zip(centres, radii, levels, strict=True):
                cv2.circle(canvas, centre, wide, level, 1 if drift.shape == "ring" else -1, cv2.LINE_AA, 4)
        layer = as_field(cv2.GaussianBlur(canvas, (0, 0), 0.0010 * h)) * np.float32(drift.opacity / 255.0)
        if drift.glows:
            cv2.add(frame, cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB), dst=frame)
        else:
            layer[..., :3] *= np.float32(light)
            over(frame, layer)

    return draw


def fog(
    stage: Stage,
    *,
    y: float = 0.6,
    spread: float = 0.14,
    density: float = 0.5,
    speed: float = 1.0,
    colour: str = "",
    billow: float = 1.0,
    below: bool = False,
) -> Draw:
    """A bank of fog, densest at `y`, or everywhere below it: two fields that slide over each other."""
    x, down = stage.grid(COARSE)
    profile = density * np.exp(-(((down - y) / spread) ** 2))
    if below:
        profile = np.where(down > y, density, profile)
    across, up = x * 110.0, down * 300.0
    near = Tile(fractal(stage.rng, 256, 256, cells=3, slope=1.8, finest=0.12)).lookup(across, up)
    far = Tile(fractal(stage.rng, 256, 256, cells=4, slope=1.8, finest=0.12)).lookup(1.4 * across, 1.2 * up)
    tone = (
        stage.light.haze
        if not colour
        else ink(colour) * np.clip(stage.light.ambient + 0.6 * stage.light.key, 0.12, 1.1)
    )
    way = float(stage.rng.choice([-1.0, 1.0])) * speed * 9.0
    lit = as_field(np.minimum(tone * 1.12 + 0.04, 1.0) - tone * 0.9)

    def draw(frame: Image, t: float) -> None:
        field = near.at(way * t, 0.15 * way * t) + far.at(-0.6 * way * t, 0.0)
        alpha = np.clip(np.float32(0.58) + np.float32(0.34 * billow) * field, 0.0, 1.15) * profile
        big = enlarge(as_field(np.minimum(alpha, 0.96)), stage, COARSE)
        if billow > 1:
            shade = enlarge(
                as_field(np.clip(0.5 + 0.35 * near.at(way * t + 9.0, 0.15 * way * t - 9.0), 0, 1)),
                stage,
                COARSE,
            )
            blend(frame, as_field(tone * np.float32(0.9) + cv2.merge([shade] * 3) * lit), big)
        else:
            blend(frame, as_field(tone), big)

    return draw


def smoke(
    stage: Stage,
    *,
    at: list[tuple[float, float, float]],
    width: float = 0.03,
    density: float = 0.75,
    colour: str = "#57504c",
    speed: float = 1.0,
    lean: float = 0.35,
) -> Draw:
    """Columns from (share of the width, mouth, length) that rise, lean with the wind and thin out."""
    tone = as_field(ink(colour) * np.clip(stage.light.ambient + 0.6 * stage.light.key, 0.2, 1.0))
    (x, y), rng = stage.grid(2), stage.rng

    def column(mx: float, my: float, length: float) -> Draw:
        up = (my - y) / length
        rise = np.clip(up, 0.0, 1.5)
        across = (x - mx - lean * length * rise**1.5) / (width * (0.55 + 4.2 * rise**0.8))
        body = smoothstep(-0.03, 0.02, up) * np.clip(1.0 - rise, 0, 1) ** 1.1
        amount = density * body * smoothstep(1.25, 0.3, np.abs(across))
        rows, cols = bounds(amount, 1)
        amount, across, rise = (as_field(part[rows, cols]) for part in (amount, across, rise))
        noise, v = Tile(fractal(rng, 256, 256, cells=9, slope=1.7, finest=0.18)), -np.log1p(3.0 * rise) * 88.0
        near, far = noise.lookup(across * 26.0 + 64.0, v), noise.lookup(across * 44.0, 1.6 * v)

        def draw(frame: Image, t: float) -> None:
            way = 20.0 * speed * t
            field = near.at(0.0, way) + np.float32(0.7) * far.at(3.0 * t, 1.5 * way)
            alpha = np.clip(amount * np.clip(np.float32(0.75) + np.float32(0.5) * field, 0, 1.4), 0, 0.94)
            bright = np.clip(np.float32(0.8) + np.float32(0.3) * field, 0.4, 1.5)
            big = cv2.resize(cv2.merge([as_field(alpha), as_field(bright)]), None, fx=2, fy=2)
            top, left = rows.start * 2, cols.start * 2
            view = frame[top : top + big.shape[0], left : left + big.shape[1]]
            big = big[: view.shape[0], : view.shape[1]]
            blend(view, as_field(big[..., 1:] * tone), np.ascontiguousarray(big[..., 0]))

        return draw

    return together(*(column(*spot) for spot in stage.places(at, 0, (0, 0), (0, 0))))


def fire(
    stage: Stage,
    *,
    at: list[tuple[float, float, float]],
    colour: str = "#ff7a28",
    width: float = 0.42,
    glow: float = 0.5,
) -> Draw:
    """Flames at (share of the width, foot, height) that lick upwards, and the light they throw."""
    noise = Tile(fractal(stage.rng, 128, 128, cells=9, slope=1.6, finest=0.2))
    hue, h = ink(colour), stage.height

    def flame(fx: float, fy: float, tall: float) -> Draw:
        half = width * tall
        rows = slice(stage.row(fy - 1.35 * tall), stage.row(fy + 0.12 * tall) + 1)
        cols = slice(max(0, round((fx - 2 * half) * h)), max(1, round((fx + 2 * half) * h) + 1))
        x, y = (axis[rows, cols] for axis in stage.grid())
        across, up = (x - fx) / half, (fy - y) / tall
        licks = noise.lookup(20.0 * across + stage.rng.uniform(0, 128), -34.0 * up)
        shine = flicker(stage.rng, 0.16, 2.4)

        def draw(frame: Image, t: float) -> None:
            lick, rise = licks.at(0.0, 60.0 * t), up / np.float32(shine(t))
            off = np.abs(across + np.float32(0.30) * lick * np.clip(rise, 0, 1))
            body = 1.7 * np.sqrt(np.clip(rise + 0.1, 0, None)) * np.clip(1.05 - rise, 0, 1)
            heat = np.clip(1.25 - off / np.maximum(body, 0.02), 0, 1) * smoothstep(-0.1, 0.04, rise)
            heat *= np.clip(1.0 + 0.25 * lick, 0.3, 1.4)
            white = 0.75 * heat**3.2
            parts = (1.5 * hue[k] * heat ** (1 + 0.6 * k) + white * (0.9 - 0.2 * k) for k in range(3))
            frame[rows, cols] += cv2.merge([as_field(part) for part in parts])

        light = halo(stage, (fx, fy - 0.4 * tall), 1.3 * tall, as_field(glow * hue))
        return together(draw, glowing(stage, light, depth=0.5, rate=2.2))

    return together(*(flame(*spot) for spot in stage.places(at, 0, (0, 0), (0, 0))))


def birds(
    stage: Stage,
    *,
    count: int = 9,
    y: tuple[float, float] = (0.08, 0.4),
    size: float = 0.032,
    speed: float = 1.0,
    colour: str = "#2c3038",
    kind: Literal["birds", "butterflies", "bats"] = "birds",
) -> Draw:
    """A loose flock of beating wings that glides across."""
    rng, h, span = stage.rng, stage.height, stage.aspect + 0.3
    near, start = rng.uniform(0.45, 1.0, count), rng.uniform(0, span, count)
    height, phase = rng.uniform(*y, count), rng.uniform(0, 2 * np.pi, count)
    pace = float(rng.choice([-1.0, 1.0])) * 0.085 * speed * near * rng.uniform(0.8, 1.2, count)
    rate = rng.uniform(4.5, 6.5, count) / near**0.3 * (1.6 if kind == "butterflies" else 1.0)
    rows = slice(stage.row(min(y) - 0.1), stage.row(max(y) + 0.1))
    level = (*tuple(int(255 * c) for c in np.clip(stage.light.lit(ink(colour), 0.6, 0.5), 0, 1)), 255)
    wander = 0.05 if kind == "butterflies" else 0.012

    def draw(frame: Image, t: float) -> None:
        canvas = np.zeros(((rows.stop - rows.start) * 2, frame.shape[1] * 2, 4), np.uint8)
        x = np.mod(start + pace * t, span) - 0.15
        place = height + wander * np.sin((0.6 if kind != "butterflies" else 3.0) * t + phase)
        glide = np.clip(0.5 + 1.2 * np.sin(0.8 * t + 2.0 * phase), 0.25, 1.0)
        beat = 0.15 + glide * 0.55 * np.sin(rate * t + phase)
        for k in range(count):
            for side in (-1.0, 1.0):
                b = float(beat[k])
                wing = np.array(
                    [
                        (0, 0.10),
                        (0.42 * side, -0.55 * b - 0.05),
                        (side, -0.75 * b + 0.18),
                        (0.42 * side, -0.55 * b + 0.12),
                        (0, 0.24),
                    ]
                )
                if kind == "butterflies":
                    open_ = 0.25 + 0.75 * abs(math.sin(rate[k] * t + phase[k]))
                    wing = np.array(
                        [
                            (0, 0.0),
                            (0.7 * side * open_, -0.7),
                            (0.9 * side * open_, -0.1),
                            (0.5 * side * open_, 0.5),
                            (0, 0.2),
                        ]
                    )
                points = (wing * size * near[k] + [x[k], place[k]]) * h * 2 - [0, rows.start * 2]
                cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], level, cv2.LINE_AA, 4)
        small = cv2.resize(canvas, (frame.shape[1], rows.stop - rows.start), interpolation=cv2.INTER_AREA)
        over(frame, as_field(small) * np.float32(1.0 / 255.0), rows.start)

    return draw


def haze_shimmer(stage: Stage, *, y: float = 0.6, spread: float = 0.08, strength: float = 0.004) -> Draw:
    """Hot air over the ground that bends what is behind it."""
    top, low = stage.row(y - spread), max(stage.row(y + spread), stage.row(y - spread) + 4)
    x, down = stage.grid()
    fade = as_field(
        np.exp(-(((down[top:low] - y) / (0.6 * spread)) ** 2)) * np.float32(strength * stage.height)
    )
    px, py = x[top:low] * stage.height - 0.5, (down[top:low] - down[top, 0]) * stage.height
    noise = Tile(fractal(stage.rng, 128, 256, cells=30, slope=1.2, stretch=3)).lookup(
        x[top:low] * 150, down[top:low] * 200
    )

    def draw(frame: Image, t: float) -> None:
        bend = noise.at(3 * t, 34 * t) * fade
        view = np.ascontiguousarray(frame[top:low])
        frame[top:low] = cv2.remap(
            view,
            as_field(px + bend),
            as_field(py + bend),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    return draw
