"""Light in the air: drifting fog, rays, moving shadows, glows that flicker, and the camera's finish.

- Fog, rays and shadows are smooth, so they are made at a quarter of the size and enlarged.
- The finish is what every scene goes through last: bloom, tone curve, grade and style, a slight defocus,
  the upscale, vignette, and grain that changes with every sixteenth of a second.
"""

from __future__ import annotations

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Colour, Image
from sparkle.generation.backends.drawing.motion import Flicker
from sparkle.generation.backends.drawing.noise import Tile, as_field, fractal, smoothstep
from sparkle.generation.backends.drawing.stage import Stage, blend, bounds

INVISIBLE = 1.0 / 1024  # light that no 8-bit picture shows
COARSE = 4  # smooth light is made at 1/COARSE of the painted size


def coarse_grid(stage: Stage) -> tuple[Image, Image]:
    """Pixel centres (x, y) in drawing units on the coarse raster."""
    rows, cols = -(-stage.height // COARSE), -(-stage.width // COARSE)
    y, x = np.mgrid[0:rows, 0:cols].astype(np.float32)
    return (x + 0.5) * np.float32(COARSE / stage.height), (y + 0.5) * np.float32(COARSE / stage.height)


class Fog:
    """A bank of fog across the frame.

    Args:
        stage: The stage; draws from its random stream.
        middle: Height of its densest line.
        spread: How far it reaches above and below.
        density: Opacity at its densest.
        colour: What it looks like; the mood's haze when left out.
        speed: Frame heights a second at energy 0.5.
    """

    def __init__(
        self,
        stage: Stage,
        middle: float,
        spread: float,
        density: float,
        *,
        colour: Colour | None = None,
        speed: float = 0.05,
    ) -> None:
        x, y = coarse_grid(stage)
        profile = density * np.exp(-(((y - middle) / spread) ** 2))
        rows = np.flatnonzero(profile[:, 0] > 0.01)
        self._rows = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 1)
        self._profile = profile[self._rows].astype(np.float32)
        across, down = x[self._rows] * 110.0, y[self._rows] * 300.0
        self._near = Tile(fractal(stage.rng, 256, 256, cells=3, slope=1.8, finest=0.12)).lookup(across, down)
        self._far = Tile(fractal(stage.rng, 256, 256, cells=4, slope=1.8, finest=0.12)).lookup(
            1.4 * across, 1.2 * down
        )
        self._colour = np.asarray(stage.mood.haze if colour is None else colour, np.float32)
        heading = float(stage.rng.choice([-1.0, 1.0]))
        self._speed = heading * speed * 110.0 * (0.4 + 1.2 * stage.spec.energy)

    def draw(self, frame: Image, t: float) -> None:
        """Mixes the fog into the frame."""
        field = self._near.at(self._speed * t, 0.15 * self._speed * t) + self._far.at(
            -0.6 * self._speed * t, 0.0
        )
        alpha = np.clip(np.float32(0.55) + np.float32(0.30) * field, 0.0, 1.0) * self._profile
        top = self._rows.start * COARSE
        view = frame[top : top + len(alpha) * COARSE]
        blend(view, self._colour, _enlarge(alpha, frame.shape[1], len(view)))


