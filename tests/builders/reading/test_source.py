"""Artifacts of a folder: out of tars and files, and what is said when they are not what the tables say."""

from __future__ import annotations

import multiprocessing
import pickle
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sparkle.builders.reading.pairs import Pairs, open_pairs
from sparkle.builders.reading.source import Source, open_source
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ArtifactError, ReleaseError, UnsafePathError
from sparkle.schemas.layout import EDITED_VIDEO, KINDS, SOURCE_VIDEO, SOURCE_VIDEO_MASK


def artifacts_of(pairs: Pairs) -> list[Artifact]:
    return [pairs.artifact(row, kind) for row in range(len(pairs)) for kind in KINDS]


def from_run(run: Path, artifacts: list[Artifact]) -> list[bytes]:
    """What generation wrote, before anything was packed."""
    return [(run / artifact.path).read_bytes() for artifact in artifacts]


def test_every_artifact_is_what_the_run_wrote(shared_run: Path, shared_release: Path) -> None:
    artifacts = artifacts_of(open_pairs(shared_release))
    source = open_source(shared_release)
    assert [source.read(artifact) for artifact in artifacts] == from_run(shared_run, artifacts)
    assert source.bytes_read == sum(artifact.size for artifact in artifacts)
    backwards = artifacts[::-1]
    assert list(source.read_many(iter(backwards))) == from_run(shared_run, backwards)


def test_threads_and_processes_share_a_source(shared_run: Path, shared_release: Path) -> None:
    artifacts = artifacts_of(open_pairs(shared_release)) * 5
    wanted = from_run(shared_run, artifacts)
    source = open_source(shared_release)
    source.read(artifacts[0])  # a file is open when the processes are made
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(source.read, artifacts)) == wanted
    assert source.bytes_read == sum(artifact.size for artifact in [artifacts[0], *artifacts])
    with multiprocessing.get_context("spawn").Pool(2) as processes:
        assert processes.map(source.read, artifacts[:40]) == wanted[:40]


@pytest.mark.parametrize("where", ["below", "root"])
def test_an_unpacked_tar_is_read_as_files(release: Path, shared_run: Path, where: str) -> None:
    pairs = open_pairs(release)
    for tar in release.rglob("*.tar"):
        with tarfile.open(tar) as file:
            file.extractall(tar.parent if where == "below" else release, filter="data")
        tar.unlink()
    artifacts = artifacts_of(pairs)
    assert list(open_source(release).read_many(artifacts)) == from_run(shared_run, artifacts)


