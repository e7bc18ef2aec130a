"""A takedown in a folder leaves what a build without those samples leaves, at any moment of a kill."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import factories
from sparkle.builders.building.from_runs import BuildMode, build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.webdataset import WebDatasetOptions
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.builders.release.manifest import FileEntry, dump_manifest, read_manifest
from sparkle.builders.release.removed import Removed
from sparkle.builders.release.tar import list_tar
from sparkle.hub.takedown.folder import take_down
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document, sha256_bytes
from sparkle.schemas.errors import RecordError, ReleaseError, SparkleError

OPTIONS = ReleaseOptions(max_shard_size=6000, preview=2)
SHARED = ("Sparkle_location_000003", "Sparkle_location_000012", "Sparkle_season_000000")
PAGES = {layout.CARD, layout.CHANGELOG, layout.MANIFEST, layout.PROVENANCE}
LOCATION = tuple(f"Sparkle_location_{3 * index:06d}" for index in range(7))
SEASON = tuple(f"Sparkle_season_{3 * index:06d}" for index in range(3))

Files = Callable[[Path], dict[str, bytes]]
Build = Callable[..., Path]


def findings(release: Path) -> tuple[Any, ...]:
    return check_release(release, options=CheckOptions(media="all")).findings


def provenance(release: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((release / layout.PROVENANCE).read_text())
    return value


def without_pages(found: dict[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in found.items() if path not in PAGES}


# --- what is left -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param(LOCATION[:1], id="the first, which stands loose"),
        pytest.param(LOCATION[:4:3], id="a loose one and a later one"),
        pytest.param(LOCATION[-1:], id="the last, alone in its part"),
        pytest.param(LOCATION[1:6], id="parts disappear"),
        pytest.param(SEASON, id="a theme disappears"),
        pytest.param(LOCATION[:6] + SEASON[:2], id="one sample a theme is left, all of them loose"),
    ],
)
def test_the_rest_is_what_a_build_without_them_gives(
    release: Path, built: Path, rebuild: Build, files: Files, ids: tuple[str, ...]
) -> None:
    take_down(release, ids, [])
    assert findings(release) == ()
    wanted = files(rebuild(built, ids))
    assert without_pages(files(release)) == without_pages(wanted)


@settings(max_examples=5)
@given(ids=st.sets(st.sampled_from(LOCATION + SEASON), min_size=1, max_size=9))
def test_any_samples(built: Path, rebuild: Build, files: Files, tmp_path: Path, ids: set[str]) -> None:
    for name in ("release", "rebuilt"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    release = Path(shutil.copytree(built, tmp_path / "release"))
    half = sorted(ids)[: len(ids) // 2]
    if half:
        take_down(release, half, [])
    take_down(release, sorted(ids), [])  # of which half are gone already
    assert without_pages(files(release)) == without_pages(files(rebuild(built, tuple(sorted(ids)))))


def test_a_build_of_the_same_run_leaves_them_out_and_changes_nothing(
    release: Path, rebuild: Build, files: Files
) -> None:
    take_down(release, LOCATION[:2], [])
    assert files(rebuild(release)) == files(release)


@pytest.mark.slow
def test_plots_and_strips_are_drawn_again(
    built: Path, rebuild: Build, taken_run: Path, tmp_path: Path, files: Files
) -> None:
    pytest.importorskip("matplotlib")
    options = replace(OPTIONS, plots=True)
    release = build_release([taken_run], tmp_path / "plotted", options).out
    before = files(release)
    take_down(release, LOCATION[:1], [])
    after = files(release)
    assert before["assets/scores.png"] != after["assets/scores.png"]
    assert before["assets/strip_location.webp"] != after["assets/strip_location.webp"]
    assert before["assets/strip_season.webp"] == after["assets/strip_season.webp"]
    assert files(rebuild(release, options=options)) == after


def test_every_sample_of_a_source_leaves(
    release: Path, rebuild: Build, built: Path, files: Files, shared_source: str
) -> None:
    done = take_down(release, [], [shared_source.upper()])
    assert done.removal.ids == SHARED
    assert without_pages(files(release)) == without_pages(files(rebuild(built, SHARED)))
    for path, data in files(release).items():
        if not path.endswith(".tar"):
            assert shared_source.encode() not in data, path
            assert not [sample_id for sample_id in SHARED if sample_id.encode() in data], path


def test_other_pairs_of_the_source_are_named(release: Path) -> None:
    assert take_down(release, SHARED[:1], []).removal.shared == SHARED[1:]


def test_tars_that_lose_nothing_stay_the_same_file(release: Path) -> None:
    tars = {path: path.stat().st_ino for path in release.rglob("*.tar")}
    done = take_down(release, LOCATION[-1:], [])
    assert done.edited is not None
    touched = {release / path for path in (*done.edited.changed, *done.edited.deleted)}
    kept = {path: inode for path, inode in tars.items() if path not in touched}
    assert kept
    assert {path: path.stat().st_ino for path in kept} == kept


def test_a_number_is_never_used_again(release: Path, tmp_path: Path, taken_run: Path) -> None:
    tars = {path.name for path in release.rglob("*.tar")}
    take_down(release, LOCATION[-1:], [])
    gone = tars - {path.name for path in release.rglob("*.tar")}
    assert gone
    more = factories.write_run(tmp_path / "more", factories.specs("location", 1, first=100))
    mode = BuildMode(previous=release)
    later = build_release([taken_run, more], tmp_path / "later", OPTIONS, mode=mode).out
    assert not gone & {path.name for path in later.rglob("*.tar")}


def test_a_source_that_was_taken_down_stays_out_under_any_id(
    release: Path, shared_source: str, taken_run: Path, tmp_path: Path
) -> None:
    take_down(release, [], [shared_source])
    more = factories.write_run(tmp_path / "more", factories.specs("style", 2))
    lines = (more / layout.CANDIDATES).read_text().splitlines()
    first = json.dumps({**json.loads(lines[0]), "source": shared_source})
    (more / layout.CANDIDATES).write_text(f"{first}\n{lines[1]}\n")
    known = [json.loads(line) for line in (more / layout.SOURCES).read_text().splitlines()]
    with (more / layout.SOURCES).open("a") as file:
        file.write(json.dumps({**known[0], "sha256": shared_source}) + "\n")
    said: list[str] = []
    mode = BuildMode(previous=release, repack=False, say=said.append)
    later = build_release([taken_run, more], tmp_path / "later", OPTIONS, mode=mode)
    assert later.samples == {"location": 5, "season": 2, "style": 1}
    assert any("left out: 4 samples" in line for line in said)


def test_a_build_after_nothing_was_left_of_its_run_is_refused(release: Path, tmp_path: Path) -> None:
    take_down(release, SEASON, [])
    run = factories.write_run(tmp_path / "season", factories.specs("season", 3))
    with pytest.raises(ReleaseError, match="every sample was taken down"):
        build_release([run], tmp_path / "later", OPTIONS, mode=BuildMode(previous=release))


def test_paired_shards_lose_their_samples_and_are_not_refilled(
    taken_run: Path, tmp_path: Path, files: Files
) -> None:
    options = replace(OPTIONS, webdataset=WebDatasetOptions(shard_size=15_000))
    release = build_release([taken_run], tmp_path / "paired", options).out
    before = files(release)
    shards = sorted(path for path in before if path.startswith("webdataset/location"))
    assert len(shards) > 2
    done = take_down(release, [LOCATION[0], LOCATION[-1]], [])
    assert done.edited is not None
    touched = {
        path for path in (*done.edited.changed, *done.edited.deleted) if path.startswith("webdataset/")
    }
    assert touched == {shards[0], shards[-1]}
    after = files(release)
    for path in shards:
        held = [sample_id for sample_id in LOCATION if f"{sample_id}.".encode() in after.get(path, b"")]
        assert held == [sample_id for sample_id in LOCATION[1:-1] if f"{sample_id}.".encode() in before[path]]
    assert findings(release) == ()
    take_down(release, LOCATION[1:3], [])
    assert findings(release) == ()


# --- what is recorded -------------------------------------------------------------------------


def test_what_was_taken_down_is_recorded_without_naming_it(
    release: Path, shared_source: str, files: Files
) -> None:
    take_down(release, LOCATION[:1], [shared_source])
    removed = provenance(release)["removed"]
    assert removed["samples"] == {"location": 3, "season": 1}
    assert (len(removed["ids"]), len(removed["sources"])) == (4, 1)
    assert (release / layout.CHANGELOG).read_text() == (
        "# Changelog\n\n## Takedown 1\n\n### Removed\n\n- 3 pairs of `location`.\n- 1 pair of `season`.\n"
    )
    for path in PAGES:
        data = files(release)[path]
        assert shared_source.encode() not in data
        assert not [sample_id for sample_id in (LOCATION[0], *SHARED) if sample_id.encode() in data]


def test_each_takedown_has_a_section_newest_first(release: Path) -> None:
    take_down(release, LOCATION[:1], [])
    take_down(release, SEASON[:1], [])
    text = (release / layout.CHANGELOG).read_text()
    assert text.count("# Changelog\n\n## Takedown 2\n") == 1
    assert text.index("- 1 pair of `season`.") < text.index("## Takedown 1") < text.index("`location`")
    assert provenance(release)["removed"]["samples"] == {"location": 1, "season": 1}


def put(release: Path, path: str, data: bytes) -> None:
    """Put a file into a release, its manifest included."""
    (release / path).write_bytes(data)
    entries = [entry for entry in read_manifest(release) if entry.path != path]
    entries.append(FileEntry(path, len(data), sha256_bytes(data)))
    (release / layout.MANIFEST).write_bytes(dump_manifest(entries))


def test_a_changelog_that_was_there_stays(release: Path) -> None:
    put(release, layout.CHANGELOG, b"# Changes of this dataset\n\nSince 2026.\n\n## 1.0\n\nThe first.\n")
    take_down(release, LOCATION[:1], [])
    found = (release / layout.CHANGELOG).read_text()
    assert found.startswith("# Changes of this dataset\n\nSince 2026.\n\n## Takedown 1\n")
    assert found.endswith("## 1.0\n\nThe first.\n")


def test_validate_finds_a_sample_that_was_taken_down(release: Path) -> None:
    """As when somebody puts the files of an old release back, tables and all."""
    document = Removed().with_more(LOCATION[:1], []).record(provenance(release))
    put(release, layout.PROVENANCE, dump_document(document))
    (found,) = check_release(release).findings
    assert (found.problem, found.got) == ("a sample that was taken down", LOCATION[0])


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "sources", "error", "told"),
    [
        (["Sparkle_location_000001"], [], ReleaseError, "no such id"),
        ([LOCATION[0], "Sparkle_style_000000"], [], ReleaseError, "no such id"),
        ([], ["0" * 64], ReleaseError, "no such source"),
        ([], ["5f70bf18"], ReleaseError, "not the sha256"),
        (["../location"], [], RecordError, "not a sample id"),
        ([], [], ReleaseError, "nothing to take down"),
        (LOCATION + SEASON, [], ReleaseError, "nothing would be left"),
    ],
)
def test_what_cannot_be_taken_down_changes_nothing(
    release: Path,
    files: Files,
    ids: list[str],
    sources: list[str],
    error: type[SparkleError],
    told: str,
) -> None:
    before = files(release.parent)
    with pytest.raises(error, match=told):
        take_down(release, ids, sources)
    assert files(release.parent) == before


def test_twice_changes_nothing_the_second_time(release: Path, files: Files) -> None:
    take_down(release, LOCATION[:1], [])
    before = files(release.parent)
    done = take_down(release, LOCATION[:1], [])
    assert (done.edited, done.removal.ids, done.removal.done) == (None, (), LOCATION[:1])
    assert files(release.parent) == before


@pytest.mark.parametrize("damage", ["a member", "the table", "a file too many", "no manifest"])
def test_a_release_that_is_not_whole_is_left_as_it_is(release: Path, files: Files, damage: str) -> None:
    if damage == "a member":  # one that stays, of a tar that is cut
        tar = release / layout.SOURCE_VIDEO_MASK.shard("location", 0)
        members = list(list_tar(tar))
        assert LOCATION[0] in members[0].name
        data = bytearray(tar.read_bytes())
        data[members[1].offset + 20] ^= 1
        tar.write_bytes(data)
    elif damage == "the table":
        (release / layout.data_parquet("season", 0, 2)).write_bytes(b"PAR1")
    elif damage == "a file too many":
        (release / "notes.txt").write_text("mine")
    else:
        (release / layout.MANIFEST).unlink()
    before = files(release.parent)
    with pytest.raises(ReleaseError):
        take_down(release, LOCATION[:1], [])
    assert files(release.parent) == before


# --- kills ------------------------------------------------------------------------------------

_KILLED = """
import os, signal, sys
from pathlib import Path
from sparkle.builders.release import staging
from sparkle.builders.building import writer
from sparkle.builders.takedown import cuts, theme
from sparkle.hub.takedown import folder

