"""Decoupled edges for stage 5: the new background's edges outside the mask, the source's inside.

How it works
- Canny runs on each frame whole and the mask chooses afterwards, so that the mask's outline is no edge.
- It sees the frame at half its size and draws lines `LINE_WIDTH` pixels wide: one-pixel lines take a codec
  four times the bytes and come back worse.
- The hysteresis thresholds are fitted once per clip, for each side of the mask by itself, so that
  `DENSITY` of the pixels are edges however soft the pictures are; they never go below `LOWEST_THRESHOLD`,
  where noise begins, and a clip without structure has fewer edges. One pair of thresholds a side and clip:
  an edge does not come and go with the rest of the picture.
- In the ablation "foreground_only" there is no background and nothing outside the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sparkle.media import Mask, Pixels
from sparkle.media.encode import Encoding, LineArt

LINE_WIDTH = 2
"""Pixels of a line, and the factor by which frames are reduced before Canny."""

DENSITY = 0.0535
"""Share of edge pixels that thresholds are fitted to: the sparse end of 5 to 8 %, which the paper's guidance
has, because bytes grow with it (the liveliest shared clip: .52 MB at 5.1 %)."""

MOST_DENSITY = 0.08
"""The most that one side takes on when the other has too little structure of its own."""

LOWEST_THRESHOLD = 40
HIGHEST_THRESHOLD = 1000
"""Range of the upper hysteresis threshold, in 8-bit levels of Sobel gradient. White noise of 6 levels in the
full frame makes no edge at 40; 1000 is more than any picture has."""

LOW_SHARE = 0.5
"""Lower threshold over upper: upstream's 100 and 200."""

SMOOTHING_SIGMA = 0.8
"""Gaussian after the reduction, in its pixels: with it, compression noise makes no flickering edges."""

FITTED_FRAMES = 6
"""Frames, evenly spread over the clip, that thresholds are fitted on: about one per second."""

ENCODING_CRF = 44
"""x264's constant rate factor for edges. On the shared clips 98 % of the edge pixels come back at 44 and
96 % at 45."""


@dataclass(frozen=True)
class EdgeThresholds:
    """Upper hysteresis thresholds of a clip, inside the mask and outside."""

    foreground: int
    background: int


def edge_encoding(preset: str) -> Encoding:
    """Return how edge clips are encoded."""
    return LineArt(crf=ENCODING_CRF, preset=preset)


def edge_view(frame: Pixels) -> Pixels:
    """Return what Canny sees of a frame: gray, reduced by `LINE_WIDTH`, smooth.

    Args:
        frame: uint8 RGB (H, W, 3), sides even.

    Returns:
        uint8 (H / 2, W / 2).
    """
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    size = (frame.shape[1] // LINE_WIDTH, frame.shape[0] // LINE_WIDTH)
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (3, 3), SMOOTHING_SIGMA), np.uint8)


def fit_thresholds(
    sources: Sequence[Pixels], backgrounds: Sequence[Pixels] | None, masks: Mask
) -> EdgeThresholds:
    """Return thresholds by which `DENSITY` of a clip's pixels are edges, as near as its structure allows.

    Args:
        sources: Views of the source's frames, from `edge_view`.
        backgrounds: As many of the background; None leaves its threshold at the highest.
        masks: bool (T, H / 2, W / 2), true on the subject, at the views' size.
    """
    count = min(len(masks), FITTED_FRAMES)
    sampled = [index * (len(masks) - 1) // max(count - 1, 1) for index in range(count)]
    inside = masks[sampled]
    foreground, reached = _fit([sources[index] for index in sampled], inside, DENSITY)
    if backgrounds is None:
        return EdgeThresholds(foreground, HIGHEST_THRESHOLD)
    cover = float(inside.mean())
    missing = (DENSITY - cover * reached) / max(1.0 - cover, 1e-6)
    background, _ = _fit([backgrounds[index] for index in sampled], ~inside, min(missing, MOST_DENSITY))
    return EdgeThresholds(foreground, background)


def decoupled_edges(
    source: Pixels, background: Pixels | None, mask: Mask, thresholds: EdgeThresholds
) -> Pixels:
    """Return edges of the background where the subject is not, and of the source where it is.

    Args:
        source: The source frame's view, uint8 (H / 2, W / 2), from `edge_view`.
        background: The background frame's view; None draws nothing there.
        mask: bool (H / 2, W / 2), true on the subject.
        thresholds: The clip's, from `fit_thresholds`.

    Returns:
        uint8 (H, W), 255 on edges and 0 elsewhere.
    """
    outside = 0 if background is None else _edges(background, thresholds.background)
    edges = np.where(mask, _edges(source, thresholds.foreground), outside).astype(np.uint8)
    return edges.repeat(LINE_WIDTH, axis=0).repeat(LINE_WIDTH, axis=1)


def _edges(view: Pixels, threshold: int) -> Pixels:
    return np.asarray(cv2.Canny(view, LOW_SHARE * threshold, threshold, L2gradient=True), np.uint8)


def _fit(views: Sequence[Pixels], regions: Mask, density: float) -> tuple[int, float]:
    """The lowest threshold at which at most `density` of the regions are edges, and the share that are."""
    pixels = max(1, int(np.count_nonzero(regions)))

    def share(threshold: int) -> float:
        found = (_edges(view, threshold)[region] for view, region in zip(views, regions, strict=True))
        return sum(int(np.count_nonzero(edges)) for edges in found) / pixels

    low, high = LOWEST_THRESHOLD, HIGHEST_THRESHOLD
    while low < high:  # fewer edges at a higher threshold
        middle = (low + high) // 2
        low, high = (low, middle) if share(middle) <= density else (middle + 1, high)
    return low, share(low)
