"""Where land meets water: sand beach, tropical beach, rocky coast, lake."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparkle.generation.backends.drawing.birds import Birds
from sparkle.generation.backends.drawing.canvas import Canvas, Image, rgb
from sparkle.generation.backends.drawing.land import crest, hill, treeline
from sparkle.generation.backends.drawing.light import Fog
from sparkle.generation.backends.drawing.massif import massif
from sparkle.generation.backends.drawing.motion import Swaying
from sparkle.generation.backends.drawing.noise import smoothstep
from sparkle.generation.backends.drawing.plants import Crown, foliage, grass, reach_above
from sparkle.generation.backends.drawing.rocks import stack
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.stage import Cutout, Element, Stage
from sparkle.generation.backends.drawing.surf import Surf
from sparkle.generation.backends.drawing.terrain import Relief, ValleyMist
from sparkle.generation.backends.drawing.trees import conifer, palm
from sparkle.generation.backends.drawing.water import Mirror

SAND, CORAL_SAND, SHINGLE = rgb(232, 208, 164), rgb(244, 228, 192), rgb(150, 140, 128)
SHALLOW, OPEN_SEA = rgb(96, 190, 190), rgb(22, 92, 146)
LAGOON, LAGOON_DEEP = rgb(84, 214, 204), rgb(16, 112, 168)
BRINE, BRINE_DEEP = rgb(92, 146, 150), rgb(30, 74, 100)
LAKE = rgb(40, 78, 92)
PLANK = rgb(146, 116, 86)
NEEDLES = np.stack([rgb(44, 78, 56), rgb(34, 64, 50), rgb(64, 96, 62)])
REEDS = np.stack([rgb(122, 136, 66), rgb(96, 118, 58), rgb(160, 152, 84)])


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    kinds: dict[str, Callable[[Stage], list[Element]]] = {
        "beach": _beach,
        "tropical": _beach,
        "coast": _coast,
        "lake": _lake,
    }
    return kinds[stage.spec.kind](stage)


def _beach(stage: Stage) -> list[Element]:
    rng, spec = stage.rng, stage.spec
    tropical = spec.kind == "tropical" or spec.has("palms")
    horizon = float(rng.uniform(0.40, 0.46))
    slant = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.10, 0.22))
    beach = float(rng.uniform(0.70, 0.76))
    sand = stage.mood.snowed(CORAL_SAND if tropical else SAND)
    colours = (LAGOON, LAGOON_DEEP) if tropical else (SHALLOW, OPEN_SEA)
    elements: list[Element] = [Sky(stage, horizon), *_headland(stage, horizon, -float(np.sign(slant)))]
    elements += [Surf(stage, horizon, beach, slant, sand, colours), *_gulls(stage, horizon)]
    return [*elements, *_palms(stage)] if tropical else elements


def _gulls(stage: Stage, horizon: float) -> list[Element]:
    count = 9 if stage.spec.has("birds") else 3
    grey = rgb(120, 124, 132) if stage.mood.sun_y > 0.3 else rgb(60, 58, 66)
    return [Birds(stage, count, horizon, stage.mood.lit(grey, 0.3))]


def _headland(stage: Stage, horizon: float, side: float) -> list[Element]:
    """A wooded spit of land that runs out to sea on one side."""
    x = (np.arange(stage.width, dtype=np.float32) + 0.5) / stage.width
    out = x if side < 0 else 1.0 - x
    taper = np.clip(1.0 - out / float(stage.rng.uniform(0.38, 0.55)), 0.0, 1.0) ** 0.7
    bumps = horizon - 0.03 - crest(stage, horizon - 0.03, 0.016, 5.0)
    line = (horizon + 0.004 - taper * (0.055 + bumps)).astype(np.float32)
    canvas = stage.canvas()
    for place in np.flatnonzero(taper > 0.1)[:: max(1, stage.height // 70)]:
        size = 0.014 + 0.020 * taper[place]
        middle = (place / stage.height, float(line[place]) + 0.1 * size)
        crown = Crown(middle, (1.2 * size, 0.7 * size), 0.004, 26, clumps=5)
        foliage(canvas, stage, crown, stage.mood.foliage * 0.8, 0.9)
    ground = hill(stage, line, stage.mood.foliage.mean(axis=0) * 0.7, 1.0, mist=0.6)
    ground[stage.row(horizon) :] = 0.0
    return [Cutout(ground), Cutout(canvas.layer())]


def _palms(stage: Stage) -> list[Element]:
    rng, elements = stage.rng, []
    heavy = float(rng.choice([-1.0, 1.0]))
    for side, count in ((heavy, 2), (-heavy, 1)):
        for _ in range(count):
            x = stage.aspect * (0.5 + side * rng.uniform(0.40, 0.52))
            top = (x - side * rng.uniform(0.04, 0.18), rng.uniform(0.10, 0.28))
            canvas = stage.canvas()
            palm(canvas, stage, (x, 1.04), top, float(rng.uniform(0.26, 0.34)))
            elements.append(
                Swaying(stage, canvas.layer(), reach_above(stage, 0.95, 0.9, 0.022), flutter=0.15)
            )
    return list(elements)


def _coast(stage: Stage) -> list[Element]:
    """Rocks in the surf under a long cliff."""
    rng = stage.rng
    horizon = float(rng.uniform(0.40, 0.46))
    side = float(rng.choice([-1.0, 1.0]))
    canvas = stage.canvas()
    x = (np.arange(stage.width, dtype=np.float32) + 0.5) / stage.width
    elements: list[Element] = [Sky(stage, horizon, clouds=1.2)]
    for k, (reach, tall, distance) in enumerate(((0.62, 0.10, 1.5), (0.40, 0.19, 0.8), (0.22, 0.30, 0.35))):
        out = x if side < 0 else 1.0 - x
        taper = smoothstep(reach, 0.55 * reach, out)
        bumps = 0.3 * (crest(stage, 0.0, 0.05, 6.0, slope=1.1))
        line = (horizon + 0.012 + 0.02 * k - taper * (tall + bumps)).astype(np.float32)
        cliff = hill(stage, line, rgb(128, 116, 102) * (1 - 0.1 * k), distance, mist=0.2, rough=0.22)
        cliff[stage.row(horizon + 0.012 + 0.02 * k) :] = 0.0
        elements.append(Cutout(cliff))
    sea = Surf(stage, horizon, float(rng.uniform(0.84, 0.90)), -0.10 * side, SHINGLE, (BRINE, BRINE_DEEP))
    for place, foot, wide, tall, distance in (
        (0.5 - 0.10 * side, 0.50, 0.035, 0.05, 1.2),
        (0.5 + 0.28 * side, 0.56, 0.06, 0.10, 0.7),
        (0.5 - 0.40 * side, 0.64, 0.09, 0.10, 0.4),
        (0.5 + 0.46 * side, 0.80, 0.20, 0.26, 0.15),
        (0.5 - 0.48 * side, 0.97, 0.26, 0.24, 0.05),
        (0.5 + 0.40 * side, 1.02, 0.22, 0.16, 0.0),
    ):
        spot = (stage.aspect * place + 0.04 * float(rng.normal()), foot)
        stack(
            canvas,
            stage,
            spot,
            (wide * float(rng.uniform(0.8, 1.2)), tall * float(rng.uniform(0.8, 1.2))),
            distance,
        )
    return [
        *elements,
        sea,
        Cutout(canvas.layer()),
        *_gulls(stage, horizon),
        Fog(
            stage,
            0.78,
            0.10,
            0.10 + 0.22 * stage.spec.energy,
            colour=stage.mood.lit(rgb(240, 246, 248), 0.7),
            speed=0.12,
        ),
    ]


def _lake(stage: Stage) -> list[Element]:
    rng, mood = stage.rng, stage.mood
    horizon = float(rng.uniform(0.48, 0.54))
    terrain = massif(
        stage, horizon + 0.015, 0.60 if mood.snow < 0.5 else 0.2, rise=float(rng.uniform(0.08, 0.12))
    )
    elements: list[Element] = [
        Sky(stage, horizon),
        Relief(stage, terrain),
        ValleyMist(stage, terrain, 0.004, 0.010, 0.45),
    ]
    line = np.minimum(crest(stage, horizon - 0.016, 0.012, 4.0), horizon - 0.003).astype(np.float32)
    shore = hill(stage, line, mood.foliage.mean(axis=0) * 0.7, 0.7, mist=0.1)
    wood = stage.canvas()
    treeline(wood, stage, line, 0.030, 16, 0.7)
    for x in rng.uniform(-0.02, stage.aspect + 0.02, 90):
        base = float(line[int(np.clip(x * stage.height, 0, stage.width - 1))]) + 0.012
        conifer(
            wood, stage, (x, base), float(rng.uniform(0.03, 0.075)), NEEDLES, 0.65, blades=36, snow=mood.snow
        )
    elements += [Cutout(shore), Cutout(wood.layer())]
    _, y = stage.grid()
    mask = smoothstep(horizon - 0.001, horizon + 0.003, y)
    elements += [
        Mirror(stage, horizon, mask, LAKE, clear=0.62, rough=0.045),
        Fog(stage, horizon + 0.01, 0.035, 0.28),
    ]
    if stage.spec.has("dock"):
        elements.append(Cutout(_dock(stage, horizon)))
    return [
        *elements,
        *_reeds(stage),
        Birds(stage, 7 if stage.spec.has("birds") else 3, horizon, mood.lit(rgb(50, 50, 56), 0.2)),
    ]


def _dock(stage: Stage, horizon: float) -> Image:
    """A wooden jetty that leads from the camera onto the lake."""
    canvas: Canvas = stage.canvas()
    rng, mood, middle = stage.rng, stage.mood, 0.5 * stage.aspect
    depth = np.geomspace(0.94, 4.2, 46)
    for near, far in zip(depth[:-1][::-1], depth[1:][::-1], strict=True):
        y = horizon + (1.0 - horizon) / np.array([near, near, far * 0.985, far * 0.985])
        x = middle + 0.34 / np.array([near, near, far, far]) * np.array([-1, 1, 1, -1])
        tone = PLANK * (1.0 + 0.10 * rng.standard_normal()) * (1.0 if mood.snow < 0.5 else 1.5)
        canvas.polygon(np.stack([x, y], -1), mood.lit(np.clip(tone, 0, 1), 0.62))
    for d in (4.0, 2.7, 1.9, 1.35):
        for side in (-1.0, 1.0):
            left, foot = middle + (side * 0.35 - 0.016) / d, horizon + (1.0 - horizon) / d
            right, top = left + 0.032 / d, foot - 0.13 / d
            canvas.box(left, top, right, foot + 0.10 / d, mood.lit(PLANK * 0.6, 0.3))
            canvas.box(left, top, right, top + 0.01 / d, mood.lit(PLANK, 0.8))
    return canvas.layer()


def _reeds(stage: Stage) -> list[Element]:
    """Reeds in the lower corners."""
    rng, elements = stage.rng, []
    for side in (-1.0, 1.0):
        canvas = stage.canvas()
        count = 150
        x = stage.aspect * (0.5 + 0.5 * side) - side * np.abs(rng.normal(0, 0.10, count))
        roots = np.stack([x, rng.uniform(0.96, 1.06, count)], -1)
        lengths = rng.uniform(0.14, 0.34, count) * np.exp(
            -np.abs(x - stage.aspect * (0.5 + 0.5 * side)) / 0.25
        )
        grass(canvas, stage, roots, lengths, REEDS, 0.05, width=0.006, heads=0.12)
        elements.append(Swaying(stage, canvas.layer(), reach_above(stage, 1.0, 0.3, 0.030), flutter=0.1))
    return list(elements)
