"""Repair: what is broken is fetched from where the release came from, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sparkle.builders.release.manifest import list_files
from sparkle.builders.release.tar import list_tar
from sparkle.hub.verify.levels import verify_release
from sparkle.hub.verify.report import CONSISTENCY, INTEGRITY, RESHARD, VerifyOptions, VerifyReport
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

TAR = "location_edited_video_part00.tar"


def repair(folder: Path, origin: Path, said: list[str] | None = None) -> VerifyReport:
    levels = (INTEGRITY, CONSISTENCY, RESHARD)
    say = (said if said is not None else []).append
    return verify_release(folder, VerifyOptions(levels=levels, origin=str(origin), workers=1, say=say))


def same(one: Path, other: Path) -> bool:
    return list_files(one) == list_files(other) and all(
        (one / path).read_bytes() == (other / path).read_bytes() for path in list_files(one)
    )


def test_a_broken_member_is_all_that_is_fetched(
    release: Path, whole: Path, flip: Callable[[Path, int], None]
) -> None:
    [first, *_] = list_tar(whole / TAR)
    flip(release / TAR, first.offset + 20)
    report = repair(release, whole)
    assert report.ok
    assert [(found.path, found.members, found.fetched) for found in report.repaired] == [(TAR, 1, first.size)]
    assert same(release, whole)


def test_a_broken_header_or_padding_costs_nothing(
    release: Path, whole: Path, flip: Callable[[Path, int], None]
) -> None:
    flip(release / TAR, 130)
    flip(release / TAR, -1)
    report = repair(release, whole)
    assert [(found.members, found.fetched) for found in report.repaired] == [(0, 0)]
    assert same(release, whole)


def test_a_tar_that_was_cut_gets_its_lost_members_in_one_request(release: Path, whole: Path) -> None:
    members = list(list_tar(whole / TAR))
    os.truncate(release / TAR, members[1].offset + 10)
    report = repair(release, whole)
    [found] = report.repaired
    assert found.members == len(members) - 1
    assert found.fetched == members[-1].offset + members[-1].size - members[1].offset
    assert same(release, whole)


def test_missing_and_changed_files_are_fetched_whole(
    release: Path, whole: Path, flip: Callable[[Path, int], None]
) -> None:
    (release / layout.prompts_csv("location")).unlink()
    shutil.rmtree(release / "intermediate_data")
    flip(release / layout.data_parquet("location", 0, 2), 400)
    flip(release / TAR, 600)  # whose members only the mended table can tell
    assert repair(release, whole).ok
    assert same(release, whole)


def test_a_folder_without_a_manifest_gets_the_origins(release: Path, whole: Path) -> None:
    (release / layout.MANIFEST).unlink()
    assert repair(release, whole).ok
    assert same(release, whole)


def test_another_release_repairs_nothing(
    release: Path, whole: Path, before: Path, flip: Callable[[Path, int], None]
) -> None:
    flip(release / TAR, 600)
    broken = (release / TAR).read_bytes()
    with pytest.raises(ReleaseError, match="holds another release"):
        repair(release, before)
    assert (release / TAR).read_bytes() == broken


def test_an_edited_card_is_left_alone_and_said(release: Path, whole: Path) -> None:
    card = release / layout.CARD
    card.write_text(card.read_text("utf-8") + "\nMine.\n", "utf-8")
    said: list[str] = []
    report = repair(release, whole, said)
    assert card.read_text("utf-8").endswith("Mine.\n")
    assert [finding["file"] for finding in report.findings()] == [layout.CARD]
    assert any(layout.CARD in line and "delete it" in line for line in said)


def test_an_origin_that_is_broken_as_well_leaves_what_was_there(
    release: Path, whole: Path, tmp_path: Path, flip: Callable[[Path, int], None]
) -> None:
    origin = Path(shutil.copytree(whole, tmp_path / "origin"))
    for folder in (release, origin):
        flip(folder / TAR, 600)
    flip(release / "location_source_video_part00.tar", 600)
    broken = (release / TAR).read_bytes()
    said: list[str] = []
    report = repair(release, origin, said)
    assert (release / TAR).read_bytes() == broken
    assert {finding["file"] for finding in report.findings()} == {TAR}
    assert any("could not be mended" in line for line in said)
    assert not [path for path in list_files(release) if ".tmp-" in path]


def test_a_repair_that_is_killed_leaves_whole_files_and_goes_on(release: Path, whole: Path) -> None:
    """Killed inside the first write that it makes, again and again, a write later each time."""
    for path in release.glob("*_video_part*.tar"):
        os.truncate(path, 600)
    code = (
        "import os, signal, sys\n"
        "from sparkle import _files\n"
        "from sparkle.hub.verify.report import VerifyOptions\n"
        "from sparkle.hub.verify.levels import verify_release\n"
        "commit, left = _files.commit, int(sys.argv[3])\n"
        "def killed(temporary, target):\n"
        "    global left\n"
        "    left -= 1\n"
        "    if left < 0:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    commit(temporary, target)\n"
        "_files.commit = killed\n"
        "verify_release(sys.argv[1], VerifyOptions(levels=('integrity',), origin=sys.argv[2], workers=1))\n"
    )
    for left in (0, 1, 2):
        done = subprocess.run([sys.executable, "-c", code, release, whole, str(left)], check=False)
        assert done.returncode == -signal.SIGKILL
    report = repair(release, whole)
    assert report.ok
    assert report.repaired
    assert same(release, whole)


def test_the_command_says_what_it_fetched(
    release: Path, whole: Path, flip: Callable[[Path, int], None]
) -> None:
    flip(release / TAR, 700)
    code = "import sys; from sparkle.commands import hub; hub(sys.argv[1:])"
    words = ["verify", release, "--level", "integrity"]
    before = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert before.returncode == 1
    assert "--repair --from" in before.stdout
    words += ["--repair", "--from", whole, "--json"]
    after = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert after.returncode == 0, after.stderr
    said = json.loads(after.stdout)
    assert said["ok"] is True
    assert [found["path"] for found in said["repaired"]] == [TAR]
    alone = subprocess.run(
        [sys.executable, "-c", code, "verify", release, "--repair"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.returncode == 2
