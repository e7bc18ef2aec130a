"""Lit windows: collected while buildings are drawn, then glows that waver in groups."""

from __future__ import annotations

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Colour, Points, rgb
from sparkle.generation.backends.drawing.light import Glow
from sparkle.generation.backends.drawing.motion import Flicker
from sparkle.generation.backends.drawing.stage import Element, Stage

TOWERS = np.stack(
    [rgb(112, 116, 128), rgb(134, 126, 122), rgb(92, 102, 120), rgb(150, 146, 142), rgb(84, 84, 96)]
)
GLASS = rgb(120, 150, 176)
PANES = np.stack([rgb(255, 210, 138), rgb(255, 190, 110), rgb(255, 232, 190), rgb(190, 220, 255)])
GROUPS = 4  # windows flicker in this many groups


class Panes:
    """Lit windows: they are collected while buildings are drawn, then become glows that waver in groups."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._canvases = [stage.canvas() for _ in range(GROUPS)]

    def cover(self, left: float, top: float, right: float, bottom: float) -> None:
        """Blanks what a nearer building hides."""
        for canvas in self._canvases:
            canvas.box(left, top, right, bottom, np.zeros(3))

    def light(self, quads: Points, colours: Colour) -> None:
        """Adds windows, (n, 4, 2), spread over the groups."""
        group = self._stage.rng.integers(0, GROUPS, len(quads))
        for k, canvas in enumerate(self._canvases):
            canvas.convex(quads[group == k], colours[group == k])

    def glows(self, strength: float) -> list[Element]:
        """What to add to the frame."""
        elements: list[Element] = []
        for canvas in self._canvases:
            lit = canvas.layer()[..., :3]
            spread = cv2.GaussianBlur(lit, (0, 0), 0.012 * self._stage.height)
            flicker = Flicker(self._stage.rng, depth=0.12, rate=float(self._stage.rng.uniform(0.3, 0.9)))
            elements.append(Glow((lit + 0.55 * spread) * np.float32(strength), flicker))
        return elements
