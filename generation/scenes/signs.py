"""Neon signs: a frame, strokes that look like writing and say nothing, a glow that stutters."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from sparkle.generation.scenes.canvas import Canvas, Colour, Points, rgb
from sparkle.generation.scenes.light import Glow
from sparkle.generation.scenes.motion import Flicker
from sparkle.generation.scenes.stage import Element, Stage

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
    tubes = stage.canvas()

    def at(u: Points, v: Points) -> Points:
        lower = corners[0] + (corners[1] - corners[0]) * np.asarray(u)[..., None]
        upper = corners[3] + (corners[2] - corners[3]) * np.asarray(u)[..., None]
        return np.asarray(lower + (upper - lower) * np.asarray(v)[..., None])

    wide = float(np.hypot(*(corners[1] - corners[0])))
    high = float(np.hypot(*(corners[3] - corners[0])))
    tube = max(0.0022, 0.05 * wide)
    frame = at(np.array([0.06, 0.94, 0.94, 0.06, 0.06]), np.array([0.03, 0.03, 0.97, 0.97, 0.03]))
    for a, b in itertools.pairwise(frame):
        tubes.stroke(np.array([a, b]), tube, colour)
    second = NEON[rng.integers(0, len(NEON))]
    glyphs = int(np.clip(round(high / max(wide, 1e-3)), 1, 7))
    for k in range(glyphs):
        low, top = 0.06 + 0.88 * k / glyphs, 0.06 + 0.88 * (k + 0.86) / glyphs
        for _ in range(4):
            if rng.random() < 0.5:
                v = low + (top - low) * rng.uniform(0.05, 0.95)
                line = at(np.array([0.20, rng.uniform(0.5, 0.8)]), np.array([v, v]))
            else:
                u = rng.uniform(0.24, 0.76)
                line = at(
                    np.array([u, u + rng.uniform(-0.08, 0.08)]),
                    np.array([low, low + (top - low) * rng.uniform(0.4, 1.0)]),
                )
            tubes.stroke(line, 1.2 * tube, second if k % 2 else np.minimum(colour + 0.35, 1.0))
    lit = tubes.layer()[..., :3]
    reach = max(0.010, 0.45 * wide) * stage.height
    glow = (
        1.0 * lit
        + 1.3 * cv2.GaussianBlur(lit, (0, 0), reach)
        + 0.9 * cv2.GaussianBlur(lit, (0, 0), 0.3 * reach)
    )
    steady = rng.random() < STEADY
    return [
        Glow(
            glow * np.float32(0.9 * fade),
            Flicker(rng, depth=0.10 if steady else 0.6, rate=1.2 if steady else 3.1),
        )
    ]
