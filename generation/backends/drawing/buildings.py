"""What people build, from outside: skylines, and houses in a row, seen from the front."""

from __future__ import annotations

import itertools
from typing import Literal

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, pick, rgb
from sparkle.generation.backends.drawing.noise import as_field
from sparkle.generation.backends.drawing.stage import (
    Draw,
    Stage,
    Still,
    glowing,
    ink,
    together,
)

PANES = np.stack([rgb(255, 210, 138), rgb(255, 190, 110), rgb(255, 232, 190), rgb(190, 220, 255)])


def _window_glow(stage: Stage, lit: Canvas, strength: float, depth: float, rate: float) -> Draw:
    """Lit windows and their shine, wavering."""
    layer = lit.layer()
    spread = cv2.GaussianBlur(layer[..., :3], (0, 0), 0.012 * stage.height)
    return glowing(
        stage, as_field((layer[..., :3] + 0.6 * spread) * np.float32(strength)), depth=depth, rate=rate
    )


def skyline(
    stage: Stage,
    *,
    y: float = 0.7,
    tall: float = 0.42,
    width: float = 0.07,
    lit: float = 0.3,
    colour: str = "#70747f",
    far: float = 0.8,
    beacons: bool = True,
    stacked: bool = False,
    blink: float = 0.3,
    panes: list[str] | None = None,
) -> Draw:
    """High-rises in three ranks, with windows of which a share is `lit` and comes on and off.

    `stacked` joins the towers by bridges.
    """
    rng, light, canvas = stage.rng, stage.light, stage.canvas()
    groups = [stage.canvas() for _ in range(4)]
    hues = np.stack([ink(each) for each in panes]) if panes else PANES
    for rank, (scale, share) in enumerate(((0.72, 0.7), (0.9, 0.9), (1.2, 1.0))):
        air, x = far * (2.2, 1.4, 0.7)[rank], -0.05
        while x < stage.aspect + 0.05:
            wide = width * scale * rng.uniform(0.6, 1.5)
            calm = 1 - (0.0, 0.25, 0.5)[rank] * np.exp(-(((x / stage.aspect - 0.5) / 0.16) ** 2))
            top = y - tall * share * rng.uniform(0.35, 1.0) * calm
            _tower(
                canvas,
                groups,
                stage,
                (x, top, wide, y),
                pick(rng, ink(colour)[None], 1, 0.14)[0],
                air,
                lit,
                hues,
            )
            if stacked and rng.random() < 0.6:
                level = top + (y - top) * rng.uniform(0.15, 0.7)
                canvas.box(
                    x + wide, level, x + 2.2 * wide, level + 0.014, light.lit(ink(colour) * 0.6, 0.4, air)
                )
            x += wide * rng.uniform(0.85, 1.25)
    draws: list[Draw] = [Still(canvas.layer())]
    draws += (
        [
            _window_glow(stage, group, 0.95, 0.6 * blink + 0.1 * k, 0.25 + 0.25 * k)
            for k, group in enumerate(groups)
        ]
        if lit
        else []
    )
    if beacons:
        solid = canvas.layer()[..., 3] > 0.5
        tops = np.where(solid.any(axis=0), solid.argmax(axis=0), stage.height)
        picture = np.zeros((stage.height, stage.width, 3), np.float32)
        for part in np.array_split(np.arange(stage.width), 7):
            col = int(part[np.argmin(tops[part])])
            cv2.circle(picture, (col, int(tops[col])), max(1, stage.height // 220), (1.0, 0.2, 0.15), -1)
        glow = cv2.GaussianBlur(picture, (0, 0), 0.006 * stage.height)
        draws.append(glowing(stage, as_field(picture + 3.0 * glow), depth=1.3, rate=0.55))
    return together(*draws)


def _tower(
    canvas: Canvas,
    groups: list[Canvas],
    stage: Stage,
    place: tuple[float, float, float, float],
    albedo: Colour,
    far: float,
    lit: float,
    hues: Colour,
) -> None:
    rng, light = stage.rng, stage.light
    left, top, wide, foot = place
    parts = [(left, wide, top)]
    if rng.random() < 0.4:
        parts.append((left + 0.18 * wide, 0.64 * wide, top - 0.12 * (foot - top)))
    if rng.random() < 0.3:
        canvas.stroke(
            np.array([[left + 0.5 * wide, top], [left + 0.5 * wide, top - 0.07]]),
            0.0025,
            light.lit(ink("#46464e"), 0.3, far),
        )
    for x, across, high in parts[::-1]:
        for group in groups:
            group.box(x, high, x + across, foot, np.zeros(3))
        rows = np.linspace(high, foot, 7)
        split = x + across * (0.72 if light.side < 0 else 0.28)
        for a, b in itertools.pairwise(rows):
            air = far + 0.6 * (a - high)
            canvas.box(x, a, x + across, b + 0.002, light.lit(albedo, 0.72, air))
            dark = (split, x + across) if light.side < 0 else (x, split)
            canvas.box(dark[0], a, dark[1], b + 0.002, light.lit(albedo * 0.75, 0.1, air))
        pitch = 0.0085 + 0.0025 * wide / 0.07
        cols, lines = max(2, int(across / (0.85 * pitch))), max(2, int((foot - high) / pitch))
        col, row = (part.ravel() for part in np.meshgrid(np.arange(cols), np.arange(lines)))
        px, py = x + across * (col + 0.2) / cols, high + (foot - high) * (row + 0.25) / lines
        w, h = 0.6 * across / cols, 0.5 * (foot - high) / lines
        quads = np.stack(
            [
                np.stack([px, py], -1),
                np.stack([px + w, py], -1),
                np.stack([px + w, py + h], -1),
                np.stack([px, py + h], -1),
            ],
            1,
        )
        glass = ink("#6f90ac") * (light.ambient + 0.3 * light.key) * rng.uniform(0.5, 1.0, (len(px), 1))
        canvas.convex(quads, light.hazed(glass, np.full(len(px), far)))
        on = rng.random(len(px)) < lit * rng.uniform(0.5, 1.4)
        which = rng.integers(0, len(groups), len(px))
        tones = (
            hues[rng.integers(0, len(hues), len(px))]
            * rng.uniform(0.4, 1.0, (len(px), 1))
            * np.exp(-0.3 * far)
        )
        for k, group in enumerate(groups):
            group.convex(quads[on & (which == k)], tones[on & (which == k)])


# --- houses in a row, seen from the front ----------------------------------------------------------

HouseKind = Literal[
    "gabled", "timber", "white", "western", "shop", "brick", "stone", "edo", "cottage", "pixel"
]
WALLS: dict[str, tuple[str, ...]] = {
    "gabled": ("#8a4a38", "#a8643c", "#6e3a34", "#c49a6a"),
    "timber": ("#d0bc98", "#c0a880", "#d8c8a8"),
    "white": ("#f6f4ee", "#f0eee6", "#faf8f4"),
    "western": ("#9a7450", "#8a6444", "#b08c64", "#7c6a58"),
    "shop": ("#b4695c", "#7a8a9a", "#c0a070", "#8a7a9a"),
    "brick": ("#7c4436", "#6a4038", "#8a5444"),
    "stone": ("#b4a68e", "#c2b49a", "#a69880"),
    "edo": ("#6a5040", "#7a5c46", "#d8d0c0"),
    "cottage": ("#e0d4bc", "#d4c4a4", "#c8b898"),
    "pixel": ("#c87850", "#7890c0", "#d8b868", "#90a868"),
}
ROOFS = {
    "gabled": "#5a3a34",
    "timber": "#8e7448",
    "white": "#3c78c0",
    "cottage": "#7a5a44",
    "edo": "#3c4048",
    "pixel": "#a83c34",
}


def house(
    c: Canvas,
    lit: Canvas,
    stage: Stage,
    kind: str,
    wide: float,
    tall: float,
    far: float,
    glow: float,
    snow: float,
) -> None:
    """One house of unit scale: its foot at (0, 0), walls `wide` and `tall`, then its roof."""
    rng, light = stage.rng, stage.light
    wall = pick(rng, np.stack([ink(each) for each in WALLS[kind]]), 1, 0.06, 0.02)[0]
    shade = 0.62 + 0.12 * rng.standard_normal()
    roof = light.lit(pick(rng, ink(ROOFS.get(kind, "#5a4a44"))[None], 1, 0.1)[0], 0.5, far)
    white = light.lit(ink("#eef2f8"), 0.9, far)
    half = wide / 2
    lit.box(-half, -tall - 0.4 * wide, half, 0.0, np.zeros(3))
    c.box(-half, -tall, half, 0.0, light.lit(wall, shade, far))
    c.box(half - 0.08 * wide, -tall, half, 0.0, light.lit(wall * 0.85, 0.2, far))
    if kind == "gabled":
        steps = [(-half, -tall)]
        for k in range(4):
            steps += [
                (-half + 0.12 * k * wide, -tall - 0.11 * (k + 1) * wide),
                (-half + 0.12 * (k + 1) * wide, -tall - 0.11 * (k + 1) * wide),
            ]
        steps += [(-x, y) for x, y in steps[::-1]]
        c.polygon(np.array(steps), light.lit(wall, shade, far))
        c.polygon(
            np.array([(-half, -tall - 0.02), (half, -tall - 0.02), (half, -tall), (-half, -tall)]),
            light.lit(ink("#e8e0d0"), 0.7, far),
        )
    elif kind in ("timber", "cottage", "pixel", "edo"):
        rise, out = (0.62, 0.09) if kind in ("timber", "cottage") else (0.42, 0.14)
        gable = np.array(
            [(-half - out, -tall + 0.02), (0.0, -tall - rise * wide), (half + out, -tall + 0.02)]
        )
        if kind == "edo" or (kind != "pixel" and rng.random() < 0.5):
            gable = np.array(
                [
                    (-half - out, -tall + 0.03),
                    (-0.72 * half, -tall - 0.34 * wide),
                    (0.72 * half, -tall - 0.34 * wide),
                    (half + out, -tall + 0.03),
                ]
            )
        c.polygon(gable, white if snow else roof)
        if snow:
            c.polygon(gable * [1.0, 1.0] + [0.0, 0.03], roof) if snow < 0.5 else c.stroke(
                gable[[0, -1]], 0.03, roof
            )
    elif kind == "white":
        if rng.random() < 0.35:
            turn = np.linspace(np.pi, 2 * np.pi, 18)
            c.polygon(np.stack([0.42 * wide * np.cos(turn), -tall + 0.4 * wide * np.sin(turn)], -1), roof)
            c.box(-0.01, -tall - 0.5 * wide, 0.01, -tall - 0.38 * wide, white)
    elif kind in ("western", "shop"):
        c.box(-half - 0.02, -tall - 0.12, half + 0.02, -tall, light.lit(wall * 0.9, shade, far))
        c.box(-half - 0.04, -tall - 0.15, half + 0.04, -tall - 0.11, light.lit(ink("#d8c8a8"), 0.7, far))
    else:
        c.box(-half - 0.03, -tall - 0.04, half + 0.03, -tall + 0.02, light.lit(wall * 0.8, 0.7, far))
    if kind in ("timber",):
        beam = light.lit(ink("#48321f"), 0.3, far)
        for x in np.linspace(-half, half, 5):
            c.stroke(np.array([[x, -tall], [x, -0.35 * tall]]), 0.03, beam)
        for y in (-tall, -0.68 * tall, -0.35 * tall):
            c.stroke(np.array([[-half, y], [half, y]]), 0.03, beam)
        c.stroke(np.array([[-half, -0.35 * tall], [-half / 2, -0.68 * tall]]), 0.025, beam)
        c.stroke(np.array([[half, -0.35 * tall], [half / 2, -0.68 * tall]]), 0.025, beam)
    _openings(c, lit, stage, kind, wide, tall, far, glow, snow)


def _openings(
    c: Canvas,
    lit: Canvas,
    stage: Stage,
    kind: str,
    wide: float,
    tall: float,
    far: float,
    glow: float,
    snow: float,
) -> None:
    """Door, shop front and windows of a house."""
    rng, light, half = stage.rng, stage.light, wide / 2
    shopfront = kind in ("shop", "western")
    floor = 0.42 if kind != "cottage" else 0.5
    cols, rows = (
        max(2, round(wide / 0.26)),
        max(1, round((tall - floor) / 0.36)),
    )
    frame = light.lit(ink("#f0ece4" if kind not in ("western", "timber", "edo") else "#4a3a2c"), 0.6, far)
    glass = light.hazed(ink("#37485a") * (light.ambient + 0.4 * light.key), far)
    spots = [
        (-half + wide * (k + 0.5) / cols, -tall + (tall - floor) * (n + 0.55) / rows)
        for k in range(cols)
        for n in range(rows)
    ]
    w, h = 0.30 * wide / cols, 0.34 * (tall - floor) / rows
    for x, y in spots:
        c.box(x - w - 0.014, y - h - 0.014, x + w + 0.014, y + h + 0.014, frame)
        c.box(x - w, y - h, x + w, y + h, glass)
        if rng.random() < glow:
            tone = PANES[rng.integers(0, 2)] * rng.uniform(0.4, 0.85)
            lit.box(x - w, y - h, x + w, y + h, tone)
        c.box(x - 0.006, y - h, x + 0.006, y + h, frame)
        if kind == "white":
            for side in (-1, 1):
                c.box(
                    x + side * (w + 0.02) - 0.03,
                    y - h,
                    x + side * (w + 0.02) + 0.03,
                    y + h,
                    light.lit(ink("#2f6ab8"), 0.6, far),
                )
        if snow:
            c.box(x - w - 0.02, y + h, x + w + 0.02, y + h + 0.03, light.lit(ink("#eef2f8"), 0.9, far))
    if shopfront:
        c.box(-0.44 * wide, -0.36, 0.44 * wide, -0.06, glass)
        lit.box(-0.44 * wide, -0.36, 0.44 * wide, -0.06, PANES[0] * 0.6 * (rng.random() < 2 * glow))
        awning = ink(("#b03a34", "#2f7a5a", "#345a98", "#c88a2c")[rng.integers(0, 4)])
        if kind == "shop":
            for k in range(8):
                a, b = -0.48 * wide + 0.12 * wide * k, -0.48 * wide + 0.12 * wide * (k + 1)
                c.polygon(
                    np.array([(a, -0.42), (b, -0.42), (b, -0.3), (a, -0.3)]),
                    light.lit(awning if k % 2 else ink("#efe8dc"), 0.7, far),
                )
        else:
            c.box(-half - 0.05, -0.46, half + 0.05, -0.42, light.lit(ink("#5c4632"), 0.6, far))
            for x in (-half, half - 0.03):
                c.box(x, -0.42, x + 0.03, 0.0, light.lit(ink("#6a5038"), 0.5, far))
            c.box(-0.3 * wide, -tall - 0.06, 0.3 * wide, -tall + 0.06, light.lit(ink("#e4d4b0"), 0.7, far))
    door = light.lit(ink(("#5a3424", "#2c4a5c", "#3a5a3a", "#6a2a2a")[rng.integers(0, 4)]), 0.4, far)
    c.box(-0.09, -0.34, 0.09, 0.0, door)


def houses(
    stage: Stage,
    *,
    kind: HouseKind = "gabled",
    at: list[tuple[float, float, float]] | None = None,
    y: float = 0.66,
    size: float = 0.34,
    count: int = 9,
    far: float = 0.6,
    lit: float = 0.2,
    stories: float = 1.0,
    snow: float = 0.0,
    blink: float = 0.4,
    gap: float = 0.0,
) -> Draw:
    """Houses side by side along `y`, or at (share of the width, foot, scale); lit windows waver."""
    rng, canvas, windows = stage.rng, stage.canvas(), stage.canvas()
    spots = [(x, foot, tall) for x, foot, tall in stage.places(at, 0, (0, 0), (0, 0))] if at else []
    if not at:
        x, step = -0.05, (stage.aspect + 0.1) / count
        while x < stage.aspect + step:
            spots.append((x, y, size * rng.uniform(0.85, 1.1)))
            x += step
    step = (stage.aspect + 0.1) / count
    for x, foot, scale in spots:
        wide = (step / scale if not at else rng.uniform(0.8, 1.1)) * (1 - gap)
        house(
            canvas.at(x, foot, scale),
            windows.at(x, foot, scale),
            stage,
            kind,
            wide,
            stories * rng.uniform(0.8, 1.15),
            far,
            lit,
            snow,
        )
    return together(Still(canvas.layer()), _window_glow(stage, windows, 0.95, blink, 0.8))
