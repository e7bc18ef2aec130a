"""Is a line of upstream's JSON lines fine? Answered in microseconds, and yes is never wrong.

How it works
- `line_reader` decodes a line straight into typed structs (msgspec), which checks keys, types and ranges,
  and then checks what `validate` calls semantics. A line that passes has no findings; of any other it
  says nothing, and `validate` decides. A property test holds both to that.
- Decoders take the last of two equal keys without a word. So quotes are counted: a line with no key twice
  has two for every key and every text that the structs hold; a second key adds at least two more.
- `typed` gives the same structs for a value that `validate` found nothing in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from sparkle.schemas.validate import MAX_LINE_BYTES

_Score = Annotated[float, Meta(ge=0, le=10)]
_Text = Annotated[str, Meta(min_length=1)]
_Coordinate = Annotated[int, Meta(ge=0, le=1000)]
_Index = Annotated[int, Meta(ge=0, le=2**31 - 1)]  # no upper end in the schema; no clip comes near

# Stricter than the schema's pattern, which lets line ends through: regular expressions differ in what
# "." is. What is left out here is looked at by `validate`.
_KEYWORD = re.compile(r"[^:\x00-\x1f\x7f-\x9f\u2028\u2029]+: [^\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class SceneMetadata(Struct, forbid_unknown_fields=True, gc=False):
    """`metadata` of a line of training metadata."""

    edit_type: str
    original_scene: _Text
    chosen_keyword: str | UnsetType = UNSET


class MetadataLine(Struct, forbid_unknown_fields=True, gc=False):
    """A line of training metadata."""

    id: str
    prompt: _Text
    metadata: SceneMetadata


class ImageScore(Struct, forbid_unknown_fields=True, gc=False):
    """`editscore` of an image."""

    prompt_following: _Score
    consistency: _Score
    perceptual_quality: _Score
    overall: _Score
    SC_reasoning: str
    PQ_reasoning: str


class ImageScoreLine(Struct, forbid_unknown_fields=True, gc=False):
    """A line of scores of a first frame."""

    id: str
    prompt: _Text
    editscore: ImageScore


class FrameScore(Struct, forbid_unknown_fields=True, gc=False):
    """`editscore` of a frame of a video."""

    SC_score: _Score
    PQ_score: _Score
    O_score: _Score
    SC_score_reasoning: str
    PQ_score_reasoning: str
    SC_raw_output: str
    PQ_raw_output: str


class VideoScoreLine(Struct, forbid_unknown_fields=True, gc=False):
    """A line of scores of an edited video."""

    id: str
    prompt: _Text
    frame_indices: Annotated[list[_Index], Meta(min_length=4, max_length=4)]
    editscore: Annotated[list[FrameScore], Meta(min_length=4, max_length=4)]


class LabelledBox(Struct, forbid_unknown_fields=True, gc=False):
    """A box and its label; an empty box abstains."""

    bbox_2d: Annotated[list[_Coordinate], Meta(max_length=4)]
    label: _Text


class Round1Line(Struct, forbid_unknown_fields=True, gc=False):
    """A line of grounding, round 1."""

    id: str
    prompt: _Text
    edit_type: str
    round1_labels: Annotated[list[str], Meta(min_length=1)]
    round1_objects: list[LabelledBox]


class Round2Line(Struct, forbid_unknown_fields=True, gc=False):
    """A line of grounding, round 2."""

    id: str
    prompt: _Text
    edit_type: str
    round1_labels: Annotated[list[str], Meta(min_length=1)]
    round1_objects: list[LabelledBox]
    frame_objects: Annotated[list[list[LabelledBox]], Meta(min_length=1)]


Line: TypeAlias = MetadataLine | ImageScoreLine | VideoScoreLine | Round1Line | Round2Line
LineReader: TypeAlias = Callable[[bytes], Line | None]

_TYPES: dict[str, type[Line]] = {
    "training_metadata": MetadataLine,
    "image_score": ImageScoreLine,
    "video_score": VideoScoreLine,
    "grounding_r1": Round1Line,
    "grounding_r2": Round2Line,
}


def line_reader(schema: str, theme: str) -> LineReader:
    """A function that gives a line's struct when the line is fine, else None.

    Fine is: strict JSON, nothing that `validate.findings_of` finds, and an id of the theme.

    Args:
        schema: The kind of record: training_metadata, image_score, video_score, grounding_r1 or grounding_r2.
        theme: The theme that ids and edit types must name.
    """
    decode = msgspec.json.Decoder(_TYPES[schema]).decode
    count_texts = _COUNTERS[schema]
    is_id = re.compile(f"Sparkle_{re.escape(theme)}_(?:[0-9]{{6}}|[1-9][0-9]{{6,8}})").fullmatch

    def read(line: bytes) -> Line | None:
        try:
            found: Line = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        fine = is_id(found.id) and 2 * count_texts(found, theme) == _quotes(line)
        return found if fine and len(line) <= MAX_LINE_BYTES else None

    return read


def typed(schema: str, value: Any) -> Line:
    """The struct of a value that `validate.findings_of` found nothing in."""
    found: Line = msgspec.convert(_whole(value), _TYPES[schema])
    return found


def _whole(value: Any) -> Any:
    """The value with 1.0 as 1: JSON Schema counts both as integers."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _quotes(line: bytes) -> int:
    """Quotes in a JSON text that open or close a text: those that no backslash escapes."""
    count = line.count(b'"')
    if b"\\" not in line:
        return count
    if b"\\\\" in line:  # a run of backslashes starts with pairs, each an escaped one: what is left escapes
        line = line.replace(b"\\\\", b"")
    return count - line.count(b'\\"')


