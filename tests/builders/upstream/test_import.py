"""Imports of folders in upstream's layout: what is read, what a rerun reads, what the command says."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from harness import SHARED_RECORDS, upstream_folder
from sparkle._progress import Advance
from sparkle.builders.release.formats import jsonl_path
from sparkle.builders.release.manifest import read_manifest
from sparkle.builders.release.tables import RECORDS_SCHEMA, pairs_schema
from sparkle.builders.upstream.import_ import ImportSummary, import_upstream
from sparkle.commands.import_ import import_upstream as command
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS

FIRST, SECOND, THIRD, FOURTH = upstream_folder.ids_of("location")
Contents = Callable[[Path], dict[str, bytes]]


# --- a folder that is as it should be ---------------------------------------------------------


def test_every_artifact_is_found_where_the_table_says(imported: ImportSummary, media: Path) -> None:
    assert imported.findings == ()
    assert imported.samples == {"location": 4, "openve3m": 2}
    for theme in upstream_folder.THEMES:
        rows = upstream_folder.rows_of(imported.out, theme)
        assert [row["task"] for row in rows] == upstream_folder.ids_of(theme)
        for row in rows:
            for kind in KINDS:
                data = upstream_folder.data_at(imported.out, row, kind.name)
                assert data == (media / kind.path(row["task"])).read_bytes()
                assert hashlib.sha256(data).digest() == row[f"{kind.name}_sha256"]
                assert row[f"{kind.name}_shard"].endswith(".tar")


def test_tables_have_the_columns_of_a_built_release(imported: ImportSummary) -> None:
    for theme in upstream_folder.THEMES:
        found = pq.read_schema(next((imported.out / "data" / theme).iterdir()))
        assert found.remove_metadata() == pairs_schema()
        assert pq.read_schema(imported.out / layout.records_parquet(theme)) == RECORDS_SCHEMA


def test_what_upstream_says_is_there_and_what_it_does_not_is_null(imported: ImportSummary) -> None:
    row, *_ = upstream_folder.rows_of(imported.out, "location")
    assert row["prompt"] == upstream_folder.prompt_of(FIRST)
    assert (row["subtheme"], row["scene"]) == ("urban", "rooftop overlooking skyline")
    assert (row["frames"], row["width"], row["height"]) == (9, 64, 48)
    assert row["edited_frame0_score"] == 8.62887857991077  # as recorded, not recomputed
    assert row["edited_video_score"] == 8.75
    unknown = ("source_sha256", "background_motion", "flicker", "sharpness", "licence", "preview")
    assert [row[name] for name in unknown] == [None] * len(unknown)
    free, *_ = upstream_folder.rows_of(imported.out, "openve3m")
    assert (free["subtheme"], free["scene"]) == (None, None)
    record, *_ = pq.read_table(imported.out / layout.records_parquet("location")).to_pylist()
    assert record["round1_labels"] == ["woman in brown hat"]
    assert record["frame_objects"][1] == [{"bbox_2d": [], "label": "woman in brown hat"}]
    assert record["edited_frame0_SC_reasoning"] == "Followed."


def test_files_are_upstreams_own_and_the_folder_is_not_written_to(
    folder: Path, tmp_path: Path, contents: Contents
) -> None:
    before = contents(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    release = import_upstream(folder, tmp_path / "release").out
    assert (contents(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("*")}) == before
    for path in folder.rglob("*.*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith("."):
            assert (release / {layout.CARD: layout.UPSTREAM_CARD}.get(name, name)).samefile(path)


def test_the_manifest_lists_every_file_as_it_is(imported: ImportSummary, contents: Contents) -> None:
    entries = {entry.path: (entry.size, entry.sha256) for entry in read_manifest(imported.out)}
    assert entries.keys() == contents(imported.out).keys() - {layout.MANIFEST}
    for path, found in entries.items():
        assert found == ((imported.out / path).stat().st_size, sha256_file(imported.out / path))


def test_imported_twice_it_is_byte_identical(
    pristine: Path, imported: ImportSummary, tmp_path: Path, contents: Contents
) -> None:
    release = import_upstream(pristine, tmp_path / "release").out
    assert contents(release) == contents(imported.out)
    assert contents(import_upstream(pristine, release).out) == contents(imported.out)
    assert [path.name for path in tmp_path.iterdir()] == ["release"]  # no journal is left


def test_the_card_keeps_upstreams_licence_and_card(imported: ImportSummary) -> None:
    card = (imported.out / layout.CARD).read_text()
    assert card.startswith("---\nlicense: cc-by-4.0\n")
    assert (imported.out / layout.UPSTREAM_CARD).read_text() == upstream_folder.CARD
    assert str(imported.out) not in card


def test_stock_datasets_load_it(imported: ImportSummary, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    pairs = datasets.load_dataset(str(imported.out), "location", split="train", cache_dir=str(tmp_path))
    assert pairs["task"][:] == upstream_folder.ids_of("location")
    split = datasets.load_dataset(str(imported.out), split="openve3m", cache_dir=str(tmp_path))
    assert split["task"][:] == upstream_folder.ids_of("openve3m")


def test_a_folder_of_links_into_a_cache_is_read(pristine: Path, tmp_path: Path, contents: Contents) -> None:
    """As the Hub's client lays out a snapshot."""
    snapshot, blobs = tmp_path / "repo" / "snapshots" / "c0ffee", tmp_path / "repo" / "blobs"
    blobs.mkdir(parents=True)
    for number, path in enumerate(path for path in pristine.rglob("*") if path.is_file()):
        shutil.copy(path, blobs / str(number))
        link = snapshot / path.relative_to(pristine)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blobs / str(number))
    summary = import_upstream(snapshot, tmp_path / "release")
    assert summary.findings == ()
    assert not any(path.is_symlink() for path in summary.out.rglob("*"))


