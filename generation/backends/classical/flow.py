"""The classical `flow`: how far the camera moves, by DIS optical flow and RANSAC, without a model.

- Frames are compared one apart (shake) and eight apart (slow pans and zooms, which one frame hides).
- Between two frames, DIS optical flow is sampled on a grid where the image has texture, and RANSAC fits the
  similarity transform that most of it follows: the background, as long as it is the larger part.
- A pair's measure is how far that transform moves the frame's corners and centre, on average and per frame;
  the clip's measure is the median over its pairs, so that a cut or a flash does not decide.
- The share of inliers is no measure of the camera: a lively subject lowers it under a fixed camera too.
- DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016) builds a pyramid by the
  longer side, and OpenCV's does not check the shorter one. Measured on sides of 12 to 1280 pixels (OpenCV
  5.0): with a side below 32 it crashes the process or returns NaN for many shapes, from 32 on for none. Such
  frames get a margin.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.backend import Identity
from sparkle.generation.backends.classical.filters import read_working
from sparkle.media import Floats, Pixels
from sparkle.schemas import records as r

MINIMUM_SIDE = 32
"""Pixels of the shorter side from which DIS is safe."""


class DenseFlow:
    """DIS flow with one of its presets.

    Args:
        preset: cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST, _FAST or _MEDIUM.
    """

    def __init__(self, preset: int) -> None:
        self._flow = cv2.DISOpticalFlow.create(preset)

    def between(self, start: Pixels, end: Pixels) -> Floats:
        """Return where every pixel of one frame went in the other.

        Args:
            start: uint8 gray (h, w).
            end: uint8 gray (h, w).

        Returns:
            float32 (h, w, 2): x and y displacements in pixels, finite.
        """
        height, width = start.shape
        bottom, right = max(MINIMUM_SIDE - height, 0), max(MINIMUM_SIDE - width, 0)
        if bottom or right:
            start, end = (np.pad(frame, ((0, bottom), (0, right)), mode="edge") for frame in (start, end))
        no_guess = np.empty((0, 0), np.float32)
        return np.asarray(self._flow.calc(start, end, no_guess), np.float32)[:height, :width]


WORKING_SHORT_SIDE = 180
"""Frames are measured at this short side, in pixels: 320x180 for 16:9."""

WORKING_LONG_SIDE = 640
"""Bound on the long side, so that a strip of a frame cannot ask for a huge image."""

REPORTED_SHORT_SIDE = 720
"""Displacements are given in pixels of a frame with this short side."""

SHORT_GAP = 1
LONG_GAP = 8
"""Frames between the two of a pair. Eight is half a second at 16 fps."""

GRID_STEP = 4
"""Pixels between flow samples."""

TEXTURE_WINDOW = 9
TEXTURE_MINIMUM = 30.0
"""Mean squared Sobel gradient over the window below which a sample says nothing about motion."""

MINIMUM_SAMPLES = 40
"""Textured samples a pair needs; fewer, and the pair is left out."""

RANSAC_THRESHOLD = 0.5
RANSAC_ITERATIONS = 500
RANSAC_CONFIDENCE = 0.999
"""Inlier distance in working pixels. Measured on 20 fixed clips and 320 synthetic movers: separates all."""


@dataclass
class Backend:
    """The classical `flow`."""

    identity: ClassVar[Identity] = Identity("opencv/DIS+RANSAC", "1")

    def camera_motion(self, clip: Path) -> r.FlowRecord:
        """Return the clip's motion; see `camera_motion`."""
        return camera_motion(read_working(clip))


def camera_motion(frames: Pixels) -> r.FlowRecord:
    """Measure the camera's motion in a clip.

    Args:
        frames: uint8 RGB (T, h, w, 3) of any size; (T, 180, 320, 3) is used as it is.

    Returns:
        Both measures in pixels per frame at 720p, finite and >= 0. A clip of at most eight frames is measured
        with the largest gap it has. Both are 0.0 when no pair has enough texture (black, plain or wholly
        over-exposed frames) or there is one frame only: nothing is seen to move.
    """
    gray, unit = _working_gray(frames)
    largest = max(len(gray) - 1, 0)
    short, long = (_displacement(gray, min(gap, largest)) * unit for gap in (SHORT_GAP, LONG_GAP))
    return r.FlowRecord(short=round(short, 4), long=round(long, 4))


def median_per_frame(displacements: Iterable[float | None], gap: int) -> float:
    """Return the median of what is known of pairs `gap` frames apart, per frame; 0 where nothing is."""
    known = [displacement / gap for displacement in displacements if displacement is not None]
    return float(np.median(known)) if known else 0.0


def flow_grid(height: int, width: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return rows and columns of the pixels at which a flow is sampled."""
    rows, columns = np.mgrid[GRID_STEP // 2 : height : GRID_STEP, GRID_STEP // 2 : width : GRID_STEP]
    return rows, columns


def corners_and_centre(width: int, height: int) -> npt.NDArray[np.float64]:
    """Return the points of a frame whose motion is measured, (5, 2) x and y."""
    return np.array([[0, 0], [width, 0], [0, height], [width, height], [width / 2, height / 2]])


def _working_gray(frames: Pixels) -> tuple[Pixels, float]:
    """Return gray frames at the working size, and how many 720p pixels one of theirs is."""
    height, width = frames.shape[1:3]
    scale = min(WORKING_SHORT_SIDE / min(height, width), WORKING_LONG_SIDE / max(height, width))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    gray = [
        cv2.cvtColor(
            frame if scale == 1 else cv2.resize(frame, size, interpolation=interpolation), cv2.COLOR_RGB2GRAY
        )
        for frame in frames
    ]
    return np.stack(gray), REPORTED_SHORT_SIDE / (min(height, width) * scale)


def _displacement(gray: Pixels, gap: int) -> float:
    """Return the median over the pairs `gap` frames apart, per frame and in working pixels."""
    flow = DenseFlow(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    pairs = pairwise(range(0, len(gray), gap)) if gap else ()
    return median_per_frame((_pair_displacement(flow, gray[a], gray[b]) for a, b in pairs), gap)


def _pair_displacement(flow: DenseFlow, before: Pixels, after: Pixels) -> float | None:
    """Return how far the camera moves corners and centre between two frames; None where it cannot tell."""
    height, width = before.shape
    rows, columns = flow_grid(height, width)
    textured = _texture(before)[rows, columns] > TEXTURE_MINIMUM
    if np.count_nonzero(textured) < MINIMUM_SAMPLES:
        return None
    rows, columns = rows[textured], columns[textured]
    start = np.stack([columns, rows], axis=1).astype(np.float32)
    moved = start + flow.between(before, after)[rows, columns]
    cv2.setRNGSeed(0)
    transform, _ = cv2.estimateAffinePartial2D(
        start,
        moved,
        method=cv2.RANSAC,
        ransacReprojThreshold=RANSAC_THRESHOLD,
        maxIters=RANSAC_ITERATIONS,
        confidence=RANSAC_CONFIDENCE,
    )
    if transform is None or not np.isfinite(transform).all():
        return None
    points = corners_and_centre(width, height)
    displaced = points @ transform[:, :2].T + transform[:, 2] - points
    return float(np.linalg.norm(displaced, axis=1).mean())


def _texture(gray: Pixels) -> Floats:
    """Return the mean squared gradient around every pixel, float32 (h, w)."""
    dx = cv2.Sobel(gray, cv2.CV_32F, 1, 0)
    dy = cv2.Sobel(gray, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.boxFilter(dx * dx + dy * dy, -1, (TEXTURE_WINDOW, TEXTURE_WINDOW)), np.float32)
