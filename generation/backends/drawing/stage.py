"""The stage that a scene is painted on: its size, its one light, its random stream, and how layers get on it.

- A layer function builds once and returns a `Draw`, which paints the layer as it is at `t` seconds on a
  float32 (h, w, 3) frame, in place. It keeps no state between frames, so any time can be asked for.
- `Light` is the one rule that ties the layers of a picture together: albedo times (ambient + key light), then
  mixed into the haze with distance (Koschmieder's law). `HOURS` are painted by eye after photographs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
from msgspec import Struct

from sparkle.generation.backends.drawing.canvas import Canvas, Colour, Image, rgb
from sparkle.generation.backends.drawing.noise import as_field, fractal

Draw: TypeAlias = Callable[[Image, float], None]
Hour = Literal[
    "dawn", "morning", "noon", "golden", "dusk", "night", "overcast", "storm", "indoor", "evening", "mars",
    "deep", "space", "paper",
]  # fmt: skip
Style = Literal[
    "plain", "oil", "watercolor", "ink", "papercut", "pixel", "pencil", "print", "anime", "noir", "neon",
    "vintage", "mosaic",
]  # fmt: skip


class Lighting(Struct, frozen=True, forbid_unknown_fields=True):
    """The one light of a recipe, and how its picture is finished.

    Attributes:
        hour: A row of `HOURS`.
        haze: Multiplies the density of the air.
        sun: Where the light comes from, 0 left to 1 right.
        height: Height of the sun or moon above the horizon as a share of the sky; the hour's when left out.
        style: How the picture is finished.
    """

    hour: Hour = "noon"
    haze: float = 1.0
    sun: float = 0.28
    height: float | None = None
    style: Style = "plain"


# Sky overhead, half-way, at the horizon; key light and gain; ambient and gain; height of the sun; cloud lit
# and in shade. Colours are 8-bit levels.
HOURS: dict[str, tuple[str, str, str, str, float, str, float, float, str, str]] = {
    "dawn": ("5c76ac", "ceacb2", "ffcd9e", "ffbe8c", 0.70, "9696b9", 0.52, 0.16, "ffceb4", "968aa8"),
    "morning": ("5c90ca", "b6cad6", "fde4b6", "ffdea4", 0.88, "a0aec2", 0.54, 0.42, "fff6e6", "b2c0d4"),
    "noon": ("2c70c4", "70ace2", "c8e2f0", "fff8e8", 0.92, "9eb6d6", 0.58, 1.7, "fffefa", "acbed4"),
    "golden": ("5684be", "cebea4", "ffd894", "ffce86", 0.95, "9294ac", 0.48, 0.20, "ffe4b0", "ac9296"),
    "dusk": ("222a5c", "8e547c", "ff9854", "ff9262", 0.34, "686294", 0.46, 0.06, "ff926a", "54406c"),
    "night": ("070b1e", "101b3c", "26385c", "96b2e8", 0.32, "405286", 0.42, 0.70, "3e4e76", "121930"),
    "overcast": ("8a98a8", "b4c0ca", "d2d8dc", "e6ebf0", 0.46, "b4bec8", 0.86, 1.5, "e8ecf0", "98a4b0"),
    "storm": ("2c3440", "4c5864", "8a949a", "c8d2dc", 0.42, "828e98", 0.74, 1.5, "7c8894", "2e3640"),
    "indoor": ("d8d0c0", "d8d0c0", "d8d0c0", "fff0d2", 0.55, "c8b89c", 0.52, 1.5, "ffffff", "cccccc"),
    "evening": ("40342e", "40342e", "40342e", "ffc888", 0.50, "967a62", 0.46, 1.5, "ffffff", "cccccc"),
    "mars": ("a8745a", "d09a70", "f0c494", "ffe2bc", 0.82, "c09070", 0.50, 0.42, "f0c8a0", "b88868"),
    "deep": ("3cb4d8", "1878b4", "0c4a84", "b4ebff", 0.60, "508cb4", 0.58, 1.7, "ffffff", "cccccc"),
    "space": ("03040c", "070818", "0a0c20", "e8ecff", 0.80, "303848", 0.50, 0.8, "404860", "101420"),
    "paper": ("ece4d2", "efe8d8", "f2ecde", "fffaf0", 0.55, "d8d2c6", 0.50, 0.62, "ffffff", "e6e0d4"),
}  # fmt: skip


def ink(text: str) -> Colour:
    """A colour from six hexadecimal digits, with or without `#`, as float32 (3,) in 0..1."""
    digits = text.removeprefix("#")
    return rgb(*(int(digits[place : place + 2], 16) for place in (0, 2, 4)))


@dataclass(frozen=True)
class Light:
    """The light of one scene; colours are float32 (3,), about 0..1, `sky` is (3, 3) from overhead down."""

    sky: Image
    key: Colour
    ambient: Colour
    haze: Colour
    density: float
    sun_x: float
    sun_y: float
    cloud_lit: Colour
    cloud_shade: Colour
    night: bool

    @property
    def side(self) -> float:
        """-1 when the light comes from the left, +1 from the right."""
        return -1.0 if self.sun_x < 0.5 else 1.0

    @property
    def warm(self) -> Colour:
        """The key light's colour at full strength."""
        return as_field(self.key / max(float(self.key.max()), 1e-3))

    def lit(self, albedo: Colour, shade: Colour | float = 0.7, distance: Colour | float = 0.0) -> Image:
        """The seen colour of a surface (..., 3): `shade` (...,) is the share of the key light on it."""
        light = self.ambient + self.key * np.asarray(shade, np.float32)[..., None]
        return self.hazed(np.asarray(albedo, np.float32) * light, distance)

    def hazed(self, colour: Colour, distance: Colour | float) -> Image:
        """A colour (..., 3) seen through air: 1 is the middle distance, 3 the far hills."""
        clear = np.exp(-self.density * np.asarray(distance, np.float32))[..., None]
        return as_field(np.asarray(colour, np.float32) * clear + self.haze * (1.0 - clear))


