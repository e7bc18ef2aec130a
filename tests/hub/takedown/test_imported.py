"""A takedown from a release that was imported: tars as others wrote them, and a report of the import."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness import factories, upstream_folder
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.hub.takedown.folder import take_down
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS

GONE, STAYS = "Sparkle_location_000003", "Sparkle_location_000000"


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for sample_id in upstream_folder.IDS:
        for kind in KINDS:
            factories.write_artifact(folder, kind, sample_id)
    return folder


@pytest.fixture(scope="module")
def pristine(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upstream") / "folder"
    upstream_folder.write_folder(folder, media)
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """A copy of a folder in upstream's layout."""
    return Path(shutil.copytree(pristine, tmp_path / "folder"))


def mentions(release: Path, sample_id: str) -> list[str]:
    """Files that have an id in their name or in their bytes."""
    return [
        path.relative_to(release).as_posix()
        for path in sorted(release.rglob("*"))
        if path.is_file() and (sample_id in path.name or sample_id.encode() in path.read_bytes())
    ]


def members(release: Path, theme: str) -> dict[str, bytes]:
    """Every plain member of a theme's tars, as Python's tarfile reads them."""
    found = {}
    for path in sorted(release.rglob(f"{theme}_*.tar")):
        with tarfile.open(path) as tar:
            for info in tar:
                file = tar.extractfile(info)
                if file is not None:
                    found[info.name] = file.read()
    return found


def test_nothing_of_it_is_left_and_the_rest_is_as_it_was(folder: Path, tmp_path: Path) -> None:
    release = import_upstream(folder, tmp_path / "release").out
    before = members(release, "location")
    rows = {row["task"]: row for row in upstream_folder.rows_of(release, "location")}
    data = {
        (sample_id, kind.name): upstream_folder.data_at(release, row, kind.name)
        for sample_id, row in rows.items()
        for kind in KINDS
    }
    take_down(release, [GONE], [])
    assert mentions(release, GONE) == []
    assert members(release, "location") == {name: body for name, body in before.items() if GONE not in name}
    after = upstream_folder.rows_of(release, "location")
    assert [row["task"] for row in after] == [sample_id for sample_id in rows if sample_id != GONE]
    for row in after:
        for kind in KINDS:
            assert upstream_folder.data_at(release, row, kind.name) == data[row["task"], kind.name]
    assert check_release(release, options=CheckOptions(media="all")).findings == ()


def test_a_part_of_which_nothing_is_left_disappears(folder: Path, tmp_path: Path) -> None:
    release = import_upstream(folder, tmp_path / "release").out
    tars = set(release.rglob("*.tar"))
    take_down(release, list(upstream_folder.IDS[:2]), [])
    gone = {path.name for path in tars - set(release.rglob("*.tar"))}
    assert gone == {Path(kind.shard("location", 0)).name for kind in KINDS}
    assert check_release(release).findings == ()


@pytest.mark.parametrize("in_place", [True, False])
def test_extracted_tars(folder: Path, tmp_path: Path, in_place: bool) -> None:
    upstream_folder.extract(folder, in_place=in_place)
    release = import_upstream(folder, tmp_path / "release").out
    take_down(release, [GONE], [])
    assert mentions(release, GONE) == []
    assert [row["task"] for row in upstream_folder.rows_of(release, "location")] == [
        sample_id for sample_id in upstream_folder.ids_of("location") if sample_id != GONE
    ]


def test_a_second_member_of_which_no_table_speaks_goes_too(folder: Path, media: Path, tmp_path: Path) -> None:
    kind = layout.SOURCE_VIDEO
    data = (media / kind.path(GONE)).read_bytes()
    upstream_folder.add_to_tar(folder / kind.shard("location", 1), kind.member(GONE), data)
    summary = import_upstream(folder, tmp_path / "release")
    assert summary.findings
    take_down(summary.out, [GONE], [])
    assert mentions(summary.out, GONE) == []
    assert (summary.out / layout.IMPORT_REPORT).read_bytes() == b""
    document = json.loads((summary.out / layout.PROVENANCE).read_text())
    assert document["imported"]["findings"] == {}
    assert check_release(summary.out).findings == ()


