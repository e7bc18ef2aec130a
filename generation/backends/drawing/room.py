"""A room with a window and lamps, to be furnished.

- The room is a box in one-point perspective. It is drawn in dim even light with a hole for the window;
  outside there is a sky and foliage that moves.
- Then light is thrown on it: a soft gain around the window, pools around the lamps (flickering), a patch of
  sun on the floor and wall through which the shadows of leaves wander, and rays.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from sparkle.generation.backends.drawing import furniture as things
from sparkle.generation.backends.drawing.canvas import Colour, Image, Points, rgb
from sparkle.generation.backends.drawing.light import Dapple, Glow, Lamplight, Rays, halo
from sparkle.generation.backends.drawing.motion import Flicker, Swaying
from sparkle.generation.backends.drawing.noise import as_field, fractal
from sparkle.generation.backends.drawing.plants import Crown, foliage
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.stage import Cutout, Element, Stage
from sparkle.generation.backends.drawing.street import Street, pool

HALF, DEEP, HIGH = 3.1, 6.2, 3.3  # metres: half the width, the depth, the height of the room
FOCAL = 1.25  # frame heights: a portrait lens, the room is behind a person
DIM = 0.42  # the even light that everything is drawn in
BULB = rgb(255, 206, 130)


class Room:
    """A box of a room that families furnish: walls, window, lamps, and at last the light."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng
        self.stage, self.rng = stage, rng
        self.street = Street(
            stage,
            1.5,
            HALF,
            (stage.aspect * float(rng.uniform(0.46, 0.54)), float(rng.uniform(0.46, 0.50))),
            FOCAL,
        )
        self.canvas, self.cloth = stage.canvas(), stage.canvas()
        self.side = 1.0 if stage.mood.sun_x > 0.5 else -1.0  # the window's side
        self.lamps: list[tuple[Points, tuple[float, float, float], float]] = []
        self.fires: list[Element] = []
        self.on = max(0.55, stage.mood.lamps)
        self.window: Points = np.zeros((4, 2))
        self.curtain_top = 0.0

    def back(self, places: Points) -> Points:
        """The back wall: (x, y) metres."""
        return self.street.at(places[..., 0], places[..., 1], DEEP)

    def facing(self, z: float) -> things.Plane:
        """A plane across the room at depth z."""
        return lambda places: self.street.at(places[..., 0], places[..., 1], z)

    def shell(self, wall: Colour, floor: Colour, ceiling: Colour) -> None:
        """Walls, planks and ceiling."""
        canvas, at = self.canvas, self.street.at
        for side in (-1.0, 1.0):
            canvas.polygon(
                at(side * HALF, np.array([0, HIGH, HIGH, 0.0]), np.array([1.2, 1.2, DEEP, DEEP])),
                wall * DIM * 0.85,
            )
        canvas.polygon(
            at(np.array([-HALF, HALF, HALF, -HALF]), HIGH, np.array([1.2, 1.2, DEEP, DEEP])), ceiling * DIM
        )
        canvas.polygon(self.back(np.array([[-HALF, 0], [HALF, 0], [HALF, HIGH], [-HALF, HIGH]])), wall * DIM)
        boards = np.linspace(-HALF, HALF, 27)
        for _k, (a, b) in enumerate(itertools.pairwise(boards)):
            joints = np.sort(np.concatenate([[1.2, DEEP], self.rng.uniform(1.4, DEEP, 2)]))
            for near, far in itertools.pairwise(joints):
                tone = floor * DIM * (0.92 + 0.10 * self.rng.standard_normal())
                canvas.polygon(
                    at(np.array([a, b, b, a]), 0.0, np.array([near, near, far, far])), np.clip(tone, 0, 1)
                )
            canvas.stroke(at(np.array([a, a]), 0.0, np.array([1.2, DEEP])), 0.002, floor * DIM * 0.5)

    def look_out(
        self, x: float, y: float, wide: float, high: float, cloth: Colour, bars: tuple[int, int] = (2, 3)
    ) -> None:
        """A window in the back wall with curtains on both sides."""
        frame = rgb(228, 220, 204) * DIM
        things.window(self.canvas, self.back, x, y, wide, high, frame, bars)
        self.window = self.back(np.array([[x, y], [x + wide, y], [x + wide, y + high], [x, y + high]]))
        key = self.stage.mood.key
        for a in (x - 0.42, x + wide - 0.22):
            things.curtain(
                self.cloth,
                self.rng,
                self.back,
                a,
                y + high + 0.22,
                0.64,
                high + 0.75,
                cloth * (0.20 + 0.45 * self.stage.mood.ambient + 0.10 * self.on * BULB),
                0.50 * key * cloth,
            )
        self.curtain_top = float(self.back(np.array([[x, y + high + 0.22]]))[0, 1])

    def lamp(self, bulb: Points, place: tuple[float, float, float], reach: float) -> None:
        """A lamp at metres (x, y, z), seen at `bulb`."""
        self.lamps.append((bulb, place, reach))

    def elements(self) -> list[Element]:
        """Everything, back to front."""
        stage, _mood = self.stage, self.stage.mood
        scene = self.canvas.layer()
        grain = fractal(stage.rng, stage.height, stage.width, cells=18 * stage.aspect, slope=1.2)
        scene[..., :3] *= (1.0 + 0.018 * grain)[..., None]
        result: list[Element] = [Sky(stage, self.street.vanish[1] + 0.05), *self._outside(), Cutout(scene)]
        _, y = stage.grid()
        reach = 0.020 * np.clip((y - self.curtain_top) / 0.35, 0.0, 1.2) ** 1.5
        gains = [(self._daylight(scene), Flicker(stage.rng, depth=0.05, rate=0.25))]
        glows: list[Element] = []
        for bulb, place, size in self.lamps:
            flicker = Flicker(stage.rng, depth=0.16, rate=1.5)
            gain = pool(self.street, place, size, BULB * 2.3 * self.on)
            gains.append((gain * scene[..., 3:], flicker))
            glows.append(
                Glow(halo(stage, (float(bulb[0]), float(bulb[1])), 0.035, BULB * 0.75 * self.on), flicker)
            )
        result.append(Lamplight(gains))
        if self.curtain_top:
            result.append(
                Swaying(stage, self.cloth.layer(), reach.astype(np.float32), flutter=0.06, pace=0.9)
            )
        result += [*self._sunbeam(), *glows, *self.fires]
        return result

    def _outside(self) -> list[Element]:
        """Leaves beyond the window."""
        stage, mood = self.stage, self.stage.mood
        if not self.window.any():
            return []
        canvas = stage.canvas()
        low, high = self.window.min(axis=0), self.window.max(axis=0)
        for _ in range(7):
            x, y = (
                stage.rng.uniform(low[0], high[0]),
                stage.rng.uniform(0.3 * low[1] + 0.7 * high[1], high[1] + 0.03),
            )
            foliage(
                canvas,
                stage,
                Crown((float(x), float(y)), (0.09, 0.06), 0.008, 160, clumps=8),
                mood.foliage,
                0.35,
            )
        reach = np.full((stage.height, stage.width), 0.012, np.float32)
        return [Swaying(stage, canvas.layer(), reach, flutter=0.6)]

    def _daylight(self, scene: Image) -> Image:
        """The gain of the window's soft light on the room."""
        mood, stage = self.stage.mood, self.stage
        bright = 1.25 * mood.ambient + 0.80 * mood.key
        even = np.float32(1.7) * (mood.ambient - np.float32(0.26))
        centre = self.window.mean(axis=0) if self.window.any() else np.array([0.5 * stage.aspect, 0.3])
        x, y = stage.grid()
        near = np.exp(-np.hypot(x - centre[0], 1.1 * (y - centre[1])) / 0.45)[..., None]
        gain = bright * near * 1.5 + np.maximum(even, -0.30) + 0.16 * self.on * BULB
        return as_field(gain * scene[..., 3:])

    def _sunbeam(self) -> list[Element]:
        """Rays from the window, and the patch of sun they make, in which the shadows of leaves move."""
        stage, mood = self.stage, self.stage.mood
        if not self.window.any():
            return []
        strength = float(mood.key.max())
        slide = -np.sign(self.window[:, 0].mean() - 0.5 * stage.aspect) * 0.42
        patch = self.window.copy()
        patch = patch + np.array([slide, 0.40])
        patch[2:, 0] += 0.45 * slide
        canvas = stage.canvas()
        canvas.polygon(patch, np.ones(3))
        mask = cv2.GaussianBlur(canvas.layer()[..., 3], (0, 0), 0.018 * stage.height)
        warm = mood.key * 0.55
        pools: list[Element] = [
            Lamplight(
                [((mask[..., None] * warm).astype(np.float32), Flicker(stage.rng, depth=0.04, rate=0.3))]
            ),
            Dapple(
                stage,
                ((-0.40 * mask - 0.05) * min(1.0, strength)).astype(np.float32),
                0.22,
                speed=0.30,
                soft=1.4,
            ),
        ]
        centre = self.window.mean(axis=0)
        source = (float(centre[0] - 0.35 * slide), float(centre[1] - 0.38))
        strength *= 0.60 * (0.4 + 0.6 * mood.glow)
        return [*pools, Rays(stage, source, strength, length=0.6, towards=(float(slide), 0.50))]
