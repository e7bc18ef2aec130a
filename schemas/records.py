"""Every record of the contract as a frozen Struct: what its JSON is read into and written from.

How it works
- Field names are the JSON keys, in their order; `plain` and the writers of `sparkle.schemas.canonical` make
  JSON of a record. An optional field that is None is left out.
- msgspec reads them: an unknown key, a missing one or a wrong type is an error. What is published is checked
  by `json/*.schema.json` besides, which also have the bounds; a test holds the two together.
- Shapes that upstream publishes (metadata, EditScore, groundings) keep upstream's keys and order.
- A box is `[x1, y1, x2, y2]` in [0, 1000] of the frame's width and height (Qwen's grounding convention,
  upstream card), or empty where a label was not found on that frame.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import replace

from sparkle.schemas.ids import ID_PATTERN

SampleId = Annotated[str, Meta(pattern=ID_PATTERN)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Text = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0)]
Index = Annotated[int, Meta(ge=0, le=2**31 - 1)]  # as tables hold it; no clip comes near

T = TypeVar("T")
R = TypeVar("R", bound="Record")


class Record(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A record of the contract: closed and typed when it is read; the defaults of its fields are None."""


KEPT: Literal["kept"] = "kept"
REJECTED: Literal["rejected"] = "rejected"
FAILED: Literal["failed"] = "failed"


# --- what goes in -----------------------------------------------------------------------------


class SourceRecord(Record, frozen=True):
    """A source file: content hash, where it was first seen, licence, and what it is or why it is unread."""

    sha256: Sha256
    path: Text
    bytes: Count
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    fps: float | None = None
    median_hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    licence: Text | None = None
    problem: Text | None = None
    perceptual_hash: str | None = None  # of runs before `median_hash`: the first frame alone, in 64 bits


class Candidate(Record, frozen=True):
    """A sample before any filter: one source to be edited in one theme, with its prompt if given."""

    id: SampleId
    source: Sha256
    theme: str
    prompt: Text | None = None


# --- outcomes ---------------------------------------------------------------------------------


class ArtifactRef(Record, frozen=True):
    """Content hash and size in bytes of an artifact."""

    sha256: Sha256
    size: Count


class Outcome(Record, Generic[T], frozen=True, kw_only=True):
    """What a step said of a sample; `T` is its record, as a Struct or as JSON values.

    `status` is kept, rejected (with the rule's reason) or failed (with the error's parts). `record`
    holds the measurements; the verdict can be taken again from them under other thresholds.
    """

    id: SampleId
    fingerprint: Sha256
    status: Literal["kept", "rejected", "failed"]
    reason: Text | None = None
    error: dict[str, str] | None = None
    record: T | None = None
    artifacts: dict[str, ArtifactRef]

    def __post_init__(self) -> None:
        found = (self.record is not None, self.reason is not None, self.error is not None)
        if found != _SAID[self.status] or "problem" not in (self.error or ("problem",)):
            raise ValueError("an outcome has a record (kept), a reason too (rejected) or a problem (failed)")


AnyOutcome = Outcome[dict[str, Any]]  # of any step: its record as JSON values
_SAID = {KEPT: (True, False, False), REJECTED: (True, True, False), FAILED: (False, False, True)}


# --- records of the steps ---------------------------------------------------------------------
#
# `repairs` of a record that is read from a model's answer says by which rules the answer was repaired, and
# where. It stays in the run's outcome: published lines and later fingerprints are without it.


class NormaliseRecord(Record, frozen=True):
    """The normalised clip (px, frames, frames a second), its source, and the fewest frames wanted.

    `notes` say what was done to frames beside that, such as deinterlacing.
    """

    width: int
    height: int
    frames: int
    fps: float
    copied: bool
    source_width: int
    source_height: int
    source_frames: int
    source_fps: float
    min_frames: int
    notes: tuple[Text, ...] | None = None


class FlowRecord(Record, frozen=True):
    """Camera motion: median corner displacement in px a frame at 720p, over near and far frames."""

    short: float
    long: float


