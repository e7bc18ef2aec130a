"""Skies: a gradient, the sun or moon and its halo, drifting clouds, stars, aurora.

- Clouds are two wrapping noise fields on a plane overhead, seen in perspective and drifting at different
  speeds, so that their shapes change as they move. They are shaded by the difference of the field towards
  the sun.
- Stars stand in three groups that twinkle out of step. The aurora is a few curtains of streaked noise.
"""

from __future__ import annotations

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image, rgb
from sparkle.generation.backends.drawing.noise import Tile, as_field, curve, fractal, smoothstep
from sparkle.generation.backends.drawing.stage import Stage, blend

CLOUD_SIDE = 512  # texels of the cloud plane's period
CLOUD_SPEED = 22.0  # texels a second at energy 0.5: about 2 % of the frame's height overhead
SUN_RADIUS = 0.030  # of the frame's height; larger than life, as illustrators draw it
BELOW = 0.08  # how far the sky goes on under the horizon, for grounds that fade in
STARS = 420  # for a 16:9 sky


class Sky:
    """The sky above `horizon` (drawing units from the top), and `BELOW` under it.

    Args:
        stage: The stage; draws from its random stream.
        horizon: Height of the horizon.
        clouds: Multiplies the mood's cloud cover; 0 leaves them out.
    """

    def __init__(self, stage: Stage, horizon: float, *, clouds: float = 1.0) -> None:
        self._rows = stage.row(horizon + BELOW)
        x, y = (axis[: self._rows] for axis in stage.grid())
        mood = stage.mood
        self.sun = (mood.sun_x * stage.aspect, horizon * (1.0 - 0.86 * mood.sun_y))
        distance = np.hypot(x - self.sun[0], 1.25 * (y - self.sun[1]))
        self._picture = gradient(mood.sky, y / horizon)
        warm = mood.key / max(float(mood.key.max()), 1e-3)
        blend(
            self._picture,
            (1.08 * warm).astype(np.float32),
            np.float32(0.7 * mood.glow) * np.exp(-distance / 0.38),
        )
        self._picture += (np.float32(0.55 * mood.glow) * np.exp(-distance / 0.085))[..., None] * (
            0.6 * warm + 0.4
        )
        self._stars = None if not mood.night else Stars(stage, self._rows, self.sun)
        self._disc = _disc(stage, distance)
        low_sun = np.exp(-distance / 0.8) if mood.sun_y < 0.3 and not mood.night else np.ones_like(x)
        cover = mood.cover * clouds * (0.35 if stage.spec.has("aurora") else 1.0)
        self._clouds = _Clouds(stage, x, y, horizon, cover, low_sun) if cover > 0 else None
        self._aurora = _Aurora(stage, self._rows, horizon) if stage.spec.has("aurora") else None

    def draw(self, frame: Image, t: float) -> None:
        """Paints the rows of the sky."""
        view = frame[: self._rows]
        view[:] = self._picture
        if self._stars is not None:
            self._stars.draw(view, t)
        if self._aurora is not None:
            self._aurora.draw(view, t)
        view += self._disc
        if self._clouds is not None:
            self._clouds.draw(view, t)


def gradient(stops: Image, height: Image) -> Image:
    """Colours (h, w, 3) from overhead (height 0) to the horizon (1), through three stops without a kink."""
    down = np.clip(height, 0.0, 1.0)[..., None]
    upper = (1.0 - down) ** 2 * stops[0] + 2.0 * down * (1.0 - down) * stops[1] + down**2 * stops[2]
    band = smoothstep(0.62, 1.0, down) * np.float32(0.6)
    return as_field(upper + (stops[2] - upper) * band)