def make_light(look: Lighting, rng: np.random.Generator) -> Light:
    """The light of a look; `rng` jitters the palette a little, so that no two seeds share one."""
    *colours, key, key_gain, ambient, ambient_gain, sun, lit, shade = HOURS[look.hour]
    sky = np.stack([ink(str(each)) for each in colours]) * (1.0 + 0.03 * rng.standard_normal((3, 3)))
    return Light(
        sky=as_field(sky),
        key=as_field(ink(key) * key_gain),
        ambient=as_field(ink(ambient) * ambient_gain),
        haze=as_field(0.72 * sky[2] + 0.28 * sky[1]),
        density=0.42 * look.haze,
        sun_x=look.sun + float(rng.uniform(-0.05, 0.05)),
        sun_y=sun if look.height is None else look.height,
        cloud_lit=ink(lit),
        cloud_shade=ink(shade),
        night=look.hour in ("night", "space"),
    )


@dataclass(frozen=True)
class Stage:
    """What every layer function is given.

    Attributes:
        height: Rows painted (before the final upscale).
        width: Columns painted.
        light: The scene's light.
        rng: The layer's own random stream, so that no layer changes another.
    """

    height: int
    width: int
    light: Light
    rng: np.random.Generator

    @property
    def aspect(self) -> float:
        """Width over height: the right edge in drawing units."""
        return self.width / self.height

    def canvas(self) -> Canvas:
        """An empty canvas of the stage's size."""
        return Canvas(self.height, self.width)

    def grid(self, coarse: int = 1) -> tuple[Image, Image]:
        """Pixel centres (x, y) in drawing units, float32, of the picture or of one `coarse` times smaller."""
        rows, cols = -(-self.height // coarse), -(-self.width // coarse)
        y, x = np.mgrid[0:rows, 0:cols].astype(np.float32)
        unit = np.float32(coarse / self.height)
        return as_field((x + np.float32(0.5)) * unit), as_field((y + np.float32(0.5)) * unit)

    def row(self, y: float) -> int:
        """The pixel row of a height in drawing units, within the frame."""
        return int(np.clip(round(y * self.height), 0, self.height))

    def places(
        self, at: Sequence[Sequence[float]], count: int, y: tuple[float, float], size: tuple[float, float]
    ) -> list[tuple[float, float, float]]:
        """(x, y, size) in drawing units: those given as (share of the width, y, size), or `count` spread out.

        Those spread out stand one to a stripe, far ones (small) first.
        """
        if at:
            jitter = self.rng.uniform(-0.012, 0.012, len(at))
            return [
                ((x + j) * self.aspect, foot, tall) for (x, foot, tall), j in zip(at, jitter, strict=True)
            ]
        stripes = (self.rng.permutation(count) + self.rng.uniform(0.15, 0.85, count)) / max(count, 1)
        depth = np.sort(self.rng.random(count))
        return [
            (
                float(x * self.aspect),
                float(y[0] + d * (y[1] - y[0])),
                float(size[0] + d * (size[1] - size[0])),
            )
            for x, d in zip(stripes, depth, strict=True)
        ]


# --- putting layers on a frame ---------------------------------------------------------------------


def over(frame: Image, layer: Image, top: int = 0, left: int = 0) -> None:
    """Put a premultiplied (h, w, 4) layer on the frame at (top, left), clipped to it, in place."""
    up, aside = max(0, -top), max(0, -left)
    layer = layer[up : max(0, frame.shape[0] - top), aside : max(0, frame.shape[1] - left)]
    if not layer.size:
        return
    top, left = top + up, left + aside
    view = frame[top : top + layer.shape[0], left : left + layer.shape[1]]
    keep = cv2.cvtColor(np.float32(1.0) - layer[..., 3], cv2.COLOR_GRAY2RGB)
    cv2.multiply(view, keep, dst=view)
    cv2.add(view, cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB), dst=view)


