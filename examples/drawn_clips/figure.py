"""A person for drawn clips, from the waist up, who sways, nods, talks, blinks and waves.

- Made once from a generator (shirt, pattern, skin, hair, phase), painted at any time.
- Everything down to the hips moves tens of pixels within a clip, so that motion shows the person whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drawn_clips.cloth import CLOTHS, checked, dotted, striped
from drawn_clips.paint import (
    Canvas,
    Colour,
    Point,
    Surface,
    area,
    between,
    blob,
    darker,
    flat,
    limb,
    matte,
    turned,
)

_SKINS: tuple[Colour, ...] = ((0.98, 0.78, 0.64), (0.86, 0.62, 0.47), (0.62, 0.41, 0.29), (0.45, 0.29, 0.21))
_HAIRS: tuple[Colour, ...] = ((0.20, 0.12, 0.09), (0.48, 0.22, 0.09), (0.66, 0.36, 0.12), (0.12, 0.09, 0.12))


@dataclass(frozen=True)
class Figure:
    """A person from the waist up who sways, nods, talks and waves.

    Attributes:
        middle: World x around which the figure sways.
        cloth: Colours of the shirt.
        weave: 0 striped, 1 checked, 2 dotted.
        skin: Colour of the skin.
        hair: Colour of the hair.
        long_hair: Whether the hair reaches the shoulders.
        phase: Where the movement starts, in radians.
    """

    middle: float
    cloth: tuple[Colour, Colour]
    weave: int
    skin: Colour
    hair: Colour
    long_hair: bool
    phase: float

    def paint(self, canvas: Canvas, seconds: float) -> None:
        """Paints the figure as it is at a time."""
        swing = 2 * np.pi * seconds / 2.6 + self.phase  # there and back in 2.6 s
        lean = 0.055 * np.sin(swing + 0.5)
        hip = self.middle + 0.060 * np.sin(swing), 1.18 + 0.012 * np.sin(2 * swing)
        neck = turned(hip, (0.0, -0.70), lean)
        head = turned(neck, (0.012 * np.sin(swing + 1.2), -0.155), 1.6 * lean + 0.06 * np.sin(1.7 * swing))
        tilt = 1.6 * lean + 0.08 * np.sin(1.7 * swing + 0.4)
        weave = (striped, checked, dotted)[self.weave]
        turns = (12.0, 13.0, 17.0)[self.weave]
        shirt, sleeve = weave(*self.cloth, turns, length=2.1), weave(*self.cloth, turns / 3, length=1.8)
        if self.long_hair:
            self._back_hair(canvas, head, tilt)
        self._arm(
            canvas, turned(neck, (-0.165, 0.085), lean), (0.22 + 0.12 * np.sin(swing), 0.05), sleeve, -1
        )
        limb(canvas, turned(neck, (0, 0.06), lean), head, (0.062, 0.052), matte(darker(self.skin)))
        chest = turned(neck, (0.0, 0.46), lean)
        limb(
            canvas,
            turned(neck, (-0.15, 0.085), lean),
            turned(neck, (0.15, 0.085), lean),
            (0.075, 0.075),
            sleeve,
        )
        blob(canvas, chest, (0.205, 0.43), shirt, angle=lean, roundness=2)
        collar = [
            turned(neck, corner, lean)
            for corner in ((-0.07, 0.035), (0.0, 0.125), (0.07, 0.035), (0.0, 0.02))
        ]
        area(canvas, collar, darker(self.skin))
        self._head(canvas, head, tilt, seconds)
        lift = 0.5 + 0.5 * np.sin(1.5 * swing)
        wave = 2.55 + 0.35 * lift, 0.45 + 0.55 * np.sin(3.1 * swing)
        self._arm(canvas, turned(neck, (0.165, 0.085), lean), wave, sleeve, 1)

    def _arm(
        self, canvas: Canvas, shoulder: Point, bend: tuple[float, float], sleeve: Surface, side: int
    ) -> None:
        """An arm on the left (-1) or right (1); `bend`: radians away from hanging at shoulder and elbow."""
        raised = bend[0] > 1.5
        upper = bend[0] - 1.45 if raised else bend[0]
        elbow = turned(shoulder, (0.0, 0.23), -side * upper)
        hand = turned(elbow, (0.0, 0.21), -side * (bend[0] + bend[1] * (0.6 if raised else -1.0)))
        cuff = matte(self.cloth[0])
        limb(canvas, shoulder, elbow, (0.070, 0.056), sleeve)
        limb(canvas, elbow, hand, (0.047, 0.034), matte(self.skin))
        limb(canvas, between(elbow, shoulder, 0.12), between(elbow, hand, 0.16), (0.057, 0.053), cuff)
        if raised:
            reach = hand[0] - elbow[0], hand[1] - elbow[1]
            for spread in (-0.42, -0.14, 0.14, 0.42):
                finger = turned(hand, (0.38 * reach[0], 0.38 * reach[1]), spread)
                limb(canvas, hand, finger, (0.016, 0.0125), matte(self.skin))
            thumb = turned(hand, (0.26 * reach[0], 0.26 * reach[1]), -side * 1.15)
            limb(canvas, hand, thumb, (0.017, 0.014), matte(self.skin))
        blob(canvas, hand, (0.039, 0.043), matte(self.skin))

    def _back_hair(self, canvas: Canvas, head: Point, tilt: float) -> None:
        blob(
            canvas,
            turned(head, (0.0, 0.055), tilt),
            (0.135, 0.175),
            matte(darker(self.hair)),
            angle=tilt,
            roundness=2,
        )

    def _head(self, canvas: Canvas, head: Point, tilt: float, seconds: float) -> None:
        def at(x: float, y: float) -> Point:
            return turned(head, (x, y), tilt)

        hair, skin = matte(self.hair), matte(self.skin)
        blob(canvas, at(0.0, -0.030), (0.116, 0.128), hair, angle=tilt)
        for side in (-1, 1):
            blob(canvas, at(0.100 * side, 0.02), (0.019, 0.030), matte(darker(self.skin)), angle=tilt)
        blob(canvas, at(0.0, 0.018), (0.099, 0.122), skin, angle=tilt)
        blob(canvas, at(-0.034, -0.086), (0.078, 0.037), hair, angle=tilt - 0.30)
        blob(canvas, at(0.046, -0.084), (0.064, 0.034), hair, angle=tilt + 0.46)
        blink = 0.12 if (seconds + self.phase) % 2.1 < 0.14 else 1.0
        for side in (-1, 1):
            blob(
                canvas,
                at(0.040 * side, 0.008),
                (0.0185, 0.0135 * blink),
                flat((0.97, 0.96, 0.94)),
                angle=tilt,
            )
            blob(
                canvas,
                at(0.040 * side + 0.002, 0.009),
                (0.0098, 0.0115 * blink),
                flat((0.16, 0.10, 0.08)),
                angle=tilt,
            )
            blob(canvas, at(0.037 * side, 0.005), (0.003, 0.003 * blink), flat((1.0, 1.0, 1.0)))
            brow = at(0.062 * side, -0.019), at(0.024 * side, -0.021)
            limb(canvas, *brow, (0.0035, 0.005), flat(darker(self.hair)))
            canvas.glow(at(0.058 * side, 0.050), 0.034, (0.05, -0.03, -0.02))
        limb(canvas, at(0.004, 0.012), at(0.007, 0.042), (0.006, 0.0125), skin)
        talking = abs(np.sin(9.0 * seconds + self.phase)) * (0.5 + 0.5 * np.sin(1.3 * seconds))
        _smile(canvas, head, tilt, 0.016 + 0.012 * talking)


def make_figure(aspect: float, generator: np.random.Generator) -> Figure:
    """A figure in the middle of a picture of that aspect ratio."""
    return Figure(
        middle=0.48 * aspect,
        cloth=CLOTHS[int(generator.integers(len(CLOTHS)))],
        weave=int(generator.integers(3)),
        skin=_SKINS[int(generator.integers(len(_SKINS)))],
        hair=_HAIRS[int(generator.integers(len(_HAIRS)))],
        long_hair=bool(generator.integers(2)),
        phase=float(generator.uniform(0, 2 * np.pi)),
    )


def _smile(canvas: Canvas, head: Point, tilt: float, opening: float) -> None:
    """A crescent mouth, `opening` world units high in the middle, with the upper teeth."""
    across = np.linspace(-1, 1, 15)
    sag = 1 - across**2
    for width, depth, colour in (
        (0.040, opening, (0.45, 0.10, 0.11)),
        (0.034, 0.4 * opening, (0.97, 0.95, 0.92)),
    ):
        upper = zip(width * across, 0.066 + 0.009 * sag, strict=True)
        lower = zip(width * across[::-1], 0.066 + (0.009 + depth) * sag, strict=True)
        area(canvas, [turned(head, (float(x), float(y)), tilt) for x, y in (*upper, *lower)], colour)