def _disc(stage: Stage, distance: Image) -> Image:
    """The sun or moon itself, to be added: (h, w, 3)."""
    mood, spec = stage.mood, stage.spec
    edge = 1.5 / stage.height
    face = 1.0 - smoothstep(SUN_RADIUS - edge, SUN_RADIUS + edge, distance)
    veil = {"clear": 1.0, "fog": 0.35}.get(spec.weather, 0.0)
    if mood.night:
        marks = cv2.GaussianBlur(fractal(stage.rng, 64, 64, cells=6), (0, 0), 1.0)
        marks = cv2.resize(marks, distance.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return (veil * face * (0.82 + 0.07 * marks))[..., None].astype(np.float32) * rgb(244, 240, 226)
    warm = mood.key / max(float(mood.key.max()), 1e-3)
    return ((face * 0.9 * veil)[..., None] * (0.45 * warm + 0.55)).astype(np.float32)


class _Clouds:
    """The cloud plane."""

    def __init__(
        self, stage: Stage, x: Image, y: Image, horizon: float, cover: float, low_sun: Image
    ) -> None:
        mood, rng = stage.mood, stage.rng
        depth = 1.0 / np.maximum(horizon - y + 0.10, 0.03)
        u = (x - 0.5 * stage.aspect) * depth * 150.0
        v = depth * 260.0
        stretch = float(rng.uniform(1.2, 1.7)) * (1.5 if mood.sun_y < 0.3 else 1.0)
        broad = fractal(rng, CLOUD_SIDE, CLOUD_SIDE, cells=3.0, slope=1.9, stretch=stretch, finest=0.22)
        detail = fractal(rng, CLOUD_SIDE, CLOUD_SIDE, cells=9.0, slope=1.55, stretch=stretch, finest=0.25)
        towards = np.roll(broad, (-10, round(-14 * mood.side)), axis=(0, 1))
        light = cv2.GaussianBlur(broad - towards, (0, 0), 2.5)
        self._broad = Tile(np.dstack([broad, light])).lookup(u, v)
        self._detail = Tile(detail).lookup(1.6 * u, 1.6 * v)
        self._threshold = np.float32(1.5 - 2.6 * cover)
        self._far = smoothstep(-0.02, 0.22, horizon - y)
        self._lit = mood.cloud_shade + (mood.cloud_lit - mood.cloud_shade) * low_sun[..., None]
        self._shade = mood.cloud_shade + (self._lit - mood.cloud_shade) * np.float32(0.25)
        self._dense = 0.9 if cover > 0.7 else 0.8
        heading = float(rng.choice([-1.0, 1.0]))
        self._speed = heading * CLOUD_SPEED * (0.35 + 1.3 * stage.spec.energy)

    def draw(self, view: Image, t: float) -> None:
        fields = self._broad.at(self._speed * t, 0.10 * self._speed * t)
        broad, light = (as_field(part) for part in cv2.split(fields))
        field = broad + np.float32(0.42) * self._detail.at(1.9 * self._speed * t, 0.35 * self._speed * t)
        alpha = smoothstep(0.0, 1.5, field - self._threshold)
        side = np.clip(np.float32(0.62) + np.float32(0.9) * light - np.float32(0.28) * alpha, 0.0, 1.0)
        colour = self._shade + (self._lit - self._shade) * cv2.merge([side, side, side])
        blend(view, as_field(colour), alpha * self._far * np.float32(self._dense))


class Stars:
    """Points of light in three groups that twinkle out of step; fewer near the moon and the horizon.

    Args:
        stage: The stage; draws from its random stream.
        rows: Rows of the frame that they fill.
        moon: Place of the moon, around which they pale.
        amount: Multiplies their number.
    """

    def __init__(self, stage: Stage, rows: int, moon: tuple[float, float], amount: float = 1.0) -> None:
        rng, h, w = stage.rng, stage.height, stage.width
        count = int(amount * STARS * stage.aspect / 1.78)
        x, y = rng.uniform(0, stage.aspect, count), rng.uniform(0, rows / h, count) ** 1.15
        light = rng.pareto(1.6, count) * 0.10 + 0.10
        light *= np.clip(np.hypot(x - moon[0], y - moon[1]) / 0.3, 0, 1) * np.clip(1.15 - y * h / rows, 0, 1)
        tint = np.clip(1.0 + 0.12 * rng.standard_normal((count, 1)) * np.array([1.0, 0.2, -1.0]), 0.6, 1.2)
        self._groups = []
        for group in range(3):
            sky = np.zeros((rows, w, 3), np.float32)
            some = slice(group, None, 3)
            cols, lines = (x[some] * h).astype(int), (y[some] * h).astype(int)
            inside = (cols < w) & (lines < rows)
            sky[lines[inside], cols[inside]] = (np.minimum(light, 0.9)[:, None] * tint)[some][inside]
            blurred = cv2.GaussianBlur(sky, (0, 0), max(0.55, h / 620))
            self._groups.append(blurred * np.float32(2.2))
        self._rates = rng.uniform(0.35, 0.8, 3)

    def draw(self, frame: Image, t: float) -> None:
        """Adds the stars."""
        view = frame[: len(self._groups[0])]
        for group, (sky, rate) in enumerate(zip(self._groups, self._rates, strict=True)):
            gain = 0.8 + 0.35 * np.sin(2 * np.pi * rate * t + 2.1 * group)
            cv2.scaleAdd(sky, float(gain), view, dst=view)


class _Aurora:
    """Curtains: a wavy foot, light that fades upwards, vertical streaks that run along it."""

    COLOURS = (rgb(70, 235, 150), rgb(80, 220, 190), rgb(150, 110, 230))

    def __init__(self, stage: Stage, rows: int, horizon: float) -> None:
        rng, w = stage.rng, stage.width
        self._y = ((np.arange(rows, dtype=np.float32) + 0.5) / stage.height)[:, None]
        self._feet = [
            0.30 + 0.42 * horizon * rng.uniform(0.5, 1.0) + 0.05 * curve(rng, w) for _ in self.COLOURS
        ]
        self._streaks = [
            Tile(np.repeat(fractal(rng, 1, 2 * w, cells=40, slope=1.2), 2, axis=0)) for _ in self.COLOURS
        ]
        self._x = (np.arange(w, dtype=np.float32) + 0.5) / stage.height
        self._pace = 0.5 + stage.spec.energy

    def draw(self, view: Image, t: float) -> None:
        w = view.shape[1]
        for k, colour in enumerate(self.COLOURS):
            pace = t * self._pace
            wave = 0.022 * np.sin(4.0 * self._x + 0.8 * pace + k) + 0.012 * np.sin(
                11.0 * self._x - 1.3 * pace
            )
            foot = (self._feet[k] + wave)[None].astype(np.float32)
            streak = self._streaks[k].window(1, w, (18 + 9 * k) * pace) + self._streaks[k].window(
                1, w, -11.0 * pace
            )
            light = np.clip(0.5 + 0.28 * streak, 0.05, 1.3)
            above = foot - self._y
            body = np.exp(-np.maximum(above, 0) / 0.13) * smoothstep(-0.03, 0.02, above)
            view += (body * light)[..., None] * (colour * np.float32(0.85))
