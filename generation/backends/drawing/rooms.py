"""Rooms and what stands in them: floors and walls, shelves, windows, skylights."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image, pick
from sparkle.generation.backends.drawing.land import ground
from sparkle.generation.backends.drawing.noise import as_field, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.props import paint
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


GOODS = ("#7a2424", "#2c4a6a", "#3a5a34", "#8a6a2c", "#5a3a5a", "#c8b890", "#a84c30", "#2a2c38")
SPACING = {"book": 0.2, "plate": 1.0}  # of the height, from one to the next


def shelves(
    stage: Stage,
    *,
    left: float = 0.2,
    right: float = 0.8,
    top: float = 0.1,
    low: float = 0.62,
    rows: int = 6,
    wood: str = "#5c3820",
    goods: str = "book",
) -> Draw:
    """Shelves between two shares of the width, full of things of `shapes.toml` of one kind."""
    rng, light, canvas = stage.rng, stage.light, stage.canvas()
    a, b = left * stage.aspect, right * stage.aspect
    canvas.box(a, top, b, low, light.lit(ink(wood) * 0.4, 0.2))
    hues = np.stack([ink(each) for each in GOODS])
    step = (low - top) / rows
    for n in range(rows):
        foot, x = top + (n + 1) * step - 0.008, a + 0.014
        while x + 0.9 * step * SPACING.get(goods, 0.5) < b:
            tall = step * rng.uniform(0.6, 0.88)
            paint(canvas.at(x, foot, tall), stage, goods, pick(rng, hues, 1, 0.2)[0], 0.0)
            x += tall * rng.uniform(0.85, 1.0) * SPACING.get(goods, 0.5)
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
    iron = stage.light.lit(ink("#4e665a" if dome else "#3c4448"), 0.6)
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
    key = np.mod(np.sin(u * 12.9 + v * 78.2 + stage.rng.uniform(0, 6.3)) * 43758.0, 1.0)
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
    u, v = (x - 0.5 * stage.aspect) * depth * 2.6, depth * 2.2 + np.float32(stage.rng.random())
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
