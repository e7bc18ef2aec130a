"""`sparkle verify`: a line a level, findings below, a report file, and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sparkle.commands import hub
from sparkle.schemas import layout

TAR = "location_edited_video_part00.tar"
STILL = ("--level", "integrity", "--level", "consistency", "--level", "reshard")


def verify(*words: object) -> Result:
    return CliRunner().invoke(hub, ["verify", *map(str, words), "--workers", "1"])


def test_a_whole_release_gets_a_line_a_level_and_exit_code_0(whole: Path) -> None:
    result = verify(whole, *STILL)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    for line, level in zip(lines, ("integrity", "consistency", "reshard"), strict=False):
        assert line.split()[:2] == [level, "proved"]
        assert " files, " in line
        assert " bytes, " in line
        assert " s: " in line
    assert lines[-1] == f"{whole}: nothing wrong"


def test_findings_say_what_to_do_and_all_of_them_are_in_the_report(
    release: Path, flip: Callable[[Path, int], None], tmp_path: Path
) -> None:
    flip(release / TAR, 700)
    for number in range(60):
        (release / f"extra{number:02d}.txt").write_text("not ours")
    report = tmp_path / "findings.jsonl"
    result = verify(release, "--level", "integrity", "--report", report)
    assert result.exit_code == 1
    assert f"... and 11 more; all are in {report}" in result.stdout
    assert "--repair --from" in result.stdout
    assert f"{release}: 61 findings" in result.stdout
    lines = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    assert len(lines) == 61
    assert all(line["level"] == "integrity" for line in lines)
    assert [line["file"] for line in lines] == sorted(line["file"] for line in lines)
    [changed] = [line for line in lines if line["file"] == TAR]
    assert len(changed["got"]) == len(changed["wanted"]) == 64


def test_an_edited_card_is_told_with_what_to_do(release: Path) -> None:
    with (release / layout.CARD).open("a") as card:
        card.write("\nA paragraph.\n")
    result = verify(release, *STILL)
    assert result.exit_code == 1
    assert f"integrity: {layout.CARD}" in result.stdout
    assert "On purpose (a paragraph in the card)?" in result.stdout
    assert "consistency  proved" in result.stdout


def test_json_is_one_object_with_the_first_findings(release: Path) -> None:
    (release / "extra.txt").write_text("not ours")
    result = verify(release, "--level", "integrity", "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert (said["ok"], said["count"], len(said["findings"])) == (False, 1, 1)
    assert said["levels"][0]["status"] == "wrong"


@pytest.mark.parametrize(
    "words", [("--repair",), ("--from", "me/sparkle"), ("--level", "all"), ("--sample", "0")]
)
def test_wrong_usage_is_exit_code_2(whole: Path, words: tuple[str, ...]) -> None:
    assert verify(whole, *words).exit_code == 2


def test_what_is_no_release_is_an_error_with_the_next_command(tmp_path: Path) -> None:
    result = verify(tmp_path)
    assert result.exit_code == 2
    assert "not a release" in result.stderr
    assert "sparkle build" in result.stderr
