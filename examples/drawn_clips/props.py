"""Things that stand, hang and grow in the scenes of drawn clips.

Everything is placed in world units (one is the height of the picture) and muted in colour, so that a bright
subject stands out everywhere.
"""

from __future__ import annotations

import numpy as np

from drawn_clips.paint import Canvas, Colour, Point, area, blob, flat, limb, matte, rectangle

# Muted spines of books and pottery.
_SPINES: tuple[Colour, ...] = (
    (0.24, 0.33, 0.42),
    (0.46, 0.50, 0.44),
    (0.60, 0.55, 0.44),
    (0.33, 0.27, 0.30),
    (0.70, 0.69, 0.62),
    (0.27, 0.42, 0.40),
)


def window(
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


def bookshelf(canvas: Canvas, left: float, top: float, right: float, generator: np.random.Generator) -> None:
    """Two boards with books and vases."""
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
                    matte(choose(generator, _SPINES)),
                    roundness=1,
                )
                x += 0.08
                continue
            width, height = float(generator.uniform(0.017, 0.032)), float(generator.uniform(0.10, 0.155))
            spine = choose(generator, _SPINES)
            rectangle(canvas, x, board - height, x + width, board, spine)
            rectangle(canvas, x, board - height, x + 0.3 * width, board, (1.0, 1.0, 1.0), 0.10)
            rectangle(
                canvas, x, board - 0.8 * height, x + width, board - 0.75 * height, (0.85, 0.80, 0.62), 0.6
            )
            x += width + 0.003
        rectangle(canvas, left, board, right, board + 0.022, wood)
        rectangle(canvas, left, board, right, board + 0.005, (0.62, 0.50, 0.40))


def floor_lamp(canvas: Canvas, x: float) -> None:
    """A lit standard lamp."""
    limb(canvas, (x, 0.36), (x, 0.88), (0.007, 0.007), matte((0.30, 0.28, 0.26)))
    blob(canvas, (x, 0.89), (0.07, 0.016), matte((0.28, 0.26, 0.24)))
    canvas.glow((x, 0.30), 0.42, (0.20, 0.16, 0.08))
    area(
        canvas, ((x - 0.05, 0.20), (x + 0.05, 0.20), (x + 0.085, 0.36), (x - 0.085, 0.36)), (0.93, 0.86, 0.68)
    )
    canvas.glow((x, 0.30), 0.11, (0.16, 0.12, 0.05))


def plant(canvas: Canvas, foot: Point, height: float, generator: np.random.Generator) -> None:
    """A pot of long leaves."""
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


def sunlight(canvas: Canvas, left: float) -> None:
    """The window's light on the wall: two soft slanting panes."""
    patch = canvas.patch(left - 0.2, 0.2, left + 0.6, 0.8)
    slanted = patch.x - left + 0.22 * (patch.y - 0.5)
    light = np.zeros((len(patch.y), patch.x.shape[1]), np.float32)
    for start in (0.0, 0.18):
        across = np.clip((slanted - start) / 0.03, 0, 1) * np.clip((start + 0.15 - slanted) / 0.03, 0, 1)
        light += across * np.clip((patch.y - 0.28) / 0.06, 0, 1) * np.clip((0.74 - patch.y) / 0.06, 0, 1)
    canvas.blend(patch, 0.16 * light, (1.0, 0.96, 0.84))


def blackboard(
    canvas: Canvas, left: float, top: float, right: float, bottom: float, generator: np.random.Generator
) -> None:
    """A framed menu in chalk."""
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


def bottle(canvas: Canvas, x: float, foot: float, generator: np.random.Generator) -> None:
    """A labelled bottle."""
    glass: tuple[Colour, ...] = (
        (0.24, 0.38, 0.33),
        (0.40, 0.33, 0.22),
        (0.32, 0.40, 0.46),
        (0.58, 0.60, 0.58),
    )
    colour, height = choose(generator, glass), float(generator.uniform(0.10, 0.14))
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


def hanging_lamp(canvas: Canvas, x: float, y: float) -> None:
    """A lit lamp on a cord from above."""
    limb(canvas, (x, -0.5), (x, y), (0.003, 0.003), flat((0.12, 0.12, 0.12)))
    canvas.glow((x, y + 0.06), 0.50, (0.24, 0.19, 0.11))
    area(
        canvas,
        ((x - 0.02, y - 0.01), (x + 0.02, y - 0.01), (x + 0.075, y + 0.06), (x - 0.075, y + 0.06)),
        (0.20, 0.23, 0.24),
    )
    blob(canvas, (x, y + 0.062), (0.072, 0.012), flat((0.98, 0.92, 0.74)))
    canvas.glow((x, y + 0.07), 0.12, (0.30, 0.25, 0.15))


def tree(canvas: Canvas, foot: Point, size: float, generator: np.random.Generator) -> None:
    """A trunk under a crown of round tufts."""
    x, y = foot
    limb(canvas, (x, y + 0.1), (x, y - 0.9 * size), (0.016, 0.010), matte((0.30, 0.25, 0.22)))
    blob(canvas, (x, y - 1.25 * size), (0.66 * size, 0.56 * size), matte((0.15, 0.27, 0.18)))
    for _ in range(80):
        turn, reach = float(generator.uniform(0, 6.28)), size * float(np.sqrt(generator.uniform(0, 0.5)))
        place = x + reach * np.cos(turn), y - 1.25 * size + 0.9 * reach * np.sin(turn)
        radius, tone = size * float(generator.uniform(0.10, 0.20)), float(generator.uniform(0.75, 1.2))
        blob(canvas, place, (radius, 0.8 * radius), matte((0.22 * tone, 0.38 * tone, 0.24 * tone)))


def choose(generator: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    """One of the colours."""
    return colours[int(generator.integers(len(colours)))]
