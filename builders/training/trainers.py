"""What each trainer reads besides videos: a table of pairs, by the rules of its own loader.

- Kiwi-Edit (`diffsynth/trainers/unified_dataset.py`): a csv of prompt, src_video, tgt_video; paths count from
  `--dataset_base_path`; the videos of a pair have one size and length.
- DiffSynth-Studio (`diffsynth/core/data/unified_dataset.py`): a csv with `video`, the target, and what it is
  made from as `vace_video` and as `control_video`, of which `--data_file_keys` takes one; paths as above.
- musubi-tuner (`dataset/config_utils.py`, `dataset/datasources.py`): a TOML, and JSON lines of video_path,
  control_path, caption. Paths are opened as they are, so they are absolute. Latents are cached by file
  name: a pair that counts twice is `num_repeats`, never a second line, and each dataset has its own cache.
- Both csv are read by pandas, which takes a prompt such as "None" for a missing value. Where there is such a
  prompt the table is JSON lines, which both read as well.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from sparkle._files import write_atomic
from sparkle.builders.release.formats import NO_VALUES, csv_line
from sparkle.schemas.ids import theme_of
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO

_CSV, _JSONL, _TOML = "metadata.csv", "metadata.jsonl", "dataset.toml"


@dataclass(frozen=True)
class ExportedPair:
    """A pair in an export.

    Attributes:
        id: Its id.
        prompt: The instruction.
        times: How often it is listed.
        size: Frames, width and height of both videos.
    """

    id: str
    prompt: str
    times: int
    size: tuple[int, int, int]


@dataclass(frozen=True)
class Tables:
    """What was written for a trainer.

    Attributes:
        files: The files, as paths from the export.
        usage: Options of the trainer's command that read them.
    """

    files: tuple[str, ...]
    usage: str


def write_kiwi(out: Path, pairs: Sequence[ExportedPair]) -> Tables:
    """Write what Kiwi-Edit reads."""
    table = _write_table(out, pairs, {"src_video": SOURCE_VIDEO.path, "tgt_video": EDITED_VIDEO.path})
    return Tables(
        (table,),
        f"train.py --dataset_base_path {out} --vid_dataset_metadata_path {out / table} "
        '--data_file_keys "src_video,tgt_video"',
    )


def write_diffsynth(out: Path, pairs: Sequence[ExportedPair]) -> Tables:
    """Write what DiffSynth-Studio reads."""
    made_from = dict.fromkeys(("vace_video", "control_video"), SOURCE_VIDEO.path)
    table = _write_table(out, pairs, {"video": EDITED_VIDEO.path, **made_from})
    return Tables(
        (table,),
        f"train.py --dataset_base_path {out} --dataset_metadata_path {out / table} --data_file_keys "
        '"video,vace_video" --extra_inputs "vace_video"   # or control_video, in both',
    )


def write_musubi(out: Path, pairs: Sequence[ExportedPair]) -> Tables:
    """Write what musubi-tuner reads; one dataset per theme and number of repeats."""
    out = out.absolute()
    groups: dict[tuple[str, int], list[ExportedPair]] = {}
    for pair in pairs:
        groups.setdefault((theme_of(pair.id), pair.times), []).append(pair)
    datasets, files = [], []
    for (theme, times), found in groups.items():
        name = theme if times == 1 else f"{theme}_x{times}"
        lines = [
            {
                "video_path": str(out / EDITED_VIDEO.path(pair.id)),
                "control_path": str(out / SOURCE_VIDEO.path(pair.id)),
                "caption": pair.prompt,
            }
            for pair in found
        ]
        _write_lines(out / f"{name}.jsonl", lines)
        files.append(f"{name}.jsonl")
        datasets.append(
            {
                "video_jsonl_file": str(out / f"{name}.jsonl"),
                "cache_directory": str(out / "cache" / name),
                "frame_extraction": "full",
                "max_frames": max(pair.size[0] for pair in found),
                "num_repeats": times,
            }
        )
    (_, width, height), _ = Counter(pair.size for pair in pairs).most_common(1)[0]
    general = {
        "resolution": [width, height],
        "batch_size": 1,
        "enable_bucket": True,
        "bucket_no_upscale": True,
    }
    parts = [
        tomli_w.dumps({"general": general}),
        *("[[datasets]]\n" + tomli_w.dumps(found) for found in datasets),
    ]
    write_atomic(out / _TOML, "\n".join(parts).encode())
    return Tables((*files, _TOML), f"wan_cache_latents.py --dataset_config {out / _TOML}")


TRAINERS: dict[str, Callable[[Path, Sequence[ExportedPair]], Tables]] = {
    "kiwi": write_kiwi,
    "diffsynth": write_diffsynth,
    "musubi": write_musubi,
}


def _write_table(out: Path, pairs: Sequence[ExportedPair], columns: dict[str, Callable[[str], str]]) -> str:
    """Write a row for each time that a pair counts; returns the file's name."""
    rows = [
        {"prompt": pair.prompt, **{name: path(pair.id) for name, path in columns.items()}}
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
