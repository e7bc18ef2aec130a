"""One house: walls, roof, windows, door, shop front.

It is drawn on its wall, as if from the front; what stands out of the wall has a third number, which
shows where a street sees it at an angle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Points, pick
from sparkle.generation.backends.drawing.stage import PANES, Stage, ink

HouseKind = Literal[
    "gabled", "timber", "white", "western", "shop", "brick", "stone", "edo", "cottage", "pixel"
]
WALLS: dict[str, tuple[str, ...]] = {
    "gabled": ("#8a4a38", "#a8643c", "#6e3a34", "#c49a6a"),
    "timber": ("#d0bc98", "#c0a880", "#d8c8a8"),
    "white": ("#f6f4ee", "#f0eee6", "#faf8f4"),
    "western": ("#9a7450", "#8a6444", "#b08c64", "#7c6a58"),
    "shop": ("#b4695c", "#7a8a9a", "#c0a070", "#8a7a9a"),
    "brick": ("#7c4436", "#6a4038", "#8a5444"),
    "stone": ("#b4a68e", "#c2b49a", "#a69880"),
    "edo": ("#6a5040", "#7a5c46", "#d8d0c0"),
    "cottage": ("#e0d4bc", "#d4c4a4", "#c8b898"),
    "pixel": ("#c87850", "#7890c0", "#d8b868", "#90a868"),
}
ROOFS = {
    "gabled": "#5a3a34",
    "timber": "#8e7448",
    "white": "#3c78c0",
    "cottage": "#7a5a44",
    "edo": "#3c4048",
    "pixel": "#a83c34",
}


# Height and width of what walls are laid of, and how far the tones of these differ.
COURSES = {
    "gabled": (0.040, 0.11, 0.10),
    "brick": (0.040, 0.11, 0.10),
    "stone": (0.10, 0.24, 0.05),
    "western": (0.055, 9.0, 0.09),
    "edo": (0.055, 9.0, 0.06),
}


@dataclass(frozen=True)
class House:
    """One house of unit scale, its foot at (0, 0).

    Attributes:
        c: Where it is drawn.
        lit: Where its lights are.
        stage: The stage; a house draws from its random stream.
        kind: What it is built of.
        wide: Its width.
        tall: The height of its walls; the roof comes on top.
        far: How hazy it is, 0 to 1.
        glow: The share of its windows that are lit.
        snow: Above 0 there is snow on it.
    """

    c: Canvas
    lit: Canvas
    stage: Stage
    kind: HouseKind
    wide: float
    tall: float
    far: float
    glow: float
    snow: float

    def draw(self) -> None:
        """Draw it."""
        c, far, rng, light = self.c, self.far, self.stage.rng, self.stage.light
        half = self.wide / 2
        wall = pick(rng, np.stack([ink(each) for each in WALLS[self.kind]]), 1, 0.06, 0.02)[0]
        shade = float(np.clip(0.62 + 0.10 * rng.standard_normal(), 0.4, 0.9))
        stone = light.lit(wall, shade, far)
        flank = np.array([(-half, 0, 0), (-half, -self.tall, 0), (-half, -self.tall, -1), (-half, 0, -1)])
        self._both(flank, light.lit(wall * 0.9, 0.15, far))
        self._both(_rectangle(-half, -self.tall, half, 0), stone)
        if self.kind in COURSES:
            high, long, spread = COURSES[self.kind]
            rows = np.arange(-self.tall, 0, high)
            corners = [
                _rectangle(max(x, -half), y + 0.1 * high, min(x + 0.94 * long, half), y + high)
                for k, y in enumerate(rows)
                for x in np.arange(-half - 0.5 * long * (k % 2), half, long)
            ]
            tones = wall * (1 + spread * rng.standard_normal((len(corners), 1)))
            c.convex(np.stack(corners), light.lit(tones, shade + 0.1, np.full(len(corners), far)))
            c.box(-half, -0.07, half, 0.0, light.lit(wall * 0.7, 0.3, far))
        self._roof(wall)
        if self.kind == "timber":
            beam = light.lit(ink("#48321f"), 0.3, far)
            for x in np.linspace(-half, half, 5):
                c.stroke(np.array([[x, -self.tall], [x, 0.0]]), 0.03, beam)
            for y in np.arange(-self.tall, -0.1, 0.35):
                c.stroke(np.array([[-half, y], [half, y]]), 0.035, beam)
                for x in (-half, half / 2):
                    c.stroke(np.array([[x, y], [x + half / 2, y + 0.35 * (1 if x < 0 else -1)]]), 0.022, beam)
        self._openings()

    def _both(self, points: Points, colour: Colour) -> None:
        """Fill a polygon, which hides the lights behind it."""
        self.c.polygon(points, colour)
        self.lit.polygon(points, np.zeros(3))

    def _slab(
        self, box: tuple[float, float, float, float], out: float, face: Colour, fall: float = 0.0
    ) -> None:
        """Fill what stands `out` of a wall over a box: a cornice or, as it falls, an awning."""
        left, top, right, low = box
        back, front = np.array([0.0, 0.0]), np.array([fall, out])
        for y, tone in ((top, 0.9), (low, 0.35)):
            corners = [(x, *(np.array([y, 0]) + each)) for each, x in ((back, left), (back, right))]
            corners += [(x, *(np.array([y, 0]) + front)) for x in (right, left)]
            self._both(np.array(corners), face * tone)
        end = [(left, top, 0.0), (left, top + fall, out), (left, low + fall, out), (left, low, 0.0)]
        self._both(np.array(end), face * 0.55)
        self._both(np.column_stack([_rectangle(left, top + fall, right, low + fall), np.full(4, out)]), face)

    def _roof(self, wall: Colour) -> None:
        c, far, rng, light = self.c, self.far, self.stage.rng, self.stage.light
        half = self.wide / 2
        roof = light.lit(pick(rng, ink(ROOFS.get(self.kind, "#5a4a44"))[None], 1, 0.1)[0], 0.5, far)
        white = light.lit(ink("#eef2f8"), 0.9, far)
        if self.kind == "gabled":
            steps = [
                (-half + 0.12 * (k + up) * self.wide, -self.tall - 0.11 * (k + 1) * self.wide)
                for k in range(4)
                for up in (0, 1)
            ]
            steps = [(-half, -self.tall), *steps]
            self._both(np.array([*steps, *((-x, y) for x, y in steps[::-1])]), light.lit(wall, 0.6, far))
            for x, y in steps[1::2]:
                for side in (-1, 1):
                    c.box(
                        side * x - 0.05 * self.wide,
                        y - 0.02,
                        side * x + 0.07 * self.wide,
                        y,
                        light.lit(ink("#e8e0d0"), 0.7, far),
                    )
            self._slab(
                (-half, -self.tall - 0.02, half, -self.tall + 0.02), 0.03, light.lit(ink("#e8e0d0"), 0.7, far)
            )
        elif self.kind in ("timber", "cottage", "pixel", "edo"):
            rise, out = (0.62, 0.09) if self.kind in ("timber", "cottage") else (0.42, 0.14)
            peak = np.array([(0.0, -self.tall - rise * self.wide, -0.35)])
            if self.kind == "edo" or (self.kind != "pixel" and rng.random() < 0.5):
                peak = np.array([(x * half, -self.tall - 0.34 * self.wide, -0.4) for x in (-0.72, 0.72)])
            eaves = np.array([(-half - out, -self.tall + 0.03, 0.1), (half + out, -self.tall + 0.03, 0.1)])
            gable = np.concatenate([eaves[:1], peak, eaves[1:]])
            self._both(gable, white if self.snow else roof)
            courses = *np.linspace(0.14, 0.9, 6), 0.02 if self.snow else 0.0  # of tiles, and the eaves
            for share in courses:
                low, high = (eaves + (peak[[0, -1]] - eaves) * each for each in (share, share + 0.035))
                tone = roof if self.snow and share == 0.02 else (white if self.snow else roof) * 0.86
                c.polygon(np.concatenate([low, high[::-1]]), tone)
        elif self.kind == "white":
            if rng.random() < 0.35:
                turn = np.linspace(np.pi, 2 * np.pi, 18)
                c.polygon(
                    np.stack(
                        [0.42 * self.wide * np.cos(turn), -self.tall + 0.4 * self.wide * np.sin(turn)], -1
                    ),
                    roof,
                )
                c.box(-0.01, -self.tall - 0.5 * self.wide, 0.01, -self.tall - 0.38 * self.wide, white)
        elif self.kind == "western":
            front = np.array(
                [
                    (-half, -self.tall),
                    (-half, -self.tall - 0.16),
                    (half, -self.tall - 0.16),
                    (half, -self.tall),
                ]
            )
            self._both(front, light.lit(wall * 0.95, 0.6, far))
            self._slab(
                (-half - 0.02, -self.tall - 0.2, half + 0.02, -self.tall - 0.15),
                0.05,
                light.lit(ink("#c8b48c"), 0.7, far),
            )
        else:
            pale = light.lit(np.clip(wall * 1.25, 0, 1), 0.75, far)
            for y in (-self.tall - 0.03, -0.52):
                self._slab((-half, y, half, y + 0.05), 0.05, pale)
            if self.kind == "shop":  # a roof with dormers behind the cornice
                slope = [
                    (-half, -self.tall - 0.03, 0.0),
                    (-half, -self.tall - 0.3, -0.25),
                    (half, -self.tall - 0.3, -0.25),
                    (half, -self.tall - 0.03, 0.0),
                ]
                self._both(np.array(slope), roof)

    def _openings(self) -> None:
        """Door, shop front and windows of a house."""
        c, lit, far, rng, light = self.c, self.lit, self.far, self.stage.rng, self.stage.light
        half = self.wide / 2
        floor = 0.5 if self.kind in ("shop", "brick", "western", "cottage") else 0.44
        sparse = 1.6 if self.kind == "white" else 1.0
        cols, rows = (
            max(1, round(length / sparse)) for length in (self.wide / 0.32, (self.tall - floor) / 0.38)
        )
        pitch, story = self.wide / cols, (self.tall - floor) / rows
        w, h = min(0.09, 0.25 * pitch), min(0.15, 0.31 * story)
        wood = self.kind in ("western", "timber", "edo")
        frame = light.lit(ink("#4a3a2c" if wood else "#ece6da"), 0.6, far)

        def window(x: float, y: float, w: float, h: float, on: bool, bars: int = 1) -> None:
            glass = light.hazed(ink("#37485a") * (light.ambient + 0.4 * light.key), far)
            c.box(x - w - 0.018, y - h - 0.018, x + w + 0.018, y + h + 0.018, frame)
            c.box(x - w, y - h, x + w, y + h, glass * 0.6)
            c.polygon(
                np.array([(x - w, y - h), (x + w, y - h), (x + w, y), (x - w, y + 0.6 * h)]), glass * 1.25
            )
            if on:
                tone = PANES[rng.integers(0, 2)] * rng.uniform(0.45, 0.85)
                lit.box(x - w, y - h, x + w, y + h, tone)
                lit.box(x - w, y + 0.2 * h, x + w, y + h, tone * 0.75)
                for left in (x - w, x + 0.72 * w):  # curtains
                    lit.box(left, y - h, left + 0.28 * w, y + h, tone * 0.5)
            for bar in np.linspace(-1, 1, bars + 2)[1:-1]:
                for each, tone in ((c, frame), (lit, np.zeros(3))):
                    each.box(x + bar * w - 0.007, y - h, x + bar * w + 0.007, y + h, tone)
            for each, tone in ((c, frame), (lit, np.zeros(3))):
                each.box(x - w, y - 0.35 * h - 0.006, x + w, y - 0.35 * h + 0.006, tone)

        for k in range(cols):
            for n in range(rows):
                x, y = -half + pitch * (k + 0.5), -self.tall + story * (n + 0.5)
                window(x, y, w, h, bool(rng.random() < self.glow))
                white = ink("#eef2f8") if self.snow else ink("#ece6da")
                self._slab(
                    (x - w - 0.03, y + h + 0.015, x + w + 0.03, y + h + 0.04),
                    0.03,
                    light.lit(white, 0.8, far),
                )
                for side in (-1, 1) if self.kind in ("white", "cottage", "stone") else ():
                    hue = {"white": "#2f6ab8", "cottage": "#4a6a4a", "stone": "#7a8a92"}[self.kind]
                    left = x + side * (w + 0.045) - 0.024
                    c.box(left, y - h - 0.01, left + 0.048, y + h + 0.01, light.lit(ink(hue), 0.6, far))
        if self.kind in ("shop", "western"):
            self._shop(window)
            return
        door = -0.32 * self.wide if cols > 1 else 0.0
        leaf = light.lit(ink(("#5a3424", "#2c4a5c", "#3a5a3a", "#6a2a2a")[rng.integers(0, 4)]), 0.4, far)
        c.box(door - 0.1, -0.38, door + 0.1, 0.0, frame)
        c.box(door - 0.08, -0.36, door + 0.08, 0.0, leaf)
        c.box(door - 0.05, -0.33, door + 0.05, -0.2, leaf * 0.75)
        for x in np.arange(door + 0.3, half - 0.12, 0.27):
            window(float(x), -0.26, min(w, 0.08), 0.1, bool(rng.random() < self.glow))

    def _shop(self, window: Callable[[float, float, float, float, bool, int], None]) -> None:
        """A ground floor of glass below an awning or a porch, and a door in the middle."""
        c, lit, far, rng, light = self.c, self.lit, self.far, self.stage.rng, self.stage.light
        half = self.wide / 2
        hue = ink(("#8a2f2c", "#2a5a48", "#2c4a78", "#a0702a", "#4a3460")[rng.integers(0, 5)])
        on = bool(rng.random() < 2.2 * self.glow)
        if self.kind == "shop":
            c.box(-half + 0.02, -0.5, half - 0.02, 0.0, light.lit(hue * 0.55, 0.5, far))
        for side in (-1, 1):
            window(side * 0.29 * self.wide, -0.24, 0.165 * self.wide, 0.135, on, 2)
        window(0.0, -0.2, 0.07, 0.18, on, 0)
        for each in (c, lit):
            each.box(-0.06, -0.12, 0.06, 0.0, light.lit(hue * 0.5, 0.4, far) if each is c else np.zeros(3))
        if self.kind == "shop":
            self._slab((-half + 0.02, -0.5, half - 0.02, -0.42), 0.02, light.lit(hue, 0.6, far))
            ends, stripes = (-0.46 * self.wide, 0.46 * self.wide), 9
            for k in range(stripes):
                a, b = (ends[0] + (ends[1] - ends[0]) * (k + e) / stripes for e in (0, 1))
                tone = light.lit(hue if k % 2 else ink("#f0e8da"), 0.8, far)
                self._slab((a, -0.44, b, -0.41), 0.17, tone, 0.08)
        else:
            plank = light.lit(ink("#7a5c40"), 0.6, far)
            self._slab((-half - 0.01, -0.5, half + 0.01, -0.47), 0.24, plank)
            for x in (-half + 0.02, 0.0, half - 0.04):
                post = np.array(
                    [(x, -0.47, 0.22), (x + 0.03, -0.47, 0.22), (x + 0.03, 0.0, 0.22), (x, 0.0, 0.22)]
                )
                self._both(post, plank * 0.8)
            board = (-0.34 * self.wide, -0.66, 0.34 * self.wide, -0.53)
            self._slab(board, 0.04, light.lit(ink("#dcc898"), 0.7, far))
        low, size = (-0.48, 0.045) if self.kind == "shop" else (-0.64, 0.08)
        tone = light.lit(ink("#f4e4b0" if self.kind == "shop" else "#4a3020"), 0.8, far)
        for x in np.arange(-0.26 * self.wide, 0.26 * self.wide, 0.55 * size):  # strokes that pass for letters
            top, bar = rng.uniform(0.0, 0.4, 2) * size
            if rng.random() < 0.85:
                c.box(x, low + top * (rng.random() < 0.3), x + 0.14 * size, low + size, tone)
                c.box(x, low + bar, x + 0.4 * size, low + bar + 0.16 * size, tone)


def _rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
