"""Old streets: a medieval village by torchlight, a European street with cafes and lamps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Image, rgb
from sparkle.generation.backends.drawing.land import crest, hill
from sparkle.generation.backends.drawing.light import Flame, Fog, Glow, Lamplight, halo
from sparkle.generation.backends.drawing.masonry import FIELDSTONE
from sparkle.generation.backends.drawing.motion import Flicker, Swaying
from sparkle.generation.backends.drawing.plants import reach_above
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.stage import Cutout, Element, Stage
from sparkle.generation.backends.drawing.street import (
    HAZE_PER_METRE,
    PAVED,
    WARM,
    Street,
    Walkers,
    cobbles,
    ground,
    pool,
)
from sparkle.generation.backends.drawing.timber import BEAM, timber_house
from sparkle.generation.backends.drawing.townhouse import SLATE, townhouse
from sparkle.generation.backends.drawing.trees import broadleaf

PAVING = np.stack([rgb(122, 114, 106), rgb(104, 98, 94), rgb(140, 130, 116)])
LAMPLIGHT = rgb(255, 214, 140)
IRON = rgb(46, 46, 50)
COATS = np.stack([rgb(70, 66, 72), rgb(104, 84, 70), rgb(64, 78, 96), rgb(120, 108, 96)])


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    kinds: dict[str, Callable[[Stage], list[Element]]] = {"medieval": _medieval, "european": _european}
    return kinds[stage.spec.kind](stage)


def _street(stage: Stage, half: float) -> Street:
    x = stage.aspect * float(stage.rng.uniform(0.44, 0.56))
    return Street(stage, eye=1.65, half=half, vanish=(x, float(stage.rng.uniform(0.54, 0.58))), focal=0.95)


def _medieval(stage: Stage) -> list[Element]:
    dim = 1.0 - 0.35 * stage.mood.lamps
    stage = replace(
        stage, mood=replace(stage.mood, ambient=stage.mood.ambient * dim, key=stage.mood.key * dim**2)
    )
    street = _street(stage, 4.0)
    horizon = street.vanish[1]
    canvas, windows = stage.canvas(), stage.canvas()
    cobbles(canvas, street, stage.mood.snowed(PAVING * 0.9, 0.7), 0.34, stone=0.30)
    for side in (-1.0, 1.0):
        for z, wide in _plots(stage, 4.2, 8.0):
            timber_house(canvas, windows, street, side, z, wide)
    distant = crest(stage, horizon - 0.07, 0.03, 3.0)
    elements: list[Element] = [
        Sky(stage, horizon),
        Cutout(hill(stage, distant, rgb(58, 66, 62), 1.6, mist=0.5)),
    ]
    elements += [Cutout(ground(street, rgb(64, 56, 48), 0.2)), Cutout(_church(street))]
    scene = canvas.layer()
    elements += [
        Cutout(scene),
        *_torches(stage, street, _unlit(scene, windows)),
        _window_glow(stage, windows),
    ]
    elements.append(Fog(stage, horizon + 0.02, 0.10, 0.22))
    return elements


def _church(street: Street) -> Image:
    """What closes the street: a layer with a church, its tower, and the roofs beside it."""
    rng, z, canvas = street.stage.rng, PAVED, street.stage.canvas()
    middle = float(rng.uniform(-1.5, 1.5))
    stone, slate = street.lit(FIELDSTONE[0], 0.35, z), street.lit(SLATE * 0.8, 0.3, z)

    def shape(points: list[tuple[float, float]], colour: Colour) -> None:
        outline = np.array(points)
        canvas.polygon(street.at(middle + outline[:, 0], outline[:, 1], z), colour)

    for x in (-9.0, 6.0):
        high = float(rng.uniform(4.5, 6.0))
        shape([(x - 3, 0), (x + 3, 0), (x + 3, high), (x - 3, high)], 0.9 * stone)
        shape([(x - 3.6, high), (x + 3.6, high), (x, high + 4)], slate)
    shape([(-3, 0), (4, 0), (4, 8), (0.5, 12), (-3, 8)], stone)
    shape([(-5, 0), (-1.6, 0), (-1.6, 15), (-5, 15)], 0.92 * stone)
    shape([(-5.4, 15), (-1.2, 15), (-3.3, 23)], slate)
    for x, y in ((-3.3, 11.5), (0.5, 5.5)):
        shape([(x - 0.6, y), (x + 0.6, y), (x + 0.6, y + 1.6), (x, y + 2.4), (x - 0.6, y + 1.6)], 0.5 * stone)
    return canvas.layer()


def _plots(stage: Stage, narrow: float, broad: float) -> list[tuple[float, float]]:
    """Houses along one side, (z, width) in metres, far to near."""
    z, plots = float(stage.rng.uniform(1.5, 3.0)), []
    while z < 46.0:
        wide = float(stage.rng.uniform(narrow, broad))
        plots.append((z, wide))
        z += wide
    return plots[::-1]


def _window_glow(stage: Stage, windows: Canvas) -> Element:
    """Light that spills from lit windows."""
    lit = windows.layer()[..., :3]
    spill = cv2.GaussianBlur(lit, (0, 0), 0.018 * stage.height) + 0.5 * cv2.GaussianBlur(
        lit, (0, 0), 0.05 * stage.height
    )
    return Glow(
        spill * np.float32(0.30 * stage.mood.lamps) + np.float32(0.12 * stage.mood.lamps) * lit,
        Flicker(stage.rng, depth=0.10, rate=0.7),
    )


def _unlit(scene: Image, windows: Canvas) -> Image:
    """What lamps can light: the houses and the street, (h, w, 1), lit windows hardly."""
    return scene[..., 3:] * (np.float32(1.0) - np.float32(0.85) * windows.layer()[..., 3:])


def _against_dark(stage: Stage) -> float:
    """How much stronger the gain of a lamp must be where less light is there to be multiplied."""
    return float(np.clip(0.115 / stage.mood.ambient.mean(), 0.7, 2.0))


def _torches(stage: Stage, street: Street, solid: Image) -> list[Element]:
    """Torches on posts on both sides: flame, halo and the light they throw on the walls."""
    rng, holders = stage.rng, stage.canvas()
    gains: list[tuple[Image, Flicker]] = []
    flames: list[Element] = []
    warm = WARM * np.array([2.5, 2.5, 2.2]) * max(stage.mood.lamps, 0.25) * _against_dark(stage)
    for z in (5.4, 9.5, 16.0):
        flicker = Flicker(rng, depth=0.20, rate=1.1)
        gain = np.zeros((stage.height, stage.width, 3), np.float32)
        for side in (-1.0, 1.0):
            depth = z * float(rng.uniform(0.9, 1.12))
            x = side * (street.half - 0.75)
            head, foot = street.at(x, 2.15, depth), street.at(x, 0.0, depth)
            holders.stroke(np.array([foot, head]), 0.07 / depth, street.lit(BEAM * 0.8, 0.4, depth))
            cup = head + np.array([[0.0, -0.02], [0.0, 0.22]]) / depth
            holders.stroke(cup, np.array([0.17, 0.09]) / depth, street.lit(IRON, 0.4, depth))
            np.maximum(gain, pool(street, (x, 2.2, depth), 3.6, warm), out=gain)
            centre = (float(head[0]), float(head[1] - 0.2 / depth))
            flames.append(Glow(halo(stage, centre, 0.26 / depth, WARM * 0.40), flicker))
            flames.append(Flame(stage, (float(head[0]), float(head[1])), 0.62 / depth))
        gains.append((gain * solid, flicker))
    return [Lamplight(gains), Cutout(holders.layer()), *flames]


def _european(stage: Stage) -> list[Element]:
    """Tall stucco houses, cafe fronts, trees and lamps along the pavement, people further down."""
    street = _street(stage, 5.6)
    mood, horizon = stage.mood, street.vanish[1]
    canvas, windows = stage.canvas(), stage.canvas()
    cobbles(canvas, street, mood.snowed(PAVING, 0.7), 0.5, stone=0.22)
    for side in (-1.0, 1.0):
        for z, wide in _plots(stage, 6.0, 9.0):
            townhouse(canvas, windows, street, side, z, wide, cafe=z < 16)
        _terrace(canvas, street, side)
    scene = canvas.layer()
    coats = mood.lit(COATS, 0.4, 0.4)
    return [
        Sky(stage, horizon),
        Cutout(ground(street, rgb(74, 68, 64), 0.3)),
        Cutout(_church(street)),
        Cutout(scene),
        _window_glow(stage, windows),
        *(_street_trees(street, z) for z in (24.0, 15.0, 9.0)),
        Walkers(street, 7 if stage.spec.has("people") else 4, coats),
        *_street_lamps(street, (24.0, 15.0, 9.0, 5.8), _unlit(scene, windows)),
    ]


def _street_trees(street: Street, z: float) -> Element:
    """A tree on either pavement at depth z."""
    stage, mood = street.stage, street.stage.mood
    canvas = stage.canvas()
    for side in (-1.0, 1.0):
        foot = street.at(side * (street.half - 2.0), 0.0, z + 1.6)
        root, tall = (float(foot[0]), float(foot[1])), 5.2 * street.focal / z
        bare, detail = 0.85 if mood.snow > 0.5 else 0.0, float(np.clip(7.0 / z, 0.3, 1.2))
        distance = 0.8 * z * HAZE_PER_METRE
        broadleaf(canvas, stage, root, tall, mood.foliage, distance, detail=detail, bare=bare, spread=0.30)
    reach = reach_above(stage, float(street.at(0, 1.6, z)[1]), 4.0 / z, 0.10 / z)
    return Swaying(stage, canvas.layer(), reach, flutter=0.6)


def _street_lamps(street: Street, depths: tuple[float, ...], solid: Image) -> list[Element]:
    """Lamp posts on both pavements, their lanterns, and the light they throw on what is `solid`."""
    stage, lamps = street.stage, street.stage.mood.lamps
    posts = stage.canvas()
    gains: list[tuple[Image, Flicker]] = []
    lanterns: list[Element] = []
    for z in depths:
        flicker = Flicker(stage.rng, depth=0.14, rate=1.7)
        gain = np.zeros((stage.height, stage.width, 3), np.float32)
        for side in (-1.0, 1.0):
            x = side * (street.half - 1.75)
            _lamp_post(posts, street, x, z)
            light = LAMPLIGHT * 1.5 * lamps * _against_dark(stage)
            np.maximum(gain, pool(street, (x, 3.4, z), 3.0, light), out=gain)
            head = street.at(x, 3.55, z)
            centre = (float(head[0]), float(head[1]))
            lanterns.append(Glow(halo(stage, centre, 0.30 / z, LAMPLIGHT * 0.9 * lamps, 0.10 / z), flicker))
        gains.append((gain * solid, flicker))
    return [Lamplight(gains), Cutout(posts.layer()), *lanterns]


def _lamp_post(canvas: Canvas, street: Street, x: float, z: float) -> None:
    iron = street.lit(IRON, 0.5, z)
    foot, neck, head = (street.at(x, y, z) for y in (0.0, 3.1, 3.85))
    unit = street.focal / z
    canvas.stroke(np.array([foot, neck]), 0.09 * unit, iron)
    canvas.stroke(np.array([foot, foot - (0, 0.6 * unit)]), 0.20 * unit, iron)
    glass = np.array([[-0.13, 3.15], [0.13, 3.15], [0.22, 3.75], [-0.22, 3.75]])
    shown = LAMPLIGHT * (0.5 + 0.5 * street.stage.mood.lamps)
    canvas.polygon(street.at(x + glass[:, 0], glass[:, 1], z), shown)
    roof = np.array([[-0.27, 3.73], [0.27, 3.73], [0.0, 4.08]])
    canvas.polygon(street.at(x + roof[:, 0], roof[:, 1], z), iron)
    canvas.stroke(np.array([neck, head]), 0.025 * unit, iron)


def _terrace(canvas: Canvas, street: Street, side: float) -> None:
    """Small round tables and chairs in front of the cafes."""
    rng = street.stage.rng
    for z in np.arange(15.0, 4.4, -1.45):
        x = side * (street.half - rng.uniform(0.7, 1.2))
        metal, wood = street.lit(IRON, 0.4, z), street.lit(rgb(150, 104, 66), 0.55, z)
        unit = street.focal / z
        for shift in (-0.62, 0.62):
            seat = street.at(x, 0.45, z + shift)
            canvas.dabs(seat[None], np.array([[0.24, 0.055]]) * unit, np.zeros(1), wood[None])
            back = street.at(x + 0.22 * np.sign(shift) * side, np.array([0.45, 0.92]), z + shift)
            canvas.stroke(back, 0.05 * unit, wood)
            for leg in (-0.18, 0.18):
                canvas.stroke(street.at(x + leg, np.array([0.0, 0.45]), z + shift), 0.035 * unit, metal)
        canvas.stroke(street.at(x, np.array([0.0, 0.72]), z), 0.05 * unit, metal)
        canvas.dabs(
            street.at(x, 0.73, z)[None],
            np.array([[0.36, 0.075]]) * unit,
            np.zeros(1),
            street.lit(rgb(206, 196, 180), 0.6, z)[None],
        )