# --- keys and texts of a line that is fine, -1 of one that may not be --------------------------

_UNSURE = -1


def _metadata(line: MetadataLine, theme: str) -> int:
    found = line.metadata
    if found.edit_type != (f"{theme}_background_change" if theme == "openve3m" else theme):
        return _UNSURE
    if found.chosen_keyword is UNSET:
        return 9
    return 11 if theme != "openve3m" and _is_keyword(found.chosen_keyword) else _UNSURE


@lru_cache(maxsize=1000)  # ten times the scenes of the taxonomy
def _is_keyword(text: str) -> bool:
    return _KEYWORD.fullmatch(text) is not None


def _image_score(line: ImageScoreLine, theme: str) -> int:
    return 13


def _video_score(line: VideoScoreLine, theme: str) -> int:
    first, second, third, fourth = line.frame_indices
    return 50 if first < second < third < fourth else _UNSURE


def _round1(line: Round1Line | Round2Line, theme: str) -> int:
    labels, objects = line.round1_labels, line.round1_objects
    boxes = [item.bbox_2d for item in objects]
    if line.edit_type != theme or [item.label for item in objects] != labels:
        return _UNSURE
    if len(set(labels)) != len(labels) or [] in boxes or not _are_boxes(boxes):
        return _UNSURE
    return 8 + 4 * len(labels)


def _round2(line: Round2Line, theme: str) -> int:
    texts, labels, frames = _round1(line, theme), line.round1_labels, line.frame_objects
    if texts == _UNSURE or [item.label for objects in frames for item in objects] != labels * len(frames):
        return _UNSURE
    if any(len(objects) != len(labels) for objects in frames):
        return _UNSURE
    boxes = [item.bbox_2d for objects in frames for item in objects]
    return texts + 1 + 3 * len(boxes) if _are_boxes(boxes) else _UNSURE


def _are_boxes(boxes: list[list[int]]) -> bool:
    """Whether each is empty or has four numbers, the first corner above and left of the second."""
    for box in boxes:
        if box:
            if len(box) != 4:
                return False
            left, top, right, bottom = box
            if left >= right or top >= bottom:
                return False
    return True


_COUNTERS: dict[str, Callable[[Any, str], int]] = {
    "training_metadata": _metadata,
    "image_score": _image_score,
    "video_score": _video_score,
    "grounding_r1": _round1,
    "grounding_r2": _round2,
}
