"""`sparkle takedown` on a folder: what it says, and its exit codes."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sparkle.commands import hub, main

ID = "Sparkle_location_000003"
Files = Callable[[Path], dict[str, bytes]]


def run(*words: object) -> Result:
    return CliRunner().invoke(hub, ["takedown", *map(str, words)])


def test_it_says_what_it_does_and_what_else_has_the_source(release: Path) -> None:
    done = run(release, "--id", ID)
    assert done.exit_code == 0
    assert "1 pair removed" in done.stdout
    assert "to take down: 1 pair (1 of location)" in done.stderr
    assert "2 other pairs of the same sources will stay" in done.stderr


def test_what_is_to_be_done_next_works_when_it_is_pasted(release: Path) -> None:
    folder = release.rename(release.with_name("my release"))
    (told,) = [line for line in run(folder, "--id", ID).stdout.splitlines() if line.startswith("next: ")]
    name, *words = shlex.split(told.removeprefix("next: "))
    done = CliRunner().invoke(main, words)
    assert (name, done.exit_code) == ("sparkle", 0), done.output


def test_the_answer_for_machines_has_every_id(release: Path, shared_source: str) -> None:
    answer = json.loads(run(release, "--source", shared_source, "--json").stdout)
    assert answer["ids"] == [ID, "Sparkle_location_000012", "Sparkle_season_000000"]
    assert answer["cost"]["samples"] == {"location": 2, "season": 1}
    assert set(answer["changed"]) >= {"manifest.json", "CHANGELOG.md", "prompts/season_train.csv"}


def test_tags_of_a_published_folder_that_still_show_it_are_named(release: Path) -> None:
    tag = release.with_name("release@v1.0")
    shutil.copytree(release, tag)
    done = run(release, "--id", ID)
    assert f"note: {tag} still contains them" in done.stderr
    assert run(tag, "--id", ID).exit_code == 0
    assert json.loads(run(release, "--id", ID, "--json").stdout)["shown_by"] == []


def test_a_dry_run_changes_nothing(release: Path, files: Files) -> None:
    before = files(release.parent)
    done = run(release, "--id", ID, "--dry-run")
    assert (done.exit_code, files(release.parent)) == (0, before)
    assert "nothing was changed" in done.stdout


def test_the_second_time_is_no_error(release: Path) -> None:
    assert run(release, "--id", ID).exit_code == 0
    done = run(release, "--id", ID)
    assert (done.exit_code, "nothing to remove" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "name what to remove"),
        (["--id", ID, "--purge-history", "--yes"], 2, "a folder keeps no history"),
        (["--id", "Sparkle_style_000000"], 2, "no such id"),
    ],
)
def test_wrong_usage_and_a_wrong_id_are_2(release: Path, words: list[str], code: int, told: str) -> None:
    done = run(release, *words)
    assert (done.exit_code, told in done.stderr) == (code, True)
