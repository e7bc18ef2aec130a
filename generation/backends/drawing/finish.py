"""The camera: from painted light to 8-bit pixels, and the hand of a style.

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
from sparkle.generation.backends.drawing.noise import as_field, fractal

WHITE = 255.0  # levels of a picture's white
DEFOCUS = 1.0 / 720  # sigma over the frame's height: a lens focused on the person in front
GRAIN = 0.0055  # deviation of the grain, in 0..1
GRAIN_MARGIN = 64  # pixels the grain sheet is larger than the frame
VIGNETTE = 0.22  # darkening at the corners
BLOOM_SPREADS = (0.048, 0.14)  # of the height: the glow right around a light, and the veil
KNEE, BLOOM_FROM = 0.78, 0.82  # brightness from which the tone curve bends, and above which light spreads
PIXEL_ROWS = 90  # rows of a picture in the style of an old game
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
PAPER = np.array([0.955, 0.925, 0.86], np.float32)


@dataclass(frozen=True)
class Hand:
    """How a style looks.

    Attributes:
        saturation: 1 keeps the colours, 0 is grey.
        contrast: Strength of the S curve.
        shadows: Colour added to black.
        lights: Gain of white.
        bloom: Strength of the bloom.
        grain: Multiplies the grain.
        dabs: Side of the median that merges detail into dabs, in 1/360 of the height; 0 for none.
        levels: Steps of brightness that are left; 0 for all.
        lines: Strength of dark outlines.
        relief: Strength of the light on the edges of paper sheets or of thick paint.
        paper: Strength of the paper's or canvas's texture.
        ink: Share of the picture that is ink on paper.
    """

    saturation: float = 1.10
    contrast: float = 0.14
    shadows: tuple[float, float, float] = (0.012, 0.014, 0.022)
    lights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bloom: float = 0.35
    grain: float = 1.0
    dabs: int = 0
    levels: int = 0
    lines: float = 0.0
    relief: float = 0.0
    paper: float = 0.0
    ink: float = 0.0


HANDS: dict[str, Hand] = {
    "plain": Hand(),
    "oil": Hand(
        saturation=1.30,
        contrast=0.24,
        lights=(1.03, 1.0, 0.95),
        bloom=0.2,
        grain=0.4,
        dabs=7,
        relief=1.5,
        paper=0.022,
    ),
    "watercolor": Hand(
        saturation=1.05,
        contrast=-0.08,
        shadows=(0.20, 0.195, 0.20),
        lights=(1.1, 1.1, 1.07),
        bloom=0.25,
        grain=0.3,
        dabs=7,
        lines=0.30,
        paper=0.045,
    ),
    "ink": Hand(saturation=1.1, contrast=0.2, bloom=0.0, grain=0.4, dabs=5, lines=0.25, paper=0.03, ink=0.92),
    "papercut": Hand(
        saturation=1.25, contrast=0.1, bloom=0.1, grain=0.3, dabs=7, levels=7, relief=2.6, paper=0.02
    ),
    "pixel": Hand(saturation=1.4, contrast=0.25, bloom=0.1, grain=0.0, levels=7),
    "pencil": Hand(saturation=0.15, contrast=0.0, bloom=0.0, grain=0.5, lines=1.4, paper=0.03, ink=0.75),
    "print": Hand(
        saturation=1.05,
        contrast=0.15,
        shadows=(0.08, 0.08, 0.09),
        lights=(1.0, 0.97, 0.9),
        bloom=0.0,
        grain=0.3,
        dabs=5,
        levels=7,
        lines=0.9,
        paper=0.03,
    ),
    "anime": Hand(
        saturation=1.38,
        contrast=0.16,
        shadows=(0.02, 0.025, 0.05),
        bloom=0.5,
        grain=0.3,
        dabs=3,
        levels=14,
        lines=0.22,
    ),
    "noir": Hand(saturation=0.0, contrast=0.4, shadows=(0.0, 0.0, 0.0), bloom=0.45, grain=1.8),
    "neon": Hand(
        saturation=1.3, contrast=0.22, shadows=(0.015, 0.01, 0.05), lights=(1.0, 0.94, 1.04), bloom=0.7
    ),
    "vintage": Hand(
        saturation=0.72,
        contrast=0.06,
        shadows=(0.065, 0.045, 0.03),
        lights=(0.99, 0.92, 0.78),
        bloom=0.3,
        grain=1.6,
    ),
    "mosaic": Hand(saturation=1.3, contrast=0.2, bloom=0.1, grain=0.2),
}


class Finish:
    """Turns painted frames into pictures.

    Args:
        style: A row of `HANDS`.
        rng: For the grain and the paper.
        painted: (rows, columns) of the frames that come in.
        size: (rows, columns) of the pictures that go out.
    """

    def __init__(
        self, style: str, rng: np.random.Generator, painted: tuple[int, int], size: tuple[int, int]
    ) -> None:
        self._hand = hand = HANDS[style]
        self._style = style
        self._painted, self._size = painted, size
        self._matrix = _grade_matrix(hand)
        self._vignette = _vignette(painted, 1.5 if style in ("vintage", "noir") else 1.0 - hand.ink)
        sheet = (size[0] + GRAIN_MARGIN, size[1] + GRAIN_MARGIN)
        grain = as_field(
            cv2.GaussianBlur(
                rng.standard_normal(sheet, dtype=np.float32), (0, 0), max(0.6, 0.8 * size[0] / 720)
            )
        )
        grain *= np.float32(WHITE * GRAIN * hand.grain) / grain.std()
        self._grain = as_field(cv2.merge([grain, grain, grain]))
        if hand.paper:
            paper = np.tile(fractal(rng, 256, 256, cells=24, slope=0.9), (2, 4))
            paper = as_field(cv2.resize(paper, painted[::-1], interpolation=cv2.INTER_AREA))
            self._vignette *= (1.0 + hand.paper * paper)[..., None]
        self._vignette *= np.float32(WHITE)

    def picture(self, frame: Image, t: float) -> npt.NDArray[np.uint8]:
        """The finished uint8 (rows, columns, 3) RGB picture; `frame` is used up."""
        hand, rows = self._hand, self._painted[0]
        _bloom(frame, hand.bloom)
        _shoulder(frame)
        frame = as_field(cv2.transform(frame, self._matrix))
        _contrast(frame, hand.contrast)
        if self._style in ("pixel", "mosaic"):
            return self._blocks(frame)
        if hand.dabs:
            frame = _dabs(frame, hand.dabs, rows)
        if hand.levels:
            frame = _steps(frame, hand.levels)
        if hand.relief:
            frame = _relief(frame, hand.relief, rows)
        if hand.ink:
            frame = _inked(frame, hand.ink)
        if hand.lines:
            frame = _outlined(frame, hand.lines, rows)
        cv2.multiply(frame, self._vignette, dst=frame)  # and 0..1 becomes 0..255
        frame = as_field(cv2.GaussianBlur(frame, (5, 5), max(DEFOCUS * rows, 0.35)))
        if self._painted != self._size:
            frame = as_field(cv2.resize(frame, self._size[::-1], interpolation=cv2.INTER_CUBIC))
        row, col = _grain_offset(t)
        grain = self._grain[row : row + self._size[0], col : col + self._size[1]]
        return np.asarray(cv2.add(frame, grain, dtype=cv2.CV_8U), np.uint8)

    def _blocks(self, frame: Image) -> npt.NDArray[np.uint8]:
        """Large square pixels of few levels, dithered; or tiles with joints."""
        rows = PIXEL_ROWS if self._style == "pixel" else 60
        size = (max(1, round(rows * self._size[1] / self._size[0])), rows)
        small = as_field(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
        if self._style == "pixel":
            bayer = (
                np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16
                - 0.47
            )
            pattern = np.tile(bayer, (rows // 4 + 1, size[0] // 4 + 1))[:rows, : size[0], None]
            steps = np.float32(self._hand.levels - 1)
            small = as_field(np.round(small * steps + pattern * 0.6) / steps)
        big = cv2.resize(np.clip(small * WHITE, 0, WHITE), self._size[::-1], interpolation=cv2.INTER_NEAREST)
        if self._style == "mosaic":
            y, x = np.mgrid[0 : self._size[0], 0 : self._size[1]]
            joint = ((x * size[0] % self._size[1]) < size[0]) | ((y * rows % self._size[0]) < 2 * rows)
            big = np.where(joint[..., None], 0.72 * big + 30, big)
        return np.asarray(cv2.convertScaleAbs(big), np.uint8)


def _grade_matrix(hand: Hand) -> npt.NDArray[np.float32]:
    """Saturation, gains and lifted shadows as one affine map, (3, 4)."""
    mix = hand.saturation * np.eye(3, dtype=np.float32) + (1.0 - hand.saturation) * LUMA[None]
    shadows, lights = np.array(hand.shadows, np.float32), np.array(hand.lights, np.float32)
    return np.concatenate([(lights - shadows)[:, None] * mix, shadows[:, None]], axis=1).astype(np.float32)


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
    """Roll brightness above the knee off towards 1, so that lights keep their colour, in place."""
    span = np.float32(1.0 - KNEE)
    body = np.clip(frame, 0.0, np.float32(KNEE))
    above = np.maximum(frame - np.float32(KNEE), 0.0) * np.float32(-1.0 / span)
    np.subtract(body + span, span * cv2.exp(above), out=frame)


def _contrast(frame: Image, strength: float) -> None:
    """Bend brightness by an S curve through black, middle and white, in place."""
    np.clip(frame, 0.0, 1.0, out=frame)
    bend = frame * (np.float32(1.0) - frame) * (np.float32(2.0) * frame - np.float32(1.0))
    frame += np.float32(2.0 * strength) * bend


def _dabs(frame: Image, side: int, rows: int) -> Image:
    """Merge detail into flat dabs with a median; in 8 bits, which flat dabs can bear."""
    odd = max(3, 2 * round(side * rows / 360 / 2 - 0.5) + 1)
    flat = as_field(cv2.medianBlur(cv2.convertScaleAbs(frame, alpha=255.0), odd)) * np.float32(1.0 / 255.0)
    soft = cv2.GaussianBlur(flat, (0, 0), 0.5 * odd)
    return np.clip(flat + np.float32(0.8) * (flat - soft), 0.0, 1.0)


def _luma(frame: Image) -> Image:
    return as_field(cv2.transform(frame, LUMA[None]))


def _steps(frame: Image, levels: int) -> Image:
    """Leave few levels of brightness, with soft steps, and the colours as they are."""
    luma = np.maximum(_luma(frame), np.float32(1e-3))
    scaled = luma * np.float32(levels)
    base = np.floor(scaled)
    part = np.clip((scaled - base - np.float32(0.5)) * np.float32(5.0) + np.float32(0.5), 0, 1)
    gain = as_field((base + part + np.float32(0.15)) / np.float32(levels)) / luma
    return as_field(np.clip(frame * cv2.merge([as_field(gain)] * 3), 0, 1))


def _relief(frame: Image, strength: float, rows: int) -> Image:
    """Light edges from above left, as those of paper sheets or of thick paint."""
    luma = cv2.GaussianBlur(_luma(frame), (0, 0), rows / 400)
    shift = max(1, round(rows / 200))
    moved = np.roll(luma, (shift, shift), axis=(0, 1))
    edge = np.clip((luma - moved) * np.float32(strength), -0.28, 0.22)
    return as_field(np.clip(frame * (np.float32(1.0) + cv2.merge([as_field(edge)] * 3)), 0, 1))


def _inked(frame: Image, share: float) -> Image:
    """Ink on paper: brightness becomes the wash, strong colours stay a little."""
    luma = np.clip(_luma(frame) * np.float32(1.12), 0, 1)
    wash = cv2.merge([luma] * 3) * PAPER
    strong = np.clip((frame.max(axis=2) - frame.min(axis=2) - np.float32(0.28)) * np.float32(4.0), 0, 1)
    keep = cv2.merge([as_field(np.float32(share) * (np.float32(1.0) - strong))] * 3)
    return as_field(frame + (wash - frame) * keep)


def _outlined(frame: Image, strength: float, rows: int) -> Image:
    """Draw dark lines where brightness changes at once."""
    luma = _luma(frame)
    near, wide = cv2.GaussianBlur(luma, (0, 0), rows / 420), cv2.GaussianBlur(luma, (0, 0), rows / 150)
    line = np.clip((wide - near - np.float32(0.018)) * np.float32(9.0 * strength), 0, 0.85)
    return as_field(frame * (np.float32(1.0) - cv2.merge([as_field(line)] * 3)))


def _grain_offset(t: float) -> tuple[int, int]:
    """Where the frame of a time cuts its grain from the sheet."""
    code = zlib.crc32(struct.pack("<q", round(t * 1000.0)))
    return code % GRAIN_MARGIN, (code >> 8) % GRAIN_MARGIN
