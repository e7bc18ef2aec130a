"""Tars of a release: written once, used again, never trusted by their names."""

from __future__ import annotations

import hashlib
import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import kill_at
from sparkle.builders.building.from_runs import BuildMode, build_release
from sparkle.builders.building.pack import Journal, ShardPlan, pack
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.selection import Selection
from sparkle.commands.build import build as build_command
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS, SOURCE_VIDEO
from sparkle.schemas.records import ArtifactRef

Contents = Callable[[Path], dict[str, bytes]]
Data = dict[str, bytes]


def silent(done: int = 1) -> None:
    pass


def plans_of(folder: Path, parts: Sequence[Data]) -> list[ShardPlan]:
    """A tar for each of some sets of files, which are written."""
    plans = []
    for number, files in enumerate(parts):
        contents = {}
        for name, data in files.items():
            path = folder / f"{number}-{name}"
            path.write_bytes(data)
            digest = hashlib.sha256(data).digest()
            contents[name] = Artifact(
                f"Sparkle_location_00000{len(contents)}", SOURCE_VIDEO, str(path), 0, len(data), digest
            )
        refs = tuple(ArtifactRef(found.hex, found.size) for found in contents.values())
        plans.append(
            ShardPlan(
                SOURCE_VIDEO.shard("location", number),
                SOURCE_VIDEO,
                tuple(files),
                refs,
                contents.__getitem__,
            )
        )
    return plans


def parts(count: int = 5) -> list[Data]:
    names = [f"Sparkle_location_00000{number}" for number in range(3)]
    return [{name: bytes([k]) * 700 * k + name.encode() for name in names} for k in range(count)]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def journal(out: Path) -> Journal:
    return Journal(out.with_name("journal.jsonl"), out)


def inodes(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_ino for path in folder.rglob("*.tar")}


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_bytes_do_not_depend_on_how_many_work(
    files: Path, out: Path, contents: Contents, workers: int
) -> None:
    plans = plans_of(files, parts())
    done = []
    shards = pack(out, plans, journal(out), done.append, workers=workers)
    found = contents(out)
    assert {path: (shard.size, shard.sha256) for path, shard in shards.items()} == {
        path: (len(data), sha256_bytes(data)) for path, data in found.items()
    }
    assert [plan.size for plan in plans] == [shard.size for shard in shards.values()]
    assert sum(done) == 15
    again = out.with_name("again")
    again.mkdir()
    pack(again, plans, Journal(out.with_name("other.jsonl"), again), silent, workers=1)
    assert contents(again) == found


def test_finished_tars_are_used_again(files: Path, out: Path, contents: Contents) -> None:
    plans = plans_of(files, parts())
    broken = files / "4-Sparkle_location_000001"
    good = broken.read_bytes()
    broken.write_bytes(b"x" * len(good))
    with pytest.raises(ReleaseError, match="not what the run recorded"):
        pack(out, plans, journal(out), silent, workers=1)
    # The largest comes first, so nothing else was done; without it the others are.
    assert inodes(out) == {}
    pack(out, plans[:4], journal(out), silent)
    before = inodes(out)
    assert len(before) == 4
    broken.write_bytes(good)
    for path in files.iterdir():  # what is used again is not read again
        if not path.name.startswith("4-"):
            path.unlink()
    shards = pack(out, plans, journal(out), silent)
    assert {path: inode for path, inode in inodes(out).items() if path in before} == before
    assert {path: shard.sha256 for path, shard in shards.items()} == {
        path: sha256_bytes(data) for path, data in contents(out).items()
    }


@pytest.mark.parametrize("change", ["content", "name", "member less", "order"])
def test_a_tar_of_another_plan_is_not_used(files: Path, out: Path, change: str) -> None:
    first = parts(1)
    pack(out, plans_of(files, first), journal(out), silent)
    if change == "content":
        first[0]["Sparkle_location_000001"] = b"B"
    elif change == "name":
        first[0]["Sparkle_location_000003"] = first[0].pop("Sparkle_location_000002")
    elif change == "order":
        first[0] = dict(reversed(first[0].items()))
    else:
        del first[0]["Sparkle_location_000000"]
    (shard,) = pack(out, plans_of(files, first), journal(out), silent).values()
    fresh = out.with_name("fresh")
    fresh.mkdir()
    assert pack(fresh, plans_of(files, first), Journal(fresh / "j", fresh), silent) == {
        SOURCE_VIDEO.shard("location", 0): shard
    }
    assert sha256_bytes((out / SOURCE_VIDEO.shard("location", 0)).read_bytes()) == shard.sha256


