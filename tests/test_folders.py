"""Junk, what is the Hub client's own, and where links may lead."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkle._files import safe_join
from sparkle._folders import is_junk, is_no_part, is_stray_link, leads_inside, list_junk
from sparkle.builders.release.manifest import list_files
from sparkle.schemas.errors import UnsafePathError

JUNK = """
.DS_Store a/.ds_store ._clip.mp4 data/._train.parquet .Trashes/501/x.mp4 .Spotlight-V100/x .fseventsd/x
.TemporaryItems/x .AppleDouble/x __MACOSX/a/._b .apdisk .VolumeIcon.icns Thumbs.db THUMBS.DB ehthumbs.db
desktop.ini Desktop.ini $RECYCLE.BIN/x .Trash-1000/files/a .directory .nfs000000000123abcd .fuse_hidden00001
.~lock.table.csv# @eaDir/a.mp4/x location/@eaDir/x #recycle/a.mp4 .@__thumb/a.jpg lost+found
a.mp4:Zone.Identifier .dropbox .dropbox.cache/x
"""
OTHERS = """
a.mp4 Thumbs.db.mp4 my.DS_Store _a.mp4 .hidden .nfs README.md eaDir/x Trashes/x desktop.ini.txt .gitignore
data/location/train-00000-of-00001.parquet prompts/location_train.csv
"""


@pytest.mark.parametrize(
    "path", [*JUNK.split(), "System Volume Information/x", "Icon\r", "Network Trash Folder/x"]
)
def test_junk_is_known_anywhere(path: str) -> None:
    assert is_junk(path)
    assert is_junk(f"location/{path}")


@pytest.mark.parametrize("path", OTHERS.split())
def test_nothing_else_is_junk(path: str) -> None:
    assert not is_no_part(path)


def test_junk_is_listed_by_its_outermost_folder_and_is_no_file_of_a_folder(tmp_path: Path) -> None:
    for path in (
        "a/b.txt",
        "a/.DS_Store",
        ".Trashes/501/x.mp4",
        ".gitattributes",
        ".cache/huggingface/x",
        ".huggingface/x",
        ".cache/y",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert list_junk(tmp_path) == [".Trashes/", "a/.DS_Store"]
    assert list_files(tmp_path) == [".cache/y", "a/b.txt"]


def snapshot_in(cache: Path, *, shared: bool) -> Path:
    """A repository in the Hub client's cache with one file, as its versions from 2.4 on may share blobs."""
    repository = cache / "datasets--owner--name"
    snapshot, blob = repository / "snapshots" / "c0ffee", repository / "blobs" / "abc"
    snapshot.mkdir(parents=True)
    blob.parent.mkdir()
    if shared:
        common = cache / "blobs" / "ab" / "abcdef"
        common.parent.mkdir(parents=True)
        common.write_text("content")
        blob.symlink_to("../../blobs/ab/abcdef")
    else:
        blob.write_text("content")
    (snapshot / "file.txt").symlink_to("../../blobs/abc")
    return snapshot


@pytest.mark.parametrize("shared", [False, True])
def test_links_of_a_snapshot_lead_to_its_blobs_and_nowhere_else(tmp_path: Path, shared: bool) -> None:
    snapshot = snapshot_in(tmp_path / "cache", shared=shared)
    assert safe_join(snapshot, "file.txt").read_text() == "content"
    assert not is_stray_link(snapshot / "file.txt", snapshot)
    secret = tmp_path / "secret"
    secret.write_text("private")
    other = snapshot_in(tmp_path / "other", shared=False)
    for name, target in (("a", secret), ("b", other / "file.txt"), ("c", tmp_path / "cache" / "version.txt")):
        (snapshot / name).symlink_to(target)
        assert is_stray_link(snapshot / name, snapshot)
        with pytest.raises(UnsafePathError, match="by a link") as refused:
            safe_join(snapshot, name)
        assert refused.value.fix is not None
        assert "cp -RL" in refused.value.fix


def test_a_snapshot_may_be_reached_by_a_link(tmp_path: Path) -> None:
    snapshot = snapshot_in(tmp_path / "disk", shared=True)
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    (tmp_path / "release").symlink_to(snapshot)
    for folder in (tmp_path / "home" / snapshot.relative_to(tmp_path / "disk"), tmp_path / "release"):
        assert safe_join(folder, "file.txt").read_text() == "content"
        assert not is_stray_link(folder / "file.txt", folder)


def test_blobs_beside_any_other_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "x").write_text("private")
    folder = tmp_path / "versions" / "c0ffee"
    folder.mkdir(parents=True)
    (folder / "x").symlink_to(tmp_path / "blobs" / "x")
    assert not leads_inside(folder / "x", folder)


def test_a_link_to_itself_is_an_error_and_no_endless_way(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert not (tmp_path / "loop").exists()
    assert is_stray_link(tmp_path / "loop", tmp_path)
