"""Dense optical flow between two frames: OpenCV's DIS, made safe for small and thin frames.

DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016) builds a pyramid by the longer
side, and OpenCV's does not check the shorter one. Measured on sides of 12 to 1280 pixels (OpenCV 5.0): with a
side below 32 it crashes the process or returns NaN for many shapes, from 32 on for none. Such frames get a
margin.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

MINIMUM_SIDE = 32
"""Pixels of the shorter side from which DIS is safe."""


class DenseFlow:
    """DIS flow with one of its presets.

    Args:
        preset: cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST, _FAST or _MEDIUM.
    """

    def __init__(self, preset: int) -> None:
        self._flow = cv2.DISOpticalFlow.create(preset)

    def between(self, start: npt.NDArray[np.uint8], end: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Where every pixel of one frame went in the other.

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
