"""Carries a silhouette from one frame to all others along optical flow.

- The flow between neighbouring frames is computed once, in both directions, and shared by every pass.
- A pass pulls the mask from the frame before (or after) along the flow and lets a guided filter snap it to
  the new frame's edges; the soft mask is sharpened on the way, so that it does not dissolve.
- `refine` snaps the outlines of a voted mask once more.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.classical.filters import BoolImage, ColourGuide, FloatImage, gray_frames
from sparkle.generation.classical.flow import DenseFlow

GUIDE_RADIUS = 4
GUIDE_EPS = 4e-4
"""Guided filter per step at 320x180: window and squared edge strength. Measured best of 1e-4 to 1e-2."""

SHARPENING = 2.0
"""Gain around one half that a soft mask gets per step."""

BoolClip = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Flows:
    """What all passes over a clip share: optical flow between neighbouring frames, in working pixels, and
    every frame as a guide.

    Attributes:
        backward: float32 (T-1, h, w, 2): entry t-1 leads from frame t to frame t-1.
        forward: float32 (T-1, h, w, 2): entry t leads from frame t to frame t+1.
        guides: One per frame.
    """

    backward: npt.NDArray[np.float32]
    forward: npt.NDArray[np.float32]
    guides: tuple[ColourGuide, ...]


def compute_flows(frames: npt.NDArray[np.uint8]) -> Flows:
    """DIS optical flow (Kroeger et al., 2016; the FAST preset) between neighbours, both ways.

    Args:
        frames: uint8 RGB (T, h, w, 3) at the working size.
    """
    gray = gray_frames(frames)
    count, height, width = gray.shape
    flow = DenseFlow(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    backward = np.empty((count - 1, height, width, 2), np.float32)
    forward = np.empty_like(backward)
    for t in range(count - 1):
        forward[t] = flow.between(gray[t], gray[t + 1])
        backward[t] = flow.between(gray[t + 1], gray[t])
    guides = tuple(ColourGuide.of(frame, GUIDE_RADIUS, GUIDE_EPS) for frame in frames)
    return Flows(backward=backward, forward=forward, guides=guides)


def propagate(frames: npt.NDArray[np.uint8], flows: Flows, anchor: int, mask: BoolImage) -> BoolClip:
    """Carry the mask of frame `anchor` to the clip's both ends: one pass of the vote.

    Args:
        frames: uint8 RGB (T, h, w, 3) at the working size.
        flows: Of `frames`.
        anchor: The frame that `mask` belongs to.
        mask: bool (h, w).

    Returns:
        bool (T, h, w); frame `anchor` is `mask` itself.
    """
    count, height, width = frames.shape[:3]
    grid = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    passes = np.zeros((count, height, width), bool)
    passes[anchor] = mask
    soft = mask.astype(np.float32)
    for t in range(anchor + 1, count):
        soft = flows.guides[t].filter(frames[t], _pull(soft, flows.backward[t - 1], grid))
        soft = _sharpened(soft)
        passes[t] = soft > 0.5
    soft = mask.astype(np.float32)
    for t in range(anchor - 1, -1, -1):
        soft = flows.guides[t].filter(frames[t], _pull(soft, flows.forward[t], grid))
        soft = _sharpened(soft)
        passes[t] = soft > 0.5
    return passes


def _pull(soft: FloatImage, flow: npt.NDArray[np.float32], grid: tuple[FloatImage, ...]) -> FloatImage:
    """The neighbour's soft mask where the flow says it went, float32 (h, w)."""
    x, y = grid[0] + flow[..., 0], grid[1] + flow[..., 1]
    return np.asarray(cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _sharpened(soft: FloatImage) -> FloatImage:
    return np.clip((soft - np.float32(0.5)) * np.float32(SHARPENING) + np.float32(0.5), 0, 1)


def refine(frames: npt.NDArray[np.uint8], masks: BoolClip) -> BoolClip:
    """Snap the outlines of voted masks to the image: one more guided filter a frame.

    On the shared clips it gains as much as a GrabCut in a band around the outline loses (.001 IoU), in a
    tenth of its time.

    Args:
        frames: uint8 RGB (T, h, w, 3) at the working size.
        masks: bool (T, h, w).

    Returns:
        bool (T, h, w).
    """
    refined = np.empty_like(masks)
    for t, (frame, mask) in enumerate(zip(frames, masks, strict=True)):
        guide = ColourGuide.of(frame, GUIDE_RADIUS, GUIDE_EPS)
        refined[t] = guide.filter(frame, mask.astype(np.float32)) > 0.5
    return refined
