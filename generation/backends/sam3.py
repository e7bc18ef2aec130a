"""The `tracker` SAM3, through transformers: boxed objects followed through a clip, one pass per anchor.

- Passes are at the clip's own size, so the vote is the paper's, pixel by pixel, and there is nothing to
  refine behind it.
- The stock processors need torchvision, so frames are brought to the model's square here: bilinear with
  antialiasing, then mean and deviation 0.5.
- A frame's vision features depend on the frame alone. They are kept for the whole clip, and between anchors
  only what was tracked is forgotten, so that further anchors cost no vision forward; their masks are those of
  a fresh session, bit for bit.
- A box is two points, its corners, with SAM's labels for them. Every registered object needs a box on the
  anchor frame: an object without one is not registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sparkle.generation.backend import Anchors, operational
from sparkle.generation.backends.local_model import PretrainedModel, retry_out_of_memory
from sparkle.generation.needs import GIGABYTE, Estimate
from sparkle.media import Mask, Pixels
from sparkle.media.decode import iter_frames
from sparkle.schemas import records as r
from sparkle.schemas.errors import ConfigError

if TYPE_CHECKING:
    import torch


_KINDS = ("sam3_tracker_video", "sam3_video")  # the second is facebook/sam3's: detector and tracker
_SECONDS = Estimate(30, 60)  # 11 anchors on 81 frames

_MEAN = _DEVIATION = 0.5  # of each channel: facebook/sam3, preprocessor_config.json
_TOP_LEFT, _BOTTOM_RIGHT = 2, 3  # SAM's point labels for the corners of a box
_BOX_SCALE = 1000  # boxes are in thousandths of the frame's sides


@dataclass(kw_only=True)
class Backend(PretrainedModel):
    """The `tracker` SAM3; the base class has the options of weights and device.

    Args:
        attention: transformers' implementation: sdpa or eager.
        keep_on: Where a clip's features are kept between anchors; None is with the model. `cpu` frees about
            6 GB of the GPU for the price of copies.
    """

    capability: ClassVar[str] = "tracker"
    required_packages: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    # Features and frames of 81 frames in bfloat16, and the model at work: estimate.
    working_memory: ClassVar[int] = 8 * GIGABYTE

    keep_on: str | None = operational(None)

    def seconds(self) -> dict[str, Estimate]:
        """Return seconds per clip."""
        return {"track": _SECONDS}

    def load(self) -> Any:
        """Return the model; raises ConfigError if it lacks weights."""
        import torch
        from transformers import AutoConfig, Sam3TrackerVideoModel

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
        return model.to(self.device).eval()

    def passes(self, clip: Path, anchors: Anchors) -> Iterator[Mask]:
        """Yield one pass per anchor at the clip's size, empty where its boxes hold nothing."""
        session = retry_out_of_memory(partial(self._open, clip), what="track")
        for index, objects in anchors:
            track = partial(session.track, index, objects)
            yield retry_out_of_memory(track, what=f"track, anchor {index}")

    def finish(self, clip: Path, voted: Mask) -> Mask:
        """Return the voted masks as they are: they have the clip's size."""
        return voted

    def _open(self, clip: Path) -> ClipSession:
        return ClipSession(self._model, iter_frames(clip), state_device=self.keep_on or self.device)


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
        """Return logits (objects, 1, h, w) at the clip's size, above 0, any object: bool (H, W)."""
        from torch.nn import functional

        size = (self.height, self.width)
        full = functional.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
        mask: Mask = (full > 0).any(dim=0)[0].cpu().numpy()
        return mask


def _to_square(frame: Pixels, size: int, device: torch.device) -> torch.Tensor:
    """Return a frame as the model takes it: float32 (3, size, size), in [-1, 1]."""
    import torch
    from torch.nn import functional

    pixels = torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1)[None].float() / 255
    square = functional.interpolate(
        pixels, size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )
    return (square[0] - _MEAN) / _DEVIATION
