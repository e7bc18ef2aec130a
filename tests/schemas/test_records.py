"""Records and published schemas are one contract: the same keys and types, both closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from sparkle.builders.release.manifest import FileEntry
from sparkle.schemas import records as r
from sparkle.schemas.canonical import dump_line, plain
from sparkle.schemas.errors import RecordError
from sparkle.schemas.load import load
from sparkle.schemas.validate import load_schema

Schema = dict[str, Any]

_SHA256, _ID = "0" * 64, "Sparkle_location_000003"
_HEAD = ("id", "prompt", "edit_type")  # of a published line, before what the step said

# A record, the schema that has it and where, and keys there that are not the record's.
CASES: list[tuple[Any, str, str, tuple[str, ...]]] = [
    (r.Candidate, "candidate", "", ()),
    (r.SourceRecord, "source", "", ()),
    (r.AnyOutcome, "outcome", "", ()),
    (r.SceneMetadata, "training_metadata", "properties metadata", ()),
    (r.ImageScore, "image_score", "properties editscore", ()),
    (r.VideoScore, "video_score", "", _HEAD),
    (r.Ground1Record, "grounding_r1", "", _HEAD),
    (r.Ground2Record, "grounding_r2", "", (*_HEAD, "round1_labels", "round1_objects")),
    (FileEntry, "manifest", "properties files items", ()),
]
# What a published schema says beyond keys and types; where the record says it too, both must say the same.
BEYOND = {
    *(
        "enum",
        "pattern",
        "minLength",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
        "oneOf",
        "not",
        "if",
        "then",
    ),
    "/properties/error/required",  # the error of an outcome has a problem
}


def tidy(schema: Any, definitions: Schema) -> Any:
    """A schema in one piece, without titles, and an optional field as a field that may be left out."""
    if isinstance(schema, list):
        return [tidy(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return tidy(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if {"type": "null"} in schema.get("anyOf", ()):
        return tidy(schema["anyOf"][0], definitions)
    words = ("$defs", "$schema", "$id", "title", "description", "default")
    return {
        key: {name: tidy(part, definitions) for name, part in value.items()}
        if key == "properties"
        else sorted(value)
        if key in ("required", "enum")
        else tidy(value, definitions)
        for key, value in schema.items()
        if key not in words
    }


def differences(published: Schema, ours: Schema, place: str = "") -> Iterator[str]:
    """The keywords of which only one has one, or in which both differ."""
    for key in sorted({*published, *ours}):
        one, other = published.get(key), ours.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from differences(one, other, f"{place}/{key}")
        elif one != other and not (key == "type" and "enum" in published):
            known = key in BEYOND and (other is None or key == "maximum")  # an index ends where tables end
            yield key if known else f"{place}/{key}"


@pytest.mark.parametrize(
    ("kind", "name", "place", "others"), CASES, ids=lambda case: getattr(case, "__name__", "")
)
def test_a_record_is_what_its_schema_says(kind: Any, name: str, place: str, others: tuple[str, ...]) -> None:
    published: Any = load_schema(name)
    for key in place.split():
        published = published[key]
    published, ours = tidy(published, {}), tidy(schema := msgspec.json.schema(kind), schema["$defs"])
    for key in others:
        if published["properties"].pop(key, None):
            published["required"].remove(key)
    ours["properties"].pop("repairs", None)  # stays in the run
    assert set(differences(published, ours)) <= BEYOND


OUTCOME = {
    "id": _ID,
    "fingerprint": _SHA256,
    "status": "kept",
    "record": {"short": 1, "long": 2.5},
    "artifacts": {},
}


def outcome(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**OUTCOME, **changes}.items() if value is not None}


def test_an_outcome_goes_there_and_back() -> None:
    found = load(r.Outcome[r.FlowRecord], OUTCOME)
    assert found.record == r.FlowRecord(1.0, 2.5)
    assert list(json.loads(dump_line(found))) == list(OUTCOME)
    rejected = outcome(status="rejected", reason="moving camera: 2.50 px")
    failed = outcome(status="failed", record=None, error={"problem": "the file ends early"})
    for value in (rejected, failed):
        assert json.loads(dump_line(load(r.AnyOutcome, value))) == value


@pytest.mark.parametrize(
    ("changes", "problem", "pointer"),
    [
        ({"status": "maybe"}, "not an allowed value", "/status"),
        ({"status": "rejected"}, "an outcome has a record", "/"),
        ({"status": "failed"}, "an outcome has a record", "/"),
        ({"reason": "too short"}, "an outcome has a record", "/"),
        ({"record": None}, "an outcome has a record", "/"),
        ({"status": "failed", "record": None, "error": {"got": "x"}}, "an outcome has a record", "/"),
        ({"id": "Sparkle_location_3"}, "does not match the pattern", "/id"),
        ({"artifacts": None}, "missing key", "/"),
        (
            {"artifacts": {"source_video": {"sha256": _SHA256, "size": "1"}}},
            "wrong type",
            "/artifacts/source_video/size",
        ),
        ({"record": {"short": 1}}, "missing key", "/record"),
        ({"record": {"short": 1, "long": 2, "more": 3}}, "unknown key", "/record/more"),
        ({"record": {"short": 1, "long": "2"}}, "wrong type", "/record/long"),
    ],
)
def test_what_is_no_outcome_is_named(changes: dict[str, Any], problem: str, pointer: str) -> None:
    with pytest.raises(RecordError, match=problem) as caught:
        load(r.Outcome[r.FlowRecord], outcome(**changes))
    assert caught.value.where == pointer


def test_a_record_is_closed_and_typed() -> None:
    with pytest.raises(RecordError, match="unknown key") as caught:
        load(r.FlowRecord, {"short": 1, "long": 2, "more": 3})
    assert (caught.value.got, caught.value.wanted, caught.value.where) == ("more", "short, long", "/more")
    with pytest.raises(RecordError, match="missing key") as caught:
        load(r.FlowRecord, {"short": 1})
    assert caught.value.wanted == "long"
    with pytest.raises(RecordError, match="wrong type") as caught:
        load(
            r.Ground1Record,
            {"round1_labels": ["a"], "round1_objects": [{"bbox_2d": ["1"], "label": "a"}]},
            "x ",
        )
    assert caught.value.where == "x /round1_objects/0/bbox_2d/0"
    with pytest.raises(RecordError, match="wrong type"):
        load(r.CameraRecord, {"fixed": 1, "reasoning": ""})
    with pytest.raises(RecordError, match="not a finite number") as caught:
        load(r.FlowRecord, {"short": 1.0, "long": float("nan")})
    assert caught.value.where == "/long"
    with pytest.raises(RecordError, match="Expected `int`, got `float`") as caught:
        load(r.TrackRecord, {"anchors": [0, 1.0], "abstained": [], "coverage": 0.5, "empty_frames": 0})
    assert caught.value.where == "/anchors/1"


def test_what_is_absent_is_left_out_and_repairs_stay_behind() -> None:
    record = r.CameraRecord(True, "still", ("camera: fence",))
    assert plain(record) == {"fixed": True, "reasoning": "still", "repairs": ("camera: fence",)}
    assert plain(r.without_repairs(record)) == {"fixed": True, "reasoning": "still"}
    scene = r.SceneMetadata(edit_type="location", original_scene="A wall.", chosen_keyword="coast: pier")
    assert list(plain(scene)) == ["edit_type", "chosen_keyword", "original_scene"]  # upstream's order
