"""Trees, each drawn from its trunk to its leaves, and woods of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Points, pick
from sparkle.generation.backends.drawing.land import SNOW
from sparkle.generation.backends.drawing.plants import BARK, foliage, limb, palette, wander
from sparkle.generation.backends.drawing.stage import Draw, Stage, ink, swaying

TreeKind = Literal[
    "broadleaf", "blossom", "birch", "fir", "cypress", "palm", "acacia", "willow", "bamboo", "redwood",
    "bare", "fungus", "shrub", "vine", "fern",
]  # fmt: skip


@dataclass(frozen=True)
class Crown:
    """The foliage of a kind of tree: where, of which size, of which leaves, in how many bunches."""

    middle: float
    radii: tuple[float, float]
    leaf: float
    dabs: int
    clumps: int = 14
    clump: float = 0.38


CROWNS = {
    "broadleaf": Crown(-0.68, (0.36, 0.33), 0.0135, 1500, 18, 0.34),
    "blossom": Crown(-0.68, (0.46, 0.33), 0.0135, 1500, 18, 0.34),
    "birch": Crown(-0.68, (0.24, 0.33), 0.0135, 700, 18, 0.34),
    "acacia": Crown(-0.80, (0.58, 0.13), 0.012, 1500, 22, 0.3),
    "cypress": Crown(-0.52, (0.10, 0.48), 0.022, 960, 24, 0.34),
    "shrub": Crown(-0.45, (0.62, 0.48), 0.045, 300),
    "vine": Crown(-0.68, (0.55, 0.36), 0.045, 300),
}


def _crown(c: Canvas, stage: Stage, kind: str, x: float, leaves: Colour, far: float, detail: float) -> None:
    """Far trees have fewer and larger leaves."""
    crown = CROWNS[kind]
    foliage(
        c,
        stage,
        (x, crown.middle),
        crown.radii,
        leaves,
        far,
        leaf=crown.leaf / detail**0.35 if crown.leaf < 0.02 else crown.leaf,
        dabs=round(crown.dabs * detail),
        clumps=crown.clumps,
        clump=crown.clump,
    )


def _frond(
    c: Canvas,
    stage: Stage,
    spine: Points,
    leaf: Points,
    spread: tuple[float, float, float],
    width: float,
    shade: float,
    leaves: Colour,
    far: float,
) -> None:
    """Leaflets of lengths `leaf` on both sides of a spine; `spread` is along it, aside and down."""
    rng, count = stage.rng, len(spine)
    along = np.gradient(spine, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    for side in (-1.0, 1.0):
        normal = side * np.stack([-along[:, 1], along[:, 0]], -1)
        hang = np.array([0.0, spread[2]]) * rng.uniform(0.5, 1.0, (count, 1))
        tips = spine + leaf[:, None] * (spread[0] * along + spread[1] * normal + hang)
        tone = np.clip(shade - 0.18 * normal[:, 1] + 0.12 * rng.standard_normal(count), 0.02, 1.0)
        hues = stage.light.lit(pick(rng, leaves, count, 0.1, 0.04), tone, np.full(count, far))
        c.blades(spine, tips, 0.05 * leaf * side, width, hues)


def _branched(c: Canvas, stage: Stage, kind: str, leaves: Colour, far: float, detail: float) -> None:
    """A trunk with limbs and a crown, or a bare one with twigs."""
    rng = stage.rng
    birch, acacia = kind == "birch", kind == "acacia"
    bark = ink("#d8d6ce") if birch else BARK
    top = np.array([rng.normal(0, 0.03), -(0.9 if birch else 0.62)])
    trunk = wander(rng, np.zeros(2), top, 0.05)
    width = rng.uniform(0.050, 0.068) * np.linspace(1.0, 0.35, len(trunk)) * (0.6 if birch else 1.0)
    width[0] *= 1.5
    for _ in range(11 if kind == "bare" else 6):
        start, angle = trunk[rng.integers(5, len(trunk))], rng.uniform(-1.15, 1.15)
        tip = start + rng.uniform(0.22, 0.38) * np.array(
            [np.sin(angle), -np.cos(angle) * (0.4 if acacia else 1)]
        )
        branch = wander(rng, start, tip, 0.08)
        limb(c, stage, branch, np.linspace(0.40, 0.08, len(branch)) * width[4], far, bark)
        for _ in range(12 if kind == "bare" else 0):
            root, turn = branch[rng.integers(3, len(branch))], angle + rng.uniform(-1.0, 1.0)
            twig = wander(
                rng, root, root + rng.uniform(0.05, 0.16) * np.array([np.sin(turn), -np.cos(turn)]), 0.1, 5
            )
            c.stroke(twig, np.linspace(0.006, 0.002, 5), stage.light.lit(bark * 0.9, 0.3, far))
    limb(c, stage, trunk, width, far, bark)
    if birch:
        for mark in trunk[rng.integers(0, len(trunk), 16)]:
            c.dabs(mark[None] + rng.normal(0, 0.006, (1, 2)), np.array([[0.011, 0.004]]), np.zeros(1),
                   stage.light.lit(ink("#3a3632")[None], 0.3, np.full(1, far)))  # fmt: skip
    if kind != "bare":
        _crown(c, stage, kind, float(top[0]), leaves, far, detail)


def _fir(c: Canvas, stage: Stage, leaves: Colour, far: float, snow: float, blades: int) -> None:
    """Drooping blades in tiers, dark near the trunk, light at the tips, with snow on top."""
    rng, light = stage.rng, stage.light
    c.stroke(np.array([[0, 0.0], [0, -0.5]]), np.array([0.035, 0.02]), light.lit(BARK * 0.8, 0.15, far))
    c.polygon(
        np.array([(0, -0.98), (0.11, -0.09), (-0.11, -0.09)]), light.lit(leaves.mean(0) * 0.6, 0.0, far)
    )
    level = np.sort(rng.random(blades) ** 0.75)[::-1]  # 1 at the foot, so that upper tiers cover lower ones
    level = 0.65 * level + 0.35 * np.ceil(level * 12) / 12
    side = rng.uniform(-1, 1, blades)
    reach = (0.012 + 0.215 * level**0.9) * rng.uniform(0.7, 1.1, blades)
    base = np.stack([np.zeros(blades), -(1.0 - 0.93 * level)], -1)
    tip = base + np.stack([side * reach, reach * (0.42 - 0.20 * np.abs(side)) + 0.015], -1)
    shade = np.clip(0.26 + 0.30 * side * light.side - 0.2 * level + 0.14 * rng.standard_normal(blades), 0, 1)
    width = (0.018 + 0.024 * level) * (160 / blades) ** 0.35
    start, far_all = base + (tip - base) * 0.12, np.full(blades, far)
    c.blades(
        start,
        tip,
        0.10 * reach * np.sign(side),
        width,
        light.lit(pick(rng, leaves, blades, 0.12, 0.05), shade, far_all),
    )
    some = rng.random(blades) < 0.8 * snow
    if some.any():
        lift, white = (
            np.array([0.0, -0.35]) * width[some, None],
            np.clip(0.5 + 0.3 * side[some] * light.side, 0, 1),
        )
        near, end = start[some] + 0.2 * (tip - start)[some], start[some] + 0.95 * (tip - start)[some]
        c.blades(near + lift, end + lift, 0.06 * reach[some] * np.sign(side[some]), 0.8 * width[some],
                 light.lit(np.tile(SNOW, (int(some.sum()), 1)), white, far_all[some]))  # fmt: skip


def _palm(c: Canvas, stage: Stage, leaves: Colour, far: float) -> None:
    """A ringed, leaning trunk and a head of arching fronds."""
    rng, light = stage.rng, stage.light
    s, lean = np.linspace(0.0, 1.0, 24)[:, None], float(rng.uniform(0.1, 0.28) * rng.choice([-1, 1]))
    trunk = 2 * s * (1 - s) * np.array([0.25 * lean, -0.5]) + s**2 * np.array([lean, -0.86])
    width = np.linspace(0.046, 0.026, 24)
    limb(c, stage, trunk, width, far, ink("#887054"))
    for k in range(2, 23):
        c.stroke(
            trunk[k] + np.array([[-0.5 * width[k], 0.0], [0.5 * width[k], 0.004]]),
            0.004,
            light.lit(ink("#604e3c"), 0.2, far),
        )
    angles = np.linspace(-3.42, 0.28, 15) + rng.normal(0, 0.09, 15)
    for angle in angles[np.argsort(-np.abs(angles + 1.57), kind="stable")]:
        length, s1 = 0.42 * rng.uniform(0.8, 1.1), np.linspace(0, 1, 30)
        out = np.stack(
            [np.cos(angle) * s1, np.sin(angle) * s1 + (0.32 + 0.30 * abs(np.cos(angle))) * s1**2.2], -1
        )
        spine = trunk[-1] + length * out
        leaf = 0.30 * length * np.sin(np.pi * (0.10 + 0.86 * s1)) ** 0.7
        facing = 0.30 + 0.35 * np.cos(angle) * light.side - 0.25 * np.sin(angle)
        _frond(c, stage, spine, leaf, (0.65, 0.55, 0.55), 0.026 * length, facing, leaves, far)
        c.stroke(spine, np.linspace(0.026, 0.006, 30) * length, light.lit(ink("#80a046"), 0.6, far))


def _cane(c: Canvas, stage: Stage, far: float, kind: str) -> None:
    """A bamboo cane with joints, or the trunk of a giant."""
    rng, light = stage.rng, stage.light
    bamboo = kind == "bamboo"
    lean, s = float(rng.normal(0, 0.03 if bamboo else 0.008)), np.linspace(0.0, 1.0, 20)
    path, thick = (
        np.stack([lean * s, -1.15 * s], -1),
        rng.uniform(0.020, 0.030) if bamboo else rng.uniform(0.11, 0.15),
    )
    green = pick(
        rng,
        np.stack([ink("#708e3e"), ink("#8c9c50"), ink("#5c7e3c")]) if bamboo else ink("#7a4a34")[None],
        1,
        0.1,
    )[0]
    widths = np.full(20, thick) if bamboo else thick * (1.0 + 0.9 * np.exp(-s / 0.06) - 0.25 * s)
    limb(c, stage, path, widths, far, green)
    for y in np.arange(-0.05 - 0.08 * rng.random(), -1.1, -0.13) if bamboo else ():
        x = lean * -y / 1.15
        c.stroke(
            np.array([[x - 0.55 * thick, y], [x + 0.55 * thick, y]]), 0.004, light.lit(green * 0.5, 0.2, far)
        )
        foliage(
            c,
            stage,
            (float(x + rng.choice([-1, 1]) * 0.05), float(y) - 0.02),
            (0.08, 0.05),
            palette("spring"),
            far,
            leaf=0.011,
            dabs=18,
            clumps=4,
        )


def _fungus(c: Canvas, stage: Stage, leaves: Colour, far: float) -> None:
    """A giant mushroom whose cap glows from below."""
    light, hue = stage.light, leaves[stage.rng.integers(0, len(leaves))]
    c.stroke(
        wander(stage.rng, np.zeros(2), np.array([0.0, -0.8]), 0.05),
        np.linspace(0.14, 0.08, 14),
        light.hazed(0.5 * hue + 0.12, far),
    )
    s = np.linspace(np.pi, 2 * np.pi, 30)
    cap = np.stack([0.42 * np.cos(s), -0.70 + 0.30 * np.sin(s)], -1)
    c.polygon(np.concatenate([cap, [[0.30, -0.62], [-0.30, -0.62]]]), np.clip(1.1 * hue, 0, 1))
    c.polygon(
        np.array([[-0.40, -0.70], [0.40, -0.70], [0.28, -0.62], [-0.28, -0.62]]),
        np.clip(0.4 + 0.9 * hue, 0, 1),
    )
    spots = np.stack([stage.rng.uniform(-0.26, 0.26, 9), stage.rng.uniform(-0.93, -0.76, 9)], -1)
    c.dabs(spots, np.full((9, 2), 0.028), np.zeros(9), np.tile(np.clip(0.55 + 0.6 * hue, 0, 1), (9, 1)))


def tree(
    c: Canvas, stage: Stage, kind: TreeKind, leaves: Colour, far: float, snow: float, detail: float
) -> None:
    """One tree of size 1, its foot at (0, 0)."""
    rng = stage.rng
    if kind == "fir":
        _fir(c, stage, leaves, far, snow, round(70 + 120 * detail))
    elif kind == "palm":
        _palm(c, stage, leaves, far)
    elif kind in ("bamboo", "redwood"):
        _cane(c, stage, far, kind)
    elif kind == "fungus":
        _fungus(c, stage, leaves, far)
    elif kind in ("cypress", "shrub", "vine"):
        if kind != "shrub":
            trunk = wander(rng, np.zeros(2), np.array([0.02, -0.6]), 0.1 if kind == "vine" else 0.0)
            limb(c, stage, trunk, np.linspace(0.09, 0.05, 14) * (1.0 if kind == "vine" else 0.5), far)
        _crown(c, stage, kind, 0.0, leaves, far, detail)
    elif kind == "fern":
        for angle in np.linspace(-1.3, 1.3, 9) + rng.normal(0, 0.08, 9):
            s = np.linspace(0.0, 1.0, 15)
            droop = 0.34 * s**2.2 * (0.4 + abs(np.sin(angle)))
            spine = np.stack([np.sin(angle) * s, -np.cos(angle) * s + droop], -1) * rng.uniform(0.7, 1.1)
            leaf = 0.24 * np.sin(np.pi * (0.12 + 0.86 * s))
            facing = 0.4 + 0.25 * np.sin(angle) * stage.light.side
            _frond(c, stage, spine, leaf, (0.45, 1.0, 0.0), 0.05, facing, leaves, far)
    elif kind == "willow":
        _branched(c, stage, "bare", leaves, far, detail)
        count = round(150 * detail)
        root = np.stack([rng.normal(0, 0.26, count), -0.72 - 0.26 * rng.random(count)], -1)
        tip = root + np.stack(
            [0.10 * np.sign(root[:, 0]) * rng.random(count), 0.25 + 0.45 * rng.random(count)], -1
        )
        light = np.clip(0.45 + 0.9 * root[:, 0] * stage.light.side + 0.15 * rng.standard_normal(count), 0, 1)
        c.blades(
            root,
            tip,
            np.zeros(count),
            0.014,
            stage.light.lit(pick(rng, leaves, count), light, np.full(count, far)),
        )
    else:
        _branched(c, stage, kind, leaves, far, detail)


def trees(
    stage: Stage,
    *,
    kind: TreeKind = "broadleaf",
    at: list[tuple[float, float, float]] | None = None,
    count: int = 8,
    y: tuple[float, float] = (0.66, 0.8),
    size: tuple[float, float] = (0.2, 0.5),
    leaves: str = "summer",
    far: float = 0.5,
    sway: float = 1.0,
    snow: float = 0.0,
    leave_middle: float = 0.0,
    fruit: str = "",
) -> Draw:
    """Trees of one kind, the far (small) ones first and hazier; the wind moves them more the higher they are.

    `leave_middle` moves those spread out aside, to leave that share of the width free; `fruit` hangs dabs of
    that colour in the crowns.
    """
    canvas, rng = stage.canvas(), stage.rng
    reach = np.zeros((stage.height, stage.width), np.float32)
    x_grid, y_grid = stage.grid()
    spots = sorted(stage.places(at or [], count, y, size), key=lambda spot: spot[1])
    tallest = max(tall for *_, tall in spots)
    for x, foot, tall in spots:
        if leave_middle and not at:
            off = x / stage.aspect - 0.5
            x = (0.5 + np.sign(off) * (leave_middle / 2 + abs(off) * (1 - leave_middle))) * stage.aspect
        air = far * (1.0 + 1.6 * (1 - tall / tallest))
        detail = float(np.clip(1.6 * tall, 0.12, 1.0))
        c = canvas.at(x, foot, tall, mirrored=bool(rng.random() < 0.5))
        tree(c, stage, kind, palette(leaves), air, snow, detail)
        if fruit:
            spots_of = np.stack([rng.normal(0, 0.17, 22), -0.66 + rng.normal(0, 0.13, 22)], -1)
            c.dabs(
                spots_of,
                np.full((22, 2), 0.018),
                np.zeros(22),
                stage.light.lit(np.tile(ink(fruit), (22, 1)), 0.75, np.full(22, air)),
            )
        up = np.clip((foot - y_grid) / tall, 0, 1.3)
        near = np.exp(-(((x_grid - x) / (0.75 * tall)) ** 2))
        np.maximum(reach, near * 0.020 * sway * tall * up**1.6, out=reach)
    return swaying(stage, canvas.layer(), reach, flutter=0.5, pace=0.9)
