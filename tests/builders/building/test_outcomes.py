"""The lines of a run's outcomes: read into records; what is no such line is an error with file and line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle._files import read_records
from sparkle.builders.building.outcomes import StepJob, outcome_type
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.canonical import dump_line
from sparkle.schemas.errors import RecordError
from sparkle.schemas.rules import Thresholds
from sparkle.schemas.stages import STEP_NAMES


@pytest.fixture(scope="module")
def lines(shared_run: Path) -> dict[str, list[bytes]]:
    """A run's outcomes by step."""
    return {step: (shared_run / layout.outcomes(step)).read_bytes().splitlines(True) for step in STEP_NAMES}


@pytest.mark.parametrize("step", STEP_NAMES)
def test_lines_of_a_run_are_read_with_their_records(
    shared_run: Path, lines: dict[str, list[bytes]], step: str
) -> None:
    found = list(read_records(shared_run / layout.outcomes(step), outcome_type(step)))
    assert [dump_line(outcome) for _, outcome in found] == lines[step]
    assert [offset for offset, _ in found] == [
        sum(map(len, lines[step][:index])) for index in range(len(found))
    ]
    kinds = {type(outcome.record) for _, outcome in found if outcome.error is None}
    assert kinds == {r.STEP_RECORDS[step]}


def test_lines_of_every_status_were_read(lines: dict[str, list[bytes]]) -> None:
    statuses = {json.loads(line)["status"] for found in lines.values() for line in found}
    assert statuses == {"kept", "rejected", "failed"}


_VALUES: list[Any] = [None, True, 0, -1, 9.5, "", "kept", "rejected", "failed", [], [1], {}, {"problem": "x"}]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inside for place in _places(item, (*path, key)))]


@given(data=st.data(), step=st.sampled_from(STEP_NAMES))
def test_a_changed_line_is_read_as_it_stands_or_refused_by_file_and_line(
    lines: dict[str, list[bytes]], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, step: str
) -> None:
    value = json.loads(data.draw(st.sampled_from(lines[step])))
    *path, key = data.draw(st.sampled_from(_places(value)[1:]))
    holder = value
    for part in path:
        holder = holder[part]
    if data.draw(st.booleans()) or isinstance(holder, list):
        holder[key] = data.draw(st.sampled_from(_VALUES))
    elif data.draw(st.booleans()):
        del holder[key]
    else:
        holder["another"] = 1
    file = tmp_path_factory.mktemp("outcomes") / "some.jsonl"
    file.write_bytes(lines[step][0] + dump_line(value))
    refused = None
    try:
        _, (_, found) = read_records(file, outcome_type(step))
    except RecordError as error:
        refused = error
    if refused is not None:
        assert refused.problem
        assert str(refused.where).startswith(f"{file}:2")
    else:
        assert _present(json.loads(dump_line(found))) == _present(value)


def _present(value: Any) -> Any:
    """A value without what is null: the same as what is left out."""
    if isinstance(value, dict):
        return {key: _present(item) for key, item in value.items() if item is not None}
    return [_present(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("old", "new", "problem", "pointer"),
    [
        (b'"density": 0.06', b'"density": "0.06"', "wrong type", " /record/density"),
        (b'"density"', b'"dens"', "unknown key", " /record/dens"),
        (b'"kept"', b'"well"', "not an allowed value", " /status"),
        (b'"kept"', b'"rejected"', "an outcome has a record", ""),
        (b'"size": ', b'"size": -', "too small", " /artifacts/edited_video_canny/size"),
        (b"}", b"", "not JSON", ""),
        (b"canny", b"cann\xff", "not UTF-8", ""),
        (b"0.06", b"NaN", "not a finite number", ""),
        (b'"density"', b'"density": 2.0, "density"', None, ""),
    ],
)
def test_what_is_wrong_with_a_line_is_named(
    shared_run: Path, tmp_path: Path, old: bytes, new: bytes, problem: str | None, pointer: str
) -> None:
    path = tmp_path / layout.outcomes("edges")
    path.parent.mkdir()
    shutil.copy(shared_run / layout.outcomes("edges"), path)
    first, second, *rest = path.read_bytes().splitlines(True)
    path.write_bytes(b"".join([first, second.replace(old, new, 1), *rest]))
    job = StepJob(tmp_path, "edges", Thresholds())
    if problem is None:  # a key twice: nobody else wrote the line, and the last one counts
        assert len(job().ids) == 2 + len(rest)
        return
    with pytest.raises(RecordError, match=problem) as caught:
        job()
    assert caught.value.where == f"{path}:2{pointer}"
