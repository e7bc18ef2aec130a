"""Cars at night: head and tail lights that stream along a street."""

from __future__ import annotations

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image, rgb
from sparkle.generation.backends.drawing.motion import vigour
from sparkle.generation.backends.drawing.street import Street


class Traffic:
    """Head and tail lights that stream along the street, with their streaks on the wet ground.

    Args:
        street: Where they drive.
        count: How many.
    """

    def __init__(self, street: Street, count: int) -> None:
        rng = street.stage.rng
        self._street, self._span = street, 60.0
        self._z = rng.uniform(0, self._span, count)
        self._coming = np.arange(count) % 2 == 0
        speed = rng.uniform(4.0, 8.0, count) * (0.4 + 0.6 * vigour(street.stage.spec.energy))
        self._speed = np.where(self._coming, -speed, speed)
        self._x = np.where(self._coming, -1.0, 1.0) * rng.uniform(0.25, 0.55, count) * street.half

    def draw(self, frame: Image, t: float) -> None:
        """Adds the lights."""
        street, h = self._street, frame.shape[0]
        way = np.mod(self._z + self._speed * t, self._span)
        z = 7.0 + way
        gain = np.clip(np.minimum(way, self._span - way) / 6.0, 0.0, 1.0) * np.exp(-z / 45.0)
        light = np.zeros((*frame.shape[:2], 3), np.uint8)
        for k in range(len(z)):
            colour = (rgb(255, 244, 220) if self._coming[k] else rgb(255, 40, 30)) * gain[k] * 255
            ink = tuple(int(v) for v in colour)
            for shift in (-0.65, 0.65):
                x, y = street.at(self._x[k] + shift, 0.7, z[k]) * h
                foot = street.at(self._x[k] + shift, -0.9, z[k]) * h
                size = max(1.0, 0.16 * street.focal / z[k] * h)
                cv2.circle(light, (round(x * 16), round(y * 16)), round(size * 16), ink, -1, cv2.LINE_AA, 4)
                low = (round(foot[0] * 16), round(foot[1] * 16))
                dim = tuple(int(0.35 * v) for v in ink)
                cv2.line(
                    light,
                    (round(x * 16), round((y + 2 * size) * 16)),
                    low,
                    dim,
                    max(1, round(size)),
                    cv2.LINE_AA,
                    4,
                )
        small = cv2.resize(light, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        glow = cv2.GaussianBlur(small, (0, 0), 0.008 * h).astype(np.float32) * np.float32(2.2 / 255)
        frame += cv2.resize(glow, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        frame += light.astype(np.float32) * np.float32(1.0 / 255)
