"""DiffSynth-Studio's own training reads exports: items as in the release, by its shipped scripts' options."""

from __future__ import annotations

import csv
import os
import shlex
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

import sparkle
from harness import trainers
from sparkle.builders.training.export import ExportChoice, export_pairs


@pytest.fixture(scope="session")
def diffsynth(checkout):
    return checkout("DIFFSYNTH", "github.com/modelscope/DiffSynth-Studio")


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def cropped(frames: np.ndarray) -> np.ndarray:
    height, width = (side // 16 * 16 for side in frames.shape[1:3])
    return np.stack([trainers.crop(frame, height, width) for frame in frames])


def train(checkout: Path, usage: str, out: Path) -> dict[str, dict[str, np.ndarray]]:
    """Run a line that an export printed; return the items that were trained on, by prompt."""
    script, _, options = usage.removeprefix("in ").partition(", in place of its own: ")
    out.mkdir()
    runner = Path(__file__).with_name("diffsynth_run.py")
    words = [sys.executable, str(runner), str(checkout), Path(script).name, str(out), *shlex.split(options)]
    assert (checkout / script).is_file()
    env = {**os.environ, "OMP_NUM_THREADS": "1"}  # small models: threads would wait for each other
    done = subprocess.run(words, capture_output=True, text=True, cwd=checkout, env=env, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert list((out / "models").glob("*.safetensors"))
    items = {}
    for path in out.glob("item*.npz"):
        with np.load(path) as found:
            items[str(found["prompt"])] = {name: found[name] for name in found.files if name != "prompt"}
    return items


@pytest.mark.parametrize("further", [(), ("mask", "canny", "reference")])
def test_shipped_scripts_train_on_an_export(mixed_sizes, diffsynth, tmp_path, further):
    out = tmp_path / "out"
    summary = export_pairs(mixed_sizes, "diffsynth", out, ExportChoice(further=further))
    with (out / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["prompt"]: row for row in csv.DictReader(file)}
    assert len(rows) == summary.pairs["location"] + summary.pairs["season"]
    for name, usage in zip(("vace", "control"), summary.tables.usage, strict=True):
        items = train(diffsynth, usage, tmp_path / name)
        assert items.keys() == rows.keys()
        for prompt, item in items.items():
            wanted = {"video", f"{name}_video"}
            if further:
                wanted |= (
                    {"vace_video_mask", "vace_reference_image"} if name == "vace" else {"reference_image"}
                )
            assert item.keys() == wanted
            for key, frames in item.items():
                file = out / rows[prompt][key]
                if file.suffix == ".png":
                    assert np.array_equal(frames, cropped(sparkle_image(file)))
                else:
                    # imageio converts colours by other weights' rounding than PyAV
                    assert np.abs(frames.astype(int) - cropped(decode(file))).mean() < 2, key
            if further and name == "vace":
                sample_id = Path(rows[prompt]["video"]).stem
                with np.load(mixed_sizes / sparkle.SOURCE_VIDEO_MASK.path(sample_id)) as file:
                    bits = np.unpackbits(file["mask"])[: np.prod(file["shape"])].reshape(file["shape"])
                background = cropped(np.where(bits, 0, 255)[..., None])
                assert np.array_equal(
                    item["vace_video_mask"], np.broadcast_to(background, item["video"].shape)
                )


def sparkle_image(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))[None]
