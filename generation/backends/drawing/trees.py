"""Trees: broadleaves, firs, palms, bamboo.

- A broadleaf is a trunk, a few limbs and a crown of dabs; a fir and a palm are made of blades, dark inside,
  light at the tips and on the side of the sun.
- Everything is drawn on a canvas in its final, lit and hazed colour; `distance` is the mood's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Points, pick, rgb
from sparkle.generation.backends.drawing.plants import Crown, foliage
from sparkle.generation.backends.drawing.stage import Stage

BARK = rgb(92, 70, 52)
SNOW = rgb(236, 242, 250)
FROND_LEAFLETS = 44  # on each side of a palm frond


def limb(
    canvas: Canvas, stage: Stage, line: Points, widths: Points, distance: float, bark: Colour = BARK
) -> None:
    """A trunk or branch along a line: shaded body, lit flank, a few streaks of bark."""
    mood, rng = stage.mood, stage.rng
    canvas.stroke(line, widths, mood.lit(bark, 0.08, distance))
    flank = np.array([mood.side, -0.1])
    for share, shade in ((0.62, 0.28), (0.34, 0.55), (0.14, 0.85)):
        canvas.stroke(
            line + flank * (0.5 - share / 2) * widths[:, None],
            widths * share,
            mood.lit(bark, shade, distance),
        )
    if widths[0] > 0.02:
        for _ in range(14):
            offset = rng.uniform(-0.42, 0.42)
            start, stop = sorted(rng.integers(0, len(line), 2))
            if stop - start > 2:
                part = slice(start, stop)
                shade = max(0.0, 0.25 + 0.6 * offset * mood.side) * rng.uniform(0.2, 1.0)
                streak = line[part] + np.array([offset, 0.0]) * widths[part, None]
                canvas.stroke(
                    streak, widths[part] * rng.uniform(0.03, 0.10), mood.lit(bark * 0.8, shade, distance)
                )


def wander(
    rng: np.random.Generator, start: npt.ArrayLike, stop: npt.ArrayLike, sway: float, points: int = 16
) -> Points:
    """A line (points, 2) from start to stop that bends by about `sway` of its length."""
    first, last = np.asarray(start, float), np.asarray(stop, float)
    s = np.linspace(0.0, 1.0, points)
    axis = last - first
    side = np.array([-axis[1], axis[0]])
    bend = sway * (rng.normal() * np.sin(np.pi * s) + 0.5 * rng.normal() * np.sin(2 * np.pi * s))
    return np.asarray(first + s[:, None] * axis + bend[:, None] * side)


def broadleaf(
    canvas: Canvas,
    stage: Stage,
    root: tuple[float, float],
    height: float,
    palette: Colour,
    distance: float,
    *,
    detail: float = 1.0,
    bare: float = 0.0,
    spread: float = 0.36,
) -> None:
    """A tree with a trunk, a few limbs and a round crown.

    Args:
        canvas: Where to draw it.
        stage: The stage.
        root: Foot of its trunk.
        height: From root to top.
        palette: (k, 3) leaf albedos.
        distance: For the haze.
        detail: Multiplies the number of dabs.
        bare: Share of leaves that have fallen.
        spread: Half the crown's width over the height.
    """
    rng = stage.rng
    top = (root[0] + height * rng.normal(0, 0.03), root[1] - 0.62 * height)
    trunk = wander(rng, root, top, 0.05)
    width = height * rng.uniform(0.050, 0.068) * np.linspace(1.0, 0.35, len(trunk))
    width[0] *= 1.5
    for _ in range(6):
        start = trunk[rng.integers(5, len(trunk))]
        reach = height * rng.uniform(0.22, 0.38)
        angle = rng.uniform(-1.15, 1.15)
        tip = start + reach * np.array([np.sin(angle), -np.cos(angle)])
        branch = wander(rng, start, tip, 0.08)
        limb(canvas, stage, branch, np.linspace(0.40, 0.08, len(branch)) * width[4], distance)
        if bare > 0:
            twigs(canvas, stage, branch, height * 0.16, distance)
    limb(canvas, stage, trunk, width, distance)
    if bare < 1:
        middle, leaf = (top[0], root[1] - 0.68 * height), height * 0.0135 / detail**0.35
        radii, dabs = (spread * height, 0.33 * height), round(1500 * detail * (1.0 - bare))
        foliage(canvas, stage, Crown(middle, radii, leaf, dabs, clumps=18, clump=0.34), palette, distance)


def twigs(canvas: Canvas, stage: Stage, branch: Points, length: float, distance: float) -> None:
    """Fine bare twigs along a branch."""
    rng = stage.rng
    colour = stage.mood.lit(BARK * 0.9, 0.35, distance)
    for _ in range(16):
        start = branch[rng.integers(3, len(branch))]
        angle = rng.uniform(-1.3, 1.3)
        tip = start + length * rng.uniform(0.3, 1.0) * np.array([np.sin(angle), -np.cos(angle)])
        line = wander(rng, start, tip, 0.12, 6)
        canvas.stroke(line, np.linspace(1.0, 0.3, 6) * max(0.0016, 0.03 * length), colour)


def conifer(
    canvas: Canvas,
    stage: Stage,
    root: tuple[float, float],
    height: float,
    palette: Colour,
    distance: float,
    *,
    blades: int = 160,
    snow: float = 0.0,
) -> None:
    """A fir: drooping blades in tiers, dark near the trunk, light at the tips, with `snow` on top (0..1)."""
    rng, mood = stage.rng, stage.mood
    trunk = np.array([root, (root[0], root[1] - 0.5 * height)])
    canvas.stroke(trunk, np.array([0.035, 0.02]) * height, mood.lit(BARK * 0.8, 0.15, distance))
    canvas.polygon(
        np.array(
            [
                (root[0], root[1] - 0.98 * height),
                (root[0] + 0.11 * height, root[1] - 0.09 * height),
                (root[0] - 0.11 * height, root[1] - 0.09 * height),
            ]
        ),
        mood.lit(palette.mean(axis=0) * 0.6, 0.0, distance),
    )
    level = np.sort(rng.random(blades) ** 0.75)[::-1]  # 1 at the foot, so that upper tiers cover lower ones
    tiers = 5 + round(8 * min(1.0, blades / 160))
    level = 0.65 * level + 0.35 * np.ceil(level * tiers) / tiers
    side = rng.uniform(-1, 1, blades)
    reach = height * (0.012 + 0.215 * level**0.9) * rng.uniform(0.7, 1.1, blades)
    base = np.stack([np.full(blades, root[0]), root[1] - height * (1.0 - 0.93 * level)], -1)
    tip = base + np.stack([side * reach, reach * (0.42 - 0.20 * np.abs(side)) + 0.015 * height], -1)
    start = base + (tip - base) * 0.12
    shade = np.clip(0.26 + 0.30 * side * mood.side - 0.2 * level + 0.14 * rng.standard_normal(blades), 0, 1)
    colours = mood.lit(pick(rng, palette, blades, 0.12, 0.05), shade, np.full(blades, distance))
    width = height * (0.018 + 0.024 * level) * (160 / blades) ** 0.35
    canvas.blades(start, tip, 0.10 * reach * np.sign(side), width, colours)
    if snow > 0:
        some = rng.random(blades) < 0.75 * snow
        lift = np.array([0.0, -0.35]) * width[some, None]
        bright = np.clip(
            0.45 + 0.30 * side[some] * mood.side + 0.12 * rng.standard_normal(int(some.sum())), 0, 1
        )
        white = mood.lit(np.tile(SNOW, (int(some.sum()), 1)), bright, np.full(int(some.sum()), distance))
        near, far = start[some] + 0.25 * (tip - start)[some], start[some] + 0.95 * (tip - start)[some]
        canvas.blades(
            near + lift, far + lift, 0.06 * reach[some] * np.sign(side[some]), 0.75 * width[some], white
        )


def palm(
    canvas: Canvas, stage: Stage, root: tuple[float, float], top: tuple[float, float], size: float
) -> None:
    """A coconut palm: a ringed, leaning trunk and a head of arching fronds of length `size`."""
    rng, mood = stage.rng, stage.mood
    s = np.linspace(0.0, 1.0, 30)[:, None]
    middle = np.array([root[0] + 0.25 * (top[0] - root[0]), 0.45 * root[1] + 0.55 * top[1]])
    trunk = (1 - s) ** 2 * np.array(root) + 2 * s * (1 - s) * middle + s**2 * np.array(top)
    width = size * np.linspace(0.105, 0.055, 30)
    limb(canvas, stage, trunk, width, 0.0, rgb(136, 112, 84))
    for k in range(2, 29):
        ring = np.array([trunk[k] + (-0.5 * width[k], 0.0), trunk[k] + (0.5 * width[k], 0.010 * size)])
        canvas.stroke(ring, 0.008 * size, mood.lit(rgb(96, 78, 60), 0.2, 0.0))
    angles = np.linspace(-3.42, 0.28, 15) + rng.normal(0, 0.09, 15)
    order = np.argsort(-np.abs(angles + 1.57 + rng.normal(0, 0.4, 15)), kind="stable")
    for angle in angles[order]:
        _frond(canvas, stage, top, angle, size * rng.uniform(0.8, 1.1))


def _frond(canvas: Canvas, stage: Stage, root: tuple[float, float], angle: float, length: float) -> None:
    rng, mood = stage.rng, stage.mood
    s = np.linspace(0.0, 1.0, FROND_LEAFLETS)
    out = np.stack([np.cos(angle) * s, np.sin(angle) * s + (0.32 + 0.30 * abs(np.cos(angle))) * s**2.2], -1)
    spine = np.array(root) + length * out
    along = np.gradient(spine, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    facing = 0.30 + 0.35 * np.cos(angle) * mood.side - 0.25 * np.sin(angle)
    leaf = 0.27 * length * np.sin(np.pi * (0.10 + 0.86 * s)) ** 0.7
    for side in (-1.0, 1.0):
        normal = side * np.stack([-along[:, 1], along[:, 0]], -1)
        hang = np.array([0.0, 0.55])
        tips = spine + leaf[:, None] * (
            0.65 * along + 0.55 * normal + hang * rng.uniform(0.5, 1.0, (FROND_LEAFLETS, 1))
        )
        shade = np.clip(
            facing + 0.18 * (-normal[:, 1]) + 0.12 * rng.standard_normal(FROND_LEAFLETS), 0.02, 1.0
        )
        greens = pick(
            rng, np.stack([rgb(88, 134, 52), rgb(66, 112, 48), rgb(118, 150, 66)]), FROND_LEAFLETS, 0.10, 0.04
        )
        canvas.blades(
            spine, tips, 0.05 * leaf * side, 0.020 * length, mood.lit(greens, shade, np.zeros(FROND_LEAFLETS))
        )
    canvas.stroke(
        spine, np.linspace(0.026, 0.006, FROND_LEAFLETS) * length, mood.lit(rgb(128, 140, 70), 0.6, 0.0)
    )


def culm(canvas: Canvas, stage: Stage, foot: tuple[float, float], width: float, distance: float) -> None:
    """One bamboo cane from its foot up out of the frame, with joints."""
    rng, mood = stage.rng, stage.mood
    tall = foot[1] + 0.1
    lean = float(rng.normal(0, 0.05))
    s = np.linspace(0.0, 1.0, 24)
    line = np.stack([foot[0] + lean * s * tall + 0.02 * lean * np.sin(3 * s), foot[1] - tall * s], -1)
    green = pick(rng, np.stack([rgb(112, 142, 62), rgb(92, 126, 60), rgb(140, 156, 80)]), 1, 0.08, 0.03)[0]
    limb(canvas, stage, line, np.full(24, width), distance, green)
    for y in np.arange(foot[1] - width * rng.uniform(1, 5), -0.05, -6.5 * width):
        x = float(np.interp(-y, -line[:, 1], line[:, 0]))
        joint = np.array([[x - 0.56 * width, y], [x + 0.56 * width, y]])
        canvas.stroke(joint, 0.14 * width, mood.lit(green * 0.55, 0.2, distance))
        canvas.stroke(
            joint - (0, 0.16 * width), 0.09 * width, mood.lit(np.minimum(green * 1.5, 1), 0.7, distance)
        )
