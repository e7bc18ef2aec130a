"""Stock `datasets` of two generations reads a release, in processes that have never heard of sparkle.

`make test` sets up what is not the project's own environment (`tests/peers`); torchcodec is optional.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import ROOT
from sparkle.schemas.canonical import sha256_file

# Name -> its Python, and what makes it.
PEERS = {
    "datasets 5": (Path(sys.executable), "this environment"),
    "datasets 3.6": (ROOT / ".venv-datasets36/bin/python", "make .venv-datasets36/.ready"),
    "torchcodec": (ROOT / ".venv-torchcodec/bin/python", "make .venv-torchcodec/.ready"),
}

SCRIPT = """
import importlib.util, json, sys
import datasets
from datasets import get_dataset_config_names, load_dataset

release, told = sys.argv[1], {}

def tasks(rows):
    return [row["task"] for row in rows]

told["version"] = datasets.__version__
told["configs"] = get_dataset_config_names(release)
pairs = load_dataset(release, "location")
told["splits of a theme"] = list(pairs)
train = pairs["train"]
told["names"] = train.column_names
told["tasks"] = tasks(train)
told["first"] = {name: train[0][name] for name in ("prompt", "src_video", "tgt_video", "task", "frames")}
told["prompts"] = train["prompt"][:3]
told["preview"] = str(train.features["preview"])
told["preview bytes"] = [row["preview"] and len(row["preview"]["bytes"]) for row in train]
told["sha256"] = train[5]["source_video_sha256"].hex()
told["by split"] = tasks(load_dataset(release, split="location"))
told["default"] = {name: len(rows) for name, rows in load_dataset(release).items()}
told["openve3m prompts"] = load_dataset(release, "openve3m", split="train")["prompt"][:1]
told["stream"] = tasks(load_dataset(release, "location", split="train", streaming=True))
told["split stream"] = tasks(load_dataset(release, split="location", streaming=True))
names = ["prompt", "src_video", "tgt_video", "task"]
told["columns"] = load_dataset(release, "location", split="train", columns=names).column_names
few = next(iter(load_dataset(release, "location", split="train", columns=names, streaming=True)))
told["streamed columns"] = list(few)
wanted = [("edited_video_score", ">=", 9)]
told["filters"] = tasks(load_dataset(release, "location", split="train", filters=wanted))
told["filtered stream"] = tasks(
    load_dataset(release, "location", split="train", filters=wanted, streaming=True)
)
both = [("edited_video_score", ">=", 9), ("scene", "==", "rooftop overlooking skyline")]
told["two filters"] = tasks(load_dataset(release, split="location", filters=both))
records = load_dataset(release, "records", split="location")
told["records"] = tasks(records)
told["boxes"] = records[0]["frame_objects"]
table = load_dataset("csv", data_files=f"{release}/prompts/location_train.csv", split="train")
told["csv"] = tasks(table)
told["torchcodec"] = importlib.util.find_spec("torchcodec") is not None
if told["torchcodec"]:
    from datasets import Video
    shown = train.select(range(2)).cast_column("preview", Video())
    told["frame"] = list(shown[0]["preview"][0].shape)
told["sparkle"] = sorted(name for name in sys.modules if name.split(".")[0] == "sparkle")
print(json.dumps(told))
"""

LOCATION = [f"Sparkle_location_{index:06d}" for index in (0, 3, 6, 9, 12, 15)]
GOOD = [sample_id for sample_id in LOCATION if sample_id != LOCATION[3]]  # that one scores 8.25


@pytest.fixture(scope="module", params=PEERS)
def told(
    request: pytest.FixtureRequest, shared_release: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    python, made_by = PEERS[request.param]
    if not python.exists():
        pytest.skip(f"{python.parent.parent.name} is not there; `{made_by}` makes it")
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    command = [str(python), "-c", SCRIPT, str(shared_release)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer | {"peer": request.param}


def test_it_is_the_version_that_was_meant_and_knows_no_sparkle(told: dict[str, Any]) -> None:
    assert told["version"].startswith("3.6." if told["peer"] == "datasets 3.6" else "5.")
    assert told["torchcodec"] or told["peer"] != "torchcodec"
    assert told["sparkle"] == []


def test_configs_are_themes_and_records(told: dict[str, Any]) -> None:
    assert told["configs"] == ["default", "location", "openve3m", "records"]
    assert told["splits of a theme"] == ["train"]
    assert told["default"] == {"location": 6, "openve3m": 3}


def test_a_theme_loads_by_config_by_split_and_as_a_stream(told: dict[str, Any]) -> None:
    ways = ("tasks", "by split", "stream", "split stream", "records", "csv")
    assert {way: told[way] for way in ways} == dict.fromkeys(ways, LOCATION)


def test_upstreams_strings_come_first_and_stay_as_they_are(told: dict[str, Any]) -> None:
    assert told["names"][:4] == ["prompt", "src_video", "tgt_video", "task"]
    assert told["first"] == {
        "prompt": f"Put the square of {LOCATION[0]} on a rooftop.",
        "src_video": f"location/source_video/{LOCATION[0]}.mp4",
        "tgt_video": f"location/edited_video/{LOCATION[0]}.mp4",
        "task": LOCATION[0],
        "frames": 9,
    }
    assert told["prompts"][2] == 'Say "hello",\nthen leave; é 世'
    assert told["openve3m prompts"] == ["None"]


def test_the_first_previews_are_videos_with_bytes(told: dict[str, Any]) -> None:
    assert "Video" in told["preview"]
    assert [bool(size) for size in told["preview bytes"]] == [True, True, False, False, False, False]


def test_previews_decode_where_torchcodec_is(told: dict[str, Any]) -> None:
    if not told["torchcodec"]:
        pytest.skip(f"torchcodec is not in the environment of {told['peer']}")
    assert told["frame"] == [3, 48, 128]


def test_columns_are_a_stock_query(told: dict[str, Any]) -> None:
    names = ["prompt", "src_video", "tgt_video", "task"]
    assert told["columns"] == told["streamed columns"] == names


def test_filters_are_a_stock_query(told: dict[str, Any]) -> None:
    assert told["filters"] == told["filtered stream"] == told["two filters"] == GOOD


def test_lists_and_hashes_come_through(told: dict[str, Any], shared_run: Path) -> None:
    assert told["boxes"][1] == [{"bbox_2d": [], "label": "red square"}]
    assert told["sha256"] == sha256_file(shared_run / f"location/source_video/{LOCATION[5]}.mp4")
