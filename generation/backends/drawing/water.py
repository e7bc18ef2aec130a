"""Water: ripples, a rippled mirror, a waterfall.

- `Mirror` reflects whatever is already on the frame above its waterline, bent by two noise fields that slide
  over each other in perspective, mixes in the water's own colour, and lets the sun glitter on it.
- `Waterfall` is a band of streaks that run down and speed up, with a cloud of spray at its foot.
"""

from __future__ import annotations

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Colour, Image, rgb
from sparkle.generation.backends.drawing.land import distance_of, plane_depth
from sparkle.generation.backends.drawing.motion import vigour
from sparkle.generation.backends.drawing.noise import Tile, fractal, smoothstep
from sparkle.generation.backends.drawing.stage import Stage, blend

RIPPLE_SIDE = 256  # texels of the ripples' period


class Ripples:
    """Moving slopes of a water surface in perspective, zero mean, deviation about one.

    Args:
        stage: The stage; draws from its random stream.
        horizon: Where the water plane vanishes.
        top: First row they are needed for.
        scale: Texels a frame height at the bottom of the frame; larger is finer.
        speed: Texels a second at energy 0.5.
    """

    def __init__(
        self, stage: Stage, horizon: float, top: int, *, scale: float = 190.0, speed: float = 26.0
    ) -> None:
        x, y = (axis[top:] for axis in stage.grid())
        depth = np.minimum(plane_depth(y, horizon), 22.0)
        u, v = (x - 0.5 * stage.aspect) * depth * scale * 0.45, depth * scale * 1.1
        make = {"cells": 14.0, "slope": 1.35, "stretch": 1.6, "finest": 0.3}
        first, second = (fractal(stage.rng, RIPPLE_SIDE, RIPPLE_SIDE, **make) for _ in range(2))
        self._first = Tile(first).lookup(u, v)
        self._second = Tile(second).lookup(1.45 * u, 1.45 * v)
        self._calm = np.clip(3.2 / depth, 0.0, 1.0).astype(np.float32) * smoothstep(21.0, 8.0, depth)
        self._speed = speed * (0.35 + 1.3 * stage.spec.energy)

    def at(self, t: float) -> Image:
        """float32 (rows, w) slopes at t, flatter towards the horizon."""
        way = self._speed * t
        field = self._first.at(0.35 * way, way) + self._second.at(-0.6 * way, 0.75 * way)
        return field * self._calm * np.float32(0.7)


