"""Rooms: a library, a cafe, a workshop, a living room, each with a window, a lamp that flickers, dust.

- The room is a box in one-point perspective. It is drawn in dim even light with a hole for the window;
  outside there is a sky and foliage that moves.
- Then light is thrown on it: a soft gain around the window, pools around the lamps (flickering), a patch of
  sun on the floor and wall through which the shadows of leaves wander, and rays.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from sparkle.generation.scenes import furniture as things
from sparkle.generation.scenes.canvas import Canvas, Colour, Image, Points, pick, rgb
from sparkle.generation.scenes.light import Dapple, Flame, Glow, Lamplight, Rays, halo
from sparkle.generation.scenes.masonry import block_wall
from sparkle.generation.scenes.motion import Flicker, Swaying
from sparkle.generation.scenes.noise import fractal
from sparkle.generation.scenes.plants import Crown, foliage
from sparkle.generation.scenes.sky import Sky
from sparkle.generation.scenes.stage import Cutout, Element, Stage
from sparkle.generation.scenes.street import WARM, Street, pool

HALF, DEEP, HIGH = 3.1, 6.2, 3.3  # metres: half the width, the depth, the height of the room
FOCAL = 1.25  # frame heights: a portrait lens, the room is behind a person
DIM = 0.42  # the even light that everything is drawn in
BULB = rgb(255, 206, 130)


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    room = _Room(stage)
    kinds: dict[str, Callable[[_Room], None]] = {"library": _library, "cafe": _cafe, "workshop": _workshop, "living": _living}
    kinds[stage.spec.kind](room)
    return room.elements()


class _Room:
    """A box of a room that families furnish: walls, window, lamps, and at last the light."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng
        self.stage, self.rng = stage, rng
        self.street = Street(stage, 1.5, HALF, (stage.aspect * float(rng.uniform(0.46, 0.54)), float(rng.uniform(0.46, 0.50))), FOCAL)
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
            canvas.polygon(at(side * HALF, np.array([0, HIGH, HIGH, 0.0]), np.array([1.2, 1.2, DEEP, DEEP])), wall * DIM * 0.85)
        canvas.polygon(at(np.array([-HALF, HALF, HALF, -HALF]), HIGH, np.array([1.2, 1.2, DEEP, DEEP])), ceiling * DIM)
        canvas.polygon(self.back(np.array([[-HALF, 0], [HALF, 0], [HALF, HIGH], [-HALF, HIGH]])), wall * DIM)
        boards = np.linspace(-HALF, HALF, 27)
        for k, (a, b) in enumerate(zip(boards[:-1], boards[1:], strict=True)):
            joints = np.sort(np.concatenate([[1.2, DEEP], self.rng.uniform(1.4, DEEP, 2)]))
            for near, far in zip(joints[:-1], joints[1:], strict=True):
                tone = floor * DIM * (0.92 + 0.10 * self.rng.standard_normal())
                canvas.polygon(at(np.array([a, b, b, a]), 0.0, np.array([near, near, far, far])), np.clip(tone, 0, 1))
            canvas.stroke(at(np.array([a, a]), 0.0, np.array([1.2, DEEP])), 0.002, floor * DIM * 0.5)

    def look_out(self, x: float, y: float, wide: float, high: float, cloth: Colour, bars: tuple[int, int] = (2, 3)) -> None:
        """A window in the back wall with curtains on both sides."""
        frame = rgb(228, 220, 204) * DIM
        things.window(self.canvas, self.back, x, y, wide, high, frame, bars)
        self.window = self.back(np.array([[x, y], [x + wide, y], [x + wide, y + high], [x, y + high]]))
        key = self.stage.mood.key
        for a in (x - 0.42, x + wide - 0.22):
            things.curtain(self.cloth, self.rng, self.back, a, y + high + 0.22, 0.64, high + 0.75, cloth * (0.20 + 0.45 * self.stage.mood.ambient + 0.10 * self.on * BULB), 0.50 * key * cloth)
        self.curtain_top = float(self.back(np.array([[x, y + high + 0.22]]))[0, 1])

    def lamp(self, bulb: Points, place: tuple[float, float, float], reach: float) -> None:
        """A lamp at metres (x, y, z), seen at `bulb`."""
        self.lamps.append((bulb, place, reach))

    def elements(self) -> list[Element]:
        """Everything, back to front."""
        stage, mood = self.stage, self.stage.mood
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
            gain = pool(self.street, place, size, BULB * 1.9 * self.on)
            gains.append((gain * scene[..., 3:], flicker))
            glows.append(Glow(halo(stage, (float(bulb[0]), float(bulb[1])), 0.035, BULB * 0.75 * self.on), flicker))
        result.append(Lamplight(gains))
        if self.curtain_top:
            result.append(Swaying(stage, self.cloth.layer(), reach.astype(np.float32), flutter=0.06, pace=0.9))
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
            x, y = stage.rng.uniform(low[0], high[0]), stage.rng.uniform(0.3 * low[1] + 0.7 * high[1], high[1] + 0.03)
            foliage(canvas, stage, Crown((float(x), float(y)), (0.09, 0.06), 0.008, 160, clumps=8), mood.foliage, 0.35)
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
        gain = bright * near * 1.5 + np.maximum(even, -0.30)
        return (gain * scene[..., 3:]).astype(np.float32)

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
            Lamplight([((mask[..., None] * warm).astype(np.float32), Flicker(stage.rng, depth=0.04, rate=0.3))]),
            Dapple(stage, ((-0.40 * mask - 0.05) * min(1.0, strength)).astype(np.float32), 0.22, speed=0.30, soft=1.4),
        ]
        centre = self.window.mean(axis=0)
        source = (float(centre[0] - 0.35 * slide), float(centre[1] - 0.38))
        strength *= 0.60 * (0.4 + 0.6 * mood.glow)
        return [*pools, Rays(stage, source, strength, length=0.6, towards=(float(slide), 0.50))]


