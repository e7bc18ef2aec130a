"""The ground: mountain ranges, dunes, planes in perspective, cliffs, rocks."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from sparkle.generation.backends.drawing.canvas import Image, Points, pick
from sparkle.generation.backends.drawing.noise import Field, as_field, curve, fractal, sample, smoothstep
from sparkle.generation.backends.drawing.stage import Draw, Stage, Still, ink, layer_of

SNOW = ink("#eef3fa")


def ridge(
    stage: Stage,
    *,
    y: float = 0.6,
    height: float = 0.2,
    shape: Literal["peaks", "hills", "mesas", "firs", "spires", "woods"] = "peaks",
    colour: str = "#6f6a68",
    distance: float = 1.5,
    snow: float = 0.0,
    rough: float = 1.0,
    mist: float = 0.6,
    cells: float = 4.0,
) -> Draw:
    """A range on the horizon: its crest rises up to `height` above `y`, lit on the side of the sun.

    Args:
        stage: The stage; draws from its random stream.
        y: Its foot.
        height: How high its highest crest stands above the foot.
        shape: How its crest runs.
        colour: Its albedo.
        distance: For the haze.
        snow: Share of its height that is white, from the top.
        rough: Depth of its texture.
        mist: Haze at its foot, on top of that of the distance.
        cells: About how many crests stand across the frame.
    """
    rng, w, (x, down) = stage.rng, stage.width, stage.grid()
    crest = _crest(stage, shape, cells)
    top = as_field(y - height * crest)
    below = down - top[None]
    alpha = np.clip(below * stage.height + 0.5, 0.0, 1.0)
    # Folds that run downhill: noise over the crest's own coordinates, bent with depth.
    folds = fractal(rng, 512, 512, cells=14, slope=1.25)
    bend = as_field(60.0 * np.sin(7.0 * x + 3.0 * rng.random()) * below)
    gully = sample(folds, x * 150.0 + bend - 90.0 * below, below * 120.0)
    coarse = sample(folds, x * 70.0 + 2 * bend, below * 60.0)
    slope = (
        as_field(np.gradient(as_field(cv2.GaussianBlur(top[None], (0, 0), max(1.0, w / 240)))[0]))
        * stage.height
    )
    # A crest's lit and dark sides run on downhill, leaning aside: its slope, sheared.
    lean = as_field((x + np.float32(0.30) * below + np.float32(0.012) * coarse) * stage.height)
    sides = cv2.remap(
        slope[None], lean, np.zeros_like(x), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    facing = np.clip(1.3 * sides * stage.light.side, -1, 1) * np.exp(-np.maximum(below, 0) / (1.2 * height))
    texture = (0.6 * coarse + 0.6 * gully) * np.float32(rough)
    shade = np.clip(0.5 + 0.38 * facing + 0.17 * texture, 0.02, 1.1)
    albedo = ink(colour) * (1.0 + 0.08 * texture[..., None])
    if shape in ("firs", "woods"):
        shade = 0.4 + 0.12 * texture - np.clip(below / 0.25, 0, 0.3)
    if snow:
        lie = smoothstep(-0.10, 0.10, (snow - below / max(height, 1e-3)) + 0.10 * texture + 0.10 * facing)
        albedo = albedo + (SNOW - albedo) * lie[..., None]
    far = distance + mist * smoothstep(0.0, max(0.12, 0.8 * height), below)
    return Still(layer_of(stage.light.lit(albedo, shade, far), as_field(alpha)))


def _crest(stage: Stage, shape: str, cells: float) -> Field:
    """Heights (w,) in 0..1 of a crest."""
    rng, w = stage.rng, stage.width
    place = np.arange(w, dtype=np.float32) / stage.height
    broad = curve(rng, w, cells=cells, slope=2.2)
    if shape == "hills":
        return as_field(np.clip(0.55 + 0.22 * broad, 0.05, 1.0))
    if shape in ("firs", "woods"):
        rise = np.clip(0.5 + 0.12 * broad, 0.1, 1.0)
        trees, count = np.zeros(w, np.float32), round(70 * stage.aspect * cells / 4)
        for centre, tall in zip(
            rng.uniform(-0.1, stage.aspect + 0.1, count), rng.uniform(0.15, 0.5, count), strict=False
        ):
            off = np.abs(place - centre) / (0.035 * (0.6 if shape == "firs" else 1.4))
            tree = np.clip(1 - off, 0, 1) ** 0.8 if shape == "firs" else np.sqrt(np.clip(1 - off**2, 0, 1))
            np.maximum(trees, tree * tall * (1.0 if shape == "firs" else 0.7), out=trees)
        ragged = 0.03 * curve(rng, w, cells=90, slope=0.8)
        return as_field(np.clip(rise * 0.75 + trees + ragged * (trees > 0), 0, 1.3))
    if shape == "spires":
        heights = 0.12 + 0.04 * broad
        for centre, tall in zip(
            (np.arange(16) + rng.uniform(0, 1, 16)) / 16 * stage.aspect,
            rng.uniform(0.25, 1, 16),
            strict=False,
        ):
            off = np.abs(place - centre) / (0.028 + 0.05 * (1 - tall) + 0.02 * rng.random())
            heights = np.maximum(heights, tall * np.clip(1.0 - (0.75 * off) ** 1.7, 0, 1))
        return as_field(heights)
    if shape == "mesas":
        level = np.clip(0.5 + 0.5 * np.tanh(3.0 * broad), 0, 1)
        return as_field(0.12 + 0.8 * level * np.clip(0.85 + 0.12 * curve(rng, w, cells=2), 0.5, 1.1)
                        + 0.02 * curve(rng, w, cells=30, slope=1.0))  # fmt: skip
    # Peaks: triangles of several sizes, their flanks broken by noise.
    heights, count = np.zeros(w, np.float32), max(1, round(1.5 * cells))
    centres = (np.arange(count) + rng.uniform(0.2, 0.8, count)) / count * stage.aspect
    for centre, tall in zip(centres, rng.uniform(0.55, 1.0, count), strict=True):
        for off, share in ((0.0, 1.0), (rng.uniform(0.3, 0.6), 0.72), (-rng.uniform(0.3, 0.6), 0.66)):
            wide = tall * share * 0.95 * stage.aspect / cells
            reach = np.abs(place - centre - off * wide) / wide
            np.maximum(heights, tall * share * np.clip(1 - reach, 0, 1) ** 1.15, out=heights)
    heights += heights * (
        0.05 * curve(rng, w, cells=5 * cells, slope=2.0) + 0.012 * curve(rng, w, cells=22 * cells)
    )
    heights += 0.10 + 0.03 * broad
    return as_field(np.clip(heights / max(float(heights.max()), 1e-3), 0.02, 1))


def dunes(
    stage: Stage, *, y: float = 0.55, colour: str = "#dcae72", count: int = 5, height: float = 0.13
) -> Draw:
    """Sand dunes one before the other: sharp crests, a lit side and one in shade, ripples."""
    (x, down), rng = stage.grid(), stage.rng
    frame, cover = np.zeros((*x.shape, 3), np.float32), np.zeros_like(x)
    ripple = fractal(rng, 256, 256, cells=40, slope=1.4, stretch=5)
    for k in range(count):
        near = (k + 0.3) / count
        foot = y + (1.02 - y) * near**1.3
        rise = height * (0.35 + 0.9 * near)
        line = np.clip(0.5 + 0.33 * curve(rng, stage.width, cells=1.6 + 2.2 * (1 - near), slope=2.6), 0, 1.1)
        top = as_field(foot - rise * line)
        below = down - top[None]
        alpha = np.clip(below * stage.height + 0.5, 0.0, 1.0)
        slope = (
            as_field(np.gradient(as_field(cv2.GaussianBlur(top[None], (0, 0), stage.width / 120))[0]))
            * stage.height
        )
        # A dune's edge runs on downhill and aside: its shade is the crest's slope, sheared.
        sheared = (x + 1.6 * stage.light.side * below) * stage.height
        faces = cv2.remap(
            slope[None],
            as_field(sheared),
            np.zeros_like(x),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        flank = smoothstep(0.05, -0.07, faces * stage.light.side + 0.35 * below)
        marks = sample(ripple, x * 140 / (0.4 + near) + 40 * below, down * 620 / (0.4 + near))
        shade = 0.95 - 0.66 * flank * np.exp(-np.maximum(below, 0) / (0.75 * rise)) + 0.05 * marks
        lit = stage.light.lit(ink(colour) * (1 + 0.025 * marks[..., None]), shade, 1.8 * (1 - near) ** 1.6)
        frame += (lit - frame) * alpha[..., None]
        cover = np.maximum(cover, alpha)
    return Still(layer_of(as_field(frame / np.maximum(cover, 1e-3)[..., None]), as_field(cover)))


def plane_depth(y: Image, horizon: float) -> Image:
    """Depth of the ground at height y: 1 at the bottom of the frame, growing to the horizon."""
    return as_field((1.0 - horizon) / np.maximum(y - horizon, 0.004))


def distance_of(y: Points | float, horizon: float) -> Image:
    """The haze's distance of the ground at height y."""
    return as_field(np.clip(0.035 / np.maximum(np.asarray(y) - horizon, 0.02) - 0.06, 0.0, 3.0))


