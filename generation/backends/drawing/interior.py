"""Rooms: a library, a cafe, a workshop, a living room, each with a window and a lamp that flickers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparkle.generation.backends.drawing import furniture as things
from sparkle.generation.backends.drawing.canvas import Colour, Points, pick, rgb
from sparkle.generation.backends.drawing.light import Flame
from sparkle.generation.backends.drawing.masonry import block_wall
from sparkle.generation.backends.drawing.room import DEEP, DIM, HALF, HIGH, Room
from sparkle.generation.backends.drawing.stage import Element, Stage


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    room = Room(stage)
    kinds: dict[str, Callable[[Room], None]] = {
        "library": _library,
        "cafe": _cafe,
        "workshop": _workshop,
        "living": _living,
    }
    kinds[stage.spec.kind](room)
    return room.elements()


def _library(room: Room) -> None:
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
        things.rect(
            room.canvas, plane, desk_x + 0.1 + 0.02 * rng.normal(), 0.79 + 0.045 * k, 0.36, 0.04, tone
        )
    bulb, _ = things.desk_lamp(room.canvas, plane, desk_x + 1.02, 0.79, 0.50, room.on)
    room.lamp(bulb, (desk_x + 1.02, 1.05, desk_z), 1.15)


def _cafe(room: Room) -> None:
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
            tone = pick(
                rng,
                np.stack([rgb(220, 210, 196), rgb(120, 74, 50), rgb(86, 112, 98), rgb(176, 132, 74)]),
                1,
                0.1,
            )[0]
            things.rect(room.canvas, room.back, place, y + 0.05, 0.085, rng.uniform(0.10, 0.26), tone * DIM)
    counter = room.facing(5.0)
    things.rect(room.canvas, counter, shelf_x - 0.2, 0.0, 2.6, 1.0, rgb(92, 62, 46) * DIM)
    for k in range(13):
        things.rect(
            room.canvas,
            counter,
            shelf_x - 0.2 + 0.2 * k,
            0.05,
            0.17,
            0.9,
            rgb(110, 74, 52) * DIM * (1 + 0.1 * (k % 2)),
        )
    things.rect(room.canvas, counter, shelf_x - 0.28, 1.0, 2.76, 0.07, rgb(176, 140, 104) * DIM * 1.2)
    for k, place in enumerate(np.linspace(-2.3, 2.3, 4)):
        z = (4.6, 3.6, 3.9, 4.4)[k]
        bulb = things.pendant(
            room.canvas, room.facing(z), place, HIGH, float(rng.uniform(0.65, 0.9)), room.on
        )
        room.lamp(bulb, (place, 2.2, z), 1.25)
    for place, z in ((-2.2, 3.0), (2.25, 3.2)):
        plane = room.facing(z)
        things.rect(room.canvas, plane, place - 0.04, 0.0, 0.08, 0.74, rgb(40, 36, 36) * DIM)
        things.rect(room.canvas, plane, place - 0.42, 0.74, 0.84, 0.05, rgb(168, 118, 76) * DIM * 1.1)
        things.potted(room.canvas, rng, plane, place, 0.79, 0.34, DIM * 1.2)
    things.potted(room.canvas, rng, room.facing(2.5), -room.side * 2.2, 0.0, 1.0, DIM)


def _workshop(room: Room) -> None:
    rng, street = room.rng, room.street
    room.shell(rgb(142, 122, 100), rgb(120, 98, 76), rgb(88, 74, 60))
    for k in range(4):
        z = 2.0 + 1.3 * k
        beam = street.at(
            np.array([-HALF, HALF, HALF, -HALF]), np.array([HIGH, HIGH, HIGH - 0.2, HIGH - 0.2]), z
        )
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
        things.rect(
            room.canvas, room.back, a + 0.025 - head / 2, y - rng.uniform(0.06, 0.14), head, 0.09, steel * 1.2
        )
    for side in (-1.0, 1.0):
        wall = street.wall(side)
        for y in (1.35, 1.85, 2.35):
            wall.box(room.canvas, 1.8, y, 3.6, 0.05, things.WOOD * DIM)
            for z in np.arange(1.9, 5.3, 0.16):
                tone = pick(
                    rng,
                    np.stack([rgb(132, 96, 62), rgb(96, 110, 112), rgb(150, 130, 90), rgb(110, 60, 48)]),
                    1,
                    0.12,
                )[0]
                wall.box(room.canvas, z, y + 0.05, 0.12, rng.uniform(0.1, 0.34), tone * DIM * 0.9)
    bench = room.facing(4.4)
    things.rect(room.canvas, bench, -2.9, 0.82, 5.8, 0.10, things.WOOD * DIM * 1.35)
    for place in (-2.8, -0.9, 0.8, 2.7):
        things.rect(room.canvas, bench, place, 0.0, 0.14, 0.82, things.WOOD * DIM * 0.8)
    for place in (-1.9, 1.8):
        bulb = things.pendant(room.canvas, room.facing(4.0), place, HIGH, 0.8, room.on)
        room.lamp(bulb, (place, 2.2, 4.0), 1.5)


def _living(room: Room) -> None:
    rng = room.rng
    paint = pick(
        rng,
        np.stack([rgb(186, 176, 156), rgb(150, 164, 160), rgb(196, 170, 146), rgb(160, 150, 170)]),
        1,
        0.04,
        0.02,
    )[0]
    room.shell(paint, rgb(140, 98, 64), rgb(206, 198, 184))
    things.rect(room.canvas, room.back, -HALF, 0.0, 2 * HALF, 0.16, rgb(220, 212, 198) * DIM)
    x = -2.35 if room.side < 0 else 0.65
    room.look_out(
        x,
        0.80,
        1.7,
        1.85,
        pick(rng, np.stack([rgb(196, 180, 150), rgb(140, 90, 76), rgb(110, 128, 134)]), 1)[0],
    )
    other = -room.side
    if room.stage.spec.has("fireplace"):
        _hearth(room, other * 1.7)
    else:
        for k in range(2):
            things.picture(
                room.canvas, rng, room.back, other * 1.7 - 0.85 + 0.95 * k, 1.6 + 0.1 * k, 0.7, 0.55, DIM
            )
        things.armchair(room.canvas, room.facing(4.9), other * 1.75 - 1.0, 2.0, rgb(132, 96, 82) * DIM * 1.2)
    things.bookcase(room.canvas, rng, room.street.wall(other), 2.2, 1.8, 2.1, DIM)
    things.potted(room.canvas, rng, room.facing(4.4), room.side * 2.6, 0.0, 1.25, DIM * 1.15)
    plane, place = room.facing(4.2), other * 2.65
    things.rect(room.canvas, plane, place - 0.02, 0.0, 0.04, 1.5, rgb(60, 54, 48) * DIM)
    shade = np.array([[place - 0.26, 1.42], [place + 0.26, 1.42], [place + 0.17, 1.80], [place - 0.17, 1.80]])
    room.canvas.polygon(plane(shade), np.minimum(rgb(255, 220, 160) * (0.35 + 0.6 * room.on), 1.0))
    room.lamp(plane(np.array([[place, 1.6]]))[0], (place, 1.6, 4.2), 1.5)


def _hearth(room: Room, x: float) -> None:
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
        things.rect(
            room.canvas,
            room.back,
            x - 0.42 + 0.1 * k,
            0.04 + 0.06 * k,
            0.7 - 0.1 * k,
            0.08,
            rgb(70, 44, 30) * DIM,
        )
    for shift, tall in ((-0.25, 0.10), (0.0, 0.145), (0.22, 0.11), (0.1, 0.09)):
        foot = room.back(np.array([[x + shift, 0.10]]))[0]
        room.fires.append(Flame(room.stage, (float(foot[0]), float(foot[1])), tall * 0.8))
    hearth = room.back(np.array([[x, 0.35]]))[0]
    room.lamp(hearth, (x, 0.4, DEEP), 2.3)
