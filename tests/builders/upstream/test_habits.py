"""What upstream and its users' tools do in another way than we do is read without a word."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import upstream_folder
from sparkle.builders.upstream.import_ import ImportSummary, import_upstream
from sparkle.schemas import layout
from sparkle.schemas.layout import KINDS

FIRST, SECOND, THIRD, FOURTH = upstream_folder.ids_of("location")


# --- extracted --------------------------------------------------------------------------------


@pytest.mark.parametrize("in_place", [True, False])
def test_extracted_tars_are_read_as_loose_files(
    folder: Path, imported: ImportSummary, tmp_path: Path, in_place: bool
) -> None:
    upstream_folder.extract(folder, in_place=in_place)
    summary = import_upstream(folder, tmp_path / "release")
    assert summary.findings == ()
    for theme in upstream_folder.THEMES:
        wanted = upstream_folder.rows_of(imported.out, theme)
        for row, before in zip(upstream_folder.rows_of(summary.out, theme), wanted, strict=True):
            for kind in KINDS:
                assert row[f"{kind.name}_offset"] == 0
                assert upstream_folder.data_at(summary.out, row, kind.name) == upstream_folder.data_at(
                    imported.out, before, kind.name
                )


# --- habits that are accepted -----------------------------------------------------------------


def _crlf(folder: Path, media: Path) -> None:
    rows = [upstream_folder.row_of(sample_id) for sample_id in upstream_folder.ids_of("location")]
    columns = ("task", "tgt_video", "prompt", "src_video")
    options = {"encoding": "utf-8-sig", "columns": columns, "lineterminator": "\r\n", "quoting": 1}
    upstream_folder.write_csv(folder, "location", rows[::-1], **options)


def _jsonl_habits(folder: Path, media: Path) -> None:
    path = folder / layout.record_file("location", "edit_score")
    lines = path.read_text().splitlines()
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines[::-1]).encode() + b"\r\n")


def _openve3m_in_full(folder: Path, media: Path) -> None:
    for step in ("ground1", "ground2"):
        path = folder / layout.record_file("openve3m", step)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        upstream_folder.write_lines(
            path, [{**line, "edit_type": "openve3m_background_change"} for line in lines]
        )
    path = folder / layout.metadata_jsonl("openve3m")
    path.write_text(path.read_text().replace("openve3m_background_change", "openve3m"))


def _no_zero_blocks(folder: Path, media: Path) -> None:
    tar = upstream_folder.repack(folder, media, layout.SOURCE_VIDEO, "-b", "1")
    tar.write_bytes(tar.read_bytes().rstrip(b"\0") + bytes(-len(tar.read_bytes().rstrip(b"\0")) % 512))


def _old_formats(folder: Path, media: Path) -> None:
    upstream_folder.repack(folder, media, layout.SOURCE_VIDEO, "--format=v7")
    upstream_folder.repack(
        folder, media, layout.EDITED_VIDEO, "--format=ustar", "--owner=someone", "--mtime=@1"
    )
    upstream_folder.repack(
        folder, media, layout.VIDEO_CANNY, "--format=pax", "--pax-option=globexthdr.name=g,comment=hello"
    )


def _folders_and_dots(folder: Path, media: Path) -> None:
    ids = upstream_folder.ids_of("location")[: upstream_folder.PART]
    for kind in (layout.SOURCE_VIDEO, layout.VIDEO_CANNY):
        root = media / layout.INTERMEDIATE if kind.intermediate else media
        words = [f"./location/{kind.name}", *(f"./{kind.member(one)}" for one in ids)]
        tar = folder / kind.shard("location", 0)
        subprocess.run(["tar", "-C", root, "--no-recursion", "-cf", tar, *words], check=True)


def _whole_paths(folder: Path, media: Path) -> None:
    tar = folder / layout.VIDEO_CANNY.shard("location", 0)
    words = [
        layout.VIDEO_CANNY.path(one) for one in upstream_folder.ids_of("location")[: upstream_folder.PART]
    ]
    subprocess.run(["tar", "-C", media, "-cf", tar, *words], check=True)


def _longer_background(folder: Path, media: Path) -> None:
    path = folder / layout.BACKGROUND_VIDEO.member(THIRD)
    upstream_folder.write_mp4(path, frames=13)
    tar = folder / layout.BACKGROUND_VIDEO.shard("location", 1)
    upstream_folder.add_to_tar(tar, layout.BACKGROUND_VIDEO.member(THIRD), path.read_bytes(), replace=True)
    shutil.rmtree(folder / "location" / layout.BACKGROUND_VIDEO.name)


def _hidden(folder: Path, media: Path) -> None:
    (folder / ".cache" / "huggingface").mkdir(parents=True)
    (folder / ".cache" / "huggingface" / "x.lock").write_text("")
    (folder / "location" / ".DS_Store").write_text("")


HABITS = [
    _crlf, _jsonl_habits, _openve3m_in_full, _no_zero_blocks, _old_formats, _folders_and_dots, _whole_paths,
    _longer_background, _hidden,
]  # fmt: skip


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.__name__.strip("_"))
def test_a_habit_of_upstreams_is_no_finding(
    folder: Path, media: Path, tmp_path: Path, imported: ImportSummary, habit: Callable[[Path, Path], None]
) -> None:
    habit(folder, media)
    summary = import_upstream(folder, tmp_path / "release")
    assert summary.findings == ()
    for theme in upstream_folder.THEMES:
        wanted = {row["task"]: row for row in upstream_folder.rows_of(imported.out, theme)}
        for row in upstream_folder.rows_of(summary.out, theme):
            expected = wanted[row["task"]]
            for name in ("prompt", "src_video", "tgt_video", "subtheme", "edited_frame0_score", "frames"):
                assert row[name] == expected[name]
            for kind in set(KINDS) - {layout.BACKGROUND_VIDEO}:
                assert upstream_folder.data_at(summary.out, row, kind.name) == upstream_folder.data_at(
                    imported.out, expected, kind.name
                )
