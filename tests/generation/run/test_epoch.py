"""The fence around a run: whoever was given up can write nowhere, and of two drivers the older one stops."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import kill_at
from sparkle._files import stamp
from sparkle.generation.config import load_config
from sparkle.generation.run.epoch import RunEpoch, clear_staging
from sparkle.generation.run.jobs import Process
from sparkle.generation.run.sources import inspect_source
from sparkle.generation.steps.base import SampleState
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import RunError
from sparkle.schemas.records import FAILED, KEPT, Candidate

SAMPLE = "Sparkle_location_000000"


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def state(folder: Path) -> dict[str, list[int] | None]:
    return {name: stamp(folder / name) for name in below(folder) if not name.startswith(layout.STAGING)}


def normalising(root: Path, epoch: RunEpoch, clip: Path) -> Process:
    source = inspect_source(clip, sha256_file(clip))
    sample = SampleState(Candidate(SAMPLE, source.sha256, "location"), source)
    return Process(root, epoch.folder, load_config(None), "normalise", sample, "0" * 64, [])


def test_what_a_worker_makes_has_its_place_by_the_driver(clips, tmp_path):
    epoch = RunEpoch(tmp_path)
    done = normalising(tmp_path, epoch, clips["first"].path)()
    assert not (tmp_path / layout.SOURCE_VIDEO.path(SAMPLE)).exists()
    epoch.place([done])
    for kind in (layout.SOURCE_VIDEO, layout.SOURCE_FRAME0):
        assert sha256_file(tmp_path / kind.path(SAMPLE)) == done.outcome.artifacts[kind.name].sha256
    assert list(epoch.folder.iterdir()) == []
    epoch.close()
    assert not (tmp_path / layout.STAGING).exists()


def test_two_tries_at_one_sample_do_not_meet(clips, tmp_path):
    epoch = RunEpoch(tmp_path)
    job = normalising(tmp_path, epoch, clips["first"].path)
    early, late = job(), job()
    epoch.place([late])
    before = state(tmp_path)
    assert early.outcome == late.outcome
    assert early.mark != late.mark
    epoch.close()  # with it goes what nobody asked for
    assert state(tmp_path) == before


@pytest.mark.parametrize("ended", ["by its end", "by the next driver"])
def test_who_was_given_up_can_write_nowhere(clips, tmp_path, ended):
    root = tmp_path / "run"
    epoch = RunEpoch(root)
    job = normalising(root, epoch, clips["first"].path)
    following = None if ended == "by its end" else RunEpoch(root)
    epoch.close()
    before = below(root)
    with pytest.raises(RunError, match="could not do normalise"):
        job()
    assert below(root) == before
    if following is None:
        assert before == []
    else:
        following.check()


def test_a_failed_sample_leaves_nothing(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    epoch = RunEpoch(tmp_path / "run")
    done = normalising(tmp_path / "run", epoch, tmp_path / "clip.mp4")()
    assert done.outcome.status == FAILED
    assert list(epoch.folder.iterdir()) == []


def test_an_artifact_that_is_not_made_again_is_taken_away(clips, tmp_path):
    epoch = RunEpoch(tmp_path)
    done = normalising(tmp_path, epoch, clips["first"].path)()
    assert done.outcome.status == KEPT
    epoch.place([done])
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    epoch.place([normalising(tmp_path, epoch, tmp_path / "bad.mp4")()])
    assert not (tmp_path / layout.SOURCE_VIDEO.path(SAMPLE)).exists()


def test_the_older_of_two_drivers_stops(tmp_path):
    older = RunEpoch(tmp_path)
    older.check()
    newer = RunEpoch(tmp_path)
    with pytest.raises(RunError, match="another process has taken this run over"):
        older.check()
    older.close()
    newer.check()
    clear_staging(tmp_path)
    with pytest.raises(RunError, match="another process has taken this run over"):
        newer.check()


@pytest.mark.slow
def test_a_driver_that_another_machine_overtook_says_so_and_writes_nothing(clips, tmp_path):
    """A file system that does not share locks is one where the other driver does not see this one's."""
    sources, run, wanted = tmp_path / "sources", tmp_path / "run", tmp_path / "wanted"
    sources.mkdir()
    shutil.copy(clips["first"].path, sources)
    words = ["generate", "--sources", sources, "--workers", 2, "--out"]
    # Not just anywhere: between reading whose the run is and writing there is a moment that nobody can close.
    with kill_at.stopped("outcomes of flow appended", 1, *words, run) as driver:
        newer = RunEpoch(run)
        before = state(run)
        driver.send_signal(signal.SIGCONT)
        _, told = driver.communicate()
    assert driver.returncode == 2
    assert "another process has taken this run over" in told
    assert state(run) == before
    newer.close()
    command = [sys.executable, "-m", "sparkle", *words]
    for out in (run, wanted):
        subprocess.run([*map(str, [*command, out])], check=True, capture_output=True)
    assert subprocess.run(["diff", "-r", run, wanted], capture_output=True, check=False).stdout == b""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "count"),
    [
        ("an artifact written, not in place", 2),
        ("an artifact in place, no outcome", 1),
        ("outcomes appended", 1),
        ("outcomes appended", 16),
        ("an epoch begun", 1),
        ("an epoch not yet over", 1),
    ],
)
def test_a_kill_leaves_nothing_that_a_rerun_does_not_clear(clips, tmp_path, moment, count):
    sources, run, wanted = tmp_path / "sources", tmp_path / "run", tmp_path / "wanted"
    sources.mkdir()
    shutil.copy(clips["first"].path, sources)
    words = ["--sources", sources, "--workers", 1, "--out"]
    kill_at.kill(moment, count, "generate", *words, run)
    assert (run / layout.STAGING).is_dir()
    command = [sys.executable, "-m", "sparkle", "generate", *words]
    for out in (run, wanted):
        subprocess.run([*map(str, [*command, out])], check=True, capture_output=True)
    assert subprocess.run(["diff", "-r", run, wanted], capture_output=True, check=False).stdout == b""
