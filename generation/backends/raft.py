"""The `flow` RAFT: camera motion by torchvision's RAFT and a RANSAC homography, over near and far frames.

- Upstream's UniMatch has no package and its weights no revision that could be recorded, so its code and a
  loose file would have to be kept here; torchvision's RAFT has both, under BSD-3-Clause. The weights are
  torchvision's own, fetched by it once and checked against the hash in their name.
- torchvision is in no extra: its wheels must fit those of torch. On a GPU install, take both from one index.
- What is compared with thresholds is the displacement by the homography, not the flow: the homography is what
  most of the flow follows, the background, as long as it is the larger part (paper, stage 1). Its measure is
  that of `classical.flow`, so that thresholds mean the same.
- A learned flow is dense and smooth where a picture has no texture, so every sample counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import cv2
import numpy as np

from sparkle.generation.backend import Identity, require_range
from sparkle.generation.backends.classical.flow import (
    LONG_GAP,
    RANSAC_CONFIDENCE,
    RANSAC_ITERATIONS,
    REPORTED_SHORT_SIDE,
    SHORT_GAP,
    corners_and_centre,
    flow_grid,
    median_per_frame,
)
from sparkle.generation.backends.local_model import LocalModel, retry_out_of_memory
from sparkle.generation.needs import GIGABYTE, Estimate, ModelNeed, package_versions
from sparkle.media import Floats, Pixels
from sparkle.media.decode import decode
from sparkle.media.probe import probe
from sparkle.schemas import records as r
from sparkle.schemas.errors import ConfigError

if TYPE_CHECKING:
    import torch


_WEIGHTS = "C_T_SKHT_V2"  # torchvision's best: trained on Chairs, Things, Sintel, KITTI and HD1K
_MODEL = ModelNeed(
    "torchvision/raft_large",
    _WEIGHTS,
    "BSD-3-Clause",
    bytes=21_000_000,
    page="https://pytorch.org/vision/stable/models/raft.html",
)
_MULTIPLE = 8  # of both sides, in pixels: RAFT's features are at an eighth
_LEAST_SIDE = 128  # pixels: RAFT's pyramid halves the eighth three times
_INLIER_DISTANCE, _INLIER_SHORT_SIDE = 1.0, 360  # pixels, at this short side: the classical 0.5 at 180
_LONGEST = 4  # times the short side: a strip of a frame cannot ask for a huge image
_PAIR_SECONDS, _PAIRS = Estimate(0.005, 0.01), 90  # at 320 x 576; pairs of a clip of 81 frames


@dataclass(kw_only=True)
class Backend(LocalModel):
    """The `flow` RAFT; the base class has `device`.

    Args:
        short_side: Pixels of the frames that are compared (the paper's size is not published).
        batch_size: Pairs of frames at once.
    """

    capability: ClassVar[str] = "flow"
    required_packages: ClassVar[tuple[str, ...]] = ("torch",)
    identity: ClassVar[Identity] = Identity(_MODEL.model, _WEIGHTS)  # torchvision's version is a package's

    short_side: int = 320
    batch_size: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "short_side", _LEAST_SIDE, 2160)
        require_range(self, "batch_size", 1, 256)

    @property
    def models(self) -> tuple[ModelNeed, ...]:
        """A small one."""
        return (_MODEL,)

    @property
    def vram_bytes(self) -> int:
        """It grows with a frame's area."""
        return int(2 * GIGABYTE * self._area)

    def seconds(self) -> dict[str, Estimate]:
        """Return seconds per clip of 81 frames; they grow with a frame's area."""
        return {"flow": _PAIR_SECONDS.times(_PAIRS * self._area)}

    @property
    def _area(self) -> float:
        return (self.short_side / 320) ** 2

    def packages(self) -> dict[str, str]:
        """Return the versions of what the model runs on; raises ConfigError where one is missing."""
        fix = (
            "install the release that fits the installed torch, from the index that torch came from; "
            f'or set name = "classical" in {self.table}'
        )
        return {**super().packages(), **package_versions(("torchvision",), fix=fix)}

    def load(self) -> Any:
        """Return torchvision's model."""
        from torchvision.models import optical_flow

        try:
            weights = optical_flow.Raft_Large_Weights[_WEIGHTS]
            model = optical_flow.raft_large(weights=weights, progress=False)
        except (OSError, RuntimeError) as error:  # no network and not in torch's cache, or a broken file
            raise ConfigError("the model cannot be loaded", got=error, where=self.table) from None
        return model.to(self.device).eval()

    def camera_motion(self, clip: Path) -> r.FlowRecord:
        """Return the median corner displacement in px per frame at 720p; 0 where nothing can be told."""
        info = probe(clip)
        size = working_size(info.width, info.height, self.short_side)
        frames = decode(clip, size=size)
        last = len(frames) - 1
        short, long = (self._displacement(frames, min(gap, last)) for gap in (SHORT_GAP, LONG_GAP))
        return r.FlowRecord(short=round(short, 4), long=round(long, 4))

    def _displacement(self, frames: Pixels, gap: int) -> float:
        """Return the median over the pairs `gap` frames apart, per frame."""
        pairs = list(pairwise(range(0, len(frames), gap))) if gap else []
        return median_per_frame(map(homography_displacement, self._flows(frames, pairs)), gap)

    def _flows(self, frames: Pixels, pairs: Sequence[tuple[int, int]]) -> Iterator[Floats]:
        """Yield float32 (h, w, 2) for each pair of frames."""
        for start in range(0, len(pairs), self.batch_size):
            before, after = (
                list(indices) for indices in zip(*pairs[start : start + self.batch_size], strict=True)
            )
            call = partial(self._flow, frames[before], frames[after])
            yield from retry_out_of_memory(call, what="flow")

    def _flow(self, before: Pixels, after: Pixels) -> Floats:
        import torch

        with torch.inference_mode():
            flows = self._model(self._to_input(before), self._to_input(after))[-1]  # the last refinement
        found: Floats = flows.permute(0, 2, 3, 1).float().cpu().numpy()
        return found

    def _to_input(self, frames: Pixels) -> torch.Tensor:
        """Return frames as RAFT takes them: float32 (N, 3, h, w) in [-1, 1]."""
        import torch

        return torch.from_numpy(frames).to(self.device).permute(0, 3, 1, 2).float() / 127.5 - 1


def working_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """(width, height) of about this short side, both multiples of 8 and at least 128; strips are smaller."""
    scale = min(short_side / min(width, height), _LONGEST * short_side / max(width, height))
    fitted = (round(side * scale / _MULTIPLE) * _MULTIPLE for side in (width, height))
    across, down = (max(_LEAST_SIDE, side) for side in fitted)
    return across, down


def homography_displacement(flow: Floats) -> float | None:
    """Return how far the camera moves the frame, in pixels of a frame with a short side of 720.

    Args:
        flow: float32 (h, w, 2): x and y displacements in pixels of the flow's own size.

    Returns:
        The mean over the four corners and the centre; None where no homography fits.
    """
    height, width = flow.shape[:2]
    rows, columns = (grid.ravel() for grid in flow_grid(height, width))
    start = np.stack([columns, rows], axis=1).astype(np.float32)
    moved = start + flow[rows, columns]
    if len(start) < 4 or not np.isfinite(moved).all():  # four points make a homography
        return None
    cv2.setRNGSeed(0)
    transform, _ = cv2.findHomography(
        start,
        moved,
        method=cv2.RANSAC,
        ransacReprojThreshold=_INLIER_DISTANCE * min(height, width) / _INLIER_SHORT_SIDE,
        maxIters=RANSAC_ITERATIONS,
        confidence=RANSAC_CONFIDENCE,
    )
    if transform is None or not np.isfinite(transform).all():
        return None
    points = corners_and_centre(width, height)
    placed = np.hstack([points, np.ones((len(points), 1))]) @ transform.T
    if not (placed[:, 2] > 0).all():  # a corner behind the camera: no motion of a camera between two frames
        return None
    displaced = placed[:, :2] / placed[:, 2:] - points
    unit: float = REPORTED_SHORT_SIDE / min(height, width)
    return float(np.linalg.norm(displaced, axis=1).mean()) * unit
