"""Three still scenes for drawn clips: a living room, a brick café and a garden.

- A scene fills whatever part of the world its canvas shows, so that a moving camera finds no edge. Things
  stand at fractions of the picture's aspect ratio.
- Colours stay muted and cool to middling; subjects are bright and warm, so that the two differ everywhere.
- Same generator state, same scene.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drawn_clips.paint import Canvas, Colour, Floats, area, mottle, rectangle
from drawn_clips.props import (
    blackboard,
    bookshelf,
    bottle,
    choose,
    floor_lamp,
    hanging_lamp,
    plant,
    sunlight,
    tree,
    window,
)

Scene = Callable[[Canvas, float, np.random.Generator], None]


def living_room(canvas: Canvas, aspect: float, generator: np.random.Generator) -> None:
    """A papered wall with a window, a bookshelf, a lamp and a wooden floor."""
    wall = choose(generator, ((0.64, 0.71, 0.69), (0.58, 0.66, 0.73), (0.69, 0.70, 0.64)))
    _wallpaper(canvas, wall, generator)
    _planks(canvas, 0.86, (0.50, 0.38, 0.27), generator)
    rectangle(canvas, -9, 0.80, 9, 0.862, (0.82, 0.82, 0.79))
    rectangle(canvas, -9, 0.80, 9, 0.806, (0.92, 0.92, 0.89))
    window(canvas, 0.06 * aspect, 0.10, 0.30 * aspect, 0.58, generator)
    bookshelf(canvas, 0.70 * aspect, 0.20, 0.94 * aspect, generator)
    floor_lamp(canvas, 0.635 * aspect)
    plant(canvas, (0.035 * aspect, 0.84), 0.26, generator)
    sunlight(canvas, 0.38 * aspect)


def brick_cafe(canvas: Canvas, aspect: float, generator: np.random.Generator) -> None:
    """A brick wall with a blackboard, hanging lamps, bottles on a board and a counter.

    No subject passes before lamps or plant: what stands out right beside one is cut out with it.
    """
    _bricks(
        canvas, choose(generator, ((0.45, 0.40, 0.39), (0.40, 0.42, 0.45), (0.50, 0.47, 0.43))), generator
    )
    blackboard(canvas, 0.07 * aspect, 0.24, 0.30 * aspect, 0.62, generator)
    rectangle(canvas, 0.66 * aspect, 0.385, 0.95 * aspect, 0.41, (0.36, 0.27, 0.20))
    rectangle(canvas, 0.66 * aspect, 0.41, 0.95 * aspect, 0.44, (0.1, 0.08, 0.07), 0.35)
    for place in np.linspace(0.68, 0.93, 9):
        bottle(canvas, float(place) * aspect, 0.385, generator)
    _planks(canvas, 0.84, (0.42, 0.31, 0.23), generator)
    rectangle(canvas, -9, 0.82, 9, 0.85, (0.30, 0.22, 0.17))
    rectangle(canvas, -9, 0.82, 9, 0.826, (0.55, 0.43, 0.33))
    plant(canvas, (0.05 * aspect, 0.83), 0.20, generator)
    for place in (0.17, 0.83):
        hanging_lamp(canvas, place * aspect, float(generator.uniform(0.10, 0.15)))


def garden(canvas: Canvas, aspect: float, generator: np.random.Generator) -> None:
    """A sky with clouds over hills, trees, a fence and a lawn."""
    _sky(canvas, generator)
    greens: tuple[Colour, ...] = ((0.47, 0.58, 0.60), (0.38, 0.52, 0.46), (0.30, 0.45, 0.34))
    for index, green in enumerate(greens):
        base, phase = 0.44 + 0.07 * index, float(generator.uniform(0, 6.28))
        x = np.linspace(-1.0, aspect + 1.0, 160)
        ridge = base - 0.05 * np.sin(2.1 * x + phase) - 0.022 * np.sin(5.3 * x + 2 * phase)
        area(canvas, [*zip(x.tolist(), ridge.tolist(), strict=True), (aspect + 1, 2), (-1, 2)], green)
    for place in (-0.10, 0.06, 0.20, 0.72, 0.84, 1.02):
        tree(canvas, (place * aspect, 0.66), float(generator.uniform(0.17, 0.25)), generator)
    _fence(canvas, generator)
    _lawn(canvas, 0.74, generator)


SCENES: tuple[Scene, ...] = (living_room, brick_cafe, garden)


def _paint_all(canvas: Canvas, colour: Floats) -> None:
    """Covers the whole canvas with per-pixel colours, float32 (H, W, 3)."""
    canvas.blend(canvas.everywhere(), np.ones_like(canvas.alpha), colour)


def _wallpaper(canvas: Canvas, colour: Colour, generator: np.random.Generator) -> None:
    whole = canvas.everywhere()
    stripes = 0.016 * np.tanh(6 * np.sin(whole.x * 70)) * np.ones_like(whole.y)
    diamonds = 0.02 * (np.cos(whole.x * 70 + whole.y * 42) * np.cos(whole.x * 70 - whole.y * 42) > 0.6)
    texture = 0.02 * mottle(generator, canvas.alpha.shape, cell=canvas.scale / 8)
    falloff = 1.10 - 0.20 * np.clip(whole.x / 1.8, -0.3, 1.3) - 0.12 * (whole.y - 0.4) ** 2
    shade = (falloff + stripes + diamonds + texture)[..., None]
    _paint_all(canvas, (shade * np.asarray(colour)).astype(np.float32))


def _bricks(canvas: Canvas, colour: Colour, generator: np.random.Generator) -> None:
    height, width, joint = 0.058, 0.155, 0.006
    whole = canvas.everywhere()
    row = np.floor(whole.y / height)
    along = whole.x / width + 0.5 * (row % 2)
    column = np.floor(along)
    edge_x = np.minimum(along - column, 1 - (along - column)) * width
    edge_y = np.minimum(whole.y / height - row, 1 - (whole.y / height - row)) * height
    inside = np.clip((np.minimum(edge_x, edge_y) - joint / 2) * canvas.scale / 1.5, 0, 1)
    tones = generator.uniform(-0.13, 0.13, (64, 64)).astype(np.float32)
    tone = tones[(row.astype(int) % 64), (column.astype(int) % 64)]
    rough = 0.05 * mottle(generator, canvas.alpha.shape, cell=canvas.scale / 40)
    light = 1.15 - 0.45 * np.clip(np.abs(whole.y - 0.25), 0, 1)
    brick = (1 + tone + rough)[..., None] * np.asarray(colour)
    mortar = (0.62 + rough)[..., None] * np.ones(3)
    mixed = mortar * (1 - inside[..., None]) + brick * inside[..., None]
    _paint_all(canvas, (mixed * light[..., None]).astype(np.float32))


def _sky(canvas: Canvas, generator: np.random.Generator) -> None:
    whole = canvas.everywhere()
    height = np.clip(whole.y / 0.5, 0, 1)[..., None] * np.ones_like(whole.x)[..., None]
    blue = np.asarray((0.40, 0.58, 0.80)) * (1 - height) + np.asarray((0.78, 0.86, 0.90)) * height
    rows, columns = canvas.alpha.shape
    flat_shapes = mottle(generator, (3 * rows, columns), cell=canvas.scale / 1.6)[::3]  # wider than high
    clouds = np.clip(2.4 * flat_shapes - 0.35, 0, 0.9)
    cover = (clouds * np.clip(1.2 - whole.y / 0.4, 0, 1))[..., None]
    _paint_all(canvas, (blue * (1 - cover) + np.asarray((0.96, 0.96, 0.97)) * cover).astype(np.float32))


def _planks(canvas: Canvas, top: float, colour: Colour, generator: np.random.Generator) -> None:
    """Boards towards the viewer, from `top` down."""
    patch = canvas.patch(-9, top, 9, 9)
    depth = 0.25 + np.clip(patch.y - top, 0, None)
    across = (patch.x - 0.9) / depth * 1.4
    board = np.floor(across)
    joint = np.clip(np.abs(across - board - 0.5) * 2 - 0.96, 0, 1) * 12
    tones = generator.uniform(-0.12, 0.12, 97).astype(np.float32)[board.astype(int) % 97]
    fibres = np.sin(across * 31 + 3 * np.sin(across * 7)) * 0.03
    texture = 0.05 * mottle(generator, (len(patch.y), patch.x.shape[1]), cell=canvas.scale / 30)
    shade = (1 + tones + fibres + texture) * (1 - 0.4 * np.clip(joint, 0, 1)) * (0.9 + 0.5 * (depth - 0.25))
    canvas.blend(
        patch, np.ones_like(shade, np.float32), (shade[..., None] * np.asarray(colour)).astype(np.float32)
    )


def _fence(canvas: Canvas, generator: np.random.Generator) -> None:
    for rail in (0.63, 0.71):
        rectangle(canvas, -9, rail, 9, rail + 0.017, (0.66, 0.66, 0.63))
    for index in range(-14, 46):
        x, tone = 0.075 * index, 0.80 + float(generator.uniform(-0.06, 0.06))
        corners = ((x, 0.585), (x + 0.024, 0.56), (x + 0.048, 0.585), (x + 0.048, 0.79), (x, 0.79))
        area(canvas, corners, (tone * 0.97, tone * 0.97, tone * 0.94))
        rectangle(canvas, x + 0.037, 0.585, x + 0.048, 0.79, (0.3, 0.33, 0.33), 0.25)


def _lawn(canvas: Canvas, top: float, generator: np.random.Generator) -> None:
    patch = canvas.patch(-9, top, 9, 9)
    height, width = len(patch.y), patch.x.shape[1]
    coarse = mottle(generator, (height, width), cell=canvas.scale / 7)
    fine = generator.uniform(-1, 1, (height, width)).astype(np.float32)
    shade = 0.95 + 0.10 * coarse + 0.10 * fine + 0.4 * (patch.y - top)
    cover = np.clip((patch.y - top - 0.006 * coarse - 0.004 * fine) * canvas.scale, 0, 1)
    colour = shade[..., None] * np.asarray((0.34, 0.47, 0.27))
    canvas.blend(patch, np.broadcast_to(cover, shade.shape).astype(np.float32), colour.astype(np.float32))
