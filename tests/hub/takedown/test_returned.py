"""What was taken down where a release is published does not come back with the next one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparkle.builders.building.from_runs import BuildMode, ReleaseSummary, build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.hub.publish.publishing import PublishOptions, publish_release
from sparkle.hub.publish.spool import publish_spooled
from sparkle.hub.takedown.folder import take_down
from sparkle.hub.targets.folder import FolderTarget
from sparkle.schemas.errors import ReleaseError

GONE = "Sparkle_location_000003"
Files = Callable[[Path], dict[str, bytes]]
Build = Callable[..., Path]


@pytest.fixture
def place(release: Path, tmp_path: Path) -> Path:
    """A folder where the release was published, and then lost a pair."""
    place = tmp_path / "published"
    publish_release(release, FolderTarget(place), PublishOptions(check=False))
    published = tmp_path / "edited"
    shutil.copytree(release, published)
    take_down(published, [GONE], [])
    publish_release(published, FolderTarget(place), PublishOptions(check=False))
    return place


def test_the_old_release_is_refused_and_nothing_changes(place: Path, release: Path, files: Files) -> None:
    before = files(place)
    with pytest.raises(ReleaseError, match="were taken down") as found:
        publish_release(release, FolderTarget(place), PublishOptions(check=False))
    assert found.value.got == GONE
    assert files(place) == before


def test_another_pair_of_a_source_that_was_taken_down_is_refused(
    place: Path, release: Path, shared_source: str, tmp_path: Path
) -> None:
    edited = tmp_path / "without"
    shutil.copytree(release, edited)
    take_down(edited, [], [shared_source])
    publish_release(edited, FolderTarget(place), PublishOptions(check=False))
    take_down(release, [GONE], [])  # the others of its source stay
    with pytest.raises(ReleaseError, match="were taken down") as found:
        publish_release(release, FolderTarget(place), PublishOptions(check=False))
    assert found.value.got == "Sparkle_location_000012, Sparkle_season_000000"


def test_a_spooled_publish_goes_on_from_what_stands_there(
    place: Path, taken_run: Path, tmp_path: Path, files: Files
) -> None:
    options = ReleaseOptions(max_shard_size=6000, preview=2)
    before = files(place)

    def build(**mode: Any) -> ReleaseSummary:
        return build_release([taken_run], tmp_path / "spooled", options, mode=BuildMode(**mode))

    publish_spooled(build, tmp_path / "spooled", FolderTarget(place), tars=1)
    assert files(place) == before  # the same tars, under the same numbers, and without what was taken down


def test_one_without_them_is_published_and_told_of_the_record(
    place: Path, release: Path, rebuild: Build
) -> None:
    said: list[str] = []
    without = rebuild(release, (GONE,))
    publish_release(without, FolderTarget(place), PublishOptions(check=False), say=said.append)
    assert any("does not record what was taken down there" in line for line in said)
