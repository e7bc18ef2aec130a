from __future__ import annotations

import csv
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import factories, kill_at
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS

Contents = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def build(run: Path, tmp_path: Path, options: ReleaseOptions) -> Callable[[], Path]:
    """Build the run's copy into `release`."""

    def build() -> Path:
        return build_release([run], tmp_path / "release", options).out

    return build


def break_artifact(run: Path) -> Path:
    """Put another file of the same size in the place of an artifact."""
    path = run / layout.VIDEO_CANNY.path("Sparkle_openve3m_000003")
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.unlink()
    path.write_bytes(data)
    return path


def mend_artifact(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def hidden(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if entry.name.startswith(".")]


def test_built_twice_it_is_byte_identical(
    build: Callable[[], Path], shared_release: Path, contents: Contents
) -> None:
    assert contents(build()) == contents(shared_release)
    assert contents(build()) == contents(shared_release)


def test_nothing_in_it_knows_where_it_was_built(
    shared_release: Path, shared_run: Path, contents: Contents
) -> None:
    for name, data in contents(shared_release).items():
        assert str(shared_run.parent).encode() not in data, name


def test_the_order_in_which_runs_are_named_does_not_matter(tmp_path: Path, contents: Contents) -> None:
    runs = [
        factories.write_run(tmp_path / f"run{index}", factories.specs("location", 2, first=index))
        for index in range(2)
    ]
    there = build_release(runs, tmp_path / "there", ReleaseOptions()).out
    back = build_release(runs[::-1], tmp_path / "back", ReleaseOptions()).out
    assert contents(there) == contents(back)


def test_gnu_tar_of_every_part_gives_exactly_the_csvs_paths(
    shared_release: Path, shared_run: Path, tmp_path: Path
) -> None:
    tars = sorted(shared_release.glob("*.tar"))
    assert len([tar for tar in tars if tar.name.startswith("location_source_video")]) > 1
    for tar in tars:
        subprocess.run(["tar", "-xf", tar, "-C", tmp_path], check=True)
    wanted = set()
    for table in (shared_release / "prompts").glob("*.csv"):
        with table.open(newline="") as file:
            for row in csv.DictReader(file):
                wanted |= {row["src_video"], row["tgt_video"]}
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.mp4")}
    assert found == wanted
    assert all((tmp_path / path).read_bytes() == (shared_run / path).read_bytes() for path in found)


def test_tars_stay_below_the_limit(shared_release: Path, options: ReleaseOptions) -> None:
    for tar in shared_release.rglob("*.tar"):
        names = subprocess.run(["tar", "-tf", tar], capture_output=True, text=True, check=True).stdout.split()
        assert len(names) == 1 or tar.stat().st_size <= options.max_shard_size


def test_loose_files_are_links_to_the_run_for_the_first_samples(build: Callable[[], Path], run: Path) -> None:
    release = build()
    for kind in KINDS:
        folder = (release / kind.path("Sparkle_location_000000")).parent
        assert sorted(path.stem for path in folder.iterdir()) == [
            "Sparkle_location_000000", "Sparkle_location_000003",
        ]  # fmt: skip
        for path in folder.iterdir():
            assert path.samefile(run / kind.path(path.stem))


def test_loose_files_are_copies_on_another_device(
    run: Path, contents: Contents, shared_release: Path, options: ReleaseOptions
) -> None:
    other = Path("/dev/shm")  # noqa: S108
    if not other.is_dir() or other.stat().st_dev == run.stat().st_dev:
        pytest.skip("needs a second file system")
    out = other / f"sparkle-test-{os.getpid()}"
    try:
        assert contents(build_release([run], out, options).out) == contents(shared_release)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def test_the_manifest_lists_every_other_file(shared_release: Path, contents: Contents) -> None:
    listed = json.loads((shared_release / layout.MANIFEST).read_text())["files"]
    paths = [entry["path"] for entry in listed]
    assert paths == sorted(contents(shared_release).keys() - {layout.MANIFEST})
    for entry in listed:
        path = shared_release / entry["path"]
        assert (path.stat().st_size, sha256_file(path)) == (entry["size"], entry["sha256"])


def test_the_provenance_has_configuration_models_and_funnel(shared_release: Path, shared_run: Path) -> None:
    document = json.loads((shared_release / layout.PROVENANCE).read_text())
    (run,) = document["runs"]
    assert document["options"] == {"max_shard_size": 6000, "preview": 2}
    assert run["config"]["thresholds"]["edited_frame0"] == 8.0
    assert run["config"]["backends"]["flow"] == {"name": "classical"}
    assert (run["candidates"], run["kept"]) == (12, 9)
    assert run["models"][0]["model"] == "drawn flow"
    assert run["funnel"] == json.loads((shared_run / layout.FUNNEL).read_text())["steps"]


def test_the_summary_counts_what_is_there(run: Path, tmp_path: Path, contents: Contents) -> None:
    summary = build_release([run], tmp_path / "release", ReleaseOptions(preview=0))
    found = contents(tmp_path / "release")
    assert (summary.files, summary.bytes) == (len(found), sum(map(len, found.values())))
    assert summary.samples == {"location": 6, "openve3m": 3}
    assert not (tmp_path / "release/location").exists()  # no previews, no loose files


def test_a_corrupted_artifact_is_found_and_the_old_release_stays(
    build: Callable[[], Path], release: Path, run: Path, tmp_path: Path, contents: Contents
) -> None:
    before = contents(release)
    broken = break_artifact(run)
    with pytest.raises(ReleaseError, match="not what the run recorded") as caught:
        build()
    assert caught.value.where == str(broken)
    assert contents(release) == before
    mend_artifact(broken)
    assert contents(build()) == before
    assert hidden(tmp_path) == []


# --- refusals ---------------------------------------------------------------------------------


def test_a_folder_with_other_things_is_refused(build: Callable[[], Path], tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release/thesis.tex").write_text("years of work")
    with pytest.raises(ReleaseError, match="do not belong to a release"):
        build()
    assert (tmp_path / "release/thesis.tex").read_text() == "years of work"
    assert hidden(tmp_path) == []


def test_a_release_with_files_of_others_is_refused(build: Callable[[], Path]) -> None:
    notes = build() / "prompts/notes.txt"
    notes.write_text("mine")
    with pytest.raises(ReleaseError, match="does not list") as caught:
        build()
    assert caught.value.got == "prompts/notes.txt"
    assert notes.read_text() == "mine"


def test_a_manifest_of_something_else_is_no_release(build: Callable[[], Path], tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release/manifest.json").write_text('{"name": "an app"}')
    with pytest.raises(ReleaseError, match="do not belong to a release"):
        build()


def test_a_file_is_refused(build: Callable[[], Path], tmp_path: Path) -> None:
    (tmp_path / "release").write_text("")
    with pytest.raises(ReleaseError, match="not a folder"):
        build()


def test_an_empty_folder_is_used(build: Callable[[], Path], tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    assert (build() / layout.MANIFEST).is_file()


@pytest.mark.parametrize("out", ["run", "run/release", "."])
def test_run_and_release_cannot_stand_in_one_another(run: Path, tmp_path: Path, out: str) -> None:
    with pytest.raises(ReleaseError, match="must not be inside"):
        build_release([run], tmp_path / out, ReleaseOptions())


def test_two_builds_of_one_release_do_not_mix(build: Callable[[], Path], tmp_path: Path) -> None:
    held = tmp_path / ".release.building"
    held.mkdir()
    (held / "half").write_text("written by the other")
    descriptor = os.open(held, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(ReleaseError, match="another process"):
            build()
        assert (held / "half").exists()
    finally:
        os.close(descriptor)
    assert (build() / layout.MANIFEST).is_file()


# --- kills ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("moment", "words"), [("half a tar", ["--repack"]), ("half a file of text", [])])
def test_a_kill_leaves_the_old_release_and_a_rerun_gives_the_same_bytes(
    build: Callable[[], Path],
    release: Path,
    run: Path,
    tmp_path: Path,
    contents: Contents,
    moment: str,
    words: list[str],
) -> None:
    before = contents(release)
    options = ["--out", release, "--max-shard-size", 6000, "--preview", 2]
    kill_at.kill(moment, 1, "build", run, *options, *words)
    assert set(hidden(tmp_path)) <= {".release.building", ".release.packed.jsonl"}
    assert contents(release) == before
    assert contents(build()) == before
    assert hidden(tmp_path) == []


def test_a_kill_between_the_renames_loses_nothing(
    build: Callable[[], Path], release: Path, run: Path, tmp_path: Path, contents: Contents
) -> None:
    before = contents(release)
    release.rename(tmp_path / ".release.old")
    shutil.copytree(tmp_path / ".release.old", tmp_path / ".release.building")
    break_artifact(run)
    with pytest.raises(ReleaseError):
        build()
    assert contents(release) == before  # what was there is back, though the build failed
    mend_artifact(run / layout.VIDEO_CANNY.path("Sparkle_openve3m_000003"))
    release.rename(tmp_path / ".release.old")
    assert contents(build()) == before
    assert hidden(tmp_path) == []


def test_a_kill_before_the_old_release_is_deleted_is_cleared_up(
    build: Callable[[], Path], release: Path, tmp_path: Path, contents: Contents
) -> None:
    before = contents(release)
    shutil.copytree(release, tmp_path / ".release.old")
    assert contents(build()) == before
    assert hidden(tmp_path) == []
