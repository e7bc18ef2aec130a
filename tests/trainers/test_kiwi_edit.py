"""Kiwi-Edit's own code on tiny weights: its items beside the drop-in's, and trainings that are killed."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sparkle
from drawn_clips.synthetic import draw_clip
from harness import ROOT, factories
from sparkle._files import exclusive
from sparkle.builders.training.export import ExportChoice, export_pairs

HERE = Path(__file__).parent
LEVELS = 2  # the most by which frames may differ on average: two ways from YUV to RGB, and rounding
COLUMNS = ("prompt", "src_video", "tgt_video")
# 320x192 is the largest that max_pixels leaves as it is; the second is not 4k + 1 frames long.
SHAPES = [(320, 192, 9), (256, 160, 11), (160, 288, 9), (432, 240, 5), (288, 160, 13)]
IMAGES, VIDEOS, REFERENCES = 3, len(SHAPES), 4
TINY = "--num_frames=9 --max_pixels=62000 --lora_rank=4 --learning_rate=1e-3 --save_steps=3"

DOCS = (ROOT / "docs/training.md").read_text("utf-8")
# The documented command: options of accelerate, and arguments of train.py; of two that are alike the last
# counts.
_COMMAND = re.search(
    r"^accelerate launch (.*?) -m sparkle train train.py (.*?)^```", DOCS.replace("\\\n", " "), re.M | re.S
)
OPTIONS, ARGUMENTS = map(shlex.split, _COMMAND.groups())
ARGUMENTS += TINY.split()


@pytest.fixture(scope="session")
def kiwi_edit(checkout):
    return checkout("KIWI_EDIT", "github.com/showlab/Kiwi-Edit")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Videos and images of several sizes, each pair with a prompt that names it."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("data")
    videos, images = [], []
    for number, (width, height, frames) in enumerate(SHAPES):
        pair = [f"{half}{number}.mp4" for half in ("source", "edited")]
        for seed, name in enumerate(pair):
            draw_clip(folder / name, seed=10 * number + seed, width=width, height=height, frames=frames)
        videos.append((f"video {number}", *pair))
    rng = np.random.Generator(np.random.PCG64(0))
    for number in range(IMAGES):
        pair = [f"{half}{number}.png" for half in ("source", "edited")]
        for name in pair:
            Image.fromarray(rng.integers(0, 255, (180, 320, 3), np.uint8)).save(folder / name)
        images.append((f"image {number}", *pair))
    write_csv(folder / "videos.csv", videos)
    references = [(f"reference {number}", *videos[number][1:], "source0.png") for number in range(REFERENCES)]
    write_csv(folder / "images.csv", images)
    write_csv(folder / "references.csv", references, "ref_image")
    return folder


def write_csv(path, rows, *more):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([(*COLUMNS, *more), *rows])


def run(command, **variables):
    """Run a command as a user of Kiwi-Edit does, on this machine's processors."""
    quiet = {"WANDB_MODE": "disabled", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **quiet, **variables}
    return subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True, check=False
    )


def launch(*words, processes=1, **variables):
    """`accelerate launch` as documented."""
    options = [*OPTIONS, f"--num_processes={processes}"]
    return run(["-m", "accelerate.commands.launch", *options, *words], **variables)


def items(kiwi_edit, tmp_path, theirs, ours=None):
    """Both items of each row, compared; the drop-in's by the documented change of train.py."""
    diff = re.search(r"```diff\n(.*?)```", DOCS, re.S)[1].splitlines()
    old, new = ("".join(f"{line[1:]}\n" for line in diff if line[0] == sign) for sign in "-+")
    text = (kiwi_edit / "train.py").read_text("utf-8")
    assert text.count(old) == 1
    changed = tmp_path / "train.py"
    changed.write_text(text.replace(old, new))
    out = tmp_path / "items.jsonl"
    places = [",".join(map(str, place)) for place in (theirs, ours or theirs)]
    done = run([HERE / "kiwi_edit_items.py", kiwi_edit, changed, out, *places, *ARGUMENTS])
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def check_equal(lines):
    for line in lines:
        assert line["text"][0] == line["text"][1]
        for key in ("src_video", "tgt_video"):
            theirs, ours = line[key]["shape"]
            assert ours == theirs
            assert line[key]["levels"] < LEVELS
            assert line[key]["out_of_place"] == 0


