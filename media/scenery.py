"""Three still scenes for drawn clips: a living room, a brick café and a garden.

- A scene fills whatever part of the world its canvas shows, so that a moving camera finds no edge. Things
  stand at fractions of the picture's aspect ratio.
- Colours stay muted and cool to middling; subjects are bright and warm, so that the two differ everywhere.
- Same generator state, same scene.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparkle.media.paint import (
    Canvas,
    Colour,
    Floats,
    area,
    blob,
    flat,
    grain,
    limb,
    matte,
    rectangle,
)

# Muted spines of books and pottery.
_SPINES: tuple[Colour, ...] = (
    (0.24, 0.33, 0.42),
    (0.46, 0.50, 0.44),
    (0.60, 0.55, 0.44),
    (0.33, 0.27, 0.30),
    (0.70, 0.69, 0.62),
    (0.27, 0.42, 0.40),
)

Scene = Callable[[Canvas, float, np.random.Generator], None]


def living_room(canvas: Canvas, aspect: float, generator: np.random.Generator) -> None:
    """A papered wall with a window, a bookshelf, a lamp and a wooden floor."""
    wall = _choose(generator, ((0.64, 0.71, 0.69), (0.58, 0.66, 0.73), (0.69, 0.70, 0.64)))
    _wallpaper(canvas, wall, generator)
    _planks(canvas, 0.86, (0.50, 0.38, 0.27), generator)
    rectangle(canvas, -9, 0.80, 9, 0.862, (0.82, 0.82, 0.79))
    rectangle(canvas, -9, 0.80, 9, 0.806, (0.92, 0.92, 0.89))
    _window(canvas, 0.06 * aspect, 0.10, 0.30 * aspect, 0.58, generator)
    _bookshelf(canvas, 0.70 * aspect, 0.20, 0.94 * aspect, generator)
    _floor_lamp(canvas, 0.635 * aspect)
    _plant(canvas, (0.035 * aspect, 0.84), 0.26, generator)
    _sunlight(canvas, 0.38 * aspect)


def brick_cafe(canvas: Canvas, aspect: float, generator: np.random.Generator) -> None:
    """A brick wall with a blackboard, hanging lamps, bottles on a board and a counter."""
    _bricks(
        canvas, _choose(generator, ((0.45, 0.40, 0.39), (0.40, 0.42, 0.45), (0.50, 0.47, 0.43))), generator
    )
    _blackboard(canvas, 0.07 * aspect, 0.24, 0.30 * aspect, 0.62, generator)
    rectangle(canvas, 0.66 * aspect, 0.385, 0.95 * aspect, 0.41, (0.36, 0.27, 0.20))
    rectangle(canvas, 0.66 * aspect, 0.41, 0.95 * aspect, 0.44, (0.1, 0.08, 0.07), 0.35)
    for place in np.linspace(0.68, 0.93, 9):
        _bottle(canvas, float(place) * aspect, 0.385, generator)
    _planks(canvas, 0.84, (0.42, 0.31, 0.23), generator)
    rectangle(canvas, -9, 0.82, 9, 0.85, (0.30, 0.22, 0.17))
    rectangle(canvas, -9, 0.82, 9, 0.826, (0.55, 0.43, 0.33))
    _plant(canvas, (0.90 * aspect, 0.83), 0.20, generator)
    for place in (0.17, 0.5, 0.81):
        _hanging_lamp(canvas, place * aspect, float(generator.uniform(0.10, 0.15)))


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
        _tree(canvas, (place * aspect, 0.66), float(generator.uniform(0.17, 0.25)), generator)
    _fence(canvas, generator)
    _lawn(canvas, 0.74, generator)


SCENES: tuple[Scene, ...] = (living_room, brick_cafe, garden)


def _choose(generator: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(generator.integers(len(colours)))]


def _paint_all(canvas: Canvas, colour: Floats) -> None:
    """Covers the whole canvas with per-pixel colours, float32 (H, W, 3)."""
    canvas.blend(canvas.everywhere(), np.ones_like(canvas.alpha), colour)


def _wallpaper(canvas: Canvas, colour: Colour, generator: np.random.Generator) -> None:
    whole = canvas.everywhere()
    stripes = 0.016 * np.tanh(6 * np.sin(whole.x * 70)) * np.ones_like(whole.y)
    diamonds = 0.02 * (np.cos(whole.x * 70 + whole.y * 42) * np.cos(whole.x * 70 - whole.y * 42) > 0.6)
    texture = 0.02 * grain(generator, *canvas.alpha.shape, cell=canvas.scale / 8)
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
    rough = 0.05 * grain(generator, *canvas.alpha.shape, cell=canvas.scale / 40)
    light = 1.15 - 0.45 * np.clip(np.abs(whole.y - 0.25), 0, 1)
    brick = (1 + tone + rough)[..., None] * np.asarray(colour)
    mortar = (0.62 + rough)[..., None] * np.ones(3)
    mixed = mortar * (1 - inside[..., None]) + brick * inside[..., None]
    _paint_all(canvas, (mixed * light[..., None]).astype(np.float32))


def _sky(canvas: Canvas, generator: np.random.Generator) -> None:
    whole = canvas.everywhere()
    height = np.clip(whole.y / 0.5, 0, 1)[..., None] * np.ones_like(whole.x)[..., None]
    blue = np.asarray((0.40, 0.58, 0.80)) * (1 - height) + np.asarray((0.78, 0.86, 0.90)) * height
    clouds = np.clip(2.2 * grain(generator, *canvas.alpha.shape, cell=canvas.scale / 3.2) - 0.25, 0, 0.85)
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
    texture = 0.05 * grain(generator, *patch.y.shape[:1], patch.x.shape[1], cell=canvas.scale / 30)
    shade = (1 + tones + fibres + texture) * (1 - 0.4 * np.clip(joint, 0, 1)) * (0.9 + 0.5 * (depth - 0.25))
    canvas.blend(
        patch, np.ones_like(shade, np.float32), (shade[..., None] * np.asarray(colour)).astype(np.float32)
    )


def _window(
    canvas: Canvas, left: float, top: float, right: float, bottom: float, generator: np.random.Generator
) -> None:
    """A bright view behind bars, a sill and curtains."""
    frame: Colour = (0.90, 0.91, 0.90)
    rectangle(canvas, left - 0.03, top - 0.03, right + 0.03, bottom + 0.03, (0.3, 0.33, 0.34), 0.35)
    rectangle(canvas, left - 0.022, top - 0.022, right + 0.022, bottom + 0.022, frame)
    patch = canvas.patch(left, top, right, bottom)
    height = np.clip((patch.y - top) / (bottom - top), 0, 1)[..., None] * np.ones_like(patch.x)[..., None]
    view = np.asarray((0.60, 0.77, 0.93)) * (1 - height) + np.asarray((0.95, 0.95, 0.90)) * height
    cover = ((patch.x >= left) & (patch.x <= right) & (patch.y >= top) & (patch.y <= bottom)).astype(
        np.float32
    )
    canvas.blend(patch, cover, view.astype(np.float32))
    for green, rise in (((0.55, 0.68, 0.62), 0.30), ((0.42, 0.58, 0.45), 0.17)):
        x = np.linspace(left, right, 40)
        hills = bottom - (bottom - top) * (rise + 0.07 * np.sin(14 * x + float(generator.uniform(0, 6))))
        area(canvas, [*zip(x.tolist(), hills.tolist(), strict=True), (right, bottom), (left, bottom)], green)
    middle, third = (left + right) / 2, top + (bottom - top) * 0.38
    rectangle(canvas, middle - 0.008, top, middle + 0.008, bottom, frame)
    rectangle(canvas, left, third - 0.007, right, third + 0.007, frame)
    rectangle(canvas, left - 0.05, bottom + 0.015, right + 0.05, bottom + 0.045, (0.93, 0.93, 0.91))
    rectangle(canvas, left - 0.05, bottom + 0.045, right + 0.05, bottom + 0.062, (0.35, 0.38, 0.38), 0.4)
    limb(
        canvas,
        (left - 0.12, top - 0.06),
        (right + 0.12, top - 0.06),
        (0.009, 0.009),
        matte((0.36, 0.30, 0.26)),
    )
    for start, end in ((left - 0.11, left + 0.035), (right - 0.035, right + 0.11)):
        _curtain(canvas, start, end, top - 0.055, bottom + 0.13)


def _curtain(canvas: Canvas, left: float, right: float, top: float, bottom: float) -> None:
    patch = canvas.patch(left, top, right, bottom)
    place = (patch.x - left) / (right - left)
    folds = np.sin(place * 21 + 0.7 * np.sin(patch.y * 5)) * np.ones_like(patch.y)
    shade = 0.86 + 0.13 * folds - 0.07 * np.cos(place * 43)
    hem = bottom + 0.006 * np.sin(place * 21)
    cover = np.clip((hem - patch.y) * canvas.scale, 0, 1) * np.clip((patch.y - top) * canvas.scale, 0, 1)
    cover = (
        cover
        * np.clip((patch.x - left) * canvas.scale, 0, 1)
        * np.clip((right - patch.x) * canvas.scale, 0, 1)
    )
    colour = shade[..., None] * np.asarray((0.74, 0.79, 0.78))
    canvas.blend(patch, (0.96 * cover).astype(np.float32), colour.astype(np.float32))


def _bookshelf(canvas: Canvas, left: float, top: float, right: float, generator: np.random.Generator) -> None:
    wood: Colour = (0.44, 0.34, 0.26)
    for board in (top + 0.17, top + 0.38):
        rectangle(canvas, left, board + 0.02, right, board + 0.05, (0.16, 0.18, 0.18), 0.30)
        x = left + 0.015
        while x < right - 0.05:
            if generator.random() < 0.16:
                blob(
                    canvas,
                    (x + 0.035, board - 0.04),
                    (0.028, 0.042),
                    matte(_choose(generator, _SPINES)),
                    roundness=1,
                )
                x += 0.08
                continue
            width, height = float(generator.uniform(0.017, 0.032)), float(generator.uniform(0.10, 0.155))
            spine = _choose(generator, _SPINES)
            rectangle(canvas, x, board - height, x + width, board, spine)
            rectangle(canvas, x, board - height, x + 0.3 * width, board, (1.0, 1.0, 1.0), 0.10)
            rectangle(
                canvas, x, board - 0.8 * height, x + width, board - 0.75 * height, (0.85, 0.80, 0.62), 0.6
            )
            x += width + 0.003
        rectangle(canvas, left, board, right, board + 0.022, wood)
        rectangle(canvas, left, board, right, board + 0.005, (0.62, 0.50, 0.40))


def _floor_lamp(canvas: Canvas, x: float) -> None:
    limb(canvas, (x, 0.36), (x, 0.88), (0.007, 0.007), matte((0.30, 0.28, 0.26)))
    blob(canvas, (x, 0.89), (0.07, 0.016), matte((0.28, 0.26, 0.24)))
    canvas.glow((x, 0.30), 0.42, (0.20, 0.16, 0.08))
    area(
        canvas, ((x - 0.05, 0.20), (x + 0.05, 0.20), (x + 0.085, 0.36), (x - 0.085, 0.36)), (0.93, 0.86, 0.68)
    )
    canvas.glow((x, 0.30), 0.11, (0.16, 0.12, 0.05))


def _plant(canvas: Canvas, foot: Point, height: float, generator: np.random.Generator) -> None:
    x, y = foot
    for _ in range(26):
        lean, reach = float(generator.normal(0, 0.5)), height * float(generator.uniform(0.55, 1.0))
        tip = x + reach * np.sin(lean), y - 0.2 * height - reach * np.cos(lean)
        middle = (x + tip[0]) / 2, (y - 0.2 * height + tip[1]) / 2 - 0.1 * abs(lean) * height
        tone = float(generator.uniform(0.75, 1.15))
        green = (0.20 * tone, 0.40 * tone, 0.27 * tone)
        limb(canvas, (x, y - 0.2 * height), middle, (0.004, 0.011), matte(green))
        limb(canvas, middle, tip, (0.011, 0.002), matte(green))
    blob(
        canvas, (x, y - 0.07 * height), (0.24 * height, 0.19 * height), matte((0.52, 0.54, 0.55)), roundness=2
    )


def _sunlight(canvas: Canvas, left: float) -> None:
    """The window's light, slanting over the wall."""
    for shift in (0.0, 0.19):
        x = left + shift
        area(
            canvas, ((x, 0.30), (x + 0.16, 0.34), (x + 0.10, 0.74), (x - 0.06, 0.68)), (1.0, 0.97, 0.86), 0.16
        )


