"""Leaves, grass and ferns, drawn with dabs and blades as a painter would.

- Foliage is a cloud of leaf dabs around a few clumps. Every dab is lit by where it sits on its clump and on
  the crown, and they are laid from dark to light, which gives volume with flat shapes.
- Grass grows in tufts: neighbours share colour, light and direction.
- Everything is drawn on a canvas in its final, lit and hazed colour; `distance` is the mood's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparkle.generation.backends.drawing.canvas import LEAF, Canvas, Colour, Image, Points, pick
from sparkle.generation.backends.drawing.noise import as_field, curve
from sparkle.generation.backends.drawing.stage import Stage


@dataclass(frozen=True)
class Crown:
    """The leafy part of a tree or a bush.

    Attributes:
        centre: Its middle.
        radii: Half its width and height.
        leaf: Radius of a dab.
        dabs: How many.
        clumps: How many bunches they gather around.
        clump: Size of a bunch relative to the crown.
    """

    centre: tuple[float, float]
    radii: tuple[float, float]
    leaf: float
    dabs: int
    clumps: int = 12
    clump: float = 0.42


def foliage(
    canvas: Canvas, stage: Stage, crown: Crown, palette: Colour, distance: float, dim: float = 0.0
) -> None:
    """Draws a crown; `dim` takes light away from all of it (the shade under a canopy)."""
    rng, light = stage.rng, np.array([0.62 * stage.mood.side, -0.78])
    angle = rng.uniform(0, 2 * np.pi, crown.clumps)
    reach = np.sqrt(rng.random(crown.clumps)) * (1.0 - 0.6 * crown.clump)
    clumps = np.stack([np.cos(angle), np.sin(angle)], -1) * reach[:, None]
    owner = rng.integers(0, crown.clumps, crown.dabs)
    turn = rng.uniform(0, 2 * np.pi, crown.dabs)
    local = np.stack([np.cos(turn), np.sin(turn)], -1) * np.sqrt(rng.random(crown.dabs))[:, None]
    size = crown.clump * rng.uniform(0.6, 1.2, crown.clumps)[owner]
    place = clumps[owner] + local * size[:, None]
    shade = (
        0.34 + 0.42 * (local @ light) + 0.30 * (place @ light) + 0.10 * rng.standard_normal(crown.dabs) - dim
    )
    order = np.argsort(shade, kind="stable")
    colours = stage.mood.lit(
        pick(rng, palette, crown.dabs, 0.10, 0.05), np.clip(shade, 0.0, 1.1), np.full(crown.dabs, distance)
    )
    radii = crown.leaf * rng.uniform(0.6, 1.35, crown.dabs)
    centres = np.array(crown.centre) + place * np.array(crown.radii)
    canvas.dabs(
        centres[order],
        np.stack([radii, radii * rng.uniform(0.45, 0.8, crown.dabs)], -1)[order],
        rng.uniform(0, np.pi, crown.dabs)[order],
        colours[order],
        outline=LEAF,
    )


def grass(
    canvas: Canvas,
    stage: Stage,
    roots: Points,
    lengths: Points,
    palette: Colour,
    distance: Points | float,
    *,
    lean: float = 0.0,
    width: float = 0.0035,
    shade: float = 0.5,
    heads: float = 0.0,
) -> None:
    """Blades of grass that grow in tufts: neighbours share their colour, light and direction.

    Args:
        canvas: Where to draw them.
        stage: The stage.
        roots: (n, 2) where they stand.
        lengths: (n,) how long they are.
        palette: (k, 3) albedos.
        distance: For the haze; one value or one a blade.
        lean: Angle from upright around which they fan out, in radians.
        width: Of a blade at its root.
        shade: Light on them, 0..1.
        heads: Share of blades that carry an ear.
    """
    rng, count = stage.rng, len(roots)
    places = np.linspace(-0.1, stage.aspect + 0.1, 512)
    tone, turn, hue = (np.interp(roots[:, 0], places, curve(rng, 512, cells=9, slope=1.1)) for _ in range(3))
    angle = lean + 0.16 * turn + rng.normal(0, 0.15, count)
    tips = roots + lengths[:, None] * np.stack([np.sin(angle), -np.cos(angle)], -1)
    light = np.clip(shade + 0.13 * tone + 0.10 * rng.standard_normal(count), 0.05, 1.1)
    far = np.broadcast_to(np.asarray(distance, float), count)
    row = np.clip((0.5 + 0.24 * hue + 0.16 * rng.standard_normal(count)) * len(palette), 0, len(palette) - 1)
    albedo = palette[row.astype(int)] * (1.0 + 0.06 * rng.standard_normal((count, 1)))
    order = np.argsort(roots[:, 1], kind="stable")
    bend = -lengths * (0.35 * angle + rng.normal(0, 0.05, count))
    widths = width * rng.uniform(0.6, 1.3, count)
    canvas.blades(
        roots[order], tips[order], bend[order], widths[order], stage.mood.lit(albedo, light, far)[order]
    )
    eared = np.flatnonzero(rng.random(count) < heads)
    if len(eared):
        ear = np.stack([0.055 * lengths, 0.75 * widths], -1)[eared]
        bright = stage.mood.lit(1.12 * albedo[eared], light[eared] + 0.2, far[eared])
        canvas.dabs(tips[eared], ear, angle[eared] - np.pi / 2 + 0.25 * np.sign(angle[eared]), bright)


def fern(
    canvas: Canvas, stage: Stage, root: tuple[float, float], size: float, palette: Colour, distance: float
) -> None:
    """A fern: a spray of arching fronds with leaflets on both sides."""
    rng = stage.rng
    for angle in np.linspace(-1.35, 1.35, 9) + rng.normal(0, 0.08, 9):
        length = size * rng.uniform(0.7, 1.1)
        s = np.linspace(0.0, 1.0, 15)
        droop = 0.34 * s**2.2 * (0.4 + abs(np.sin(angle)))
        spine = np.array(root) + length * np.stack([np.sin(angle) * s, -np.cos(angle) * s + droop], -1)
        along = np.gradient(spine, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        leaf = 0.24 * length * np.sin(np.pi * (0.12 + 0.86 * s))[:, None]
        light = 0.35 + 0.25 * np.sin(angle) * stage.mood.side
        for side in (-1.0, 1.0):
            normal = side * np.stack([-along[:, 1], along[:, 0]], -1)
            shade = np.clip(light - 0.3 * normal[:, 1] + 0.08 * rng.standard_normal(15), 0.02, 1.0)
            colours = stage.mood.lit(pick(rng, palette, 15, 0.08, 0.04), shade, np.full(15, distance))
            canvas.blades(
                spine, spine + leaf * (0.45 * along + normal), 0.02 * leaf[:, 0], 0.055 * length, colours
            )


def scatter(
    canvas: Canvas,
    stage: Stage,
    places: Points,
    size: Points,
    palette: Colour,
    distance: Points | float,
    *,
    flat: float = 0.5,
    shade: float = 0.6,
) -> None:
    """Single leaves, petals or flower heads: (n, 2) places, (n,) sizes, `flat` height over width."""
    rng, count = stage.rng, len(places)
    far = np.broadcast_to(np.asarray(distance, float), count)
    light = np.clip(shade + 0.22 * rng.standard_normal(count), 0.05, 1.1)
    colours = stage.mood.lit(pick(rng, palette, count, 0.08, 0.03), light, far)
    order = np.argsort(places[:, 1], kind="stable")
    canvas.dabs(
        places[order], np.stack([size, flat * size], -1)[order], rng.normal(0, 0.3, count), colours[order]
    )


def reach_above(stage: Stage, root: float, height: float, amount: float) -> Image:
    """A sway map (h, w): zero from `root` down, `amount` at `height` above it, growing as a bent rod does."""
    _, y = stage.grid()
    return as_field(amount * np.clip((root - y) / height, 0.0, 1.3) ** 1.6)
