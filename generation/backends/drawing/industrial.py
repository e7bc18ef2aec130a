"""Works and wastelands: chimneys, towers and pipes against a burning haze; smoke, neon, embers."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, pick, rgb
from sparkle.generation.backends.drawing.land import crest, hill
from sparkle.generation.backends.drawing.light import Flame, Fog, Glow, halo
from sparkle.generation.backends.drawing.mood import Mood
from sparkle.generation.backends.drawing.motion import Flicker
from sparkle.generation.backends.drawing.noise import as_field
from sparkle.generation.backends.drawing.signs import NEON, sign
from sparkle.generation.backends.drawing.sky import Sky
from sparkle.generation.backends.drawing.smoke import Plume
from sparkle.generation.backends.drawing.stage import Cutout, Element, Stage

RUST = np.stack([rgb(128, 82, 58), rgb(104, 74, 60), rgb(142, 98, 68), rgb(92, 80, 76)])
STEEL = np.stack([rgb(96, 98, 102), rgb(80, 78, 80), rgb(112, 104, 96)])
FURNACE = rgb(255, 132, 40)  # the light of the smelters
MURK = rgb(232, 136, 58)  # the haze that it fills
FIRE_SKY = np.stack([rgb(96, 52, 40), rgb(196, 102, 48), rgb(255, 176, 84)])


def build(stage: Stage) -> list[Element]:
    """The elements of the scene, back to front."""
    stage = _burning(stage)
    rng, horizon = stage.rng, float(stage.rng.uniform(0.66, 0.72))
    elements: list[Element] = [Sky(stage, horizon, clouds=1.3)]
    fires = [
        (float(rng.uniform(0.2, 0.8)) * stage.aspect, horizon - float(rng.uniform(0.02, 0.06)))
        for _ in range(3)
    ]
    for place in fires:
        elements.append(Glow(halo(stage, place, 0.16, FURNACE * 0.55), Flicker(rng, depth=0.22, rate=0.9)))
    for k, distance in enumerate((1.7, 1.05, 0.5)):
        canvas = stage.canvas()
        line = crest(stage, horizon + 0.05 * k, 0.008, 6.0, slope=1.1)
        tops = _works(canvas, stage, horizon + 0.05 * k, distance, k)
        elements += [Plume(stage, top, 0.034 + 0.022 * k, 0.55 + 0.10 * k, 0.85) for top in tops]
        elements.append(Cutout(canvas.layer()))
        elements.append(Cutout(hill(stage, line, RUST[1] * 0.7, distance * 0.8, mist=0.2, rough=0.16)))
        elements.append(Fog(stage, horizon + 0.04 * k, 0.08, 0.40 - 0.10 * k, speed=0.04))
    elements += _flares(stage, horizon)
    elements += _wreckage(stage, horizon)
    return elements


def _burning(stage: Stage) -> Stage:
    """The stage under a sky lit by furnaces from below: all of it in a wasteland, less over a factory."""
    mood: Mood = stage.mood
    burn = 1.0 if stage.spec.kind == "wasteland" else 0.4
    night = 0.62 if mood.night else 1.0
    sky = mood.sky + (FIRE_SKY * (1.3 * night) - mood.sky) * (0.55 * burn)
    haze = mood.haze + (MURK * night - mood.haze) * (0.62 * burn)
    fire = (1.0 - 0.5 * burn) * mood.key + 0.20 * burn * FURNACE
    return replace(
        stage,
        mood=replace(
            mood,
            sky=as_field(sky),
            haze=as_field(haze),
            haze_density=max(0.75, mood.haze_density),
            key=as_field(fire),
            cloud_lit=as_field(mood.cloud_lit + (rgb(255, 190, 110) - mood.cloud_lit) * burn),
            cloud_shade=as_field(mood.cloud_shade + (rgb(120, 66, 48) - mood.cloud_shade) * burn),
            lamps=max(0.6, mood.lamps),
        ),
    )


def _works(
    canvas: Canvas, stage: Stage, base: float, distance: float, near: int
) -> list[tuple[float, float]]:
    """A row of plant; gives the mouths of its chimneys."""
    rng, tops = stage.rng, []
    x = -0.05
    while x < stage.aspect + 0.05:
        calm = 1.0 - (0.15, 0.35, 0.6)[near] * np.exp(-(((x / stage.aspect - 0.5) / 0.17) ** 2))
        tall = float(rng.uniform(0.12, 0.34)) * (0.75 + 0.3 * near) * calm
        wide = float(rng.uniform(0.05, 0.13)) * (0.7 + 0.35 * near)
        what = rng.integers(0, 5)
        if what == 0:
            tops.append(_chimney(canvas, stage, x, base, 1.5 * tall, 0.26 * wide, distance))
        elif what == 1:
            _tank(canvas, stage, x, base, 0.55 * tall, wide, distance)
        elif what == 2:
            _lattice(canvas, stage, x, base, 1.25 * tall, 0.5 * wide, distance)
        else:
            _hall(canvas, stage, x, base, 0.8 * tall, 1.2 * wide, distance)
        if rng.random() < 0.5:
            _pipe(
                canvas,
                stage,
                x,
                base - tall * float(rng.uniform(0.15, 0.6)),
                wide * float(rng.uniform(1.0, 2.2)),
                0.012 + 0.006 * near,
                distance,
            )
        x += wide * float(rng.uniform(0.7, 1.2))
    return tops[:3]


def _shaded(
    canvas: Canvas, stage: Stage, box: tuple[float, float, float, float], albedo: Colour, distance: float
) -> None:
    """A round upright body: strips from dark to lit across its width, hazier towards its foot."""
    left, top, right, bottom = box
    edges = np.linspace(0.0, 1.0, 8)
    for a, b in itertools.pairwise(edges):
        turn = 2.0 * (0.5 * (a + b)) - 1.0
        shade = np.clip(0.38 + 0.5 * turn * stage.mood.side - 0.3 * turn**2, 0.02, 1.0)
        for y in np.linspace(top, bottom, 5)[:-1]:
            drop = (bottom - top) / 4
            fade = distance + 0.35 * (y - top) / 0.35
            canvas.box(
                left + (right - left) * a,
                y,
                left + (right - left) * b + 0.0008,
                y + drop + 0.0008,
                stage.mood.lit(albedo, shade, fade),
            )


def _chimney(
    canvas: Canvas, stage: Stage, x: float, base: float, tall: float, wide: float, distance: float
) -> tuple[float, float]:
    albedo = pick(stage.rng, RUST, 1, 0.08, 0.03)[0]
    _shaded(canvas, stage, (x - wide / 2, base - tall, x + wide / 2, base + 0.05), albedo, distance)
    for share in (0.02, 0.10, 0.5):
        y = base - tall * (1 - share)
        canvas.box(
            x - 0.58 * wide, y, x + 0.58 * wide, y + 0.008, stage.mood.lit(albedo * 0.6, 0.3, distance)
        )
    return x, base - tall


def _tank(
    canvas: Canvas, stage: Stage, x: float, base: float, tall: float, wide: float, distance: float
) -> None:
    albedo = pick(stage.rng, STEEL, 1, 0.08, 0.03)[0]
    canvas.dabs(
        np.array([[x, base - tall]]),
        np.array([[wide / 2, 0.18 * wide]]),
        np.zeros(1),
        stage.mood.lit(albedo, 0.5, distance)[None],
    )
    _shaded(canvas, stage, (x - wide / 2, base - tall, x + wide / 2, base + 0.05), albedo, distance)
    for y in np.arange(base - tall, base, 0.03):
        canvas.box(x - wide / 2, y, x + wide / 2, y + 0.0025, stage.mood.lit(albedo * 0.55, 0.2, distance))


def _hall(
    canvas: Canvas, stage: Stage, x: float, base: float, tall: float, wide: float, distance: float
) -> None:
    """A hall with a saw-tooth roof, ribs, and broken windows of which some glow."""
    rng, mood = stage.rng, stage.mood
    albedo = pick(rng, RUST, 1, 0.08, 0.03)[0]
    top = base - tall
    teeth = int(rng.integers(1, 4))
    outline = [(x - wide / 2, base + 0.05)]
    for k in range(teeth):
        a = x - wide / 2 + wide * k / teeth
        outline += [(a, top), (a + 0.25 * wide / teeth, top - 0.3 * wide / teeth)]
    outline += [(x + wide / 2, top), (x + wide / 2, base + 0.05)]
    canvas.polygon(np.array(outline), mood.lit(albedo, 0.22, distance))
    for rib in np.linspace(x - wide / 2, x + wide / 2, 9):
        canvas.box(rib, top, rib + 0.0022, base + 0.05, mood.lit(albedo * 1.15, 0.5, distance))
    for y in np.arange(top + 0.03, base - 0.03, 0.055):
        for a in np.arange(x - 0.42 * wide, x + 0.36 * wide, 0.024):
            kind = rng.random()
            pane = (
                mood.lit(rgb(30, 26, 28), 0.2, distance)
                if kind < 0.65
                else mood.hazed(FURNACE * (0.5 + 0.5 * kind), 0.6 * distance)
            )
            canvas.box(a, y, a + 0.013, y + 0.022, pane)


def _lattice(
    canvas: Canvas, stage: Stage, x: float, base: float, tall: float, wide: float, distance: float
) -> None:
    """A girder tower, a little askew, with platforms."""
    ink = stage.mood.lit(pick(stage.rng, STEEL, 1, 0.08)[0], 0.2, distance)
    lean = float(stage.rng.normal(0, 0.03))
    levels = np.linspace(0.0, 1.0, 8)

    def at(side: float, level: float) -> tuple[float, float]:
        return x + lean * level + side * 0.5 * wide * (1 - 0.45 * level), base + 0.03 - tall * level

    for a, b in itertools.pairwise(levels):
        for side in (-1.0, 1.0):
            canvas.stroke(np.array([at(side, a), at(side, b)]), 0.0055, ink)
            canvas.stroke(np.array([at(side, a), at(-side, b)]), 0.003, ink)
        canvas.stroke(np.array([at(-1.15, b), at(1.15, b)]), 0.005, ink)


def _pipe(
    canvas: Canvas, stage: Stage, x: float, y: float, wide: float, thick: float, distance: float
) -> None:
    albedo = pick(stage.rng, RUST, 1, 0.1, 0.03)[0]
    for share, shade in ((1.0, 0.05), (0.72, 0.3), (0.34, 0.75)):
        middle = y - 0.5 * thick * (1 - share) * 0.6
        canvas.box(
            x,
            middle - 0.5 * share * thick,
            x + wide,
            middle + 0.5 * share * thick,
            stage.mood.lit(albedo, shade, distance),
        )
    for joint in np.arange(x, x + wide, 0.05):
        canvas.box(
            joint,
            y - 0.62 * thick,
            joint + 0.007,
            y + 0.62 * thick,
            stage.mood.lit(albedo * 0.75, 0.3, distance),
        )
    if stage.rng.random() < 0.6:
        canvas.box(x + wide - thick, y, x + wide, y + 0.16, stage.mood.lit(albedo * 0.8, 0.25, distance))


def _flares(stage: Stage, horizon: float) -> list[Element]:
    """Gas flares that burn on the far works."""
    rng = stage.rng
    elements: list[Element] = []
    for _ in range(2):
        place = (float(rng.uniform(0.12, 0.88)) * stage.aspect, horizon - float(rng.uniform(0.20, 0.32)))
        flicker = Flicker(rng, depth=0.25, rate=1.9)
        canvas = stage.canvas()
        canvas.stroke(
            np.array([[place[0], place[1]], [place[0], horizon + 0.05]]),
            0.006,
            stage.mood.lit(STEEL[0], 0.2, 1.2),
        )
        elements += [
            Cutout(canvas.layer()),
            Glow(halo(stage, place, 0.05, FURNACE * 0.6), flicker),
            Flame(stage, place, 0.075),
        ]
    return elements


def _wreckage(stage: Stage, horizon: float) -> list[Element]:
    """The foreground: big pipes and girders at the sides, rubble, neon that still works."""
    rng, mood = stage.rng, stage.mood
    canvas = stage.canvas()
    lights: list[Element] = []
    for side in (-1.0, 1.0):
        edge = stage.aspect * (0.5 + 0.5 * side)
        reach = float(rng.uniform(0.15, 0.23)) * min(stage.aspect, 1.78)
        for k in range(7):
            thick = float(rng.uniform(0.018, 0.060))
            x = edge - side * reach * (k + 0.5) / 7
            top = float(rng.uniform(0.05, 0.30)) + 0.25 * (k / 6) ** 2 * float(rng.uniform(0.3, 1.2))
            albedo = pick(rng, np.concatenate([RUST, STEEL]), 1, 0.08, 0.03)[0] * 1.1
            _shaded(canvas, stage, (x - thick / 2, top, x + thick / 2, 1.01), albedo, 0.08)
            for y in np.arange(top, 1.0, float(rng.uniform(0.10, 0.22))):
                canvas.box(
                    x - 0.62 * thick, y, x + 0.62 * thick, y + 0.014, mood.lit(albedo * 0.8, 0.25, 0.05)
                )
        for _ in range(2):
            y = float(rng.uniform(0.35, 0.85))
            start = edge - side * reach * 1.05
            _pipe(
                canvas, stage, min(start, edge), y, abs(edge - start), float(rng.uniform(0.022, 0.04)), 0.05
            )
        for k in range(3 if stage.spec.has("neon") or mood.night else 1):
            wide, high = float(rng.uniform(0.06, 0.085)), float(rng.uniform(0.11, 0.20))
            left = edge - side * reach * float(rng.uniform(0.35, 1.05)) - wide / 2
            y = 0.18 + 0.23 * k + float(rng.uniform(-0.03, 0.03))
            corners = np.array([[left, y + high], [left + wide, y + high], [left + wide, y], [left, y]])
            lights += sign(stage, canvas, corners, NEON[rng.integers(0, len(NEON))], fade=0.85)
    ground = hill(
        stage, crest(stage, 0.87, 0.018, 4.0, slope=1.5), RUST[1] * 0.55, 0.05, mist=-0.05, rough=0.2
    )
    rubble = stage.canvas()
    for _ in range(90):
        depth = rng.random()
        size = 0.010 + 0.035 * depth
        spot = np.array([rng.uniform(0, stage.aspect), 0.86 + 0.14 * depth])
        turn = np.sort(rng.uniform(0, 2 * np.pi, 6))
        stone = spot + size * rng.uniform(0.6, 1.1, (6, 1)) * np.stack(
            [np.cos(turn), 0.55 * np.sin(turn)], -1
        )
        tone = pick(rng, np.concatenate([RUST, STEEL]), 1, 0.12, 0.03)[0] * 0.7
        rubble.polygon(stone, mood.lit(tone, 0.08))
        rubble.polygon(
            stone * 0.85 + 0.15 * spot - [0, 0.16 * size], mood.lit(tone, float(rng.uniform(0.2, 0.5)))
        )
    return [Cutout(ground), Cutout(rubble.layer()), Cutout(canvas.layer()), *lights]
