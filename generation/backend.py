"""What a backend is: its identity, its options, and one protocol per capability.

How it works
- Arrays are uint8 RGB, (H, W, 3) for a frame; masks are bool, (T, H, W) for a clip. Every call gets a seed
  that was derived from the run's seed and the sample; the same arguments give the same answer. A backend
  reports what is wrong with one sample as a `SampleError`.
- What not every backend has (weights to load, words to ask in, libraries) are small protocols of their own.
- Options are the fields of the backend's dataclass; `require_range` and `require_choice` say what a value may
  be, when the configuration is read.
- An option made by `operational` decides how a backend works (an address, a time limit, how much at once),
  not what it makes: it is no part of a fingerprint, so changing it makes nothing again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from sparkle.media import Mask, Pixels
from sparkle.schemas import records as r
from sparkle.schemas.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

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
    """A picture that a backend made, and its own words and numbers about it.

    An image editor that cannot do what the instruction says makes none, and its `details` say in `not_drawn`
    why: the sample is rejected.
    """

    image: Pixels | None
    details: dict[str, Any]


# --- options ---------------------------------------------------------------------------------------

_MARK = "operational"


def operational(default: Any = dataclasses.MISSING) -> Any:
    """Declare a field that decides how a backend works and not what it makes; required without a default."""
    return dataclasses.field(default=default, metadata={_MARK: True})


def decisive_options(backend: DataclassInstance, table: dict[str, Any]) -> dict[str, Any]:
    """Return a backend's table without its operational options."""
    left_out = {field.name for field in dataclasses.fields(backend) if field.metadata.get(_MARK)}
    return {name: value for name, value in table.items() if name not in left_out}


def require_range(backend: DataclassInstance, option: str, least: float, most: float) -> None:
    """Raise ConfigError unless least <= the option's value <= most."""
    value = getattr(backend, option)
    if not least <= value <= most:
        raise ConfigError("an option is out of range", got=f"{option} = {value}", wanted=f"{least} to {most}")


def require_choice(backend: DataclassInstance, option: str, choices: Sequence[str]) -> None:
    """Raise ConfigError unless the option's value is one of the choices."""
    value = getattr(backend, option)
    if value not in choices:
        raise ConfigError("no such choice", got=f"{option} = {value!r}", wanted=", ".join(choices))


# --- what backends have ----------------------------------------------------------------------------


class Identified(Protocol):
    """What every backend has."""

    @property
    def identity(self) -> Identity:
        """Known without loading anything."""
        ...


@runtime_checkable
class Loadable(Protocol):
    """A backend that needs something in memory before it works."""

    def setup(self) -> None:
        """Load it, once in the process that works."""
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
        """Return versions by package; raises ConfigError where one is not installed."""
        ...


@runtime_checkable
class Pinnable(Protocol):
    """A backend whose options may name something that moves, such as a branch of a model's repository."""

    def pinned(self) -> dict[str, Any]:
        """Return those options by name, as what they name now: a commit."""
        ...


@runtime_checkable
class Drawing(Protocol):
    """An image editor that draws scenes by the taxonomy's recipes, so that it is known how each looks."""

    @property
    def draws_recipes(self) -> bool:
        """True."""
        ...


# --- capabilities ----------------------------------------------------------------------------------


class FlowBackend(Identified, Protocol):
    """Measures how the camera moves."""

    def camera_motion(self, clip: Path) -> r.FlowRecord:
        """Displacements of the whole picture; see `FlowRecord` for units."""
        ...


class VlmBackend(Identified, Protocol):
    """Looks at pictures and answers in words and boxes."""

    def check_camera(self, clip: Path, motion: r.FlowRecord) -> r.CameraRecord:
        """Is the camera fixed, and why."""
        ...

    def compose(self, frame: Path, theme: str, prompt: str | None, seed: int) -> r.ComposeRecord:
        """Describe the first frame and choose an instruction, or take the one that is given."""
        ...

    def ground_first(self, clip: Path, source: Path, edited: Path, prompt: str) -> r.Ground1Record:
        """Return labels and boxes of the foreground on the first frame, from the source and edited pair."""
        ...

    def ground_frames(self, clip: Path, first: r.Ground1Record, anchors: Sequence[int]) -> r.Ground2Record:
        """Return every label of round 1 on each anchor frame; an empty box where it cannot tell."""
        ...


class ImageEditorBackend(Identified, Protocol):
    """Edits one picture."""

    def edit(self, image: Path, prompt: str, seed: int, *, clip: Path) -> Made:
        """Replace the background of a clip's first frame as the prompt says."""
        ...

    def remove(self, image: Path, objects: Sequence[r.GroundedObject], prompt: str, seed: int) -> Made:
        """Take the labelled objects out of an edited frame."""
        ...


class ImageScorerBackend(Identified, Protocol):
    """Judges edits from 0 to 10."""

    def score_edit(self, source: Path, edited: Path, prompt: str, *, clip: Path) -> r.ImageScore:
        """Return how well the first frame was edited."""
        ...

    def score_removal(
        self, edited: Path, removed: Path, objects: Sequence[r.GroundedObject], prompt: str
    ) -> r.ImageScore:
        """Return how well the foreground was removed."""
        ...

    def score_frames(
        self, source: Path, edited: Path, mask: Path, prompt: str, indices: Sequence[int]
    ) -> tuple[r.FrameScore, ...]:
        """Return how well each of some frames of a video was edited; `mask` is the foreground's npz."""
        ...


class ImageToVideoBackend(Identified, Protocol):
    """Brings a picture to life."""

    def animate(self, image: Path, prompt: str, frames: int, fps: float, seed: int) -> Iterator[Pixels]:
        """Yield `frames` frames; the first is the picture."""
        ...


class TrackerBackend(Identified, Protocol):
    """Follows boxed objects through a clip."""

    def passes(self, clip: Path, anchors: Anchors) -> Iterator[Mask]:
        """Yield for each anchor one pass over the whole clip, in both directions, at working size.

        They are read one by one and perhaps not all; an anchor whose boxes hold nothing gives an empty one.
        """
        ...

    def finish(self, clip: Path, voted: Mask) -> Mask:
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


class ControlToVideoBackend(Identified, Protocol):
    """Makes the edited video from its guidance."""

    def synthesize(self, guidance: Guidance, seed: int) -> Iterator[Pixels]:
        """Yield the edited video's frames, as many as the source has."""
        ...
