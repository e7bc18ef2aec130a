"""Light and colour of a scene, from its time of day, season and weather.

- `TIMES` is a table of skies and lights, in 8-bit levels, painted by eye after photographs of each hour.
- Weather mixes every colour towards its own grey; season chooses the greens; the seed moves all a little,
  so that no two scenes share a palette.
- Everything outdoors is lit by `Mood.lit`: albedo times (ambient + key light), then mixed into the haze
  with distance (Koschmieder's law). That one rule is what ties the layers of a picture together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparkle.generation.backends.drawing.canvas import Colour, rgb
from sparkle.generation.backends.drawing.match import SceneSpec

Array3 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Hour:
    """One row of the table: colours in 8-bit levels, gains relative to white.

    Attributes:
        top: Sky overhead.
        middle: Sky half-way down.
        low: Sky at the horizon.
        key: Sun or moon light.
        key_gain: Its strength.
        ambient: Light from the sky.
        ambient_gain: Its strength.
        sun: Height of the sun or moon above the horizon, as a fraction of the sky.
        glow: Strength of the halo around it.
        lamps: How much artificial light shows, 0..1.
        cloud_lit: Sunlit side of a cloud.
        cloud_shade: Its other side.
    """

    top: tuple[int, int, int]
    middle: tuple[int, int, int]
    low: tuple[int, int, int]
    key: tuple[int, int, int]
    key_gain: float
    ambient: tuple[int, int, int]
    ambient_gain: float
    sun: float
    glow: float
    lamps: float
    cloud_lit: tuple[int, int, int]
    cloud_shade: tuple[int, int, int]


TIMES: dict[str, Hour] = {
    "dawn": Hour((92, 118, 172), (206, 172, 178), (255, 205, 158), (255, 190, 140), 0.70, (150, 150, 185),
                 0.52, 0.12, 0.8, 0.4, (255, 206, 180), (150, 138, 168)),
    "morning": Hour((92, 144, 202), (182, 202, 214), (253, 228, 182), (255, 222, 164), 0.88,
                    (160, 174, 194), 0.54, 0.42, 0.6, 0.0, (255, 246, 230), (178, 192, 212)),
    "noon": Hour((44, 112, 196), (112, 172, 226), (200, 226, 240), (255, 248, 232), 0.92, (158, 182, 214),
                 0.58, 1.7, 0.35, 0.0, (255, 254, 250), (172, 190, 212)),
    "golden": Hour((86, 132, 190), (206, 190, 164), (255, 216, 148), (255, 206, 134), 0.95, (146, 148, 172),
                   0.48, 0.26, 1.0, 0.15, (255, 228, 176), (172, 146, 150)),
    "twilight": Hour((34, 42, 92), (142, 84, 124), (255, 152, 84), (255, 146, 98), 0.30, (104, 98, 148), 0.44,
                     0.05, 0.75, 0.85, (255, 146, 106), (84, 64, 108)),
    "night": Hour((7, 11, 30), (16, 27, 60), (38, 56, 92), (150, 178, 232), 0.32, (64, 82, 134), 0.42,
                  0.70, 0.30, 1.0, (62, 78, 118), (18, 25, 48)),
}  # fmt: skip

# Foliage and grass albedos by season, 8-bit levels.
GREENS: dict[str, tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]] = {
    "spring": ([(120, 168, 62), (96, 150, 58), (150, 190, 84), (80, 132, 60)],
               [(112, 160, 62), (136, 176, 78), (94, 144, 58)]),
    "summer": ([(70, 122, 48), (52, 102, 44), (96, 142, 58), (44, 88, 46)],
               [(100, 134, 56), (124, 150, 70), (84, 118, 52)]),
    "autumn": ([(206, 112, 34), (186, 70, 30), (222, 158, 50), (150, 62, 30), (196, 138, 46)],
               [(168, 140, 66), (142, 122, 58), (186, 156, 84)]),
    "winter": ([(58, 84, 70), (46, 70, 62), (74, 98, 82)],
               [(150, 142, 116), (170, 164, 140), (126, 122, 104)]),
}  # fmt: skip

# Weather: share of its grey mixed into the sky, key gain, haze density, cloud cover.
WEATHERS: dict[str, tuple[float, float, float, float]] = {
    "clear": (0.0, 1.0, 1.0, 0.42),
    "cloudy": (0.55, 0.55, 1.3, 0.85),
    "fog": (0.28, 0.75, 2.2, 0.5),
    "rain": (0.68, 0.35, 1.9, 0.92),
    "storm": (0.78, 0.30, 1.8, 1.0),
}
STORM_GREY = {
    "clear": 1.0,
    "cloudy": 0.92,
    "fog": 1.0,
    "rain": 0.78,
    "storm": 0.58,
}  # brightness of that grey


@dataclass(frozen=True)
class Mood:
    """The lighting of one scene; colours are float32 (3,), about 0..1.

    Attributes:
        sky: (3, 3) overhead, middle, horizon.
        key: Colour times strength of the sun or moon.
        ambient: Colour times strength of the sky's light.
        haze: What far things fade into.
        haze_density: Optical depth of one unit of distance.
        sun_x: Where the light comes from, 0 left to 1 right.
        sun_y: Its height, 0 at the horizon to 1 at the top.
        glow: Strength of the halo around the sun.
        lamps: How much artificial light shows, 0..1.
        cover: Cloud cover, 0..1.
        cloud_lit: Sunlit side of a cloud.
        cloud_shade: Its other side.
        night: Whether it is night: moon and stars instead of the sun.
        foliage: (k, 3) leaf albedos.
        grass: (k, 3) grass albedos.
        snow: Share of the ground under snow, 0..1.
    """

    sky: Array3
    key: Array3
    ambient: Array3
    haze: Array3
    haze_density: float
    sun_x: float
    sun_y: float
    glow: float
    lamps: float
    cover: float
    cloud_lit: Array3
    cloud_shade: Array3
    night: bool
    foliage: Array3
    grass: Array3
    snow: float

    @property
    def side(self) -> float:
        """-1 when the light comes from the left, +1 from the right."""
        return -1.0 if self.sun_x < 0.5 else 1.0

    def snowed(self, albedo: Colour, share: float = 0.85) -> Array3:
        """An albedo (..., 3) under the snow that lies, `share` of it covered in winter."""
        white = rgb(236, 242, 250)
        return np.asarray(np.asarray(albedo) + (white - np.asarray(albedo)) * (share * self.snow), np.float32)

    def lit(self, albedo: Colour, shade: Colour | float = 1.0, distance: Colour | float = 0.0) -> Array3:
        """The seen colour of a surface.

        Args:
            albedo: (..., 3) reflectance in 0..1.
            shade: (...,) share of the key light that falls on it, 0..1 (a little above for rims).
            distance: (...,) in units where 1 is the middle distance and 3 the far hills.

        Returns:
            float32 (..., 3).
        """
        light = self.ambient + self.key * np.asarray(shade, np.float32)[..., None]
        return self.hazed(np.asarray(albedo, np.float32) * light, distance)

    def hazed(self, colour: Colour, distance: Colour | float) -> Array3:
        """A colour (..., 3) seen through `distance` (...,) of air."""
        clear = np.exp(-self.haze_density * np.asarray(distance, np.float32))[..., None]
        return np.asarray(np.asarray(colour, np.float32) * clear + self.haze * (1.0 - clear), np.float32)


def mood(spec: SceneSpec, rng: np.random.Generator) -> Mood:
    """The lighting for a spec; `rng` jitters the palette and places the sun off centre."""
    hour = TIMES[spec.time_of_day]
    grey_share, key_gain, density, cover = WEATHERS[spec.weather]
    tint = (1.0 + 0.035 * rng.standard_normal((3, 3))).astype(np.float32)
    sky = np.stack([rgb(*hour.top), rgb(*hour.middle), rgb(*hour.low)]) * tint
    dim = STORM_GREY[spec.weather]
    sky = _grey(sky, grey_share, dim)
    key = rgb(*hour.key) * hour.key_gain * key_gain
    ambient = rgb(*hour.ambient) * (hour.ambient_gain * (1.0 + 0.35 * grey_share))
    haze = 0.72 * sky[2] + 0.28 * sky[1]
    leaves, grass = GREENS[spec.season]
    hue = (1.0 + 0.05 * rng.standard_normal(3)).astype(np.float32)
    sun_x = float(rng.uniform(0.16, 0.32))
    if rng.random() < 0.5:
        sun_x = 1.0 - sun_x
    return Mood(
        sky=sky.astype(np.float32),
        key=key,
        ambient=ambient.astype(np.float32),
        haze=haze.astype(np.float32),
        haze_density=0.42 * density,
        sun_x=sun_x,
        sun_y=float(hour.sun * rng.uniform(0.85, 1.15)),
        glow=hour.glow * (1.0 - 0.7 * grey_share),
        lamps=hour.lamps,
        cover=float(np.clip(cover * rng.uniform(0.85, 1.15), 0.0, 1.0)),
        cloud_lit=_grey(rgb(*hour.cloud_lit), grey_share, dim).astype(np.float32),
        cloud_shade=_grey(rgb(*hour.cloud_shade), grey_share, 0.92 * dim).astype(np.float32),
        night=spec.time_of_day == "night",
        foliage=np.stack([rgb(*c) for c in leaves]) * hue,
        grass=np.stack([rgb(*c) for c in grass]) * hue,
        snow=_snow_cover(spec),
    )


def _grey(colour: Array3, share: float, dim: float) -> Array3:
    """A colour (..., 3) mixed towards its own, slightly blue, grey."""
    grey = colour.mean(axis=-1, keepdims=True) * dim * rgb(250, 253, 258)
    return np.asarray(colour + (grey - colour) * np.float32(share), np.float32)


def _snow_cover(spec: SceneSpec) -> float:
    if spec.has("melting"):
        return 0.4
    return 1.0 if spec.season == "winter" else 0.0
