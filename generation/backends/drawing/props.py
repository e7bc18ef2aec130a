"""Things that stand, bob, drift or spin: flat shapes, in `shapes.toml`, lit like everything else."""

from __future__ import annotations

import math
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Image
from sparkle.generation.backends.drawing.stage import Draw, Stage, Still, glowing, ink, put, sprite, together
from sparkle.schemas.errors import ConfigError, did_you_mean

Shape = tuple[str, float | str, list[Any]]


@cache
def shapes() -> dict[str, list[Shape]]:
    """Return the shapes of every thing, by its name."""
    return tomllib.loads(files(__package__).joinpath("shapes.toml").read_text("utf-8"))


def paint(c: Canvas, stage: Stage, kind: str, colour: Colour, far: float) -> None:
    """Paint one thing.

    Raises:
        ConfigError: there is none of that kind.
    """
    if kind not in shapes():
        fix = did_you_mean(kind, shapes())
        raise ConfigError("no such thing to draw", got=kind, wanted=", ".join(sorted(shapes())), fix=fix)
    for hue, light, points in shapes()[kind]:
        tone = colour if hue == "*" else ink(hue)
        seen = (
            stage.light.hazed(tone, 0.4 * far)
            if light == "glows"
            else stage.light.lit(tone, float(light), far)
        )
        if isinstance(points[0], list):
            c.polygon(np.array(points, np.float64), seen)
        else:
            c.circle((points[0], points[1]), points[2], seen)


def props(
    stage: Stage,
    *,
    kind: str,
    at: list[tuple[float, float, float]] | None = None,
    count: int = 3,
    y: tuple[float, float] = (0.7, 0.8),
    size: tuple[float, float] = (0.08, 0.14),
    colours: list[str] | None = None,
    far: float = 0.6,
    move: Literal["still", "bob", "drift", "sway", "spin", "hop", "rise", "walk"] = "still",
    speed: float = 1.0,
    shine: float = 0.0,
) -> Draw:
    """Things of one kind at (share of the width, foot, size), or `count` of them spread out.

    Args:
        stage: The stage; draws from its random stream.
        kind: A thing of `shapes.toml`.
        at: Where they are.
        count: How many are spread out.
        y: Between which heights their feet then are.
        size: And how large they are.
        colours: Of each in turn.
        far: For the haze; small ones of a group are farther.
        move: How they move: `bob` on water, `drift` across the frame, `walk` with a step, `hop`, `spin`,
            `rise`.
        speed: Multiplies how fast.
        shine: Strength of the light around what glows in them.
    """
    rng, h, hues = stage.rng, stage.height, [ink(each) for each in colours or ["#8a6a4a"]]
    spots = stage.places(at or [], count, y, size)
    tallest = max(tall for *_, tall in spots)
    draws: list[Draw] = []
    if move == "still":
        canvas = stage.canvas()
        for k, (x, foot, tall) in enumerate(spots):
            c = canvas.at(x, foot, tall, mirrored=False)
            paint(c, stage, kind, hues[k % len(hues)], far * (1 + 1.2 * (1 - tall / tallest)))
        layer = canvas.layer()
        draws.append(Still(layer))
        if shine:
            draws.append(glowing(stage, _spill(stage, layer, shine), depth=0.25, rate=1.3))
        return together(*draws)
    heading = float(rng.choice([-1.0, 1.0]))
    for k, (x, foot, tall) in enumerate(spots):
        air = far * (1 + 1.2 * (1 - tall / tallest))

        def one(c: Canvas, k: int = k, air: float = air) -> None:
            paint(c, stage, kind, hues[k % len(hues)], air)

        picture = sprite(stage, tall, one, mirrored=heading < 0 and move in ("drift", "walk", "hop"))
        draws.append(_mover(stage, picture, (x, foot, tall), move, speed * rng.uniform(0.8, 1.2), heading, h))
    return together(*draws)


def _mover(
    stage: Stage,
    picture: Image,
    spot: tuple[float, float, float],
    move: str,
    speed: float,
    heading: float,
    h: int,
) -> Draw:
    x, y, size = spot
    phase, span = float(stage.rng.uniform(0, 6.3)), stage.aspect + 3.2 * size

    def draw(frame: Image, t: float) -> None:
        px, py, turn, beat = x, y, 0.0, speed * t
        if move == "bob":
            py += 0.05 * size * math.sin(2.1 * beat + phase)
            px += 0.03 * size * math.sin(1.3 * beat + phase)
            turn = 0.07 * math.sin(1.7 * beat + phase + 1)
        elif move == "sway":
            turn = 0.10 * math.sin(2.2 * beat + phase)
        elif move == "spin":
            turn = 2.4 * beat + phase
        elif move == "rise":
            py = (y - 0.05 * beat + 0.5 * size + 0.2) % (1.2 + size) - 0.2 + 0.006 * math.sin(1.3 * beat)
            px += 0.012 * math.sin(0.9 * beat + phase)
        else:
            pace = {"drift": 0.07, "walk": 0.045, "hop": 0.09}[move]
            px = (x + heading * pace * beat + 1.6 * size) % span - 1.6 * size
            if move == "drift":
                py += 0.012 * math.sin(1.1 * beat + phase)
                turn = 0.03 * math.sin(1.4 * beat + phase)
            elif move == "walk":
                py -= 0.035 * size * abs(math.sin(5.0 * beat + phase))
                turn = 0.03 * math.sin(5.0 * beat + phase)
            else:
                py -= 0.5 * size * abs(math.sin(4.0 * beat + phase))
                turn = -0.3 * heading * math.cos(4.0 * beat + phase)
        put(frame, picture, px * h, py * h, turn=turn)

    return draw


def _spill(stage: Stage, layer: Image, strength: float) -> Image:
    """The light around the bright parts of a layer."""
    bright = np.maximum(layer[..., :3] - 0.62, 0.0) * 2.0 * (layer[..., :3].max(axis=2, keepdims=True) > 0.85)
    near = cv2.GaussianBlur(bright, (0, 0), 0.014 * stage.height)
    wide = cv2.GaussianBlur(bright, (0, 0), 0.05 * stage.height)
    return np.asarray((0.9 * near + 1.6 * wide) * strength, np.float32)
