from __future__ import annotations

import hashlib
import io
from pathlib import Path

import av
import pyarrow.parquet as pq
import pytest

from sparkle.builders.release.tables import RECORDS_SCHEMA, pairs_schema
from sparkle.schemas import layout
from sparkle.schemas.layout import KINDS

LOCATION = [f"Sparkle_location_{index:06d}" for index in (0, 3, 6, 9, 12, 15)]


def rows_of(release: Path, theme: str) -> list[dict[str, object]]:
    files = sorted((release / "data" / theme).iterdir())
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_every_artifact_is_where_its_row_says(shared_release: Path, shared_run: Path) -> None:
    for row in rows_of(shared_release, "location"):
        for kind in KINDS:
            tar = (shared_release / str(row[f"{kind.name}_shard"])).read_bytes()
            offset, size = int(str(row[f"{kind.name}_offset"])), int(str(row[f"{kind.name}_size"]))
            data = tar[offset : offset + size]
            assert hashlib.sha256(data).digest() == row[f"{kind.name}_sha256"]
            assert data == (shared_run / kind.path(str(row["task"]))).read_bytes()


def test_the_first_columns_are_upstreams(shared_release: Path) -> None:
    names = pairs_schema().names
    assert names[:5] == ["prompt", "src_video", "tgt_video", "task", "preview"]
    assert [row["task"] for row in rows_of(shared_release, "location")] == LOCATION


def test_columns_say_what_was_recorded(shared_release: Path) -> None:
    row = rows_of(shared_release, "location")[1]
    wanted = {
        "subtheme": "urban",
        "scene": "rooftop overlooking skyline",
        "frames": 9,
        "width": 64,
        "height": 48,
        "edited_frame0_score": 9.0,
        "foreground_removed_score": 9.0,
        "edited_video_score": 9.75,
        "background_motion": 1.5,
        "foreground_psnr": 30.0,
        "flicker": 0.01,
        "mask_stability": 0.98,
        "sharpness": 120.0,
        "source_sha256": hashlib.sha256(LOCATION[1].encode()).hexdigest(),
        "licence": "cc0-1.0",
    }
    assert {name: row[name] for name in wanted} == wanted
    unset = {name for name, value in row.items() if value is None}
    assert unset <= {"background_motion_inside", "background_motion_outside"}


def test_a_free_prompt_has_no_scene_and_stays_a_string(shared_release: Path) -> None:
    row = rows_of(shared_release, "openve3m")[0]
    assert (row["subtheme"], row["scene"], row["prompt"]) == (None, None, "None")


def test_previews_play_the_pair_side_by_side_in_the_first_rows_only(shared_release: Path) -> None:
    rows = rows_of(shared_release, "location")
    assert [row["preview"] is not None for row in rows] == [True, True, False, False, False, False]
    preview = rows[0]["preview"]
    assert isinstance(preview, dict)
    assert preview["path"] == f"{LOCATION[0]}.mp4"
    with av.open(io.BytesIO(preview["bytes"])) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert video.streams.video[0].average_rate == 16
    assert len(frames) == 9
    assert frames[0].shape == (48, 128, 3)
    for half, kind in enumerate(("source_video", "edited_video")):
        path = shared_release / "location" / kind / f"{LOCATION[0]}.mp4"
        with av.open(str(path)) as video:
            whole = next(video.decode(video=0)).to_ndarray(format="rgb24")
        shown = frames[0][:, 64 * half : 64 * (half + 1)]
        assert abs(whole.astype(int) - shown).mean() < 8


def test_rows_with_previews_stand_apart(shared_release: Path) -> None:
    files = sorted((shared_release / "data/location").iterdir())
    assert [file.name for file in files] == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    assert [pq.read_metadata(file).num_rows for file in files] == [2, 4]


def test_records_are_plain_arrow_lists(shared_release: Path) -> None:
    path = shared_release / layout.records_parquet("location")
    schema = pq.read_schema(path)
    assert schema.equals(RECORDS_SCHEMA)
    assert b"huggingface" not in (pq.read_metadata(path).metadata or {})
    row = pq.read_table(path).to_pylist()[1]
    assert row["task"] == LOCATION[1]
    assert row["round1_labels"] == ["red square"]
    assert row["round1_objects"] == [{"bbox_2d": [250, 250, 600, 700], "label": "red square"}]
    assert row["frame_objects"][1] == [{"bbox_2d": [], "label": "red square"}]
    assert row["edited_frame0_SC_reasoning"] == "The instruction is followed."
    assert row["foreground_removed_PQ_reasoning"] == "It looks clean."
    assert [frame["O_score"] for frame in row["frame_scores"]] == [9.75] * 4
    assert row["frame_indices"] == [1, 3, 5, 8]
    assert all(value is not None for value in row.values())


@pytest.mark.parametrize("theme", ["location", "openve3m"])
def test_files_are_made_for_queries(shared_release: Path, theme: str) -> None:
    for file in (shared_release / "data" / theme).iterdir():
        chunk = pq.read_metadata(file).row_group(0).column(0)
        assert chunk.compression == "ZSTD"
        assert chunk.has_column_index
        assert chunk.has_offset_index
