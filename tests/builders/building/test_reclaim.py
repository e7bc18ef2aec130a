"""Runs whose files were deleted as they got packed: nothing is lost, and everything works as before."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import factories, kill_at
from sparkle.builders.building.from_runs import BuildMode, build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.replay import replay
from sparkle.builders.building.run import read_run
from sparkle.builders.building.selection import Selection
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import RecordError, ReleaseError, RunError
from sparkle.schemas.layout import KINDS, SOURCE_VIDEO

pytestmark = pytest.mark.slow

RECLAIM = BuildMode(reclaim=True)
Contents = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "release"


def artifacts(run: Path) -> dict[str, str]:
    """Every artifact of the kept samples with its hash, wherever the run has it; all must be found."""
    found = {}
    for sample in replay(read_run(run)).samples:
        for kind in KINDS:
            artifact = sample.artifact(kind)
            data = Path(artifact.file).read_bytes()[artifact.offset : artifact.end]
            assert sha256_bytes(data) == artifact.hex
            found[artifact.member] = artifact.hex
    return found


def own_files(run: Path) -> set[str]:
    """The artifacts that stand in files of their own, by their names in a tar."""
    samples = replay(read_run(run)).samples
    return {kind.member(sample.id) for sample in samples for kind in KINDS if sample.path(kind).exists()}


def tar_inodes(folder: Path) -> set[int]:
    return {path.stat().st_ino for path in folder.rglob("*.tar")}


def test_the_release_is_the_same_and_the_disk_holds_everything_once(
    run: Path, out: Path, options: ReleaseOptions, shared_release: Path, contents: Contents
) -> None:
    before = artifacts(run)
    build_release([run], out, options, mode=RECLAIM)
    assert contents(out) == contents(shared_release)
    assert artifacts(run) == before
    assert tar_inodes(run) == tar_inodes(out)
    # The files that are left are those that stand loose in the release: one file under two names.
    first = (
        "Sparkle_location_000000",
        "Sparkle_location_000003",
        "Sparkle_openve3m_000000",
        "Sparkle_openve3m_000003",
    )
    assert own_files(run) == {kind.member(sample_id) for kind in KINDS for sample_id in first}
    for kind in KINDS:
        assert all((run / kind.path(name)).samefile(out / kind.path(name)) for name in first)
    shutil.rmtree(out)  # the run needs no release
    assert artifacts(run) == before


def test_other_releases_are_built_from_a_reclaimed_run(
    run: Path, out: Path, tmp_path: Path, options: ReleaseOptions, contents: Contents, shared_run: Path
) -> None:
    build_release([run], out, options, mode=RECLAIM)
    other = ReleaseOptions(max_shard_size=9000, preview=4, selection=Selection(themes=("location",)))
    build_release([run], tmp_path / "other", other)
    build_release([shared_run], tmp_path / "wanted", other)
    assert contents(tmp_path / "other") == contents(tmp_path / "wanted")
    shutil.rmtree(out)
    build_release([run], out, options)  # the tars that the run holds are linked
    assert tar_inodes(run) == tar_inodes(out)


def test_a_stricter_release_loses_nothing_and_a_looser_one_brings_it_back(
    run: Path, out: Path, options: ReleaseOptions
) -> None:
    before = artifacts(run)
    gone = "Sparkle_location_000009"
    build_release([run], out, options, mode=RECLAIM)
    build_release([run], out, replace(options, selection=Selection(exclude=(gone,))), mode=RECLAIM)
    assert artifacts(run) == before
    # Only the samples that were left out have files again, and the run holds the release's tars alone.
    assert {kind.member(gone) for kind in KINDS} <= own_files(run)
    assert tar_inodes(run) == tar_inodes(out)
    build_release([run], out, options, mode=RECLAIM)
    assert artifacts(run) == before
    assert not {kind.member(gone) for kind in KINDS} & own_files(run)


def test_two_runs_share_tars(tmp_path: Path, out: Path, contents: Contents) -> None:
    runs = [
        factories.write_run(tmp_path / f"run{index}", factories.specs("location", 2, first=index))
        for index in range(2)
    ]
    plain = contents(build_release(runs, tmp_path / "plain", ReleaseOptions(preview=0)).out)
    before = [artifacts(run) for run in runs]
    build_release(runs, out, ReleaseOptions(preview=0), mode=RECLAIM)
    assert contents(out) == plain
    assert [artifacts(run) for run in runs] == before
    assert [own_files(run) for run in runs] == [set(), set()]


# --- kills ------------------------------------------------------------------------------------


def kill(moment: str, count: int, run: Path, out: Path, *words: str) -> None:
    options = ["--max-shard-size", 6000, "--preview", 2, "--reclaim"]
    kill_at.kill(moment, count, "build", run, "--out", out, *options, *words)


@pytest.mark.parametrize(
    ("moment", "count"),
    [
        ("a tar listed", 5),
        ("a tar named by the run, not listed", 3),
        ("half a line of what is held", 3),
        ("what is held listed, nothing deleted", 3),
        ("some files deleted", 5),
        ("before the swap", 1),
        ("after the swap", 1),
    ],
)
def test_a_kill_loses_nothing(
    run: Path,
    out: Path,
    options: ReleaseOptions,
    shared_release: Path,
    contents: Contents,
    moment: str,
    count: int,
) -> None:
    before = artifacts(run)
    kill(moment, count, run, out)
    assert artifacts(run) == before
    shutil.rmtree(out.with_name(".release.building"), ignore_errors=True)  # not even then
    assert artifacts(run) == before
    build_release([run], out, options, mode=RECLAIM)
    assert contents(out) == contents(shared_release)
    assert artifacts(run) == before
    assert {path.stat().st_nlink for path in (run / "shards").iterdir()} == {2}


@pytest.mark.parametrize(
    ("moment", "count"),
    [("after the swap", 1), ("a file taken out of a tar", 3), ("lines forgotten, tars not", 1)],
)
def test_a_kill_while_old_tars_are_let_go_loses_nothing(
    run: Path, out: Path, tmp_path: Path, options: ReleaseOptions, moment: str, count: int
) -> None:
    before = artifacts(run)
    exclude = tmp_path / "exclude.txt"
    exclude.write_text("Sparkle_location_000009\nSparkle_openve3m_000006\n")
    build_release([run], out, options, mode=RECLAIM)
    kill(moment, count, run, out, "--exclude", str(exclude))
    assert artifacts(run) == before
    chosen = Selection(exclude=("Sparkle_location_000009", "Sparkle_openve3m_000006"))
    build_release([run], out, replace(options, selection=chosen), mode=RECLAIM)
    assert artifacts(run) == before
    assert {path.stat().st_nlink for path in (run / "shards").iterdir()} == {2}


# --- refusals and damage ------------------------------------------------------------------------


def test_a_run_that_somebody_works_in_is_refused(run: Path, out: Path, options: ReleaseOptions) -> None:
    descriptor = os.open(run, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another process works"):
            build_release([run], out, options, mode=RECLAIM)
    finally:
        os.close(descriptor)


def test_another_file_system_is_refused_before_anything_is_deleted(
    run: Path, options: ReleaseOptions
) -> None:
    other = Path("/dev/shm")  # noqa: S108
    if not other.is_dir() or other.stat().st_dev == run.stat().st_dev:
        pytest.skip("needs a second file system")
    before, own = artifacts(run), own_files(run)
    out = other / f"sparkle-test-{os.getpid()}"
    with pytest.raises(ReleaseError, match="nothing can be reclaimed"):
        build_release([run], out, options, mode=RECLAIM)
    assert not out.exists()
    assert artifacts(run) == before
    assert own_files(run) == own


def test_a_damaged_tar_of_a_run_is_found(
    run: Path, out: Path, options: ReleaseOptions, tmp_path: Path
) -> None:
    build_release([run], out, options, mode=RECLAIM)
    held = next(
        found for sample in replay(read_run(run)).samples if (found := sample.artifact(SOURCE_VIDEO)).offset
    )
    data = bytearray(Path(held.file).read_bytes())
    data[held.offset or 0] ^= 1
    Path(held.file).write_bytes(data)
    with pytest.raises(ReleaseError, match="does not hold what the run recorded") as caught:
        build_release([run], tmp_path / "new", replace(options, preview=0))
    assert held.member in str(caught.value.where)
    Path(held.file).unlink()
    with pytest.raises(RunError, match="missing"):
        build_release([run], tmp_path / "newer", replace(options, preview=0))


def test_a_bad_line_of_what_is_held_is_named(run: Path, out: Path, options: ReleaseOptions) -> None:
    build_release([run], out, options, mode=RECLAIM)
    path = run / layout.RECLAIMED
    lines = path.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace('"kind"', '"king"')
    path.write_text("".join(lines))
    with pytest.raises(RecordError) as caught:
        read_run(run)
    assert str(caught.value.where).startswith(f"{path}:2")


# --- generation -------------------------------------------------------------------------------


def test_a_reclaimed_run_is_not_made_again_and_can_be_worked_on(tmp_path: Path) -> None:
    from drawn_clips.synthetic import draw_clip

    clips, run, out = tmp_path / "clips", tmp_path / "run", tmp_path / "release"
    clips.mkdir()
    draw_clip(clips / "one.mp4", seed=0, width=224, height=128, frames=17)

    def sparkle(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sparkle", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done

    generate = ("generate", "--sources", clips, "--out", run, "--workers", 1)
    sparkle(*generate)
    before = artifacts(run)
    build_release([run], out, ReleaseOptions(preview=0), mode=RECLAIM)
    assert own_files(run) == set()
    # A step whose outcomes are gone is done again, from what the tars hold; nothing else is.
    measured = (run / layout.outcomes("measure")).read_bytes()
    (run / layout.outcomes("measure")).unlink()
    again = sparkle(*generate)
    assert "in tars of a release: 8 artifacts of this run" in again.stderr
    assert "1 outcome made" in again.stdout
    assert (run / layout.outcomes("measure")).read_bytes() == measured
    assert own_files(run) == set()
    # What a tar no longer holds as it was is made again.
    held = json.loads((run / layout.RECLAIMED).read_text().splitlines()[0])["shard"]
    tar = run / layout.held_shard(held)
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    sparkle(*generate)
    assert len(own_files(run)) >= 1
    assert artifacts(run) == before
