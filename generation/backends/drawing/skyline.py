"""A skyline of high-rises."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, pick
from sparkle.generation.backends.drawing.noise import as_field
from sparkle.generation.backends.drawing.stage import (
    PANES,
    Draw,
    Stage,
    Still,
    glowing,
    ink,
    together,
    window_light,
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
            window_light(stage, group.layer()[..., :3], 0.6 * blink + 0.1 * k, 0.25 + 0.25 * k)
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
