"""Camera motion by RAFT (torchvision) and a RANSAC homography, over near and far frames.

Upstream's UniMatch has no package and its weights no revision that could be recorded, so its code and a loose
file would have to be kept here; torchvision's RAFT has both, under BSD-3-Clause. What is compared with
thresholds is the homography's displacement, not the flow. The weights are torchvision's own, fetched by it
once and checked against the hash in their name.

torchvision is in no extra: its wheels must fit those of torch. On a GPU install, take both from one index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sparkle.generation.capabilities import Identity
from sparkle.generation.classical.camera import LONG_GAP, SHORT_GAP
from sparkle.generation.devices import require_device
from sparkle.generation.options import operational, require_range
from sparkle.generation.out_of_memory import retry_out_of_memory
from sparkle.generation.packages import package_versions
from sparkle.generation.raft.homography import homography_displacement
from sparkle.generation.requirements import ESTIMATED, GIGABYTE, ModelNeed, Requirements, Span
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

    def _displacement(self, frames: npt.NDArray[np.uint8], gap: int) -> float:
        """Median over the pairs `gap` frames apart, per frame."""
        if gap == 0:
            return 0.0
        pairs = list(pairwise(range(0, len(frames), gap)))
        found = (homography_displacement(flow) for flow in self._flows(frames, pairs))
        displacements = [displacement / gap for displacement in found if displacement is not None]
        return float(np.median(displacements)) if displacements else 0.0

    def _flows(
        self, frames: npt.NDArray[np.uint8], pairs: Sequence[tuple[int, int]]
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Float32 (h, w, 2) for each pair of frames."""
        for start in range(0, len(pairs), self.batch_size):
            before, after = (
                list(indices) for indices in zip(*pairs[start : start + self.batch_size], strict=True)
            )
            call = partial(self._flow, frames[before], frames[after])
            yield from retry_out_of_memory(call, what="flow")

    def _flow(self, before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            flows = self._model(self._to_input(before), self._to_input(after))[-1]  # the last refinement
        found: npt.NDArray[np.float32] = flows.permute(0, 2, 3, 1).float().cpu().numpy()
        return found

    def _to_input(self, frames: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Frames as RAFT takes them: float32 (N, 3, h, w) in [-1, 1]."""
        import torch

        return torch.from_numpy(frames).to(self.device).permute(0, 3, 1, 2).float() / 127.5 - 1


def working_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """(width, height) of about this short side, both multiples of 8 and at least 128; strips are smaller."""
    scale = min(short_side / min(width, height), _LONGEST * short_side / max(width, height))
    fitted = (round(side * scale / _MULTIPLE) * _MULTIPLE for side in (width, height))
    across, down = (max(_LEAST_SIDE, side) for side in fitted)
    return across, down
