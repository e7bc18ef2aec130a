"""Each inconsistency is listed at its place, once, and everything else is imported."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from harness import upstream_folder
from sparkle.builders.release.formats import CSV_COLUMNS
from sparkle.builders.release.manifest import read_manifest
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file

FIRST, SECOND, THIRD, FOURTH = upstream_folder.ids_of("location")


# --- what is listed ---------------------------------------------------------------------------


def _change_line(folder: Path, step: str, change: Callable[[dict[str, Any]], object], number: int = 0) -> str:
    """Change a line of location; returns the file."""
    file = layout.metadata_jsonl("location") if step == "metadata" else layout.record_file("location", step)
    lines = [json.loads(line) for line in (folder / file).read_text().splitlines()]
    change(lines[number])
    upstream_folder.write_lines(folder / file, lines)
    return file


def _append(folder: Path, file: str, data: bytes) -> str:
    path = folder / file
    path.write_bytes(path.read_bytes() + data)
    return file


def _member_without_row(folder: Path, media: Path) -> tuple[str, str]:
    tar = layout.SOURCE_VIDEO.shard("location", 1)
    member = layout.SOURCE_VIDEO.member(upstream_folder.STRANGER)
    upstream_folder.add_to_tar(
        folder / tar, member, (media / layout.SOURCE_VIDEO.path(upstream_folder.STRANGER)).read_bytes()
    )
    return tar, "an artifact of no sample of the csv"


def _row_without_member(folder: Path, media: Path) -> tuple[str, str]:
    members = [layout.EDITED_VIDEO.member(THIRD)]
    upstream_folder.pack(
        media, layout.EDITED_VIDEO, members, folder / layout.EDITED_VIDEO.shard("location", 1)
    )
    return layout.prompts_csv("location"), "a sample of the csv has no edited_video"


def _other_frames(folder: Path, media: Path) -> tuple[str, str]:
    upstream_folder.write_mp4(folder.parent / "x.mp4", frames=13)
    tar = layout.EDITED_VIDEO.shard("location", 1)
    upstream_folder.add_to_tar(
        folder / tar, layout.EDITED_VIDEO.member(THIRD), (folder.parent / "x.mp4").read_bytes(), replace=True
    )
    return tar, "does not fit its source video"


def _other_size(folder: Path, media: Path) -> tuple[str, str]:
    upstream_folder.write_mp4(folder.parent / "x.mp4", frames=9, width=32)
    tar = layout.EDITED_VIDEO.shard("location", 1)
    upstream_folder.add_to_tar(
        folder / tar, layout.EDITED_VIDEO.member(THIRD), (folder.parent / "x.mp4").read_bytes(), replace=True
    )
    return tar, "does not fit its source video"


def _background_of_other_size(folder: Path, media: Path) -> tuple[str, str]:
    upstream_folder.write_mp4(folder.parent / "x.mp4", frames=9, width=32)
    tar, member = layout.BACKGROUND_VIDEO.shard("location", 1), layout.BACKGROUND_VIDEO.member(THIRD)
    upstream_folder.add_to_tar(folder / tar, member, (folder.parent / "x.mp4").read_bytes(), replace=True)
    return tar, "does not fit its source video"


def _short_background(folder: Path, media: Path) -> tuple[str, str]:
    upstream_folder.write_mp4(folder.parent / "x.mp4", frames=5)
    tar = layout.BACKGROUND_VIDEO.shard("location", 1)
    member = layout.BACKGROUND_VIDEO.member(THIRD)
    upstream_folder.add_to_tar(folder / tar, member, (folder.parent / "x.mp4").read_bytes(), replace=True)
    return tar, "does not fit its source video"


def _not_a_video(folder: Path, media: Path) -> tuple[str, str]:
    tar = layout.EDITED_VIDEO.shard("location", 1)
    upstream_folder.add_to_tar(folder / tar, layout.EDITED_VIDEO.member(THIRD), b"", replace=True)
    return tar, "not an mp4 video"


def _mask(shape: tuple[int, ...], bits: int) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, mask=np.zeros(bits, np.uint8), shape=np.array(shape))
    return file.getvalue()


def _mask_of_other_shape(folder: Path, media: Path) -> tuple[str, str]:
    tar = layout.SOURCE_VIDEO_MASK.shard("location", 1)
    data = _mask((8, 48, 64), 8 * 48 * 64 // 8)
    upstream_folder.add_to_tar(folder / tar, layout.SOURCE_VIDEO_MASK.member(THIRD), data, replace=True)
    return tar, "does not fit its source video"


def _mask_of_impossible_shape(folder: Path, media: Path) -> tuple[str, str]:
    tar = layout.SOURCE_VIDEO_MASK.shard("location", 1)
    data = _mask((10**4, 10**4, 10**4), 100)
    upstream_folder.add_to_tar(folder / tar, layout.SOURCE_VIDEO_MASK.member(THIRD), data, replace=True)
    return tar, "the mask has an impossible shape"


def _member_twice(folder: Path, media: Path) -> tuple[str, str]:
    tar = layout.SOURCE_VIDEO.shard("location", 1)
    upstream_folder.add_to_tar(
        folder / tar,
        layout.SOURCE_VIDEO.member(FIRST),
        (media / layout.SOURCE_VIDEO.path(FIRST)).read_bytes(),
    )
    return tar, "the member stands twice; the first counts"


def _link(folder: Path, media: Path) -> tuple[str, str]:
    tar = layout.SOURCE_VIDEO.shard("location", 1)
    upstream_folder.add_to_tar(
        folder / tar, "location/source_video/Sparkle_location_000098.mp4", b"", kind=tarfile.SYMTYPE
    )
    return tar, "a member is a symbolic link to nothing in this tar, and is left out"


def _way_out(folder: Path, media: Path) -> tuple[str, str]:
    tar = layout.SOURCE_VIDEO.shard("location", 1)
    upstream_folder.add_to_tar(folder / tar, "../location/source_video/Sparkle_location_000098.mp4", b"x")
    return tar, "the member's name leaves its folder, and is left out"


def _other_theme(folder: Path, media: Path) -> tuple[str, str]:
    tar = layout.SOURCE_VIDEO.shard("location", 1)
    upstream_folder.add_to_tar(folder / tar, "season/source_video/Sparkle_season_000001.mp4", b"x")
    return tar, "not a member of this tar, and is left out"


def _loose_differs(folder: Path, media: Path) -> tuple[str, str]:
    path = layout.SOURCE_FRAME0.path(FIRST)
    (folder / path).write_bytes(b"\x89PNG")
    return path, "the loose file differs from the one that counts"


def _part_missing(folder: Path, media: Path) -> tuple[str, str]:
    tar = folder / layout.SOURCE_FRAME0.shard("location", 1)
    tar.rename(folder / layout.SOURCE_FRAME0.shard("location", 2))
    return layout.SOURCE_FRAME0.shard("location", 1), "a tar between others is missing"


def _kind_missing(folder: Path, media: Path) -> tuple[str, str]:
    for part in (0, 1):
        (folder / layout.VIDEO_CANNY.shard("location", part)).unlink()
    shutil.rmtree((folder / layout.VIDEO_CANNY.path(FIRST)).parent)
    return layout.VIDEO_CANNY.shard("location", 0), "no edited_video_canny of the theme is there"


def _strange_file(folder: Path, media: Path) -> tuple[str, str]:
    (folder / "prompts" / "notes.txt").write_text("mine")
    return "prompts/notes.txt", "not a file of the layout, and left out"


def _link_out(folder: Path, media: Path) -> tuple[str, str]:
    path = layout.SOURCE_FRAME0.path(FIRST)
    (folder / path).unlink()
    (folder / path).symlink_to(media / path)
    return path, "a link to no file of the folder, and left out"


def _id_twice(folder: Path, media: Path) -> tuple[str, str]:
    row = f'"a, b",{layout.SOURCE_VIDEO.path(FIRST)},{layout.EDITED_VIDEO.path(FIRST)},{FIRST}\n'
    return _append(
        folder, layout.prompts_csv("location"), row.encode()
    ), "the id stands twice; the first counts"


def _no_id(folder: Path, media: Path) -> tuple[str, str]:
    return _append(
        folder, layout.prompts_csv("location"), b"a,b,c,Sparkle_1\n"
    ), "not an id of theme location"


def _short_row(folder: Path, media: Path) -> tuple[str, str]:
    return _append(folder, layout.prompts_csv("location"), b"a,b\n"), "another number of fields"


def _quote_that_stays_open(folder: Path, media: Path) -> tuple[str, str]:
    return _append(folder, layout.prompts_csv("location"), b'"a,b\n'), "a quote is not closed"


def _row_that_is_no_text(folder: Path, media: Path) -> tuple[str, str]:
    row = upstream_folder.row_of(upstream_folder.STRANGER) | {"prompt": "caf\udce9"}
    line = ",".join(row[name] for name in CSV_COLUMNS) + "\n"
    data = line.encode(errors="surrogateescape")
    return _append(folder, layout.prompts_csv("location"), data), "not UTF-8: invalid continuation byte"


def _other_path(folder: Path, media: Path) -> tuple[str, str]:
    path = folder / layout.prompts_csv("location")
    path.write_text(path.read_text().replace(layout.SOURCE_VIDEO.path(SECOND), "somewhere/else.mp4"))
    return layout.prompts_csv("location"), "not the path of this sample"


def _bad_label(folder: Path, media: Path) -> tuple[str, str]:
    def change(line: dict[str, Any]) -> None:
        line["frame_objects"][0][0]["label"] = "someone else"

    return _change_line(folder, "ground2", change), "labels differ from round 1's"


def _other_round1(folder: Path, media: Path) -> tuple[str, str]:
    def change(line: dict[str, Any]) -> None:
        line["round1_objects"][0]["bbox_2d"] = [1, 1, 2, 2]

    return _change_line(folder, "ground2", change), "another round 1 than in the file of round 1"


def _other_prompt(folder: Path, media: Path) -> tuple[str, str]:
    return _change_line(
        folder, "metadata", lambda line: line.update(prompt="x")
    ), "another prompt than in the csv"


def _line_of_nobody(folder: Path, media: Path) -> tuple[str, str]:
    file = layout.metadata_jsonl("location")
    line = json.loads((folder / file).read_text().splitlines()[0]) | {"id": upstream_folder.STRANGER}
    return _append(folder, file, json.dumps(line).encode() + b"\n"), "a line of no sample of the csv"


def _line_twice(folder: Path, media: Path) -> tuple[str, str]:
    file = layout.record_file("location", "video_score")
    line = (folder / file).read_bytes().splitlines()[0]
    return _append(folder, file, line + b"\n"), "the id stands twice; the first counts"


def _bad_line(folder: Path, media: Path) -> tuple[str, str]:
    return _append(folder, layout.record_file("location", "ground1"), b"{oops\n"), "not JSON"


def _no_lines(folder: Path, media: Path) -> tuple[str, str]:
    file = layout.record_file("location", "remove_score")
    (folder / file).unlink()
    return file, "the file is missing"


ONE_FINDING = [
    _member_without_row, _row_without_member, _other_frames, _other_size, _background_of_other_size,
    _short_background, _not_a_video,
    _mask_of_other_shape, _mask_of_impossible_shape, _member_twice, _link, _way_out, _other_theme,
    _loose_differs, _link_out,
    _kind_missing, _strange_file, _id_twice, _no_id, _short_row,
    _quote_that_stays_open, _row_that_is_no_text, _other_path, _bad_label,
    _other_round1, _other_prompt, _line_of_nobody, _line_twice, _bad_line, _no_lines,
]  # fmt: skip


@pytest.mark.parametrize("break_it", ONE_FINDING, ids=lambda break_it: break_it.__name__.strip("_"))
def test_an_inconsistency_is_listed_once_and_the_rest_is_imported(
    folder: Path, media: Path, tmp_path: Path, break_it: Callable[[Path, Path], tuple[str, str]]
) -> None:
    file, problem = break_it(folder, media)
    summary = import_upstream(folder, tmp_path / "release")
    assert [(finding.file, finding.problem) for finding in summary.findings] == [(file, problem)]
    assert summary.problems == {problem: 1}
    assert summary.samples == {"location": 4, "openve3m": 2}
    (line,) = (summary.out / layout.IMPORT_REPORT).read_text().splitlines()
    assert json.loads(line)["problem"] == problem


def test_a_line_without_its_fields_is_listed_and_its_columns_are_null(folder: Path, tmp_path: Path) -> None:
    file = _change_line(folder, "edit_score", lambda line: line["editscore"].update(overall=11))
    summary = import_upstream(folder, tmp_path / "release")
    assert [(finding.file, finding.line) for finding in summary.findings] == [(file, 1), (file, 0)]
    assert summary.findings[1].wanted == FIRST
    row, other, *_ = upstream_folder.rows_of(summary.out, "location")
    assert (row["edited_frame0_score"], other["edited_frame0_score"]) == (None, 8.62887857991077)


def test_columns_of_other_names_are_not_guessed(folder: Path, tmp_path: Path) -> None:
    table = folder / layout.prompts_csv("location")
    table.write_text(table.read_text().replace("src_video", "source"))
    summary = import_upstream(folder, tmp_path / "release")
    assert summary.samples == {"openve3m": 2}
    assert summary.problems == {"no row of the table can be used": 1, "not the columns": 1}


def test_a_label_that_disagrees_is_in_the_records_as_upstream_has_it(folder: Path, tmp_path: Path) -> None:
    _bad_label(folder, folder)
    release = import_upstream(folder, tmp_path / "release").out
    record, *_ = pq.read_table(release / layout.records_parquet("location")).to_pylist()
    assert record["frame_objects"][0][0]["label"] == "someone else"


def test_what_a_sample_lacks_is_null_in_its_row(folder: Path, media: Path, tmp_path: Path) -> None:
    _row_without_member(folder, media)
    release = import_upstream(folder, tmp_path / "release").out
    *_, third, fourth = upstream_folder.rows_of(release, "location")
    assert third["edited_video_shard"] is not None
    names = ("shard", "offset", "size", "sha256")
    assert [fourth[f"edited_video_{name}"] for name in names] == [None] * 4
    assert fourth["source_video_shard"] is not None


@pytest.mark.parametrize("cut", [100, 512, 700])
def test_a_tar_that_is_cut_short_gives_what_comes_before_the_cut(
    folder: Path, tmp_path: Path, cut: int
) -> None:
    tar = folder / layout.SOURCE_VIDEO.shard("location", 1)
    with tarfile.open(tar) as file:
        last = file.getmembers()[-1]
    tar.write_bytes(tar.read_bytes()[: last.offset_data - 512 + cut])
    summary = import_upstream(folder, tmp_path / "release")
    assert [finding.problem.partition(" a ")[0] for finding in summary.findings] == [
        "the tar ends inside", "a sample of the csv has no source_video",
    ]  # fmt: skip
    *_, third, fourth = upstream_folder.rows_of(summary.out, "location")
    assert (third["source_video_shard"], fourth["source_video_shard"]) == (tar.name, None)
    assert {entry.path: entry.sha256 for entry in read_manifest(summary.out)}[tar.name] == sha256_file(tar)


def test_bytes_that_are_no_header_end_a_tar_with_a_finding(folder: Path, tmp_path: Path) -> None:
    tar = folder / layout.SOURCE_VIDEO.shard("location", 1)
    data = bytearray(tar.read_bytes())
    with tarfile.open(tar) as file:
        last = file.getmembers()[-1]
    data[last.offset_data - 512] ^= 1
    tar.write_bytes(data)
    first, *_ = import_upstream(folder, tmp_path / "release").findings
    assert (first.file, first.problem, first.pointer) == (
        tar.name, "not a tar header", f"byte {last.offset_data - 512}",
    )  # fmt: skip


def test_a_second_tar_behind_the_first_is_not_overlooked(folder: Path, tmp_path: Path) -> None:
    tar = folder / layout.SOURCE_VIDEO.shard("location", 1)
    tar.write_bytes(tar.read_bytes() * 2)
    (finding,) = import_upstream(folder, tmp_path / "release").findings
    assert (finding.file, finding.problem) == (tar.name, "the tar goes on after its end")


def test_a_part_that_is_missing_is_said_once_and_its_samples_are_named(
    folder: Path, media: Path, tmp_path: Path
) -> None:
    file, _ = _part_missing(folder, media)
    shutil.copy(folder / layout.SOURCE_FRAME0.shard("location", 0), folder / file)
    (folder / layout.SOURCE_FRAME0.shard("location", 0)).unlink()
    summary = import_upstream(folder, tmp_path / "release")
    assert summary.problems == {"a tar between others is missing": 1}
    assert summary.findings[0].file == layout.SOURCE_FRAME0.shard("location", 0)


def test_a_theme_without_a_table_of_pairs_is_listed_and_kept(folder: Path, tmp_path: Path) -> None:
    (folder / layout.prompts_csv("openve3m")).unlink()
    summary = import_upstream(folder, tmp_path / "release")
    assert summary.samples == {"location": 4}
    assert set(summary.problems) == {"its theme has no table of pairs"}
    assert (summary.out / layout.SOURCE_VIDEO.shard("openve3m", 0)).is_file()
