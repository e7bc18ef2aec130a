"""What each trainer reads besides videos: a table of pairs, by the rules of its own loader.

- Kiwi-Edit (`diffsynth/trainers/unified_dataset.py`): a csv of prompt, src_video, tgt_video; paths count from
  `--dataset_base_path`; the videos of a pair have one size and length.
- DiffSynth-Studio (`diffsynth/core/data/unified_dataset.py`, `examples/wanvideo/model_training`): a csv with
  `video`, the target, and what it is made from as `vace_video` and as `control_video`, of which a script
  takes one; paths as above. Columns have the names of the pipeline's inputs, as `--extra_inputs` has them.
- musubi-tuner (`dataset/config_utils.py`, `image_video_dataset.py`): a TOML, and JSON lines of video_path,
  control_path, caption. Paths are opened as they are, so they are absolute.
    - A dataset has one size, rounded down to what Wan's latents take: of several, the smaller ones would be
      scaled up to its `resolution`. It has one frame rate, by which musubi takes a model's 16 per second.
    - Latents are cached by file name, in a folder per dataset, all of which is trained on: a pair that counts
      twice is `num_repeats`, never a second line. Pairs that count once more than the others of their dataset
      are in a second one as well, so that each pair stays in the cache that it is in, whatever the mix.
- Both csv are read by pandas, which takes a prompt such as "None" for a missing value. Where there is such a
  prompt the table is JSON lines, which both read as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from sparkle._files import write_atomic
from sparkle.builders.release.formats import NO_VALUES, csv_line
from sparkle.builders.training.videos import file_of
from sparkle.media.probe import Shape
from sparkle.schemas.errors import command
from sparkle.schemas.ids import theme_of
from sparkle.schemas.layout import (
    EDITED_VIDEO,
    FOREGROUND_REMOVED,
    SOURCE_VIDEO,
    SOURCE_VIDEO_MASK,
    VIDEO_CANNY,
    Kind,
)

# What a trainer may read besides both videos, by the name that a user gives it.
FURTHER: dict[str, Kind] = {
    "mask": SOURCE_VIDEO_MASK,
    "canny": VIDEO_CANNY,
    "reference": FOREGROUND_REMOVED,
}
CACHE = "cache"  # where musubi-tuner keeps latents

_CSV, _JSONL, _TOML = "metadata.csv", "metadata.jsonl", "dataset.toml"
_MULTIPLE = 16  # pixels: sides of Wan's clips
_VACE, _CONTROL = "Wan2.1-VACE-1.3B.sh", "Wan2.1-Fun-V1.1-1.3B-Control.sh"
_PLAIN_CONTROL = "Wan2.1-Fun-1.3B-Control.sh"  # which takes no reference


@dataclass(frozen=True)
class ExportedPair:
    """A pair in an export.

    Attributes:
        id: Its id.
        prompt: The instruction.
        times: How often it is listed.
        shape: What its videos show.
    """

    id: str
    prompt: str
    times: int
    shape: Shape


@dataclass(frozen=True)
class Tables:
    """What was written for a trainer.

    Attributes:
        files: The files, as paths from the export.
        usage: Lines that say how the trainer reads them: commands, or options of its script.
    """

    files: tuple[str, ...]
    usage: tuple[str, ...]


@dataclass(frozen=True)
class Trainer:
    """A trainer.

    Attributes:
        reads: Names of `FURTHER` that it can read.
        write: Writes what it reads: to an absolute folder, of pairs, with some of these names.
    """

    reads: tuple[str, ...]
    write: Callable[[Path, Sequence[ExportedPair], Collection[str]], Tables]


def write_kiwi(out: Path, pairs: Sequence[ExportedPair], further: Collection[str]) -> Tables:
    """Write what Kiwi-Edit reads."""
    columns = {"src_video": SOURCE_VIDEO, "tgt_video": EDITED_VIDEO}
    if "reference" in further:
        columns["ref_image"] = FURTHER["reference"]
    table = _write_table(out, pairs, columns)
    words = _words(out, base="dataset_base_path", metadata="vid_dataset_metadata_path", table=table)
    return Tables((table,), (command("train.py", *words, "--data_file_keys", ",".join(columns)),))


def write_diffsynth(out: Path, pairs: Sequence[ExportedPair], further: Collection[str]) -> Tables:
    """Write what DiffSynth-Studio reads."""
    vace = {"vace_video": SOURCE_VIDEO}
    control = {"control_video": FURTHER["canny"] if "canny" in further else SOURCE_VIDEO}
    if "mask" in further:
        vace["vace_video_mask"] = FURTHER["mask"]
    if "reference" in further:
        vace["vace_reference_image"] = control["reference_image"] = FURTHER["reference"]
    table = _write_table(out, pairs, {"video": EDITED_VIDEO, **vace, **control})
    words = _words(out, base="dataset_base_path", metadata="dataset_metadata_path", table=table)
    usage = []
    control_script = _CONTROL if "reference" in further else _PLAIN_CONTROL
    for script, inputs in ((_VACE, vace), (control_script, control)):
        keys = ("--data_file_keys", ",".join(["video", *inputs]), "--extra_inputs", ",".join(inputs))
        options = command(*words, *keys)
        usage.append(f"in ./examples/wanvideo/model_training/lora/{script}, in place of its own: {options}")
    return Tables((table,), tuple(usage))


def write_musubi(out: Path, pairs: Sequence[ExportedPair], further: Collection[str]) -> Tables:
    """Write what musubi-tuner reads; one dataset per theme, size and frame rate."""
    control = FURTHER["canny"] if "canny" in further else SOURCE_VIDEO
    groups: dict[str, list[ExportedPair]] = {}
    for pair in pairs:
        groups.setdefault(_group(pair) + ("_canny" if "canny" in further else ""), []).append(pair)
    datasets, files = [], []
    for name, found in sorted(groups.items()):
        least = min(pair.times for pair in found)
        parts = {name: (found, least)}
        if more := [pair for pair in found if pair.times > least]:  # once: of a theme, so often or once more
            parts[f"{name}_again"] = (more, 1)
        for part, (of, times) in parts.items():
            lines = [
                {
                    "video_path": str(out / file_of(EDITED_VIDEO, pair.id)),
                    "control_path": str(out / file_of(control, pair.id)),
                    "caption": pair.prompt,
                }
                for pair in of
            ]
            _write_lines(out / f"{part}.jsonl", lines)
            files.append(f"{part}.jsonl")
            datasets.append(_dataset(out, part, of[0].shape, max(pair.shape.frames for pair in of), times))
    general = {"batch_size": 1, "enable_bucket": True, "bucket_no_upscale": True}
    sections = [
        tomli_w.dumps({"general": general}),
        *("[[datasets]]\n" + tomli_w.dumps(found) for found in datasets),
    ]
    config = out / _TOML
    write_atomic(config, "\n".join(sections).encode())
    usage = (
        f"{command('python', 'wan_cache_latents.py', '--dataset_config', config)} --skip_existing --vae VAE",
        f"{command('python', 'wan_cache_text_encoder_outputs.py', '--dataset_config', config)} --t5 T5",
        f"accelerate launch wan_train_network.py --task t2v-1.3B-FC --dit FUN_CONTROL_DIT "
        f"{command('--dataset_config', config)} --sdpa --mixed_precision bf16 --gradient_checkpointing "
        "--timestep_sampling shift --discrete_flow_shift 3.0 --learning_rate 2e-4 "
        "--network_module networks.lora_wan --network_dim 32 --output_dir OUTPUT --output_name NAME",
    )
    return Tables((*files, _TOML), usage)


TRAINERS: Mapping[str, Trainer] = {
    "kiwi": Trainer(("reference",), write_kiwi),
    "diffsynth": Trainer(("mask", "canny", "reference"), write_diffsynth),
    "musubi": Trainer(("canny",), write_musubi),
}


def _words(out: Path, *, base: str, metadata: str, table: str) -> list[str]:
    return [f"--{base}", str(out), f"--{metadata}", str(out / table)]


def _group(pair: ExportedPair) -> str:
    """Name the dataset that a pair is in: it follows from the pair alone."""
    shape = pair.shape
    rate = f"_{_rate(shape):g}fps" if _rate(shape) else ""
    return f"{theme_of(pair.id)}_{shape.width}x{shape.height}{rate}"


def _rate(shape: Shape) -> float:
    """Frames per second without what timestamps round: at 16.0003 one frame would be left out."""
    return round(shape.fps, 2)


def _dataset(out: Path, name: str, shape: Shape, frames: int, times: int) -> dict[str, Any]:
    sides = [max(_MULTIPLE, side // _MULTIPLE * _MULTIPLE) for side in (shape.width, shape.height)]
    return {
        "video_jsonl_file": str(out / f"{name}.jsonl"),
        "cache_directory": str(out / CACHE / name),
        "resolution": sides,
        "frame_extraction": "full",
        "max_frames": frames,
        **({"source_fps": _rate(shape)} if _rate(shape) else {}),
        "num_repeats": times,
    }


def _write_table(out: Path, pairs: Sequence[ExportedPair], columns: Mapping[str, Kind]) -> str:
    """Write a row for each time that a pair counts; returns the file's name."""
    rows = [
        {"prompt": pair.prompt, **{name: file_of(kind, pair.id) for name, kind in columns.items()}}
        for pair in pairs
        for _ in range(pair.times)
    ]
    if any(pair.prompt in NO_VALUES for pair in pairs):
        _write_lines(out / _JSONL, rows)
        return _JSONL
    text = csv_line(["prompt", *columns]) + "".join(csv_line(list(row.values())) for row in rows)
    write_atomic(out / _CSV, text.encode())
    return _CSV


def _write_lines(path: Path, values: Sequence[dict[str, str]]) -> None:
    write_atomic(path, "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode())
