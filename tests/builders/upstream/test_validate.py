"""`sparkle validate` of an import: upstream's tars may be as they are, but must be what the tables say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import upstream_folder
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.upstream.import_ import ImportSummary, import_upstream
from sparkle.hub.diff.release import UNTOUCHED, compare_releases
from sparkle.hub.publish.publishing import publish_release
from sparkle.hub.targets.folder import FolderTarget
from sparkle.schemas import layout

FIRST, SECOND, THIRD, FOURTH = upstream_folder.ids_of("location")


@pytest.mark.parametrize("contents", [True, False])
def test_an_import_is_whole(imported: ImportSummary, contents: bool) -> None:
    report = check_release(imported.out, options=CheckOptions(contents=contents))
    assert report.findings == ()
    assert report.samples == imported.samples


@pytest.mark.parametrize("in_place", [True, False])
def test_an_import_of_extracted_tars_is_whole(folder: Path, tmp_path: Path, in_place: bool) -> None:
    upstream_folder.extract(folder, in_place=in_place)
    release = import_upstream(folder, tmp_path / "release").out
    assert check_release(release).findings == ()


def test_two_imports_are_compared_like_releases(
    folder: Path, imported: ImportSummary, tmp_path: Path
) -> None:
    table = folder / layout.prompts_csv("location")
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    release = import_upstream(folder, tmp_path / "release").out
    found = compare_releases(FolderPlace(imported.out), FolderPlace(release))
    assert [theme.removed for theme in found.themes] == [(FOURTH,), ()]
    assert {shard.state for shard in found.files.shards} == {UNTOUCHED}


@pytest.fixture
def release(imported: ImportSummary, tmp_path: Path) -> Path:
    """A copy of the import, to be damaged."""
    return Path(shutil.copytree(imported.out, tmp_path / "release"))


def _flip(release: Path) -> str:
    tar = layout.EDITED_VIDEO.shard("location", 1)
    row = upstream_folder.rows_of(release, "location")[2]
    data = bytearray((release / tar).read_bytes())
    data[row["edited_video_offset"] + row["edited_video_size"] - 1] ^= 1
    (release / tar).write_bytes(data)
    return tar


def _lose_a_member(release: Path) -> str:
    tar = layout.EDITED_VIDEO.shard("location", 1)
    data = (release / tar).read_bytes()
    row = upstream_folder.rows_of(release, "location")[3]
    (release / tar).write_bytes(data[: row["edited_video_offset"] - 512] + bytes(1024))
    return tar


def _put_a_link_in(release: Path) -> str:
    tar = layout.EDITED_VIDEO.shard("location", 1)
    upstream_folder.add_to_tar(
        release / tar, layout.EDITED_VIDEO.member(upstream_folder.STRANGER), b"", kind=b"2"
    )
    return tar


def _lose_a_tar(release: Path) -> str:
    tar = layout.VIDEO_CANNY.shard("location", 0)
    (release / tar).unlink()
    return tar


@pytest.mark.parametrize("damage", [_flip, _lose_a_member, _put_a_link_in, _lose_a_tar])
def test_damage_to_an_imported_tar_is_found(release: Path, damage: Callable[[Path], str]) -> None:
    tar = damage(release)
    assert tar in {finding.file for finding in check_release(release).findings}


def _keep(folder: Path, *patterns: str) -> None:
    """Remove all files but some: what people leave out of a download."""
    kept = {path for pattern in patterns for path in folder.glob(pattern)}
    for path in folder.rglob("*"):
        if path.is_file() and path not in kept:
            path.unlink()


@pytest.mark.parametrize(
    "patterns",
    [
        ("prompts/*", "*.tar"),
        ("prompts/*.csv", "*.tar"),
        ("prompts/*", "location/**/*.mp4", "openve3m/**/*.mp4"),
        ("prompts/*", "*_source_video_part00.tar", "*_edited_video_part00.tar"),
        ("prompts/*", "intermediate_data/*/*.jsonl", "*.tar", "intermediate_data/*_mask_part00.tar"),
        ("prompts/*",),
    ],
    ids=["videos", "no lines", "loose", "first parts", "some masks", "words alone"],
)
def test_an_import_of_a_part_is_whole_and_can_be_published(
    folder: Path, tmp_path: Path, patterns: tuple[str, ...]
) -> None:
    _keep(folder, *patterns)
    summary = import_upstream(folder, tmp_path / "release")
    assert check_release(summary.out).findings == ()
    assert check_release(summary.out).samples == {"location": 4, "openve3m": 2}
    publish_release(summary.out, FolderTarget(tmp_path / "share"))
    assert check_release(tmp_path / "share").findings == ()


def test_a_part_of_an_import_that_is_lost_afterwards_is_found(folder: Path, tmp_path: Path) -> None:
    _keep(folder, "prompts/*", "*.tar")
    release = import_upstream(folder, tmp_path / "release").out
    (release / layout.metadata_jsonl("location")).unlink()
    tar = _lose_a_member(release)
    assert {finding.file for finding in check_release(release).findings} == {
        layout.metadata_jsonl("location"),
        tar,
    }


def test_ways_of_others_to_write_the_same_are_no_findings_of_an_import(folder: Path, tmp_path: Path) -> None:
    table = folder / layout.prompts_csv("location")
    header, *rows = table.read_bytes().splitlines()
    table.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([header, *reversed(rows)]) + b"\r\n")
    summary = import_upstream(folder, tmp_path / "release")
    assert summary.findings == ()
    assert check_release(summary.out).findings == ()
