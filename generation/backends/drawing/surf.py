"""A sea that rolls onto a beach: ripples, crests with foam on their backs, a swash that climbs the sand."""

from __future__ import annotations

import math

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Colour, Image, rgb
from sparkle.generation.backends.drawing.land import distance_of, plane_depth
from sparkle.generation.backends.drawing.motion import vigour
from sparkle.generation.backends.drawing.noise import Tile, as_field, curve, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.stage import Stage, blend
from sparkle.generation.backends.drawing.water import Ripples


class Surf:
    """A sea rolling onto sand, from `horizon` to the bottom of the frame.

    Args:
        stage: The stage; draws from its random stream.
        horizon: Where the sea ends.
        beach: Height at which the sand begins in the middle of the frame.
        slant: How much lower the waterline is at the right edge than at the left, in frame heights.
        sand: (3,) albedo of dry sand.
        sea: Near and far colour of the water.
    """

    def __init__(
        self,
        stage: Stage,
        horizon: float,
        beach: float,
        slant: float,
        sand: Colour,
        sea: tuple[Colour, Colour],
    ) -> None:
        rng, mood = stage.rng, stage.mood
        self._top = stage.row(horizon)
        x, y = (axis[self._top :] for axis in stage.grid())
        self._ripples = Ripples(stage, horizon, self._top, scale=170.0)
        edge = 0.012 * curve(rng, stage.width, cells=4, slope=1.8)[None] + slant * (x / stage.aspect - 0.5)
        self._edge = (beach + edge).astype(np.float32)
        self._y = y
        self._scale = np.float32(1.0 - horizon)
        near = np.clip((y - horizon) / np.maximum(self._edge - horizon, 0.02), 0.0, 1.3)
        self._near = near.astype(np.float32)
        deep = smoothstep(0.95, 0.25, near)[..., None]
        water = np.asarray(sea[0]) + (np.asarray(sea[1]) - np.asarray(sea[0])) * deep
        self._water = mood.lit(water, 0.62, 1.2 * distance_of(y, horizon))
        self._sky = _reflected(stage, x, near)
        self._mirror = (0.26 + 0.55 * np.clip(1.0 - near, 0.0, 1.0) ** 1.5).clip(0, 0.85).astype(np.float32)
        self._phase = (
            2.0 * np.pi * 3.6 * near**1.6 + 0.5 * curve(rng, stage.width, cells=3)[None] * near
        ).astype(np.float32)
        self._rise = smoothstep(0.22, 0.75, near) * (1.0 - smoothstep(1.0, 1.06, near))
        self._path = np.exp(-(((x - mood.sun_x * stage.aspect) / (0.12 + 0.3 * near)) ** 2)).astype(
            np.float32
        )
        self._sand, self._wet = _sands(stage, horizon, sand, self._top)
        self._foam = np.minimum(1.15 * mood.lit(rgb(250, 252, 252), 1.0) + 0.05, 1.0).astype(np.float32)
        self._light = mood.key * np.float32(1.3)
        lace = fractal(rng, 256, 256, cells=22, slope=1.25)
        depth = np.minimum(plane_depth(y, horizon), 22.0)
        self._lace = Tile(lace).lookup((x - 0.5 * stage.aspect) * depth * 120.0, depth * 230.0)
        self._pace = 0.55 + 0.9 * stage.spec.energy
        self._vigour = vigour(stage.spec.energy)

    def draw(self, frame: Image, t: float) -> None:
        """Paints sea and sand."""
        slope = self._ripples.at(t)
        lace = self._lace.at(6.0 * t * self._pace, 14.0 * t * self._pace)
        sea = self._sea(slope, lace, t)
        swash = 0.020 * min(self._vigour, 1.8) * math.sin(1.15 * self._pace * t) + 0.008 * math.sin(
            2.7 * self._pace * t + 1
        )
        line = self._edge + np.float32(swash) + np.float32(0.004) * lace
        reach = self._edge + np.float32(0.020 * min(self._vigour, 1.8) + 0.012)
        wet = smoothstep(0.075, -0.010, self._y - reach)
        ground = self._sand + (self._wet - self._sand) * cv2.merge([wet, wet, wet])
        cover = smoothstep(0.006, -0.030, self._y - line)
        blend(ground, sea, cover)
        rim = np.exp(-(((self._y - line + 0.006) / np.float32(0.0085)) ** 2))
        trail = np.exp(-(((self._y - line + 0.040) / np.float32(0.022)) ** 2))
        foam = rim * np.clip(0.75 + 0.5 * lace, 0, 1) + trail * smoothstep(0.2, 1.3, lace) * np.float32(0.7)
        blend(ground, self._foam, np.clip(foam, 0.0, 0.95))
        frame[self._top :] = ground

    def _sea(self, slope: Image, lace: Image, t: float) -> Image:
        phase = self._phase - np.float32(1.5 * self._pace * t) + np.float32(0.12) * slope
        wave = np.sin(phase)
        front = np.clip(np.cos(phase), 0.0, 1.0)
        crest = np.clip(wave, 0.0, 1.0) ** 8 * self._rise
        shade = np.float32(1.0) + np.float32(0.16) * slope - np.float32(0.22) * front * self._rise
        sea = self._water * cv2.merge([shade] * 3)
        blend(sea, self._sky, np.clip(self._mirror * (np.float32(1.0) + np.float32(0.55) * slope), 0.0, 0.9))
        strength = np.float32(0.55 + 0.5 * min(self._vigour, 2.0))
        back = np.clip(np.sin(phase - np.float32(0.7)), 0.0, 1.0) ** 2 * self._rise
        foam = crest * np.clip(0.75 + 0.5 * lace, 0.0, 1.3) + back * smoothstep(0.5, 1.7, lace) * np.float32(
            0.75
        )
        blend(sea, self._foam, np.clip(strength * foam, 0.0, 0.95))
        spark = smoothstep(1.25, 2.3, slope) * (np.float32(0.25) + self._path) * np.float32(0.9)
        sea += cv2.merge([spark * c for c in self._light])
        return as_field(sea)


