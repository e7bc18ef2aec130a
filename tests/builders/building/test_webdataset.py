"""Paired shards, as stock `webdataset`, stock `datasets` and GNU tar read them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.webdataset import WebDatasetOptions
from sparkle.builders.checks.release import check_release
from sparkle.commands.build import build as build_command
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

LOCATION = [f"Sparkle_location_{index:06d}" for index in (0, 3, 6, 9, 12, 15)]
# Two samples of the shared run, or three.
PAIRED = ReleaseOptions(preview=0, webdataset=WebDatasetOptions(shard_size=24_000))

STOCK_WEBDATASET = """
import json, sys
import webdataset
rows = list(webdataset.WebDataset(sys.argv[1:], shardshuffle=False, empty_check=False).decode())
assert "sparkle" not in sys.modules
for row in rows:
    row["src.mp4"], row["tgt.mp4"] = row["src.mp4"].hex(), row["tgt.mp4"].hex()
    row["mask.npz"] = {name: values.tolist() for name, values in row["mask.npz"].items()}
print(json.dumps([{name: value for name, value in row.items() if name[1] != "_"} for row in rows]))
"""
STOCK_DATASETS = """
import json, sys
from datasets import Video, load_dataset
rows = load_dataset("webdataset", data_files={"train": sys.argv[1:]}, split="train")
kinds = {name: type(feature).__name__ for name, feature in rows.features.items()}
for name in ("src.mp4", "tgt.mp4"):
    rows = rows.cast_column(name, Video(decode=False))
