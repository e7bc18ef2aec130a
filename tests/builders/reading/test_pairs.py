"""Which pairs are chosen, that their columns are shared, and that what is kept of them is never stale."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkle.builders.reading.columns import group_of
from sparkle.builders.reading.pairs import open_pairs
from sparkle.builders.reading.source import open_source
from sparkle.builders.release.manifest import FileEntry, dump_manifest, read_manifest
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ConfigError, ReleaseError
from sparkle.schemas.layout import EDITED_VIDEO, KINDS, SOURCE_VIDEO, SOURCE_VIDEO_MASK


def table_rows(release: Path, theme: str) -> list[dict[str, Any]]:
    files = sorted((release / "data" / theme).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).drop(["preview"]).to_pylist()]


def rewrite_table(release: Path, theme: str, change: Any) -> None:
    """Change the rows of a theme's last table, and list it as it is then."""
    path = sorted((release / "data" / theme).glob("*.parquet"))[-1]
    table = pq.read_table(path)
    rows = change(table.to_pylist())
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    name = path.relative_to(release).as_posix()
    entries = [entry for entry in read_manifest(release) if entry.path != name]
    entries.append(FileEntry(name, path.stat().st_size, sha256_file(path)))
    (release / layout.MANIFEST).write_bytes(dump_manifest(entries))


def test_every_row_says_what_its_table_says(shared_release: Path) -> None:
    pairs = open_pairs(shared_release)
    rows = table_rows(shared_release, "location") + table_rows(shared_release, "openve3m")
    assert list(pairs.ids) == [row["task"] for row in rows]
    assert [pairs.prompt(at) for at in range(len(pairs))] == [row["prompt"] for row in rows]
    assert pairs.frames.tolist() == [row["frames"] for row in rows]
    assert pairs.column("edited_video_score").to_pylist() == [row["edited_video_score"] for row in rows]
    assert pairs.column("licence").to_pylist() == [row["licence"] for row in rows]
    for kind in KINDS:
        for at, row in enumerate(rows):
            artifact = pairs.artifact(at, kind)
            place = tuple(row[f"{kind.name}_{name}"] for name in ("shard", "offset", "size", "sha256"))
            assert (artifact.file, artifact.offset, artifact.size, artifact.sha256) == place
            assert artifact.path == kind.path(row["task"])


def test_pairs_are_chosen_by_theme_score_id_and_number(shared_release: Path) -> None:
    rows = table_rows(shared_release, "location")
    good = [row["task"] for row in rows if row["edited_video_score"] >= 9.0]
    assert 0 < len(good) < len(rows)
    assert list(open_pairs(shared_release, ["location"], min_scores={"edited_video": 9}).ids) == good
    assert list(open_pairs(shared_release, ids=good[1:3], limit=1).ids) == good[1:2]
    assert open_pairs(shared_release, ["openve3m"]).themes == ("openve3m",)
    assert open_pairs(shared_release, "openve3m").themes == ("openve3m",)  # a word is one theme
    with pytest.raises(ReleaseError, match="no such theme") as caught:
        open_pairs(shared_release, "winter")
    assert (caught.value.got, caught.value.wanted) == ("winter", "one of location, openve3m")
    assert len(open_pairs(shared_release, min_scores={"edited_frame0": 10.1})) == 0


def test_some_of_the_rows_in_another_order(shared_release: Path) -> None:
    pairs = open_pairs(shared_release)
    taken = pairs.take([3, 0]).take(np.array([1, 0, 0]))
    assert list(taken.ids) == [pairs.ids[0], pairs.ids[3], pairs.ids[3]]
    assert taken.ids[-1] == taken.ids[1:][1]
    assert taken.artifact(1, EDITED_VIDEO) == pairs.artifact(3, EDITED_VIDEO)
    assert taken.column("prompt").to_pylist() == [taken.prompt(at) for at in range(3)]
    assert taken.width.tolist() == [pairs.width[at] for at in (0, 3, 3)]


def test_another_process_gets_the_same_rows_out_of_few_bytes(shared_release: Path) -> None:
    pairs = open_pairs(shared_release, limit=4)
    code = (
        "import pickle, sys; pairs = pickle.load(sys.stdin.buffer)\n"
        "from sparkle.schemas.layout import SOURCE_VIDEO\n"
        "print([(i, pairs.artifact(at, SOURCE_VIDEO).offset) for at, i in enumerate(pairs.ids)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(pairs), capture_output=True, check=True
    )
    wanted = [(name, pairs.artifact(at, SOURCE_VIDEO).offset) for at, name in enumerate(pairs.ids)]
    assert done.stdout.decode().strip() == str(wanted)