class CameraRecord(Record, frozen=True):
    """Whether the camera is fixed, and why."""

    fixed: bool
    reasoning: str
    repairs: tuple[str, ...] | None = None


class SceneMetadata(Record, frozen=True, kw_only=True):
    """Upstream's `metadata`: `chosen_keyword` is "subtheme: scene"; openve3m has none."""

    edit_type: str
    chosen_keyword: str | None = None
    original_scene: str


class ComposeRecord(Record, frozen=True):
    """The instruction and its metadata."""

    prompt: str
    metadata: SceneMetadata
    repairs: tuple[str, ...] | None = None


class MadeRecord(Record, frozen=True):
    """What a generating backend says of what it made: its own words and numbers."""

    details: dict[str, Any]


class ImageScore(Record, frozen=True):
    """EditScore of an image edit, 0 to 10 each; `overall` is recorded, never recomputed (upstream card)."""

    prompt_following: float
    consistency: float
    perceptual_quality: float
    overall: float
    SC_reasoning: str
    PQ_reasoning: str


class FrameScore(Record, frozen=True):
    """EditScore of one frame of an edited video, 0 to 10 each."""

    SC_score: float
    PQ_score: float
    O_score: float
    SC_score_reasoning: str
    PQ_score_reasoning: str
    SC_raw_output: str
    PQ_raw_output: str


class VideoScore(Record, frozen=True):
    """EditScore of four frames of an edited video."""

    frame_indices: tuple[Index, ...]
    editscore: tuple[FrameScore, ...]


class GroundedObject(Record, frozen=True):
    """A labelled box; an empty box abstains."""

    bbox_2d: tuple[int, ...]
    label: str


class Ground1Record(Record, frozen=True):
    """Labels and boxes of the foreground, from the first-frame pair."""

    round1_labels: tuple[str, ...]
    round1_objects: tuple[GroundedObject, ...]
    repairs: tuple[str, ...] | None = None


class Ground2Record(Record, frozen=True):
    """Every round-1 label on each anchor frame (2 FPS), in the order of round 1."""

    frame_objects: tuple[tuple[GroundedObject, ...], ...]
    repairs: tuple[str, ...] | None = None


class TrackRecord(Record, frozen=True):
    """The masks: anchor frames that spoke and abstained, mean share of the frame, empty frames."""

    anchors: tuple[int, ...]
    abstained: tuple[int, ...]
    coverage: float
    empty_frames: int


class EdgesRecord(Record, frozen=True):
    """Mean share of edge pixels in a frame, and the thresholds fitted on either side of the mask."""

    density: float
    foreground_threshold: int
    background_threshold: int


class MeasureRecord(Record, frozen=True):
    """Measures of the edited video; see `sparkle.media.measures` for units.

    `background_motion_inside` and `_outside` of what the prompt implies to move are absent where they could
    not be told (`sparkle.media.prompted_motion`); `implied_motion` lists what it implies, separated by
    commas, and `implied_motion_found` what of that was found in the picture. Absent: nothing.
    """

    background_motion: float
    foreground_psnr: float
    flicker: float
    mask_stability: float
    sharpness: float
    background_motion_inside: float | None = None
    background_motion_outside: float | None = None
    implied_motion: str | None = None
    implied_motion_found: str | None = None


def without_repairs(record: R) -> R:
    """The record as the model gave it, or would have given it."""
    return replace(record, repairs=None) if getattr(record, "repairs", None) else record


STEP_RECORDS: dict[str, type[Record]] = {
    "normalise": NormaliseRecord,
    "flow": FlowRecord,
    "camera": CameraRecord,
    "compose": ComposeRecord,
    "edit": MadeRecord,
    "edit_score": ImageScore,
    "ground1": Ground1Record,
    "remove": MadeRecord,
    "remove_score": ImageScore,
    "animate": MadeRecord,
    "ground2": Ground2Record,
    "track": TrackRecord,
    "edges": EdgesRecord,
    "synthesize": MadeRecord,
    "video_score": VideoScore,
    "measure": MeasureRecord,
}
