"""Beyond the sky: a planet before a nebula, the ground of another world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Colour, Image, pick, rgb
from sparkle.generation.backends.drawing.light import INVISIBLE, Fog
from sparkle.generation.backends.drawing.motion import vigour
from sparkle.generation.backends.drawing.noise import Field, Tile, as_field, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.sky import Stars
from sparkle.generation.backends.drawing.stage import Element, Stage, blend, bounds, over
from sparkle.generation.backends.drawing.terrain import (
    MAP_SIDE,
    Relief,
    ValleyMist,
    Viewpoint,
    slopes,
    standing,
    survey,
)

NEBULAE = (
    (rgb(70, 30, 110), rgb(220, 80, 130), rgb(70, 150, 220)),
    (rgb(16, 60, 96), rgb(60, 190, 190), rgb(220, 130, 90)),
    (rgb(90, 30, 50), rgb(240, 130, 70), rgb(110, 80, 190)),
)
GLOBES = (
    (rgb(64, 96, 150), rgb(196, 206, 210), rgb(110, 130, 96)),
    (rgb(170, 106, 70), rgb(226, 180, 132), rgb(120, 70, 56)),
    (rgb(90, 70, 140), rgb(190, 150, 200), rgb(60, 50, 110)),
    (rgb(60, 130, 130), rgb(200, 220, 190), rgb(40, 80, 100)),
)
SOILS = (rgb(176, 92, 56), rgb(120, 96, 140), rgb(150, 146, 142), rgb(86, 130, 126))


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    kinds: dict[str, Callable[[Stage], list[Element]]] = {"planet": _orbit, "ground": _ground}
    return kinds[stage.spec.kind](stage)


class Nebula:
    """Clouds of glowing gas over black, two sheets that slide past each other.

    Args:
        stage: The stage; draws from its random stream.
        colours: Dark, bright and second colour.
        strength: Brightness.
    """

    def __init__(self, stage: Stage, colours: tuple[Colour, Colour, Colour], strength: float) -> None:
        x, y = stage.grid()
        tilt = float(stage.rng.uniform(-0.5, 0.5))
        band = np.exp(-(((y - 0.45 - tilt * (x / stage.aspect - 0.5)) / 0.34) ** 2))
        make = {"cells": 3.0, "slope": 1.75, "stretch": 1.4}
        self._sheets = [
            Tile(fractal(stage.rng, 512, 512, **make)).lookup(x * 190.0 * scale, y * 190.0 * scale)
            for scale in (1.0, 1.35)
        ]
        self._band = (strength * (0.40 + 0.60 * band)).astype(np.float32)
        self._colours = [np.asarray(colour, np.float32) for colour in colours]
        self._speed = 9.0 * (0.4 + 1.2 * stage.spec.energy)

    def draw(self, frame: Image, t: float) -> None:
        """Paints the whole frame."""
        first = self._sheets[0].at(self._speed * t, 0.3 * self._speed * t)
        second = self._sheets[1].at(-0.8 * self._speed * t, 0.2 * self._speed * t)
        gas = smoothstep(-1.8, 2.0, first + 0.5 * second) * self._band
        core = smoothstep(0.2, 2.3, first + 0.5 * second) * self._band
        other = smoothstep(0.0, 2.2, second) * self._band
        for k in range(3):
            dark, bright, cool = (float(colour[k]) for colour in self._colours)
            frame[..., k] = 0.012 + 0.9 * dark * gas + 0.75 * bright * core + 0.35 * cool * other


class Globe:
    """A planet that turns: banded and blotched, lit from one side, with a rim of air.

    Args:
        stage: The stage; draws from its random stream.
        centre: Its middle.
        radius: Its radius.
        colours: Ground, clouds and second ground.
        light: (x, y, z) of the light, z towards the viewer.
    """

    def __init__(
        self,
        stage: Stage,
        centre: tuple[float, float],
        radius: float,
        colours: tuple[Colour, Colour, Colour],
        light: tuple[float, float, float],
    ) -> None:
        x, y = stage.grid()
        u, v = (x - centre[0]) / radius, (y - centre[1]) / radius
        rho = u * u + v * v
        w = np.sqrt(np.clip(1.0 - rho, 0.0, 1.0))
        sun = np.asarray(light) / np.linalg.norm(light)
        day = u * sun[0] + v * sun[1] + w * sun[2]
        edge = 1.5 / (radius * stage.height)
        alpha = as_field(1.0 - smoothstep(1.0 - edge, 1.0 + edge, np.sqrt(rho)))
        shade = as_field(0.02 + 1.1 * smoothstep(-0.12, 0.85, day))
        out = np.sqrt(rho) - 1.0
        rim = np.exp(-np.maximum(out, 0.0) / 0.035 + np.minimum(out, 0.0) / 0.09) * smoothstep(
            -0.25, 0.7, day / np.maximum(np.sqrt(rho), 0.2)
        )
        air = (rim * 0.55)[..., None].astype(np.float32) * (0.6 * colours[1] + 0.4 * rgb(120, 180, 255))
        self._part = part = bounds(np.maximum(alpha, air.max(axis=2)) - np.float32(INVISIBLE), 1)
        self._alpha, self._air = np.ascontiguousarray(alpha[part]), as_field(air[part])
        self._shade = as_field(cv2.cvtColor(shade[part], cv2.COLOR_GRAY2RGB))
        tilt = float(stage.rng.uniform(-0.35, 0.35))
        a, b = u * np.cos(tilt) + v * np.sin(tilt), -u * np.sin(tilt) + v * np.cos(tilt)
        lon, lat = np.arctan2(a, np.maximum(w, 1e-3)), np.arcsin(np.clip(b, -1, 1))
        land = fractal(stage.rng, 256, 256, cells=4, slope=1.7, stretch=2.2)
        clouds = fractal(stage.rng, 256, 256, cells=6, slope=1.6, stretch=2.8)
        self._maps = Tile(np.dstack([land, clouds])).lookup(lon[part] * 62.0, lat[part] * 80.0)
        self._colours = [np.asarray(colour, np.float32) for colour in colours]
        self._turn = 5.0 * (0.4 + 0.9 * stage.spec.energy)

    def draw(self, frame: Image, t: float) -> None:
        """Puts the planet on the frame."""
        land, clouds = (as_field(part) for part in cv2.split(self._maps.at(self._turn * t, 0.0)))
        ground, white, second = self._colours
        share = smoothstep(-0.5, 0.8, land)
        cover = smoothstep(0.2, 1.6, clouds + np.float32(0.3) * land)
        colour = as_field(cv2.transform(share, np.stack([second - ground, ground], axis=1)))
        blend(colour, white, np.float32(0.85) * cover)
        cv2.multiply(colour, self._shade, dst=colour)
        view = frame[self._part]
        blend(view, colour, self._alpha)
        cv2.add(view, self._air, dst=view)


class Drifters:
    """Rocks that tumble slowly past, at several distances.

    Args:
        stage: The stage; draws from its random stream.
        count: How many.
    """

    def __init__(self, stage: Stage, count: int) -> None:
        rng = stage.rng
        self._aspect, self._height = stage.aspect, stage.height
        self._near = np.sort(rng.random(count))
        self._start = np.stack([rng.random(count) * (stage.aspect + 0.4), rng.uniform(0.05, 0.95, count)], -1)
        self._speed = (
            (0.008 + 0.030 * self._near) * vigour(stage.spec.energy) * float(rng.choice([-1.0, 1.0]))
        )
        self._size = 0.004 + 0.024 * self._near**3
        self._spin = rng.uniform(-0.5, 0.5, count)
        turn = np.linspace(0, 2 * np.pi, 10)[:-1]
        self._shape = [
            np.stack([np.cos(turn), 0.75 * np.sin(turn)], -1) * rng.uniform(0.65, 1.1, (9, 1))
            for _ in range(count)
        ]
        self._tone = pick(rng, np.stack([rgb(96, 88, 84), rgb(74, 68, 72), rgb(120, 106, 94)]), count, 0.1)
        self._light = -stage.mood.side

    def draw(self, frame: Image, t: float) -> None:
        """Draws the rocks where they are at t."""
        scale = 2
        canvas = np.zeros((frame.shape[0] * scale, frame.shape[1] * scale, 4), np.uint8)
        for k in range(len(self._near)):
            x = np.mod(self._start[k, 0] + self._speed[k] * t, self._aspect + 0.4) - 0.2
            angle = self._spin[k] * t + k
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            body = self._shape[k] @ turn * self._size[k] + [x, self._start[k, 1]]
            for shift, gain in ((0.0, 0.16), (0.35, 0.55)):
                part = body * (1 - 0.45 * shift) + 0.45 * shift * np.array(
                    [x - 0.5 * self._light * self._size[k], self._start[k, 1] - 0.3 * self._size[k]]
                )
                ink = [int(v) for v in np.clip(self._tone[k] * gain * 1.6, 0, 1) * 255]
                points = np.round(part * self._height * scale * 16).astype(np.int32)
                cv2.fillPoly(canvas, [points], (*ink, 255), cv2.LINE_8, 4)
        layer = cv2.resize(canvas, frame.shape[1::-1], interpolation=cv2.INTER_AREA)
        over(frame, layer.astype(np.float32) * np.float32(1 / 255))


def _orbit(stage: Stage) -> list[Element]:
    rng, aspect = stage.rng, stage.aspect
    side = stage.mood.side
    globe = GLOBES[int(rng.integers(0, len(GLOBES)))]
    radius = float(rng.uniform(0.30, 0.44))
    centre = (aspect * (0.5 - side * rng.uniform(0.28, 0.36)), float(rng.uniform(0.42, 0.62)))
    light = (side * 0.8, -0.35, 0.35)
    moon = (aspect * (0.5 + side * rng.uniform(0.26, 0.40)), float(rng.uniform(0.16, 0.32)))
    grey = (rgb(130, 126, 122), rgb(176, 172, 166), rgb(96, 92, 92))
    return [
        Nebula(stage, NEBULAE[int(rng.integers(0, len(NEBULAE)))], 0.95),
        Stars(stage, stage.height, (-9.0, -9.0), amount=1.6),
        Globe(stage, moon, float(rng.uniform(0.045, 0.075)), grey, light),
        Globe(stage, centre, radius, globe, light),
        Drifters(stage, 34),
    ]


def _ground(stage: Stage) -> list[Element]:
    rng, aspect = stage.rng, stage.aspect
    soil = SOILS[int(rng.integers(0, len(SOILS)))] * rng.uniform(0.9, 1.1)
    nebula = NEBULAE[int(rng.integers(0, len(NEBULAE)))]
    air = (0.30 * soil + 0.30 * nebula[1] + 0.06).astype(np.float32)
    mood = replace(
        stage.mood,
        key=rgb(255, 226, 196) * np.float32(0.85),
        ambient=(0.22 * nebula[1] + 0.14).astype(np.float32),
        haze=air,
        haze_density=0.6,
    )
    stage = replace(stage, mood=mood)
    horizon = float(rng.uniform(0.56, 0.62))
    shape = fractal(rng, MAP_SIDE, MAP_SIDE, cells=4, slope=2.1, finest=0.06)
    fine = fractal(rng, MAP_SIDE, MAP_SIDE, cells=40, slope=1.3)
    stand = standing((0.10, 0.50), (0.92, 0.99))
    relief = (0.045 * np.clip(shape, -0.4, 3.0) * stand + 0.0012 * fine - _craters(stage)).astype(np.float32)
    light, _, shadow = slopes(relief, mood.side, 0.45)
    maps = np.dstack([1.25 * light * (1 - 0.85 * shadow), fine]).astype(np.float32)

    def paint(u: Field, v: Field, z: Field) -> Image:
        seen = sample(maps, u, v)
        return mood.lit(np.asarray(soil) * (1.0 + 0.10 * seen[..., 1:]), seen[..., 0], 0.9 * z)

    terrain = survey(stage, relief, Viewpoint(horizon, eye=0.013, near=0.03, far=0.98, focal=1.5), paint)
    globe = GLOBES[int(rng.integers(0, len(GLOBES)))]
    centre = (aspect * (0.5 - mood.side * rng.uniform(0.18, 0.34)), float(rng.uniform(0.20, 0.34)))
    return [
        Nebula(stage, nebula, 0.60),
        Stars(stage, stage.height, (-9.0, -9.0), amount=1.3),
        Globe(stage, centre, float(rng.uniform(0.13, 0.22)), globe, (mood.side * 0.8, -0.3, 0.4)),
        Fog(stage, horizon, 0.22, 0.75, colour=1.25 * air),
        Relief(stage, terrain, 0.15),
        ValleyMist(stage, terrain, 0.002, 0.012, 0.45),
        Fog(stage, 0.9, 0.12, 0.12, speed=0.12),
    ]


def _craters(stage: Stage) -> Field:
    """Bowls with raised rims, as depths to take from a height map."""
    rng = stage.rng
    depth = np.zeros((MAP_SIDE, MAP_SIDE), np.float32)
    axis = np.arange(MAP_SIDE, dtype=np.float32)
    for _ in range(90):
        x, z = rng.uniform(0, MAP_SIDE, 2)
        radius = float(3.0 + 22.0 * rng.random() ** 4)
        dx = np.mod(axis - x + MAP_SIDE / 2, MAP_SIDE) - MAP_SIDE / 2
        dz = np.mod(axis - z + MAP_SIDE / 2, MAP_SIDE) - MAP_SIDE / 2
        cols, rows = np.flatnonzero(np.abs(dx) < 1.8 * radius), np.flatnonzero(np.abs(dz) < 1.8 * radius)
        r = np.hypot(dx[cols][None], dz[rows][:, None]) / radius
        bowl = np.where(r < 1.0, 1.0 - r**2, 0.0) - 0.35 * np.exp(-(((r - 1.08) / 0.22) ** 2))
        depth[np.ix_(rows, cols)] += (0.00030 * radius * bowl).astype(np.float32)
    return depth
