"""The moving subjects of drawn clips: the figure, a bouncing ball and a fish balloon that swims in the air.

- A subject is made once from a generator (colours, pattern, phase) and painted at any time; every part of it
  moves tens of pixels within a clip, and every part is textured or shaded, so that motion shows it whole.
- Colours are bright and warm where scenes are muted and cool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from drawn_clips.cloth import CLOTHS, striped
from drawn_clips.figure import make_figure
from drawn_clips.paint import (
    Canvas,
    Colour,
    Floats,
    Point,
    Surface,
    blob,
    darker,
    flat,
    limb,
    lit,
    matte,
    rgb,
    turned,
)


class Subject(Protocol):
    """Something that moves in front of a scene."""

    def paint(self, canvas: Canvas, seconds: float) -> None:
        """Paints the subject as it is at a time."""


@dataclass(frozen=True)
class Ball:
    """A beach ball that bounces to and fro, spins, and is squashed on the floor.

    Attributes:
        middle: World x around which the ball moves.
        stripes: Its colours in turn.
        radius: World units.
        phase: Where the movement starts, in radians.
    """

    middle: float
    stripes: tuple[Colour, ...]
    radius: float
    phase: float

    def paint(self, canvas: Canvas, seconds: float) -> None:
        """Paints the ball as it is at a time."""
        bounce = abs(np.sin(np.pi * seconds / 0.95 + self.phase))
        squash = 1 - 0.16 * max(0.0, 1 - 5 * bounce)
        x = self.middle + 0.34 * np.sin(2 * np.pi * seconds / 4.4 + self.phase)
        y = 0.93 - self.radius * squash - 0.42 * bounce
        spin = 2.4 * np.sin(2 * np.pi * seconds / 4.4 + self.phase)
        blob(canvas, (x, y), (self.radius / squash, self.radius * squash), self._surface(spin))

    def _surface(self, spin: float) -> Surface:
        colours = np.asarray(self.stripes, np.float32)

        def surface(u: Floats, v: Floats, normal_x: Floats, normal_y: Floats) -> Floats:
            depth = np.sqrt(np.clip(1 - u**2 - v**2, 0, 1))
            tilted_v, tilted_depth = 0.8 * v - 0.6 * depth, 0.8 * depth + 0.6 * v
            turn = (np.arctan2(tilted_v, u) + spin) / (2 * np.pi) * len(colours)
            low = np.floor(turn)
            mix = np.clip((turn - low - 0.5) * 24 * np.sqrt(u**2 + tilted_v**2) + 0.5, 0, 1)[..., None]
            first, second = low.astype(int) % len(colours), (low.astype(int) + 1) % len(colours)
            colour = colours[first] * (1 - mix) + colours[second] * mix
            cap = np.clip((tilted_depth - 0.965) * 90, 0, 1)[..., None]
            colour = colour * (1 - cap) + rgb((0.98, 0.96, 0.93)) * cap
            shine = np.clip(1 - ((u + 0.36) ** 2 + (v + 0.42) ** 2) / 0.055, 0, 1)[..., None] ** 2
            return np.asarray(colour * lit(normal_x, normal_y)[..., None] + 0.55 * shine, np.float32)

        return surface


@dataclass(frozen=True)
class Fish:
    """A foil balloon in the shape of a fish that swims through the air.

    Attributes:
        middle: World x around which the fish moves.
        cloth: Colours of its scales.
        phase: Where the movement starts, in radians.
    """

    middle: float
    cloth: tuple[Colour, Colour]
    phase: float

    def paint(self, canvas: Canvas, seconds: float) -> None:
        """Paints the fish as it is at a time."""
        glide = 2 * np.pi * seconds / 4.2 + self.phase
        centre = self.middle + 0.20 * np.sin(glide), 0.50 + 0.07 * np.sin(1.7 * glide + 1.0)
        tilt = 0.16 * np.cos(1.7 * glide + 1.0)
        beat = np.sin(2 * np.pi * seconds / 0.75)
        fin = self.cloth[1]

        def at(x: float, y: float) -> Point:
            return turned(centre, (x, y), tilt)

        root = at(0.28, 0.0)
        for side in (-1, 1):
            for share in np.linspace(0.25, 1.0, 6):
                tip = turned(root, (0.22 - 0.03 * share, side * 0.17 * share), tilt + 0.30 * beat)
                limb(canvas, root, tip, (0.030, 0.019), matte(darker(fin) if share < 0.6 else fin))
        for share in np.linspace(-1.0, 1.0, 8):
            top = at(0.10 + 0.12 * share + 0.05 + 0.02 * beat, -0.27 + 0.05 * share**2)
            limb(canvas, at(0.05 + 0.14 * share, -0.12), top, (0.035, 0.018), matte(fin))
            low = at(0.10 + 0.05 * share - 0.02 * beat, 0.24 - 0.02 * share)
            limb(canvas, at(0.05 + 0.06 * share, 0.12), low, (0.03, 0.016), matte(fin))
        blob(canvas, centre, (0.33, 0.185), self._scales(), angle=tilt)
        blob(canvas, at(-0.205, -0.045), (0.043, 0.043), matte((0.99, 0.98, 0.94)))
        blob(canvas, at(-0.215, -0.042), (0.023, 0.023), flat((0.10, 0.08, 0.12)))
        blob(canvas, at(-0.223, -0.051), (0.007, 0.007), flat((1.0, 1.0, 1.0)))
        limb(canvas, at(-0.302, 0.058), at(-0.250, 0.044), (0.007, 0.005), flat(darker(self.cloth[0], 0.45)))
        flap = tilt + 0.5 + 0.35 * beat
        side_fin = turned(at(-0.03, 0.05), (0.085, 0.0), flap)
        blob(canvas, side_fin, (0.09, 0.045), striped(fin, darker(fin), turns=16.0, length=0.5), angle=flap)

    def _scales(self) -> Surface:
        main, second = rgb(self.cloth[0]), rgb(self.cloth[1])

        def surface(u: Floats, v: Floats, normal_x: Floats, normal_y: Floats) -> Floats:
            row = np.floor(v * 6)
            along = u * 9 + 0.5 * (row % 2)
            arc = (along - np.floor(along) - 0.5) ** 2 + ((v * 6 - row) * 0.55) ** 2
            edge = np.clip((arc - 0.22) * 9, 0, 1) * np.clip((u + 0.42) * 6, 0, 1)
            belly = np.clip(1.4 * v - 0.15, 0, 0.75)[..., None]
            colour = main * (1 - belly) + rgb((1.0, 0.93, 0.78)) * belly
            band = np.clip(0.5 - 9 * (np.abs(u + 0.36 + 0.08 * v**2) - 0.045), 0, 1)[..., None]
            colour = colour * (1 - band) + second * band
            shine = 0.5 * np.clip(1 - ((u + 0.25) / 0.45) ** 2 - ((v + 0.55) / 0.16) ** 2, 0, 1)
            return np.asarray(
                colour * (lit(normal_x, normal_y) * (1 - 0.22 * edge))[..., None] + shine[..., None],
                np.float32,
            )

        return surface


def make_ball(aspect: float, generator: np.random.Generator) -> Ball:
    """A ball that moves about the middle of a picture of that aspect ratio."""
    main, second = CLOTHS[int(generator.integers(len(CLOTHS)))]
    stripes = (main, (0.99, 0.93, 0.80), second, main, (0.97, 0.60, 0.08), second)
    return Ball(0.5 * aspect, stripes, 0.21, float(generator.uniform(0, 2 * np.pi)))


def make_fish(aspect: float, generator: np.random.Generator) -> Fish:
    """A fish that swims about the middle of a picture of that aspect ratio."""
    cloth = CLOTHS[int(generator.integers(len(CLOTHS)))]
    return Fish(0.5 * aspect, cloth, float(generator.uniform(0, 2 * np.pi)))


SUBJECTS: dict[str, Callable[[float, np.random.Generator], Subject]] = {
    "figure": make_figure,
    "ball": make_ball,
    "fish": make_fish,
}
