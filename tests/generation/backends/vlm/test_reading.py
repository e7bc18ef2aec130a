"""Answers are read strictly: every repair has a rule and is written down, everything else is refused."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sparkle.generation.backends.vlm.reading import (
    MOST_OBJECTS,
    AnswerReader,
    Repair,
    read_camera,
    read_composition,
    read_description,
    read_first,
    read_frame,
)
from sparkle.schemas.errors import AnswerError
from sparkle.schemas.records import GroundedObject

LABELS = ("woman in coat", "dog")
PROMPT = "Shift the background to a quiet beach where waves roll in and palm fronds sway in a warm wind. " * 2
KEYWORDS = ("urban: rooftop", "nature: beach")


def boxes(*objects: tuple[object, object]) -> str:
    return json.dumps({"objects": [{"bbox_2d": box, "label": label} for box, label in objects]})


def first(answer: str) -> tuple[tuple[GroundedObject, ...], list[str]]:
    reading = AnswerReader(answer, "ground1")
    return read_first(reading), reading.repairs


def frame(answer: str) -> tuple[tuple[GroundedObject, ...], list[str]]:
    reading = AnswerReader(answer, "ground2, frame 8")
    return read_frame(reading, LABELS), reading.repairs


def test_a_good_answer_is_taken_as_it_is():
    found, repairs = first(boxes(([1, 2, 300, 400], "woman in coat"), ([5, 6, 7, 1000], "dog")))
    assert found == (
        GroundedObject((1, 2, 300, 400), "woman in coat"),
        GroundedObject((5, 6, 7, 1000), "dog"),
    )
    assert repairs == []


def test_nothing_in_the_foreground_is_an_answer():
    assert first('{"objects": []}') == ((), [])


def test_labels_come_in_the_order_of_round_1():
    found, repairs = frame(boxes(([1, 2, 3, 4], "dog"), ([], "woman in coat")))
    assert found == (GroundedObject((), "woman in coat"), GroundedObject((1, 2, 3, 4), "dog"))
    assert repairs == []


BOX = [10, 20, 30, 40]
GOOD = boxes((BOX, "dog"))


@pytest.mark.parametrize(
    ("answer", "box", "rules"),
    [
        (f"```json\n{GOOD}\n```", BOX, [Repair.FENCE]),
        (f"Here it is:\n```\n{GOOD}\n```\nDone.", BOX, [Repair.FENCE]),
        (f"<think>A dog, I think: {{}}</think>\n{GOOD}", BOX, [Repair.THOUGHT]),
        (json.dumps(json.loads(GOOD)["objects"]), BOX, [Repair.BARE_LIST]),
        (boxes(([-10, 20, 30, 1010], "dog")), [0, 20, 30, 1000], [Repair.CLIPPED]),
        (boxes(([30, 20, 10, 40], "dog")), BOX, [Repair.SWAPPED]),
        (boxes(([30, 40, 10, 20], "dog")), BOX, [Repair.SWAPPED]),
        (boxes(([10.4, 19.5, 30.0, 40], "dog")), BOX, [Repair.ROUNDED]),
        (boxes((BOX, "dog"), (BOX, "dog")), BOX, [Repair.SAME_TWICE]),
        (boxes((BOX, " dog\n")), BOX, [Repair.ONE_LINE]),
    ],
)
def test_round_1_is_repaired_by_a_rule_that_is_written_down(answer, box, rules):
    found, repairs = first(answer)
    assert found == (GroundedObject(tuple(box), "dog"),)
    assert [repair.partition(":")[0] for repair in repairs] == rules


@pytest.mark.parametrize(
    ("answer", "box", "rules"),
    [
        (boxes((BOX, "Dog "), ([], "woman in coat")), BOX, [Repair.SPELLING]),
        (boxes((None, "dog"), ([], "woman in coat")), [], [Repair.NULL_BOX]),
        (GOOD, BOX, [Repair.OMITTED]),
        ("[]", [], [Repair.BARE_LIST, Repair.OMITTED, Repair.OMITTED]),
    ],
)
def test_round_2_is_repaired_by_a_rule_that_is_written_down(answer, box, rules):
    found, repairs = frame(answer)
    assert found == (GroundedObject((), "woman in coat"), GroundedObject(tuple(box), "dog"))
    assert [repair.partition(":")[0] for repair in repairs] == rules


BROKEN = {
    "nothing": ("", "answered nothing"),
    "spaces": (" \n", "answered nothing"),
    "prose": ("There is a dog on the left.", "not JSON"),
    "a refusal": ("I'm sorry, but I cannot help with that.", "not JSON"),
    "broken": (GOOD[:-2], "not JSON"),
    "a comma too many": (GOOD.replace("]}", "],}"), "not JSON"),
    "prose before": (f"Sure! {GOOD}", "not JSON"),
    "two fences": (f"```\n{GOOD}\n```\n```\n{GOOD}\n```", "not JSON"),
    "not a number": (GOOD.replace("10", "NaN"), "not JSON"),
    "a key twice": ('{"objects": [], "objects": []}', "not JSON"),
    "a lone surrogate": (GOOD.replace("dog", "\\ud800"), "not JSON"),
    "another key": ('{"boxes": []}', "another shape"),
    "a further key": ('{"objects": [], "note": "none"}', "another shape"),
    "not a list": ('{"objects": {}}', "another shape"),
    "Gemini's box": ('[{"box_2d": [20, 10, 40, 30], "label": "dog"}]', "another shape"),
    "a further key of an object": (GOOD.replace('"dog"', '"dog", "sure": 1'), "another shape"),
    "a number for a label": (boxes((BOX, 7)), "another shape|not offered"),
    "three coordinates": (boxes(([10, 20, 30], "dog")), "not a box"),
    "words for coordinates": (boxes((["10", 20, 30, 40], "dog")), "not a box"),
    "truth for a coordinate": (boxes(([True, 20, 30, 40], "dog")), "not a box"),
    "pixels": (boxes(([10, 20, 30, 1011], "dog")), "outside the picture"),
    "far left": (boxes(([-11, 20, 30, 40], "dog")), "outside the picture"),
    "no width": (boxes(([10, 20, 10, 40], "dog")), "without area"),
    "no height": (boxes(([10, 20, 30, 20], "dog")), "without area"),
    "no area once clipped": (boxes(([1002, 20, 1009, 40], "dog")), "without area"),
    "a label for two boxes": (boxes((BOX, "dog"), ([1, 2, 3, 4], "dog")), "two boxes"),
}


@pytest.mark.parametrize("read", [first, frame], ids=["round 1", "round 2"])
@pytest.mark.parametrize("name", BROKEN)
def test_what_no_rule_repairs_is_refused_with_the_raw_answer(name, read):
    answer, problem = BROKEN[name]
    with pytest.raises(AnswerError, match=problem) as caught:
        read(answer)
    assert caught.value.got == answer
    assert caught.value.where.startswith("ground")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (boxes(([], "dog")), "no box"),
        (boxes((BOX, "")), "cannot be used"),
        (boxes((BOX, "dog\u0000")), "cannot be used"),
        (boxes((BOX, "dog " * 40)), "cannot be used"),
        (boxes(*((BOX, f"dog {index}") for index in range(MOST_OBJECTS + 1))), "too many"),
    ],
)
def test_round_1_refuses_what_round_2_could_not_find_again(answer, problem):
    with pytest.raises(AnswerError, match=problem):
        first(answer)


def test_round_2_refuses_a_label_that_nobody_asked_for():
    with pytest.raises(AnswerError, match="not offered"):
        frame(boxes((BOX, "cat")))


SCALARS = (
    st.none() | st.booleans() | st.integers(-50, 1100) | st.floats() | st.sampled_from(["dog", "", *LABELS])
)
BOXES = st.lists(st.integers(-20, 1020) | st.floats(-20, 1020), min_size=3, max_size=5)
VALUES = st.recursive(
    SCALARS | BOXES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["objects", "bbox_2d", "label", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.lists(
    st.fixed_dictionaries(
        {"bbox_2d": BOXES | st.just([]) | SCALARS, "label": st.sampled_from([*LABELS, "DOG", "cat"])}
    ),
    max_size=3,
)


def ordered(objects):
    """Objects in an order that depends on no order of their keys."""
    return sorted(objects, key=lambda item: json.dumps(item, sort_keys=True))


@given(st.builds(lambda objects: {"objects": objects}, OBJECTS) | VALUES)
@example({"objects": [{"bbox_2d": [], "label": LABELS[0]}, {"label": LABELS[1], "bbox_2d": []}]})
def test_whatever_is_said_gives_sound_boxes_or_an_error(value):
    answer = json.dumps(value)
    try:
        found, repairs = frame(answer)
    except AnswerError:
        return
    assert tuple(item.label for item in found) == LABELS
    for item in found:
        if item.bbox_2d:
            x1, y1, x2, y2 = item.bbox_2d
            assert 0 <= x1 < x2 <= 1000
            assert 0 <= y1 < y2 <= 1000
    said = json.dumps({"objects": [{"bbox_2d": list(item.bbox_2d), "label": item.label} for item in found]})
    assert repairs or ordered(json.loads(answer)["objects"]) == ordered(json.loads(said)["objects"])


# --- words ------------------------------------------------------------------------------------


def test_the_cameras_verdict():
    reading = AnswerReader('{"reasoning": "The wall\\nstays.", "fixed": false}', "camera")
    assert read_camera(reading) == (False, "The wall stays.")
    assert reading.repairs == [f"{Repair.ONE_LINE}: /reasoning"]


@pytest.mark.parametrize(
    "answer",
    [
        '{"reasoning": "ok", "fixed": "true"}',
        '{"reasoning": "ok"}',
        '{"reasoning": "", "fixed": true}',
        "true",
    ],
)
def test_a_verdict_that_is_none(answer):
    with pytest.raises(AnswerError, match=r"another shape|cannot be used"):
        read_camera(AnswerReader(answer, "camera"))


def composition(**changes: object) -> str:
    said = {"original_scene": "A room.", "chosen_keyword": KEYWORDS[1], "prompt": PROMPT, **changes}
    return json.dumps(said)


def test_a_composition():
    found = read_composition(AnswerReader(composition(), "compose"), KEYWORDS)
    assert (found.original_scene, found.chosen_keyword, found.prompt) == (
        "A room.",
        KEYWORDS[1],
        PROMPT.strip(),
    )
    assert read_description(AnswerReader('{"original_scene": "A room."}', "describe")) == "A room."


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"chosen_keyword": "nature: volcano"}, "not offered"),
        ({"chosen_keyword": ["nature: beach"]}, "not offered"),
        ({"prompt": "A beach."}, "cannot be used"),
        ({"prompt": "beach " * 200}, "cannot be used"),
        ({"original_scene": None}, "another shape"),
        ({"mood": "calm"}, "another shape"),
    ],
)
def test_a_composition_that_cannot_be_used(changes, problem):
    with pytest.raises(AnswerError, match=re.escape(problem)):
        read_composition(AnswerReader(composition(**changes), "compose"), KEYWORDS)