def test_a_source_cannot_be_named_where_none_is_recorded(folder: Path, tmp_path: Path) -> None:
    release = import_upstream(folder, tmp_path / "release").out
    with pytest.raises(ReleaseError, match="no such source") as found:
        take_down(release, [], ["0" * 64])
    assert found.value.wanted == "an id: this release does not record its sources"


def test_a_tar_that_is_not_the_one_that_was_imported_is_left_alone(folder: Path, tmp_path: Path) -> None:
    release = import_upstream(folder, tmp_path / "release").out
    tar = release / layout.VIDEO_CANNY.shard("location", 0)
    data = bytearray(tar.read_bytes())
    data[-1] ^= 1
    tar.unlink()
    tar.write_bytes(data)
    with pytest.raises(ReleaseError, match="not the one that the manifest lists"):
        take_down(release, [GONE], [])
    assert mentions(release, GONE)


@pytest.mark.parametrize(("gone", "stays"), [(GONE, STAYS), (STAYS, GONE)])
def test_a_sample_that_is_a_link_leaves_alone_and_one_that_has_the_data_of_another_does_not(
    folder: Path, media: Path, tmp_path: Path, gone: str, stays: str
) -> None:
    kind, root = layout.SOURCE_VIDEO, tmp_path / "packing"
    shutil.copytree(media / "location", root / "location")
    (root / kind.path(GONE)).unlink()
    (root / kind.path(GONE)).hardlink_to(root / kind.path(STAYS))
    names = [kind.path(STAYS), kind.path(GONE)]
    subprocess.run(["tar", "-C", root, "-cf", folder / kind.shard("location", 0), *names], check=True)
    for name in names:
        (folder / name).unlink()
    release = import_upstream(folder, tmp_path / "release").out
    before = upstream_folder.rows_of(release, "location")
    data = {row["task"]: upstream_folder.data_at(release, row, kind.name) for row in before}
    if gone == STAYS:
        with pytest.raises(ReleaseError, match="a link to one that leaves") as refused:
            take_down(release, [gone], [])
        assert "--hard-dereference" in str(refused.value.fix)
        assert upstream_folder.rows_of(release, "location") == before
        return
    take_down(release, [gone], [])
    rows = upstream_folder.rows_of(release, "location")
    assert [row["task"] for row in rows] == [name for name in data if name != gone]
    assert all(upstream_folder.data_at(release, row, kind.name) == data[row["task"]] for row in rows)
    assert mentions(release, gone) == []


def test_links_that_stay_lead_to_where_their_data_moves(folder: Path, media: Path, tmp_path: Path) -> None:
    kind, root = layout.SOURCE_VIDEO, tmp_path / "packing"
    shutil.copytree(media / "location", root / "location")
    first, second, third, fourth = upstream_folder.ids_of("location")
    (root / kind.path(fourth)).unlink()
    (root / kind.path(fourth)).symlink_to(f"{third}.mp4")
    names = [kind.path(sample_id) for sample_id in (first, second, third, fourth)]
    for part in (0, 1):
        (folder / kind.shard("location", part)).unlink()
    subprocess.run(["tar", "-C", root, "-cf", folder / kind.shard("location", 0), *names], check=True)
    release = import_upstream(folder, tmp_path / "release").out
    take_down(release, [first, second], [])
    rows = upstream_folder.rows_of(release, "location")
    wanted = (media / kind.path(third)).read_bytes()
    assert [upstream_folder.data_at(release, row, kind.name) for row in rows] == [wanted, wanted]
    assert not [item for item in check_release(release).findings if "fit" not in item.problem]
