"""Strict JSON: what stock parsers let through is refused, and memory does not depend on the input."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.schemas.errors import RecordError
from sparkle.schemas.validate import MAX_LINE_BYTES, bounded_lines, parse_strict

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(values, st.booleans())
def test_what_json_writes_is_read_as_it_is(value: object, escaped: bool) -> None:
    assert parse_strict(json.dumps(value, ensure_ascii=escaped).encode()) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'{"a": 1, "a": 1}', "a key stands twice"),
        (b'{"a": [{"b": 1, "b": 2}]}', "a key stands twice"),
        (b'{"a": 1, "\\u0061": 2}', "a key stands twice"),
        (b"NaN", "not a finite number"),
        (b"[-Infinity]", "not a finite number"),
        (b"1e999", "not a finite number"),
        (b"9" * 5000, "not a number that can be read"),
        (b'"\\ud800"', "a lone surrogate"),
        (b'"\\udc00\\ud800"', "a lone surrogate"),
        (b'"\xff"', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b"\xef\xbb\xbf{}", "a byte order mark"),
        (b"", "the line is blank"),
        (b" \r\n", "the line is blank"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'"\x01"', "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b"[]".ljust(MAX_LINE_BYTES + 1), "the line is too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value[:20]),
)
def test_what_is_not_strict_is_refused(text: bytes, problem: str) -> None:
    with pytest.raises(RecordError, match=problem):
        parse_strict(text)


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse_strict(b'"\\ud83d\\ude00"') == "\U0001f600"


@given(st.lists(st.binary(max_size=5)), st.integers(0, 40))
def test_lines_are_those_of_the_file(parts: list[bytes], end: int) -> None:
    data = b"\n".join(parts)
    found = list(bounded_lines(io.BytesIO(data), end))
    whole = list(bounded_lines(io.BytesIO(data)))
    assert b"".join(line for _, line in whole) == data
    assert all(data[offset:].startswith(line) for offset, line in whole)
    assert found == [(offset, line) for offset, line in whole if offset < end]


def test_a_long_line_is_not_held() -> None:
    data = b"a\n" + b"x" * (3 * MAX_LINE_BYTES) + b"\nb\n" + b"y" * (MAX_LINE_BYTES + 2)
    found = list(bounded_lines(io.BytesIO(data)))
    assert [len(line) for _, line in found] == [2, MAX_LINE_BYTES + 1, 2, MAX_LINE_BYTES + 1]
    assert [line[:1] for _, line in found] == [b"a", b"x", b"b", b"y"]
    assert [data[offset : offset + 1] for offset, _ in found] == [b"a", b"x", b"b", b"y"]