MOMENTS = {
    "half a tar": (cuts, "check_tar"),
    "no text yet": (theme, "cut_csv"),
    "half the tables": (writer, "write_pairs"),
    "no manifest yet": (writer, "dump_manifest"),
    "no links yet": (writer, "link_or_copy"),
    "before the swap": (staging, "_swap"),
    "inside the swap": (Path, "rename"),
    "the old one not deleted": (Path, "rename"),
}
owner, name = MOMENTS[sys.argv[1]]
real, calls = getattr(owner, name), 0

def kill(*args, **kwargs):
    global calls
    if owner is Path and args[0].parent != Path(sys.argv[3]).parent:  # not what is swapped
        return real(*args, **kwargs)
    calls += 1
    due, after = calls == int(sys.argv[2]), sys.argv[1] == "the old one not deleted"
    if due and after:
        real(*args, **kwargs)
    if due:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)

setattr(owner, name, kill)
folder.take_down(Path(sys.argv[3]), sys.argv[4:], [])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "count"),
    [
        ("half a tar", 1),
        ("half a tar", 3),
        ("no text yet", 1),
        ("half the tables", 1),
        ("no manifest yet", 1),
        ("no links yet", 1),
        ("before the swap", 1),
        ("inside the swap", 2),
        ("the old one not deleted", 2),
    ],
)
def test_a_kill_leaves_the_old_or_the_new_release_and_a_rerun_finishes(
    release: Path, built: Path, rebuild: Build, files: Files, moment: str, count: int
) -> None:
    ids = (LOCATION[0], SEASON[1])
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, moment, str(count), str(release), *ids],
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    old = release if release.exists() else release.with_name(f".{release.name}.old")
    done_before = moment == "the old one not deleted"
    assert (files(old) == files(built)) != done_before
    take_down(release, ids, [])
    assert without_pages(files(release)) == without_pages(files(rebuild(built, ids)))
    assert findings(release) == ()
