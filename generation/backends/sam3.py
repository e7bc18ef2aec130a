"""SAM3's video tracker, through transformers; see `sparkle.generation.backends.sam3` for how it tracks.

Passes are at the clip's own size, so the vote is the paper's, pixel by pixel, and there is nothing to refine
behind it.

One clip in SAM3's video tracker: features once, then a pass an anchor.

- The stock processors need torchvision, so frames are brought to the model's square here: bilinear with
  antialiasing, then mean and deviation 0.5.
- A frame's vision features depend on the frame alone. They are kept for the whole clip, and between anchors
  only what was tracked is forgotten, so that further anchors cost no vision forward; their masks are those of
  a fresh session, bit for bit.
- A box is two points, its corners, with SAM's labels for them. Every registered object needs a box on the
  anchor frame: an object without one is not registered.

SAM3 as a tracker of boxed objects: one session a clip, one pass an anchor.

Backends of the capability `tracker`: boxed objects followed through a clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkle.generation.backend import Anchors, Identity
from sparkle.generation.needs import (
    ESTIMATED,
    GIGABYTE,
    Requirements,
    Span,
    card_note,
    needed,
    operational,
    package_versions,
    require_choice,
    require_device,
    retry_out_of_memory,
)
from sparkle.generation.weights import Weights
from sparkle.media import Mask, Pixels
from sparkle.media.decode import iter_frames
from sparkle.schemas import records as r
from sparkle.schemas.errors import ConfigError

if TYPE_CHECKING:
    import torch


_DTYPES = ("bfloat16", "float16", "float32")
_ATTENTION = ("sdpa", "eager")
_KINDS = ("sam3_tracker_video", "sam3_video")  # the second is facebook/sam3's: detector and tracker
_CLIP_MEMORY = 8 * GIGABYTE  # features and frames of 81 frames in bfloat16, and the model at work: estimate
_SECONDS = Span(30, 60)  # 11 anchors on 81 frames


@dataclass(kw_only=True)
class Backend:
    """The `tracker` SAM3.

    Args:
        model: A folder, or a repository of the Hugging Face Hub.
        revision: Commit, branch or tag of the repository; None for a folder.
        note: What a reader of the card must know of the model, such as its licence.
        dtype: Of the weights: bfloat16, float16 or float32.
        attention: transformers' implementation: sdpa or eager.
        device: Where the model works: `cuda`, `cuda:1` or `cpu`.
        keep_on: Where a clip's features are kept between anchors; None is with the model. `cpu` frees about
            6 GB of the GPU for the price of copies.
    """

    model: str = operational()  # which weights: the identity says it, by their content
    revision: str | None = operational(None)
    note: str = ""
    dtype: str = "bfloat16"
    attention: str = "sdpa"
    device: str = operational("cuda")
    keep_on: str | None = operational(None)

    def __post_init__(self) -> None:
        require_choice(self, "dtype", _DTYPES)
        require_choice(self, "attention", _ATTENTION)
        self._weights = Weights(self.model, self.revision)
        self._model: Any = None

    @property
    def identity(self) -> Identity:
        """The repository and its commit, or the folder's name and the hash of its content."""
        return Identity(self._weights.name, self._weights.commit, card_note(self.model, self.note))

    @property
    def requirements(self) -> Requirements:
        """The model; the clip's features decide the memory."""
        model = needed(self._weights, note=self.note)
        if self.device == "cpu":
            return Requirements((model,))  # what runs there is a tiny model
        return Requirements(
            models=(model,),
            vram_bytes=(model.bytes or 0) + _CLIP_MEMORY,
            seconds={"track": _SECONDS},
            source=ESTIMATED,
        )

    def pinned(self) -> dict[str, Any]:
        """The revision as a commit."""
        return self._weights.pinned("revision")

    def packages(self) -> dict[str, str]:
        """What the model runs on."""
        return package_versions(("torch", "transformers"), extra="gpu")

    def setup(self) -> None:
        """Load the weights.

        Raises:
            ConfigError: a package or the device is missing, or the model cannot be had or lacks weights.
        """
        self.packages()
        import torch
        from transformers import AutoConfig, Sam3TrackerVideoModel

        require_device(self.device, table="[backends.tracker]")
        # Without this the class would make a model of its default size from nothing.
        kind = self._weights.load(AutoConfig.from_pretrained).model_type
        if kind not in _KINDS:
            wanted = " or ".join(_KINDS)
            raise ConfigError("another kind of model", got=kind, wanted=wanted, where=self.model)
        model, loaded = self._weights.load(
            Sam3TrackerVideoModel.from_pretrained,
            dtype=getattr(torch, self.dtype),
            attn_implementation=self.attention,
            output_loading_info=True,
        )
        if loaded["missing_keys"]:
            got = f"{len(loaded['missing_keys'])} missing, such as {min(loaded['missing_keys'])}"
            raise ConfigError("the model lacks weights", got=got, where=self.model)
        self._model = model.to(self.device).eval()

    def passes(self, clip: Path, anchors: Anchors) -> Iterator[Mask]:
        """Yield one pass an anchor at the clip's size, empty where its boxes hold nothing."""
        session = retry_out_of_memory(partial(self._open, clip), what="track")
        for index, objects in anchors:
            track = partial(session.track, index, objects)
            yield retry_out_of_memory(track, what=f"track, anchor {index}")

    def finish(self, clip: Path, voted: Mask) -> Mask:
        """The voted masks as they are: they have the clip's size."""
        return voted

    def _open(self, clip: Path) -> ClipSession:

        return ClipSession(self._model, iter_frames(clip), state_device=self.keep_on or self.device)