def _blackboard(
    canvas: Canvas, left: float, top: float, right: float, bottom: float, generator: np.random.Generator
) -> None:
    rectangle(canvas, left + 0.01, top + 0.015, right + 0.03, bottom + 0.035, (0.05, 0.05, 0.05), 0.35)
    rectangle(canvas, left - 0.02, top - 0.02, right + 0.02, bottom + 0.02, (0.45, 0.36, 0.27))
    rectangle(canvas, left, top, right, bottom, (0.17, 0.21, 0.20))
    chalk = flat((0.78, 0.80, 0.77))
    middle = (left + right) / 2
    limb(canvas, (middle - 0.09, top + 0.055), (middle + 0.09, top + 0.05), (0.007, 0.006), chalk)
    for line in np.arange(top + 0.11, bottom - 0.03, 0.045):
        x, y = left + 0.03, float(line)
        end = right - 0.10 - float(generator.uniform(0, 0.05))
        while x < end:
            step = float(generator.uniform(0.015, 0.035))
            limb(
                canvas,
                (x, y),
                (x + step * 0.7, y + float(generator.uniform(-0.004, 0.004))),
                (0.004, 0.003),
                chalk,
            )
            x += step
        limb(canvas, (right - 0.055, y), (right - 0.03, y), (0.004, 0.004), chalk)


