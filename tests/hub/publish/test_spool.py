"""A release that is larger than the disk: built, sent and freed tar by tar."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness import factories
from sparkle.builders.building.from_runs import BuildMode, ReleaseSummary, build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.selection import Selection
from sparkle.builders.building.webdataset import WebDatasetOptions
from sparkle.commands.build import build
from sparkle.hub.publish.publishing import PublishReport, publish_release
from sparkle.hub.publish.spool import publish_spooled
from sparkle.hub.targets.folder import FolderTarget
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

_CLI = "from sparkle.commands import main; main()"
OPTIONS = ReleaseOptions(max_shard_size=6000)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of five pairs: two or three tars a kind."""
    made: Path = factories.write_run(tmp_path_factory.mktemp("spool") / "run", factories.specs("location", 5))
    return made


@pytest.fixture(scope="module")
def built(run: Path) -> Path:
    """The release of it, as a build writes it."""
    return build_release([run], run.parent / "built", OPTIONS).out


def spooled(
    run: Path,
    folder: Path,
    target: FolderTarget,
    tars: int = 1,
    options: ReleaseOptions = OPTIONS,
    **more: Any,
) -> PublishReport:
    """Build and publish; returns what was published."""

    def build(**mode: Any) -> ReleaseSummary:
        return build_release([run], folder, options, mode=BuildMode(**mode, **more))

    return publish_spooled(build, folder, target, tars, "v1.0")[1]


def _tars(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.tar") if ".publishing" not in str(path)]


@pytest.mark.parametrize("tars", [1, 2])
def test_the_result_is_the_release_and_few_tars_are_on_the_disk(
    run: Path, built: Path, tmp_path: Path, hashes: Any, tars: int
) -> None:
    seen: list[int] = []

    class Watched(FolderTarget):
        """Counts the tars on the disk whenever one is sent."""

        def send(self, parcels: Any) -> None:
            seen.append(len(_tars(work)))
            super().send(parcels)

    work, place = tmp_path / "work", tmp_path / "place" / "demo"
    spooled(run, work / "release", Watched(place), tars)
    assert hashes(place) == hashes(tmp_path / "place" / "demo@v1.0") == hashes(built)
    assert len(seen) > 8
    assert max(seen) <= tars
    assert _tars(work) == []
    assert (work / "release" / layout.MANIFEST).read_bytes() == (built / layout.MANIFEST).read_bytes()


@pytest.mark.slow
def test_it_goes_on_after_kills_and_sends_nothing_twice(
    publisher: Any, run: Path, built: Path, tmp_path: Path, hashes: Any
) -> None:
    repo, folder = "owner/spooled", tmp_path / "release"
    words = ["build", "--json", run, "--out", folder, "--spool-to", repo, "--spool-tars", 1]
    words += ["--max-shard-size", 6000]
    publisher.hub.reset_counters()
    for count in (1, 2, 3):
        process = publisher.python(_CLI, *words)
        # It is killed while its third shard is held up.
        rule = {"action": "delay", "wait": 600, "match": "POST .*/shards", "skip": 2, "next": 1}
        publisher.hub.faults(rule)
        while publisher.hub.counters()["faults"].get("delay", 0) < count:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert publisher.history(repo) == []
    status, said = publisher.outcome(publisher.python(_CLI, *words))
    assert status == 0, said
    assert (said["samples"], said["published"]["commits"]) == ({"location": 5}, 1)
    assert publisher.tree(repo) == hashes(built)
    assert len(publisher.history(repo)) == 1
    sent = publisher.hub.counters()["bytes_in_by_kind"]["xorb"]
    size = sum(path.stat().st_size for path in built.rglob("*.*"))
    largest = max(path.stat().st_size for path in built.rglob("*.tar"))
    assert sent < size + 4 * largest


def test_a_rerun_makes_no_commit(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    spooled(run, tmp_path / "release", FolderTarget(place))
    report = spooled(run, tmp_path / "release", FolderTarget(place))
    assert (report.commits, report.sent) == (0, 0)


def test_a_whole_release_keeps_its_tars(run: Path, built: Path, tmp_path: Path, hashes: Any) -> None:
    folder = Path(shutil.copytree(built, tmp_path / "release"))
    with pytest.raises(ReleaseError, match="whole"):
        spooled(run, folder, FolderTarget(tmp_path / "place"))
    assert hashes(folder) == hashes(built)


def test_what_a_spool_left_is_no_release_to_publish_elsewhere(run: Path, tmp_path: Path) -> None:
    spooled(run, tmp_path / "release", FolderTarget(tmp_path / "place"))
    with pytest.raises(ReleaseError, match="not whole"):
        publish_release(tmp_path / "release", FolderTarget(tmp_path / "elsewhere"))


@pytest.mark.parametrize("more", [{"reclaim": True}, {"repack": True}])
def test_a_build_has_its_other_options(run: Path, tmp_path: Path, hashes: Any, more: dict[str, bool]) -> None:
    chosen = replace(OPTIONS, selection=Selection(core=3), webdataset=WebDatasetOptions(shard_size=24_000))
    wanted = build_release([run], tmp_path / "wanted", chosen).out
    place, copy = tmp_path / "place", Path(shutil.copytree(run, tmp_path / "run"))
    spooled(copy, tmp_path / "first", FolderTarget(place), options=chosen)
    spooled(copy, tmp_path / "second", FolderTarget(place), options=chosen, **more)
    assert hashes(place) == hashes(wanted)
    assert (copy / layout.RECLAIMED).exists() == ("reclaim" in more)


@pytest.mark.parametrize(
    "words", [["--spool-tars", "1"], ["--tag", "v1"], ["--spool-to", "owner/none", "--previous", "."]]
)
def test_options_that_do_not_go_together(words: list[str]) -> None:
    assert CliRunner().invoke(build, [".", "--out", "release", *words]).exit_code == 2


@pytest.mark.slow
def test_words_that_were_written_into_the_published_card_stay(run: Path, tmp_path: Path) -> None:
    def build(**mode: Any) -> ReleaseSummary:
        return build_release([run], tmp_path / "work", OPTIONS, mode=BuildMode(**mode))

    place = tmp_path / "place"
    card = place / layout.CARD
    publish_spooled(build, tmp_path / "work", FolderTarget(place), 1)
    card.write_text(
        re.sub("^<!-- your words begin.*$", r"\g<0>\nAsk us.", card.read_text(), flags=re.MULTILINE)
    )
    publish_spooled(build, tmp_path / "work", FolderTarget(place), 1)
    assert "\nAsk us.\n" in card.read_text()
    edited = card.read_text().replace("## Contents", "## What is in it")
    card.write_text(edited)
    with pytest.raises(ReleaseError, match="edited outside the room") as caught:
        publish_spooled(build, tmp_path / "work", FolderTarget(place), 1)
    assert str(caught.value.where) == f"{place} {layout.CARD}"
    assert card.read_text() == edited
