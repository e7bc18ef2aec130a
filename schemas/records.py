"""Every record of the contract as a frozen dataclass; field names are the JSON keys.

Shapes that upstream publishes (metadata, EditScore, groundings) keep upstream's keys and order; see
`json/*.schema.json` for the published contract. A box is `[x1, y1, x2, y2]` in [0, 1000] of the
frame's width and height (Qwen's grounding convention, upstream card), or empty where a label was not
found on that frame.

Frozen dataclasses to JSON and back, by their type hints.

- Field names are JSON keys, in order. An optional field (`X | None = None`) that is None is left out.
- Reading is closed: an unknown, missing or wrongly typed key is a `RecordError` with its JSON pointer.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from sparkle.schemas.errors import RecordError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)


@dataclasses.dataclass(frozen=True)
class Record:
    """A record of the contract; subclasses are frozen dataclasses."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values, keys in the order of the fields, absent optionals left out."""
        return dump_fields(self)

    @classmethod
    def from_json(cls, value: Any, pointer: str = "") -> Self:
        """Read a record; raises RecordError with the pointer of what does not fit."""
        return load_fields(cls, value, pointer)


def dump_fields(instance: DataclassInstance) -> dict[str, Any]:
    """The fields of a dataclass as JSON values, in their order; None is left out."""
    found = {}
    for name, dump in _dumpers(type(instance)):
        value = getattr(instance, name)
        if value is not None:
            found[name] = value if dump is None else dump(value)
    return found


def load_fields(cls: type[T], value: Any, pointer: str = "") -> T:
    """A dataclass from JSON values; raises RecordError with the pointer of what does not fit."""
    try:
        loaded: T = _loader(cls)(value)
    except _MisfitError as misfit:
        where = pointer + "".join(f"/{part}" for part in reversed(misfit.path))
        raise RecordError(misfit.problem, got=misfit.got, wanted=misfit.wanted, where=where or "/") from None
    return loaded


class _MisfitError(Exception):
    """What does not fit; its path grows, innermost part first, on the way out."""

    def __init__(self, problem: str, wanted: str, got: str | None = None, *path: object) -> None:
        self.problem, self.wanted, self.got, self.path = problem, wanted, got, list(path)


def _wrong(value: Any, wanted: str, problem: str = "wrong type") -> NoReturn:
    raise _MisfitError(problem, wanted, repr(value)[:80])


# --- one function a type, made once: records are read and written by the million ------------------

_Load = Callable[[Any], Any]


@cache
def _loader(hint: Any) -> _Load:
    """The function that reads values of a type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda value: value
    if origin in (types.UnionType, typing.Union):
        return _optional(next(argument for argument in arguments if argument is not types.NoneType))
    if origin is tuple:
        return _sequence(arguments[0], str(hint))
    if origin is dict:
        return _mapping(arguments[1], str(hint))
    if dataclasses.is_dataclass(hint):
        return _dataclass(typing.cast(type[Any], hint))
    return _number if hint is float else _exactly(hint)


def _exactly(hint: type) -> _Load:
    def load(value: Any) -> Any:
        return value if type(value) is hint else _wrong(value, str(hint))

    return load


def _number(value: Any) -> float:
    if type(value) in (int, float) and math.isfinite(value):
        return float(value)
    _wrong(value, str(float))


def _optional(hint: Any) -> _Load:
    inner = _loader(hint)
    return lambda value: None if value is None else inner(value)


def _sequence(hint: Any, shown: str) -> _Load:
    inner = _loader(hint)

    def load(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            _wrong(value, shown)
        loaded: list[Any] = []
        try:
            loaded.extend(map(inner, value))
        except _MisfitError as misfit:
            misfit.path.append(len(loaded))
            raise
        return tuple(loaded)

    return load


def _mapping(hint: Any, shown: str) -> _Load:
    inner = _loader(hint)

    def load(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            _wrong(value, shown)
        loaded = {}
        for key, item in value.items():
            try:
                loaded[key] = inner(item)
            except _MisfitError as misfit:
                misfit.path.append(key)
                raise
        return loaded

    return load


def _dataclass(cls: type[DataclassInstance]) -> _Load:
    hints = typing.get_type_hints(cls)
    loaders = {field.name: _loader(hints[field.name]) for field in dataclasses.fields(cls)}
    required = [
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]

    def load(value: Any) -> Any:
        if type(value) is not dict:
            _wrong(value, cls.__name__, "not an object")
        loaded = {}
        for key, item in value.items():
            if key not in loaders:
                raise _MisfitError("unknown key", ", ".join(loaders), key, key)
            try:
                loaded[key] = loaders[key](item)
            except _MisfitError as misfit:
                misfit.path.append(key)
                raise
        if len(loaded) < len(loaders):
            for name in required:
                if name not in loaded:
                    raise _MisfitError("missing key", name)
        return cls(**loaded)

    return load


@cache
def _dumpers(cls: type[DataclassInstance]) -> tuple[tuple[str, Callable[[Any], Any] | None], ...]:
    """The fields of a dataclass, each with what writes its value; None where that is the value itself."""
    hints = typing.get_type_hints(cls)
    plain = (str, int, float, bool)
    return tuple(
        (field.name, None if hints[field.name] in plain else _dump) for field in dataclasses.fields(cls)
    )


def _dump(value: Any) -> Any:
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, tuple | list):
        return [_dump(item) for item in value]
    if isinstance(value, dict):
        return {key: _dump(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dump_fields(value)
    return value


# --- every record of the contract as a frozen dataclass --------------------------------------------


KEPT, REJECTED, FAILED = "kept", "rejected", "failed"


# --- what goes in -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceRecord(Record):
    """A source file: content hash, where it was first seen, what it is (absent: unreadable), its licence."""

    sha256: str
    path: str
    bytes: int
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    fps: float | None = None
    perceptual_hash: str | None = None
    licence: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate(Record):
    """A sample before any filter: one source to be edited in one theme, with its prompt if given."""

    id: str
    source: str
    theme: str
    prompt: str | None = None


# --- outcomes ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArtifactRef(Record):
    """Content hash and size in bytes of an artifact."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Outcome(Record):
    """What a step said of a sample.

    `status` is kept, rejected (with the rule's reason) or failed (with the error's parts). `record`
    holds the measurements; the verdict can be taken again from them under other thresholds.
    """

    id: str
    fingerprint: str
    status: str
    reason: str | None = None
    error: dict[str, str] | None = None
    record: dict[str, Any] | None = None
    artifacts: dict[str, ArtifactRef] = field(default_factory=dict)


