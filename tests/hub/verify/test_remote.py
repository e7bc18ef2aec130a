"""A release on a staging hub, verified by the command in a process of its own; the server counts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import staging_server
from sparkle.builders.release.tar import list_tar
from sparkle.schemas import layout

pytestmark = pytest.mark.slow

REPO = "me/sparkle"
TAR = "location_edited_video_part00.tar"
COMMAND = "import sys; from sparkle.commands import hub; hub(sys.argv[1:])"
UPLOAD = """
import sys
from huggingface_hub import HfApi
api = HfApi()
api.create_repo(sys.argv[1], repo_type="dataset", exist_ok=True)
api.upload_folder(repo_id=sys.argv[1], folder_path=sys.argv[2], repo_type="dataset")
"""


class Hub:
    """A staging hub with a fresh client: uploads by the stock client, verifies by our command."""

    def __init__(self, server: Any, home: Path) -> None:
        self.server = server
        self.home = home

    def upload(self, repo: str, folder: Path) -> None:
        self.server.python(UPLOAD, self.home / "uploads", repo, folder)

    def verify(self, *words: object) -> tuple[int, dict[str, Any], int]:
        """Exit code, answer, and bytes that the server sent, asked by a client that has nothing yet."""
        home = self.home / "verify"
        shutil.rmtree(home, ignore_errors=True)
        self.server.reset_counters()
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, "verify", *map(str, words), "--json"],
            capture_output=True,
            text=True,
            env=self.server.env(home, token=self.server.read_token),
            check=False,
        )
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout), self.server.counters()["bytes_out"]


@pytest.fixture(scope="module")
def hub(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub that has the release."""
    folder = tmp_path_factory.mktemp("hub")
    with staging_server.staging(folder / "root") as server:
        found = Hub(server, folder)
        found.upload(REPO, whole)
        yield found


def spoilt(hub: Hub, name: str, folder: Path) -> str:
    hub.upload(f"me/{name}", folder)
    return f"me/{name}"


def files(answer: dict[str, Any]) -> set[str]:
    return {finding["file"] for finding in answer["findings"]}


def test_a_release_on_a_hub_is_proved_without_its_tars(hub: Hub, whole: Path) -> None:
    code, answer, sent = hub.verify(REPO, "--level", "integrity")
    assert code == 0, answer
    [level] = answer["levels"]
    assert level["status"] == "proved"
    listed = json.loads((whole / layout.MANIFEST).read_bytes())["files"]
    assert level["files"] == len(listed)
    assert level["bytes"] == sum(entry["size"] for entry in listed)
    assert level["downloaded"] == (whole / layout.MANIFEST).stat().st_size
    assert hub.server.counters()["requests"].get("resolve", 0) <= 2  # asked about and fetched
    assert sent < 2 * level["downloaded"] + 30_000  # with the tree
    assert len(answer["commit"]) == 40


def test_a_manifest_without_git_hashes_makes_text_be_fetched(hub: Hub, release: Path) -> None:
    path = release / layout.MANIFEST
    document = json.loads(path.read_bytes())
    text = sum(entry["size"] for entry in document["files"] if entry.pop("git_sha1", None))
    path.write_text(json.dumps(document))
    code, answer, _ = hub.verify(spoilt(hub, "older", release), "--level", "integrity")
    assert code == 0, answer
    assert answer["levels"][0]["downloaded"] == text + path.stat().st_size


def test_every_level_but_replay_works_on_a_hub(hub: Hub) -> None:
    words = [word for level in ("consistency", "reshard", "consumers") for word in ("--level", level)]
    code, answer, _ = hub.verify(f"{REPO}@main", *words, "--sample", "1")
    assert (code, answer["findings"]) == (0, [])
    assert [level["status"] for level in answer["levels"]] == ["proved"] * 3


def test_what_was_changed_on_the_hub_is_found_by_its_hashes(
    hub: Hub, release: Path, flip: Callable[[Path, int], None]
) -> None:
    flip(release / TAR, 700)
    (release / "extra.txt").write_text("not ours")
    (release / layout.prompts_csv("location")).unlink()
    card = release / layout.CARD
    card.write_text(card.read_text("utf-8") + "\nA paragraph.\n", "utf-8")
    code, answer, _ = hub.verify(spoilt(hub, "spoilt", release), "--level", "integrity")
    assert code == 1
    assert files(answer) == {TAR, "extra.txt", layout.prompts_csv("location"), layout.CARD}


def test_a_streamed_tar_is_checked_to_the_bit_though_the_manifest_agrees(
    hub: Hub, release: Path, flip: Callable[[Path, int], None], rehash: Callable[[Path], None]
) -> None:
    flip(release / TAR, 700)
    rehash(release)
    repo = spoilt(hub, "agrees", release)
    words = [word for level in ("integrity", "consistency", "reshard") for word in ("--level", level)]
    code, answer, _ = hub.verify(repo, *words)
    assert code == 1
    assert {(finding["level"], finding["file"]) for finding in answer["findings"]} == {
        ("consistency", TAR),
        ("reshard", TAR),
    }


def test_replay_takes_the_artifacts_of_its_samples_alone(hub: Hub) -> None:
    """These were drawn, not made: replay must say so, and fetch a sample's own bytes."""
    code, answer, _ = hub.verify(REPO, "--level", "replay", "--sample", "1")
    assert code == 1
    assert any("is the first that" in finding["problem"] for finding in answer["findings"])
    assert answer["levels"][0]["samples"] == 1


def test_a_folder_is_repaired_by_ranges_of_a_hub(
    hub: Hub, release: Path, whole: Path, flip: Callable[[Path, int], None]
) -> None:
    [first, *_] = list_tar(whole / TAR)
    flip(release / TAR, first.offset + 9)
    code, answer, _ = hub.verify(release, "--level", "integrity", "--repair", "--from", REPO)
    assert code == 0, answer
    assert answer["repaired"] == [{"path": TAR, "members": 1, "fetched": first.size}]
    assert (release / TAR).read_bytes() == (whole / TAR).read_bytes()
    assert hub.server.counters()["bytes_out_by_kind"]["blob"] == first.size  # of all large files


def test_a_busy_hub_is_waited_for(hub: Hub, release: Path, flip: Callable[[Path, int], None]) -> None:
    flip(release / TAR, 600)
    hub.server.faults({"every": 3, "action": "status", "status": 503, "retry_after": 1})
    try:
        code, answer, _ = hub.verify(release, "--level", "integrity", "--repair", "--from", REPO)
    finally:
        hub.server.faults()
    assert code == 0, answer


def test_a_repository_that_is_not_there_is_said(hub: Hub) -> None:
    code, answer, _ = hub.verify("me/nothing")
    assert code == 2
    assert "no dataset repository of this name" in answer["error"]["problem"]