def blend(frame: Image, colour: Image, alpha: Image) -> None:
    """Mix the frame towards a colour, (3,) or (h, w, 3), by alpha (h, w), in place."""
    target = colour if colour.ndim == 3 else np.array([*colour, 0.0], np.float64)  # OpenCV's scalar
    towards = cv2.subtract(target, frame)
    cv2.multiply(towards, cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB), dst=towards)
    cv2.add(frame, towards, dst=frame)


def bounds(alpha: Image, margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns that hold everything above zero, with a margin; one pixel when nothing is."""
    rows, cols = np.flatnonzero(alpha.max(axis=1) > 0), np.flatnonzero(alpha.max(axis=0) > 0)
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    top, bottom = max(0, int(rows[0]) - margin), min(alpha.shape[0], int(rows[-1]) + 1 + margin)
    left, right = max(0, int(cols[0]) - margin), min(alpha.shape[1], int(cols[-1]) + 1 + margin)
    return slice(top, bottom), slice(left, right)


def layer_of(colour: Image, alpha: Image) -> Image:
    """A premultiplied layer (h, w, 4) of a colour (h, w, 3) and its cover (h, w)."""
    return as_field(np.dstack([colour * alpha[..., None], alpha]))


class Still:
    """A layer that does not move: an opaque picture (h, w, 3) or a premultiplied layer (h, w, 4)."""

    def __init__(self, layer: Image) -> None:
        self._rows, self._cols = bounds(layer[..., 3]) if layer.shape[2] == 4 else (slice(None), slice(None))
        self._layer = np.ascontiguousarray(layer[self._rows, self._cols], np.float32)

    def __call__(self, frame: Image, t: float) -> None:
        """Put it on the frame."""
        if self._layer.shape[2] == 3:
            frame[:] = self._layer
        else:
            over(frame, self._layer, self._rows.start, self._cols.start)


def together(*draws: Draw) -> Draw:
    """Several draws as one layer."""

    def draw(frame: Image, t: float) -> None:
        for each in draws:
            each(frame, t)

    return draw


# --- motion ----------------------------------------------------------------------------------------


def flicker(rng: np.random.Generator, depth: float = 0.25, rate: float = 1.6) -> Callable[[float], float]:
    """A wavering brightness around 1: incommensurate sines, smooth at 16 frames a second."""
    phases = rng.uniform(0, 2 * np.pi, 4)
    rates = 2 * np.pi * rate * np.array([1.0, 1.73, 2.61, 0.37]) * rng.uniform(0.85, 1.15, 4)
    gains = depth * np.array([0.42, 0.27, 0.16, 0.35])
    return lambda t: float(1.0 + np.sin(rates * t + phases) @ gains)


def swaying(stage: Stage, layer: Image, reach: Image, *, flutter: float = 0.3, pace: float = 1.0) -> Draw:
    """A premultiplied layer that leans with the wind.

    A gust is a wave that runs along x; leaves flutter at their own phases. Both are a fixed map times a sine
    of time, so that a frame costs a few scaled additions and one remap.

    Args:
        stage: The stage; draws from its random stream.
        layer: float32 (h, w, 4) of the stage's size.
        reach: float32 (h, w) displacement in drawing units, zero where the layer is rooted.
        flutter: Share of the reach with which leaves move by themselves.
        pace: Multiplies the frequencies; large things are slow.
    """
    pixels = as_field(reach * np.float32(stage.height))
    rows, cols = bounds(layer[..., 3], 2 + math.ceil(1.2 * float(np.abs(pixels).max())))
    part, still = np.ascontiguousarray(layer[rows, cols]), np.ascontiguousarray(pixels[rows, cols])
    x, y = stage.grid()
    phase = (x + np.float32(0.25) * y)[rows, cols] * np.float32(2 * np.pi / 1.3)
    leaves = fractal(stage.rng, 128, 256, cells=22, slope=2.5, finest=0.16)
    leaves = as_field(cv2.resize(leaves, (stage.width, stage.height), interpolation=cv2.INTER_CUBIC))[
        rows, cols
    ]
    gust = (still * np.cos(phase), still * np.sin(phase))
    own = np.minimum(np.float32(flutter) * np.abs(still), np.float32(0.0065 * stage.height))
    shake = (own * np.cos(1.6 * leaves), own * np.sin(1.6 * leaves))
    down, across = (as_field(axis) for axis in np.mgrid[0 : part.shape[0], 0 : part.shape[1]])
    rate, offset = 2 * math.pi * 0.31 * pace, float(stage.rng.uniform(0, 2 * np.pi))

    def draw(frame: Image, t: float) -> None:
        beat = rate * t + offset
        dx = across - np.float32(0.45 * math.sin(0.43 * beat) + 0.12 * math.sin(2.9 * beat)) * still
        for (cos, sin), (gain, speed) in zip((gust, shake), ((0.55, 1.0), (1.0, 3.7)), strict=True):
            cv2.scaleAdd(cos, -gain * math.sin(speed * beat), dx, dst=dx)
            cv2.scaleAdd(sin, gain * math.cos(speed * beat), dx, dst=dx)
        dy = down + np.float32(0.6 * math.sin(3.1 * beat)) * shake[1]
        cv2.scaleAdd(shake[0], 0.6 * math.cos(3.4 * beat), dy, dst=dy)
        moved = cv2.remap(part, dx, dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        over(frame, as_field(moved), rows.start, cols.start)

    return draw


def glowing(stage: Stage, picture: Image, *, depth: float = 0.25, rate: float = 1.6) -> Draw:
    """Light (h, w, 3) that is added to the frame with a brightness that wavers."""
    rows, cols = bounds(picture.max(axis=2) - np.float32(1 / 1024), 1)
    light, shine = np.ascontiguousarray(picture[rows, cols]), flicker(stage.rng, depth, rate)

    def draw(frame: Image, t: float) -> None:
        view = frame[rows, cols]
        cv2.scaleAdd(light, max(0.0, shine(t)), view, dst=view)

    return draw


PANES = np.stack([ink("#ffd28a"), ink("#ffbe6e"), ink("#ffe8be"), ink("#bedcff")])  # light in windows


def window_light(stage: Stage, lit: Image, depth: float, rate: float) -> Draw:
    """Lit windows (h, w, 3) and their shine, wavering."""
    spread = cv2.GaussianBlur(lit, (0, 0), 0.012 * stage.height)
    return glowing(stage, as_field((lit + 0.6 * spread) * np.float32(0.95)), depth=depth, rate=rate)


def halo(
    stage: Stage, centre: tuple[float, float], radius: float, colour: Colour, core: float = 0.0
) -> Image:
    """A round glow, float32 (h, w, 3): exponential fall over `radius`, saturated within `core`."""
    x, y = stage.grid()
    reach = np.maximum(np.hypot(x - centre[0], y - centre[1]) - core, 0.0)
    return as_field(np.exp(-reach / radius)[..., None] * np.asarray(colour, np.float32))


def enlarge(small: Image, stage: Stage, coarse: int) -> Image:
    """A coarse raster at `coarse` times its size, cut to the stage's."""
    size = (small.shape[1] * coarse, small.shape[0] * coarse)
    return as_field(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))[: stage.height, : stage.width]