# --- records of the steps ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NormaliseRecord(Record):
    """The normalised clip (px, frames, frames a second), its source, and the fewest frames wanted."""

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


@dataclass(frozen=True)
class FlowRecord(Record):
    """Camera motion: median corner displacement in px a frame at 720p, over near and far frames."""

    short: float
    long: float


@dataclass(frozen=True)
class AnsweredRecord(Record):
    """A record that is read from a model's answer.

    `repairs` of a subclass says by which rules the answer was repaired, and where; it is absent where
    none was. It stays in the run's outcome: published lines and later fingerprints are without it.
    """

    def to_json(self) -> dict[str, Any]:
        """The record without its repairs."""
        found = super().to_json()
        found.pop("repairs", None)
        return found


@dataclass(frozen=True)
class CameraRecord(AnsweredRecord):
    """Whether the camera is fixed, and why."""

    fixed: bool
    reasoning: str
    repairs: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SceneMetadata(Record):
    """Upstream's `metadata`: `chosen_keyword` is "subtheme: scene"; openve3m has none."""

    edit_type: str
    original_scene: str
    chosen_keyword: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Upstream's key order: edit_type, chosen_keyword?, original_scene."""
        found = super().to_json()
        return {key: found[key] for key in ("edit_type", "chosen_keyword", "original_scene") if key in found}


@dataclass(frozen=True)
class ComposeRecord(AnsweredRecord):
    """The instruction and its metadata."""

    prompt: str
    metadata: SceneMetadata
    repairs: tuple[str, ...] | None = None


@dataclass(frozen=True)
class MadeRecord(Record):
    """What a generating backend says of what it made: its own words and numbers."""

    details: dict[str, Any]


@dataclass(frozen=True)
class ImageScore(Record):
    """EditScore of an image edit, 0 to 10 each; `overall` is recorded, never recomputed (upstream card)."""

    prompt_following: float
    consistency: float
    perceptual_quality: float
    overall: float
    SC_reasoning: str
    PQ_reasoning: str


@dataclass(frozen=True)
class FrameScore(Record):
    """EditScore of one frame of an edited video, 0 to 10 each."""

    SC_score: float
    PQ_score: float
    O_score: float
    SC_score_reasoning: str
    PQ_score_reasoning: str
    SC_raw_output: str
    PQ_raw_output: str


@dataclass(frozen=True)
class VideoScore(Record):
    """EditScore of four frames of an edited video."""

    frame_indices: tuple[int, ...]
    editscore: tuple[FrameScore, ...]


@dataclass(frozen=True)
class GroundedObject(Record):
    """A labelled box; an empty box abstains."""

    bbox_2d: tuple[int, ...]
    label: str


@dataclass(frozen=True)
class Ground1Record(AnsweredRecord):
    """Labels and boxes of the foreground, from the first-frame pair."""

    round1_labels: tuple[str, ...]
    round1_objects: tuple[GroundedObject, ...]
    repairs: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Ground2Record(AnsweredRecord):
    """Every round-1 label on each anchor frame (2 FPS), in the order of round 1."""

    frame_objects: tuple[tuple[GroundedObject, ...], ...]
    repairs: tuple[str, ...] | None = None


@dataclass(frozen=True)
class TrackRecord(Record):
    """The masks: anchor frames that spoke and abstained, mean share of the frame, empty frames."""

    anchors: tuple[int, ...]
    abstained: tuple[int, ...]
    coverage: float
    empty_frames: int


@dataclass(frozen=True)
class EdgesRecord(Record):
    """Mean share of edge pixels in a frame, and the thresholds fitted on either side of the mask."""

    density: float
    foreground_threshold: int
    background_threshold: int


@dataclass(frozen=True, slots=True)
class MeasureRecord(Record):
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
