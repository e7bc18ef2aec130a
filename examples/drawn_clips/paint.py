"""Anti-aliased shapes with soft shading, painted on a canvas of floats: what drawn clips are made of.

- World coordinates: y runs down, one unit is the height of the picture, x = 0 and y = 0 is its top left
  corner. A canvas is a window on the world, so a moving camera is a moving origin.
- A shape computes how much of each pixel it covers, and the surface normal of a body that bulges towards the
  viewer; a surface turns place and normal into colour.
- A canvas also keeps what has been covered at all (`alpha`): on an empty canvas that is the true mask of
  what was painted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

# float32 at run time; numpy's types widen float32 times float, which numpy itself does not.
Floats = npt.NDArray[np.floating[Any]]
Point = tuple[float, float]
Colour = tuple[float, float, float]

# From the surface towards the light: upper left, in front (unit length).
LIGHT = (-0.48, -0.56, 0.675)
_AMBIENT, _DIFFUSE = 0.56, 0.56


@dataclass(frozen=True)
class Patch:
    """A rectangle of a canvas.

    Attributes:
        rows: Its rows.
        columns: Its columns.
        x: float32 (1, w), world x of pixel centres.
        y: float32 (h, 1), world y of pixel centres.
    """

    rows: slice
    columns: slice
    x: Floats
    y: Floats


# What a surface looks like: (u, v, normal x, normal y) -> colours (h, w, 3). u and v run from -1 to 1 across
# the shape, in its own frame; the normal is in world directions.
Surface = Callable[[Floats, Floats, Floats, Floats], Floats]


class Canvas:
    """A picture being painted.

    Args:
        width: Pixels.
        height: Pixels.
        scale: Pixels in a world unit.
        origin: World coordinates of the top left corner.

    Attributes:
        image: float32 (H, W, 3) RGB, premultiplied by `alpha`; 1 is white.
        alpha: float32 (H, W), how much of each pixel has been painted.
    """

    def __init__(self, width: int, height: int, scale: float, origin: Point = (0.0, 0.0)) -> None:
        self.image: Floats = np.zeros((height, width, 3), np.float32)
        self.alpha: Floats = np.zeros((height, width), np.float32)
        self.scale = scale
        self.origin = origin

    def patch(self, left: float, top: float, right: float, bottom: float) -> Patch:
        """The part of a world rectangle, one pixel wider, that is on the canvas (maybe nothing)."""
        height, width = self.alpha.shape
        first_column = min(max(int((left - self.origin[0]) * self.scale) - 1, 0), width)
        last_column = min(max(int((right - self.origin[0]) * self.scale) + 2, first_column), width)
        first_row = min(max(int((top - self.origin[1]) * self.scale) - 1, 0), height)
        last_row = min(max(int((bottom - self.origin[1]) * self.scale) + 2, first_row), height)
        x = self.origin[0] + (np.arange(first_column, last_column, dtype=np.float32) + 0.5) / self.scale
        y = self.origin[1] + (np.arange(first_row, last_row, dtype=np.float32) + 0.5) / self.scale
        rows, columns = slice(first_row, last_row), slice(first_column, last_column)
        return Patch(rows, columns, x.astype(np.float32)[None], y.astype(np.float32)[:, None])

    def everywhere(self) -> Patch:
        """The whole canvas."""
        height, width = self.alpha.shape
        x, y = self.origin
        return self.patch(x, y, x + width / self.scale, y + height / self.scale)

    def blend(self, patch: Patch, cover: Floats, colour: Floats | Colour) -> None:
        """Lays a colour over a patch, where `cover` is float32 (h, w) from 0 to 1."""
        opacity = cover[..., None]
        image = self.image[patch.rows, patch.columns]
        image += (np.asarray(colour, np.float32) - image) * opacity
        alpha = self.alpha[patch.rows, patch.columns]
        alpha += (1 - alpha) * cover

    def glow(self, centre: Point, radius: float, colour: Colour) -> None:
        """Adds light that fades to nothing at `radius`."""
        patch = self.patch(centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
        distance = ((patch.x - centre[0]) ** 2 + (patch.y - centre[1]) ** 2) / radius**2
        fade = np.clip(1 - distance, 0, None) ** 2
        self.image[patch.rows, patch.columns] += fade[..., None] * rgb(colour)


def lit(normal_x: Floats, normal_y: Floats) -> Floats:
    """Brightness of a matte surface in the common light, about 0.5 to 1.1."""
    depth = np.sqrt(np.clip(1 - normal_x**2 - normal_y**2, 0, 1))
    facing = normal_x * LIGHT[0] + normal_y * LIGHT[1] + depth * LIGHT[2]
    return np.asarray(_AMBIENT + _DIFFUSE * np.clip(facing, 0, None), np.float32)


def rgb(colour: Colour) -> Floats:
    """A colour as float32 (3,), to compute with."""
    return np.asarray(colour, np.float32)


def flat(colour: Colour) -> Surface:
    """A surface of one colour, unlit."""
    return lambda u, v, normal_x, normal_y: np.broadcast_to(rgb(colour), (*u.shape, 3))


def matte(colour: Colour) -> Surface:
    """A lit surface of one colour."""
    return lambda u, v, normal_x, normal_y: lit(normal_x, normal_y)[..., None] * rgb(colour)


def blob(
    canvas: Canvas, centre: Point, radii: Point, surface: Surface, *, angle: float = 0.0, roundness: int = 1
) -> None:
    """Paints an ellipse, or with more `roundness` a box with rounded corners.

    Args:
        canvas: What to paint on.
        centre: World coordinates.
        radii: Half width and half height in world units.
        surface: What it looks like.
        angle: Clockwise turn in radians.
        roundness: 1 is an ellipse, 2 a squircle, 3 nearly a box (superellipse of exponent 2 ** roundness).
    """
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    reach_x = abs(radii[0] * cosine) + abs(radii[1] * sine)
    reach_y = abs(radii[0] * sine) + abs(radii[1] * cosine)
    patch = canvas.patch(centre[0] - reach_x, centre[1] - reach_y, centre[0] + reach_x, centre[1] + reach_y)
    right, down = (
        patch.x - float(centre[0]),
        patch.y - float(centre[1]),
    )
    u = (right * cosine + down * sine) / radii[0]
    v = (down * cosine - right * sine) / radii[1]
    tilt_u, tilt_v = _odd_power(u, roundness), _odd_power(v, roundness)
    level = np.maximum(tilt_u * u + tilt_v * v, 1e-6)  # u ** n + v ** n
    root = level
    for _ in range(roundness):
        root = np.sqrt(root)
    slope = np.sqrt((tilt_u / radii[0]) ** 2 + (tilt_v / radii[1]) ** 2) * root / level
    distance = (root - 1) / np.maximum(slope, 1e-3)
    cover = np.clip(0.5 - distance * canvas.scale, 0, 1)
    colour = surface(u, v, tilt_u * cosine - tilt_v * sine, tilt_u * sine + tilt_v * cosine)
    canvas.blend(patch, cover, colour)


def limb(canvas: Canvas, start: Point, end: Point, radii: Point, surface: Surface) -> None:
    """Paints a tapering tube with round ends.

    Args:
        canvas: What to paint on.
        start: World coordinates.
        end: World coordinates.
        radii: Radius at the start and at the end.
        surface: What it looks like; u runs across, v from -1 at the start to 1 at the end.
    """
    reach = max(radii)
    patch = canvas.patch(
        min(start[0], end[0]) - reach,
        min(start[1], end[1]) - reach,
        max(start[0], end[0]) + reach,
        max(start[1], end[1]) + reach,
    )
    along_x, along_y = float(end[0] - start[0]), float(end[1] - start[1])
    right, down = patch.x - float(start[0]), patch.y - float(start[1])
    length_squared = along_x**2 + along_y**2
    place = np.clip((right * along_x + down * along_y) / length_squared, 0, 1)
    radius = radii[0] + place * (radii[1] - radii[0])
    normal_x, normal_y = (right - place * along_x) / radius, (down - place * along_y) / radius
    distance = np.sqrt(normal_x**2 + normal_y**2)
    cover = np.clip(0.5 - (distance - 1) * radius * canvas.scale, 0, 1)
    across = (normal_x * along_y - normal_y * along_x) / float(np.sqrt(length_squared))
    canvas.blend(patch, cover, surface(across, 2 * place - 1, normal_x, normal_y))


def area(canvas: Canvas, corners: Sequence[Point], colour: Colour, opacity: float = 1.0) -> None:
    """Paints a polygon of one colour.

    Args:
        canvas: What to paint on.
        corners: World coordinates, in order.
        colour: RGB.
        opacity: 0 to 1.
    """
    fine = 4  # subsamples a pixel and direction
    points = np.asarray(corners, np.float64)
    patch = canvas.patch(*points.min(axis=0), *points.max(axis=0))
    height, width = len(patch.y), len(patch.x[0])
    if not height or not width:
        return
    corner = np.array([patch.x[0, 0], patch.y[0, 0]]) - 0.5 / canvas.scale
    # 4 fractional bits; OpenCV's integer coordinates are pixel centres
    places = np.rint(((points - corner) * canvas.scale * fine - 0.5) * 16).astype(np.int32)
    cover = np.zeros((height * fine, width * fine), np.uint8)
    cv2.fillPoly(cover, [places], 255, shift=4)
    share = cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA)
    canvas.blend(patch, share.astype(np.float32) * np.float32(opacity / 255), colour)


def rectangle(
    canvas: Canvas, left: float, top: float, right: float, bottom: float, colour: Colour, opacity: float = 1.0
) -> None:
    """Paints an upright rectangle of one colour."""
    area(canvas, ((left, top), (right, top), (right, bottom), (left, bottom)), colour, opacity)


def turned(pivot: Point, offset: Point, angle: float) -> Point:
    """Where `offset` from `pivot` ends up when it is turned clockwise by `angle` radians."""
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    return pivot[0] + offset[0] * cosine - offset[1] * sine, pivot[1] + offset[0] * sine + offset[1] * cosine


def between(start: Point, end: Point, share: float) -> Point:
    """The point that lies `share` of the way from `start` to `end`."""
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def darker(colour: Colour, share: float = 0.80) -> Colour:
    """A colour at `share` of its brightness."""
    return colour[0] * share, colour[1] * share, colour[2] * share


def mottle(generator: np.random.Generator, size: tuple[int, int], cell: float) -> Floats:
    """Smooth random texture: float32 of `size` (height, width), about -1 to 1, features of `cell` pixels."""
    height, width = size
    texture: Floats = np.zeros(size, np.float32)
    for octave in range(3):
        step = max(cell / 2**octave, 1.0)
        corners = int(np.ceil(height / step)) + 1, int(np.ceil(width / step)) + 1
        grid = generator.uniform(-1, 1, corners).astype(np.float32)
        texture += np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)) / (
            1.2 * 2**octave
        )
    return texture


def _odd_power(values: Floats, roundness: int) -> Floats:
    """`values` to the power 2 ** roundness - 1, by multiplying (numpy's power takes ten times as long)."""
    power, factor = values, values
    for _ in range(roundness - 1):
        factor = factor * factor
        power = power * factor
    return power
