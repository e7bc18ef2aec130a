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
from sparkle.schemas.validate import MAX_LINE_BYTES

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


def test_a_prompt_of_any_length_is_read(tmp_path: Path) -> None:
    """By itself Python's csv module takes no field of more than 131,072 characters."""
    plain, quoted = "A harbour, " * 20_000, 'Say "hello" ' * 20_000
    pairs = read(tmp_path, HEADER + row(0, plain) + row(3, quoted))
    assert pairs.findings == []
    assert pairs.columns["prompt"].tolist() == [digest_text(plain), digest_text(quoted)]
    with (tmp_path / "pairs.csv").open("rb") as file:
        assert pair_reader(file)(int(pairs.columns["offset"][1]))["prompt"] == quoted


@pytest.mark.parametrize("rest", ["", row(6, "a, b") + row(9, "c")])
def test_a_quote_that_is_not_closed_costs_its_own_row(tmp_path: Path, rest: str) -> None:
    """At the end of the file, and where the next quote of the file seems to close it."""
    broken = row(0, "Move it").replace("Move", '"Move')
    pairs = read(tmp_path, HEADER + broken + row(3, "A hill") + rest)
    assert [(finding.line, finding.problem) for finding in pairs.findings] == [(2, "a quote is not closed")]
    later = {"A hill": 3, "a, b": 4, "c": 5} if rest else {"A hill": 3}
    assert pairs.columns["prompt"].tolist() == [digest_text(text) for text in later]
    assert pairs.columns["line"].tolist() == list(later.values())


def test_quotes_that_are_not_closed_take_one_pass(tmp_path: Path) -> None:
    """Each costs its row; none makes the rest of the file be read once more for each."""
    broken = "".join(row(3 * index, "x").replace("x", '"x') for index in range(0, 4000, 2))
    pairs = read(tmp_path, HEADER + broken + row(12_000, "y"))
    assert len(pairs.findings) == 2000
    assert {finding.problem for finding in pairs.findings} == {"a quote is not closed"}
    assert pairs.columns["prompt"].tolist() == [digest_text("y")]


def test_a_quote_that_swallows_more_than_a_line_may_have_is_not_closed(tmp_path: Path) -> None:
    swallowed = 3 * MAX_LINE_BYTES // len(row(3, "A hill"))
    pairs = read(
        tmp_path, HEADER + '"Move,a,b,c\n' + "".join(row(3 + index, "A hill") for index in range(swallowed))
    )
    assert [(finding.line, finding.problem) for finding in pairs.findings] == [(2, "a quote is not closed")]
    assert len(pairs.keys) == swallowed


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "a Git LFS pointer"),
        (b"\n<!DOCTYPE html>\n<html><title>Sign in</title></html>", "a page of HTML"),
        (b"\x1f\x8b\x08\x00data", "the file is packed with gzip"),
    ],
)
def test_what_is_no_table_is_named_for_what_it_is(tmp_path: Path, content: bytes, problem: str) -> None:
    [finding] = read(tmp_path, content).findings
    assert finding.problem.startswith(problem)
    assert finding.wanted
