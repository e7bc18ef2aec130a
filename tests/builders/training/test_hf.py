"""`sparkle.load`: rows are the release's, map-style and streaming, resumed, shared out, and never stale."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import sparkle
from harness import factories
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.builders.upstream.indexing import index_upstream
from sparkle.schemas.errors import ArtifactError, ConfigError, ReleaseError
from sparkle.schemas.layout import EDITED_VIDEO, KIND_BY_NAME, KINDS, SOURCE_VIDEO, SOURCE_VIDEO_MASK

datasets = pytest.importorskip("datasets")

LOCATION = [f"Sparkle_location_{index:06d}" for index in (0, 3, 6, 9, 12, 15)]
OPENVE3M = [f"Sparkle_openve3m_{index:06d}" for index in (0, 3, 6)]
ALL = [kind.name for kind in KINDS]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of `datasets` of its own."""
    folder = tmp_path / "datasets"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    datasets.disable_progress_bars()
    return folder


def member(release: Path, row: dict[str, Any], kind: str) -> bytes:
    """What the table says that an artifact is, read with nothing of ours."""
    with (release / row[f"{kind}_shard"]).open("rb") as file:
        file.seek(row[f"{kind}_offset"])
        return file.read(row[f"{kind}_size"])


def tables(release: Path, theme: str) -> list[dict[str, Any]]:
    return [
        row
        for path in sorted((release / "data" / theme).iterdir())
        for row in pq.read_table(path).to_pylist()
    ]


def copied(cache: Path) -> dict[Path, int]:
    """Files that `datasets` has written, with the time at which it did."""
    return {path: path.stat().st_mtime_ns for path in cache.rglob("*.arrow")}


# --- rows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_are_the_tables_with_the_bytes_of_every_stream(shared_release: Path, streaming: bool) -> None:
    rows = list(sparkle.load(shared_release, "location", streams=ALL, streaming=streaming))
    assert [row["task"] for row in rows] == LOCATION
    for row, wanted in zip(rows, tables(shared_release, "location"), strict=True):
        for name in ("prompt", "scene", "frames", "width", "edited_video_score", "source_sha256", "licence"):
            assert row[name] == wanted[name]
        assert row["theme"] == "location"
        for kind in KINDS:
            data = member(shared_release, wanted, kind.name)
            cell = {"bytes": data, "path": kind.path(row["task"])}
            assert row[kind.name] == (data if kind == SOURCE_VIDEO_MASK else cell)
    frames, height, width = sparkle.load_mask(rows[0]["source_video_mask"]).shape
    assert (frames, height, width) == (rows[0]["frames"], rows[0]["height"], rows[0]["width"])


def test_columns_are_videos_images_and_bytes(shared_release: Path) -> None:
    streams = ["edited_video", "edited_frame0", "source_video_mask"]
    features = sparkle.load(shared_release, "location", streams=streams).features
    assert features["edited_video"] == datasets.Video(decode=False)
    assert features["edited_frame0"] == datasets.Image(decode=False)
    assert features["source_video_mask"] == datasets.Value("binary")
    assert "source_video" not in features


def test_images_decode_when_cast(shared_release: Path) -> None:
    pytest.importorskip("PIL")
    rows = sparkle.load(shared_release, "location", streams=["edited_frame0"])
    image = rows.cast_column("edited_frame0", datasets.Image())[0]["edited_frame0"]
    assert image.size == (64, 48)


def test_themes_scores_and_limit_choose(shared_release: Path) -> None:
    def tasks(*words: Any, **options: Any) -> list[str]:
        return [row["task"] for row in sparkle.load(shared_release, *words, streaming=True, **options)]

    assert tasks() == LOCATION + OPENVE3M
    assert tasks("openve3m") == tasks(["openve3m"]) == OPENVE3M
    assert tasks(["openve3m", "location"]) == LOCATION + OPENVE3M
    good = [sample_id for sample_id in LOCATION if sample_id != LOCATION[3]]  # that one scores 8.25
    assert tasks("location", min_scores={"edited_video": 9}) == good
    assert tasks("location", min_scores={"edited_video": 9}, limit=2) == good[:2]


