"""Publishing to a folder: the same promises, as far as a folder can keep them."""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
from click.testing import CliRunner

from sparkle.builders.building.renewal import renew_pages
from sparkle.builders.reading.place import open_place
from sparkle.builders.release.manifest import FileEntry, dump_manifest, read_manifest
from sparkle.commands.publish import publish
from sparkle.hub.publish.publishing import PublishOptions, publish_release
from sparkle.hub.targets.folder import FolderTarget
from sparkle.hub.targets.opening import open_target
from sparkle.schemas import layout
from sparkle.schemas.errors import ConfigError, ReleaseError, UnsafePathError

_PUBLISH = """
import sys
from pathlib import Path
from sparkle.hub.publish.publishing import PublishOptions, publish_release
from sparkle.hub.targets.folder import FolderTarget
print("begins", flush=True)
options = PublishOptions(tag=sys.argv[3], check=False)
publish_release(Path(sys.argv[1]), FolderTarget(Path(sys.argv[2])), options)
"""


def test_a_release_is_published_revised_and_tagged(
    releases: tuple[Path, Path], tmp_path: Path, hashes: Any
) -> None:
    before, after = releases
    place = tmp_path / "share" / "demo"
    first = publish_release(before, FolderTarget(place), PublishOptions("v1.0"))
    assert hashes(place) == hashes(before)
    again = publish_release(before, FolderTarget(place), PublishOptions("v1.0"))
    assert (again.commits, again.sent, again.head) == (0, 0, first.head)
    publish_release(after, FolderTarget(place), PublishOptions("v2.0"))
    assert hashes(place) == hashes(tmp_path / "share" / "demo@v2.0") == hashes(after)
    assert hashes(tmp_path / "share" / "demo@v1.0") == hashes(before)
    rest = {path.name for path in place.parent.iterdir()}
    assert rest == {"demo", "demo@v1.0", "demo@v2.0", ".demo.lock"}


def test_readers_open_it_and_its_tags(releases: tuple[Path, Path], tmp_path: Path) -> None:
    place = tmp_path / "demo"
    publish_release(releases[0], FolderTarget(place), PublishOptions("v1.0"))
    for name in (str(place), f"{place}@v1.0"):
        rows = datasets.load_dataset(name, "location", split="train", cache_dir=str(tmp_path / "cache"))
        assert len(rows) == 5
        assert open_place(name).fetch(layout.MANIFEST).is_file()


def test_what_stands_already_is_not_copied_again(releases: tuple[Path, Path], tmp_path: Path) -> None:
    before, after = releases
    place = tmp_path / "demo"
    publish_release(before, FolderTarget(place))
    kept = layout.SOURCE_VIDEO.shard("season", 0)
    inode = (place / kept).stat().st_ino
    report = publish_release(after, FolderTarget(place))
    assert (place / kept).stat().st_ino == inode
    assert kept in {entry.path for entry in report.plan.same}
    assert (place / kept).stat().st_ino != (before / kept).stat().st_ino  # a copy, not the release's own file


def test_a_revision_stands_beside(releases: tuple[Path, Path], tmp_path: Path, hashes: Any) -> None:
    place = tmp_path / "demo"
    publish_release(releases[0], FolderTarget(place))
    publish_release(releases[1], FolderTarget(place, "next"))
    assert hashes(place) == hashes(releases[0])
    assert hashes(tmp_path / "demo@next") == hashes(releases[1])
    with pytest.raises(ConfigError, match="plain name"):
        FolderTarget(place, "../next")


def test_files_that_are_not_here_are_taken_as_they_stand(before: Path, tmp_path: Path, hashes: Any) -> None:
    place = tmp_path / "demo"
    publish_release(before, FolderTarget(place))
    wanted = hashes(before)
    gone = layout.SOURCE_VIDEO.shard("location", 0)
    (before / gone).unlink()
    (before / layout.CARD).write_bytes(b"---\n---\nAnother card.\n")
    entries = {entry.path: entry for entry in read_manifest(before)}
    card = FileEntry(layout.CARD, (before / layout.CARD).stat().st_size, hashes(before)[layout.CARD])
    (before / layout.MANIFEST).write_bytes(dump_manifest([*(entries | {layout.CARD: card}).values()]))
    publish_release(before, FolderTarget(place), PublishOptions(check=False))
    assert hashes(place) == {**wanted, **hashes(before)}
    other = FileEntry(gone, entries[gone].size, "0" * 64)
    (before / layout.MANIFEST).write_bytes(dump_manifest([*(entries | {gone: other}).values()]))
    with pytest.raises(ReleaseError, match="neither here nor there"):
        publish_release(before, FolderTarget(place), PublishOptions(check=False))