def sprite(stage: Stage, size: float, paint: Callable[[Canvas], None], *, mirrored: bool = False) -> Image:
    """A thing of size 1 with its foot at (0, 0), painted by itself: premultiplied, its foot in the middle."""
    side = max(8, round(3.2 * size * stage.height / 2) * 2)
    canvas = Canvas(side, side, unit=stage.height)
    middle = side / 2 / stage.height
    paint(canvas.at(middle, middle, size, mirrored=mirrored))
    return canvas.layer()


def put(frame: Image, picture: Image, x: float, y: float, *, turn: float = 0.0, squash: float = 1.0) -> None:
    """Put a sprite with its foot at (x, y) in pixels, turned by radians about it, in place."""
    side = picture.shape[0]
    left, top = math.floor(x - side / 2), math.floor(y - side / 2)
    if left > frame.shape[1] or top > frame.shape[0] or left + side < 0 or top + side < 0:
        return
    cos, sin, middle = math.cos(turn), math.sin(turn), side / 2
    matrix = np.array([[cos, -sin * squash, 0.0], [sin, cos * squash, 0.0]])
    matrix[:, 2] = (x - left, y - top) - matrix[:, :2] @ (middle, middle)
    moved = cv2.warpAffine(picture, matrix, (side + 1, side + 1), flags=cv2.INTER_LINEAR)
    moved = as_field(moved)
    rows, cols = bounds(moved[..., 3])
    over(frame, moved[rows, cols], top + rows.start, left + cols.start)