def _library(room: _Room) -> None:
    rng, street = room.rng, room.street
    room.shell(rgb(96, 66, 46), rgb(128, 82, 50), rgb(84, 60, 44))
    for side in (-1.0, 1.0):
        wall = street.wall(side)
        for z in (3.9, 1.6):
            things.bookcase(room.canvas, rng, wall, z, 2.2, 3.1, DIM * 0.95)
    x = -1.9 if room.side < 0 else 0.2
    things.bookcase(room.canvas, rng, room.back, -HALF, HALF + x - 0.55, 3.1, DIM)
    things.bookcase(room.canvas, rng, room.back, x + 2.25, HALF - x - 2.25, 3.1, DIM)
    room.look_out(x, 0.85, 1.7, 1.9, rgb(126, 66, 48))
    desk_z, desk_x = 3.4, (0.85 if room.side < 0 else -2.35)
    plane = room.facing(desk_z)
    wood = things.WOOD * DIM * 1.1
    things.rect(room.canvas, plane, desk_x, 0.0, 1.5, 0.74, wood * 0.7)
    for k in range(3):
        things.rect(room.canvas, plane, desk_x + 0.06 + 0.48 * k, 0.10, 0.42, 0.52, wood * 0.95)
    things.rect(room.canvas, plane, desk_x - 0.08, 0.72, 1.66, 0.07, wood * 1.4)
    for k in range(5):
        tone = pick(rng, things.BOOKS, 1, 0.1, 0.04)[0] * DIM * 1.1
        things.rect(room.canvas, plane, desk_x + 0.1 + 0.02 * rng.normal(), 0.79 + 0.045 * k, 0.36, 0.04, tone)
    bulb, _ = things.desk_lamp(room.canvas, plane, desk_x + 1.02, 0.79, 0.50, room.on)
    room.lamp(bulb, (desk_x + 1.02, 1.05, desk_z), 1.15)