@pytest.mark.parametrize("holds", ["notes.txt", "manifest.json", layout.data_parquet("time", 0, 1)])
def test_another_folder_is_left_alone(releases: tuple[Path, Path], tmp_path: Path, holds: str) -> None:
    place = tmp_path / "demo"
    (place / holds).parent.mkdir(parents=True)
    (place / holds).write_bytes(b"{}")
    with pytest.raises(ReleaseError, match="do not belong"):
        publish_release(releases[0], FolderTarget(place))
    assert (place / holds).read_bytes() == b"{}"


def test_a_damaged_file_is_not_taken_over(releases: tuple[Path, Path], tmp_path: Path, hashes: Any) -> None:
    place = tmp_path / "demo"
    publish_release(releases[0], FolderTarget(place))
    kept = place / layout.SOURCE_VIDEO.shard("season", 0)
    data = bytearray(kept.read_bytes())
    data[600] ^= 1
    kept.write_bytes(data)
    with pytest.raises(ReleaseError, match="damaged") as caught:
        publish_release(releases[1], FolderTarget(place))
    assert "delete it" in str(caught.value.fix)
    kept.unlink()
    publish_release(releases[1], FolderTarget(place))
    assert hashes(place) == hashes(releases[1])


def test_tags_stay(releases: tuple[Path, Path], tmp_path: Path, hashes: Any) -> None:
    place = tmp_path / "demo"
    publish_release(releases[0], FolderTarget(place), PublishOptions("v1.0"))
    with pytest.raises(ReleaseError, match="tag is taken"):
        publish_release(releases[1], FolderTarget(place), PublishOptions("v1.0"))
    assert hashes(place) == hashes(tmp_path / "demo@v1.0") == hashes(releases[0])


def test_one_publisher_at_a_time(releases: tuple[Path, Path], tmp_path: Path) -> None:
    target = FolderTarget(tmp_path / "demo")
    with target.session(), pytest.raises(ReleaseError, match="another process publishes"):
        publish_release(releases[0], FolderTarget(tmp_path / "demo"))


@pytest.mark.parametrize("path", ["../outside", "/etc/hostname", "a/../../b", "a\\b"])
def test_a_path_that_leaves_the_release_is_refused(before: Path, tmp_path: Path, path: str) -> None:
    manifest = json.loads((before / layout.MANIFEST).read_bytes())
    manifest["files"].append({"path": path, "size": 1, "sha256": "0" * 64})
    (before / layout.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ReleaseError) as caught:
        publish_release(before, FolderTarget(tmp_path / "demo"), PublishOptions(check=False))
    assert "path" in str(caught.value)
    assert not (tmp_path / "demo").exists()


def test_a_link_in_the_release_is_refused(before: Path, tmp_path: Path) -> None:
    card = before / layout.CARD
    card.rename(tmp_path / "card.md")
    card.symlink_to(tmp_path / "card.md")
    with pytest.raises((UnsafePathError, ReleaseError)):
        publish_release(before, FolderTarget(tmp_path / "demo"), PublishOptions(check=False))