@pytest.mark.parametrize("how", ["import", "index"])
def test_upstreams_own_files_load_alike(shared_release: Path, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "downloaded"
    folder.mkdir()
    shutil.copytree(shared_release / "prompts", folder / "prompts")
    for path in shared_release.rglob("location_*_video_part*.tar"):
        shutil.copy(path, folder)
    if how == "import":
        place = import_upstream(folder, tmp_path / "imported").out
    else:
        place = index_upstream(str(folder), tmp_path / "index").out
    ours = list(sparkle.load(shared_release, "location", streaming=True))
    theirs = list(sparkle.load(place, "location", streaming=True))
    for row, same in zip(theirs, ours, strict=True):
        for name in ("task", "prompt", "source_video", "edited_video"):
            assert row[name] == same[name]


# --- streams: resumed and shared out ----------------------------------------------------------


@pytest.mark.parametrize("seen", [0, 1, 4, 8, 9])
def test_a_stream_resumes_where_it_was(shared_release: Path, seen: int) -> None:
    first = sparkle.load(shared_release, streaming=True)
    rows: Iterator[dict[str, Any]] = iter(first)
    before = [next(rows)["task"] for _ in range(min(seen, 9))]
    state = json.loads(json.dumps(first.state_dict()))
    again = sparkle.load(shared_release, streaming=True)
    again.load_state_dict(state)
    assert before + [row["task"] for row in again] == LOCATION + OPENVE3M


def test_nodes_share_a_stream_out(shared_release: Path) -> None:
    from datasets.distributed import split_dataset_by_node

    seen: list[str] = []
    for rank in range(3):
        stream = sparkle.load(shared_release, streaming=True)
        part = [row["task"] for row in split_dataset_by_node(stream, rank=rank, world_size=3)]
        assert len(part) == 3
        seen += part
    assert sorted(seen) == LOCATION + OPENVE3M


def test_a_shuffled_stream_has_every_row_once(shared_release: Path) -> None:
    stream = sparkle.load(shared_release, streaming=True).shuffle(seed=3, buffer_size=2)
    assert sorted(row["task"] for row in stream) == LOCATION + OPENVE3M


def test_shards_are_small_and_as_many_as_nodes_divide(tmp_path: Path) -> None:
    from sparkle.builders.reading.pairs import open_pairs
    from sparkle.builders.reading.source import open_source
    from sparkle.builders.training.hf import SHARD_ROWS, PairsBuilder

    run = factories.write_run(tmp_path / "run", factories.specs("season", 3))
    build_release([run], tmp_path / "release", ReleaseOptions(preview=0))
    pairs = open_pairs(tmp_path / "release")
    kinds = [SOURCE_VIDEO, EDITED_VIDEO]
    for count in (1, 63, 64, 65, 2000, 6400, 6401, 140_000):
        many = pairs.take([index % 3 for index in range(count)])
        builder = PairsBuilder(many, open_source(pairs.catalog), kinds, {}, tmp_path / "cache")
        (split,) = builder._split_generators(None)
        rows = split.gen_kwargs["rows"]
        assert [end for _, end in rows[:-1]] == [first for first, _ in rows[1:]]
        assert (rows[0][0], rows[-1][1]) == (0, count)
        assert max(end - first for first, end in rows) <= SHARD_ROWS
        assert len(rows) == count if count < 64 else len(rows) % 64 == 0


@pytest.mark.slow
def test_processes_copy_the_same_rows(shared_release: Path, cache: Path) -> None:
    code = f"""
import datasets, sparkle
if __name__ == "__main__":
    datasets.disable_progress_bars()
    rows = sparkle.load({str(shared_release)!r}, num_proc=2)
    print(*rows["task"], sum(len(row["edited_video"]["bytes"]) for row in rows))
"""
    environment = {**os.environ, "HF_DATASETS_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    total = sum(
        row["edited_video_size"]
        for theme in ("location", "openve3m")
        for row in tables(shared_release, theme)
    )
    assert done.stdout.split() == [*LOCATION, *OPENVE3M, str(total)], done.stderr
    assert "Exception" not in done.stderr


# --- the copy ---------------------------------------------------------------------------------


def test_the_same_release_is_copied_once_wherever_it_stands(
    release: Path, cache: Path, tmp_path: Path
) -> None:
    rows = list(sparkle.load(release, "location"))
    before = copied(cache)
    assert len(before) == 1
    moved = release.rename(tmp_path / "moved")
    assert list(sparkle.load(moved, "location")) == rows
    assert copied(cache) == before


def test_another_release_or_another_question_is_never_served_stale(tmp_path: Path, cache: Path) -> None:
    specs = factories.specs("season", 3)
    out = tmp_path / "release"
    build_release([factories.write_run(tmp_path / "run1", specs)], out, ReleaseOptions(preview=0))
    assert len(sparkle.load(out)) == 3
    specs[1] = replace(specs[1], prompt="Let it snow.")
    build_release([factories.write_run(tmp_path / "run2", specs)], out, ReleaseOptions(preview=0))
    assert sparkle.load(out)["prompt"][1] == "Let it snow."
    assert sparkle.load(out, limit=2)["task"][:] == [spec.id for spec in specs[:2]]
    assert sparkle.load(out, streams=["edited_video"]).column_names[-1] == "edited_video"
    assert len(copied(cache)) == 4


def test_the_room_that_a_copy_needs_is_known_before(
    shared_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = sum(
        row[f"{kind}_size"]
        for row in tables(shared_release, "location")
        for kind in ("source_video", "edited_video")
    )
    usage = shutil._ntuple_diskusage(10**9, 10**9, total - 1)
    monkeypatch.setattr("datasets.utils.py_utils.disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="Not enough disk space"):
        sparkle.load(shared_release, "location")
    assert len(list(sparkle.load(shared_release, "location", streaming=True))) == len(LOCATION)


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_a_changed_artifact_is_an_error_that_names_it(release: Path, streaming: bool) -> None:
    row = tables(release, "location")[4]
    with (release / row["edited_video_shard"]).open("r+b") as file:
        file.seek(row["edited_video_offset"] + 100)
        byte = file.read(1)
        file.seek(row["edited_video_offset"] + 100)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(ArtifactError) as caught:
        list(sparkle.load(release, "location", streaming=streaming))
    assert LOCATION[4] in str(caught.value)


def test_what_cannot_be_asked_for_is_refused(shared_release: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        sparkle.load(shared_release, streams=["video"])
    assert "source_video" in str(caught.value.wanted)
    with pytest.raises(ReleaseError, match="no such theme"):
        sparkle.load(shared_release, "style")
    with pytest.raises(ConfigError, match="no such score"):
        sparkle.load(shared_release, min_scores={"overall": 9})
    with pytest.raises(ReleaseError, match="no pair passes"):
        sparkle.load(shared_release, min_scores={"edited_video": 9.9})
    with pytest.raises(ReleaseError):
        sparkle.load(tmp_path / "nothing")


def test_one_name_is_one_stream(shared_release: Path) -> None:
    rows = sparkle.load(shared_release, "location", streams="edited_video", limit=1)
    assert [name for name in rows.column_names if name in KIND_BY_NAME] == ["edited_video"]
