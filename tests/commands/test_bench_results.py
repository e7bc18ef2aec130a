"""`sparkle bench check --results`: what is said of a model's edits, and what to type next."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.benches import write_bench, write_edits
from sparkle.builders.bench.results import mark_baseline
from sparkle.commands import main
from sparkle.schemas import layout

FIRST = "Sparkle_location_000000"


def check(bench: Path, results: Path, *words: str) -> Result:
    line = ["bench", "check", str(bench), "--results", str(results), "--workers", "1", *words]
    return CliRunner().invoke(main, line)


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path, dict[str, Path]]:
    """A bench, a folder of good edits, and the edits."""
    bench, results = tmp_path / "a bench", tmp_path / "results"
    return bench, results, write_edits(bench, results, write_bench(bench), rate=15)


def test_good_edits_are_fine_and_upstreams_habits_are_named(made: tuple[Path, Path, dict[str, Path]]):
    bench, results, _ = made
    done = check(bench, results)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "4 edits: 128x64 of 128x80, upstream's crop",
        "4 edits: 15 frames a second, not 16, as upstream's script writes",
        f"{results}: 4 of 4 edits can be judged",
    ]


def test_what_is_wrong_is_named_and_the_command_that_makes_it_runs(
    made: tuple[Path, Path, dict[str, Path]], tmp_path: Path
):
    bench, results, edits = made
    missing, empty, twin, twins = edits.values()
    missing.unlink()
    empty.write_bytes(b"")
    shutil.copyfile(twin, twins)
    done = check(bench, results, "--report", str(tmp_path / "report.jsonl"))
    assert done.exit_code == 1
    told, *_, summary, again = done.stdout.splitlines()
    assert told.startswith(f"{missing} | there is no edit of it")
    assert summary == f"{results}: 2 of 4 edits can be judged (1 missing, 1 unusable, 2 suspect)"
    reported = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert [Path(finding["file"]) for finding in reported] == [missing, empty, twin, twins]
    command, _, out = again.partition(": ")[2].partition(" > ")
    assert out == "jobs.jsonl"
    listed = CliRunner().invoke(main, shlex.split(command)[1:]).stdout.splitlines()
    assert [json.loads(line)["out"] for line in listed] == [str(missing), str(empty)]


def test_the_json_has_the_same(made: tuple[Path, Path, dict[str, Path]]):
    bench, results, edits = made
    edits[FIRST].unlink()
    told = json.loads(check(bench, results, "--json").stdout)
    assert told["count"] == len(told["findings"]) == 1
    assert told["edits"] == {"ok": 3, "missing": 1, "unusable": 0, "suspect": 0}
    assert told["make"].startswith("sparkle bench jobs ")


def test_a_baseline_is_made_again_by_its_own_command_and_is_of_one_bench(
    made: tuple[Path, Path, dict[str, Path]], tmp_path: Path
):
    bench, _, _ = made
    results = tmp_path / "all" / "source"
    mark_baseline(results, "source", "0" * 64)
    done = check(bench, results)
    assert "a baseline of another bench, or of another revision" in done.stdout
    wanted = shlex.join(["sparkle", "bench", "baselines", str(bench), "--out", str(results.parent)])
    assert done.stdout.splitlines()[-1].endswith(f"{wanted} --only source")


def test_an_edit_that_is_its_source_is_suspect_but_in_the_baseline(
    made: tuple[Path, Path, dict[str, Path]],
):
    bench, results, edits = made
    shutil.copyfile(bench / layout.bench_source("location", FIRST), edits[FIRST])
    assert "nothing was edited" in check(bench, results).stdout
    mark = results / layout.BASELINE
    mark.write_text(json.dumps({"baseline": "source", "revision": "0" * 64}))
    assert "nothing was edited" not in check(bench, results).stdout
    mark.write_text("{}")
    done = check(bench, results)
    assert done.exit_code == 2
    assert "the mark of a baseline cannot be read" in done.output


def test_it_is_one_or_the_other(made: tuple[Path, Path, dict[str, Path]]):
    bench, results, _ = made
    done = check(bench, results, "--train", "releases/demo")
    assert done.exit_code == 2
    assert "--results looks at edits" in done.output