@pytest.mark.slow
def test_a_kill_leaves_the_old_release_or_the_new_one(
    rough_release: Any, tmp_path: Path, hashes: Any
) -> None:
    old = rough_release(tmp_path / "old", [3_000_000] * 4)
    new = rough_release(tmp_path / "new", [3_000_001] * 5)
    place, draw = tmp_path / "place" / "demo", random.Random(0)  # noqa: S311
    publish_release(old, FolderTarget(place), PublishOptions("v1", check=False))
    for _ in range(6):
        words = [sys.executable, "-c", _PUBLISH, str(new), str(place), "v2"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(draw.uniform(0, 0.08))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        aside = place.with_name(".demo.old")
        standing = place if place.exists() else aside  # between two renames
        assert hashes(standing) in (hashes(old), hashes(new))
    report = publish_release(new, FolderTarget(place), PublishOptions("v2", check=False))
    assert report.tag == "v2"
    assert hashes(place) == hashes(tmp_path / "place" / "demo@v2") == hashes(new)
    assert hashes(tmp_path / "place" / "demo@v1") == hashes(old)


def test_an_unfinished_copy_is_gone_on_with(
    rough_release: Any, tmp_path: Path, hashes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = rough_release(tmp_path / "release", [20_000_000] * 3)
    place = tmp_path / "demo"
    last = folder / layout.SOURCE_VIDEO.shard("location", 2)
    data = last.read_bytes()
    last.write_bytes(b"\1" + data[1:])
    with pytest.raises(ReleaseError, match="not what the manifest says"):
        publish_release(folder, FolderTarget(place), PublishOptions(check=False))
    assert not place.exists()
    last.write_bytes(data)
    report = publish_release(folder, FolderTarget(place), PublishOptions(check=False))
    assert report.plan.sent == 40_000_000
    assert report.sent < 21_000_000
    assert hashes(place) == hashes(folder)
    shutil.rmtree(place)


def test_people_are_told_the_plan_the_result_and_what_is_next(
    releases: tuple[Path, Path], tmp_path: Path
) -> None:
    place = tmp_path / "demo"
    words = [str(releases[0]), str(place), "--tag", "v1.0"]
    planned = CliRunner().invoke(publish, [*words, "--dry-run"])
    assert planned.exit_code == 0
    assert "nothing was sent" in planned.stdout
    assert not place.exists()
    done = CliRunner().invoke(publish, words)
    count = len(read_manifest(releases[0])) + 1
    assert f"put     {count} new files, 0 replaced" in done.stderr
    assert "commits 1: everything becomes visible at once" in done.stderr
    assert f"tag v1.0 ({count} files;" in done.stdout
    assert f"next: sparkle verify {place}" in done.stdout
    assert "up to date" in CliRunner().invoke(publish, words).stdout


def test_what_a_name_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "demo").mkdir(parents=True)
    assert isinstance(open_target("owner/demo"), FolderTarget)
    assert isinstance(open_target("./new"), FolderTarget)
    assert isinstance(open_target("new", "folder"), FolderTarget)
    assert not isinstance(open_target("owner/demo", "hub"), FolderTarget)
    with pytest.raises(ConfigError, match="a Hub's"):
        open_target("./new", private=True)
    with pytest.raises(ConfigError, match="not the name of a repository"):
        open_target("demo")


def edit_card(release: Path, after: str) -> str:
    """Write a line into a card, behind the one that begins so; returns the card as it was."""
    card = release / layout.CARD
    before = card.read_text()
    card.unlink()  # other names of the file keep its content
    card.write_text(re.sub(f"^{after}.*$", r"\g<0>\nAsk us.", before, flags=re.MULTILINE))
    return before


ROOM, ELSEWHERE = "<!-- your words begin", "## Contents"


@pytest.mark.slow
def test_an_edited_card_is_not_published_before_the_release_knows_it(
    releases: tuple[Path, Path], tmp_path: Path
) -> None:
    release, place = tmp_path / "release", tmp_path / "demo"
    shutil.copytree(releases[0], release)
    edit_card(release, ROOM)
    with pytest.raises(ReleaseError, match="card was edited") as caught:
        publish_release(release, FolderTarget(place))
    assert f"sparkle card {release} --update" in str(caught.value.fix)
    renew_pages(release)
    publish_release(release, FolderTarget(place))
    assert "\nAsk us.\n" in (place / layout.CARD).read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("after", "problem"),
    [(ROOM, "edited where the release is published"), (ELSEWHERE, "edited outside the room")],
)
def test_a_card_that_was_edited_in_its_place_is_not_replaced(
    releases: tuple[Path, Path], tmp_path: Path, after: str, problem: str
) -> None:
    place = tmp_path / "demo"
    publish_release(releases[0], FolderTarget(place))
    edit_card(place, after)
    edited = (place / layout.CARD).read_text()
    with pytest.raises(ReleaseError, match=problem) as caught:
        publish_release(releases[1], FolderTarget(place))
    assert str(place) in str(caught.value.where)
    assert (place / layout.CARD).read_text() == edited
    (place / layout.CARD).unlink()  # which says that the edit may go
    publish_release(releases[1], FolderTarget(place))
    assert (place / layout.CARD).read_bytes() == (releases[1] / layout.CARD).read_bytes()


@pytest.mark.slow
def test_an_edit_that_is_in_both_cards_is_no_obstacle(releases: tuple[Path, Path], tmp_path: Path) -> None:
    release, place = tmp_path / "release", tmp_path / "demo"
    publish_release(releases[0], FolderTarget(place))
    edit_card(place, ROOM)
    shutil.copytree(releases[1], release)
    edit_card(release, ROOM)
    renew_pages(release)
    publish_release(release, FolderTarget(place))
    assert (place / layout.CARD).read_bytes() == (release / layout.CARD).read_bytes()
