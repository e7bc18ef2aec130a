"""Publishing to a Hub: what is there then, what is sent again, what becomes visible, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sparkle.builders.release.manifest import dump_manifest, read_manifest
from sparkle.schemas import layout

pytestmark = pytest.mark.slow

_LOAD = """
import json, sys, datasets
rows = datasets.load_dataset(sys.argv[1], "location", split="train", revision=sys.argv[2])
streamed = datasets.load_dataset(sys.argv[1], "location", split="train", revision=sys.argv[2], streaming=True)
print(json.dumps([rows["task"][:], [row["task"] for row in streamed]]))
"""


@pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])
def test_a_release_is_published_once_and_revised(
    publisher: Any, releases: tuple[Path, Path], hashes: Any, xet: bool
) -> None:
    repo = f"owner/whole-{xet}"
    before, after = releases
    said = publisher.run(before, repo, "--tag", "v1.0", xet=xet)
    assert publisher.tree(repo) == hashes(before)
    assert (said["commits"], said["replaced"], said["deleted"]) == (1, [], [])

    publisher.hub.reset_counters()
    said = publisher.run(before, repo, "--tag", "v1.0", xet=xet)
    counted = publisher.hub.counters()
    assert (said["commits"], said["sent"]) == (0, 0)
    assert counted["bytes_in"] < 100  # questions only
    assert not counted["requests"].keys() & {"commit", "preupload", "create_tag"}

    said = publisher.run(after, repo, "--tag", "v2.0", xet=xet)
    assert publisher.tree(repo) == hashes(after)
    assert publisher.tree(repo, "v1.0") == hashes(before)
    assert publisher.tree(repo, "v2.0") == hashes(after)
    old, new = hashes(before), hashes(after)
    assert set(said["replaced"]) == {path for path in new if path in old and old[path] != new[path]}
    assert set(said["new"]) == new.keys() - old.keys()
    assert set(said["deleted"]) == old.keys() - new.keys()
    assert [publisher.whole_at(repo, commit) for commit in publisher.history(repo)] == [True, True]


def test_stock_datasets_reads_what_was_published(publisher: Any, releases: tuple[Path, Path]) -> None:
    publisher.run(releases[0], "owner/loaded", "--tag", "v1.0")
    process = publisher.python(_LOAD, "owner/loaded", "v1.0")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    mapped, streamed = json.loads(out)
    assert mapped == streamed == [f"Sparkle_location_{index:06d}" for index in (0, 3, 6, 9, 12)]


def test_a_plan_sends_nothing(publisher: Any, releases: tuple[Path, Path]) -> None:
    publisher.hub.reset_counters()
    said = publisher.run(releases[0], "owner/planned", "--dry-run", "--tag", "v1.0")
    assert len(said["new"]) == len(read_manifest(releases[0])) + 1
    assert (said["head"], said["commits"], said["dry_run"]) == (None, 1, True)
    assert publisher.hub.counters()["bytes_in"] == 0
    assert not publisher.api.repo_exists("owner/planned", repo_type="dataset")


@pytest.mark.parametrize("option", ["--tag", "--revision"])
@pytest.mark.parametrize("name", ["v 1", "", "a..b", "x.lock", "-v1"])
def test_a_name_that_git_does_not_take_is_refused_before_anything_is_sent(
    publisher: Any, releases: tuple[Path, Path], option: str, name: str
) -> None:
    publisher.hub.reset_counters()
    told = publisher.refused(releases[0], "owner/named", f"{option}={name}")
    assert told["problem"] == f"{option} is not a name that a branch or a tag may have"
    assert publisher.hub.counters()["requests"] == {}


def test_what_was_published_is_named_as_it_is_verified(publisher: Any, releases: tuple[Path, Path]) -> None:
    said = publisher.run(releases[0], "owner/named", "--tag", "v1.0")
    assert said["address"] == f"{publisher.hub.url}/datasets/owner/named"


def test_a_branch_is_made_and_leaves_the_main_one_alone(
    publisher: Any, releases: tuple[Path, Path], hashes: Any
) -> None:
    publisher.run(releases[0], "owner/branched")
    publisher.run(releases[1], "owner/branched", "--revision", "next")
    assert publisher.tree("owner/branched") == hashes(releases[0])
    assert publisher.tree("owner/branched", "next") == hashes(releases[1])


def test_files_that_are_no_part_of_a_release_stay(
    publisher: Any, releases: tuple[Path, Path], hashes: Any
) -> None:
    publisher.run(releases[0], "owner/notes")
    publisher.api.upload_file(
        path_or_fileobj=b"ours", path_in_repo="notes/more.txt", repo_id="owner/notes", repo_type="dataset"
    )
    said = publisher.run(releases[1], "owner/notes")
    assert said["others"] == ["notes/more.txt"]
    tree = publisher.tree("owner/notes")
    assert tree.pop("notes/more.txt")
    assert tree == hashes(releases[1])


def test_entries_that_only_the_hub_has_are_taken_as_they_stand_there(
    publisher: Any, before: Path, hashes: Any
) -> None:
    repo = "owner/partly"
    publisher.run(before, repo)
    wanted = hashes(before)
    kept = {layout.MANIFEST, layout.CARD}
    for path in wanted.keys() - kept:
        (before / path).unlink()
    card = (before / layout.CARD).read_bytes() + b"One more line.\n"
    (before / layout.CARD).write_bytes(card)
    entries = [entry for entry in read_manifest(before) if entry.path != layout.CARD]
    changed = type(entries[0])(layout.CARD, len(card), hashes(before)[layout.CARD])
    (before / layout.MANIFEST).write_bytes(dump_manifest([*entries, changed]))
    code = """