def ground(
    stage: Stage,
    *,
    y: float = 0.6,
    kind: Literal[
        "soft", "cobbles", "tiles", "planks", "rows", "checker", "path", "snowy", "road", "salt", "pier"
    ] = "soft",
    colour: str = "#7d9448",
    second: str = "",
    scale: float = 1.0,
    rough: float = 1.0,
    middle: float = 0.5,
) -> Draw:
    """The plane from the horizon at `y` to the camera, with its pattern in perspective.

    Args:
        stage: The stage; draws from its random stream.
        y: The horizon.
        kind: What lies on it. `pier` is planks that do not reach the sides; `rows` are stripes of the two
            colours that run to the vanishing point, `path` and `road` a way to it in the second colour,
            `snowy` patches of the second.
        colour: Its albedo.
        second: The other albedo of its pattern.
        scale: Multiplies the size of the pattern.
        rough: Depth of its texture.
        middle: Where it vanishes, as a share of the width.
    """
    top = stage.row(y)
    x, down = (axis[top:] for axis in stage.grid())
    depth = np.minimum(plane_depth(down, y), 60.0)
    u, v = (x - middle * stage.aspect) * depth / np.float32(scale), depth / np.float32(scale)
    broad = sample(fractal(stage.rng, 256, 256, cells=5, slope=1.7, finest=0.25), u * 130, v * 170)
    fine = sample(fractal(stage.rng, 256, 256, cells=20, slope=1.0), u * 390, v * 510)
    broad, fine = broad * np.exp(-0.05 * depth), fine * np.exp(-0.25 * depth)
    base = np.broadcast_to(ink(colour), (*x.shape, 3))
    other = ink(second) if second else 0.62 * ink(colour)
    share, shade = _pattern(stage, kind, as_field(u), as_field(v), depth, as_field(broad), as_field(fine))
    base = base + (other - base) * share[..., None]
    base = base * (1.0 + 0.11 * rough * (0.8 * broad + fine))[..., None]
    picture = np.zeros((stage.height, stage.width, 4), np.float32)
    cover = smoothstep(0.36, 0.35, np.abs(u)) if kind == "pier" else np.ones_like(x)
    lit = stage.light.lit(base, shade + 0.09 * rough * broad, distance_of(down, y))
    picture[top:] = layer_of(lit, as_field(cover))
    return Still(picture)


