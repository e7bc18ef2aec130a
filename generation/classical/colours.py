"""Names for the colours of a group of pixels, as a person would call them: "dark blue", "white".

Colours are judged in CIELAB: without enough chroma a pixel is black, gray or white by its lightness; else
its hue angle decides, and whether it is dark.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

NEUTRAL_CHROMA = 12.0
"""CIELAB chroma below which a pixel has no hue that a person would name."""

DARK_LIGHTNESS = 45.0
"""CIELAB lightness (0 to 100) below which a hue goes by its dark name."""

NEUTRALS = ((18.0, "black"), (40.0, "dark gray"), (72.0, "gray"), (85.0, "light gray"), (101.0, "white"))
"""Names of pixels without hue below each lightness."""

HUES = (
    (20.0, "pink", "crimson"),
    (50.0, "red", "dark red"),
    (80.0, "orange", "brown"),
    (112.0, "yellow", "olive"),
    (165.0, "green", "dark green"),
    (230.0, "teal", "dark teal"),
    (312.0, "blue", "dark blue"),
    (335.0, "purple", "dark purple"),
    (360.0, "pink", "crimson"),
)
"""Bound of the CIELAB hue in degrees, name, name when dark. sRGB red lies at 40, yellow at 103, green at 136,
cyan at 196, blue at 306 and magenta at 328."""

NAMED_SHARE = 0.2
"""Share of the pixels for which a second colour is named."""


def name_colours(pixels: npt.NDArray[np.uint8]) -> str:
    """The one or two colours that cover most of the pixels, such as "dark blue and white".

    Args:
        pixels: uint8 RGB (N, 3), N >= 1.
    """
    lab = cv2.cvtColor(pixels.reshape(-1, 1, 3), cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)
    lightness, a, b = lab[:, 0] * (100 / 255), lab[:, 1] - 128, lab[:, 2] - 128
    hue_bounds, bright, dark = zip(*HUES, strict=True)
    neutral_bounds, neutral = zip(*NEUTRALS, strict=True)
    names = [*neutral, *bright, *dark]
    sector = np.searchsorted(np.array(hue_bounds), np.degrees(np.arctan2(b, a)) % 360, side="right")
    sector = np.minimum(sector, len(HUES) - 1)
    hued = len(neutral) + sector + np.where(lightness < DARK_LIGHTNESS, len(HUES), 0)
    plain = np.searchsorted(np.array(neutral_bounds), lightness, side="right")
    index = np.where(np.hypot(a, b) < NEUTRAL_CHROMA, plain, hued)
    counts = dict.fromkeys(names, 0)
    for name, count in zip(names, np.bincount(index, minlength=len(names)).tolist(), strict=True):
        counts[name] += count
    ranked = sorted(counts, key=lambda name: -counts[name])
    named = ranked[:2] if counts[ranked[1]] >= NAMED_SHARE * len(pixels) else ranked[:1]
    return " and ".join(named)