class Rays:
    """Shafts of light from a point, slowly shifting.

    Args:
        stage: The stage; draws from its random stream.
        source: Where they come from, in drawing units (it may lie outside the frame).
        strength: Added brightness at the brightest.
        length: How far they reach.
        towards: The only direction that they take, as a vector; all of them when left out.
    """

    def __init__(
        self,
        stage: Stage,
        source: tuple[float, float],
        strength: float,
        *,
        length: float = 1.2,
        towards: tuple[float, float] | None = None,
    ) -> None:
        x, y = coarse_grid(stage)
        dx, dy = x - source[0], y - source[1]
        self._angle = np.arctan2(dx, dy) * np.float32(512 / (2 * np.pi))
        reach = np.hypot(dx, dy)
        self._profile = (strength * np.exp(-reach / length) * smoothstep(0.0, 0.25, reach)).astype(np.float32)
        if towards is not None:
            along = (dx * towards[0] + dy * towards[1]) / (np.hypot(*towards) * np.maximum(reach, 1e-3))
            self._profile *= smoothstep(0.55, 0.95, along)
        line = fractal(stage.rng, 1, 512, cells=26, slope=1.3, finest=0.2)
        other = fractal(stage.rng, 1, 512, cells=40, slope=1.3, finest=0.25)
        flat = np.zeros_like(self._angle)
        self._lines = [Tile(np.repeat(each, 2, axis=0)).lookup(self._angle, flat) for each in (line, other)]
        key = stage.mood.key / max(float(stage.mood.key.max()), 1e-3)
        self._colour = np.asarray(key, np.float32)
        self._speed = 2.0 + 5.0 * stage.spec.energy

    def draw(self, frame: Image, t: float) -> None:
        """Adds the rays to the frame."""
        first, second = (
            self._lines[0].at(self._speed * t, 0.0),
            self._lines[1].at(-0.8 * self._speed * t, 0.0),
        )
        light = np.clip(np.float32(0.15) + np.float32(0.38) * (first + second), 0.0, 1.6) * self._profile
        light = _enlarge(cv2.GaussianBlur(light, (0, 0), 1.2), frame.shape[1], frame.shape[0])
        frame += cv2.merge([light * c for c in self._colour])


class Dapple:
    """Patches of light (or shadow) that wander over a surface.

    Args:
        stage: The stage; draws from its random stream.
        strength: float32 (h, w): how much a patch adds to the brightness, negative for shadows.
        scale: Size of a patch in frame heights near the bottom of the frame.
        horizon: Where a ground plane vanishes; None for an upright surface.
        speed: Patch sizes a second at energy 0.5.
        soft: Width of a patch's edge, in deviations of the noise.
    """

    def __init__(
        self,
        stage: Stage,
        strength: Image,
        scale: float,
        *,
        horizon: float | None = None,
        speed: float = 0.35,
        soft: float = 0.9,
    ) -> None:
        x, y = coarse_grid(stage)
        if horizon is not None:
            near = np.maximum(y - horizon, 0.02) / max(1.0 - horizon, 0.05)
            x, y = (x - 0.5 * stage.aspect) / near, 0.35 / near
        texels = 16.0 / scale
        self._first = Tile(fractal(stage.rng, 256, 256, cells=12, slope=2.0, finest=0.16)).lookup(
            x * texels, y * texels
        )
        self._second = Tile(fractal(stage.rng, 256, 256, cells=14, slope=2.0, finest=0.16)).lookup(
            x * texels * 1.1, y * texels * 1.1
        )
        self._strength = cv2.merge([strength, strength, strength])
        self._speed = 16.0 * speed * (0.4 + 1.2 * stage.spec.energy)
        self._soft = soft

    def draw(self, frame: Image, t: float) -> None:
        """Multiplies the frame by one plus the patches."""
        field = self._first.at(self._speed * t, 0.4 * self._speed * t) + self._second.at(
            -0.7 * self._speed * t, 0.0
        )
        patch = smoothstep(-0.4 * self._soft, 1.2 * self._soft, field)
        patch = _enlarge(patch, frame.shape[1], frame.shape[0])
        frame *= np.float32(1.0) + cv2.merge([patch, patch, patch]) * self._strength


class Glow:
    """A still picture of light, added with a brightness that wavers.

    Args:
        picture: float32 (h, w, 3), what the light adds to the frame at brightness 1.
        flicker: Its brightness in time.
    """

    def __init__(self, picture: Image, flicker: Flicker) -> None:
        self._rows, self._cols = bounds(picture.max(axis=2) - np.float32(INVISIBLE), 1)
        self._picture, self._flicker = (
            np.ascontiguousarray(picture[self._rows, self._cols], np.float32),
            flicker,
        )

    def draw(self, frame: Image, t: float) -> None:
        """Adds the light."""
        frame[self._rows, self._cols] += self._picture * np.float32(self._flicker.at(t))