# --- one clip in SAM3's video tracker --------------------------------------------------------------


_MEAN = _DEVIATION = 0.5  # of each channel: facebook/sam3, preprocessor_config.json
_TOP_LEFT, _BOTTOM_RIGHT = 2, 3  # SAM's point labels for the corners of a box
_BOX_SCALE = 1000  # boxes are in thousandths of the frame's sides


class ClipSession:
    """A clip that is ready to be tracked.

    Args:
        model: A `Sam3TrackerVideoModel`.
        frames: uint8 (H, W, 3) RGB each, of one size.
        state_device: Where frames, features and memory of the clip are kept.
    """

    def __init__(self, model: Any, frames: Iterable[Pixels], *, state_device: str) -> None:
        import torch
        from transformers.models.sam3_tracker_video import modeling_sam3_tracker_video as sam3

        prepared = []
        for frame in frames:
            self.height, self.width = frame.shape[:2]
            square = _to_square(frame, model.config.image_size, model.device)
            prepared.append(square.to(state_device, dtype=model.dtype))
        self._model = model
        self._session = sam3.Sam3TrackerVideoInferenceSession(
            video=torch.stack(prepared),
            video_height=self.height,
            video_width=self.width,
            inference_device=model.device,
            inference_state_device=state_device,
            video_storage_device=state_device,
            dtype=model.dtype,
            max_vision_features_cache_size=len(prepared),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W) of the clip."""
        return len(self._session.processed_frames), self.height, self.width

    def track(self, anchor: int, objects: Sequence[r.GroundedObject]) -> Mask:
        """Follow boxed objects from an anchor frame to both ends of the clip.

        Args:
            anchor: Index of the frame that the boxes are on.
            objects: Those without a box are left out.

        Returns:
            bool (T, H, W): where any of the objects is; all false where none has a box.
        """
        found = np.zeros(self.shape, bool)
        boxes = [item.bbox_2d for item in objects if item.bbox_2d]
        if boxes:
            self._session.reset_tracking_data()
            self._add(anchor, boxes)
            for index, mask in self._propagate(anchor):
                found[index] |= mask
        return found

    def _add(self, anchor: int, boxes: Sequence[Sequence[int]]) -> None:
        import torch

        size = self._model.config.image_size
        for number, (x1, y1, x2, y2) in enumerate(boxes):
            corners = torch.tensor([[x1, y1], [x2, y2]], dtype=torch.float32) * (size / _BOX_SCALE)
            points = {
                "point_coords": corners[None, None],
                "point_labels": torch.tensor([[[_TOP_LEFT, _BOTTOM_RIGHT]]], dtype=torch.int32),
            }
            self._session.add_point_inputs(self._session.obj_id_to_idx(number), anchor, points)
        self._session.obj_with_new_inputs = list(range(len(boxes)))

    def _propagate(self, anchor: int) -> Iterator[tuple[int, Mask]]:
        """Frame indices and bool (H, W); forwards from the anchor, then backwards."""
        for reverse in (False, True):
            outputs = self._model.propagate_in_video_iterator(
                self._session, start_frame_idx=anchor, reverse=reverse
            )
            for output in outputs:
                yield output.frame_idx, self._to_mask(output.pred_masks)

    def _to_mask(self, logits: torch.Tensor) -> Mask:
        """Logits (objects, 1, h, w) at the clip's size, above 0, any object: bool (H, W)."""
        from torch.nn import functional

        size = (self.height, self.width)
        full = functional.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
        mask: Mask = (full > 0).any(dim=0)[0].cpu().numpy()
        return mask


def _to_square(frame: Pixels, size: int, device: torch.device) -> torch.Tensor:
    """A frame as the model takes it: float32 (3, size, size), in [-1, 1]."""
    import torch
    from torch.nn import functional

    pixels = torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1)[None].float() / 255
    square = functional.interpolate(
        pixels, size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )
    return (square[0] - _MEAN) / _DEVIATION
