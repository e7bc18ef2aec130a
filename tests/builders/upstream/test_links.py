"""Links in tars and folders that are imported: followed where that is safe, and named where it is not."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness import upstream_folder
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.builders.reading.pairs import open_pairs
from sparkle.builders.reading.source import open_source
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.builders.upstream.indexing import index_upstream
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

FIRST, SECOND, *_ = upstream_folder.ids_of("location")
KIND = layout.SOURCE_VIDEO
TAR = KIND.shard("location", 0)


def link_second(folder: Path, media: Path, tmp_path: Path, how: str) -> bytes:
    """Pack the tar of the first two sources anew, the second one as a link; returns what it holds then."""
    root = tmp_path / "packing"
    shutil.copytree(media / "location", root / "location")
    first, second = root / KIND.path(FIRST), root / KIND.path(SECOND)
    names = [KIND.path(FIRST), KIND.path(SECOND)]
    second.unlink()
    if how == "hard":
        second.hardlink_to(first)
    elif how == "hard, first out of the layout":  # the name that comes first has the data
        (root / "originals").mkdir()
        (root / "originals/clip").hardlink_to(first)
        second.hardlink_to(first)
        names.insert(0, "originals/clip")
    elif how == "symbolic":
        second.symlink_to(first.name)
    elif how == "symbolic, before its target":
        second.symlink_to(first.name)
        names.reverse()
    else:
        (root / "other").symlink_to(KIND.path(FIRST))
        second.symlink_to("../../other")
        names.append("other")
    subprocess.run(["tar", "-C", root, "-cf", folder / TAR, *names], check=True)
    return first.read_bytes()


@pytest.mark.parametrize(
    "how",
    ["hard", "hard, first out of the layout", "symbolic", "symbolic, before its target", "by another link"],
)
def test_a_link_inside_a_tar_is_the_member_that_it_leads_to(
    folder: Path, media: Path, tmp_path: Path, how: str
) -> None:
    data = link_second(folder, media, tmp_path, how)
    (folder / KIND.path(SECOND)).unlink()  # the loose file, which is another video
    summary = import_upstream(folder, tmp_path / "release")
    strange = {"originals/clip", "other"}  # are no names of the layout
    assert all(item.pointer in strange for item in summary.findings if "left out" in item.problem)
    row = next(row for row in upstream_folder.rows_of(summary.out, "location") if row["task"] == SECOND)
    assert upstream_folder.data_at(summary.out, row, KIND.name) == data
    for contents in (True, False):
        found = check_release(summary.out, options=CheckOptions(contents=contents)).findings
        assert {item.pointer for item in found if "fit" not in item.problem} <= strange
    pairs = open_pairs(summary.out, "location")
    assert len(pairs) == 4
    source = open_source(pairs.catalog)
    assert [source.read(pairs.artifact(row, KIND)) for row in (0, 1)] == [data, data]


def test_a_link_to_nothing_in_its_tar_is_a_finding_that_says_where_it_leads(
    folder: Path, tmp_path: Path
) -> None:
    with tarfile.open(folder / TAR, "w") as tar:
        for name, target in ((FIRST, f"{SECOND}.mp4"), (SECOND, f"{FIRST}.mp4")):  # and round in circles
            info = tarfile.TarInfo(KIND.member(name))
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
        info = tarfile.TarInfo(KIND.member("Sparkle_location_000098"))
        info.type, info.linkname = tarfile.LNKTYPE, "/etc/passwd"
        tar.addfile(info)
    found = import_upstream(folder, tmp_path / "release").findings
    problem = "to nothing in this tar, and is left out"
    assert [(item.file, item.problem) for item in found if "link" in item.problem] == [
        (TAR, f"a member is a symbolic link {problem}"),
        (TAR, f"a member is a symbolic link {problem}"),
        (TAR, f"a member is a hard link {problem}"),
    ]
    assert found[2].got == "/etc/passwd"


def test_a_folder_of_links_to_elsewhere_is_refused_with_the_way_out(folder: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    subprocess.run(["cp", "-rs", folder, links], check=True)
    for make in (import_upstream, index_upstream):
        with pytest.raises(ReleaseError, match="not a folder in upstream's layout") as refused:
            make(links, tmp_path / "out")
        assert "links out of the folder" in str(refused.value.got)
        assert "cp -RL" in str(refused.value.fix)
    subprocess.run(["cp", "-RL", links, tmp_path / "copy"], check=True)
    assert import_upstream(tmp_path / "copy", tmp_path / "release").findings == ()


def test_junk_in_a_folder_is_neither_imported_nor_reported(folder: Path, tmp_path: Path) -> None:
    junk = ("Thumbs.db", "prompts/desktop.ini", "location/source_video/@eaDir/x", "__MACOSX/._x", f"._{TAR}")
    for path in junk:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    assert import_upstream(folder, tmp_path / "release").findings == ()


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zip"])
def test_a_packed_tar_is_named(folder: Path, tmp_path: Path, suffix: str) -> None:
    (folder / TAR).rename(folder / f"{TAR}{suffix}")
    found = import_upstream(folder, tmp_path / "release").findings
    [packed] = [finding for finding in found if finding.file == f"{TAR}{suffix}"]
    assert packed.problem == "packed, and left out: only plain files and tars are read"


@pytest.mark.parametrize("kind", [layout.SOURCE_VIDEO, layout.SOURCE_FRAME0, layout.SOURCE_VIDEO_MASK])
def test_a_pointer_in_place_of_an_artifact_is_named(folder: Path, tmp_path: Path, kind: layout.Kind) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123\n"
    upstream_folder.add_to_tar(folder / kind.shard("location", 0), kind.member(FIRST), pointer, replace=True)
    (folder / kind.path(FIRST)).write_bytes(pointer)
    found = import_upstream(folder, tmp_path / "release").findings
    named = {item.pointer for item in found if "a Git LFS pointer stands in place" in item.problem}
    assert kind.member(FIRST) in named
    assert all(item.wanted and "git lfs pull" in item.wanted for item in found if item.pointer in named)
