"""Under the sea: a reef or a deep floor, rays from the surface, weed that sways, fish, bubbles."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Image, pick, rgb
from sparkle.generation.backends.drawing.land import crest, hill
from sparkle.generation.backends.drawing.light import COARSE, Rays, coarse_grid
from sparkle.generation.backends.drawing.motion import Swaying, vigour
from sparkle.generation.backends.drawing.noise import Tile, fractal, smoothstep
from sparkle.generation.backends.drawing.plants import Crown, foliage, reach_above
from sparkle.generation.backends.drawing.sky import gradient
from sparkle.generation.backends.drawing.stage import Backdrop, Cutout, Element, Stage

REEF_WATER = np.stack([rgb(120, 214, 224), rgb(34, 140, 178), rgb(18, 84, 128)])
DEEP_WATER = np.stack([rgb(44, 120, 150), rgb(14, 62, 100), rgb(6, 28, 56)])
CORALS = np.stack(
    [rgb(236, 110, 100), rgb(240, 160, 80), rgb(196, 90, 160), rgb(240, 200, 110), rgb(150, 110, 200)]
)
WEED = np.stack([rgb(86, 130, 62), rgb(60, 104, 66), rgb(124, 140, 66)])
FISH = np.stack(
    [rgb(250, 176, 60), rgb(240, 230, 200), rgb(90, 160, 220), rgb(240, 110, 80), rgb(250, 220, 90)]
)
BED = rgb(206, 192, 150)


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    rng = stage.rng
    deep = stage.spec.kind == "deep" or stage.mood.night
    water = (DEEP_WATER if deep else REEF_WATER) * (1.0 + 0.04 * rng.standard_normal((3, 3)))
    mood = replace(
        stage.mood,
        haze=(0.55 * water[1] + 0.45 * water[2]).astype(np.float32),
        haze_density=0.62,
        key=(0.55 if deep else 0.85) * rgb(200, 245, 245),
        ambient=(0.55 * water[1] + 0.08).astype(np.float32),
    )
    stage = replace(stage, mood=mood)
    _, y = stage.grid()
    elements: list[Element] = [Backdrop(gradient(water.astype(np.float32), y))]
    for k, (level, distance) in enumerate(((0.66, 2.0), (0.74, 1.2), (0.82, 0.6))):
        line = crest(stage, level, 0.05 - 0.01 * k, 3.0, slope=1.5)
        elements.append(Cutout(hill(stage, line, rgb(96, 110, 110), distance, mist=0.3, rough=0.16)))
        weeds, growth = stage.canvas(), stage.canvas()
        _weeds(weeds, stage, line, 0.10 + 0.06 * k, 26, distance)
        if not deep or k == 2:
            _corals(growth, stage, line, 0.030 + 0.022 * k, 22, distance)
        elements += [
            Swaying(
                stage, weeds.layer(), reach_above(stage, level + 0.04, 0.30, 0.055), flutter=0.10, pace=0.8
            ),
            Swaying(
                stage, growth.layer(), reach_above(stage, level + 0.04, 0.25, 0.010), flutter=0.3, pace=0.8
            ),
        ]
        elements.append(Shoal(stage, 16 - 4 * k, 0.010 + 0.008 * k, distance, (0.18, level - 0.06)))
    elements += _bed(stage)
    elements.append(
        Rays(stage, (float(rng.uniform(0.3, 0.7)) * stage.aspect, -0.35), 0.42 if deep else 0.55, length=0.75)
    )
    elements.append(Caustics(stage, 0.28 if deep else 0.45))
    return elements


def _weeds(canvas: Canvas, stage: Stage, line: Image, tall: float, count: int, distance: float) -> None:
    """Long ribbons in tufts."""
    rng = stage.rng
    for x in rng.uniform(-0.02, stage.aspect + 0.02, count):
        calm = 1.0 - 0.6 * np.exp(-(((x / stage.aspect - 0.5) / 0.18) ** 2))
        base = float(line[int(np.clip(x * stage.height, 0, stage.width - 1))]) + 0.02
        for _ in range(6):
            high = tall * calm * rng.uniform(0.6, 1.5)
            s = np.linspace(0.0, 1.0, 14)
            bend = 0.10 * high * np.sin(5.0 * s + rng.uniform(0, 6)) * s
            spine = np.stack(
                [x + rng.normal(0, 0.012) + bend + 0.15 * high * rng.normal() * s, base - high * s], -1
            )
            tone = stage.mood.lit(pick(rng, WEED, 1, 0.12, 0.04)[0], float(rng.uniform(0.15, 0.7)), distance)
            canvas.stroke(spine, 0.007 * np.sin(np.pi * (0.12 + 0.86 * s)) * (1.4 - 0.4 * distance), tone)


def _corals(canvas: Canvas, stage: Stage, line: Image, size: float, count: int, distance: float) -> None:
    """Brain corals, fans and branches."""
    rng = stage.rng
    for x in rng.uniform(-0.02, stage.aspect + 0.02, count):
        base = float(line[int(np.clip(x * stage.height, 0, stage.width - 1))]) + 0.01
        palette = CORALS[rng.integers(0, len(CORALS))][None] * np.array([[1.0], [0.85], [1.1]])
        wide = size * rng.uniform(0.6, 1.4)
        if rng.random() < 0.5:
            foliage(
                canvas,
                stage,
                Crown(
                    (x, base - 0.4 * wide),
                    (wide, 0.75 * wide),
                    0.085 * wide + 0.001,
                    170,
                    clumps=6,
                    clump=0.5,
                ),
                palette,
                distance,
            )
            continue
        for angle in np.linspace(-1.1, 1.1, 9) + rng.normal(0, 0.1, 9):
            tip = np.array(
                [x + 1.5 * wide * np.sin(angle), base - 1.8 * wide * np.cos(angle) * rng.uniform(0.7, 1.0)]
            )
            s = np.linspace(0.0, 1.0, 8)[:, None]
            limb = np.array([x, base]) * (1 - s) + tip * s + np.array([0.0, 0.2 * wide]) * (s * (1 - s))
            tone = stage.mood.lit(
                np.clip(palette[0] * rng.uniform(0.8, 1.1), 0, 1), float(rng.uniform(0.3, 0.8)), distance
            )
            canvas.stroke(limb, np.linspace(0.22, 0.10, 8) * wide, tone)
            canvas.circle((float(tip[0]), float(tip[1])), 0.07 * wide, tone)


def _bed(stage: Stage) -> list[Element]:
    """The sandy floor in front with its own corals at the sides."""
    rng = stage.rng
    line = crest(stage, 0.90, 0.012, 2.0)
    canvas, weeds = stage.canvas(), stage.canvas()
    for side in (-1.0, 1.0):
        for _ in range(5):
            x = stage.aspect * (0.5 + side * rng.uniform(0.30, 0.52))
            size = float(rng.uniform(0.06, 0.11))
            palette = CORALS[rng.integers(0, len(CORALS))][None] * np.array([[1.0], [0.85], [1.1]])
            foliage(
                canvas,
                stage,
                Crown(
                    (x, 0.97 - 0.3 * size), (size, 0.8 * size), 0.05 * size + 0.002, 380, clumps=9, clump=0.45
                ),
                palette,
                0.1,
            )
    _weeds(
        weeds,
        stage,
        np.where(np.abs(np.linspace(-1, 1, stage.width)) > 0.62, 0.97, 1.2).astype(np.float32),
        0.34,
        12,
        0.1,
    )
    return [
        Cutout(hill(stage, line, BED, 0.15, mist=-0.1, rough=0.06)),
        Swaying(stage, canvas.layer(), reach_above(stage, 0.98, 0.25, 0.012), flutter=0.4, pace=0.8),
        Swaying(stage, weeds.layer(), reach_above(stage, 0.98, 0.45, 0.07), flutter=0.08, pace=0.8),
    ]


class Shoal:
    """Fish that swim across together, tails beating.

    Args:
        stage: The stage; draws from its random stream.
        count: How many.
        size: Half the length of one.
        distance: For the haze.
        between: Heights between which they swim.
    """

    def __init__(
        self, stage: Stage, count: int, size: float, distance: float, between: tuple[float, float]
    ) -> None:
        rng = stage.rng
        self._height, self._span = stage.height, stage.aspect + 0.6
        self._way = float(rng.choice([-1.0, 1.0]))
        middle = rng.uniform(*between)
        self._x = rng.uniform(0, self._span) + 0.16 * rng.standard_normal(count)
        self._y = np.clip(middle + 0.06 * rng.standard_normal(count), between[0], between[1])
        self._size = size * rng.uniform(0.7, 1.25, count)
        self._phase = rng.uniform(0, 2 * np.pi, count)
        self._speed = 0.075 * (0.4 + 0.6 * vigour(stage.spec.energy)) * rng.uniform(0.85, 1.15)
        tint = FISH[rng.integers(0, len(FISH))]
        self._body = stage.mood.lit(pick(rng, tint[None], count, 0.1, 0.04), 0.8, np.full(count, distance))
        self._back = 0.72 * self._body

    def draw(self, frame: Image, t: float) -> None:
        """Draws the fish where they are at t."""
        x = np.mod(self._x + self._way * self._speed * t, self._span) - 0.3
        y = self._y + 0.010 * np.sin(0.9 * t + self._phase)
        low, high = (
            max(0, int((y.min() - 0.06) * self._height)),
            min(frame.shape[0], int((y.max() + 0.06) * self._height) + 1),
        )
        scale = 2
        canvas = np.zeros(((high - low) * scale, frame.shape[1] * scale, 4), np.uint8)
        for k in range(len(x)):
            beat = 0.45 * np.sin(7.0 * t + self._phase[k])
            shape = np.array(
                [
                    (1.0, 0.0),
                    (0.55, -0.30),
                    (0.0, -0.38),
                    (-0.55, -0.16),
                    (-0.75, -0.06),
                    (-1.25, -0.32 + 0.2 * beat),
                    (-1.10, 0.1 * beat),
                    (-1.25, 0.32 + 0.2 * beat),
                    (-0.75, 0.06),
                    (-0.55, 0.16),
                    (0.0, 0.36),
                    (0.55, 0.26),
                ]
            )
            fin = np.array([(0.15, -0.34), (-0.15, -0.58), (-0.42, -0.24)])
            for part, ink in ((fin, self._back[k]), (shape, self._body[k]), (shape[:5], self._back[k])):
                points = part * [self._way * self._size[k] * (1 - 0.06 * abs(beat)), self._size[k]] + [
                    x[k],
                    y[k],
                ]
                fixed = np.round((points * self._height - [0, low]) * scale * 16).astype(np.int32)
                cv2.fillPoly(canvas, [fixed], (*(int(255 * min(1.0, v)) for v in ink), 255), cv2.LINE_8, 4)
        layer = cv2.resize(canvas, (frame.shape[1], high - low), interpolation=cv2.INTER_AREA).astype(
            np.float32
        ) * np.float32(1 / 255)
        frame[low:high] *= np.float32(1.0) - layer[..., 3:]
        frame[low:high] += layer[..., :3]


class Caustics:
    """The net of light that waves throw on the floor and on the water just below the surface.

    Args:
        stage: The stage; draws from its random stream.
        strength: How much it adds at its brightest.
    """

    def __init__(self, stage: Stage, strength: float) -> None:
        x, y = coarse_grid(stage)
        floor = smoothstep(0.80, 1.0, y)
        near = np.maximum(np.abs(y - 0.55), 0.12) / 0.45
        make = {"cells": 10.0, "slope": 2.4, "finest": 0.14}
        u, v = (x - 0.5 * stage.aspect) / near * 60.0, 44.0 / near
        self._nets = [Tile(fractal(stage.rng, 256, 256, **make)).lookup(u * k, v * k) for k in (1.0, 1.2)]
        self._gain = (strength * (floor + 0.30 * smoothstep(0.16, 0.0, y))).astype(np.float32)
        self._speed = 13.0 * (0.4 + 1.2 * stage.spec.energy)

    def draw(self, frame: Image, t: float) -> None:
        """Multiplies the frame by one plus the net."""
        way = self._speed * t
        fold = np.abs(self._nets[0].at(way, 0.4 * way) + self._nets[1].at(-0.8 * way, 0.5 * way))
        net = np.clip(np.float32(1.0) - np.float32(1.5) * fold, 0.0, 1.0) ** 2 * self._gain
        size = (net.shape[1] * COARSE, net.shape[0] * COARSE)
        big = cv2.resize(net, size, interpolation=cv2.INTER_CUBIC)[: frame.shape[0], : frame.shape[1]]
        frame *= np.float32(1.0) + cv2.merge([big, big, big])