def _bottle(canvas: Canvas, x: float, foot: float, generator: np.random.Generator) -> None:
    glass: tuple[Colour, ...] = (
        (0.24, 0.38, 0.33),
        (0.40, 0.33, 0.22),
        (0.32, 0.40, 0.46),
        (0.58, 0.60, 0.58),
    )
    colour, height = _choose(generator, glass), float(generator.uniform(0.10, 0.14))
    limb(canvas, (x, foot - height), (x, foot - 0.4 * height), (0.007, 0.008), matte(colour))
    blob(canvas, (x, foot - 0.33 * height), (0.017, 0.34 * height), matte(colour), roundness=2)
    blob(canvas, (x, foot - 0.3 * height), (0.016, 0.14 * height), matte((0.78, 0.76, 0.68)), roundness=3)
    limb(
        canvas,
        (x - 0.008, foot - 0.6 * height),
        (x - 0.008, foot - 0.1 * height),
        (0.002, 0.002),
        flat((0.85, 0.88, 0.86)),
    )


def _hanging_lamp(canvas: Canvas, x: float, y: float) -> None:
    limb(canvas, (x, -0.5), (x, y), (0.003, 0.003), flat((0.12, 0.12, 0.12)))
    canvas.glow((x, y + 0.06), 0.50, (0.24, 0.19, 0.11))
    area(
        canvas,
        ((x - 0.02, y - 0.01), (x + 0.02, y - 0.01), (x + 0.075, y + 0.06), (x - 0.075, y + 0.06)),
        (0.20, 0.23, 0.24),
    )
    blob(canvas, (x, y + 0.062), (0.072, 0.012), flat((0.98, 0.92, 0.74)))
    canvas.glow((x, y + 0.07), 0.12, (0.30, 0.25, 0.15))


