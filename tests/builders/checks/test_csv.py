"""The table of pairs: what the csv module says, and where it is not what we write."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.builders.checks.rows import SampleRows
from sparkle.builders.checks.text import PairsJob, digest_text
from sparkle.builders.release.formats import CSV_COLUMNS, NO_VALUES, csv_line, pair_row
from sparkle.builders.release.read_text import pair_reader

HEADER = csv_line(list(CSV_COLUMNS))
prompts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(
    ['say "hi"', '"', '""', ",", "a,b", "two\nlines", "a\rb", " x ", '",\n"', "é世"]
)


def row(index: int, prompt: str) -> str:
    return csv_line(list(pair_row(f"Sparkle_location_{index:06d}", prompt).values()))


def read(folder: Path, text: str | bytes) -> SampleRows:
    path = folder / "pairs.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return PairsJob(path, "location")()


@given(st.lists(prompts, max_size=5))
@settings(max_examples=150)
def test_what_we_write_is_read_as_it_is(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("csv")
    pairs = read(folder, HEADER + "".join(row(3 * index, text) for index, text in enumerate(texts)))
    assert all(finding.pointer == "/prompt" for finding in pairs.findings)
    assert len(pairs.findings) == sum(text in NO_VALUES for text in texts)
    assert pairs.columns["prompt"].tolist() == [digest_text(text) for text in texts]
    with (folder / "pairs.csv").open("rb") as file:
        read_row = pair_reader(file)
        assert [read_row(offset)["prompt"] for offset in pairs.columns["offset"].tolist()] == texts
    lines = [text.count("\n") for text in texts]
    assert pairs.columns["line"].tolist() == [2 + index + sum(lines[:index]) for index in range(len(texts))]


@given(st.lists(prompts, min_size=1, max_size=4), st.data())
@settings(max_examples=250)
def test_what_is_not_as_we_write_it_is_found(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], data: st.DataObject
) -> None:
    """Some characters are changed: what the csv module then reads is ours byte for byte, or it is found."""
    body = "".join(row(3 * index, text) for index, text in enumerate(texts))
    at = data.draw(st.integers(0, len(body)))
    new = data.draw(st.sampled_from(["", '"', '""', ",", "\n", "\r\n", "\r", "x", "0"]))
    body = body[:at] + new + body[at + data.draw(st.integers(0, 2)) :]
    pairs = read(tmp_path_factory.mktemp("csv"), HEADER + body)
    if not pairs.findings:
        fields = list(csv.reader(io.StringIO(body, newline=""), strict=True))
        assert "".join(map(csv_line, fields)) == body
        assert all(found == list(pair_row(found[3], found[0]).values()) for found in fields)
        assert pairs.columns["prompt"].tolist() == [digest_text(found[0]) for found in fields]


@pytest.mark.parametrize("text", sorted(NO_VALUES))
def test_prompts_that_pandas_takes_for_no_value_are_found(tmp_path: Path, text: str) -> None:
    pairs = read(tmp_path, HEADER + row(0, text))
    (finding,) = pairs.findings
    assert (finding.line, finding.pointer, finding.got) == (2, "/prompt", repr(text))


@pytest.mark.parametrize("text", ["none", "Na", "nil", "0", "-"])
def test_other_prompts_are_prompts(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, HEADER + row(0, text)).findings == []
    assert pd.read_csv(tmp_path / "pairs.csv")["prompt"].notna().all()


def test_memory_does_not_depend_on_what_the_file_holds(tmp_path: Path) -> None:
    """A quote that is never closed, and a line without end."""
    for text in (HEADER + '"' + "x,\n" * 100_000, HEADER + "x," * 5_000_000):
        pairs = read(tmp_path, text)
        assert pairs.findings
        assert len(pairs.keys) == 0


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("prompt,src_video,task\n", False),
        ("prompt,src_video,tgt_video,id\n" + row(0, "p"), True),
        ("", False),
    ],
    ids=["a column less", "another name", "nothing at all"],
)
def test_another_header_is_found_once(tmp_path: Path, text: str, whole: bool) -> None:
    pairs = read(tmp_path, text + "a,b,c\n" * 2 if text.count(",") == 2 else text)
    assert {finding.line for finding in pairs.findings} == {1}
    assert pairs.whole is whole
