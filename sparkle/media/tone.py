"""Video of a high dynamic range (HLG, PQ) or of BT.2020's colours, as an ordinary screen shows it.

How it works
- A signal becomes light: by BT.2100's hybrid log-gamma on a screen of 1,000 cd/m2, by its perceptual
  quantiser, or by BT.1886 where only the colours are wide.
- Luminance of a high dynamic range is brought to that of BT.709 by ITU-R BT.2446-1, method C: linear up to
  skin, a logarithm above, and what would be brighter than white is white. A pixel's colours keep their ratio.
- Primaries change from BT.2020 to BT.709 (BT.2087), what BT.709 does not have is clipped, and light becomes a
  signal again by BT.1886.
- Curves are tables that are made in double precision, so that a clip is the same on every machine.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from sparkle.media import Pixels

_PQ, _HLG = 16, 18  # ITU-T H.273, transfer characteristics
_BT2020 = 9  # colour primaries

_WHITE = 100.0  # cd/m2 of BT.709's white
_LUMINANCE = (0.2627, 0.6780, 0.0593)  # of BT.2020's red, green and blue
_TO_BT709 = (
    (1.6605, -0.5876, -0.0728),
    (-0.1246, 1.1329, -0.0083),
    (-0.0182, -0.1006, 1.1187),
)
_GAMMA = 2.4  # BT.1886, on a screen whose black is black

_Deep = npt.NDArray[np.uint16]
_Light = npt.NDArray[np.float32]
_Curve = npt.NDArray[np.float64]


def wide(frame: VideoFrame) -> str | None:
    """Return what a frame has that an ordinary one has not: PQ, HLG or BT.2020; None of an ordinary one."""
    named = {_PQ: "PQ", _HLG: "HLG"}.get(int(frame.color_trc))
    return named or ("BT.2020" if int(frame.color_primaries) == _BT2020 else None)


def to_bt709(image: _Deep, signal: str) -> Pixels:
    """Return a picture as an ordinary screen shows it.

    Args:
        image: uint16 (H, W, 3) RGB of BT.2020, 65535 is the strongest signal.
        signal: What `wide` says of its frame.

    Returns:
        uint8 (H, W, 3) RGB of BT.709.
    """
    light = _light(signal)[image]
    if signal != "BT.2020":
        red, green, blue = _LUMINANCE
        luminance = red * light[..., 0] + green * light[..., 1] + blue * light[..., 2]
        light *= np.interp(luminance, *_gains(signal)).astype(np.float32)[..., None]
    shown = np.empty(light.shape, np.float32)
    for row, (red, green, blue) in enumerate(_TO_BT709):
        shown[..., row] = red * light[..., 0] + green * light[..., 1] + blue * light[..., 2]
    return _signal()[(np.clip(shown, 0, 1) * 65535 + 0.5).astype(np.uint16)]


@cache
def _light(signal: str) -> _Light:
    """Light of every signal, 1 is the brightest (of HLG: of the scene)."""
    value: _Curve = np.arange(65536) / 65535
    if signal == "PQ":  # BT.2100, table 4
        root = value ** (32 / 2523)
        over = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
        light = over ** (16384 / 2610)
    elif signal == "HLG":  # table 5
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    else:
        light = value**_GAMMA
    return light.astype(np.float32)


@cache
def _gains(signal: str) -> tuple[_Curve, _Curve]:
    """Luminance in units of `_light`, and what it is multiplied by to be BT.709's, 1 is white."""
    luminance = np.maximum(_light(signal).astype(np.float64), 1e-9)
    nits = 10_000 * luminance if signal == "PQ" else 1000 * luminance**1.2
    gains = curve(nits) / _WHITE / luminance
    gains[gains > 1 / luminance] = (1 / luminance)[gains > 1 / luminance]
    return luminance, gains


def curve(nits: _Curve) -> _Curve:
    """Return the luminance of BT.709 for one of a high dynamic range, both in cd/m2 (BT.2446-1, method C)."""
    k1, k2, k3, k4 = 0.83802, 15.09968, 0.74204, 78.99439
    knee = 58.5 / k1
    above: _Curve = k2 * np.log(np.maximum(nits / knee, 1) - k3) + k4
    return np.where(nits < knee, k1 * nits, above)


@cache
def _signal() -> Pixels:
    """The signal of every light of a channel."""
    return np.rint(255 * (np.arange(65536) / 65535) ** (1 / _GAMMA)).astype(np.uint8)
