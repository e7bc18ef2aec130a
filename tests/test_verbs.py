"""The verbs from Python: the same as on a command line, and as strict about what they are given."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import sparkle
from harness import factories
from sparkle.commands import hub, main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples = [*factories.specs("location", 4), *factories.specs("season", 2)]
    samples[1] = replace(samples[1], scores={"video_score": 8.25})
    return factories.write_run(tmp_path_factory.mktemp("verbs") / "run", samples)


@pytest.fixture(scope="module")
def release(run: Path) -> Path:
    return sparkle.build(run, run.with_name("release"), preview=1).out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_build_has_the_bytes_that_the_command_gives(run: Path, tmp_path: Path) -> None:
    (tmp_path / "drop.txt").write_text("Sparkle_location_000000\n")
    words = ["--min", "edited_video=8.5", "--theme", "location", "--exclude", str(tmp_path / "drop.txt")]
    words += ["--max-shard-size", "20kB", "--preview", "1", "--webdataset"]
    done = CliRunner().invoke(main, ["build", str(run), "--out", str(tmp_path / "command"), *words])
    assert done.exit_code == 0, done.output
    made = sparkle.build(
        [run],
        tmp_path / "python",
        min_scores={"edited_video": 8.5},
        themes=["location"],
        exclude=["Sparkle_location_000000"],
        max_shard_size="20kB",
        preview=1,
        webdataset=True,
    )
    assert made.samples == {"location": 2}
    assert contents(tmp_path / "python") == contents(tmp_path / "command")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"max_shard_size": "big"}, "not a size"),
        ({"themes": ["winter"]}, "unknown theme"),
        ({"core": 0}, "invalid core"),
        ({"ids": ["cat.mp4"]}, "not a sample id"),
        ({"ids": {"Sparkle_style_000007": "ids.txt:3"}}, "an id that none of the runs has"),
        ({"webdataset": ["sound"]}, "invalid streams"),
        ({"webdataset": ["source_video", "source_video"]}, "invalid streams"),
    ],
)
def test_a_build_refuses_what_it_cannot_do(
    run: Path, tmp_path: Path, options: dict[str, object], problem: str
) -> None:
    with pytest.raises(sparkle.SparkleError, match=problem) as caught:
        sparkle.build(run, tmp_path / "out", **options)
    if "000007" in str(options):
        assert caught.value.where == "ids.txt:3"
    assert not (tmp_path / "out").exists()


def test_findings_are_returned_and_are_those_of_the_command(run: Path, tmp_path: Path) -> None:
    spoilt = sparkle.build(run, tmp_path / "release", preview=1).out
    (spoilt / "extra.txt").write_text("mine")
    report = sparkle.validate(spoilt)
    assert [finding.file for finding in report.findings] == ["extra.txt"]
    verified = sparkle.verify(spoilt, levels=["integrity"])
    assert not verified.ok
    for command, words in ((main, ["validate"]), (hub, ["verify", "--level", "integrity"])):
        done = CliRunner().invoke(command, [words[0], str(spoilt), *words[1:], "--json"])
        assert done.exit_code == 1
        assert [finding["file"] for finding in json.loads(done.stdout)["findings"]] == ["extra.txt"]


def test_a_level_that_does_not_exist_is_refused(release: Path) -> None:
    with pytest.raises(sparkle.ConfigError, match="unknown level"):
        sparkle.verify(release, levels=["integrity", "beauty"])


def test_a_publish_that_is_only_planned_sends_nothing(release: Path, tmp_path: Path) -> None:
    told: list[str] = []
    planned = sparkle.publish(release, tmp_path / "place", dry_run=True, say=told.append)
    assert planned.head is None
    assert "plan: " in told[0]
    assert not (tmp_path / "place").exists()
    done = sparkle.publish(release, tmp_path / "place", remote="folder")
    assert done.sent > 0
    assert sparkle.diff(release, tmp_path / "place").same


def test_a_pull_brings_what_was_chosen_and_refuses_too_much(release: Path, tmp_path: Path) -> None:
    with pytest.raises(sparkle.ReleaseError, match="more than --max-disk"):
        sparkle.pull(release, tmp_path / "out", max_disk="1kB")
    assert not (tmp_path / "out").exists()
    done = sparkle.pull(
        release, tmp_path / "out", ["location"], streams=["source_video"], max_scores={"edited_video": 8.5}
    )
    files = [path.name for path in (tmp_path / "out").rglob("*.mp4")]
    assert files == ["Sparkle_location_000003.mp4"]
    assert (done.pairs, done.files) == (1, 1)