def _cafe(room: _Room) -> None:
    rng, street = room.rng, room.street
    room.shell(rgb(150, 112, 84), rgb(124, 88, 60), rgb(76, 62, 54))
    wall = street.wall(-room.side)
    brick = np.stack([rgb(150, 82, 62), rgb(132, 70, 54), rgb(166, 98, 76)])

    def light(albedo: Colour, places: Points) -> Colour:
        return albedo * DIM * 0.9

    block_wall(room.canvas, rng, 1.3, DEEP, 0.0, HIGH, 0.11, brick, light, wall)
    x = -2.6 if room.side < 0 else 0.7
    room.look_out(x, 0.95, 1.9, 1.6, rgb(196, 176, 148), (3, 2))
    shelf_x = -2.75 if room.side > 0 else 0.35
    for y in (1.5, 1.95, 2.4):
        things.rect(room.canvas, room.back, shelf_x, y, 2.3, 0.05, things.WOOD * DIM * 1.2)
        for place in np.arange(shelf_x + 0.08, shelf_x + 2.2, 0.13):
            tone = pick(rng, np.stack([rgb(220, 210, 196), rgb(120, 74, 50), rgb(86, 112, 98), rgb(176, 132, 74)]), 1, 0.1)[0]
            things.rect(room.canvas, room.back, place, y + 0.05, 0.085, rng.uniform(0.10, 0.26), tone * DIM)
    counter = room.facing(5.0)
    things.rect(room.canvas, counter, shelf_x - 0.2, 0.0, 2.6, 1.0, rgb(92, 62, 46) * DIM)
    for k in range(13):
        things.rect(room.canvas, counter, shelf_x - 0.2 + 0.2 * k, 0.05, 0.17, 0.9, rgb(110, 74, 52) * DIM * (1 + 0.1 * (k % 2)))
    things.rect(room.canvas, counter, shelf_x - 0.28, 1.0, 2.76, 0.07, rgb(176, 140, 104) * DIM * 1.2)
    for k, place in enumerate(np.linspace(-2.3, 2.3, 4)):
        z = (4.6, 3.6, 3.9, 4.4)[k]
        bulb = things.pendant(room.canvas, room.facing(z), place, HIGH, float(rng.uniform(0.65, 0.9)), room.on)
        room.lamp(bulb, (place, 2.2, z), 1.25)
    for place, z in ((-2.2, 3.0), (2.25, 3.2)):
        plane = room.facing(z)
        things.rect(room.canvas, plane, place - 0.04, 0.0, 0.08, 0.74, rgb(40, 36, 36) * DIM)
        things.rect(room.canvas, plane, place - 0.42, 0.74, 0.84, 0.05, rgb(168, 118, 76) * DIM * 1.1)
        things.potted(room.canvas, rng, plane, place, 0.79, 0.34, DIM * 1.2)
    things.potted(room.canvas, rng, room.facing(2.5), -room.side * 2.2, 0.0, 1.0, DIM)


