"""Rocks: boulders with lit tops and dark flanks."""

from __future__ import annotations

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, pick, rgb
from sparkle.generation.backends.drawing.stage import Stage

BASALT = np.stack([rgb(92, 88, 86), rgb(74, 72, 74), rgb(112, 104, 96)])


def boulder(
    canvas: Canvas,
    stage: Stage,
    centre: tuple[float, float],
    size: tuple[float, float],
    distance: float,
) -> None:
    """A faceted boulder: `centre` is the middle of its foot, `size` half its width and its height."""
    rng, mood = stage.rng, stage.mood
    count = 11
    turn = np.linspace(np.pi, 0.0, count)
    reach = 1.0 + 0.16 * rng.standard_normal(count)
    outline = np.stack(
        [size[0] * np.cos(turn) * reach, -size[1] * np.sin(turn) ** 0.8 * reach], -1
    ) + np.array(centre)
    outline[[0, -1], 1] = centre[1] + 0.1 * size[1]
    tone = pick(rng, BASALT, 1, 0.08, 0.03)[0]
    canvas.polygon(outline, mood.lit(tone, 0.12, distance))
    heart = np.array([centre[0] - 0.15 * mood.side * size[0], centre[1] - 0.42 * size[1]])
    for k in range(count - 1):
        edge = outline[k : k + 2]
        normal = edge.mean(axis=0) - heart
        normal /= max(float(np.hypot(*normal)), 1e-6)
        shade = float(
            np.clip(
                0.20 + 0.45 * normal[0] * mood.side - 0.45 * normal[1] + 0.08 * rng.standard_normal(),
                0.03,
                1.0,
            )
        )
        canvas.polygon(
            np.concatenate([edge, heart[None]]),
            mood.lit(np.clip(tone * (1 + 0.06 * rng.standard_normal()), 0, 1), shade, distance),
        )
        inner = heart + 0.62 * (edge - heart)
        canvas.polygon(np.concatenate([inner, heart[None]]), mood.lit(tone, 0.75 * shade, distance))
    for _ in range(5):
        start = heart + size * rng.uniform((-0.4, -0.1), (0.4, 0.35))
        crack = start + np.cumsum(0.07 * np.array(size) * rng.standard_normal((4, 2)), axis=0)
        canvas.stroke(crack, 0.008 * size[1] + 0.0006, mood.lit(tone * 0.55, 0.1, distance))


def stack(
    canvas: Canvas, stage: Stage, centre: tuple[float, float], size: tuple[float, float], distance: float
) -> None:
    """A heap of boulders, back ones first."""
    rng = stage.rng
    for share in (1.0, 0.8, 0.6, 0.5, 0.4, 0.35):
        x = centre[0] + size[0] * rng.uniform(-0.7, 0.7) * (1.2 - share)
        foot = centre[1] + 0.16 * size[1] * (1.0 - share)
        boulder(canvas, stage, (x, foot), (size[0] * 0.75 * share, size[1] * share), distance)
