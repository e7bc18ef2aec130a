"""Reading outcomes fast says the same as the schemas' own reading, of any line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.builders.building.outcomes import Told, outcome_reader, record_reader
from sparkle.builders.building.run import parse_line
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.errors import RecordError
from sparkle.schemas.stages import STEP_NAMES

Line = dict[str, Any]


def slowly(line: bytes, step: str) -> Told | str:
    """What the schemas make of a line, or the problem that they name."""
    try:
        outcome = r.Outcome.from_json(parse_line(line, "outcome", "here"))
        if outcome.error is not None:
            return Told(outcome.id, outcome.artifacts, None, outcome.error["problem"])
        record = r.STEP_RECORDS[step].from_json(outcome.record)
        return Told(outcome.id, outcome.artifacts, record, None)
    except RecordError as error:
        return error.problem


def quickly(line: bytes, step: str) -> Told | str:
    try:
        return outcome_reader(step)(line, lambda: "here")
    except RecordError as error:
        return error.problem if str(error.where).startswith("here") else "no file and line"


@pytest.fixture(scope="module")
def lines(shared_run: Path) -> dict[str, list[bytes]]:
    """A run's outcomes by step."""
    return {step: (shared_run / layout.outcomes(step)).read_bytes().splitlines() for step in STEP_NAMES}


@pytest.mark.parametrize("step", STEP_NAMES)
def test_lines_of_a_run_read_the_same_and_fast(
    lines: dict[str, list[bytes]], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [slowly(line, step) for line in lines[step]]
    monkeypatch.setattr(
        "sparkle.builders.building.outcomes.parse_line", None
    )  # nothing of a run takes the slow way
    read, read_again = outcome_reader(step), record_reader(step)
    found = [read(line, lambda: "here") for line in lines[step]]
    assert found == wanted
    assert [read_again(line) for line in lines[step]] == [(told.id, told.record) for told in found]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inside for place in _places(item, (*path, key)))]


_VALUES: list[Any] = [
    None, True, 0, -1, 7, 9.5, 1e-7, 1e300, "", "kept", "rejected", "failed", 'a "quote" \\',
    "\u0001 \u2028 é", '":null', [], [1], {}, {"problem": "x"},
    {"sha256": "0" * 64, "size": 1}, {"sha256": "0" * 63, "size": 1},
]  # fmt: skip


def _change(line: Line, place: tuple[Any, ...], value: Any, how: str) -> Line:
    changed: Line = json.loads(json.dumps(line))
    holder: Any = changed
    for key in place[:-1]:
        holder = holder[key]
    if not place:
        return changed
    if how == "remove":
        del holder[place[-1]]
    elif how == "add" and isinstance(holder, dict):
        holder["another"] = value
    else:
        holder[place[-1]] = value
    return changed


@given(data=st.data(), step=st.sampled_from(STEP_NAMES), ascii_only=st.booleans())
def test_any_changed_line_reads_the_same(
    lines: dict[str, list[bytes]], data: st.DataObject, step: str, ascii_only: bool
) -> None:
    line = json.loads(data.draw(st.sampled_from(lines[step])))
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.sampled_from(_places(line)))
        how = data.draw(st.sampled_from(["set", "remove", "add"]))
        line = _change(line, place, data.draw(st.sampled_from(_VALUES)), how)
    text = json.dumps(line, ensure_ascii=ascii_only).encode()
    assert quickly(text, step) == slowly(text, step)


@given(data=st.data(), step=st.sampled_from(STEP_NAMES))
def test_any_damaged_line_reads_the_same(
    lines: dict[str, list[bytes]], data: st.DataObject, step: str
) -> None:
    line = data.draw(st.sampled_from(lines[step]))
    start = data.draw(st.integers(0, len(line)))
    end = data.draw(st.integers(start, min(len(line), start + 8)))
    piece = data.draw(
        st.one_of(
            st.binary(max_size=3),
            st.sampled_from(
                [b"NaN", b"1e999", b"\\u0022", b"\\ud800", b'"', b"\\", b"{", b"[]", b" ", b"-0", b"1.0"]
            ),
        )
    )
    damaged = line[:start] + piece + line[end:]
    assert quickly(damaged, step) == slowly(damaged, step)


@pytest.mark.parametrize("twice", ['"density": 2.0', '"dens\\u0069ty": 2.0', '"\\u0022": 1, "density": 2.0'])
def test_a_key_that_stands_twice_is_never_passed_over(lines: dict[str, list[bytes]], twice: str) -> None:
    line = lines["edges"][0].replace(b'"density"', f'{twice}, "density"'.encode())
    assert isinstance(quickly(line, "edges"), str)


def test_lines_of_many_shapes_were_tried(lines: dict[str, list[bytes]]) -> None:
    statuses = {json.loads(line)["status"] for found in lines.values() for line in found}
    assert statuses == {"kept", "rejected", "failed"}
