"""Releases as the Hub's client brings them: a snapshot in its cache, and a folder with its notes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import staging_server
from sparkle.builders.checks.release import check_release
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.release.manifest import list_files
from sparkle.builders.training.dataset import PairDataset
from sparkle.hub.diff.release import compare_releases
from sparkle.hub.publish.publishing import publish_release
from sparkle.hub.takedown.folder import plan, take_down
from sparkle.hub.targets.folder import FolderTarget
from sparkle.hub.verify.levels import verify_release
from sparkle.hub.verify.report import CONSISTENCY, INTEGRITY, RESHARD, VerifyOptions
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError, UnsafePathError

GONE = "Sparkle_location_000003"
_HUB = [sys.executable, "-c", "from sparkle.commands import hub; hub()"]
_DOWNLOAD = """
import sys
from huggingface_hub import snapshot_download
print(snapshot_download("owner/release", repo_type="dataset"))
print(snapshot_download("owner/release", repo_type="dataset", local_dir=sys.argv[1]))
"""


@pytest.fixture(scope="module")
def brought(releases: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The older release, published to a hub and downloaded in both ways."""
    folder = tmp_path_factory.mktemp("brought")
    with staging_server.staging(folder / "hub") as hub:
        words = [*_HUB, "publish", releases[0], "owner/release", "--quiet"]
        subprocess.run([*map(str, words)], env=hub.env(folder / "publisher"), check=True)
        done = hub.python(_DOWNLOAD, folder / "home", folder / "local")
    return dict(zip(("snapshot", "local"), map(Path, done.stdout.splitlines()), strict=True))


@pytest.fixture(params=["snapshot", "local"])
def downloaded(brought: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of a download, links and all."""
    path = brought[request.param]
    root = path if request.param == "local" else path.parent.parent
    copy = Path(shutil.copytree(root, tmp_path / root.name, symlinks=True))
    return copy / path.relative_to(root)


def test_it_is_read_as_the_release_is(downloaded: Path, releases: tuple[Path, Path], tmp_path: Path) -> None:
    assert (downloaded / layout.MANIFEST).is_symlink() == (downloaded.parent.name == "snapshots")
    report = check_release(downloaded)
    assert report.findings == ()
    assert report.files == check_release(releases[0]).files
    levels = VerifyOptions(levels=(INTEGRITY, CONSISTENCY, RESHARD))
    assert verify_release(downloaded, levels).ok
    assert compare_releases(FolderPlace(releases[0]), FolderPlace(downloaded)).same
    publish_release(downloaded, FolderTarget(tmp_path / "share"))
    assert list_files(tmp_path / "share") == list_files(releases[0])
    assert not any(path.is_symlink() for path in (tmp_path / "share").rglob("*"))
    assert len(PairDataset(downloaded)) == len(PairDataset(releases[0]))


def test_what_is_broken_in_it_is_found(downloaded: Path) -> None:
    tar = downloaded / layout.SOURCE_VIDEO.shard("location", 0)
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.resolve().write_bytes(data)
    assert {finding.file for finding in check_release(downloaded).findings} == {tar.name}


def test_a_link_in_it_that_leads_elsewhere_is_found_and_never_published(
    downloaded: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes((downloaded / layout.CROISSANT).read_bytes())  # not even where the bytes are right
    (downloaded / layout.CROISSANT).unlink()
    (downloaded / layout.CROISSANT).symlink_to(secret)
    [finding] = check_release(downloaded).findings
    assert (finding.file, finding.problem) == (
        layout.CROISSANT,
        "a path from data leaves its folder by a link",
    )
    with pytest.raises(UnsafePathError) as refused:
        publish_release(downloaded, FolderTarget(tmp_path / "share"))
    assert "cp -RL" in str(refused.value.fix)


def test_a_takedown_works_in_a_folder_and_leaves_the_clients_cache_alone(
    downloaded: Path, tmp_path: Path
) -> None:
    assert plan(downloaded, [GONE], []).ids == (GONE,)
    if downloaded.parent.name == "snapshots":
        before = {path: path.stat().st_mtime_ns for path in downloaded.parent.parent.rglob("*")}
        with pytest.raises(ReleaseError, match="a snapshot in the Hub client's cache"):
            take_down(downloaded, [GONE], [])
        after = {path: path.stat().st_mtime_ns for path in downloaded.parent.parent.rglob("*")}
        assert before.keys() == after.keys()
        copy = tmp_path / "copy"
        subprocess.run(["cp", "-RL", downloaded, copy], check=True)
        downloaded = copy
    take_down(downloaded, [GONE], [])
    assert check_release(downloaded).findings == ()
    assert not list(downloaded.rglob(f"{GONE}*"))


def _junk(folder: Path) -> None:
    for path in (
        ".DS_Store",
        "data/location/._train-00000-of-00002.parquet",
        ".Trashes/x",
        "records/Thumbs.db",
    ):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(b"Bud1")


def _clone(folder: Path) -> None:
    for path in (".git/HEAD", ".git/objects/ab/cdef", ".gitattributes", ".gitignore"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("ref: refs/heads/main")


@pytest.mark.parametrize("add", [_junk, _clone])
def test_what_others_leave_in_a_release_is_no_part_of_it(
    before: Path, tmp_path: Path, add: Callable[[Path], None]
) -> None:
    add(before)
    assert check_release(before).findings == ()
    assert verify_release(before, VerifyOptions(levels=(INTEGRITY, CONSISTENCY))).ok
    publish_release(before, FolderTarget(tmp_path / "share"))
    names = {path.name for path in (tmp_path / "share").rglob("*")}
    assert not names & {".DS_Store", "Thumbs.db", ".Trashes", ".git", ".gitattributes", "HEAD"}


def test_junk_is_no_reason_against_a_takedown_or_a_publish_over_it_but_a_clone_is(
    before: Path, tmp_path: Path
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    (share / ".DS_Store").touch()
    publish_release(before, FolderTarget(share))
    _junk(share)
    _junk(before)
    take_down(before, [GONE], [])
    publish_release(before, FolderTarget(share))
    assert check_release(share).findings == ()
    _clone(before)
    with pytest.raises(ReleaseError, match="its release does not list, and they would be deleted"):
        take_down(before, ["Sparkle_location_000006"], [])
    assert (before / ".git/HEAD").is_file()


@pytest.mark.parametrize("verb", ["publish", "verify", "diff"])
def test_junk_is_named_once_in_a_warning(before: Path, tmp_path: Path, verb: str) -> None:
    _junk(before)
    rest = {"publish": [tmp_path / "share"], "verify": ["--level", INTEGRITY], "diff": [before]}[verb]
    done = subprocess.run(
        [*_HUB, verb, str(before), *map(str, rest)], capture_output=True, text=True, check=True
    )
    wanted = 2 if verb == "diff" else 1  # it was given twice
    assert done.stderr.count("'.DS_Store'") == wanted
    assert done.stderr.count("'records/Thumbs.db'") == wanted


def test_a_pointer_in_place_of_a_file_of_a_release_is_named(before: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123\n"
    for path in (layout.SOURCE_VIDEO.shard("location", 0), layout.records_parquet("location")):
        (before / path).write_text(pointer)
    found = check_release(before).findings
    named = {finding.file for finding in found if "a Git LFS pointer stands in place" in finding.problem}
    assert named == {layout.SOURCE_VIDEO.shard("location", 0), layout.records_parquet("location")}
    with pytest.raises(ReleaseError, match="a Git LFS pointer") as refused:
        PairDataset(before, ["location"])[0]
    assert "git lfs pull" in str(refused.value.fix)
