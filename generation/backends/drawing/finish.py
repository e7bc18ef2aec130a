"""The camera: from painted light to 8-bit pixels, the same way for every scene.

Bloom, tone shoulder, grade, style, defocus, upscale, vignette, grain: in this order. Grain is cut from one
fixed sheet at an offset that depends on the time alone, so frames can be made in any order.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.backends.drawing.canvas import Image
from sparkle.generation.backends.drawing.match import SceneSpec
from sparkle.generation.backends.drawing.noise import as_field, fractal

WHITE = 255.0  # levels of a picture's white
DEFOCUS = 1.15 / 720  # sigma over the frame's height: a lens focused on the person in front
GRAIN = 0.0055  # deviation of the grain, in 0..1
GRAIN_MARGIN = 64  # pixels the grain sheet is larger than the frame
VIGNETTE = 0.24  # darkening at the corners
BLOOM_SPREADS = (0.048, 0.14)  # of the height: the glow right around a light, and the veil
DAB_EDGE = 0.8  # how much the edges of dabs are sharpened, as wet paint gathers there
KNEE = 0.78  # brightness from which the tone curve bends
BLOOM_FROM = 0.82  # brightness above which light spreads
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601


@dataclass(frozen=True)
class Style:
    """How a style looks.

    Attributes:
        saturation: 1 keeps the colours, 0 is grey.
        contrast: Strength of the S curve.
        shadows: Colour added to black.
        lights: Gain of white.
        bloom: Strength of the bloom.
        grain: Multiplies the grain.
        dabs: Side of the median filter that merges detail into dabs, in 1/360 of the height; 0 for none.
        paper: Strength of the paper or canvas texture.
    """

    saturation: float = 1.08
    contrast: float = 0.12
    shadows: tuple[float, float, float] = (0.012, 0.014, 0.022)
    lights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bloom: float = 0.35
    grain: float = 1.0
    dabs: int = 0
    paper: float = 0.0


STYLES: dict[str, Style] = {
    "plain": Style(),
    "oil": Style(saturation=1.26, contrast=0.22, lights=(1.03, 1.0, 0.95), bloom=0.2, grain=0.6, dabs=7,
                 paper=0.022),
    "watercolour": Style(saturation=1.0, contrast=-0.08, shadows=(0.20, 0.195, 0.20), lights=(1.1, 1.1, 1.07),
                         bloom=0.25, grain=0.4, dabs=5, paper=0.030),
    "anime": Style(saturation=1.32, contrast=0.14, shadows=(0.02, 0.025, 0.05), lights=(1.02, 1.01, 1.02),
                   bloom=0.55, grain=0.35, dabs=3),
    "noir": Style(saturation=0.0, contrast=0.5, shadows=(0.0, 0.0, 0.0), bloom=0.45, grain=1.8),
    "cyberpunk": Style(saturation=1.25, contrast=0.22, shadows=(0.015, 0.01, 0.05), lights=(1.0, 0.94, 1.04),
                       bloom=0.7),
    "vintage": Style(saturation=0.68, contrast=0.06, shadows=(0.065, 0.045, 0.03), lights=(0.99, 0.92, 0.78),
                     bloom=0.3, grain=1.6),
    "fantasy": Style(saturation=1.2, contrast=0.12, shadows=(0.015, 0.02, 0.045), lights=(1.01, 1.0, 1.02),
                     bloom=0.65),
}  # fmt: skip


class Finish:
    """Turns painted frames into pictures.

    Args:
        spec: For its style.
        rng: For the grain and the paper.
        painted: (rows, columns) of the frames that come in.
        size: (rows, columns) of the pictures that go out.
    """

    def __init__(
        self, spec: SceneSpec, rng: np.random.Generator, painted: tuple[int, int], size: tuple[int, int]
    ) -> None:
        self._style = style = STYLES[spec.style]
        self._painted, self._size = painted, size
        self._matrix = _grade_matrix(style)
        self._vignette = _vignette(painted, 1.5 if spec.style in ("vintage", "noir") else 1.0)
        sheet = (size[0] + GRAIN_MARGIN, size[1] + GRAIN_MARGIN)
        white = rng.standard_normal(sheet, dtype=np.float32)
        grain = as_field(cv2.GaussianBlur(white, (0, 0), max(0.6, 0.8 * size[0] / 720)))
        grain *= np.float32(WHITE * GRAIN * style.grain) / grain.std()
        self._grain = as_field(cv2.merge([grain, grain, grain]))
        if style.paper:
            paper = fractal(rng, 256, 256, cells=24, slope=0.9)
            paper = as_field(cv2.resize(np.tile(paper, (2, 4)), painted[::-1], interpolation=cv2.INTER_AREA))
            self._vignette *= (1.0 + style.paper * paper)[..., None]
        self._vignette *= np.float32(WHITE)

    def picture(self, frame: Image, t: float) -> npt.NDArray[np.uint8]:
        """The finished uint8 (rows, columns, 3) RGB picture; `frame` is used up."""
        style = self._style
        _bloom(frame, style.bloom)
        _shoulder(frame)
        frame = as_field(cv2.transform(frame, self._matrix))
        _contrast(frame, style.contrast)
        if style.dabs:
            frame = _dabs(frame, style.dabs, self._painted[0])
        cv2.multiply(frame, self._vignette, dst=frame)  # and 0..1 becomes 0..255
        sigma = DEFOCUS * self._painted[0]
        frame = as_field(cv2.GaussianBlur(frame, (5, 5), max(sigma, 0.35)))
        if self._painted != self._size:
            frame = as_field(cv2.resize(frame, self._size[::-1], interpolation=cv2.INTER_CUBIC))
        row, col = _grain_offset(t)
        rows, cols = self._size
        grain = self._grain[row : row + rows, col : col + cols]
        return np.asarray(cv2.add(frame, grain, dtype=cv2.CV_8U), np.uint8)


def _grade_matrix(style: Style) -> npt.NDArray[np.float32]:
    """Saturation, gains and lifted shadows as one affine map, (3, 4)."""
    mix = style.saturation * np.eye(3, dtype=np.float32) + (1.0 - style.saturation) * LUMA[None]
    shadows, lights = np.array(style.shadows, np.float32), np.array(style.lights, np.float32)
    gains = (lights - shadows)[:, None] * mix
    return np.concatenate([gains, shadows[:, None]], axis=1).astype(np.float32)


def _vignette(painted: tuple[int, int], strength: float) -> Image:
    rows, cols = painted
    y, x = np.mgrid[0:rows, 0:cols].astype(np.float32)
    reach = 0.55 * ((x + 0.5) / cols * 2 - 1) ** 2 + 0.45 * ((y + 0.5) / rows * 2 - 1) ** 2
    fall = as_field(1.0 - VIGNETTE * strength * reach**1.5)
    return as_field(cv2.merge([fall, fall, fall]))


def _bloom(frame: Image, strength: float) -> None:
    rows, cols = frame.shape[:2]
    small = cv2.resize(frame, (max(1, cols // 4), max(1, rows // 4)), interpolation=cv2.INTER_AREA)
    np.maximum(small - np.float32(BLOOM_FROM), 0.0, out=small)
    near, far = (cv2.GaussianBlur(small, (0, 0), spread * rows / 4) for spread in BLOOM_SPREADS)
    big = cv2.resize(near + np.float32(0.6) * far, (cols, rows), interpolation=cv2.INTER_LINEAR)
    cv2.scaleAdd(big, strength, frame, dst=frame)


def _shoulder(frame: Image) -> None:
    """Rolls brightness above the knee off towards 1, so that lights keep their colour, in place."""
    span = np.float32(1.0 - KNEE)
    body = np.clip(frame, 0.0, np.float32(KNEE))
    above = np.maximum(frame - np.float32(KNEE), 0.0) * np.float32(-1.0 / span)
    np.subtract(body + span, span * cv2.exp(above), out=frame)


def _contrast(frame: Image, strength: float) -> None:
    """An S curve through black, middle and white, in place."""
    np.clip(frame, 0.0, 1.0, out=frame)
    bend = frame * (np.float32(1.0) - frame) * (np.float32(2.0) * frame - np.float32(1.0))
    frame += np.float32(2.0 * strength) * bend


def _dabs(frame: Image, side: int, rows: int) -> Image:
    """Merges detail into flat dabs with a median; in 8 bits, which flat dabs can bear."""
    odd = max(3, 2 * round(side * rows / 360 / 2 - 0.5) + 1)
    flat = as_field(cv2.medianBlur(cv2.convertScaleAbs(frame, alpha=255.0), odd)) * np.float32(1.0 / 255.0)
    soft = cv2.GaussianBlur(flat, (0, 0), 0.5 * odd)
    return np.clip(flat + np.float32(DAB_EDGE) * (flat - soft), 0.0, 1.0)


def _grain_offset(t: float) -> tuple[int, int]:
    """Where frame t cuts its grain from the sheet."""
    code = zlib.crc32(struct.pack("<q", round(t * 1000.0)))
    return code % GRAIN_MARGIN, (code >> 8) % GRAIN_MARGIN
