"""Birds far off: pairs of beating wings that glide across the sky."""

from __future__ import annotations

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Colour, Image
from sparkle.generation.backends.drawing.stage import Stage

MARGIN = 0.15  # of the frame's height: how far outside the frame they turn around
OVERSAMPLE = 2  # wings are a pixel thin


class Birds:
    """A loose flock.

    Args:
        stage: The stage; draws from its random stream.
        count: How many.
        below: Height under which none flies.
        colour: (3,) their seen colour.
    """

    def __init__(self, stage: Stage, count: int, below: float, colour: Colour) -> None:
        rng = stage.rng
        self._unit, self._span = stage.height, stage.aspect + 2 * MARGIN
        self._rows = stage.row(below + 0.05)
        self._near = rng.uniform(0.4, 1.0, count)
        self._x = rng.uniform(0, self._span, count)
        self._y = below * rng.uniform(0.12, 0.85, count)
        heading = float(rng.choice([-1.0, 1.0]))
        self._speed = heading * 0.055 * self._near * (0.5 + stage.spec.energy) * rng.uniform(0.8, 1.2, count)
        self._size = 0.032 * self._near
        self._phase = rng.uniform(0, 2 * np.pi, count)
        self._rate = rng.uniform(4.5, 6.5, count) / self._near**0.3
        self._ink = (*(int(255 * np.clip(v, 0, 1)) for v in colour), 255)

    def draw(self, frame: Image, t: float) -> None:
        """Draws the birds where they are at t."""
        scale = OVERSAMPLE
        canvas = np.zeros((self._rows * scale, frame.shape[1] * scale, 4), np.uint8)
        x = np.mod(self._x + self._speed * t, self._span) - MARGIN
        y = self._y + 0.012 * np.sin(0.6 * t + self._phase)
        glide = np.clip(0.5 + 1.2 * np.sin(0.8 * t + 2.0 * self._phase), 0.0, 1.0)
        beat = 0.15 + glide * 0.55 * np.sin(self._rate * t + self._phase)
        for k in range(len(x)):
            size = self._size[k]
            for side in (-1.0, 1.0):
                wing = np.array(
                    [
                        (0.0, 0.10),
                        (0.42 * side, -0.55 * beat[k] - 0.05),
                        (side, -0.75 * beat[k] + 0.18),
                        (0.42 * side, -0.55 * beat[k] + 0.12),
                        (0.0, 0.24),
                    ]
                )
                points = (wing * size + [x[k], y[k]]) * self._unit * scale
                cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], self._ink, cv2.LINE_AA, 4)
        small = cv2.resize(canvas, (frame.shape[1], self._rows), interpolation=cv2.INTER_AREA)
        layer = small.astype(np.float32) * np.float32(1.0 / 255.0)
        view = frame[: self._rows]
        view *= np.float32(1.0) - layer[..., 3:]
        view += layer[..., :3]
