"""Carries a silhouette from one frame to all others along optical flow.

- What depends on the clip alone is computed once and shared by every pass: the flow between neighbouring
  frames in both directions, where it explains the picture, and every frame as a guide.
- A pass pulls the soft mask from the frame before (or after) along the flow. Where the flow leads to another
  colour the pixel was hidden there (background that the subject uncovers): such pixels take the mask of the
  pixels around them instead of a stray piece of it.
- A guided filter then snaps the mask to the frame's edges, and it is sharpened, so that it does not dissolve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sparkle.generation.classical.filters import BoolImage, ColourGuide, FloatImage, box_mean, gray_frames
from sparkle.generation.classical.flow import DenseFlow

GUIDE_RADIUS = 4
GUIDE_EPS = 4e-4
"""Window in pixels at 320x180 and squared edge strength. Measured best of 2 to 6 and of 1e-4 to 1e-3."""

EXPLAINED_LEVELS = 30
"""Difference of a colour channel, in levels of 255, below which the flow explains a pixel. 15 to 30 measure
alike."""

FILL_FLOOR = np.float32(0.01)
"""Weight of an unexplained pixel among the pixels around it: it decides where there are no others."""

SHARPENING = np.float32(2)
"""Gain around one half that a soft mask gets per step."""

BoolClip = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pull:
    """How to get from a frame to a neighbour.

    Attributes:
        flow: float32 (h, w, 2), x and y displacements in pixels.
        explained: bool (h, w), true where the flow leads to the same colour.
    """

    flow: npt.NDArray[np.float32]
    explained: BoolImage


@dataclass(frozen=True)
class Flows:
    """What all passes over a clip share.

    Attributes:
        backward: T-1 pulls; entry t-1 leads from frame t to frame t-1.
        forward: T-1 pulls; entry t leads from frame t to frame t+1.
        guides: T guides.
    """

    backward: tuple[Pull, ...]
    forward: tuple[Pull, ...]
    guides: tuple[ColourGuide, ...]


def compute_flows(frames: npt.NDArray[np.uint8]) -> Flows:
    """Prepare a clip for `propagate`: DIS flow between neighbours, both ways, with the MEDIUM preset.

    FAST takes a fifth of the time and is as good on people who talk, but loses what travels.

    Args:
        frames: uint8 RGB (T, h, w, 3) at the working size.
    """
    gray = gray_frames(frames)
    flow = DenseFlow(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def pull(t: int, neighbour: int) -> Pull:
        displacement = flow.between(gray[t], gray[neighbour])
        return Pull(displacement, _explained(frames[t], frames[neighbour], displacement))

    return Flows(
        backward=tuple(pull(t, t - 1) for t in range(1, len(frames))),
        forward=tuple(pull(t, t + 1) for t in range(len(frames) - 1)),
        guides=tuple(ColourGuide.of(frame, GUIDE_RADIUS, GUIDE_EPS) for frame in frames),
    )


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
    tracked = np.zeros(frames.shape[:3], bool)
    tracked[anchor] = mask
    after = ((t, flows.backward[t - 1]) for t in range(anchor + 1, len(frames)))
    before = ((t, flows.forward[t]) for t in range(anchor - 1, -1, -1))
    for steps in (after, before):
        soft = mask.astype(np.float32)
        for t, pull in steps:
            soft = flows.guides[t].filter(frames[t], _pulled(soft, pull))
            soft = np.clip((soft - np.float32(0.5)) * SHARPENING + np.float32(0.5), 0, 1)
            tracked[t] = soft > 0.5
    return tracked


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


def _explained(
    frame: npt.NDArray[np.uint8], neighbour: npt.NDArray[np.uint8], flow: npt.NDArray[np.float32]
) -> BoolImage:
    difference = cv2.absdiff(_warped(neighbour, flow), frame)
    return np.asarray(difference.max(axis=2) < EXPLAINED_LEVELS)


def _pulled(soft: FloatImage, pull: Pull) -> FloatImage:
    """The neighbour's soft mask on this frame, float32 (h, w)."""
    pulled = _warped(soft, pull.flow)
    weights = np.where(pull.explained, np.float32(1), FILL_FLOOR)
    around = box_mean(pulled * weights, GUIDE_RADIUS) / box_mean(weights, GUIDE_RADIUS)
    return np.where(pull.explained, pulled, around)


def _warped(image: npt.NDArray[Any], flow: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """The neighbour's image where the flow says that each pixel went; of the image's dtype."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