def _pattern(
    stage: Stage, kind: str, u: Field, v: Field, depth: Field, broad: Field, fine: Field
) -> tuple[Field, Field]:
    """(share of the second colour, share of the key light) of a kind of ground."""
    blur = np.clip(0.012 * depth, 0.012, 0.5)  # how much of a joint one pixel sees
    plain = np.full_like(u, 0.66)

    def joint(place: Field, width: float) -> Field:
        off = np.abs(place - np.round(place))
        return as_field(smoothstep(0, 1, (width + blur - off) / blur) * np.clip(width / blur, 0, 1))

    if kind == "cobbles":
        row = np.floor(7.0 * v)
        stone = 9.0 * u + 0.5 * (row % 2)
        tone = np.mod(np.sin(np.floor(stone) * 12.9 + row * 78.2) * 43758.0, 1.0)
        gap = np.maximum(joint(7.0 * v, 0.09), joint(stone, 0.07))
        return as_field(0.75 * gap + 0.3 * tone * (1 - gap)), as_field(plain + 0.15 * tone - 0.3 * gap)
    if kind == "tiles":
        return np.maximum(joint(3.0 * v, 0.02), joint(3.0 * u, 0.02)), plain
    if kind == "pier":
        tone = np.mod(np.sin(np.floor(11.0 * v) * 12.9) * 43758.0, 1.0)
        rail = smoothstep(0.33, 0.345, np.abs(u))
        return as_field(np.maximum(joint(11.0 * v, 0.06), rail) + 0.3 * tone).clip(0, 1), as_field(
            plain - 0.08 * fine
        )
    if kind == "planks":
        board = np.floor(9.0 * u)
        tone = np.mod(np.sin(board * 12.9) * 43758.0, 1.0)
        ends = joint(0.8 * v + 5.0 * tone, 0.01)
        return as_field(np.maximum(joint(9.0 * u, 0.05), ends) + 0.25 * tone).clip(0, 1), as_field(
            plain - 0.06 * fine
        )
    if kind == "checker":
        odd = np.tanh(np.sin(np.pi * 2.2 * u) * np.sin(np.pi * 2.2 * v) / (2.0 * blur))
        return as_field(0.5 + 0.5 * odd), plain
    if kind == "rows":
        wave = 0.5 + 0.5 * np.sin(2 * np.pi * 1.7 * u) / (1.0 + 0.02 * depth**2) ** 0.5
        return smoothstep(0.3, 0.7, wave + 0.06 * broad), as_field(plain + 0.12 * wave)
    if kind == "path":
        bend = 0.12 * np.sin(0.9 * v) + 0.03 * broad
        return smoothstep(0.30, 0.20, np.abs(u + bend) + 0.04 * fine), plain
    if kind == "road":
        road, dash = (
            smoothstep(0.62, 0.58, np.abs(u)),
            smoothstep(0.03, 0.02, np.abs(u)) * (np.sin(2.6 * v) > 0),
        )
        edge = smoothstep(0.03, 0.02, np.abs(np.abs(u) - 0.53))
        return as_field(road), as_field(plain + 1.5 * np.maximum(dash, edge))
    if kind == "snowy":
        return smoothstep(-0.25, 0.25, broad + 0.3 * fine), plain
    if kind == "salt":
        crack = np.abs(np.sin(4 * u + 1.3 * broad) * np.sin(4 * v + 1.3 * fine))
        return as_field(smoothstep(0.12, 0.02, crack) / (1 + 0.2 * depth)), plain
    return smoothstep(-0.6, 1.6, broad), plain


