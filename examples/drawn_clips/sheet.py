"""A contact sheet of one sample: source, edited, mask overlay and edges at a few moments.

One look says whether a pair is good: is the subject whole, does it sit in the scene, does the mask hold,
do the edges follow both. Every row is one moment, every column one view.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.media.decode import decode
from sparkle.media.frames import resize
from sparkle.media.mask import load_mask

Image = npt.NDArray[np.uint8]

_COLUMNS = ("source", "edited", "mask", "edges")
_TILE_WIDTH = 320  # px: four columns fit a README
_MOMENTS = 3  # first, middle and last frame
_GAP = 4  # px between tiles
_LINE = 18  # px a line of the caption
_PAPER = np.array([24, 24, 27], np.uint8)
_INK = (228, 228, 231)
_DIM = (161, 161, 170)
_OVERLAY = np.array([236, 72, 153], np.float32)  # a pink that no scene has much of
_OVERLAY_SHARE = 0.55


def contact_sheet(source: Path, edited: Path, mask: Path, edges: Path, *, title: str, prompt: str) -> Image:
    """Draw a sample's contact sheet, uint8 RGB (H, W, 3).

    Args:
        source: The source video.
        edited: The edited video, of the same size and length.
        mask: The foreground's npz.
        edges: The video of edges.
        title: The first line, such as the sample's id.
        prompt: The instruction, wrapped below it.

    Raises:
        MediaError: a file cannot be read.
    """
    videos = [decode(path) for path in (source, edited, edges)]
    height, width = videos[0].shape[1:3]
    tile = (_TILE_WIDTH, round(_TILE_WIDTH * height / width))
    last = min(len(video) for video in videos) - 1
    moments = [last * k // (_MOMENTS - 1) for k in range(_MOMENTS)]
    sources, edits, lines = (resize(video[moments], tile) for video in videos)
    masks = resize(load_mask(mask)[moments], tile)
    rows = [
        _join([sources[k], edits[k], _overlay(sources[k], masks[k]), lines[k]], axis=1)
        for k in range(_MOMENTS)
    ]
    return _join([_caption(title, prompt, rows[0].shape[1]), *rows], axis=0)


def _overlay(frame: Image, mask: npt.NDArray[np.bool_]) -> Image:
    shown = frame.astype(np.float32)
    shown[mask] = shown[mask] * (1 - _OVERLAY_SHARE) + _OVERLAY * _OVERLAY_SHARE
    return shown.astype(np.uint8)


def _join(parts: list[Image], axis: int) -> Image:
    shape = list(parts[0].shape)
    shape[axis] = _GAP
    gap = np.broadcast_to(_PAPER, shape).astype(np.uint8)
    pieces = [piece for part in parts for piece in (part, gap)][:-1]
    return np.concatenate(pieces, axis=axis)


def _caption(title: str, prompt: str, width: int) -> Image:
    lines = textwrap.wrap(prompt, width // 7)
    image: Image = np.tile(_PAPER, (_LINE * (len(lines) + 2) + 8, width, 1))
    _write(image, title, 0, 0, _INK)
    for number, line in enumerate(lines, 1):
        _write(image, line, 0, number, _DIM)
    for column, name in enumerate(_COLUMNS):
        _write(image, name, column * (_TILE_WIDTH + _GAP), len(lines) + 1, _INK)
    return image


def _write(image: Image, text: str, x: int, line: int, colour: tuple[int, int, int]) -> None:
    # OpenCV's fonts have ASCII only.
    plain = text.encode("ascii", "replace").decode()
    place = (x + 6, _LINE * (line + 1))
    cv2.putText(image, plain, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
