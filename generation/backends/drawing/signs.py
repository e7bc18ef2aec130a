"""Neon signs: a frame, strokes that look like writing and say nothing, a glow that stutters."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Image, Points, rgb
from sparkle.generation.backends.drawing.light import Glow
from sparkle.generation.backends.drawing.motion import Flicker
from sparkle.generation.backends.drawing.noise import as_field
from sparkle.generation.backends.drawing.stage import Element, Stage

NEON = np.stack(
    [rgb(255, 48, 132), rgb(48, 218, 255), rgb(255, 150, 40), rgb(150, 90, 255), rgb(80, 255, 170)]
)
STEADY = 0.65  # share of signs that only shimmer


def sign(
    stage: Stage, canvas: Canvas, corners: Points, colour: Colour, *, fade: float = 1.0
) -> list[Element]:
    """Hangs a sign.

    Args:
        stage: The stage; draws from its random stream.
        canvas: Where its dark board is drawn.
        corners: (4, 2) places of its lower inner, lower outer, upper outer and upper inner corner.
        colour: (3,) of its light.
        fade: Brightness that the air leaves.

    Returns:
        Its light, to be added after the canvas.
    """
    rng = stage.rng
    canvas.polygon(corners, stage.mood.lit(rgb(26, 24, 34), 0.3) * fade + 0.10 * colour * fade)
    wide = float(np.hypot(*(corners[1] - corners[0])))
    lit = _tubes(stage, corners, colour, NEON[rng.integers(0, len(NEON))])
    reach = max(0.010, 0.45 * wide) * stage.height
    broad, close = (cv2.GaussianBlur(lit, (0, 0), sigma) for sigma in (reach, 0.3 * reach))
    glow = as_field(lit + 1.3 * broad + 0.9 * close) * np.float32(0.9 * fade)
    steady = rng.random() < STEADY
    return [Glow(glow, Flicker(rng, depth=0.10 if steady else 0.6, rate=1.2 if steady else 3.1))]


def _tubes(stage: Stage, corners: Points, colour: Colour, second: Colour) -> Image:
    """The tubes of a sign, (h, w, 3): a frame, and glyphs of four strokes, in two colours by turns."""
    rng, tubes = stage.rng, stage.canvas()

    def at(u: npt.ArrayLike, v: npt.ArrayLike) -> Points:
        lower = corners[0] + (corners[1] - corners[0]) * np.asarray(u)[..., None]
        upper = corners[3] + (corners[2] - corners[3]) * np.asarray(u)[..., None]
        return np.asarray(lower + (upper - lower) * np.asarray(v)[..., None])

    wide, high = (float(np.hypot(*(corners[k] - corners[0]))) for k in (1, 3))
    tube = max(0.0022, 0.05 * wide)
    for a, b in itertools.pairwise(at([0.06, 0.94, 0.94, 0.06, 0.06], [0.03, 0.03, 0.97, 0.97, 0.03])):
        tubes.stroke(np.array([a, b]), tube, colour)
    glyphs = int(np.clip(round(high / max(wide, 1e-3)), 1, 7))
    for k in range(glyphs):
        low, tall = 0.06 + 0.88 * k / glyphs, 0.88 * 0.86 / glyphs
        ink = second if k % 2 else np.minimum(colour + 0.35, 1.0)
        for _ in range(4):
            u, v = rng.uniform(0.24, 0.76), low + tall * rng.uniform(0.05, 0.95)
            across = at([0.20, rng.uniform(0.5, 0.8)], [v, v])
            upright = at([u, u + rng.uniform(-0.08, 0.08)], [low, low + tall * rng.uniform(0.4, 1.0)])
            tubes.stroke(across if rng.random() < 0.5 else upright, 1.2 * tube, ink)
    return tubes.layer()[..., :3]
