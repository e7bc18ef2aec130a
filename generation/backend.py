"""What a backend must be able to do, one protocol a capability.

Arrays are uint8 RGB, (H, W, 3) for a frame; masks are bool, (T, H, W) for a clip. Every call gets a
seed that was derived from the run's seed and the sample; the same arguments give the same answer.
A backend reports what is wrong with one sample as a `SampleError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sparkle.schemas import records as r

Image = npt.NDArray[np.uint8]
Masks = npt.NDArray[np.bool_]
Anchors = Sequence[tuple[int, Sequence[r.GroundedObject]]]  # frame index and the boxes on it


@dataclass(frozen=True)
class Identity:
    """What a backend is: part of every fingerprint, and listed in the provenance.

    Args:
        model: Repository or method.
        revision: Commit of the weights, or the version of the method.
        note: What a reader of the card must know (a licence, "measured, not judged").
    """

    model: str
    revision: str
    note: str = ""


@dataclass(frozen=True)
class Made:
    """A picture that a backend made, and its own words and numbers about it."""

    image: Image
    details: dict[str, Any]


class BackendBase(Protocol):
    """What every backend has."""

    @property
    def identity(self) -> Identity:
        """Known without loading anything."""
        ...

    def setup(self) -> None:
        """Load what the backend needs, once in the process that works."""
        ...


@runtime_checkable
class Prompted(Protocol):
    """A backend that asks a model in words: they are part of its steps' fingerprints."""

    def prompts(self, step: str) -> dict[str, str]:
        """For a step, sha256 of each prompt file, and whatever else decides how it asks and reads."""
        ...


@runtime_checkable
class Packaged(Protocol):
    """A backend whose work is decided by libraries: their versions go to fingerprints and provenance."""

    def packages(self) -> dict[str, str]:
        """Versions by package; raises ConfigError where one is not installed."""
        ...


@runtime_checkable
class Pinnable(Protocol):
    """A backend whose options may name something that moves, such as a branch of a model's repository."""

    def pinned(self) -> dict[str, Any]:
        """Those options by name, as what they name now: a commit."""
        ...


class Flow(BackendBase, Protocol):
    """Measures how the camera moves."""

    def camera_motion(self, clip: Path) -> r.FlowRecord:
        """Displacements of the whole picture; see `FlowRecord` for units."""
        ...


class Vlm(BackendBase, Protocol):
    """Looks at pictures and answers in words and boxes."""

    def check_camera(self, clip: Path, motion: r.FlowRecord) -> r.CameraRecord:
        """Is the camera fixed, and why."""
        ...

    def compose(self, frame: Path, theme: str, prompt: str | None, seed: int) -> r.ComposeRecord:
        """Describe the first frame and choose an instruction, or take the one that is given."""
        ...

    def ground_first(self, clip: Path, source: Path, edited: Path, prompt: str) -> r.Ground1Record:
        """Labels and boxes of the foreground on the first frame, from the source and edited pair."""
        ...

    def ground_frames(self, clip: Path, first: r.Ground1Record, anchors: Sequence[int]) -> r.Ground2Record:
        """Every label of round 1 on each anchor frame; an empty box where it cannot tell."""
        ...


class ImageEditor(BackendBase, Protocol):
    """Edits one picture."""

    def edit(self, image: Path, prompt: str, seed: int, *, clip: Path) -> Made:
        """Replace the background of a clip's first frame as the prompt says."""
        ...

    def remove(self, image: Path, objects: Sequence[r.GroundedObject], prompt: str, seed: int) -> Made:
        """Take the labelled objects out of an edited frame."""
        ...


class ImageScorer(BackendBase, Protocol):
    """Judges edits from 0 to 10."""

    def score_edit(self, source: Path, edited: Path, prompt: str, *, clip: Path) -> r.ImageScore:
        """How well the first frame was edited."""
        ...

    def score_removal(
        self, edited: Path, removed: Path, objects: Sequence[r.GroundedObject], prompt: str
    ) -> r.ImageScore:
        """How well the foreground was removed."""
        ...

    def score_frames(
        self, source: Path, edited: Path, mask: Path, prompt: str, indices: Sequence[int]
    ) -> tuple[r.FrameScore, ...]:
        """How well each of some frames of a video was edited; `mask` is the foreground's npz."""
        ...


class ImageToVideo(BackendBase, Protocol):
    """Brings a picture to life."""

    def animate(self, image: Path, prompt: str, frames: int, fps: float, seed: int) -> Iterator[Image]:
        """Yield `frames` frames; the first is the picture."""
        ...


class Tracker(BackendBase, Protocol):
    """Follows boxed objects through a clip."""

    def passes(self, clip: Path, anchors: Anchors) -> Iterator[Masks]:
        """Yield for each anchor one pass over the whole clip, in both directions, at working size.

        They are read one by one and perhaps not all; an anchor whose boxes hold nothing gives an empty one.
        """
        ...

    def finish(self, clip: Path, voted: Masks) -> Masks:
        """Bring the voted masks to the clip's size, refined where the backend can."""
        ...


@dataclass(frozen=True)
class Guidance:
    """What a video is synthesised from.

    Args:
        source: The source video.
        mask: The subject's masks, npz.
        background: The animated background; None where the guidance speaks of the foreground only.
        edges: The edges that guide.
        edited_frame0: The first frame as it was edited.
        empty_frame0: The same without the subject.
        prompt: The instruction.
    """

    source: Path
    mask: Path
    background: Path | None
    edges: Path
    edited_frame0: Path
    empty_frame0: Path
    prompt: str


class ControlToVideo(BackendBase, Protocol):
    """Makes the edited video from its guidance."""

    def synthesize(self, guidance: Guidance, seed: int) -> Iterator[Image]:
        """Yield the edited video's frames, as many as the source has."""
        ...
