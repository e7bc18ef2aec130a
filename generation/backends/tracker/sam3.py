"""SAM3's video tracker, through transformers; see `sparkle.generation.sam3.session` for how it tracks.

Passes are at the clip's own size, so the vote is the paper's, pixel by pixel, and there is nothing to refine
behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkle.generation.capabilities import Anchors, Identity, Masks
from sparkle.generation.devices import require_device
from sparkle.generation.options import operational, require_choice
from sparkle.generation.out_of_memory import retry_out_of_memory
from sparkle.generation.packages import package_versions
from sparkle.generation.requirements import ESTIMATED, GIGABYTE, Requirements, Span, card_note, needed
from sparkle.generation.weights import Weights
from sparkle.media.decode import iter_frames
from sparkle.schemas.errors import ConfigError

if TYPE_CHECKING:
    from sparkle.generation.sam3.session import ClipSession

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

    def passes(self, clip: Path, anchors: Anchors) -> Iterator[Masks]:
        """Yield one pass an anchor at the clip's size, empty where its boxes hold nothing."""
        session = retry_out_of_memory(partial(self._open, clip), what="track")
        for index, objects in anchors:
            track = partial(session.track, index, objects)
            yield retry_out_of_memory(track, what=f"track, anchor {index}")

    def finish(self, clip: Path, voted: Masks) -> Masks:
        """The voted masks as they are: they have the clip's size."""
        return voted

    def _open(self, clip: Path) -> ClipSession:
        from sparkle.generation.sam3.session import ClipSession

        return ClipSession(self._model, iter_frames(clip), state_device=self.keep_on or self.device)