def test_a_finished_tar_that_was_touched_is_written_again(files: Path, out: Path) -> None:
    plans = plans_of(files, parts(1))
    (shard,) = pack(out, plans, journal(out), silent).values()
    tar = out / plans[0].path
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    assert pack(out, plans, journal(out), silent) == {plans[0].path: shard}
    assert sha256_bytes(tar.read_bytes()) == shard.sha256


@pytest.mark.parametrize("damaged", [False, True])
def test_an_old_tar_is_linked_when_it_is_right(files: Path, out: Path, tmp_path: Path, damaged: bool) -> None:
    (plan,) = plans_of(files, parts(1))
    (shard,) = pack(out, [plan], journal(out), silent).values()
    old = out / plan.path
    if damaged:
        data = bytearray(old.read_bytes())
        data[-1] ^= 1
        old.write_bytes(data)
    new = tmp_path / "new"
    new.mkdir()
    assert pack(new, [replace(plan, old=old)], Journal(tmp_path / "j", new), silent) == {plan.path: shard}
    assert (new / plan.path).samefile(old) is not damaged
    assert sha256_bytes((new / plan.path).read_bytes()) == shard.sha256


# --- releases ---------------------------------------------------------------------------------


def without(options: ReleaseOptions, *ids: str) -> ReleaseOptions:
    return replace(options, selection=Selection(exclude=ids) if ids else None)


def tars(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.tar")}


def test_leaving_ids_out_rewrites_their_tars_only(
    release: Path, run: Path, options: ReleaseOptions, contents: Contents
) -> None:
    gone = "Sparkle_location_000006"
    before, links = tars(release), inodes(release)
    touched = {path for path, data in before.items() if gone.encode() in data}
    assert 0 < len(touched) == len(KINDS) < len(before)
    build_release([run], release, without(options, gone))
    after = tars(release)
    assert before.keys() - after.keys() <= touched  # a tar that held nothing else is gone
    assert {path for path in after if after[path] != before[path]} == touched & after.keys()
    assert {path: links[path] for path in after.keys() - touched} == {
        path: inode for path, inode in inodes(release).items() if path not in touched
    }
    # What comes back opens new tars; numbers that are gone stay gone.
    build_release([run], release, options)
    back = tars(release)
    new = back.keys() - after.keys()
    assert len(new) == len(KINDS)
    assert not new & before.keys()
    assert {path: back[path] for path in after} == after
    assert built_twice_is_the_same(release, run, options, contents)
    build_release([run], release, options, mode=BuildMode(repack=True))
    assert tars(release) == before


def built_twice_is_the_same(release: Path, run: Path, options: ReleaseOptions, contents: Contents) -> bool:
    before = contents(release)
    build_release([run], release, options)
    return contents(release) == before


def test_numbers_are_not_used_again_even_when_a_theme_was_away(
    release: Path, run: Path, options: ReleaseOptions
) -> None:
    theme = "openve3m"
    before = {path for path in tars(release) if theme in path}
    build_release([run], release, replace(options, selection=Selection(themes=("location",))))
    assert not any(theme in path for path in tars(release))
    build_release([run], release, options)
    after = {path for path in tars(release) if theme in path}
    assert len(after) == len(before)
    assert not after & before


def test_a_release_elsewhere_can_be_the_one_before(
    release: Path, run: Path, tmp_path: Path, options: ReleaseOptions, contents: Contents
) -> None:
    chosen = without(options, "Sparkle_location_000006")
    mode = BuildMode(previous=release)
    build_release([run], tmp_path / "new", chosen, mode=mode)
    build_release([run], tmp_path / "again", chosen, mode=mode)
    assert contents(tmp_path / "new") == contents(tmp_path / "again")
    build_release([run], release, chosen)
    assert contents(tmp_path / "new") == contents(release)


def test_a_damaged_tar_of_the_release_before_is_written_again(
    release: Path, run: Path, options: ReleaseOptions, contents: Contents
) -> None:
    before = contents(release)
    tar = release / "location_source_video_part00.tar"
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(data)
    build_release([run], release, options)
    assert contents(release) == before


def test_tables_before_that_cannot_be_read_stop_the_build(
    release: Path, run: Path, options: ReleaseOptions, contents: Contents
) -> None:
    before, name = contents(release), "data/location/train-00001-of-00002.parquet"
    (release / name).write_bytes(b"{")
    with pytest.raises(ReleaseError, match="previous release cannot be read") as caught:
        build_release([run], release, options)
    assert "--repack" in str(caught.value.fix)
    assert caught.value.where == str(release / name)
    build_release([run], release, options, mode=BuildMode(repack=True))
    assert contents(release) == before


@pytest.mark.parametrize("repack", [False, True])
def test_a_provenance_before_that_cannot_be_read_stops_the_build(
    release: Path, run: Path, options: ReleaseOptions, repack: bool
) -> None:
    """It says what was taken down: without it, a build could bring that back."""
    (release / layout.PROVENANCE).write_bytes(b"{")
    with pytest.raises(ReleaseError, match="not known what was taken down") as caught:
        build_release([run], release, options, mode=BuildMode(repack=repack))
    assert "new folder" in str(caught.value.fix)
    build_release([run], release.with_name("afresh"), options)


def test_previous_and_repack_exclude_each_other(release: Path, run: Path) -> None:
    words = [str(run), "--out", str(release), "--previous", str(release), "--repack"]
    done = CliRunner().invoke(build_command, words)
    assert done.exit_code == 2
    assert "give one of them" in done.stderr


# --- kills ------------------------------------------------------------------------------------


def build_and_die(moment: str, count: int, run: Path, out: Path) -> None:
    kill_at.kill(moment, count, "build", run, "--out", out, "--max-shard-size", 6000, "--preview", 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "count"),
    [
        ("half a tar", 9),
        ("a tar in place, not listed", 9),
        ("half a line of the journal", 9),
        ("a tar listed", 9),
        ("before the swap", 1),
        ("after the swap", 1),
    ],
)
def test_a_killed_build_leaves_nothing_that_looks_finished_and_goes_on(
    run: Path,
    tmp_path: Path,
    options: ReleaseOptions,
    shared_release: Path,
    contents: Contents,
    moment: str,
    count: int,
) -> None:
    out, staging = tmp_path / "release", tmp_path / ".release.building"
    wanted = contents(shared_release)
    build_and_die(moment, count, run, out)
    assert out.exists() is (moment == "after the swap")
    finished = inodes(staging) if staging.exists() else {}
    for path in finished:
        if not Path(path).name.startswith(".tmp-"):
            assert (staging / path).read_bytes() == wanted[path]
    listed = tmp_path / ".release.packed.jsonl"
    lines = listed.read_bytes().splitlines(keepends=True) if listed.exists() else []
    known = {json.loads(line)["path"] for line in lines if line.endswith(b"\n")}
    assert len(known) >= (8 if moment in ("a tar listed", "half a line of the journal") else 0)
    build_release([run], out, options)
    assert contents(out) == wanted
    kept = inodes(out)
    if staging != out and finished:
        assert all(kept[path] == finished[path] for path in known)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["release", "run"]