def test_a_snapshot_of_the_clients_cache_is_a_folder_like_others(release: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "repo" / "blobs", tmp_path / "repo" / "snapshots" / "c0ffee"
    blobs.mkdir(parents=True)
    for number, file in enumerate(sorted(path for path in release.rglob("*") if path.is_file())):
        link = snapshot / file.relative_to(release)
        link.parent.mkdir(parents=True, exist_ok=True)
        file.rename(blobs / str(number))
        link.symlink_to(blobs / str(number))
    pairs = open_pairs(snapshot)
    assert len(open_source(snapshot).read(pairs.artifact(0, SOURCE_VIDEO))) > 0


# --- bad input --------------------------------------------------------------------------------


@pytest.fixture
def opened(release: Path) -> tuple[Source, Artifact, Path]:
    """A source, an artifact that does not stand loose as well, and its tar."""
    pairs = open_pairs(release)
    artifact = pairs.artifact(4, EDITED_VIDEO)
    return open_source(release), artifact, release / artifact.file


def test_a_tar_that_is_cut_short_is_said(opened: tuple[Source, Artifact, Path]) -> None:
    source, artifact, tar = opened
    with tar.open("r+b") as file:
        file.truncate(artifact.offset + artifact.size // 2)
    with pytest.raises(ReleaseError, match="cut short") as caught:
        source.read(artifact)
    assert str(tar.name) in str(caught.value)
    assert "sparkle validate" in str(caught.value)


def test_a_tar_that_is_cut_while_it_is_open_is_said(opened: tuple[Source, Artifact, Path]) -> None:
    source, artifact, tar = opened
    source.read(artifact)
    with tar.open("r+b") as file:
        file.truncate(artifact.offset + 7)
    with pytest.raises(ArtifactError, match="not the one") as caught:
        source.read(artifact)
    assert caught.value.got == "7 bytes"


def test_a_changed_member_is_found_by_one_bit(release: Path, opened: tuple[Source, Artifact, Path]) -> None:
    source, artifact, tar = opened
    data = bytearray(tar.read_bytes())
    data[artifact.offset + artifact.size // 2] ^= 1
    tar.write_bytes(data)
    with pytest.raises(ArtifactError, match="not the one"):
        source.read(artifact)
    with pytest.raises(ArtifactError, match=artifact.id):
        list(source.read_many([artifact]))
    assert len(open_source(release, verify=False).read(artifact)) == artifact.size


@pytest.mark.parametrize("how", ["changed", "not there"])
def test_an_error_comes_when_it_is_its_turn(release: Path, shared_run: Path, how: str) -> None:
    """What is hashed ahead is no reason to lose what was read before it."""
    pairs = open_pairs(release)
    good = [pairs.artifact(row, SOURCE_VIDEO) for row in range(len(pairs))]
    bad = pairs.artifact(4, EDITED_VIDEO)
    tar = release / bad.file
    data = bytearray(tar.read_bytes())
    data[bad.offset] ^= 1
    tar.write_bytes(data)
    if how == "not there":
        tar.unlink()
    found: list[bytes] = []
    with pytest.raises(ArtifactError, match=bad.id):
        found.extend(open_source(release).read_many([*good, bad, *good]))
    assert found == from_run(shared_run, good)


def hashing() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("hashing")]


def test_no_thread_is_left_of_artifacts_that_nobody_takes(shared_release: Path) -> None:
    reading = open_source(shared_release).read_many(artifacts_of(open_pairs(shared_release)) * 3)
    for _ in range(5):
        next(reading)
    assert hashing()
    reading.close()
    assert not hashing()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("artifacts")]


def test_a_tar_that_has_grown_is_an_old_table(opened: tuple[Source, Artifact, Path]) -> None:
    source, artifact, tar = opened
    with tar.open("ab") as file:
        file.write(bytes(1024))
    with pytest.raises(ReleaseError, match="changed since"):
        source.read(artifact)


def test_an_artifact_that_is_nowhere_is_said(opened: tuple[Source, Artifact, Path]) -> None:
    source, artifact, tar = opened
    tar.unlink()
    with pytest.raises(ArtifactError, match="neither its tar nor a file") as caught:
        source.read(artifact)
    assert artifact.path in str(caught.value)


def test_a_loose_file_that_is_longer_is_not_cut_to_fit(opened: tuple[Source, Artifact, Path]) -> None:
    source, artifact, tar = opened
    data = source.read(artifact)
    tar.unlink()
    loose = tar.parent / artifact.path
    loose.parent.mkdir(parents=True, exist_ok=True)
    loose.unlink(missing_ok=True)
    loose.write_bytes(data + b"\0")
    with pytest.raises(ArtifactError, match="not the one"):
        open_source(tar.parent, verify=False).read(artifact)


@pytest.mark.parametrize("shard", ["../outside.tar", "/etc/passwd", "a\\b.tar"])
def test_a_shard_outside_the_folder_is_refused(shared_release: Path, shard: str) -> None:
    with pytest.raises(UnsafePathError):
        open_source(shared_release).read(
            Artifact("Sparkle_location_000000", SOURCE_VIDEO_MASK, shard, 0, 1, None)
        )


def test_a_link_out_of_the_folder_is_refused(release: Path, tmp_path: Path) -> None:
    artifact = open_pairs(release).artifact(0, SOURCE_VIDEO)
    tar = release / artifact.file
    tar.rename(tmp_path / "elsewhere.tar")
    tar.symlink_to(tmp_path / "elsewhere.tar")
    with pytest.raises(UnsafePathError):
        open_source(release).read(artifact)


def test_an_error_travels_between_processes(opened: tuple[Source, Artifact, Path]) -> None:
    source, artifact, tar = opened
    tar.unlink()
    with pytest.raises(ArtifactError) as caught:
        source.read(artifact)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301