# --- what cannot be imported, and reruns ------------------------------------------------------


@pytest.mark.parametrize("what", ["nowhere", "empty", "release", "inside"])
def test_what_cannot_be_imported_is_said(
    pristine: Path, imported: ImportSummary, tmp_path: Path, what: str
) -> None:
    (tmp_path / "empty").mkdir()
    folder, out, problem = {
        "nowhere": (tmp_path / "none", tmp_path / "out", "no such folder"),
        "empty": (tmp_path / "empty", tmp_path / "out", "not a folder in upstream's layout"),
        "release": (imported.out, tmp_path / "out", "the folder is a release already"),
        "inside": (pristine, pristine / "out", "must not be inside"),
    }[what]
    with pytest.raises(ReleaseError, match=problem):
        import_upstream(folder, out)
    assert not out.exists()


def test_a_folder_with_other_files_is_not_replaced(pristine: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(ReleaseError, match="do not belong to a release"):
        import_upstream(pristine, tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_a_rerun_reads_only_what_was_not_finished(folder: Path, tmp_path: Path, contents: Contents) -> None:
    """The first import ends after all was read: a table of pairs cannot be used."""
    totals: list[int] = []

    @contextmanager
    def progress(title: str, total: int) -> Iterator[Advance]:
        if title.startswith("reading artifacts"):
            totals.append(total)
        yield lambda done=1: None

    table = folder / layout.prompts_csv("location")
    good = table.read_bytes()
    large = folder / layout.SOURCE_FRAME0.path(FIRST)
    large.write_bytes(np.random.default_rng(0).bytes(3_000_000))
    (folder / layout.prompts_csv("openve3m")).unlink()
    table.write_bytes(b"prompt,src_video,tgt_video,task\n")
    release = tmp_path / "release"
    with pytest.raises(ReleaseError, match="no table of pairs has a row"):
        import_upstream(folder, release, progress)
    table.write_bytes(good)
    import_upstream(folder, release, progress)
    large.write_bytes(large.read_bytes()[::-1])  # another file now
    import_upstream(folder, release, progress)
    assert [total >= 3 for total in totals] == [True, False, True]
    assert contents(release) == contents(import_upstream(folder, tmp_path / "again").out)


def test_a_kill_leaves_no_release_and_a_rerun_makes_the_same(
    pristine: Path, imported: ImportSummary, tmp_path: Path, contents: Contents
) -> None:
    release = tmp_path / "release"
    code = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from sparkle.builders.upstream.import_ import import_upstream

@contextmanager
def progress(title, total):
    if title == "writing tables":
        os.kill(os.getpid(), signal.SIGKILL)
    yield lambda done=1: None

import_upstream(Path(sys.argv[1]), Path(sys.argv[2]), progress)
"""
    killed = subprocess.run([sys.executable, "-c", code, pristine, release], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not release.exists()
    assert contents(import_upstream(pristine, release).out) == contents(imported.out)
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


# --- the command ------------------------------------------------------------------------------


def test_the_command_says_what_it_wrote(pristine: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "release", tmp_path / "report.jsonl"
    done = CliRunner().invoke(command, [str(pristine), "--out", str(out), "--report", str(report)])
    assert done.exit_code == 0, done.output
    assert f"next: sparkle validate {out}" in done.stdout
    assert report.read_bytes() == b""


def test_the_command_counts_what_it_found_and_exits_with_1(folder: Path, tmp_path: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    out, report = tmp_path / "release", tmp_path / "report.jsonl"
    done = CliRunner().invoke(command, [str(folder), "--out", str(out), "--report", str(report), "--json"])
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert answer["problems"] == {"not a file of the layout, and left out": 1}
    assert json.loads(report.read_text())["file"] == "notes.txt"
    assert report.read_bytes() == (out / layout.IMPORT_REPORT).read_bytes()


def test_the_command_refuses_with_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(tmp_path / "none"), "--out", str(tmp_path / "out")])
    assert (done.exit_code, "no such folder" in done.stderr) == (2, True)
    assert CliRunner().invoke(command, [str(tmp_path)]).exit_code == 2


# --- upstream's own examples ------------------------------------------------------------------

EXAMPLES = SHARED_RECORDS


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="needs upstream's example records beside the checkout")
def test_upstreams_example_records_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    lines = json.loads((EXAMPLES / "edited_video_score.jsonl").read_text())
    row = {"prompt": lines["prompt"], "src_video": layout.SOURCE_VIDEO.path(FIRST)}
    upstream_folder.write_csv(
        folder, "location", [{**row, "tgt_video": layout.EDITED_VIDEO.path(FIRST), "task": FIRST}]
    )
    names = {"compose": "location_train_metadata.jsonl"} | layout.RECORD_FILES
    for step, name in names.items():
        if (EXAMPLES / name).is_file():
            file = jsonl_path("location", step)
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes((EXAMPLES / name).read_bytes())
    summary = import_upstream(folder, tmp_path / "release")
    problems = {finding.problem for finding in summary.findings if finding.file.endswith((".jsonl", ".csv"))}
    # There is no example of the score of a removed foreground.
    assert problems == {"the file is missing"}
    (sample,) = upstream_folder.rows_of(summary.out, "location")
    assert sample["edited_frame0_score"] == 8.62887857991077
    assert sample["scene"] == "rooftop overlooking skyline"
    record = pq.read_table(summary.out / layout.records_parquet("location")).to_pylist()[0]
    assert len(record["frame_objects"]) == 2
    assert record["frame_indices"] == [1, 26, 51, 76]