def _reflected(stage: Stage, x: Image, near: Image) -> Image:
    """What a wavy sea shows of the sky: the horizon far out, higher sky close by, the sun's path between."""
    mood = stage.mood
    high = np.clip(0.9 * near, 0.0, 1.0)[..., None]
    sky = mood.sky[2] + (0.55 * mood.sky[1] + 0.45 * mood.sky[0] - mood.sky[2]) * high
    path = np.exp(-(((x - mood.sun_x * stage.aspect) / (0.10 + 0.22 * near)) ** 2)) * mood.glow
    warm = mood.key / max(float(mood.key.max()), 1e-3)
    return as_field(sky + (1.1 * warm - sky) * (0.75 * path)[..., None])


def _sands(stage: Stage, horizon: float, sand: Colour, top: int) -> tuple[Image, Image]:
    """Dry and wet sand (rows, w, 3), with ripples and grains in perspective."""
    x, y = (axis[top:] for axis in stage.grid())
    depth = np.minimum(plane_depth(y, horizon), 22.0)
    u, v = (x - 0.5 * stage.aspect) * depth, depth
    dunes = sample(fractal(stage.rng, 256, 256, cells=6, slope=2.2), u * 70, v * 120)
    grain = sample(fractal(stage.rng, 256, 256, cells=40, slope=0.9), u * 260, v * 380)
    albedo = np.asarray(sand, np.float32) * (1.0 + 0.03 * dunes + 0.03 * grain)[..., None]
    dry = stage.mood.lit(albedo, 0.76 + 0.07 * dunes)
    sky = 0.6 * stage.mood.sky[2] + 0.4 * stage.mood.sky[1]
    return dry, (0.38 * dry + 0.44 * sky).astype(np.float32)