def rocks(
    stage: Stage,
    *,
    at: list[tuple[float, float, float]] | None = None,
    count: int = 12,
    y: tuple[float, float] = (0.7, 0.95),
    size: tuple[float, float] = (0.02, 0.09),
    colour: str = "#7c766e",
    far: float = 0.2,
    top: str = "",
) -> Draw:
    """Boulders: a dark body with facets, lit from the side of the sun; `top` colours what lies on them."""
    canvas, rng, light = stage.canvas(), stage.rng, stage.light
    for x, foot, tall in stage.places(at or [], count, y, size):
        c = canvas.at(x, foot, tall)
        turn = np.sort(rng.uniform(0, 2 * np.pi, 13))
        ring = np.stack([np.cos(turn) * rng.uniform(0.75, 1.05, 13), -0.36 + 0.52 * np.sin(turn)], -1)
        ring[:, 1] = np.minimum(ring[:, 1], 0.03)
        peak = np.array([0.15 * light.side, -0.62])
        tone = pick(rng, ink(colour)[None], 13, 0.09, 0.02)
        c.polygon(ring, light.lit(ink(colour), 0.2, far))
        for a, b, hue in zip(ring, np.roll(ring, -1, 0), tone, strict=True):
            normal = (a + b) / 2 - (0, -0.3)
            shade = np.clip(0.38 + 0.55 * normal[0] * light.side - 0.75 * normal[1], 0.04, 1.05)
            upper = top and normal[1] < -0.12
            c.polygon(np.array([a, b, peak]), light.lit(ink(top) if upper else hue, shade, far))
    return Still(canvas.layer())


