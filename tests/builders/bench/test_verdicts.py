"""Files of verdicts: what is written is read, and what does not fit is found with its line and not used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from harness import judged
from sparkle.builders.bench.verdicts import read_verdicts, write_verdicts
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.verdicts import Verdict

SAMPLES = len(judged.PLACES)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_what_is_written_is_read_and_the_order_does_not_matter(tmp_path: Path) -> None:
    found = judged.verdicts(judged.level(2))
    failed = replace(found[0], status="failed", reason="two answers", raw=None, scores=None)
    path = judged.write(tmp_path / "a.jsonl", [*found[1:], failed])
    file = read_verdicts(path)
    assert file.findings == ()
    assert file.head == judged.head()
    assert {*file.verdicts} == {*found[1:], failed}
    write_verdicts(tmp_path / "b.jsonl", file.head, reversed(file.verdicts))
    assert (tmp_path / "b.jsonl").read_bytes() == path.read_bytes()


def test_a_file_without_a_head_is_refused(tmp_path: Path) -> None:
    path = judged.write(tmp_path / "a.jsonl")
    path.write_bytes(path.read_bytes().partition(b"\n")[2])
    with pytest.raises(ReleaseError, match="not a file of verdicts") as caught:
        read_verdicts(path)
    assert "sparkle bench import" in str(caught.value.fix)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"rubric": {"lowest": 5}}, "/rubric/lowest"),
        ({"bench": {"revision": "x"}}, "/bench/revision"),
        ({"bench": {"expected": {}}}, "/bench/expected"),
        ({"version": 2}, "/version"),
        ({"judge": {"settings": {"seed": [1]}}}, "/judge/settings/seed"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, Any], pointer: str) -> None:
    path = judged.write(tmp_path / "a.jsonl")
    head, *rest = lines_of(path)
    for key, value in change.items():
        head[key] = head[key] | value if isinstance(value, dict) else value
    path.write_text("".join(f"{json.dumps(line)}\n" for line in [head, *rest]))
    with pytest.raises(ReleaseError, match="not a file of verdicts") as caught:
        read_verdicts(path)
    assert pointer in str(caught.value.where)


def _set(**fields: Any) -> Callable[[dict[str, Any]], None]:
    def change(line: dict[str, Any]) -> None:
        line |= fields

    return change


def _score(value: Any) -> Callable[[dict[str, Any]], None]:
    def change(line: dict[str, Any]) -> None:
        line["raw"][1] = value

    return change


def _drop(name: str) -> Callable[[dict[str, Any]], None]:
    def change(line: dict[str, Any]) -> None:
        del line[name]

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_score(0), "outside of the scale"),
        (_score(6), "outside of the scale"),
        (_score(3.5), "not a whole score"),
        (_score("4"), "wrong type"),
        (_set(scores=[1, 1, 1, 1, 1, 1]), "not what the raw scores count"),
        (_set(scores=[3, 3], raw=[3, 3]), "another number of scores"),
        (_set(theme="season"), "a theme that the bench does not have"),
        (_set(status="failed"), "no scores, and no word why"),
        (_set(status="missing", reason="no file"), "scores of what was not judged"),
        (_set(status="fine"), "not an allowed value"),
        (_set(repeat=0), "too small"),
        (_set(verdict="good"), "unknown key"),
        (_drop("raw"), "without scores"),
        (_drop("scene"), "missing key"),
    ],
)
def test_a_line_that_does_not_fit_is_found_and_does_not_count(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], problem: str
) -> None:
    path = judged.write(tmp_path / "a.jsonl")
    lines = lines_of(path)
    change(lines[4])
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    file = read_verdicts(path)
    assert file.findings
    assert all(finding.line == 5 for finding in file.findings)
    assert any(problem in finding.problem for finding in file.findings), file.findings
    assert len(file.verdicts) == SAMPLES - 1


@pytest.mark.parametrize("line", [b'{"id": NaN}\n', b"\n", b"\xff\n", b"[]\n", b'{"id": "a", "id": "b"}\n'])
def test_what_is_no_record_is_found(tmp_path: Path, line: bytes) -> None:
    path = judged.write(tmp_path / "a.jsonl")
    path.write_bytes(path.read_bytes() + line)
    file = read_verdicts(path)
    assert [finding.line for finding in file.findings] == [SAMPLES + 2]
    assert len(file.verdicts) == SAMPLES


def test_a_torn_line_is_found_and_the_others_count(tmp_path: Path) -> None:
    path = judged.write(tmp_path / "a.jsonl")
    path.write_bytes(path.read_bytes()[:-30])
    file = read_verdicts(path)
    assert [(finding.line, finding.problem) for finding in file.findings] == [(SAMPLES + 1, "a torn line")]
    assert len(file.verdicts) == SAMPLES - 1


def test_a_verdict_that_stands_twice_counts_once_and_two_that_differ_do_not(tmp_path: Path) -> None:
    found = judged.verdicts(judged.level(2))
    other = replace(found[1], raw=(1,) * 6, scores=(1,) * 6)
    again = replace(found[2], scene="elsewhere")
    file = read_verdicts(judged.write(tmp_path / "a.jsonl", [*found, found[0], other, again]))
    problems = sorted(finding.problem for finding in file.findings)
    assert problems == [
        "a verdict stands twice",
        "another place than on an earlier line",
        "two verdicts on one edit: neither counts",
    ]
    ids = {verdict.id for verdict in file.verdicts}
    assert ids == {verdict.id for verdict in found} - {other.id}


def test_more_samples_than_the_bench_has_are_found(tmp_path: Path) -> None:
    found = judged.verdicts(judged.level(2))
    more = replace(found[0], id="Sparkle_location_999999")
    file = read_verdicts(judged.write(tmp_path / "a.jsonl", [*found, more]))
    assert [finding.problem for finding in file.findings] == ["more samples of location than the bench has"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="cannot be read"):
        read_verdicts(tmp_path / "nowhere.jsonl")


def test_a_score_that_a_judge_cannot_say_is_null(tmp_path: Path) -> None:
    found = judged.verdicts(lambda number: (None, None, None, None, 4, None))
    file = read_verdicts(judged.write(tmp_path / "a.jsonl", found))
    assert file.findings == ()
    first: Verdict = file.verdicts[0]
    assert first.scores == (None, None, None, None, 4, None)
