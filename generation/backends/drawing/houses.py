"""Rows of houses, seen from the front."""

from __future__ import annotations

from sparkle.generation.backends.drawing.house import House, HouseKind
from sparkle.generation.backends.drawing.stage import Draw, Stage, Still, together, window_light


def houses(
    stage: Stage,
    *,
    kind: HouseKind = "gabled",
    at: list[tuple[float, float, float]] | None = None,
    y: float = 0.66,
    size: float = 0.34,
    count: int = 9,
    far: float = 0.6,
    lit: float = 0.2,
    stories: float = 1.0,
    snow: float = 0.0,
    blink: float = 0.4,
    gap: float = 0.0,
) -> Draw:
    """Houses side by side along `y`, or at (share of the width, foot, scale); lit windows waver."""
    rng, canvas, windows = stage.rng, stage.canvas(), stage.canvas()
    spots = [(x, foot, tall) for x, foot, tall in stage.places(at, 0, (0, 0), (0, 0))] if at else []
    if not at:
        x, step = -0.05, (stage.aspect + 0.1) / count
        while x < stage.aspect + step:
            spots.append((x, y, size * rng.uniform(0.85, 1.1)))
            x += step
    step = (stage.aspect + 0.1) / count
    for x, foot, scale in spots:
        wide = (step / scale if not at else rng.uniform(0.8, 1.1)) * (1 - gap)
        House(
            canvas.at(x, foot, scale),
            windows.at(x, foot, scale),
            stage,
            kind,
            wide,
            stories * rng.uniform(0.8, 1.15),
            far,
            lit,
            snow,
        ).draw()
    return together(Still(canvas.layer()), window_light(stage, windows.layer()[..., :3], blink, 0.8))
