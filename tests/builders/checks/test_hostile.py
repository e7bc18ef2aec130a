"""Whatever a release holds, a check of it ends within bounds, and says at which file something is wrong."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkle._processes import pool_of
from sparkle.builders.checks.failures import MOST_FINDINGS, run_caught
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.schemas.errors import ReleaseError, UnreachableError
from sparkle.schemas.validate import Finding

CSV = "prompts/location_train.csv"
METADATA = "prompts/location_train_metadata.jsonl"
TAR = "location_source_video_part00.tar"
ROWS = "data/location/train-00001-of-00002.parquet"
RECORDS = "records/location.parquet"


def findings_at(folder: Path, file: str) -> list[Finding]:
    return [one for one in check_release(folder, options=CheckOptions()).findings if one.file == file]


# --- a job that fails ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """Raises what it is told to; a job of a pool travels to other processes."""

    file: str
    error: Exception | None = None

    def __call__(self) -> str:
        if self.error is not None:
            raise self.error
        return self.file


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_fails_is_a_finding_at_its_file_and_others_go_on(workers: int) -> None:
    jobs = [
        Job("a"),
        Job("b", LookupError("what")),
        Job("c"),
        Job("d", ReleaseError("bad", got="1", wanted="2")),
    ]
    jobs.append(Job("e", PermissionError(13, "Permission denied")))
    with pool_of(workers) as pool:
        first, broken, second, bad, closed = run_caught(pool, jobs)
    assert (first, second) == ("a", "c")
    assert isinstance(broken, Finding)
    assert broken.file == "b"
    assert re.fullmatch(r"LookupError: what \(sparkle/builders/checks/failures.py:\d+\)", broken.got or "")
    assert bad == Finding("d", 0, "", "bad", "1", "2")
    assert closed == Finding("e", 0, "", "the file cannot be read", "Permission denied")


@pytest.mark.parametrize("error", [UnreachableError("the Hub does not answer"), OSError(28, "no space left")])
def test_what_says_nothing_of_the_file_ends_the_check(error: Exception) -> None:
    with pool_of(1) as pool, pytest.raises(type(error)):
        list(run_caught(pool, [Job("a", error)]))


# --- what is no plain file -------------------------------------------------------------------------


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket has 100 bytes at most
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path.name)
    os.chdir(here)


ODD: dict[str, Callable[[Path], None]] = {
    "a fifo": os.mkfifo,
    "a socket": make_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", [TAR, CSV, METADATA, ROWS, RECORDS, "provenance.json", "README.md"])
def test_what_is_no_plain_file_is_found_and_never_opened(release: Path, name: str, odd: str) -> None:
    (release / name).unlink()
    ODD[odd](release / name)
    assert findings_at(release, name)


def test_a_manifest_that_is_a_fifo_is_none(release: Path) -> None:
    (release / "manifest.json").unlink()
    os.mkfifo(release / "manifest.json")
    with pytest.raises(ReleaseError, match="not a release"):
        check_release(release)


# --- names and texts that are not UTF-8 ------------------------------------------------------------


def test_a_name_that_is_not_utf_8_is_reported(release: Path, tmp_path: Path) -> None:
    with open(os.fsencode(release) + b"/caf\xe9.txt", "wb") as file:
        file.write(b"x")
    report = tmp_path / "report.jsonl"
    words = [sys.executable, "-m", "sparkle", "validate", str(release), "--report", str(report), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    found = [json.loads(line) for line in report.read_bytes().decode().splitlines()]
    assert r"caf\udce9.txt" in {one["file"] for one in found}
    assert r"caf\udce9.txt" in {one["file"] for one in json.loads(done.stdout)["findings"]}


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        (ROWS, b"Sparkle_location_000009 on", "prompt"),
        (RECORDS, b"Sparkle_location_000009 on", "prompt"),
        (RECORDS, b"The instruction is followed", "edited_frame0_SC_reasoning"),
        (RECORDS, b"red square", "round1_labels"),
    ],
)
def test_a_text_that_is_not_utf_8_is_found_in_its_column(
    release: Path, file: str, text: bytes, place: str
) -> None:
    pq.write_table(pq.read_table(release / file), release / file, compression="none", use_dictionary=False)
    data = (release / file).read_bytes()
    assert text in data
    (release / file).write_bytes(data.replace(text, b"\xff" + text[1:]))
    said = [
        one.got for one in findings_at(release, file) if one.problem == "a table has a value that is none"
    ]
    assert said[0].startswith(f"{place}: "), said


@pytest.mark.parametrize("file", [ROWS, RECORDS])
def test_a_column_whose_name_is_not_utf_8_is_found(release: Path, file: str) -> None:
    data = (release / file).read_bytes()
    (release / file).write_bytes(data.replace(b"prompt", b"\xffrompt"))
    assert any(one.problem == "a table cannot be read" for one in findings_at(release, file))


def test_a_footer_that_arrow_ends_the_process_for_is_found(release: Path) -> None:
    """A column that has no nulls any more, and the sizes of one that has."""
    data = (release / ROWS).read_bytes()
    optional, required = b"\x25\x02\x18\x06prompt", b"\x25\x00\x18\x06prompt"
    assert optional in data
    (release / ROWS).write_bytes(data.replace(optional, required))
    words = [sys.executable, "-m", "sparkle", "validate", str(release), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert ROWS in {one["file"] for one in json.loads(done.stdout)["findings"]}


def test_a_name_that_no_file_can_have_is_found(release: Path) -> None:
    manifest = json.loads((release / "manifest.json").read_bytes())
    manifest["files"].append({"path": "x" * 300, "size": 1, "sha256": "0" * 64})
    (release / "manifest.json").write_text(json.dumps(manifest))
    assert [one.problem for one in findings_at(release, "x" * 300)] == ["a path from data is too long"]


@pytest.mark.parametrize("name", ["manifest.json", "provenance.json"])
def test_whole_numbers_of_documents_have_no_fraction(release: Path, name: str) -> None:
    document = json.loads((release / name).read_bytes())
    if name == "manifest.json":
        document["files"][3]["size"] = float(document["files"][3]["size"])
    else:
        document["runs"][0]["kept"] = float(document["runs"][0]["kept"])
    (release / name).write_text(json.dumps(document))
    assert "a whole number with a fraction" in {one.problem for one in findings_at(release, name)}


@pytest.mark.parametrize("column", ["source_video_offset", "source_video_size"])
def test_a_number_that_no_double_can_hold_is_compared(release: Path, column: str) -> None:
    numbers = pq.read_table(release / ROWS)[column].to_pylist()
    replaced(release / ROWS, column, pa.array([2**62 + 1, *numbers[1:]]))
    found = [one for one in findings_at(release, ROWS) if one.problem.startswith("the row differs")]
    assert [one.pointer for one in found] == [f"/rows/0/{column}"]


# --- more than there can be ------------------------------------------------------------------------


def replaced(file: Path, name: str, values: pa.Array) -> None:
    table = pq.read_table(file)
    index = table.column_names.index(name)
    table = table.set_column(index, table.field(name), values)
    pq.write_table(table, file, compression="zstd", write_statistics=False)


def one_long_text(name: str) -> Callable[[Path], None]:
    def mutate(file: Path) -> None:
        replaced(file, name, pa.array(["a" * 2**28] + ["b"] * (pq.read_metadata(file).num_rows - 1)))

    return mutate


def one_text_in_every_row(file: Path) -> None:
    """100 KB in the file are 27 GB in its rows."""
    table = pq.read_table(file).slice(0, 1)
    table = pa.concat_tables([table] * 900)
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 900, pa.int32()), pa.array(["x" * 30_000_000]))
    table = table.set_column(table.column_names.index("prompt"), "prompt", texts)
    pq.write_table(table, file, compression="zstd", write_statistics=False, store_schema=False)


def many_labels(file: Path) -> None:
    count, rows = 10_000_000, pq.read_metadata(file).num_rows
    offsets = pa.array([0] + [count] * rows, pa.int32())
    labels = pa.DictionaryArray.from_arrays(_zeros(count), ["x"])
    replaced(file, "round1_labels", pa.ListArray.from_arrays(offsets, labels.cast(pa.string())))


def _zeros(count: int) -> pa.Array:
    return pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(bytes(4 * count))])


def many_rows(file: Path) -> None:
    table = pq.read_table(file).slice(0, 1)
    pq.write_table(pa.concat_tables([table] * 20_000), file, compression="zstd", row_group_size=10_000)


def many_rows_of_csv(file: Path) -> None:
    header, row, *_ = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(header + row * 200_000)


def blank_lines(file: Path) -> None:
    header = file.read_bytes().partition(b"\n")[0]
    file.write_bytes(header + b"\n" * 20_000_000)


def many_lists(file: Path) -> None:
    file.write_bytes(b"[" + b"[]," * 2_700_000 + b"[]]\n")


HUGE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a prompt of 256 MiB": (ROWS, one_long_text("prompt"), "a row group of a table is too large"),
    "a reason of 256 MiB": (
        RECORDS,
        one_long_text("edited_frame0_SC_reasoning"),
        "a row group of a table is too large",
    ),
    "27 GB of prompts": (ROWS, one_text_in_every_row, "a row group of a table is too large"),
    "10,000,000 labels": (RECORDS, many_labels, "a row group of a table is too large"),
    "20,000 rows": (ROWS, many_rows, "more rows than the csv has room for"),
    "20,000 records": (RECORDS, many_rows, "more rows than the csv has room for"),
    "200,000 rows of csv": (CSV, many_rows_of_csv, "more rows than the training metadata has room for"),
    "blank rows": (CSV, blank_lines, "more is wrong with this file than is told"),
    "blank lines": (METADATA, blank_lines, "more is wrong with this file than is told"),
    "a line of lists": (METADATA, many_lists, "the line has too many values"),
    "a provenance of lists": ("provenance.json", many_lists, "the line has too many values"),
}

VALIDATE = """
import re, sys
from sparkle.commands import main
try:
    main(["validate", sys.argv[1], "--json", "--workers", "1"])
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.parametrize("case", HUGE)
def test_memory_does_not_follow_what_a_file_claims(release: Path, case: str) -> None:
    file, mutate, problem = HUGE[case]
    mutate(release / file)
    done = subprocess.run(
        [sys.executable, "-c", VALIDATE, str(release)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert int(done.stderr.split()[-1]) < 500_000
    found = json.loads(done.stdout)["findings"]
    assert any(one["file"] == file and one["problem"].startswith(problem) for one in found), found


def test_of_very_many_findings_the_first_are_told(release: Path) -> None:
    file = release / METADATA
    before = file.read_bytes()
    file.write_bytes(b"\n" * (MOST_FINDINGS + 5) + before)
    found = findings_at(release, METADATA)
    assert MOST_FINDINGS < len(found) < MOST_FINDINGS + 10
    assert any(one.problem.startswith("more is wrong with this file") for one in found)
