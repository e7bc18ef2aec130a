"""What the trainers' own loaders do with a folder, written anew; the places in their code are named.

Each `read_*` gives (prompt, source frames, target frames) a row, or fails as the loader would.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas

Frames = list[np.ndarray]
Row = tuple[str, Frames, Frames]

# musubi-tuner, src/musubi_tuner/dataset/config_utils.py: ConfigSanitizer, keys that it takes and their types.
_GENERAL = {
    "caption_extension": str,
    "batch_size": int,
    "num_repeats": int,
    "resolution": list,
    "enable_bucket": bool,
    "bucket_no_upscale": bool,
}
_VIDEO = _GENERAL | {
    "video_directory": str,
    "video_jsonl_file": str,
    "control_directory": str,
    "target_frames": list,
    "frame_extraction": str,
    "frame_stride": int,
    "frame_sample": int,
    "max_frames": int,
    "cache_directory": str,
    "source_fps": float,
    "fp_latent_window_size": int,
}


def _decode(path: str) -> Frames:
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def _metadata(path: Path) -> list[dict[str, Any]]:
    """Kiwi-Edit and DiffSynth-Studio, UnifiedDataset.load_metadata: by what the name ends in."""
    if path.suffix == ".jsonl":
        return [json.loads(line.strip()) for line in path.read_text("utf-8").split("\n")[:-1]]
    table = pandas.read_csv(path)
    return [table.iloc[index].to_dict() for index in range(len(table))]


def _load_video(base: Path, path: str, *, most: int, factor: int) -> Frames:
    """ToAbsolutePath, RouteByExtensionName, LoadVideo, ImageCropAndResize: sides become whole multiples."""
    assert path.split(".")[-1].lower() in ("mp4", "avi", "mov", "wmv", "mkv", "flv", "webm")
    frames = _decode(os.path.join(base, path))
    count = min(len(frames), most)
    if len(frames) < most:
        while count > 1 and count % 4 != 1:  # get_num_frames: time_division_factor 4, remainder 1
            count -= 1
    height, width = (side // factor * factor for side in frames[0].shape[:2])
    assert height > 0
    assert width > 0
    return [crop(frame, height, width) for frame in frames[:count]]


def crop(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """ImageCropAndResize of a frame whose sides are at most 31 pixels too long: no scaling, the middle."""
    top, left = (frame.shape[0] - height) // 2, (frame.shape[1] - width) // 2
    return frame[top : top + height, left : left + width]


def read_kiwi(base: Path, metadata: Path) -> Iterator[Row]:
    """Kiwi-Edit: train.py, diffsynth/trainers/unified_dataset.py."""
    for data in _metadata(metadata):
        source = _load_video(base, data["src_video"], most=81, factor=32)
        target = _load_video(base, data["tgt_video"], most=81, factor=32)
        assert source[0].shape == target[0].shape  # check_paired_size
        assert len(source) == len(target)
        yield data["prompt"], source, target


def read_diffsynth(base: Path, metadata: Path, control: str) -> Iterator[Row]:
    """DiffSynth-Studio: examples/wanvideo/model_training/train.py, diffsynth/core/data/unified_dataset.py."""
    for data in _metadata(metadata):
        loaded = {key: _load_video(base, data[key], most=81, factor=16) for key in ("video", control)}
        assert isinstance(data["prompt"], str)
        yield data["prompt"], loaded[control], loaded["video"]


def read_musubi(config: Path) -> Iterator[Row]:
    """musubi-tuner: config_utils.py, datasources.py (VideoJsonlDatasource), image_video_dataset.py."""
    document = tomllib.loads(config.read_text())
    assert document.keys() == {"general", "datasets"}
    assert all(isinstance(value, _GENERAL[name]) for name, value in document["general"].items())
    caches = [dataset["cache_directory"] for dataset in document["datasets"]]
    assert len(set(caches)) == len(caches)  # generate_dataset_group_by_blueprint
    for dataset in document["datasets"]:
        assert all(isinstance(value, _VIDEO[name]) for name, value in dataset.items())
        with open(dataset["video_jsonl_file"], encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        assert all("control_path" in line for line in lines)
        cached = {os.path.splitext(os.path.basename(line["video_path"]))[0] for line in lines}
        assert len(cached) == len(lines)  # get_latent_cache_path: one latent a file name
        assert dataset["frame_extraction"] == "full"
        for line in lines:
            target, source = (
                _by_rate(_decode(line[name]), dataset["source_fps"])
                for name in ("video_path", "control_path")
            )
            assert len(source) >= len(target)  # else the last frame would be repeated
            count = (min(len(target), dataset["max_frames"]) - 1) // 4 * 4 + 1
            height, width = target[0].shape[:2]
            # resize_image_to_bucket of the rule's own bucket: no scaling, the middle
            assert _bucket(dataset["resolution"], (width, height)) == (width // 16 * 16, height // 16 * 16)
            sides = height // 16 * 16, width // 16 * 16
            for _ in range(dataset["num_repeats"]):  # prepare_for_training
                yield (
                    line["caption"],
                    *([crop(f, *sides) for f in frames[:count]] for frames in (source, target)),
                )


def _by_rate(frames: Frames, source_fps: float) -> Frames:
    """load_video with `source_fps`: frames are dropped until there are Wan's 16 per second."""
    kept, at, before = [], 0.0, -1
    for frame in frames:
        index = int(at)
        at += 16.0 / source_fps
        if index != before:
            kept.append(frame)
        before = index
    return kept


def _bucket(resolution: list[int], size: tuple[int, int]) -> tuple[int, int]:
    """BucketSelector.get_bucket_resolution, as `retrieve_latent_cache_batches` asks it: also upwards."""
    area = resolution[0] * resolution[1]
    side = int(area**0.5)
    found = set()
    for width in range(side // 2 // 16 * 16, side + 16, 16):
        height = area // width // 16 * 16
        found |= {(width, height), (height, width)}
    return min(sorted(found), key=lambda bucket: abs(bucket[0] / bucket[1] - size[0] / size[1]))
