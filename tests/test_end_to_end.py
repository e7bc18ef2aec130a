"""Clips in, a release out that stock tools read: the whole way through the command line."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drawn_clips.synthetic import draw_clip
from sparkle.schemas.canonical import sha256_file

pytestmark = pytest.mark.slow

LOAD = """
import json, sys
from datasets import load_dataset
release = sys.argv[1]
rows = load_dataset(release, "location", split="train")
by_split = load_dataset(release, split="location")
first = next(iter(load_dataset(release, "location", split="train", streaming=True)))
few = load_dataset(release, "location", split="train", columns=["prompt", "task"])
score = sorted(rows["edited_video_score"])[-1]
best = load_dataset(release, "location", split="train", filters=[("edited_video_score", ">=", score)])
assert "sparkle" not in sys.modules
print(json.dumps({
    "rows": rows.num_rows, "by_split": by_split.num_rows, "first": first["task"],
    "columns": few.column_names, "best": best.num_rows, "preview": rows[0]["preview"]["bytes"][4:8].decode(),
    "upstream": rows.column_names[:4], "tasks": rows["task"][:],
}))
"""


def sparkle(*words: object) -> None:
    command = [sys.executable, "-m", "sparkle", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def tree(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with sources, a run of two shards and of the whole, and a release of the whole."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "sources").mkdir()
    for seed in range(2):
        draw_clip(folder / "sources" / f"clip {seed}.mp4", seed=seed, width=224, height=128, frames=33)
    generate = ["generate", "--sources", folder / "sources", "--workers", 1]
    sparkle(*generate, "--out", folder / "run")
    sparkle("build", folder / "run", "--out", folder / "release")
    return folder


def test_the_release_is_valid(workshop):
    sparkle("validate", workshop / "release")


def test_stock_datasets_reads_it_without_sparkle(workshop, tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "1",
    }
    command = [sys.executable, "-c", LOAD, str(workshop / "release")]
    result = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout.splitlines()[-1])
    assert said["rows"] == said["by_split"] == 2
    assert said["first"] == said["tasks"][0] == "Sparkle_location_000000"
    assert said["columns"] == ["prompt", "task"]
    assert said["upstream"] == ["prompt", "src_video", "tgt_video", "task"]
    assert said["best"] == 1
    assert said["preview"] == "ftyp"


def test_every_part_unpacks_to_the_paths_that_the_csv_names(workshop, tmp_path):
    for part in sorted((workshop / "release").rglob("*.tar")):
        subprocess.run(["tar", "-xf", part, "-C", tmp_path], check=True)
    with (workshop / "release" / "prompts" / "location_train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    for row in rows:
        for column in ("src_video", "tgt_video"):
            loose, packed = workshop / "release" / row[column], tmp_path / row[column]
            assert loose.read_bytes() == packed.read_bytes()


def test_a_build_is_a_function_of_the_run(workshop, tmp_path):
    sparkle("build", workshop / "run", "--out", tmp_path / "again")
    assert tree(tmp_path / "again") == tree(workshop / "release")
    sparkle("build", workshop / "run", "--out", tmp_path / "again")
    assert tree(tmp_path / "again") == tree(workshop / "release")


def test_shards_build_the_pairs_of_the_whole(workshop, tmp_path):
    runs = [tmp_path / f"run{index}" for index in (0, 1)]
    for index, run in enumerate(runs):
        shard = ["--shard", f"{index}/2", "--workers", 1]
        sparkle("generate", "--sources", workshop / "sources", "--out", run, *shard)
    sparkle("build", *runs, "--out", tmp_path / "release")
    whole, parts = tree(workshop / "release"), tree(tmp_path / "release")
    assert whole.keys() == parts.keys()
    # Only what tells of the runs themselves differs.
    assert {path for path in whole if whole[path] != parts[path]} <= {
        "README.md",
        "manifest.json",
        "provenance.json",
    }


def test_runs_whose_ids_collide_are_refused(workshop, tmp_path):
    shutil.copytree(workshop / "run", tmp_path / "other")
    command = [sys.executable, "-m", "sparkle", "build", workshop / "run", tmp_path / "other"]
    result = subprocess.run(
        [*map(str, command), "--out", str(tmp_path / "release")], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "Sparkle_location_000000" in result.stderr
    assert not (tmp_path / "release").exists()
