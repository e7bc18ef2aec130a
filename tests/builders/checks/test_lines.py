"""A file of JSON lines says the same however it is cut into ranges."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.builders.checks.rows import UNKNOWN, SampleRows, join
from sparkle.builders.checks.text import LinesJob, digest_text
from sparkle.schemas.rules import Thresholds


def line(index: int, overall: object = 9.0, prompt: str = "p") -> str:
    score = {"prompt_following": 9.0, "consistency": 9, "perceptual_quality": 9.0, "overall": overall}
    score |= {"SC_reasoning": "", "PQ_reasoning": "good"}
    value = {"id": f"Sparkle_location_{index:06d}", "prompt": prompt, "editscore": score}
    return json.dumps(value, ensure_ascii=False)


def read(path: Path, *cuts: int, limits: tuple[Thresholds, ...] = (Thresholds(),)) -> SampleRows:
    ends = [*sorted(cuts), path.stat().st_size]
    return join(
        [
            LinesJob(path, "location", "edit_score", limits, start=start, end=end)()
            for start, end in zip([0, *ends], ends, strict=False)
        ]
    )


rows = st.sampled_from(
    [line(3), line(6, prompt="é" * 30), line(9, 1.0), line(12, "x"), "", "{", '{"id": "cat"}', " " * 50]
)


@given(st.lists(rows, max_size=6), st.lists(st.integers(0, 1000), max_size=4), st.booleans())
@settings(max_examples=100)
def test_a_file_can_be_cut_anywhere(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], cuts: list[int], end: bool
) -> None:
    path = tmp_path_factory.mktemp("lines") / "some.jsonl"
    path.write_text("\n".join(lines) + "\n" * (end and bool(lines)), "utf-8")
    whole, parts = read(path), read(path, *(cut % (path.stat().st_size + 1) for cut in cuts))
    assert whole.findings == parts.findings
    assert whole.count == parts.count
    assert np.array_equal(whole.keys, parts.keys)
    for name in ("line", "score", "prompt", "reasons", "usable"):
        assert np.array_equal(whole.columns[name], parts.columns[name], equal_nan=name == "score")
    data = path.read_bytes()
    for number, offset in zip(whole.columns["line"], whole.columns["offset"], strict=True):
        assert data[offset:].split(b"\n")[0].decode() == lines[number - 1]


def test_a_line_with_findings_is_there_but_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text(line(3) + "\n" + line(6, 11.0) + "\n", "utf-8")
    found = read(path)
    assert [(finding.line, finding.pointer) for finding in found.findings] == [(2, "/editscore/overall")]
    assert found.columns["prompt"].tolist() == [digest_text("p"), UNKNOWN]
    assert found.columns["score"][0] == 9.0
    assert np.isnan(found.columns["score"][1])


@pytest.mark.parametrize(
    ("limits", "lines"),
    [
        ((Thresholds(edited_frame0=8.5),), [2, 4]),
        ((Thresholds(edited_frame0=8.5), Thresholds(edited_frame0=8.25)), [2]),
        ((), []),
    ],
    ids=["one run", "the looser of two", "not known"],
)
def test_recorded_scores_are_judged_again(
    tmp_path: Path, limits: tuple[Thresholds, ...], lines: list[int]
) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join(line(3 * number, score) for number, score in enumerate((9, 8, 8.5, 8.25))))
    assert [finding.line for finding in read(path, limits=limits).findings] == lines


def test_an_index_that_no_table_holds_is_a_finding(tmp_path: Path) -> None:
    frame = dict.fromkeys(("SC_score", "PQ_score", "O_score"), 9.0)
    words = ("SC_score_reasoning", "PQ_score_reasoning", "SC_raw_output", "PQ_raw_output")
    scores = [frame | dict.fromkeys(words, "")] * 4
    value = {"id": "Sparkle_location_000003", "prompt": "p", "frame_indices": [1, 26, 51, 2**31]}
    path = tmp_path / "some.jsonl"
    path.write_text(json.dumps({**value, "editscore": scores}))
    found = LinesJob(path, "location", "video_score", (Thresholds(),))()
    assert [(finding.line, finding.problem) for finding in found.findings] == [(1, "a number out of range")]
    assert found.columns["frames"].tolist() == [UNKNOWN]


@pytest.mark.parametrize("text", ["", "\n"])
def test_a_file_without_records(tmp_path: Path, text: str) -> None:
    path = tmp_path / "none.jsonl"
    path.write_text(text)
    assert (read(path).count, len(read(path).findings)) == (len(text), len(text))