def test_opening_imports_nothing_that_takes_longer_than_it(shared_release: Path) -> None:
    pytest.importorskip("pyarrow", "26", "older ones import pandas where it is installed")
    code = (
        "import sys; from sparkle.builders.reading.pairs import open_pairs\n"
        "pairs = open_pairs(sys.argv[1], min_scores={'edited_video': 8.0})\n"
        "pairs.frames, pairs.prompt(0)\n"
        "print([name for name in ('pandas', 'torch', 'datasets', 'huggingface_hub') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(shared_release)]
    assert subprocess.run(command, stdout=-1, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"themes": ["season"]}, ReleaseError, "no such theme"),
        ({"ids": ["Sparkle_location_000001"]}, ReleaseError, "no such sample"),
        ({"min_scores": {"beauty": 9.0}}, ConfigError, "no such score"),
        ({"limit": 0}, ConfigError, "invalid number of pairs"),
    ],
)
def test_what_is_not_there_is_said(
    shared_release: Path, options: dict[str, Any], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        open_pairs(shared_release, **options)


def test_a_folder_that_is_no_release_is_told_how_to_become_one(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="sparkle index"):
        open_pairs(tmp_path)
    with pytest.raises(ReleaseError, match="neither a folder nor a repository"):
        open_pairs("no/such/folder")


def test_a_column_that_no_table_has_is_said(shared_release: Path) -> None:
    with pytest.raises(ReleaseError, match="no such column"):
        open_pairs(shared_release).column("beauty")


# --- missing halves ---------------------------------------------------------------------------


def test_a_sample_without_an_artifact_is_left_out_aloud(release: Path) -> None:
    def lose(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows[0] |= dict.fromkeys(
            f"source_video_mask_{name}" for name in ("shard", "offset", "size", "sha256")
        )
        return rows

    rewrite_table(release, "location", lose)
    lost = table_rows(release, "location")[2]["task"]
    with pytest.warns(UserWarning, match=f"1 have no source_video_mask .{lost}"):
        pairs = open_pairs(release, ["location"], kinds=[SOURCE_VIDEO, SOURCE_VIDEO_MASK])
    assert pairs.missing == {"source_video_mask": (lost,)}
    assert lost not in pairs.ids
    assert len(open_pairs(release, ["location"])) == len(pairs) + 1  # nobody asked for the mask
    with pytest.raises(ReleaseError, match="has no source_video_mask"):
        open_pairs(release, ids=[lost]).artifact(0, SOURCE_VIDEO_MASK)


# --- the cache of columns ---------------------------------------------------------------------


def test_columns_are_kept_by_content_and_never_stale(release: Path, cache: Path) -> None:
    first = open_pairs(release).prompt(2)
    kept = {path.name for path in (cache / "tables").iterdir()}

    def reword(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows[0]["prompt"] = "Put it on the moon."
        return rows

    rewrite_table(release, "location", reword)
    assert first != "Put it on the moon."
    assert open_pairs(release).prompt(2) == "Put it on the moon."
    assert kept < {path.name for path in (cache / "tables").iterdir()}


def test_a_table_that_is_not_the_listed_one_is_refused(release: Path) -> None:
    path = sorted((release / "data" / "location").glob("*.parquet"))[-1]
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ReleaseError, match="a table is not the one that is listed"):
        open_pairs(release)


@pytest.mark.parametrize("spoil", [b"", b"ARROW1 and nothing else"])
def test_what_is_kept_and_spoilt_is_read_again(shared_release: Path, cache: Path, spoil: bytes) -> None:
    wanted = list(open_pairs(shared_release).ids)
    for path in (cache / "tables").iterdir():
        path.write_bytes(spoil)
    assert list(open_pairs(shared_release).ids) == wanted


def test_two_who_fill_the_cache_at_once_see_whole_columns(shared_release: Path, cache: Path) -> None:
    wanted = list(open_pairs(shared_release).ids)
    for _ in range(5):
        shutil.rmtree(cache)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: list(open_pairs(shared_release).ids), range(4)))
        assert found == [wanted] * 4
        assert [path.name for path in (cache / "tables").iterdir() if path.name.startswith(".")] == []


def test_a_cache_that_cannot_be_written_is_said_and_done_without(
    shared_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = list(open_pairs(shared_release).ids)
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "file"))
    with pytest.warns(RuntimeWarning, match="cannot be written"):
        assert list(open_pairs(shared_release).ids) == wanted


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("shard", name) for name in ("../../etc/passwd", "", "x" * 300, "/etc/passwd", "a\0b", "data")),
        *(("offset", number) for number in (-1, 2**62, None)),
        *(("size", number) for number in (-1, 2**62, None)),
    ],
)
def test_a_row_that_says_an_impossible_place_is_a_release_error(
    release: Path, column: str, value: Any
) -> None:
    name = f"{SOURCE_VIDEO.name}_{column}"
    rewrite_table(release, "location", lambda rows: [{**row, name: value} for row in rows])
    pairs, source = open_pairs(release, ["location"]), open_source(release)
    with pytest.raises(ReleaseError):
        source.read(pairs.artifact(len(pairs) - 1, SOURCE_VIDEO))


def test_damage_under_a_manifest_that_fits_is_a_release_error(release: Path) -> None:
    """A byte of the table differs each time, and the manifest is written as if that were right."""
    path = sorted((release / "data" / "location").glob("*.parquet"))[-1]
    data = path.read_bytes()
    entries = [entry for entry in read_manifest(release) if not path.match(entry.path)]
    name, refused = path.relative_to(release).as_posix(), 0
    for place in range(4, len(data), 97):
        damaged = bytearray(data)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        listed = [*entries, FileEntry(name, len(data), sha256_file(path))]
        (release / layout.MANIFEST).write_bytes(dump_manifest(listed))
        try:
            pairs = open_pairs(release, ["location"])
            pairs.load([group_of(column) for column in ("task", "flicker", "edited_video_shard")])
        except ReleaseError:
            refused += 1
    assert refused > len(data) // 97 / 4