import sys
from pathlib import Path
from sparkle.hub.publish.publishing import PublishOptions, publish_release
from sparkle.hub.targets.opening import open_target
publish_release(Path(sys.argv[1]), open_target(sys.argv[2], "hub"), PublishOptions(check=False))
"""
    process = publisher.python(code, before, repo)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert publisher.tree(repo) == {**wanted, **hashes(before)}

    (before / layout.MANIFEST).write_bytes(
        dump_manifest([*entries[1:], changed, type(changed)(entries[0].path, entries[0].size, "0" * 64)])
    )
    process = publisher.python(code, before, repo)
    _, err = process.communicate(timeout=200)
    assert "neither here nor there" in err


def test_another_dataset_is_left_alone(publisher: Any, releases: tuple[Path, Path]) -> None:
    repo = "owner/foreign"
    publisher.api.create_repo(repo, repo_type="dataset")
    publisher.api.upload_file(
        path_or_fileobj=b"a,b\n", path_in_repo="data.csv", repo_id=repo, repo_type="dataset"
    )
    history = publisher.history(repo)
    error = publisher.refused(releases[0], repo)
    assert "something else stands there" in error["problem"]
    assert error["got"] == "data.csv"
    publisher.api.upload_file(
        path_or_fileobj=b'{"files": []}', path_in_repo="manifest.json", repo_id=repo, repo_type="dataset"
    )
    assert "another kind" in publisher.refused(releases[0], repo)["got"]
    assert publisher.history(repo)[:1] == history
    assert "data.csv" in publisher.tree(repo)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("card", "goes"),
    [
        ("---\nlicense: mit\n---\n", True),
        ("---\nlicense: mit\n---\n# Ours\nAsk Ann.\n", False),
    ],
)
def test_only_a_card_that_says_nothing_is_published_over(
    publisher: Any, releases: tuple[Path, Path], card: str, goes: bool
) -> None:
    """A repository that is made on a Hub's page begins with a card of its licence."""
    repo = f"owner/carded-{len(card)}"
    publisher.api.create_repo(repo, repo_type="dataset")
    publisher.api.upload_file(
        path_or_fileobj=card.encode(), path_in_repo=layout.CARD, repo_id=repo, repo_type="dataset"
    )
    if goes:
        publisher.run(releases[0], repo)
        assert publisher.read(repo, layout.CARD, "main") == (releases[0] / layout.CARD).read_bytes()
        return
    error = publisher.refused(releases[0], repo)
    assert "somebody wrote a card there" in error["problem"]
    assert error["got"] == card.splitlines()[-1]
    assert publisher.read(repo, layout.CARD, "main") == card.encode()


