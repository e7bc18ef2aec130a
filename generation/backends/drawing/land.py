"""Ground: hills one behind the other, and a field in perspective with grass that the wind runs through.

- A hill is a crest line filled downwards, lit by its slope and a noise, fading into the haze at its foot.
- A field is a painted plane (noise seen in perspective) under rows of grass, each row a layer of its own
  that sways; gusts show as bands of light that run over the whole plane.
"""

from __future__ import annotations

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Image, Points
from sparkle.generation.backends.drawing.light import Dapple
from sparkle.generation.backends.drawing.motion import Swaying
from sparkle.generation.backends.drawing.noise import as_field, curve, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.plants import Crown, foliage, grass, reach_above
from sparkle.generation.backends.drawing.stage import Element, Stage

SWAY = 0.20  # displacement of a blade's tip relative to its length, at energy 0.5


def crest(stage: Stage, level: float, rise: float, cells: float, slope: float = 1.8) -> Image:
    """A skyline (w,): heights in drawing units around `level`, `rise` being its deviation."""
    return (level - rise * curve(stage.rng, stage.width, cells=cells, slope=slope)).astype(np.float32)


def hill(
    stage: Stage, line: Image, albedo: Colour, distance: float, *, mist: float = 0.5, rough: float = 0.10
) -> Image:
    """A premultiplied layer (h, w, 4): the ground below a crest line.

    Args:
        stage: The stage.
        line: (w,) heights of the crest in drawing units.
        albedo: (3,) colour of the ground.
        distance: For the haze.
        mist: Share of haze at its foot, on top of that of the distance.
        rough: Depth of its texture.
    """
    _, y = stage.grid()
    below = y - line[None]
    alpha = np.clip(below * stage.height + 0.5, 0.0, 1.0)
    smooth = as_field(cv2.GaussianBlur(line[None], (0, 0), max(1.0, stage.height / 180)))[0]
    slope = np.gradient(smooth) * stage.height
    texture = fractal(stage.rng, 256, 512, cells=24, slope=1.1, stretch=2.5)
    texture = as_field(cv2.resize(texture, (stage.width, stage.height), interpolation=cv2.INTER_CUBIC))
    facing = np.clip(slope * stage.mood.side, -1, 1)[None] * np.exp(-below / 0.10)
    shade = 0.52 + 0.35 * facing + rough * texture
    fade = distance + mist * smoothstep(0.0, 0.20, below)
    colour = stage.mood.lit(
        np.asarray(albedo)[None, None] * (1.0 + 0.5 * rough * texture[..., None]), shade, fade
    )
    return np.dstack([colour * alpha[..., None], alpha]).astype(np.float32)


def treeline(canvas: Canvas, stage: Stage, line: Image, size: float, count: int, distance: float) -> None:
    """Small round trees along a crest, in loose groups."""
    rng = stage.rng
    for _ in range(count):
        x = float(rng.uniform(-0.02, stage.aspect + 0.02))
        base = float(line[int(np.clip(x * stage.height, 0, stage.width - 1))])
        for _ in range(rng.integers(1, 4)):
            tall = size * rng.uniform(0.5, 1.2)
            place = (x + rng.normal(0, size), base - 0.38 * tall)
            crown = Crown(
                place, (tall * rng.uniform(0.40, 0.65), 0.5 * tall), 0.13 * tall, 60, clumps=6, clump=0.5
            )
            foliage(canvas, stage, crown, stage.mood.foliage * 0.85, distance)


def plane(
    stage: Stage,
    horizon: float,
    albedo: Colour,
    *,
    patches: Colour | None = None,
    share: Image | None = None,
    rough: float = 0.12,
) -> Image:
    """The painted ground below the horizon, opaque (rows, w, 3): noise in perspective, hazed with depth.

    Args:
        stage: The stage.
        horizon: Where it vanishes.
        albedo: (3,) its colour.
        patches: (3,) a second colour that covers parts of it.
        share: float32 (h, w) where the patches are, 0..1; wherever a noise is high when left out.
        rough: Depth of its texture.
    """
    top = stage.row(horizon)
    x, y = (axis[top:] for axis in stage.grid())
    depth = np.minimum(plane_depth(y, horizon), 40.0)
    u, v = (x - 0.5 * stage.aspect) * depth * 130.0, depth * 170.0
    broad = sample(fractal(stage.rng, 256, 256, cells=5, slope=1.7, finest=0.25), u, v)
    fine = sample(fractal(stage.rng, 256, 256, cells=20, slope=1.0), 3 * u, 3 * v)
    near = np.exp(-0.25 * depth)
    broad, fine = broad * np.exp(-0.05 * depth), fine * near
    base = np.asarray(albedo, np.float32)[None, None] * np.ones((*x.shape, 1), np.float32)
    if patches is not None:
        cover = smoothstep(-0.4, 1.0, broad + 0.4 * fine) if share is None else share[top:]
        base = base + (np.asarray(patches, np.float32) - base) * cover[..., None]
    base = base * (1.0 + rough * (0.8 * broad + fine))[..., None]
    return stage.mood.lit(base, 0.62 + 0.10 * broad, distance_of(y, horizon))


