"""A street in one-point perspective: geometry, paving, houses, lamps, people walking by.

- World units are metres: x across (0 in the middle), y up from the pavement, z away from the camera. A wall
  is a plane x = +-half; `Street.wall` takes (z, y) on it to the canvas, so that everything on a facade is
  drawn flat and lands in perspective.
- Houses are drawn from far to near; each has a front, an end wall that looks at the camera, and a roof.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Image, Points, pick, rgb
from sparkle.generation.backends.drawing.stage import Stage

HAZE_PER_METRE = 0.022  # of the mood's distance
WARM = rgb(255, 176, 92)  # fire and old bulbs
PAVED = 40.0  # metres: how far the stones are drawn
NEAREST = 2.2  # metres: nothing is drawn nearer


@dataclass(frozen=True)
class Street:
    """The camera in the middle of a street.

    Attributes:
        stage: The stage.
        eye: Height of the camera in metres.
        half: Half the width of the street in metres.
        vanish: Where the street vanishes, in drawing units.
        focal: Focal length in frame heights.
    """

    stage: Stage
    eye: float
    half: float
    vanish: tuple[float, float]
    focal: float = 1.0

    def at(self, x: Points | float, y: Points | float, z: Points | float) -> Points:
        """Canvas points (..., 2) of places in metres."""
        depth = np.maximum(np.asarray(z, float), 0.4)
        across = self.vanish[0] + self.focal * np.asarray(x, float) / depth
        down = self.vanish[1] + self.focal * (self.eye - np.asarray(y, float)) / depth
        return np.stack(np.broadcast_arrays(across, down), -1)

    def wall(self, side: float, out: float = 0.0) -> Wall:
        """The plane of the facades on one side (-1 left, 1 right), `out` metres before it."""
        return Wall(self, side * (self.half - out))

    def haze(self, z: Points) -> Points:
        """The mood's distance at depths z."""
        return np.asarray(z, float) * HAZE_PER_METRE

    def lit(self, albedo: Colour, shade: float, z: float) -> Colour:
        """The mood's light on a surface at depth z."""
        return self.stage.mood.lit(albedo, shade, z * HAZE_PER_METRE)


@dataclass(frozen=True)
class Wall:
    """A plane along the street."""

    street: Street
    x: float

    def __call__(self, places: Points) -> Points:
        """Canvas points of (..., 2) places (z, y)."""
        return self.street.at(self.x, places[..., 1], places[..., 0])

    def box(self, canvas: Canvas, z: float, y: float, wide: float, high: float, colour: Colour) -> None:
        """A rectangle on the wall: its near lower corner, width along the street, height."""
        corners = np.array([[[z, y], [z + wide, y], [z + wide, y + high], [z, y + high]]])
        canvas.convex(self(corners), np.asarray(colour)[None])

    def boxes(self, canvas: Canvas, corners: Points, colours: Colour) -> None:
        """Many rectangles: (n, 4) as z, y, width, height; (n, 3) colours."""
        z, y, wide, high = np.asarray(corners, float).T
        quads = np.stack(
            [
                np.stack([z, y], -1),
                np.stack([z + wide, y], -1),
                np.stack([z + wide, y + high], -1),
                np.stack([z, y + high], -1),
            ],
            1,
        )
        canvas.convex(self(quads), colours)


def cobbles(canvas: Canvas, street: Street, palette: Colour, shade: float, stone: float = 0.24) -> None:
    """Paving stones from the camera into the distance, larger than life so that they can be seen."""
    rng = street.stage.rng
    z, rows = NEAREST, []
    while z < PAVED:
        deep = stone * (1.0 + 0.045 * z)
        wide = stone * 1.25 * (1.0 + 0.035 * z)
        x = np.arange(-street.half - wide * rng.random(), street.half + 1.0, wide)
        rows.append(np.stack([x, np.full_like(x, z), np.full_like(x, wide), np.full_like(x, deep)], -1))
        z += deep
    stones = np.concatenate(rows[::-1])
    x, z, wide, deep = stones.T
    gap = 0.07
    jitter = 0.05 * rng.standard_normal((len(stones), 8))
    left, right = x + wide * (gap + jitter[:, 0]), x + wide * (1 - gap + jitter[:, 1])
    near, far = z + deep * (gap + jitter[:, 2]), z + deep * (1 - gap + jitter[:, 3])
    cut = 0.18
    quads = [
        street.at(a, 0.0, b)
        for a, b in (
            (left + cut * wide, near),
            (right - cut * wide, near),
            (right, near + cut * deep),
            (right, far - cut * deep),
            (right - cut * wide, far),
            (left + cut * wide, far),
            (left, far - cut * deep),
            (left, near + cut * deep),
        )
    ]
    light = np.clip(shade + 0.12 * rng.standard_normal(len(stones)), 0.02, 1.2)
    colours = street.stage.mood.lit(pick(rng, palette, len(stones), 0.10, 0.03), light, street.haze(z))
    canvas.convex(np.stack(quads, 1), colours)


