"""Wind: layers that sway, and smooth random signals of time.

- A gust is a wave that runs along x; foliage leans with it and its leaves flutter at their own phases.
  Both are sums of products of a fixed map and a sine of time, so a frame costs four scaled additions and
  one remap.
- `Flicker` is light that wavers: a sum of incommensurate sines, smooth at 16 frames a second.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image
from sparkle.generation.backends.drawing.noise import as_field, fractal
from sparkle.generation.backends.drawing.stage import Stage, bounds, over

GUST_LENGTH = 1.3  # wave length of a gust along x, in frame heights
FLUTTER_LIMIT = 0.0065  # of the frame's height: more would fold neighbouring leaves over each other
FLUTTER_CELL = 0.08  # size of a bunch of leaves that moves together, in frame heights


def vigour(energy: float) -> float:
    """How far things move, relative to energy 0.5: 0.3 at rest, 1 at 0.5, 2.4 in a storm."""
    return 0.3 + 0.7 * energy + 1.4 * energy**2


class Swaying:
    """A premultiplied layer whose pixels lean with the wind.

    Args:
        stage: The stage; draws from its random stream.
        layer: float32 (h, w, 4) of the stage's size.
        reach: float32 (h, w) displacement in drawing units at energy 0.5, zero where the layer is rooted.
        flutter: Share of the reach with which leaves move by themselves.
        pace: Multiplies the frequencies; large things are slow.
    """

    def __init__(
        self, stage: Stage, layer: Image, reach: Image, *, flutter: float = 0.25, pace: float = 1.0
    ) -> None:
        energy, rng = stage.spec.energy, stage.rng
        pixels = reach * np.float32(stage.height * vigour(energy))
        rows, cols = bounds(layer[..., 3], 2 + math.ceil(float(np.abs(pixels).max()) * 1.2))
        self._top, self._left = rows.start, cols.start
        self._layer = np.ascontiguousarray(layer[rows, cols])
        lean = pixels[rows, cols].astype(np.float32)
        x, y = stage.grid()
        phase = (x + 0.25 * y)[rows, cols] * np.float32(2 * np.pi / GUST_LENGTH)
        side = round(256 * stage.aspect)
        leaves = fractal(
            rng, 256, side, cells=stage.aspect / FLUTTER_CELL, slope=2.5, finest=1.6 / (256 * FLUTTER_CELL)
        )
        leaves = (
            1.6 * cv2.resize(leaves, (stage.width, stage.height), interpolation=cv2.INTER_CUBIC)[rows, cols]
        )
        self._still = lean
        self._gust = (lean * np.cos(phase), lean * np.sin(phase))
        own = np.minimum(np.float32(flutter) * lean, np.float32(FLUTTER_LIMIT * stage.height))
        self._flutter = (own * np.cos(leaves), own * np.sin(leaves))
        height, width = lean.shape
        self._y, self._x = np.mgrid[0:height, 0:width].astype(np.float32)
        self._rate = pace * (0.20 + 0.22 * energy)
        self._offset = float(rng.uniform(0, 2 * np.pi))

    def draw(self, frame: Image, t: float) -> None:
        """Puts the layer on the frame as the wind has it at t."""
        beat = 2 * math.pi * self._rate * t + self._offset
        lean = 0.45 * math.sin(0.43 * beat) + 0.12 * math.sin(2.9 * beat)
        dx = self._x - np.float32(lean) * self._still
        for (cos, sin), (gain, speed) in zip(
            (self._gust, self._flutter), ((0.55, 1.0), (1.0, 3.7)), strict=True
        ):
            cv2.scaleAdd(cos, -gain * math.sin(speed * beat), dx, dst=dx)
            cv2.scaleAdd(sin, gain * math.cos(speed * beat), dx, dst=dx)
        dy = self._y + np.float32(0.6 * math.sin(3.1 * beat)) * self._flutter[1]
        cv2.scaleAdd(self._flutter[0], 0.6 * math.cos(3.4 * beat), dy, dst=dy)
        moved = cv2.remap(self._layer, dx, dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        over(frame, as_field(moved), self._top, self._left)


class Flicker:
    """A wavering brightness around 1, different for every seed draw.

    Args:
        rng: Where its phases come from.
        depth: How far it wavers.
        rate: Its main frequency in hertz.
    """

    def __init__(self, rng: np.random.Generator, *, depth: float = 0.25, rate: float = 1.6) -> None:
        self._phases = rng.uniform(0, 2 * np.pi, 4)
        self._rates = 2 * np.pi * rate * np.array([1.0, 1.73, 2.61, 0.37]) * rng.uniform(0.85, 1.15, 4)
        self._depth = depth

    def at(self, t: float) -> float:
        """Brightness at t seconds."""
        waves = np.sin(self._rates * t + self._phases)
        return float(1.0 + self._depth * (waves @ np.array([0.42, 0.27, 0.16, 0.35])))
