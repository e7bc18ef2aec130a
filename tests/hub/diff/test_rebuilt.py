"""A release built, ten ids excluded, rebuilt: only the touched shards differ, and `diff` says just that."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from harness import factories
from sparkle.commands import hub
from sparkle.commands.build import build
from sparkle.schemas.layout import KINDS

SAMPLES, EXCLUDED = 24, 10


Answer = tuple[Path, Path, dict[str, Any]]


def run_command(command: Any, *words: object) -> str:
    done = CliRunner().invoke(command, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    folder = tmp_path_factory.mktemp("rebuilt")
    specs = factories.specs("location", SAMPLES)
    run, release, before = (folder / name for name in ("run", "release", "before"))
    factories.write_run(run, specs)
    options = ("--out", release, "--max-shard-size", "12kB", "--preview", 1)
    run_command(build, run, *options)
    shutil.copytree(release, before)
    (folder / "exclude.txt").write_text("".join(f"{spec.id}\n" for spec in specs[4 : 4 + EXCLUDED]))
    run_command(build, run, *options, "--exclude", folder / "exclude.txt")
    return before, release, json.loads(run_command(hub, "diff", before, release, "--json"))


def shards_of(release: Path) -> dict[str, set[str]]:
    """Path of a shard -> the ids in it, by the release's table."""
    shards: dict[str, set[str]] = {}
    for row in pq.read_table(release / "data" / "location").to_pylist():
        for kind in KINDS:
            shards.setdefault(row[f"{kind.name}_shard"], set()).add(row["task"])
    return shards


def test_the_ten_pairs_are_removed_and_nothing_else(answer: Answer) -> None:
    (theme,) = answer[2]["themes"]
    assert theme["removed"] == [f"Sparkle_location_{3 * index:06d}" for index in range(4, 4 + EXCLUDED)]
    assert (theme["added"], theme["changed"]) == ([], {})
    assert (theme["before"], theme["after"]) == (SAMPLES, SAMPLES - EXCLUDED)


def test_exactly_the_shards_that_held_them_are_touched(answer: Answer) -> None:
    before, _, found = answer
    (theme,) = found["themes"]
    removed = set(theme["removed"])
    states = {shard["path"]: shard["state"] for shard in found["files"]["shards"]}
    for path, ids in shards_of(before).items():
        left = len(ids & removed)
        wanted = "untouched" if not left else "deleted" if left == len(ids) else "rewritten"
        assert states[path] == wanted
        if left:
            assert theme["shards"][path] == {"left": left, "entered": 0, "changed": 0}
    assert set(states.values()) == {"untouched", "deleted", "rewritten"}
    assert states.keys() == shards_of(before).keys()


def test_only_the_rewritten_shards_are_to_be_uploaded(answer: Answer) -> None:
    _, release, found = answer
    rewritten = [shard["path"] for shard in found["files"]["shards"] if shard["state"] == "rewritten"]
    sent = found["files"]["upload"]["shards"]
    assert sent == {
        "files": len(rewritten),
        "bytes": sum((release / path).stat().st_size for path in rewritten),
    }
    assert found["files"]["upload"]["loose files"] == {"files": 0, "bytes": 0}
