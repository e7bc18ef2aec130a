"""What a Hub takes: refused before anything is sent, or said in the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from harness import staging_server
from sparkle.builders.release.manifest import FileEntry, dump_manifest, read_manifest
from sparkle.hub.publish.plan import PublishPlan, list_release, make_plan, note_files
from sparkle.hub.targets.hub import HubTarget
from sparkle.hub.targets.target import Limits, Standing
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ReleaseError

pytestmark = pytest.mark.slow

_JUST_PUBLISH = """
import sys
from pathlib import Path
from sparkle.hub.publish.publishing import PublishOptions, publish_release
from sparkle.hub.targets.opening import open_target
from sparkle.schemas.errors import SparkleError
try:
    publish_release(Path(sys.argv[1]), open_target(sys.argv[2], "hub"), PublishOptions(check=False))
except SparkleError as error:
    raise SystemExit(f"refused: {error}")
"""


@pytest.fixture
def planned(releases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`planned(limits, standing)`: the plan of a publish of the older release."""
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path))
    entries = list_release(releases[0])

    def plan(limits: Limits, standing: Standing | None = None) -> PublishPlan:
        target = HubTarget("owner/demo", limits=limits)
        return make_plan(note_files(releases[0], entries), standing or Standing(), target)

    return plan


def test_a_file_that_is_too_large_is_refused(planned: Any, releases: tuple[Path, Path]) -> None:
    largest = max(read_manifest(releases[0]), key=lambda entry: entry.size)
    with pytest.raises(ReleaseError, match="larger than the Hub takes") as caught:
        planned(Limits(file_bytes=largest.size - 1))
    assert caught.value.where == largest.path
    assert "--max-shard-size" in str(caught.value.fix)
    assert planned(Limits(file_bytes=largest.size)).notes == ()
    assert any("larger than" in note for note in planned(Limits(advised_bytes=largest.size - 1)).notes)


def test_a_folder_with_too_many_files_is_refused(planned: Any) -> None:
    with pytest.raises(ReleaseError, match="more files than the Hub takes"):
        planned(Limits(folder_files=5))


def test_what_takes_several_commits_is_said(planned: Any) -> None:
    plan = planned(Limits(commit_files=30, hourly_commits=2))
    assert len(plan.batches) == 3
    assert "data that nothing names yet goes ahead" in str(plan)
    assert "take hours" in str(plan)
    assert "at most 50 a repository" in str(planned(Limits(files=50)))


def test_what_is_replaced_changes_at_once_however_much_it_is(
    planned: Any, releases: tuple[Path, Path]
) -> None:
    manifest = (releases[0] / layout.MANIFEST).read_bytes()
    other = {entry.path: replace(entry, sha256="0" * 64) for entry in read_manifest(releases[0])}
    standing = Standing(
        "1" * 40, {**other, layout.MANIFEST: FileEntry(layout.MANIFEST, 1, "0" * 64)}, manifest
    )
    plan = planned(Limits(commit_files=30), standing)
    assert len(plan.batches) == 1
    assert len(plan.replaced) == len(other) + 1
    assert "larger than the Hub advises" in str(plan)


def test_a_card_that_the_hub_does_not_accept_is_found_before_anything_is_sent(
    publisher: Any, rough_release: Any, tmp_path: Path
) -> None:
    folder = rough_release(tmp_path / "release", [100_000])
    card = b"---\nconfigs: [\n---\n"
    (folder / layout.CARD).write_bytes(card)
    entries = [entry for entry in read_manifest(folder) if entry.path != layout.CARD]
    changed = FileEntry(layout.CARD, len(card), sha256_bytes(card))
    (folder / layout.MANIFEST).write_bytes(dump_manifest([*entries, changed]))
    process = publisher.python(_JUST_PUBLISH, folder, "owner/badcard")
    assert "does not accept the card" in process.communicate(timeout=200)[1]
    assert not publisher.api.repo_exists("owner/badcard", repo_type="dataset")


def test_a_hub_that_cleared_away_what_was_sent_gets_it_again(
    publisher: Any, rough_release: Any, hashes: Any, tmp_path: Path
) -> None:
    folder = rough_release(tmp_path / "release", [100_000, 200_000])
    with staging_server.staging(tmp_path / "hub") as hub:
        publisher.hub = hub
        hub.faults({"action": "status", "status": 507, "match": "POST .*/commit/"})
        process = publisher.python(_JUST_PUBLISH, folder, "owner/cleared", xet=False)
        assert "disk is full" in process.communicate(timeout=200)[1]
        hub.stop()
        for path in (tmp_path / "hub").rglob("*"):
            if path.is_file() and path.stat().st_size in (100_000, 200_000):
                path.unlink()
        hub.start()
        process = publisher.python(_JUST_PUBLISH, folder, "owner/cleared", xet=False)
        assert "refused" in process.communicate(timeout=200)[1]
        process = publisher.python(_JUST_PUBLISH, folder, "owner/cleared", xet=False)
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
        assert publisher.tree("owner/cleared") == hashes(folder)
        assert len(publisher.history("owner/cleared")) == 1