def drifts(stage: Stage, horizon: float, cover: float) -> Image:
    """Patches of lying snow on the ground, float32 (h, w) in 0..1, `cover` being their share of it."""
    x, y = stage.grid()
    depth = np.minimum(plane_depth(y, horizon), 40.0)
    texture = fractal(stage.rng, 256, 256, cells=9, slope=1.8)
    field = sample(texture, (x - 0.5 * stage.aspect) * depth * 60.0, depth * 90.0)
    level = 2.2 * (0.5 - cover)
    return as_field(smoothstep(level - 0.08, level + 0.12, field) * (y > horizon))


def plane_depth(y: Image, horizon: float) -> Image:
    """Depth of the ground at height y: 1 at the bottom of the frame, growing without bound to the horizon."""
    return as_field((1.0 - horizon) / np.maximum(y - horizon, 0.004))


def distance_of(y: Points | float, horizon: float) -> Image:
    """The mood's distance of the ground at height y."""
    return as_field(np.clip(0.035 / np.maximum(np.asarray(y) - horizon, 0.02) - 0.06, 0.0, 3.0))


def meadow_rows(
    stage: Stage,
    horizon: float,
    palette: Colour,
    near: float,
    *,
    rows: int = 7,
    first: float = 0.06,
    density: float = 1.0,
    hollow: float = 0.0,
    heads: float = 0.0,
    lying: Image | None = None,
) -> list[Element]:
    """Rows of grass from the middle distance to the camera.

    Args:
        stage: The stage.
        horizon: Where the field vanishes.
        palette: (k, 3) grass albedos.
        near: Length of the nearest blades.
        rows: How many layers.
        first: Where the farthest row stands, as a share of the way from the horizon to the bottom.
        density: Multiplies the number of blades.
        hollow: How much shorter the grass is in the middle of the nearest rows, 0..1.
        heads: Share of blades that carry an ear.
        lying: float32 (h, w), 1 where something lies on the ground and nothing grows.
    """
    elements: list[Element] = []
    heading = float(stage.rng.choice([-1.0, 1.0]))
    for k in range(rows):
        share = first + (1.12 - first) * (k / max(1, rows - 1)) ** 1.5
        foot, length = horizon + (1.0 - horizon) * share, near * (0.10 + 0.90 * share**1.2)
        step = (1.0 - horizon) * 0.22 * (0.25 + share)
        roots, lengths = _tufts(stage, foot, step, length, density * (1.15 - 0.55 * share))
        aside = roots[:, 0] / stage.aspect - 0.5
        lengths *= 1.0 - hollow * share * np.exp(-((aside / 0.28) ** 2))
        if lying is not None:
            free = looked_up(stage, lying, roots) < 0.05
            roots, lengths = roots[free], lengths[free]
        canvas = stage.canvas()
        grass(
            canvas, stage, roots, lengths, palette, distance_of(roots[:, 1], horizon), heads=heads,
            lean=heading * 0.6 * stage.spec.energy, width=0.0022 + 0.0042 * share, shade=0.50 + 0.10 * share,
        )  # fmt: skip
        reach = reach_above(stage, foot - 0.2 * step, length + 0.4 * step, SWAY * length)
        elements.append(Swaying(stage, canvas.layer(), reach, flutter=0.10))
    return elements


def _tufts(stage: Stage, foot: float, step: float, length: float, density: float) -> tuple[Points, Points]:
    """Where the blades of one row stand, (n, 2), and how long they are, (n,)."""
    rng, count = stage.rng, round(900 * density * stage.aspect / 1.78)
    x = rng.uniform(-0.05, stage.aspect + 0.05, count)
    roots = np.stack([x, foot - step * rng.random(count) ** 1.3], -1)
    return roots, length * rng.uniform(0.55, 1.2, count)


def looked_up(stage: Stage, field: Image, places: Points) -> Image:
    """The values of a field (h, w) at places (n, 2) in drawing units, the nearest ones for places outside."""
    rows = np.clip((places[:, 1] * stage.height).astype(int), 0, stage.height - 1)
    cols = np.clip((places[:, 0] * stage.height).astype(int), 0, stage.width - 1)
    return as_field(field[rows, cols])


def gusts(stage: Stage, horizon: float, depth: float = 0.22) -> Dapple:
    """Bands of light that the wind drives over the field."""
    _, y = stage.grid()
    strength = depth * smoothstep(horizon + 0.005, horizon + 0.10, y) * (0.6 + 0.8 * stage.spec.energy)
    return Dapple(stage, strength.astype(np.float32), 0.55, horizon=horizon, speed=0.9, soft=1.3)
