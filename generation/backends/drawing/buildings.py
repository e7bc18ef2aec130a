"""What people build: skylines, streets in perspective, rows of houses, rooms with what stands in them."""

from __future__ import annotations

import itertools
from typing import Literal

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Image, pick, rgb
from sparkle.generation.backends.drawing.land import ground
from sparkle.generation.backends.drawing.noise import as_field, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.stage import (
    Draw,
    Stage,
    Still,
    glowing,
    ink,
    layer_of,
    swaying,
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


# --- a street that runs to its vanishing point -----------------------------------------------------


def street(
    stage: Stage,
    *,
    kind: HouseKind = "brick",
    y: float = 0.52,
    half: float = 0.62,
    eye: float = 0.42,
    tall: float = 1.45,
    lit: float = 0.3,
    snow: float = 0.0,
    middle: float = 0.5,
    signs: int = 0,
    lamps: int = 0,
    blink: float = 0.4,
    depth: float = 6.0,
) -> Draw:
    """Two rows of houses that face a street, drawn flat and then seen in perspective.

    Args:
        stage: The stage; draws from its random stream.
        kind: Of the houses.
        y: Horizon of the street.
        half: Half its width at the bottom of the frame, in frame heights.
        eye: Height of the eye at the nearest house, in frame heights.
        tall: How high the houses are, in frame heights at the nearest one.
        lit: Share of lit windows.
        snow: Whether snow lies on them.
        middle: Where the street vanishes, as a share of the width.
        signs: Neon signs on each side.
        lamps: Street lamps on each side.
        blink: How far lit windows and signs waver.
        depth: How far away the last house stands.
    """
    rng, h = stage.rng, stage.height
    cx = middle * stage.aspect
    draws: list[Draw] = []
    flat_h, flat_w = round(0.9 * h), round(2.6 * h)
    picture, glow = np.zeros((h, stage.width, 4), np.float32), np.zeros((h, stage.width, 4), np.float32)
    for side in (-1.0, 1.0):
        canvas, windows = Canvas(flat_h, flat_w), Canvas(flat_h, flat_w)
        x = 0.0
        while x < flat_w / flat_h:
            wide = rng.uniform(0.26, 0.36)
            scale = 0.66 * rng.uniform(0.85, 1.1)
            house(
                canvas.at(x + wide / 2, 1.0, scale),
                windows.at(x + wide / 2, 1.0, scale),
                stage,
                kind,
                wide / scale,
                1.05,
                0.0,
                lit,
                snow,
            )
            x += wide
        near, last = 1.0, depth

        def project(z: float, up: float, side: float = side) -> tuple[float, float]:
            return (cx + side * half / z) * h, (y + (eye - up) / z) * h

        source = np.array([[0, flat_h], [flat_w, flat_h], [flat_w, 0], [0, 0]], np.float32)
        target = np.array(
            [project(near * 0.55, 0.0), project(last, 0.0), project(last, tall), project(near * 0.55, tall)],
            np.float32,
        )
        warp = cv2.getPerspectiveTransform(source, target)
        for made, into in ((canvas, picture), (windows, glow)):
            wall = cv2.warpPerspective(made.layer(), warp, (stage.width, h), flags=cv2.INTER_AREA)
            wall = as_field(np.nan_to_num(wall))  # a pixel at the wall's line of infinity is not a number
            into *= np.float32(1.0) - wall[..., 3:] if into is picture else np.float32(1.0)
            into += wall
    x_grid, _ = stage.grid()
    z = half / np.maximum(np.abs(x_grid - cx), 0.02)
    alpha = np.clip(picture[..., 3], 0, 1)
    albedo = picture[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    faces = np.where((x_grid > cx) == (stage.light.side > 0), 0.72, 1.0)
    draws.append(
        Still(layer_of(stage.light.hazed(albedo * faces[..., None], 0.28 * (z - 0.5)), as_field(alpha)))
    )
    bright = glow[..., :3] * np.exp(-0.1 * z)[..., None]
    spread = cv2.GaussianBlur(as_field(bright), (0, 0), 0.014 * h)
    draws.append(glowing(stage, as_field(0.62 * bright + 0.45 * spread), depth=blink, rate=0.9))
    for k in range(signs):
        draws.append(_sign(stage, (cx, y, half, eye), k, blink, tall))
    if lamps:
        draws.append(_lamps(stage, (cx, y, half, eye), lamps))
    return together(*draws)


NEON = ("#ff2e88", "#2ee6ff", "#ffd23a", "#8a5aff", "#4aff9a", "#ff5a3a")


def _sign(stage: Stage, view: tuple[float, float, float, float], k: int, blink: float, tall: float) -> Draw:
    """One neon sign per side that juts into the street: a frame and strokes like writing, which stutter."""
    rng, (cx, y, half, eye) = stage.rng, view
    canvas, side = stage.canvas(), (-1.0, 1.0)[k % 2]
    z = 0.75 + 0.45 * (k // 2) + 0.2 * rng.random()
    scale, x = 1.0 / z, cx + side * half / z * rng.uniform(0.84, 0.95)
    foot, hue = y + (eye - rng.uniform(0.55, 0.62 * tall)) / z, ink(NEON[rng.integers(0, len(NEON))])
    w, long = 0.055, rng.uniform(0.16, 0.30)
    c = canvas.at(x, foot, scale)
    c.box(-w, -long, w, 0.0, 0.14 * hue)
    ring = np.array([(-w, -long), (w, -long), (w, 0.0), (-w, 0.0), (-w, -long)])
    for a, b in itertools.pairwise(ring):
        c.stroke(np.stack([a, b]), 0.008, hue)
    other = ink(NEON[rng.integers(0, len(NEON))])
    for n in range(int(long / 0.05)):
        top = -long + 0.02 + 0.05 * n
        for _ in range(3):
            ends = np.stack([rng.uniform(-0.6 * w, 0.6 * w, 2), top + rng.uniform(0, 0.032, 2)], -1)
            c.stroke(ends, 0.007, other)
    layer = canvas.layer()
    shine = cv2.GaussianBlur(layer[..., :3], (0, 0), 0.016 * stage.height) * 1.1
    wide = cv2.GaussianBlur(layer[..., :3], (0, 0), 0.06 * stage.height) * 1.0
    return glowing(
        stage, as_field(1.1 * layer[..., :3] + shine + wide), depth=1.1 * blink, rate=rng.uniform(0.7, 2.4)
    )


def _lamps(stage: Stage, view: tuple[float, float, float, float], count: int) -> Draw:
    """Street lamps on both kerbs and their wavering light."""
    (cx, y, half, eye), canvas = view, stage.canvas()
    light, spots = stage.light, []
    for z in np.linspace(3.4, 0.85, count):
        for side in (-1.0, 1.0):
            x, foot, s = cx + side * 0.72 * half / z, y + eye / z, 1.0 / z
            c = canvas.at(float(x), float(foot), float(s))
            c.stroke(np.array([[0, 0], [0, -0.62]]), 0.018, light.lit(ink("#24262a"), 0.4, 0.3 * z))
            c.polygon(
                np.array([(-0.05, -0.74), (0.05, -0.74), (0.035, -0.62), (-0.035, -0.62)]), ink("#ffe0a0")
            )
            c.polygon(
                np.array([(-0.06, -0.74), (0.0, -0.80), (0.06, -0.74)]),
                light.lit(ink("#24262a"), 0.4, 0.3 * z),
            )
            spots.append((x, foot - 0.68 * s, s))
    x_grid, y_grid = stage.grid()
    draws: list[Draw] = [Still(canvas.layer())]
    for group in (spots[::3], spots[1::3], spots[2::3]):
        picture = sum(np.exp(-np.hypot(x_grid - x, y_grid - top) / (0.10 * s)) * 0.75 for x, top, s in group)
        draws.append(
            glowing(stage, as_field(np.asarray(picture)[..., None] * ink("#ffb860")), depth=0.35, rate=1.7)
        )
    return together(*draws)


# --- rooms -----------------------------------------------------------------------------------------


def room(
    stage: Stage,
    *,
    wall: str = "#c8b498",
    floor: str = "#8a5c38",
    y: float = 0.62,
    ceiling: float = 0.06,
    pattern: Literal["planks", "tiles", "checker", "carpet"] = "planks",
    trim: str = "#6a4428",
    side: float = 0.16,
    panel: float = 0.0,
    paper: float = 0.0,
) -> Draw:
    """A back wall, two side walls that lead to it, a floor in perspective and a ceiling.

    Args:
        stage: The stage; draws from its random stream.
        wall: Albedo of the walls.
        floor: Of the floor.
        y: Foot of the back wall.
        ceiling: Its top.
        pattern: Of the floor.
        trim: Albedo of skirting and panels.
        side: Width of a side wall as a share of the frame's.
        panel: Height of wainscot panels.
        paper: Strength of stripes on the wall.
    """
    kind = "soft" if pattern == "carpet" else pattern
    base = ground(
        stage, y=y - 0.16, kind=kind, colour=floor, scale=0.5 if pattern == "planks" else 0.7, rough=0.5
    )
    canvas, light, a = stage.canvas(), stage.light, stage.aspect
    left, right = side * a, (1 - side) * a
    low = y + (1.0 - y) * 2.1
    tone, dark = ink(wall), ink(trim)
    canvas.box(left, ceiling, right, y, light.lit(tone, 0.66))
    if paper:
        for x in np.arange(left, right, 0.05):
            canvas.box(x, ceiling, x + 0.02, y, light.lit(tone * (1 - 0.12 * paper), 0.62))
    for edge, out, shade in (
        (left, -0.02, 0.42 if light.side > 0 else 0.75),
        (right, a + 0.02, 0.75 if light.side > 0 else 0.42),
    ):
        canvas.polygon(
            np.array([(edge, ceiling), (edge, y), (out, low * 0.5 + y * 0.5), (out, -0.25)]),
            light.lit(tone * 0.92, shade * 0.8),
        )
    canvas.polygon(
        np.array([(left, ceiling), (right, ceiling), (a + 0.02, -0.25), (-0.02, -0.25)]),
        light.lit(tone * 1.02 + 0.02, 0.35),
    )
    if panel:
        canvas.box(left, y - panel, right, y, light.lit(dark, 0.5))
        for x in np.arange(left + 0.03, right - 0.1, 0.17):
            canvas.box(x, y - panel + 0.03, x + 0.13, y - 0.04, light.lit(dark * 1.2, 0.62))
        canvas.box(left, y - panel - 0.012, right, y - panel, light.lit(dark * 1.3, 0.8))
    canvas.box(left, y - 0.022, right, y, light.lit(dark, 0.45))
    layer = canvas.layer()
    x_grid, y_grid = stage.grid()
    fall = 1.0 - 0.30 * np.hypot((x_grid / a - 0.5) * 1.2, y_grid - 0.45)
    corner = (
        1.0 - 0.25 * np.exp(-np.abs(x_grid - left) / 0.03) - 0.25 * np.exp(-np.abs(x_grid - right) / 0.03)
    )
    layer[..., :3] *= (fall * corner)[..., None]
    walls, full = Still(layer), np.zeros((stage.height, stage.width, 3), np.float32)
    base(full, 0.0)
    walls(full, 0.0)
    return Still(as_field(full))


def shelves(
    stage: Stage,
    *,
    left: float = 0.2,
    right: float = 0.8,
    top: float = 0.1,
    low: float = 0.62,
    rows: int = 6,
    wood: str = "#5c3820",
    goods: Literal["books", "bottles", "crates", "plates", "jars"] = "books",
) -> Draw:
    """Shelves between two shares of the width, full of books or other goods."""
    rng, light, canvas = stage.rng, stage.light, stage.canvas()
    a, b = left * stage.aspect, right * stage.aspect
    canvas.box(a, top, b, low, light.lit(ink(wood) * 0.4, 0.2))
    hues = np.stack(
        [
            ink(each)
            for each in (
                "#7a2424",
                "#2c4a6a",
                "#3a5a34",
                "#8a6a2c",
                "#5a3a5a",
                "#c8b890",
                "#a84c30",
                "#2a2c38",
            )
        ]
    )
    step = (low - top) / rows
    for n in range(rows):
        foot, x = top + (n + 1) * step - 0.008, a + 0.01
        while x < b - 0.014:
            wide = rng.uniform(0.010, 0.024) if goods == "books" else rng.uniform(0.03, 0.05)
            tall = step * rng.uniform(0.55, 0.86)
            tone = light.lit(pick(rng, hues, 1, 0.12)[0], rng.uniform(0.4, 0.75))
            if goods == "books":
                canvas.box(x, foot - tall, x + wide, foot, tone)
                canvas.box(x, foot - 0.8 * tall, x + wide, foot - 0.74 * tall, light.lit(ink("#d8b868"), 0.6))
            elif goods == "bottles":
                canvas.box(x, foot - 0.6 * tall, x + 0.6 * wide, foot, tone)
                canvas.box(x + 0.2 * wide, foot - tall, x + 0.4 * wide, foot - 0.6 * tall, tone)
            elif goods == "plates":
                canvas.circle((x + wide / 2, foot - 0.45 * step), 0.4 * step, light.lit(ink("#e8ecf0"), 0.8))
                canvas.circle((x + wide / 2, foot - 0.45 * step), 0.26 * step, light.lit(ink("#5a80b8"), 0.7))
                wide = step
            else:
                canvas.box(x, foot - 0.7 * tall, x + 0.85 * wide, foot, tone)
                canvas.box(
                    x, foot - 0.78 * tall, x + 0.85 * wide, foot - 0.68 * tall, light.lit(ink("#d8d0c0"), 0.7)
                )
            x += wide + (0.001 if goods == "books" else 0.01)
        canvas.box(a, foot, b, foot + 0.012, light.lit(ink(wood) * 1.2, 0.6))
    for x in np.linspace(a, b, max(2, round((b - a) / 0.36) + 1)):
        canvas.box(x - 0.012, top - 0.01, x + 0.012, low, light.lit(ink(wood), 0.6))
    canvas.box(a - 0.02, top - 0.03, b + 0.02, top, light.lit(ink(wood) * 1.15, 0.7))
    return Still(canvas.layer())


def window(
    stage: Stage,
    *,
    at: list[tuple[float, float, float, float]],
    view: tuple[str, str] = ("#7fb0e0", "#e4eef4"),
    ground: str = "#6c9a48",
    frame: str = "#f0ece4",
    panes: tuple[int, int] = (2, 3),
    curtain: str = "",
    shine: float = 0.5,
    passing: float = 0.0,
    rain: bool = False,
    arched: bool = False,
) -> Draw:
    """Windows at (left, top, right, bottom; shares of the frame), what lies outside, curtains that billow.

    Args:
        stage: The stage; draws from its random stream.
        at: Where they are.
        view: Colours of the sky outside, from top to bottom.
        ground: Colour of the land outside.
        frame: Of the frame.
        panes: Columns and rows.
        curtain: Colour of curtains, if there are any.
        shine: Strength of the light that comes in.
        passing: Speed of the land outside, in frame heights a second.
        rain: Whether drops run down the glass.
        arched: Whether its top is round.
    """
    rng, light = stage.rng, stage.light
    x, y = stage.grid()
    top, low = ink(view[0]), ink(view[1])
    outside = np.zeros((*x.shape, 3), np.float32)
    mask, bars, cloth = np.zeros_like(x), stage.canvas(), stage.canvas()
    glow = np.zeros((*x.shape, 3), np.float32)
    for left0, t0, right0, b0 in at:
        left, right = left0 * stage.aspect, right0 * stage.aspect
        inside = (x > left) & (x < right) & (y > t0) & (y < b0)
        if arched:
            cap = (right - left) / 2
            inside &= (y > t0 + cap) | (np.hypot(x - (left + right) / 2, y - t0 - cap) < cap)
        share = np.clip((y - t0) / (b0 - t0), 0, 1)[..., None]
        outside = np.where(inside[..., None], top + (low - top) * share, outside)
        mask = np.maximum(mask, inside)
        tone = light.lit(ink(frame), 0.7)
        for k in range(panes[0] + 1):
            px = left + (right - left) * k / panes[0]
            bars.box(px - 0.006, t0, px + 0.006, b0, tone)
        for k in range(panes[1] + 1):
            py = t0 + (b0 - t0) * k / panes[1]
            bars.box(left - 0.006, py - 0.005, right + 0.006, py + 0.005, tone)
        bars.box(left - 0.025, b0, right + 0.025, b0 + 0.018, light.lit(ink(frame), 0.9))
        aside = np.maximum(np.abs(x - (left + right) / 2) - (right - left) / 2, 0)
        away = np.hypot(aside, np.maximum(np.abs(y - (t0 + b0) / 2) - (b0 - t0) / 2, 0))
        glow += 0.5 * shine * np.exp(-away / 0.12)[..., None] * low
        if curtain:
            for edge, way in ((left, 1), (right, -1)):
                for fold in range(5):
                    f0 = edge - way * 0.05 + way * 0.022 * fold
                    wide = np.array(
                        [
                            (f0, t0 - 0.03),
                            (f0 + way * 0.026, t0 - 0.03),
                            (f0 + way * (0.03 - 0.002 * fold), b0 + 0.05),
                            (f0 - way * 0.002, b0 + 0.05),
                        ]
                    )
                    cloth.polygon(wide, light.lit(ink(curtain) * (0.72 + 0.28 * (fold % 2)), 0.55))
            cloth.box(left - 0.08, t0 - 0.045, right + 0.08, t0 - 0.028, light.lit(ink("#8a6a3a"), 0.7))
    land = fractal(rng, 64, 512, cells=9, slope=1.6)
    base = float(np.mean([t0 + 0.68 * (b0 - t0) for _, t0, _, b0 in at]))
    near = as_field(mask)
    drops = rng.random((60, 3))

    def look(frame_: Image, t: float) -> None:
        way = passing * t * stage.height * 0.5
        crest = base + 0.05 * sample(land, x[:1] * 90 + way * 0.35, 0 * x[:1])
        scene = np.where((y > crest)[..., None], ink(ground) * 0.75, outside)
        hedge = base + 0.13 + 0.04 * sample(land, x[:1] * 160 + 3 * way, 0 * x[:1] + 20)
        scene = np.where(
            (y > hedge)[..., None],
            ink(ground) * (0.8 + 0.2 * (np.sin(x * 90 + 6 * way) > 0.3))[..., None],
            scene,
        )
        if rain:
            for dx, dy, pace in drops:
                px, py = int(dx * stage.width), int(((dy + (0.10 + 0.22 * pace) * t) % 1.0) * stage.height)
                cv2.line(scene, (px, py), (px, py + stage.height // 30), (0.86, 0.9, 0.94), 1, cv2.LINE_AA)
        frame_ += (as_field(scene) - frame_) * near[..., None]

    rows = slice(stage.row(min(t0 for _, t0, _, _ in at)), stage.row(max(b0 for *_, b0 in at)) + 1)
    cropped = _cropped(look, stage, rows) if not passing and not rain else look
    draws: list[Draw] = [cropped, Still(bars.layer()), glowing(stage, as_field(glow), depth=0.12, rate=0.4)]
    if curtain:
        reach = np.clip((y - at[0][1]) / max(at[0][3] - at[0][1], 0.05), 0, 1.2) * 0.020
        draws.append(swaying(stage, cloth.layer(), as_field(reach), flutter=0.2, pace=1.2))
    return together(*draws)


def _cropped(look: Draw, stage: Stage, rows: slice) -> Draw:
    """A still view through a window, made once."""
    blank, white = (
        np.zeros((stage.height, stage.width, 3), np.float32),
        np.ones((stage.height, stage.width, 3), np.float32),
    )
    look(blank, 0.0)
    look(white, 0.0)
    alpha = as_field(1.0 - (white - blank).max(axis=2))
    return Still(np.dstack([blank, alpha]).astype(np.float32))


def skylight(
    stage: Stage,
    *,
    top: str = "#8fc0ea",
    low: str = "#eaf4fa",
    y: float = 0.3,
    bars: int = 9,
    dome: bool = False,
) -> Draw:
    """A roof of glass: sky behind iron ribs that run to the vanishing point, with light that shifts on it."""
    (x, down), canvas = stage.grid(), stage.canvas()
    share = np.clip(down / y, 0, 1)[..., None]
    alpha = smoothstep(
        y + 0.004, y - 0.004, down + 0.25 * np.abs(x / stage.aspect - 0.5) * (1 if dome else 0.4)
    )
    sky = Still(layer_of(as_field(ink(top) + (ink(low) - ink(top)) * share), alpha))
    iron = stage.light.lit(ink("#e4ece8" if dome else "#3c4448"), 0.6)
    middle = np.array([0.5 * stage.aspect, y + 0.18])
    for k in np.linspace(-1.6, 1.6, bars):
        end = np.array([(0.5 + k) * stage.aspect, -0.05])
        canvas.stroke(np.stack([middle + (end - middle) * 0.38, end]), 0.009, iron)
    for level in (0.0, 0.35, 0.65, 0.92):
        s = np.linspace(-0.1, stage.aspect + 0.1, 30)
        bow = level * y - (0.25 if dome else 0.0) * y * np.abs(s / stage.aspect - 0.5)
        canvas.stroke(np.stack([s, bow], -1), 0.007, iron)
    return together(sky, Still(canvas.layer()))


def dance_floor(
    stage: Stage, *, y: float = 0.55, colours: list[str], rate: float = 1.0, scale: float = 1.0
) -> Draw:
    """A floor of lit tiles that flash in sequence, or a glowing grid that scrolls."""
    top = stage.row(y)
    x, down = (axis[top:] for axis in stage.grid())
    depth = np.minimum((1.0 - y) / np.maximum(down - y, 0.004), 30.0)
    u, v = np.floor((x - 0.5 * stage.aspect) * depth * 2.6 / scale), np.floor(depth * 2.2 / scale)
    edge = np.maximum(
        np.abs(np.mod((x - 0.5 * stage.aspect) * depth * 2.6 / scale, 1) - 0.5),
        np.abs(np.mod(depth * 2.2 / scale, 1) - 0.5),
    )
    face = as_field(smoothstep(0.5, 0.42, edge) * np.exp(-0.12 * depth))
    hues = np.stack([ink(each) for each in colours]).astype(np.float32)
    key = np.mod(np.sin(u * 12.9 + v * 78.2) * 43758.0, 1.0)
    which = (key * len(hues)).astype(int) % len(hues)

    def draw(frame: Image, t: float) -> None:
        wave = (
            np.float32(0.12)
            + np.float32(0.95) * np.clip(np.sin(2.4 * rate * t + 6.3 * as_field(key)), 0, 1) ** 2
        )
        tone = hues[which] * (wave * face)[..., None]
        frame[top:] = frame[top:] * np.float32(0.25) + tone

    return draw


def grid_floor(
    stage: Stage, *, y: float = 0.56, colour: str = "#ff3ad2", base: str = "#120628", speed: float = 1.0
) -> Draw:
    """A plane of glowing lines that scrolls towards the camera."""
    top = stage.row(y)
    x, down = (axis[top:] for axis in stage.grid())
    depth = np.minimum((1.0 - y) / np.maximum(down - y, 0.003), 60.0)
    u, v = (x - 0.5 * stage.aspect) * depth * 2.6, depth * 2.2
    blur, fade = np.clip(0.045 * depth, 0.05, 0.9), np.exp(-0.06 * depth)
    across = np.clip(1.6 - np.abs(u - np.round(u)) / (0.03 * blur / 0.05), 0, 1)
    hue, dark = ink(colour), ink(base)

    def draw(frame: Image, t: float) -> None:
        place = v + np.float32(1.9 * speed * t)
        line = np.maximum(
            across, np.clip(1.6 - np.abs(place - np.round(place)) / (0.035 * blur / 0.05), 0, 1)
        )
        wide = np.exp(-np.abs(place - np.round(place)) / 0.12) * 0.25
        frame[top:] = dark + cv2.merge([as_field((line * fade + wide * fade) * 1.25 * c) for c in hue])

    return draw


def pipes(stage: Stage, *, colour: str = "#4a3a34", count: int = 9, y: float = 0.9) -> Draw:
    """Pipes and girders at the sides, black against what glows behind them."""
    rng, light, canvas = stage.rng, stage.light, stage.canvas()
    for k in range(count):
        side = -1 if k % 2 else 1
        x = (0.5 + side * rng.uniform(0.3, 0.5)) * stage.aspect
        foot, top, wide = y + 0.15, y - rng.uniform(0.25, 0.8), rng.uniform(0.012, 0.04)
        bend = np.array([(x, foot), (x, top), (x + side * 0.2, top), (x + side * 0.6, top + 0.02)])
        for share, shade in ((1.0, 0.15), (0.6, 0.4), (0.25, 0.8)):
            for a, b in itertools.pairwise(bend):
                canvas.stroke(np.stack([a, b]), wide * share, light.lit(ink(colour), shade, 0.2))
        for ring in np.arange(top + 0.03, foot, 0.14):
            canvas.box(
                x - 0.7 * wide, ring, x + 0.7 * wide, ring + 0.016, light.lit(ink(colour) * 1.3, 0.5, 0.2)
            )
    return Still(canvas.layer())
