"""`sparkle validate`: what it prints, writes and answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.commands.validate import validate
from sparkle.schemas.validate import Finding


@pytest.fixture
def release(whole_release: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_release, tmp_path / "release"))


def clutter(release: Path, files: int) -> None:
    for number in range(files):
        (release / f"extra{number:03d}.txt").write_text("mine")


def test_a_whole_release_is_said_to_be_whole(whole_release: Path) -> None:
    done = CliRunner().invoke(validate, [str(whole_release)])
    assert done.exit_code == 0
    assert "whole" in done.stdout
    as_json = CliRunner().invoke(validate, [str(whole_release), "--json"])
    answer = json.loads(as_json.stdout)
    assert (answer["findings"], answer["count"]) == ([], 0)


def test_findings_are_printed_and_the_exit_code_is_1(release: Path) -> None:
    clutter(release, 1)
    done = CliRunner().invoke(validate, [str(release)])
    assert done.exit_code == 1
    assert done.stdout.startswith("extra000.txt | the manifest does not list this file")
    as_json = CliRunner().invoke(validate, [str(release), "--json"])
    assert as_json.exit_code == 1
    assert [finding["file"] for finding in json.loads(as_json.stdout)["findings"]] == ["extra000.txt"]


def test_fifty_findings_are_printed_and_all_are_in_the_report(release: Path, tmp_path: Path) -> None:
    clutter(release, 60)
    report = tmp_path / "reports/findings.jsonl"
    done = CliRunner().invoke(validate, [str(release), "--report", str(report)])
    assert done.exit_code == 1
    assert done.stdout.count("the manifest does not list") == 50
    assert f"10 more; all are in {report}" in done.stdout
    found = [Finding(**json.loads(line)) for line in report.read_text("utf-8").splitlines()]
    assert found == list(check_release(release).findings)
    assert len(found) == 60
    as_json = json.loads(CliRunner().invoke(validate, [str(release), "--json"]).stdout)
    assert (len(as_json["findings"]), as_json["count"]) == (50, 60)


def test_a_report_without_findings_is_empty(whole_release: Path, tmp_path: Path) -> None:
    report = tmp_path / "findings.jsonl"
    assert CliRunner().invoke(validate, [str(whole_release), "--report", str(report)]).exit_code == 0
    assert report.read_bytes() == b""


@pytest.mark.parametrize(("words", "code"), [(["--quick"], 0), ([], 1), (["--media", "sample"], 1)])
def test_a_quick_check_reads_no_contents(release: Path, words: list[str], code: int) -> None:
    tar = release / "location_edited_video_part00.tar"
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    assert CliRunner().invoke(validate, [str(release), *words]).exit_code == code


@pytest.mark.parametrize("words", [[], ["x", "--media", "some"], ["x", "--workers", "0"]])
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    assert CliRunner().invoke(validate, words).exit_code == 2


def test_what_is_no_release_is_exit_code_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(validate, [str(tmp_path)])
    assert done.exit_code == 2
    assert "not a release" in done.stderr


@pytest.mark.slow
def test_findings_do_not_depend_on_the_number_of_processes(release: Path) -> None:
    clutter(release, 2)
    for name in ("prompts/location_train.csv", "intermediate_data/location/foreground_grounding_r2.jsonl"):
        path = release / name
        path.write_bytes(path.read_bytes().replace(b"rooftop", b"beach").replace(b"[250", b"[999", 2))
    alone, together = (check_release(release, options=CheckOptions(workers=workers)) for workers in (1, 3))
    assert alone == together
    assert len(alone.findings) > 10