def test_who_may_not_write_is_told_before_anything_is_sent(
    publisher: Any, releases: tuple[Path, Path]
) -> None:
    publisher.hub.reset_counters()
    error = publisher.refused(releases[0], "owner/none", token="")
    assert "needs a token" in error["problem"]
    assert "hf auth login" in error["fix"]
    assert (
        "only read" in publisher.refused(releases[0], "owner/none", token=publisher.hub.read_token)["problem"]
    )
    wrong = publisher.refused(releases[0], "owner/none", token="hf_wrongwrongwrong")  # noqa: S106
    assert "does not know this token" in wrong["problem"]
    assert "hf_wrong" not in json.dumps(wrong)
    assert publisher.hub.counters()["bytes_in"] == 0


def test_what_should_be_private_is_not_published_where_everybody_sees_it(
    publisher: Any, releases: tuple[Path, Path]
) -> None:
    publisher.api.create_repo("owner/public", repo_type="dataset", private=False)
    assert "public" in publisher.refused(releases[0], "owner/public", "--private")["problem"]
    publisher.run(releases[0], "owner/secret", "--private")
    assert publisher.api.repo_info("owner/secret", repo_type="dataset").private


def test_names_that_are_none_are_refused(publisher: Any, releases: tuple[Path, Path]) -> None:
    assert "not the name" in publisher.refused(releases[0], "no-owner")["problem"]
    assert "not the name" in publisher.refused(releases[0], "owner/../etc", "--remote", "hub")["problem"]
    publisher.run(releases[0], "owner/tagged", "--tag", "v1.0")
    assert "stays as it is" in publisher.refused(releases[1], "owner/tagged", "--revision", "v1.0")["problem"]
    assert "tag is taken" in publisher.refused(releases[1], "owner/tagged", "--tag", "v1.0")["problem"]
    assert len(publisher.history("owner/tagged")) == 1


def test_a_file_that_the_repository_would_ignore_is_refused(
    publisher: Any, releases: tuple[Path, Path]
) -> None:
    repo = "owner/ignoring"
    publisher.run(releases[0], repo)
    publisher.api.upload_file(
        path_or_fileobj=b"*.tar\n", path_in_repo=".gitignore", repo_id=repo, repo_type="dataset"
    )
    assert ".gitignore" in publisher.refused(releases[1], repo)["problem"]
    assert publisher.whole_at(repo, "main")


def test_a_broken_release_is_not_sent(publisher: Any, before: Path) -> None:
    publisher.hub.reset_counters()
    tar = before / layout.SOURCE_VIDEO.shard("location", 0)
    tar.write_bytes(tar.read_bytes()[:-1])
    assert "not whole" in publisher.refused(before, "owner/broken")["problem"]
    shutil.rmtree(before)
    before.mkdir()
    assert "not a release" in publisher.refused(before, "owner/broken")["problem"]
    assert publisher.hub.counters()["bytes_in"] == 0


def test_a_flipped_bit_in_a_shard_is_found_while_it_is_sent(publisher: Any, before: Path) -> None:
    tar = before / layout.SOURCE_VIDEO.shard("location", 0)
    data = bytearray(tar.read_bytes())
    data[700] ^= 1  # inside the first member: headers and sizes are as they were
    tar.write_bytes(data)
    assert "not what the manifest says" in publisher.refused(before, "owner/flipped")["problem"]
    assert publisher.history("owner/flipped") == []