def _tree(canvas: Canvas, foot: Point, size: float, generator: np.random.Generator) -> None:
    x, y = foot
    limb(canvas, (x, y + 0.1), (x, y - 0.9 * size), (0.016, 0.010), matte((0.30, 0.25, 0.22)))
    for _ in range(70):
        turn, reach = float(generator.uniform(0, 6.28)), size * float(np.sqrt(generator.uniform(0, 0.5)))
        place = x + reach * np.cos(turn), y - 1.25 * size + 0.9 * reach * np.sin(turn)
        radius, tone = size * float(generator.uniform(0.10, 0.20)), float(generator.uniform(0.75, 1.2))
        blob(canvas, place, (radius, 0.8 * radius), matte((0.22 * tone, 0.38 * tone, 0.24 * tone)))


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
    coarse = grain(generator, height, width, cell=canvas.scale / 7)
    fine = generator.uniform(-1, 1, (height, width)).astype(np.float32)
    shade = 0.95 + 0.10 * coarse + 0.10 * fine + 0.4 * (patch.y - top)
    cover = np.clip((patch.y - top - 0.006 * coarse - 0.004 * fine) * canvas.scale, 0, 1)
    colour = shade[..., None] * np.asarray((0.34, 0.47, 0.27))
    canvas.blend(patch, np.broadcast_to(cover, shade.shape).astype(np.float32), colour.astype(np.float32))