def test_items_are_equal(kiwi_edit, data, tmp_path):
    lines = items(kiwi_edit, tmp_path, (data, data / "videos.csv"))
    assert len(lines) == VIDEOS
    check_equal(lines)
    assert {tuple(line["src_video"]["shape"][0][1]) for line in lines} >= {(320, 192), (160, 288)}


def test_items_of_a_release_are_those_of_its_export(kiwi_edit, tmp_path):
    """Theirs from an exported folder, ours out of the release's tars."""
    made = factories.write_run(tmp_path / "run", factories.specs("location", 3))
    release = sparkle.build(made, tmp_path / "release").out
    export_pairs(str(release), "kiwi", tmp_path / "export", ExportChoice(), say=print)
    export = (tmp_path / "export", tmp_path / "export/metadata.csv")
    lines = items(kiwi_edit, tmp_path, export, (release, release / "prompts/location_train.csv"))
    assert len(lines) == 3
    for line in lines:  # an export has absolute paths or others: the prompt is what trains
        line["text"] = [{"prompt": text["prompt"]} for text in line["text"]]
    check_equal(lines)


def expected(epochs):
    """The prompts of a whole training on three datasets, a step of each in turn."""
    counts = {"image": IMAGES, "video": VIDEOS, "reference": REFERENCES}
    rows = {
        name: [row for epoch in range(epochs) for row in sparkle.Order(count, seed=seed).epoch(epoch).rows]
        for seed, (name, count) in enumerate(counts.items())
    }
    rounds = zip(*([f"{name} {row}" for row in numbers] for name, numbers in rows.items()), strict=False)
    return [prompt for turn in rounds for prompt in turn]


class Training:
    """A training of Kiwi-Edit's, run again and again in one output folder."""

    def __init__(self, checkout, data, folder):
        self.checkout, self.data, self.folder = checkout, data, folder
        self.out = folder / "out"

    def __call__(self, *words, **options):
        """Run it once; returns its end and the items that it trained on."""
        log = self.folder / "log.jsonl"
        log.unlink(missing_ok=True)
        words = [*ARGUMENTS, "--dataset_base_path", self.data, "--output_path", self.out, *words]
        done = launch(HERE / "kiwi_edit_run.py", self.checkout, log, *words, **options)
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        return done, [json.loads(line) for line in lines]

    def checkpoints(self):
        return {path.name: path.read_bytes() for path in self.out.glob("*.safetensors")}


@pytest.fixture
def training(kiwi_edit, data, tmp_path):
    return Training(kiwi_edit, data, tmp_path)


def prompts(lines):
    return [line["prompt"] for line in lines]


def weights_of(path):
    """The sum that the log has of what is trained."""
    from safetensors.torch import load_file

    return float(sum(weight.double().abs().sum() for weight in load_file(path).values()))