assert "sparkle" not in sys.modules
row = rows[1]
print(json.dumps({
    "kinds": kinds,
    "tasks": [values["task"] for values in rows["json"]],
    "src": row["src.mp4"]["bytes"].hex(),
    "tgt": row["tgt.mp4"]["bytes"].hex(),
    "mask": row["mask.npz"],
    "row": row["json"],
}))
"""


@pytest.fixture(scope="module")
def paired(shared_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_release([shared_run], tmp_path_factory.mktemp("paired") / "release", PAIRED).out


def shards(release: Path, theme: str = "location") -> list[Path]:
    return sorted((release / "webdataset").glob(f"{theme}-*.tar"))


def read_with(script: str, tars: list[Path], home: Path) -> Any:
    """What a script that has never heard of sparkle prints of shards."""
    environment = {**os.environ, "HF_HOME": str(home), "HF_DATASETS_OFFLINE": "1"}
    command = [sys.executable, "-c", script, *map(str, tars)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def names_in(tar: Path) -> list[str]:
    done = subprocess.run(["tar", "-tf", tar], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_streams_of_a_sample_stand_together_in_the_order_of_ids(paired: Path) -> None:
    found = [name for tar in shards(paired) for name in names_in(tar)]
    fields = ("src.mp4", "tgt.mp4", "mask.npz", "json")
    assert found == [f"{sample_id}.{field}" for sample_id in LOCATION for field in fields]
    assert [tar.name for tar in shards(paired)] == [f"location-{part:06d}.tar" for part in range(3)]


def test_shards_stay_below_their_size_and_never_split_a_sample(paired: Path) -> None:
    for tar in shards(paired):
        assert tar.stat().st_size <= 24_000
        assert len(names_in(tar)) % 4 == 0


def test_stock_webdataset_reads_two_videos_a_mask_and_json(
    paired: Path, shared_run: Path, tmp_path: Path
) -> None:
    rows = read_with(STOCK_WEBDATASET, shards(paired), tmp_path)
    assert [row["json"]["task"] for row in rows] == LOCATION
    for field, kind in (("src.mp4", layout.SOURCE_VIDEO), ("tgt.mp4", layout.EDITED_VIDEO)):
        assert bytes.fromhex(rows[3][field]) == (shared_run / kind.path(LOCATION[3])).read_bytes()
    with np.load(shared_run / layout.SOURCE_VIDEO_MASK.path(LOCATION[3])) as mask:
        assert rows[3]["mask.npz"] == {name: mask[name].tolist() for name in ("mask", "shape")}


def test_stock_datasets_reads_two_videos_a_mask_and_json(
    paired: Path, shared_run: Path, tmp_path: Path
) -> None:
    told = read_with(STOCK_DATASETS, shards(paired), tmp_path)
    assert told["tasks"] == LOCATION
    assert (told["kinds"]["src.mp4"], told["kinds"]["tgt.mp4"]) == ("Video", "Video")
    for name, kind in (("src", layout.SOURCE_VIDEO), ("tgt", layout.EDITED_VIDEO)):
        assert bytes.fromhex(told[name]) == (shared_run / kind.path(LOCATION[1])).read_bytes()
    with np.load(shared_run / layout.SOURCE_VIDEO_MASK.path(LOCATION[1])) as mask:
        assert told["mask"] == {name: mask[name].tolist() for name in ("mask", "shape")}
    assert told["row"]["edited_video_score"] == 9.75


def test_the_json_has_the_rows_facts_and_no_null(paired: Path, tmp_path: Path) -> None:
    rows = [row["json"] for row in read_with(STOCK_WEBDATASET, shards(paired, "openve3m"), tmp_path)]
    assert rows[0]["prompt"] == "None"
    assert rows[0].keys() == rows[1].keys()
    assert {"subtheme", "scene"}.isdisjoint(rows[0])  # free prompts have none
    assert {"theme": "openve3m", "frames": 9, "licence": "cc0-1.0"}.items() <= rows[0].items()
    assert None not in [value for row in rows for value in row.values()]


def test_the_check_accepts_paired_shards_and_the_provenance_says_what_they_hold(paired: Path) -> None:
    assert [found for found in check_release(paired).findings if "webdataset" in found.file] == []
    options = json.loads((paired / layout.PROVENANCE).read_text())["options"]["webdataset"]
    assert options == {
        "streams": ["source_video", "edited_video", "source_video_mask"],
        "shard_size": 24_000,
    }


def test_built_twice_they_are_byte_identical(
    paired: Path, shared_run: Path, tmp_path: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    again = build_release([shared_run], tmp_path / "release", PAIRED).out
    assert contents(again) == contents(paired)


def test_streams_are_a_choice_and_keep_their_order(shared_run: Path, tmp_path: Path) -> None:
    kinds = ("edited_frame0", "edited_background_video", "source_video")
    options = replace(PAIRED, webdataset=WebDatasetOptions(streams=kinds, shard_size=10**9))
    release = build_release([shared_run], tmp_path / "release", options).out
    (tar,) = shards(release)
    assert names_in(tar)[:4] == [
        f"{LOCATION[0]}.{field}" for field in ("tgt_frame0.png", "background.mp4", "src.mp4", "json")
    ]


def test_what_a_damaged_tar_holds_is_not_paired(shared_run: Path, tmp_path: Path) -> None:
    from sparkle.builders.building.replay import replay
    from sparkle.builders.building.run import read_run
    from sparkle.builders.building.webdataset import plan_paired
    from sparkle.schemas.artifact import Artifact

    run = Path(shutil.copytree(shared_run, tmp_path / "run"))
    sample = replay(read_run(run)).samples[0]
    path = run / layout.SOURCE_VIDEO.path(sample.id)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    (tmp_path / "held.tar").write_bytes(bytes(512) + data)
    digest = bytes.fromhex(sample.artifacts["source_video"].sha256)
    held = Artifact(sample.id, layout.SOURCE_VIDEO, layout.held_shard("0" * 64), 512, len(data), digest)
    sample.reclaimed.add(tmp_path / "held.tar", [held])
    (plan,) = plan_paired("location", [sample], WebDatasetOptions(streams=("source_video",)))
    with pytest.raises(ReleaseError, match="does not hold what the run recorded"):
        plan.make(tmp_path / plan.path, lambda done=1: None, threads=1)
    assert not (tmp_path / "webdataset/location-000000.tar").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--webdataset-streams", "source_video"], "need --webdataset"),
        (["--webdataset", "--webdataset-streams", "source_vide"], "wanted some of source_video"),
        (["--webdataset", "--webdataset-streams", "source_video,source_video"], "each once"),
        (["--webdataset", "--webdataset-shard-size", "huge"], "such as 5GB"),
    ],
)
def test_wrong_usage_is_exit_code_2(shared_run: Path, tmp_path: Path, words: list[str], said: str) -> None:
    done = CliRunner().invoke(build_command, [str(shared_run), "--out", str(tmp_path / "out"), *words])
    assert done.exit_code == 2
    assert said in done.stderr


def test_the_command_takes_streams_and_size(shared_run: Path, tmp_path: Path) -> None:
    words = ["--preview", "0", "--webdataset", "--webdataset-streams", "edited_video,source_video"]
    out = tmp_path / "out"
    command = [str(shared_run), "--out", str(out), *words, "--webdataset-shard-size", "12kB"]
    assert CliRunner().invoke(build_command, command).exit_code == 0
    assert names_in(shards(out)[0])[:3] == [f"{LOCATION[0]}.{end}" for end in ("tgt.mp4", "src.mp4", "json")]
    assert all(tar.stat().st_size <= 12_000 for tar in shards(out))