def cliffs(
    stage: Stage,
    *,
    kind: Literal["banded", "basalt", "rock", "cave", "ice"] = "rock",
    colour: str = "#8a7462",
    gap: float = 0.3,
    slant: float = 0.25,
    far: float = 0.3,
    middle: float = 0.5,
    top: float = -1.0,
) -> Draw:
    """Rock walls on both sides of an opening, `gap` of the width at the foot, wider by `slant` at the top.

    `cave` closes over the opening. Walls end at the height `top`, where grass lies on them, if that is in
    the frame.
    """
    (x, down), rng = stage.grid(), stage.rng
    wobble = fractal(rng, 256, 256, cells=7, slope=1.4)
    strata = fractal(rng, 512, 4, cells=1, slope=0.9)[:, :1] if kind == "banded" else wobble[:, :1]
    off = np.abs(x / stage.aspect - middle)
    line = gap / 2 + slant * (1.0 - down) ** (2.0 if kind != "banded" else 1.3)
    steps = np.round(down * 9) / 9 if kind == "banded" else down
    edge = line + 0.02 * sample(wobble, x * 0 + 20 * np.sign(x / stage.aspect - middle), steps * 170)
    if kind == "cave":
        ring = np.hypot(off / (0.5 * gap + slant), (down - 0.62) / 0.5)
        turn = np.arctan2(off, down - 0.6)
        depth = ring - 1.0 - 0.10 * sample(wobble, turn * 40, turn * 13)
    else:
        depth = (off - edge) * 2.4
    alpha = smoothstep(-1.2 / stage.height, 1.2 / stage.height, depth)
    fine = sample(wobble, x * 170, down * 260)
    if kind == "banded":
        level = down * 300 + 9 * sample(wobble, x * 25, down * 30)
        tone = sample(np.repeat(strata, 8, 1), x * 0, level)
        texture = 0.55 * tone + 0.25 * fine
    elif kind == "basalt":
        column = np.abs(np.mod(x * 26 + 0.35 * sample(wobble, x * 40, down * 8), 1.0) - 0.5)
        texture = 3.2 * (column - 0.25) + 0.5 * fine - 1.2 * smoothstep(0.42, 0.5, column)
    else:
        texture = 0.7 * sample(wobble, x * 60 + 30 * down, down * 90) + 0.5 * fine
    faces = np.sign(middle - x / stage.aspect) * stage.light.side
    shade = np.clip(0.42 + 0.22 * faces + 0.17 * texture, 0.03, 1.0)
    albedo = ink(colour) * (1.0 + (0.16 if kind == "banded" else 0.09) * texture[..., None])
    if top > 0:
        crest = 0.016 * sample(wobble, x * 60, 0 * x) + 0.12 * np.exp(-np.maximum(depth, 0) / 0.16)
        below = down - top - as_field(crest)
        alpha = as_field(alpha * smoothstep(-1.2 / stage.height, 1.2 / stage.height, below))
        grass = smoothstep(0.05, 0.01, below + 0.02 * texture)
        albedo = albedo + (ink("#5c6e38") * (1 + 0.2 * fine[..., None]) - albedo) * grass[..., None]
        shade = shade + 0.25 * grass
    rim = np.exp(-np.maximum(depth, 0) / 0.05)
    distance = far * (0.4 + 1.8 * rim)
    colours = stage.light.lit(albedo, shade, distance)
    if kind == "cave":
        colours = colours * (0.16 + 0.84 * np.exp(-np.maximum(depth, 0) / 0.35))[..., None]
    return Still(layer_of(as_field(colours), as_field(alpha)))
