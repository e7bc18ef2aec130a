"""Findings: at their place, short, and few, whatever a record holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sparkle.schemas.errors import RecordError
from sparkle.schemas.validate import Finding, check, check_jsonl, check_line, findings_of

BOX = {"bbox_2d": [1, 2, 30, 40], "label": "cat"}
GROUNDING = {
    "id": "Sparkle_location_000003",
    "prompt": "p",
    "edit_type": "location",
    "round1_labels": ["cat"],
    "round1_objects": [BOX],
    "frame_objects": [[BOX], [{"bbox_2d": [], "label": "cat"}]],
}


def pointers(value: Any) -> list[str]:
    return [finding.pointer for finding in findings_of("grounding_r2", value)]


def test_a_finding_reads_as_a_sentence() -> None:
    whole = Finding("a.jsonl", 7, "/id", "not an id", got="cat", wanted="Sparkle_...")
    assert str(whole) == "a.jsonl:7 /id | not an id | got cat | wanted Sparkle_..."
    assert str(Finding("a.tar", 0, "", "is missing")) == "a.tar | is missing"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"edit_type": "time"}, "/edit_type"),
        ({"round1_labels": ["dog"]}, "/round1_labels"),
        ({"round1_labels": ["cat", "cat"], "round1_objects": [BOX, BOX]}, "/round1_labels"),
        ({"frame_objects": [[BOX], []]}, "/frame_objects/1"),
        ({"frame_objects": [[BOX, BOX]]}, "/frame_objects/0"),
        ({"frame_objects": [[{**BOX, "bbox_2d": [1, 40, 30, 40]}]]}, "/frame_objects/0/0/bbox_2d"),
        ({"round1_objects": [{**BOX, "bbox_2d": [30, 2, 1, 40]}]}, "/round1_objects/0/bbox_2d"),
        ({"a/b~c": 1}, "/a~1b~0c"),
    ],
)
def test_what_a_schema_cannot_say_is_found_at_its_place(change: dict[str, Any], pointer: str) -> None:
    assert pointers(GROUNDING) == []
    assert pointer in pointers({**GROUNDING, **change})


def test_findings_are_few_and_short() -> None:
    bad = {**GROUNDING, "frame_objects": [[{**BOX, "bbox_2d": ["x" * 1000] * 5000}]], "id": "x" * 10**6}
    found = list(findings_of("grounding_r2", bad))
    assert 0 < len(found) <= 20
    assert sum(len(str(finding)) for finding in found) < 20_000


@pytest.mark.parametrize("depth", [100, 300, 900])
def test_what_is_nested_deep_is_a_finding(depth: int) -> None:
    nested = json.loads("[" * depth + "]" * depth)
    assert pointers({**GROUNDING, "frame_objects": nested})


def test_a_pointer_escapes_what_it_must() -> None:
    value = {"format": "sparkle-provenance", "packages": {"a/b~c": 1}}
    assert "/packages/a~1b~0c" in [finding.pointer for finding in findings_of("provenance", value)]


def test_check_raises_the_first_finding() -> None:
    check("grounding_r2", GROUNDING, where="x")
    with pytest.raises(RecordError) as caught:
        check("grounding_r2", {**GROUNDING, "edit_type": "time"}, where="x.jsonl:3")
    assert caught.value.where == "x.jsonl:3 /edit_type"


def test_every_line_of_a_file_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    good = json.dumps(GROUNDING)
    path.write_text("\n".join([good, "", "{", good.replace("000003", "3"), good]))
    found = list(check_jsonl(path, "grounding_r2", file="some.jsonl"))
    assert [number for number, _, _ in found] == [1, 2, 3, 4, 5]
    assert [len(findings) for _, _, findings in found] == [0, 1, 1, 1, 0]
    assert {finding.line for _, _, findings in found for finding in findings} == {2, 3, 4}
    assert check_line(good.encode(), "grounding_r2") == (GROUNDING, [])