class Lamplight:
    """Lamps that light what is already painted: the frame times one plus their wavering gains.

    Args:
        lamps: For each lamp its gain at brightness 1, float32 (h, w, 3), and its brightness in time.
    """

    def __init__(self, lamps: list[tuple[Image, Flicker]]) -> None:
        self._lamps = lamps

    def draw(self, frame: Image, t: float) -> None:
        """Lights the frame."""
        total = np.ones_like(frame)
        for gain, flicker in self._lamps:
            cv2.scaleAdd(gain, flicker.at(t), total, dst=total)
        frame *= total


class Flame:
    """A tongue of fire that licks upwards.

    Args:
        stage: The stage; draws from its random stream.
        foot: Where it burns.
        height: How high it reaches.
    """

    def __init__(self, stage: Stage, foot: tuple[float, float], height: float) -> None:
        h = stage.height
        x, y = stage.grid()
        half = 0.42 * height
        rows = slice(
            stage.row(foot[1] - 1.35 * height), min(stage.height, stage.row(foot[1] + 0.12 * height) + 1)
        )
        cols = slice(
            max(0, round((foot[0] - 2 * half) * h)), min(stage.width, round((foot[0] + 2 * half) * h) + 1)
        )
        self._rows, self._cols = rows, cols
        self._across = (x[rows, cols] - foot[0]) / half
        self._up = (foot[1] - y[rows, cols]) / height
        noise = Tile(fractal(stage.rng, 128, 128, cells=9, slope=1.6, finest=0.2))
        self._lick = noise.lookup(20.0 * self._across + stage.rng.uniform(0, 128), -34.0 * self._up)
        self._flicker = Flicker(stage.rng, depth=0.16, rate=2.4)
        self._speed = 46.0 * (0.6 + 0.8 * stage.spec.energy)

    def draw(self, frame: Image, t: float) -> None:
        """Adds the flame."""
        if not self._across.size:
            return
        tall = np.float32(self._flicker.at(t))
        up = self._up / tall
        lick = self._lick.at(0.0, self._speed * t)
        across = self._across + np.float32(0.30) * lick * np.clip(up, 0.0, 1.0)
        width = (
            np.sqrt(np.clip(up + np.float32(0.10), 0.0, None))
            * np.clip(np.float32(1.05) - up, 0.0, 1.0)
            * np.float32(1.7)
        )
        body = np.clip(np.float32(1.25) - np.abs(across) / np.maximum(width, 0.02), 0.0, 1.0)
        body *= smoothstep(-0.10, 0.04, up) * np.clip(np.float32(1.0) + np.float32(0.25) * lick, 0.3, 1.4)
        heat = [np.float32(1.5) * body, np.float32(1.15) * body**1.7, np.float32(0.75) * body**3.2]
        frame[self._rows, self._cols] += cv2.merge(heat)


def halo(
    stage: Stage, centre: tuple[float, float], radius: float, colour: Colour, core: float = 0.0
) -> Image:
    """A round glow, float32 (h, w, 3): exponential fall over `radius`, saturated within `core`."""
    x, y = stage.grid()
    reach = np.maximum(np.hypot(x - centre[0], y - centre[1]) - core, 0.0)
    return as_field(np.exp(-reach / radius)[..., None] * np.asarray(colour, np.float32))


def _enlarge(small: Image, width: int, height: int) -> Image:
    """A coarse raster at COARSE times its size, cut to (height, width)."""
    size = (small.shape[1] * COARSE, small.shape[0] * COARSE)
    return as_field(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))[:height, :width]