def _workshop(room: _Room) -> None:
    rng, street = room.rng, room.street
    room.shell(rgb(142, 122, 100), rgb(120, 98, 76), rgb(88, 74, 60))
    for k in range(4):
        z = 2.0 + 1.3 * k
        beam = street.at(np.array([-HALF, HALF, HALF, -HALF]), np.array([HIGH, HIGH, HIGH - 0.2, HIGH - 0.2]), z)
        room.canvas.polygon(beam, things.WOOD * DIM * 0.7)
    x = -2.3 if room.side < 0 else 0.6
    room.look_out(x, 1.1, 1.7, 1.4, rgb(150, 140, 120), (3, 3))
    board = -2.7 if room.side > 0 else 0.3
    things.rect(room.canvas, room.back, board, 1.15, 2.4, 1.35, rgb(168, 128, 84) * DIM)
    for k in range(14):
        a, y = board + 0.14 + 0.31 * (k % 7), 2.40 - 0.62 * (k // 7)
        steel = pick(rng, np.stack([rgb(160, 162, 166), rgb(120, 84, 56), rgb(140, 64, 48)]), 1, 0.1)[0] * DIM
        length, head = rng.uniform(0.28, 0.46), rng.uniform(0.10, 0.22)
        things.rect(room.canvas, room.back, a + 0.03, y - length - 0.02, 0.05, length, rgb(60, 44, 34) * DIM)
        things.rect(room.canvas, room.back, a, y - length, 0.05, length, steel * 0.85)
        things.rect(room.canvas, room.back, a + 0.025 - head / 2, y - rng.uniform(0.06, 0.14), head, 0.09, steel * 1.2)
    for side in (-1.0, 1.0):
        wall = street.wall(side)
        for y in (1.35, 1.85, 2.35):
            wall.box(room.canvas, 1.8, y, 3.6, 0.05, things.WOOD * DIM)
            for z in np.arange(1.9, 5.3, 0.16):
                tone = pick(rng, np.stack([rgb(132, 96, 62), rgb(96, 110, 112), rgb(150, 130, 90), rgb(110, 60, 48)]), 1, 0.12)[0]
                wall.box(room.canvas, z, y + 0.05, 0.12, rng.uniform(0.1, 0.34), tone * DIM * 0.9)
    bench = room.facing(4.4)
    things.rect(room.canvas, bench, -2.9, 0.82, 5.8, 0.10, things.WOOD * DIM * 1.35)
    for place in (-2.8, -0.9, 0.8, 2.7):
        things.rect(room.canvas, bench, place, 0.0, 0.14, 0.82, things.WOOD * DIM * 0.8)
    for place in (-1.9, 1.8):
        bulb = things.pendant(room.canvas, room.facing(4.0), place, HIGH, 0.8, room.on)
        room.lamp(bulb, (place, 2.2, 4.0), 1.5)


def _living(room: _Room) -> None:
    rng = room.rng
    paint = pick(rng, np.stack([rgb(186, 176, 156), rgb(150, 164, 160), rgb(196, 170, 146), rgb(160, 150, 170)]), 1, 0.04, 0.02)[0]
    room.shell(paint, rgb(140, 98, 64), rgb(206, 198, 184))
    things.rect(room.canvas, room.back, -HALF, 0.0, 2 * HALF, 0.16, rgb(220, 212, 198) * DIM)
    x = -2.35 if room.side < 0 else 0.65
    room.look_out(x, 0.80, 1.7, 1.85, pick(rng, np.stack([rgb(196, 180, 150), rgb(140, 90, 76), rgb(110, 128, 134)]), 1)[0])
    other = -room.side
    if room.stage.spec.has("fireplace"):
        _hearth(room, other * 1.7)
    else:
        for k in range(2):
            things.picture(room.canvas, rng, room.back, other * 1.7 - 0.85 + 0.95 * k, 1.6 + 0.1 * k, 0.7, 0.55, DIM)
        things.armchair(room.canvas, room.facing(4.9), other * 1.75 - 1.0, 2.0, rgb(132, 96, 82) * DIM * 1.2)
    things.bookcase(room.canvas, rng, room.street.wall(other), 2.2, 1.8, 2.1, DIM)
    things.potted(room.canvas, rng, room.facing(4.4), room.side * 2.6, 0.0, 1.25, DIM * 1.15)
    plane, place = room.facing(4.2), other * 2.65
    things.rect(room.canvas, plane, place - 0.02, 0.0, 0.04, 1.5, rgb(60, 54, 48) * DIM)
    shade = np.array([[place - 0.26, 1.42], [place + 0.26, 1.42], [place + 0.17, 1.80], [place - 0.17, 1.80]])
    room.canvas.polygon(plane(shade), np.minimum(rgb(255, 220, 160) * (0.35 + 0.6 * room.on), 1.0))
    room.lamp(plane(np.array([[place, 1.6]]))[0], (place, 1.6, 4.2), 1.5)


def _hearth(room: _Room, x: float) -> None:
    """A stone fireplace with a fire in it."""
    stone = np.stack([rgb(150, 140, 128), rgb(126, 118, 108), rgb(168, 156, 140)])

    def light(albedo: Colour, places: Points) -> Colour:
        return albedo * DIM

    def upright(places: Points) -> Points:
        return room.back(np.stack([places[..., 0], 2.0 - places[..., 1]], -1))

    block_wall(room.canvas, room.rng, x - 1.0, x + 1.0, 0.0, 2.0, 0.20, stone, light, upright)
    things.rect(room.canvas, room.back, x - 1.15, 1.32, 2.3, 0.14, things.WOOD * DIM * 1.2)
    things.rect(room.canvas, room.back, x - 0.6, 0.0, 1.2, 0.95, rgb(18, 14, 12))
    for k in range(4):
        things.rect(room.canvas, room.back, x - 0.42 + 0.1 * k, 0.04 + 0.06 * k, 0.7 - 0.1 * k, 0.08, rgb(70, 44, 30) * DIM)
    for shift, tall in ((-0.25, 0.10), (0.0, 0.145), (0.22, 0.11), (0.1, 0.09)):
        foot = room.back(np.array([[x + shift, 0.10]]))[0]
        room.fires.append(Flame(room.stage, (float(foot[0]), float(foot[1])), tall * 0.8))
    hearth = room.back(np.array([[x, 0.35]]))[0]
    room.lamp(hearth, (x, 0.4, DEEP), 2.3)