def ground(street: Street, albedo: Colour, shade: float) -> Image:
    """The bed between the stones as an opaque layer (h, w, 4) below the vanishing point."""
    stage = street.stage
    _, y = stage.grid()
    z = street.focal * street.eye / np.maximum(y - street.vanish[1], 1e-3)
    colour = stage.mood.lit(np.asarray(albedo)[None, None], np.full(y.shape, shade), street.haze(z))
    alpha = (y > street.vanish[1]).astype(np.float32)
    return np.dstack([colour * alpha[..., None], alpha]).astype(np.float32)


def pool(street: Street, place: tuple[float, float, float], reach: float, colour: Colour) -> Image:
    """The gain of a lamp at (x, y, z) metres on what is around it, float32 (h, w, 3); `reach` in metres."""
    stage = street.stage
    x, y = stage.grid()
    centre = street.at(*place)
    scale = street.focal * reach / place[2]
    distance = np.hypot(x - centre[0], 0.85 * (y - centre[1])) / scale
    return np.asarray(np.exp(-(distance**1.4))[..., None] * np.asarray(colour, np.float32), np.float32)


class Walkers:
    """People far down the street, walking across or along it as soft dark shapes.

    Args:
        street: Where they walk.
        count: How many.
        colours: (k, 3) seen colours of their clothes.
    """

    def __init__(self, street: Street, count: int, colours: Colour) -> None:
        rng = street.stage.rng
        self._street = street
        self._x = (
            np.sort(rng.uniform(0.18, 0.85, count)) * street.half * np.where(np.arange(count) % 2, 1.0, -1.0)
        )
        self._z = rng.uniform(11.0, 24.0, count)
        self._span = 16.0
        self._speed = rng.uniform(0.5, 0.95, count) * rng.choice([-1.0, 1.0], count)
        self._speed *= 0.55 + 0.9 * street.stage.spec.energy
        self._tall = rng.uniform(1.60, 1.85, count)
        self._colour = pick(rng, colours, count, 0.12, 0.05)
        self._legs = pick(rng, colours * 0.6, count, 0.10, 0.03)
        self._beat = rng.uniform(0, 2 * np.pi, count)

    def draw(self, frame: Image, t: float) -> None:
        """Draws them where they are at t, far ones first, faded while they turn at the ends of their way."""
        stage = self._street.stage
        way = np.mod(self._z + self._speed * t - 9.0, self._span)
        z = 9.0 + way
        alpha = np.clip(np.minimum(way, self._span - way) / 1.5, 0.0, 1.0)
        for k in np.argsort(-z, kind="stable"):
            foot = self._street.at(self._x[k], 0.0, z[k])
            size = self._street.focal * self._tall[k] / z[k]
            self._person(frame, stage, k, foot, size, alpha[k], t)

    def _person(
        self, frame: Image, stage: Stage, k: int, foot: Points, size: float, alpha: float, t: float
    ) -> None:
        h = stage.height
        top, left = int((foot[1] - 1.1 * size) * h), int((foot[0] - 0.5 * size) * h)
        rows, cols = int(1.2 * size * h) + 2, int(size * h) + 2
        if top < 0 or left < 0 or top + rows > h or left + cols > stage.width:
            return
        step = 0.13 * size * np.sin(2.0 * np.pi * 0.9 * abs(self._speed[k]) * t / 0.7 + self._beat[k])
        bob = 0.008 * size * np.cos(4.0 * np.pi * 0.9 * abs(self._speed[k]) * t / 0.7 + 2 * self._beat[k])
        patch = np.zeros((rows * 4, cols * 4, 4), np.uint8)

        def dot(x: float, y: float) -> tuple[int, int]:
            return (round(((foot[0] + x) * h - left) * 64), round(((foot[1] - y + bob) * h - top) * 64))

        def bar(a: tuple[float, float], b: tuple[float, float], wide: float, colour: Colour) -> None:
            ink = (*(int(255 * v) for v in colour), 255)
            cv2.line(patch, dot(*a), dot(*b), ink, max(1, round(wide * size * h * 4)), cv2.LINE_AA, 4)

        coat, trousers = np.clip(self._colour[k], 0, 1), np.clip(self._legs[k], 0, 1)
        for sign in (-1.0, 1.0):
            bar((0.0, 0.48 * size), (sign * step, 0.02 * size), 0.085, trousers)
            bar((0.0, 0.78 * size), (-0.8 * sign * step, 0.46 * size), 0.06, coat * 0.8)
        bar((0.0, 0.78 * size), (0.0, 0.48 * size), 0.20, coat)
        bar((0.0, 0.93 * size), (0.0, 0.92 * size), 0.125, 0.6 * coat + 0.4 * trousers)
        small = cv2.resize(patch, (cols, rows), interpolation=cv2.INTER_AREA).astype(np.float32) * np.float32(
            alpha / 255
        )
        view = frame[top : top + rows, left : left + cols]
        view *= np.float32(1.0) - small[..., 3:]
        view += small[..., :3]
