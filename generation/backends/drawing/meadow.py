"""Open land: meadow with a stream, prairie, a landscape at the end of the day.

Flowers, vineyard and dunes are painted by files of their own.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from sparkle.generation.backends.drawing import vineyard
from sparkle.generation.backends.drawing.canvas import Image, rgb
from sparkle.generation.backends.drawing.countryside import SNOW, far_hills, single_trees
from sparkle.generation.backends.drawing.dunes import dunes
from sparkle.generation.backends.drawing.flowers import BLOOMS, flower_field, sprinkle
from sparkle.generation.backends.drawing.land import drifts, gusts, meadow_rows, plane, treeline
from sparkle.generation.backends.drawing.light import Dapple, Fog, Rays
from sparkle.generation.backends.drawing.motion import Swaying
from sparkle.generation.backends.drawing.noise import curve, smoothstep
from sparkle.generation.backends.drawing.plants import reach_above
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.stage import Backdrop, Cutout, Element, Stage
from sparkle.generation.backends.drawing.water import Mirror

GOLDEN_GRASS = np.stack([rgb(204, 178, 112), rgb(176, 150, 90), rgb(226, 206, 148), rgb(150, 130, 80)])
BROOK = rgb(48, 74, 70)


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    kinds: dict[str, Callable[[Stage], list[Element]]] = {
        "meadow": _meadow,
        "prairie": _prairie,
        "flowers": flower_field,
        "vineyard": vineyard.build,
        "dunes": dunes,
        "landscape": _landscape,
    }
    return kinds[stage.spec.kind](stage)


def _prairie(stage: Stage) -> list[Element]:
    horizon = float(stage.rng.uniform(0.44, 0.50))
    palette = GOLDEN_GRASS if stage.mood.snow < 0.5 else 0.5 * GOLDEN_GRASS + 0.5 * SNOW
    return [
        Sky(stage, horizon),
        *far_hills(stage, horizon),
        Backdrop(plane(stage, horizon, palette.mean(axis=0)), stage.row(horizon)),
        *meadow_rows(stage, horizon, palette, 0.26, density=1.3, heads=0.35),
        gusts(stage, horizon),
    ]


def _meadow(stage: Stage) -> list[Element]:
    rng, mood = stage.rng, stage.mood
    horizon = float(rng.uniform(0.46, 0.52))
    snow = (
        drifts(stage, horizon, mood.snow)
        if 0 < mood.snow < 1
        else np.full((stage.height, stage.width), mood.snow, np.float32)
    )
    ground = plane(stage, horizon, mood.grass.mean(axis=0), patches=SNOW, share=snow, rough=0.08)
    elements: list[Element] = [
        Sky(stage, horizon),
        *far_hills(stage, horizon),
        Backdrop(ground, stage.row(horizon)),
        *single_trees(stage, horizon, 0.26, 4, 0.55, 0.18),
    ]
    lying = snow
    if stage.spec.has("stream") or stage.spec.has("melting"):
        brook = _brook_mask(stage, horizon)
        lying = np.maximum(snow, brook)
        elements += [
            Cutout(_bank(stage, brook)),
            Mirror(stage, horizon, brook, BROOK, clear=0.55, rough=0.035, glitter=1.1),
        ]
    elements += _banks(stage, horizon, lying if mood.snow < 1 else None)
    if stage.spec.has("rays"):
        elements.append(Rays(stage, (mood.sun_x * stage.aspect, -0.2), 0.40 * mood.glow + 0.04))
    elements.append(gusts(stage, horizon, 0.16))
    return elements


def _bank(stage: Stage, brook: Image) -> Image:
    """The wet dark edge of a stream, as a layer."""
    alpha = np.clip(cv2.GaussianBlur(brook, (0, 0), 0.010 * stage.height) * 1.6, 0.0, 1.0) * np.float32(0.7)
    colour = stage.mood.lit(rgb(84, 76, 52), 0.3)
    return np.dstack([alpha[..., None] * colour, alpha]).astype(np.float32)


def _brook_mask(stage: Stage, horizon: float) -> Image:
    """Where a winding stream runs from the hills to the front, 0..1."""
    rng = stage.rng
    x, y = stage.grid()
    down = np.clip((y - horizon - 0.03) / (0.97 - horizon), 0.0, 1.2)
    start, end = stage.aspect * rng.uniform(0.42, 0.58), stage.aspect * rng.choice([0.24, 0.76])
    bends = 0.16 * np.sin(7.5 * np.sqrt(down) + rng.uniform(0, 6)) * np.sqrt(down)
    middle = start + (end - start) * down**1.3 + bends
    ragged = 0.010 * curve(rng, stage.height, cells=12, slope=1.2)[:, None]
    half = 0.006 + 0.15 * down**1.4 + ragged * down
    edge = 0.004 + 0.012 * down
    mask = smoothstep(0.0, 1.0, (half - np.abs(x - middle)) / edge) * (y > horizon + 0.03)
    return np.asarray(mask, np.float32)


def _banks(stage: Stage, horizon: float, lying: Image | None) -> list[Element]:
    """Short grass and flowers over the field, none where water or snow lies."""
    winter = stage.mood.snow >= 1
    palette = stage.mood.grass if not winter else 0.35 * stage.mood.grass + 0.65 * SNOW
    rows = meadow_rows(
        stage, horizon, palette, 0.085, rows=6, first=0.08, density=0.4 if winter else 1.15, lying=lying
    )
    if winter or stage.spec.season == "autumn":
        return list(rows)
    canvas = stage.canvas()
    sprinkle(canvas, stage, horizon, BLOOMS, 420 if stage.mood.snow == 0 else 200, 0.0055, lying)
    return [*rows, Swaying(stage, canvas.layer(), reach_above(stage, 1.2, 0.9, 0.008), flutter=0.3)]


def _landscape(stage: Stage) -> list[Element]:
    """A wide dark field, trees against the sky, and most of the picture sky."""
    rng, mood = stage.rng, stage.mood
    horizon = float(rng.uniform(0.60, 0.66))
    elements: list[Element] = [Sky(stage, horizon, clouds=1.35), *far_hills(stage, horizon, 2, 0.018)]
    ground = plane(stage, horizon, mood.grass.mean(axis=0) * 0.8, patches=mood.grass[0] * 0.6)
    elements.append(Backdrop(ground, stage.row(horizon)))
    line = np.full(stage.width, horizon + 0.012, np.float32)
    hedge = stage.canvas()
    treeline(hedge, stage, line, 0.035, 26, 0.45)
    elements.append(
        Swaying(stage, hedge.layer(), reach_above(stage, horizon + 0.02, 0.05, 0.003), flutter=0.5)
    )
    elements += single_trees(stage, horizon, 0.24, 5, 0.30, 0.13)
    elements += meadow_rows(stage, horizon, mood.grass * 0.85, 0.10, rows=6, first=0.08, heads=0.1)
    elements.append(gusts(stage, horizon, 0.14))
    _, y = stage.grid()
    if mood.sun_y < 0.3:
        elements.append(Fog(stage, horizon + 0.02, 0.05, 0.22))
    elements.append(
        Dapple(
            stage, (0.10 * smoothstep(horizon, 1.0, y)).astype(np.float32), 0.8, horizon=horizon, speed=0.4
        )
    )
    return elements