def test_other_options_after_a_kill_are_not_mixed_up(
    run: Path, tmp_path: Path, options: ReleaseOptions, contents: Contents
) -> None:
    build_and_die("a tar listed", 20, run, tmp_path / "release")
    other = replace(options, max_shard_size=9000, preview=0)
    build_release([run], tmp_path / "release", other)
    build_release([run], tmp_path / "fresh", other)
    assert contents(tmp_path / "release") == contents(tmp_path / "fresh")


# --- room -------------------------------------------------------------------------------------


def test_the_plan_comes_first(run: Path, release: Path, options: ReleaseOptions) -> None:
    said: list[str] = []
    summary = build_release([run], release, options, mode=BuildMode(say=said.append, repack=True))
    count = len(tars(release))
    assert said == [str(summary.space)]
    assert re.match(
        rf"plan: {count} tars to write, 0 to use again; needs .* [kM]B of .* GB that are free", said[0]
    )
    assert summary.space.needed >= sum(map(len, tars(release).values()))
    again = build_release([run], release, options).space
    assert (again.write, again.reuse) == (0, count)
    assert again.needed < summary.space.needed


def test_a_release_that_does_not_fit_is_refused_before_anything_is_written(
    run: Path, tmp_path: Path, options: ReleaseOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 20_000})())
    written: list[object] = []
    monkeypatch.setattr(
        "sparkle.builders.building.pack.write_tar", lambda *args, **kwargs: written.append(args)
    )
    with pytest.raises(ReleaseError, match="does not fit on this disk") as caught:
        build_release([run], tmp_path / "release", options)
    assert caught.value.got == "20,000 bytes free"
    assert not written
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_a_disk_that_fills_up_leaves_the_old_release(
    run: Path, release: Path, contents: Contents, tmp_path: Path
) -> None:
    before = contents(release)
    largest = max(len(data) for data in tars(release).values())

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 512, largest - 512))

    words = [str(run), "--out", str(release), "--max-shard-size", "7000", "--preview", "2", "--repack"]
    command = [sys.executable, "-c", "from sparkle.commands.build import build; build()", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert done.returncode == 2
    assert "error: there is no room to write the release" in done.stderr
    assert "the same command again" in done.stderr
    assert contents(release) == before
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["release", "run"]


def test_a_real_disk_that_is_too_small(run: Path, tmp_path: Path, options: ReleaseOptions) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    try:
        with pytest.raises(ReleaseError, match="does not fit on this disk"):
            build_release([run], disk / "release", options)
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
