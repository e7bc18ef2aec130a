"""Where land meets water: sand beach, tropical beach, rocky coast, lake."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparkle.generation.scenes.canvas import Canvas, Image, rgb
from sparkle.generation.scenes.land import crest, hill, meadow_rows, treeline
from sparkle.generation.scenes.motion import Swaying
from sparkle.generation.scenes.noise import smoothstep
from sparkle.generation.scenes.plants import Crown, foliage, reach_above
from sparkle.generation.scenes.sky import Sky
from sparkle.generation.scenes.stage import Cutout, Element, Stage
from sparkle.generation.scenes.trees import palm
from sparkle.generation.scenes.water import Mirror, Surf

SAND = rgb(232, 208, 164)
CORAL_SAND = rgb(244, 228, 192)
SHALLOW, OPEN_SEA = rgb(96, 190, 190), rgb(22, 92, 146)
LAGOON, LAGOON_DEEP = rgb(84, 214, 204), rgb(16, 112, 168)
LAKE = rgb(40, 78, 92)


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    kinds: dict[str, Callable[[Stage], list[Element]]] = {
        "beach": _beach,
        "tropical": _beach,
        "coast": _beach,
        "lake": _lake,
    }
    return kinds[stage.spec.kind](stage)


def _beach(stage: Stage) -> list[Element]:
    rng, spec = stage.rng, stage.spec
    tropical = spec.kind == "tropical" or spec.has("palms")
    horizon = float(rng.uniform(0.40, 0.46))
    slant = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.10, 0.22))
    beach = float(rng.uniform(0.70, 0.76))
    headland = _headland(stage, horizon, -np.sign(slant))
    colours = (LAGOON, LAGOON_DEEP) if tropical else (SHALLOW, OPEN_SEA)
    elements: list[Element] = [
        Sky(stage, horizon), *headland,
        Surf(stage, horizon, beach, slant, CORAL_SAND if tropical else SAND, colours),
    ]  # fmt: skip
    if tropical:
        elements += _palms(stage)
    return elements


def _headland(stage: Stage, horizon: float, side: float) -> list[Element]:
    """A wooded spit of land that runs out to sea on one side."""
    x = (np.arange(stage.width, dtype=np.float32) + 0.5) / stage.width
    out = x if side < 0 else 1.0 - x
    taper = np.clip(1.0 - out / float(stage.rng.uniform(0.38, 0.55)), 0.0, 1.0) ** 0.7
    line = (
        horizon + 0.004 - taper * (0.055 + (horizon - 0.03 - crest(stage, horizon - 0.03, 0.016, 5.0)))
    ).astype(np.float32)
    canvas = stage.canvas()
    for place in np.flatnonzero(taper > 0.1)[:: max(1, stage.height // 70)]:
        size = 0.014 + 0.020 * taper[place]
        crown = Crown(
            (place / stage.height, float(line[place]) + 0.1 * size),
            (1.2 * size, 0.7 * size),
            0.004,
            26,
            clumps=5,
        )
        foliage(canvas, stage, crown, stage.mood.foliage * 0.8, 0.9)
    ground = hill(stage, line, stage.mood.foliage.mean(axis=0) * 0.7, 1.0, mist=0.6)
    ground[stage.row(horizon) :] = 0.0
    return [Cutout(ground), Cutout(canvas.layer())]


def _palms(stage: Stage) -> list[Element]:
    rng, elements = stage.rng, []
    for side, count in ((-1.0, 2), (1.0, 1)):
        for _ in range(count):
            x = stage.aspect * (0.5 + side * rng.uniform(0.42, 0.52))
            top = (x - side * rng.uniform(0.06, 0.20), rng.uniform(0.10, 0.26))
            canvas = stage.canvas()
            palm(canvas, stage, (x, 1.04), top, float(rng.uniform(0.26, 0.34)))
            elements.append(
                Swaying(stage, canvas.layer(), reach_above(stage, 0.95, 0.9, 0.022), flutter=0.15)
            )
    return elements


def _lake(stage: Stage) -> list[Element]:
    rng = stage.rng
    horizon = float(rng.uniform(0.48, 0.54))
    elements: list[Element] = [Sky(stage, horizon)]
    for k, (rise, distance) in enumerate(((0.060, 2.2), (0.035, 1.4), (0.012, 0.8))):
        line = crest(stage, horizon - 0.10 + 0.045 * k, rise, 2.5 + 1.5 * k)
        line = np.minimum(line, horizon - 0.004)
        elements.append(Cutout(hill(stage, line, stage.mood.foliage.mean(axis=0) * 0.8, distance, mist=0.7)))
        canvas = stage.canvas()
        treeline(canvas, stage, line, 0.016 + 0.014 * k, 14 + 20 * k, distance)
        elements.append(Cutout(canvas.layer()))
    _, y = stage.grid()
    mask = smoothstep(horizon - 0.001, horizon + 0.003, y)
    elements.append(Mirror(stage, horizon, mask, LAKE, clear=0.55, rough=0.05))
    return elements
