"""What grows: foliage and limbs, of which trees are made too, grass, flowers, and what hangs from above.

Foliage is a cloud of leaf dabs around a few clumps. Every dab is lit by where it sits on its clump and on the
crown, and they are laid from dark to light, which gives volume with flat shapes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from sparkle.generation.backends.drawing.canvas import LEAF, Canvas, Colour, Points, pick
from sparkle.generation.backends.drawing.land import distance_of
from sparkle.generation.backends.drawing.noise import as_field, curve
from sparkle.generation.backends.drawing.props import paint
from sparkle.generation.backends.drawing.stage import Draw, Stage, Still, ink, swaying, together

LEAVES: dict[str, tuple[str, ...]] = {
    "summer": ("#467a30", "#34662c", "#608e3a", "#2c582e"),
    "spring": ("#78a83e", "#60963a", "#96be54", "#50843c"),
    "autumn": ("#ce7022", "#ba461e", "#de9e32", "#963e1e"),
    "crimson": ("#c8321e", "#a01e1e", "#e05a28", "#7c1620"),
    "pink": ("#f6b4c6", "#ee96b4", "#fcd2dc", "#e27ca0"),
    "dark": ("#24402e", "#1c3426", "#305038", "#16281e"),
    "teal": ("#1f7a78", "#135a5c", "#39a39c", "#0d4145"),
    "silver": ("#9fb8c8", "#86a2b6", "#c2d6e2", "#6c8aa0"),
    "glow": ("#8e4ad8", "#5a2fb0", "#d070f0", "#3c6fe0"),
    "yellow": ("#dcb440", "#c89a30", "#ecd068", "#b08428"),
    "wheat": ("#d8b258", "#c49a42", "#e8c878", "#b08a3c"),
    "straw": ("#b4a064", "#9c8a54", "#cab87c", "#867648"),
    "grass": ("#649038", "#7c9646", "#547634", "#8aa650"),
    "frost": ("#c8d4da", "#b2c2cc", "#dfe8ec", "#9fb2bc"),
    "heather": ("#8e5a92", "#74467c", "#a878a8", "#6a5a52"),
    "ink": ("#2a2a30", "#3a3a42", "#1c1c22", "#50505a"),
}  # fmt: skip
BARK = ink("#5c4634")


def palette(name: str) -> Colour:
    """The albedos (k, 3) of a row of `LEAVES`."""
    return np.stack([ink(each) for each in LEAVES[name]])


def foliage(
    canvas: Canvas,
    stage: Stage,
    centre: tuple[float, float],
    radii: tuple[float, float],
    leaves: Colour,
    far: float,
    *,
    leaf: float = 0.0135,
    dabs: int = 700,
    clumps: int = 14,
    clump: float = 0.38,
    dim: float = 0.0,
) -> None:
    """A crown: `dabs` leaves of radius `leaf` around bunches of relative size `clump`, within `radii`."""
    rng, light = stage.rng, np.array([0.62 * stage.light.side, -0.78])
    angle = rng.uniform(0, 2 * np.pi, clumps)
    bunches = (
        np.stack([np.cos(angle), np.sin(angle)], -1)
        * (np.sqrt(rng.random(clumps)) * (1 - 0.6 * clump))[:, None]
    )
    owner, turn = rng.integers(0, clumps, dabs), rng.uniform(0, 2 * np.pi, dabs)
    local = np.stack([np.cos(turn), np.sin(turn)], -1) * np.sqrt(rng.random(dabs))[:, None]
    place = bunches[owner] + local * (clump * rng.uniform(0.6, 1.2, clumps)[owner])[:, None]
    shade = 0.34 + 0.42 * (local @ light) + 0.30 * (place @ light) + 0.10 * rng.standard_normal(dabs) - dim
    order = np.argsort(shade, kind="stable")
    colours = stage.light.lit(pick(rng, leaves, dabs, 0.10, 0.05), np.clip(shade, 0, 1.1), np.full(dabs, far))
    size = leaf * rng.uniform(0.6, 1.35, dabs)
    centres = np.array(centre) + place * np.array(radii)
    flat = np.stack([size, size * rng.uniform(0.45, 0.8, dabs)], -1)
    canvas.dabs(centres[order], flat[order], rng.uniform(0, np.pi, dabs)[order], colours[order], outline=LEAF)


def wander(rng: np.random.Generator, start: Points, stop: Points, bend: float, points: int = 14) -> Points:
    """A line (points, 2) from start to stop that bends by about `bend` of its length."""
    s, axis = np.linspace(0.0, 1.0, points), np.asarray(stop) - np.asarray(start)
    off = bend * (rng.normal() * np.sin(np.pi * s) + 0.5 * rng.normal() * np.sin(2 * np.pi * s))
    return np.asarray(np.asarray(start) + s[:, None] * axis + off[:, None] * np.array([-axis[1], axis[0]]))


def limb(canvas: Canvas, stage: Stage, path: Points, widths: Points, far: float, bark: Colour = BARK) -> None:
    """A trunk or branch along a line: shaded body, lit flank, streaks of bark."""
    light, rng = stage.light, stage.rng
    canvas.stroke(path, widths, light.lit(bark, 0.08, far))
    flank = np.array([light.side, -0.1])
    for share, shade in ((0.62, 0.28), (0.34, 0.55), (0.14, 0.85)):
        canvas.stroke(
            path + flank * (0.5 - share / 2) * widths[:, None], widths * share, light.lit(bark, shade, far)
        )
    for _ in range(9):
        off, (a, b) = rng.uniform(-0.42, 0.42), np.sort(rng.integers(0, len(path), 2))
        if b - a > 2:
            shade = max(0.0, 0.25 + 0.6 * off * light.side) * rng.uniform(0.2, 1.0)
            streak = path[a:b] + np.array([off, 0.0]) * widths[a:b, None]
            canvas.stroke(streak, widths[a:b] * rng.uniform(0.03, 0.10), light.lit(bark * 0.8, shade, far))


def grass(
    stage: Stage,
    *,
    y: float = 0.6,
    low: float = 1.05,
    length: float = 0.16,
    leaves: str = "grass",
    sway: float = 1.0,
    density: float = 1.0,
    heads: float = 0.0,
    rows: int = 4,
    width: float = 1.0,
    hollow: float = 0.0,
    pace: float = 1.0,
) -> Draw:
    """Grass from the middle distance to the camera, in rows that sway each by itself.

    Args:
        stage: The stage; draws from its random stream.
        y: The horizon of the field.
        low: Where the nearest row stands.
        length: Of the nearest blades.
        leaves: A row of `LEAVES`.
        sway: How far the wind bends it.
        density: Multiplies the number of blades.
        heads: Share of blades that carry an ear.
        rows: How many layers.
        width: Multiplies the width of a blade.
        hollow: How much shorter it is in the middle of the frame.
        pace: Multiplies how fast it sways.
    """
    rng, draws = stage.rng, []
    _, y_grid = stage.grid()
    colours = palette(leaves)
    for k in range(rows):
        share = 0.06 + 0.94 * (k / max(1, rows - 1)) ** 1.4
        foot, tall = y + (low - y) * share, length * (0.14 + 0.86 * share**1.2)
        step = (low - y) * 0.30 * (0.25 + share)
        count = round(1300 * density * (1.15 - 0.55 * share) * stage.aspect / 1.78)
        roots = np.stack(
            [rng.uniform(-0.05, stage.aspect + 0.05, count), foot - step * rng.random(count) ** 1.3], -1
        )
        lengths = tall * rng.uniform(0.55, 1.2, count)
        lengths *= 1 - hollow * share * np.exp(-(((roots[:, 0] / stage.aspect - 0.5) / 0.28) ** 2))
        canvas = stage.canvas()
        _tufts(
            canvas,
            stage,
            roots,
            lengths,
            colours,
            distance_of(roots[:, 1], y),
            width * (0.0022 + 0.0042 * share),
            heads,
        )
        up = np.clip((foot - 0.2 * step - y_grid) / (tall + 0.4 * step), 0.0, 1.3) ** 1.6
        draws.append(
            swaying(stage, canvas.layer(), as_field(0.20 * sway * tall * up), flutter=0.12, pace=1.25 * pace)
        )
    return together(*draws)


def _tufts(
    canvas: Canvas,
    stage: Stage,
    roots: Points,
    lengths: Points,
    leaves: Colour,
    far: Points,
    width: float,
    heads: float,
) -> None:
    """Blades in tufts: neighbours share their colour, light and direction."""
    rng, count = stage.rng, len(roots)
    places = np.linspace(-0.1, stage.aspect + 0.1, 512)
    tone, turn, hue = (np.interp(roots[:, 0], places, curve(rng, 512, cells=9, slope=1.1)) for _ in range(3))
    angle = 0.12 + 0.16 * turn + rng.normal(0, 0.15, count)
    tips = roots + lengths[:, None] * np.stack([np.sin(angle), -np.cos(angle)], -1)
    light = np.clip(0.55 + 0.13 * tone + 0.10 * rng.standard_normal(count), 0.05, 1.1)
    row = np.clip((0.5 + 0.24 * hue + 0.16 * rng.standard_normal(count)) * len(leaves), 0, len(leaves) - 1)
    albedo = leaves[row.astype(int)] * (1.0 + 0.06 * rng.standard_normal((count, 1)))
    order = np.argsort(roots[:, 1], kind="stable")
    bend, widths = (
        -lengths * (0.35 * angle + rng.normal(0, 0.05, count)),
        width * rng.uniform(0.6, 1.3, count),
    )
    canvas.blades(
        roots[order], tips[order], bend[order], widths[order], stage.light.lit(albedo, light, far)[order]
    )
    eared = np.flatnonzero(rng.random(count) < heads)
    if len(eared):
        ear = np.stack([0.10 * lengths, 0.9 * widths], -1)[eared]
        bright = stage.light.lit(1.12 * albedo[eared], light[eared] + 0.2, far[eared])
        canvas.dabs(tips[eared], ear, angle[eared] - np.pi / 2, bright)


def flowers(
    stage: Stage,
    *,
    kind: str = "bloom",
    colours: list[str],
    y: float = 0.6,
    low: float = 1.02,
    size: float = 0.02,
    count: int = 900,
    sway: float = 1.0,
    stripes: int = 0,
    first: float = 0.05,
) -> Draw:
    """Things of `shapes.toml` on a field in perspective; with `stripes`, each colour in rows of its own."""
    rng, canvas = stage.rng, stage.canvas()
    share = first + (1 - first) * np.sort(rng.random(count)) ** 0.9
    x = rng.uniform(-0.05, stage.aspect + 0.05, count)
    inks = np.stack([ink(each) for each in colours])
    which = rng.integers(0, len(inks), count)
    if stripes:
        lane = rng.integers(-2 * stripes, 2 * stripes, count)
        x = (
            0.5 * stage.aspect
            + (lane + 0.5 + rng.uniform(-0.28, 0.28, count)) / stripes * stage.aspect * share
        )
        which = lane % len(inks)
    foot, tall = y + (low - y) * share, size * (0.10 + 0.90 * share)
    far = distance_of(foot, y)
    petals = inks[which] * (1 + 0.16 * rng.standard_normal((count, 1)))
    turned = rng.random(count) < 0.5
    for k in range(count):
        c = canvas.at(float(x[k]), float(foot[k]), float(tall[k]), mirrored=bool(turned[k]))
        paint(c, stage, kind, petals[k], float(far[k]))
    _, y_grid = stage.grid()
    reach = 0.012 * sway * np.clip((y_grid - y) / (low - y), 0.05, 1.0)
    return swaying(stage, canvas.layer(), as_field(reach), flutter=0.5, pace=1.3)


def hanging(
    stage: Stage,
    *,
    kind: Literal["leaves", "vines", "blossom", "icicles", "cloth"] = "leaves",
    leaves: str = "summer",
    depth: float = 0.16,
    far: float = 0.0,
    sway: float = 1.0,
    colour: str = "#7a1f24",
    sides: float = 0.0,
) -> Draw:
    """What hangs into the frame from above; `sides` keeps it to that share of the width on both sides."""
    rng, canvas, light = stage.rng, stage.canvas(), stage.light
    count = 26 if kind in ("leaves", "blossom") else 40
    for k in range(count):
        place = (k + rng.random()) / count
        if sides:
            place = place * sides if k % 2 else 1 - place * sides
        x, fall = place * stage.aspect, depth * (1.0 if kind == "cloth" else rng.uniform(0.4, 1.1))
        if kind in ("leaves", "blossom"):
            foliage(
                canvas,
                stage,
                (x, 0.4 * fall - 0.03),
                (0.10, 0.75 * fall),
                palette(leaves),
                far,
                leaf=0.011,
                dabs=170,
                dim=0.15,
            )
        elif kind == "icicles":
            canvas.polygon(
                np.array([[x - 0.008, -0.01], [x + 0.008, -0.01], [x, 0.7 * fall]]),
                light.lit(ink("#d4e6f4"), rng.uniform(0.5, 1)),
            )
        elif kind == "vines":
            path = wander(rng, np.array([x, -0.02]), np.array([x + rng.normal(0, 0.03), fall]), 0.06)
            canvas.stroke(path, 0.005, light.lit(ink("#46582c"), 0.4))
            spots = path[rng.integers(0, len(path), 16)] + rng.normal(0, 0.007, (16, 2))
            canvas.dabs(
                spots,
                np.full((16, 2), (0.013, 0.006)),
                rng.uniform(0, 3, 16),
                light.lit(pick(rng, palette(leaves), 16), 0.5),
                outline=LEAF,
            )
        else:
            for fold in range(3):
                tone = light.lit(ink(colour) * (0.7 + 0.25 * fold), 0.4 + 0.2 * fold)
                canvas.box(x - 0.02 + 0.013 * fold, -0.01, x + 0.0 + 0.013 * fold, fall + 0.004 * fold, tone)
    _, y = stage.grid()
    reach = as_field(0.014 * sway * np.clip(y / depth, 0.0, 1.2))
    layer = canvas.layer()
    return Still(layer) if not sway else swaying(stage, layer, reach, flutter=0.5, pace=1.1)
