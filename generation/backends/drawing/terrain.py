"""Real relief: a height field seen from the ground, with light, shadow and depth.

- Every column of the picture is a ray over the height map. Its samples are projected, the running maximum
  of their angle is the visible surface (the voxel-space method of Comanche, 1992), and a search finds the
  depth of every pixel.
- Shading happens on the map: slope light, and cast shadows by marching towards the sun.
- What comes out besides the picture is the depth and height of every pixel, so that mist can lie in the
  valleys and cloud shadows can run over the slopes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image
from sparkle.generation.backends.drawing.noise import Field, Tile, as_field, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.stage import Stage, blend, over

MAP_SIDE = 768  # cells of the height map's period
STEPS = 640  # samples of a ray, closer together near the camera
OVERSAMPLE = 2  # the picture is made this much larger, for smooth ridges
SHADOW_STEPS = 32  # cells marched towards the sun


@dataclass(frozen=True)
class Viewpoint:
    """Where the camera stands; lengths in units of the map's period.

    Attributes:
        horizon: Row of the horizon in drawing units.
        eye: Height of the eye.
        near: Distance at which rays start.
        far: Distance at which they end.
        focal: Focal length in frame heights.
    """

    horizon: float
    eye: float
    near: float = 0.04
    far: float = 1.6
    focal: float = 1.0


@dataclass(frozen=True)
class Terrain:
    """A rendered height field.

    Attributes:
        layer: Premultiplied float32 (h, w, 4); transparent above the skyline.
        x: Place on the map of every pixel, float32 (h, w).
        z: Distance of every pixel, float32 (h, w); the far end above the skyline.
        height: Height of every pixel, float32 (h, w).
    """

    layer: Image
    x: Image
    z: Image
    height: Image


def slopes(relief: Field, side: float, steep: float) -> tuple[Field, Field, Field]:
    """(light 0..1 of the key, steepness, shadow 0..1) of a periodic height map in units of its period."""
    cell = 1.0 / relief.shape[0]
    dx = (np.roll(relief, -1, 1) - np.roll(relief, 1, 1)) / (2 * cell)
    dz = (np.roll(relief, -1, 0) - np.roll(relief, 1, 0)) / (2 * cell)
    sun = np.array([side * 0.80, steep, -0.45])
    sun /= np.linalg.norm(sun)
    length = np.sqrt(dx**2 + dz**2 + 1.0)
    light = np.clip((-dx * sun[0] + sun[1] - dz * sun[2]) / length, 0.0, 1.0)
    shadow = np.zeros_like(relief)
    rise = sun[1] / np.hypot(sun[0], sun[2]) * cell
    for step in range(1, SHADOW_STEPS):
        reach = step * (1.0 + step / 12.0)
        shift = (round(reach * 0.49), -round(side * reach * 0.87))
        np.maximum(shadow, np.roll(relief, shift, axis=(0, 1)) - relief - rise * reach, out=shadow)
    return light.astype(np.float32), np.hypot(dx, dz).astype(np.float32), np.clip(shadow * 60.0, 0.0, 1.0)


def standing(start: tuple[float, float], end: tuple[float, float]) -> Field:
    """What to multiply heights with, (MAP_SIDE, 1): it rises over `start` and falls over `end`.

    The ground in front of the camera must be flat, and the far edge of the map must not be seen as a cliff;
    both are given as distances in periods.
    """
    away = (np.arange(MAP_SIDE, dtype=np.float32) / MAP_SIDE)[:, None]
    return as_field(smoothstep(*start, away) * (1.0 - smoothstep(*end, away)))


def survey(
    stage: Stage, relief: Field, view: Viewpoint, paint: Callable[[Field, Field, Field], Image]
) -> Terrain:
    """Renders a height map.

    Args:
        stage: The stage.
        relief: float32 (n, n) periodic heights in units of the period.
        view: The camera.
        paint: Gives the lit, hazed colour (h, w, 3) from the map columns, map rows (in cells) and distances
            of every pixel.
    """
    rows, cols = stage.height * OVERSAMPLE, stage.width * OVERSAMPLE
    side = relief.shape[0]
    z = np.geomspace(view.near, view.far, STEPS, dtype=np.float32)
    across = ((np.arange(cols, dtype=np.float32) + 0.5) / rows - 0.5 * stage.aspect) / view.focal
    u = np.mod(z[:, None] * across[None] * side, side)
    v = np.mod(np.repeat(z[:, None], cols, 1) * side, side)
    seen = view.horizon - (sample(relief, u, v) - view.eye) * view.focal / z[:, None]
    skyline = np.minimum.accumulate(seen, axis=0)
    y = (np.arange(rows, dtype=np.float32) + 0.5) / rows
    step = np.empty((rows, cols), np.float32)
    for col in range(cols):
        rising = -skyline[:, col]
        first = np.searchsorted(rising, -y)
        last = np.clip(first, 1, STEPS - 1)
        gap = np.maximum(rising[last] - rising[last - 1], 1e-6)
        step[:, col] = np.where(first >= STEPS, STEPS, last - np.clip((rising[last] + y) / gap, 0.0, 1.0))
    alpha = (step < STEPS).astype(np.float32)
    depth = np.interp(step, np.arange(STEPS), z).astype(np.float32)
    x = depth * across[None]
    cells = (np.mod(x * side, side), np.mod(depth * side, side))
    colour = paint(cells[0], cells[1], depth)
    layer = np.dstack([colour * alpha[..., None], alpha]).astype(np.float32)
    size = (stage.width, stage.height)
    small = [as_field(cv2.resize(part, size, interpolation=cv2.INTER_AREA)) for part in (layer, x, depth)]
    height = view.eye + (view.horizon - y[::OVERSAMPLE, None]) * small[2] / view.focal
    return Terrain(small[0], small[1], small[2], as_field(height))


class Relief:
    """A terrain on the stage, with cloud shadows that run over it.

    Args:
        stage: The stage; draws from its random stream.
        terrain: What `survey` made.
        shadows: Depth of the cloud shadows.
    """

    def __init__(self, stage: Stage, terrain: Terrain, shadows: float = 0.35) -> None:
        rows = np.flatnonzero(terrain.layer[..., 3].max(axis=1))
        self._top = int(rows[0]) if len(rows) else 0
        self._layer = np.ascontiguousarray(terrain.layer[self._top :])
        scale = 256 * 2.2
        noise = Tile(fractal(stage.rng, 256, 256, cells=5, slope=1.9, finest=0.1))
        self._noise = noise.lookup(terrain.x[self._top :] * scale, terrain.z[self._top :] * scale)
        self._depth = np.float32(shadows * min(1.0, 1.3 * float(stage.mood.key.max())))
        self._speed = 9.0 * (0.4 + 1.2 * stage.spec.energy) * float(stage.rng.choice([-1.0, 1.0]))

    def draw(self, frame: Image, t: float) -> None:
        """Puts the terrain on the frame."""
        patch = np.clip(
            np.float32(0.5) + np.float32(0.45) * self._noise.at(self._speed * t, 0.4 * self._speed * t), 0, 1
        )
        layer = self._layer.copy()
        layer[..., :3] *= cv2.merge([np.float32(1.0) - self._depth * patch] * 3)
        over(frame, layer, self._top)


class ValleyMist:
    """Mist that lies below a height and drifts over the relief.

    Args:
        stage: The stage; draws from its random stream.
        terrain: Where it lies.
        level: Height below which it is dense.
        depth: Height over which it thins out above.
        density: Opacity at its densest.
    """

    def __init__(
        self,
        stage: Stage,
        terrain: Terrain,
        level: float,
        depth: float,
        density: float,
    ) -> None:
        above = np.maximum(terrain.height - level, 0.0) / depth
        amount = density * np.exp(-above) * (1.0 - np.exp(-terrain.z / 0.30)) * terrain.layer[..., 3]
        rows = np.flatnonzero(amount.max(axis=1) > 0.01)
        self._top = int(rows[0]) if len(rows) else 0
        self._amount = amount[self._top :].astype(np.float32)
        u, v = terrain.x[self._top :] * 700.0, terrain.z[self._top :] * 420.0
        v -= terrain.height[self._top :] * 2400.0
        self._near = Tile(fractal(stage.rng, 256, 256, cells=5, slope=1.8, finest=0.12)).lookup(u, v)
        self._far = Tile(fractal(stage.rng, 256, 256, cells=8, slope=1.8, finest=0.12)).lookup(u, v)
        self._colour = stage.mood.haze
        self._speed = 16.0 * (0.4 + 1.2 * stage.spec.energy) * float(stage.rng.choice([-1.0, 1.0]))

    def draw(self, frame: Image, t: float) -> None:
        """Mixes the mist into the frame."""
        field = self._near.at(self._speed * t, 0.2 * self._speed * t) + np.float32(0.6) * self._far.at(
            -0.7 * self._speed * t, 0.0
        )
        alpha = np.clip(np.float32(0.62) + np.float32(0.36) * field, 0.0, 1.0) * self._amount
        blend(frame[self._top :], self._colour, alpha)
