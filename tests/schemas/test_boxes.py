"""Boxes in pixels are those that the snippet on upstream's card gives."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sparkle
from harness import SHARED_RECORDS
from sparkle.schemas.boxes import bbox_to_pixels
from sparkle.schemas.errors import RecordError

RECORDS = SHARED_RECORDS / "foreground_grounding_r1.jsonl"

places = st.one_of(st.integers(-50, 1050), st.floats(-50, 1050))
sides = st.integers(1, 4096)


def as_upstream(bbox, width, height):
    """What the card's snippet says, step by step: scale, cut off, clamp the lesser and the greater."""
    scaled = [math.trunc(place / 1000.0 * (width, height)[index % 2]) for index, place in enumerate(bbox)]

    def clamp(value, side):
        return max(0, min(value, side - 1))

    x1, y1, x2, y2 = scaled
    return (
        clamp(min(x1, x2), width),
        clamp(min(y1, y2), height),
        clamp(max(x1, x2), width),
        clamp(max(y1, y2), height),
    )


@given(st.tuples(places, places, places, places), sides, sides)
def test_pixels_are_upstreams(bbox, width, height):
    x1, y1, x2, y2 = bbox_to_pixels(bbox, width, height)
    assert (x1, y1, x2, y2) == as_upstream(bbox, width, height)
    assert 0 <= x1 <= x2 < width
    assert 0 <= y1 <= y2 < height


def test_boxes_of_upstreams_card():
    """Of the card's example, worked out by hand: 447 / 1000 * 1280 = 572.16, 27 / 1000 * 720 = 19.44, ..."""
    assert sparkle.bbox_to_pixels([447, 27, 765, 998], 1280, 720) == (572, 19, 979, 718)
    assert sparkle.bbox_to_pixels([0, 0, 1000, 1000], 1280, 720) == (0, 0, 1279, 719)


@pytest.mark.skipif(not RECORDS.exists(), reason="the shared records are not there")
def test_upstreams_records_are_boxes():
    for line in RECORDS.read_text().splitlines():
        for found in json.loads(line)["round1_objects"]:
            assert bbox_to_pixels(found["bbox_2d"], 1280, 720) == as_upstream(found["bbox_2d"], 1280, 720)


def test_the_box_of_what_was_not_found_is_an_error_that_says_so():
    with pytest.raises(RecordError) as caught:
        bbox_to_pixels([], 1280, 720)
    assert "skip it" in str(caught.value)


@pytest.mark.parametrize(
    ("bbox", "size"),
    [
        ([1, 2, 3], (9, 9)),
        ([1, 2, 3, math.nan], (9, 9)),
        ([1, 2, 3, math.inf], (9, 9)),
        ([1, 2, 3, 4], (0, 9)),
    ],
)
def test_what_is_no_box_is_refused(bbox, size):
    with pytest.raises(RecordError):
        bbox_to_pixels(bbox, *size)
