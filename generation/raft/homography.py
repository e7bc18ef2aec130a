"""How far the camera moves between two frames, from a dense flow between them and a RANSAC homography.

The homography is what most of the flow follows: the background, as long as it is the larger part (paper,
stage 1). Its measure is that of `sparkle.generation.classical.camera`, so that thresholds mean the same: how
far it moves the frame's corners and centre, on average. A learned flow is dense and smooth where a picture
has no texture, so every sample counts.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.classical.camera import (
    GRID_STEP,
    RANSAC_CONFIDENCE,
    RANSAC_ITERATIONS,
    REPORTED_SHORT_SIDE,
)

INLIER_DISTANCE = 1.0
"""Pixels of a frame with a short side of 360: as far as the classical 0.5 at 180."""

_INLIER_SHORT_SIDE = 360


def homography_displacement(flow: npt.NDArray[np.float32]) -> float | None:
    """How far the camera moves the frame, in pixels of a frame with a short side of 720.

    Args:
        flow: float32 (h, w, 2): x and y displacements in pixels of the flow's own size.

    Returns:
        The mean over the four corners and the centre; None where no homography fits.
    """
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[GRID_STEP // 2 : height : GRID_STEP, GRID_STEP // 2 : width : GRID_STEP]
    start = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)
    moved = start + flow[rows.ravel(), columns.ravel()]
    if len(start) < 4 or not np.isfinite(moved).all():  # four points make a homography
        return None
    cv2.setRNGSeed(0)
    transform, _ = cv2.findHomography(
        start,
        moved,
        method=cv2.RANSAC,
        ransacReprojThreshold=INLIER_DISTANCE * min(height, width) / _INLIER_SHORT_SIDE,
        maxIters=RANSAC_ITERATIONS,
        confidence=RANSAC_CONFIDENCE,
    )
    if transform is None or not np.isfinite(transform).all():
        return None
    points = np.array([[0, 0], [width, 0], [0, height], [width, height], [width / 2, height / 2]])
    placed = np.hstack([points, np.ones((len(points), 1))]) @ transform.T
    if not (placed[:, 2] > 0).all():  # a corner behind the camera: no motion of a camera between two frames
        return None
    displaced = placed[:, :2] / placed[:, 2:] - points
    unit: float = REPORTED_SHORT_SIDE / min(height, width)
    return float(np.linalg.norm(displaced, axis=1).mean()) * unit