def test_three_datasets_killed_twice(training):
    words = ["--img_dataset_metadata_path", training.data / "images.csv"]
    words += ["--vid_dataset_metadata_path", training.data / "videos.csv"]
    words += ["--vid_ref_dataset_metadata_path", training.data / "references.csv"]
    words += ["--data_file_keys", "src_video,tgt_video,ref_image", "--extra_input", "source_input,ref_image"]
    trained = ARGUMENTS[ARGUMENTS.index("--trainable_models") + 1]
    words += ["--trainable_models", f"{trained},mllm.ref_queries,mllm.ref_connector,ref_vae_condition"]
    words += ["--num_epochs", "2", "--dataset_num_workers", "1"]
    whole = expected(2)
    assert len(whole) == 18

    # Killed in its sixth step. Two steps are in the weights of step-3: the optimizer steps at every second.
    done, seen = training(*words, DIE_AT="6")
    assert done.returncode != 0
    assert prompts(seen) == whole[:5]
    first = training.checkpoints()
    assert set(first) == {"step-3.safetensors"}

    # Goes on behind them, and is killed with half of step-9 written, where eight steps are in the weights.
    done, seen = training(*words, DIE_IN="2")
    assert done.returncode != 0
    assert "2 of 18 steps are done, 16 are left" in done.stderr
    assert prompts(seen) == whole[2:9]
    assert seen[0]["weights"] == pytest.approx(weights_of(training.out / "step-3.safetensors"), rel=1e-12)
    second = training.checkpoints()
    assert {name for name in second if not name.startswith(".")} == {
        "step-3.safetensors",
        "step-6.safetensors",
    }
    assert any(name.startswith(".tmp-") for name in second)

    done, seen = training(*words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert prompts(seen) == whole[6:]
    assert seen[0]["weights"] == pytest.approx(weights_of(training.out / "step-6.safetensors"), rel=1e-12)
    last = training.checkpoints()
    assert set(last) == {f"step-{number}.safetensors" for number in (3, 6, 9, 12, 15, 18)}
    assert [last[name] for name in first] == [*first.values()]
    assert last["step-6.safetensors"] == second["step-6.safetensors"]

    # Once more: nothing is left, and nothing is written.
    done, seen = training(*words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert seen == []
    assert training.checkpoints() == last

    # While another process holds the folder, and on other videos: refused.
    with exclusive(training.out / ".lock", None):
        done, seen = training(*words)
    assert done.returncode != 0
    assert "error: another training writes to this folder" in done.stderr
    assert seen == []
    changed = training.folder / "videos.csv"
    changed.write_text((training.data / "videos.csv").read_text("utf-8").replace("video 3", "Another prompt"))
    done, seen = training(*words, "--vid_dataset_metadata_path", changed)
    assert done.returncode != 0
    assert "error: the checkpoint is of other videos" in done.stderr
    assert seen == []
    assert training.checkpoints() == last


def test_two_processes_go_on_as_one(training):
    words = ["--vid_dataset_metadata_path", training.data / "videos.csv", "--dataset_repeat", "2"]
    words += ["--num_epochs", "2", "--save_steps", "2"]
    rows = [row % VIDEOS for epoch in range(2) for row in sparkle.Order(2 * VIDEOS).epoch(epoch).rows]
    whole = [f"video {row}" for row in rows]

    done, seen = training(*words, processes=2, DIE_AT="4")
    assert done.returncode != 0
    by_rank = {rank: prompts(line for line in seen if line["rank"] == rank) for rank in (0, 1)}
    assert by_rank == {0: whole[0:6:2], 1: whole[1:6:2]}

    done, seen = training(*words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert prompts(seen) == whole[4:]
    assert weights_of(training.out / "step-2.safetensors") == pytest.approx(seen[0]["weights"], rel=1e-12)


def test_a_worker_that_is_killed(training):
    words = ["--vid_dataset_metadata_path", training.data / "videos.csv", "--dataset_num_workers", "1"]
    done, seen = training(*words, WORKER_AT="4")
    assert done.returncode != 0
    assert len(seen) < VIDEOS * 4
    assert re.search(
        r"error: the training failed\n  got: RuntimeError: DataLoader worker .* Killed", done.stderr
    )
    assert "fewer --dataset_num_workers" in done.stderr
    assert "step-3.safetensors" in training.checkpoints()


def test_a_changed_training_loop_is_refused(kiwi_edit, data, tmp_path):
    """By the documented command."""
    changed = tmp_path / "diffsynth/trainers/utils.py"
    changed.parent.mkdir(parents=True)
    text = (kiwi_edit / "diffsynth/trainers/utils.py").read_text("utf-8")
    assert text.count("            optimizer.step()") == 1
    changed.write_text(
        text.replace("            optimizer.step()", "            optimizer.step(closure=None)")
    )
    shutil.copy(kiwi_edit / "train.py", tmp_path)
    words = ["--vid_dataset_metadata_path", data / "videos.csv", "--output_path", tmp_path / "out"]
    done = launch("-m", "sparkle", "train", tmp_path / "train.py", *ARGUMENTS, *words)
    assert done.returncode != 0
    assert re.search(r"error: this version of Kiwi-Edit is not known.*\n.*utils.py", done.stderr)
    assert "git checkout 223572d" in done.stderr
    assert not (tmp_path / "out").exists()