class Mirror:
    """Still or flowing water that reflects the frame above it.

    Args:
        stage: The stage; draws from its random stream.
        waterline: Height of the mirror line: where water meets what it reflects.
        mask: float32 (h, w) where there is water, 0..1.
        colour: (3,) of the water itself.
        clear: Share of the reflection, 0..1, straight down; it grows towards the waterline.
        rough: How far ripples bend the reflection, in frame heights at the bottom of the frame.
        glitter: Strength of the sun on the ripples.
    """

    def __init__(
        self,
        stage: Stage,
        waterline: float,
        mask: Image,
        colour: Colour,
        *,
        clear: float = 0.6,
        rough: float = 0.05,
        glitter: float = 0.6,
    ) -> None:
        self._line = stage.row(waterline)
        self._top = max(
            self._line, int(np.flatnonzero(mask.max(axis=1) > 0)[0]) if mask.any() else self._line
        )
        x, y = (axis[self._top :] for axis in stage.grid())
        h = stage.height
        down = y - waterline
        depth = np.clip(down / (1.0 - waterline), 0.0, 1.0)
        self._ripples = Ripples(stage, waterline - 0.02, self._top)
        self._x = x * h - 0.5
        self._y = (waterline - down) * h - 0.5
        bend = np.float32(rough * h * (0.45 + 0.55 * vigour(stage.spec.energy))) * (0.15 + 0.85 * depth)
        self._bend_x, self._bend_y = bend * np.float32(0.22), bend
        share = np.clip(clear + (0.92 - clear) * (1.0 - depth) ** 2, 0.0, 1.0)
        self._own = stage.mood.hazed(
            np.asarray(colour, np.float32) * (stage.mood.ambient + 0.6 * stage.mood.key),
            distance_of(y, waterline),
        ) * (1.0 - share[..., None])
        self._share = cv2.merge([share.astype(np.float32)] * 3)
        self._mask = np.ascontiguousarray(mask[self._top :])
        path = np.exp(-(((x - stage.mood.sun_x * stage.aspect) / (0.10 + 0.35 * depth)) ** 2))
        base = 0.25 if stage.mood.sun_y > 0.3 else 0.12
        self._glint = (glitter * (base + path) * (0.4 + 0.6 * depth)).astype(np.float32)
        self._light = stage.mood.key * np.float32(1.25)

    def draw(self, frame: Image, t: float) -> None:
        """Paints the water."""
        slope = self._ripples.at(t)
        u, v = self._x + slope * self._bend_x, self._y + slope * self._bend_y
        above = frame[: max(1, self._line)]
        np.clip(v, 0.0, above.shape[0] - 1, out=v)
        mirrored = cv2.remap(above, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        water = mirrored * self._share + self._own
        water *= cv2.merge([np.float32(1.0) + np.float32(0.09) * slope] * 3)
        spark = smoothstep(1.0, 2.1, slope) * self._glint
        water += cv2.merge([spark * c for c in self._light])
        blend(frame[self._top :], water, self._mask)


class Waterfall:
    """Water that falls over an edge.

    Args:
        stage: The stage; draws from its random stream.
        lip: Middle of its upper edge.
        foot: Height of its foot.
        width: Its width at the lip; it widens by half.
    """

    def __init__(self, stage: Stage, lip: tuple[float, float], foot: float, width: float) -> None:
        x, y = stage.grid()
        down = np.clip((y - lip[1]) / (foot - lip[1]), 0.0, 1.0)
        half = 0.5 * width * (1.0 + 0.5 * down)
        across = (x - lip[0]) / half
        body = smoothstep(1.05, 0.75, np.abs(across)) * smoothstep(-0.004, 0.004, y - lip[1])
        self._body = (body * smoothstep(0.02, -0.02, y - foot)).astype(np.float32)
        spray = np.hypot((x - lip[0]) / (1.1 * width), (y - foot) / (0.55 * width))
        self._spray = (0.85 * np.exp(-(spray**2))).astype(np.float32)
        fall = 150.0 * np.sqrt(down + 0.02)
        make = {"cells": 22.0, "slope": 1.2, "stretch": 0.12}
        self._streaks = [
            Tile(fractal(stage.rng, 256, 256, **make)).lookup(across * 40.0 * k + 7.0, -fall * k)
            for k in (1.0, 1.5)
        ]
        self._cloud = Tile(fractal(stage.rng, 256, 256, cells=8, slope=1.8)).lookup(x * 150.0, y * 150.0)
        self._light = stage.mood.lit(rgb(248, 252, 255), 0.75, 0.4)
        self._dark = stage.mood.lit(rgb(110, 150, 168), 0.35, 0.4)
        self._speed = 95.0 * (0.6 + 0.4 * vigour(stage.spec.energy))

    def draw(self, frame: Image, t: float) -> None:
        """Paints the fall and its spray."""
        way = self._speed * t
        field = self._streaks[0].at(0.0, way) + self._streaks[1].at(0.0, 1.3 * way)
        bright = np.clip(np.float32(0.55) + np.float32(0.30) * field, 0.0, 1.0)
        colour = self._dark + (self._light - self._dark) * cv2.merge([bright] * 3)
        blend(frame, colour, self._body * np.float32(0.93))
        puff = np.clip(np.float32(0.7) + np.float32(0.35) * self._cloud.at(0.10 * way, 0.35 * way), 0.0, 1.0)
        blend(frame, self._light, self._spray * puff)
