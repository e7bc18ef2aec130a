"""Camera motion by RAFT (torchvision) and a RANSAC homography, over near and far frames.

Upstream's UniMatch has no package and its weights no revision that could be recorded, so its code and a loose
file would have to be kept here; torchvision's RAFT has both, under BSD-3-Clause. What is compared with
thresholds is the homography's displacement, not the flow. The weights are torchvision's own, fetched by it
once and checked against the hash in their name.

torchvision is in no extra: its wheels must fit those of torch. On a GPU install, take both from one index.

How far the camera moves between two frames, from a dense flow between them and a RANSAC homography.

The homography is what most of the flow follows: the background, as long as it is the larger part (paper,
stage 1). Its measure is that of `classical.flow`, so that thresholds mean the same: how far
it moves the frame's corners and centre, on average. A learned flow is dense and smooth where a picture has no
texture, so every sample counts.

Camera motion from a learned dense flow.

Backends of the capability `flow`: how the camera moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from sparkle.generation.backend import Identity
from sparkle.generation.backends.classical.flow import (
    GRID_STEP,
    LONG_GAP,
    RANSAC_CONFIDENCE,
    RANSAC_ITERATIONS,
    REPORTED_SHORT_SIDE,
    SHORT_GAP,
)
from sparkle.generation.needs import (
    ESTIMATED,
    GIGABYTE,
    ModelNeed,
    Requirements,
    Span,
    operational,
    package_versions,
    require_device,
    require_range,
    retry_out_of_memory,
)
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
_LONGEST = 4  # times the short side: a strip of a frame cannot ask for a huge image
_PAIR_SECONDS = Span(0.005, 0.01)  # 320 x 576, and 90 pairs a clip of 81 frames


@dataclass(kw_only=True)
class Backend:
    """The `flow` RAFT.

    Args:
        short_side: Pixels of the frames that are compared (the paper's size is not published).
        batch_size: Pairs of frames at once.
        device: Where the model works: `cuda`, `cuda:1` or `cpu`.
    """

    short_side: int = 320
    batch_size: int = 8
    device: str = operational("cuda")

    def __post_init__(self) -> None:
        require_range(self, "short_side", _LEAST_SIDE, 2160)
        require_range(self, "batch_size", 1, 256)
        self._model: Any = None

    @property
    def identity(self) -> Identity:
        """The name that torchvision gives the weights; its version is among the packages."""
        return Identity(_MODEL.model, _WEIGHTS)

    @property
    def requirements(self) -> Requirements:
        """A small model; a pair's time grows with its area."""
        if self.device == "cpu":
            return Requirements((_MODEL,))
        share = (self.short_side / 320) ** 2
        return Requirements(
            models=(_MODEL,),
            vram_bytes=int(2 * GIGABYTE * share),
            seconds={"flow": _PAIR_SECONDS.times(90 * share)},
            source=ESTIMATED,
        )

    def packages(self) -> dict[str, str]:
        """What the model runs on; raises ConfigError where it is missing."""
        found = package_versions(("torch",), extra="gpu")
        try:
            return {**found, "torchvision": version("torchvision")}
        except PackageNotFoundError:
            raise ConfigError(
                "a package is not installed",
                wanted="torchvision, of the release and index of the torch that is installed",
                where="[backends.flow]",
                fix='install it from the index that torch came from, or set name = "classical" there',
            ) from None

    def setup(self) -> None:
        """Load the weights.

        Raises:
            ConfigError: a package or the device is missing, or the weights cannot be had.
        """
        self.packages()
        from torchvision.models import optical_flow

        where = "[backends.flow]"
        require_device(self.device, table=where)
        try:
            weights = optical_flow.Raft_Large_Weights[_WEIGHTS]
            model = optical_flow.raft_large(weights=weights, progress=False)
        except (OSError, RuntimeError) as error:  # no network and not in torch's cache, or a broken file
            raise ConfigError("the model cannot be loaded", got=error, where=where) from None
        self._model = model.to(self.device).eval()

    def camera_motion(self, clip: Path) -> r.FlowRecord:
        """Median corner displacement in px a frame at 720p; 0 where nothing can be told."""
        info = probe(clip)
        size = working_size(info.width, info.height, self.short_side)
        frames = decode(clip, size=size)
        last = len(frames) - 1
        short, long = (self._displacement(frames, min(gap, last)) for gap in (SHORT_GAP, LONG_GAP))
        return r.FlowRecord(short=round(short, 4), long=round(long, 4))

    def _displacement(self, frames: Pixels, gap: int) -> float:
        """Median over the pairs `gap` frames apart, per frame."""
        if gap == 0:
            return 0.0
        pairs = list(pairwise(range(0, len(frames), gap)))
        found = (homography_displacement(flow) for flow in self._flows(frames, pairs))
        displacements = [displacement / gap for displacement in found if displacement is not None]
        return float(np.median(displacements)) if displacements else 0.0

    def _flows(self, frames: Pixels, pairs: Sequence[tuple[int, int]]) -> Iterator[Floats]:
        """Float32 (h, w, 2) for each pair of frames."""
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
        """Frames as RAFT takes them: float32 (N, 3, h, w) in [-1, 1]."""
        import torch

        return torch.from_numpy(frames).to(self.device).permute(0, 3, 1, 2).float() / 127.5 - 1


def working_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """(width, height) of about this short side, both multiples of 8 and at least 128; strips are smaller."""
    scale = min(short_side / min(width, height), _LONGEST * short_side / max(width, height))
    fitted = (round(side * scale / _MULTIPLE) * _MULTIPLE for side in (width, height))
    across, down = (max(_LEAST_SIDE, side) for side in fitted)
    return across, down


# --- how far the camera moves between two frames ---------------------------------------------------


INLIER_DISTANCE = 1.0
"""Pixels of a frame with a short side of 360: as far as the classical 0.5 at 180."""

_INLIER_SHORT_SIDE = 360


def homography_displacement(flow: Floats) -> float | None:
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
