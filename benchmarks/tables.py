"""How large a theme's table is, how fast it opens, and how fast the text half of a release is built.

    python benchmarks/tables.py [--rows N] [--folder DIR] [--json]

- Draws a finished run of N samples (140,000 where not given) without media: upstream's lengths of prompts,
  judges' words and boxes, about 11 KB of published JSON a sample, on DIR or in a temporary folder.
- Reads the run, replays its rules, and writes csv, JSON lines and tables with the commands' own functions.
  Nothing is packed: artifacts are where a 5 GB split of upstream's sizes puts them.
- Opens the table with a score filter, as `load_dataset(..., filters=...)` does underneath.

JSON keys: `mb` (10**6 bytes of data/<theme>, no previews), `open_filter_s` (open it and take the pairs that
score 9 or more; best of three processes), `build_text_s` (from the run to text and tables), `rss_mb` (peak
memory of that, all processes together), `build_text_cpu_s` and `open_filter_cpu_s` (processor seconds of the
same), `text_mb` (csv, JSON lines and records).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import tomli_w

from sparkle.builders.building.replay import replay
from sparkle.builders.building.run import read_run
from sparkle.builders.building.text import text_of
from sparkle.builders.building.writer import write_text
from sparkle.builders.release.assign import BLOCK, END_BYTES, member_bytes
from sparkle.builders.release.formats import CSV_COLUMNS
from sparkle.builders.release.sample import Sample
from sparkle.builders.release.tables import pairs_table, write_pairs
from sparkle.generation.taxonomy import load_taxonomy
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import plain
from sparkle.schemas.ids import format_id
from sparkle.schemas.layout import KINDS
from sparkle.schemas.rules import Thresholds
from sparkle.schemas.stages import STEPS, StepInfo

ROWS = 140_000  # pairs of the public release
THEME = "location"
SHARD_BYTES = 5_000_000_000

# Mean bytes of an artifact in the public release: clips are 0.5 MB, frames 1 MB, masks 0.1 MB.
_SIZES = {".mp4": 500_000, ".png": 1_000_000, ".npz": 100_000}

# Words of upstream's judges are a few sentences; raw outputs repeat them as JSON.
_TEXT = """
the edited background follows instruction very closely with drifting fog warm evening light over a quiet
rooftop while subject keeps its pose and clothing but hands appear slightly distorted near edges
reflections shimmer naturally on glass railing skyline looks realistic depth of field is convincing
"""
_WORDS = _TEXT.split()
_LABELS = ("woman in brown hat and coat", "clasped hands with ring", "striped shirt", "wide-brimmed hat")
_ANCHORS = 10  # frames of round 2: every eighth of 73 or 77

_SAMPLE_EVERY = 0.1  # seconds between looks at the memory
_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)

# Run in processes of their own, so that memory and time are theirs alone.
_BUILD = "build"
_OPEN = "open"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS, help="Pairs in the theme.")
    parser.add_argument("--folder", type=Path, help="Where the run is drawn; one that is there is used.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    parser.add_argument("--part", choices=(_BUILD, _OPEN), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == _BUILD:
        print(json.dumps(build(options.folder / "run", options.folder / "release")))
    elif options.part == _OPEN:
        print(json.dumps(open_filtered(options.folder / "release")))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            figures = measure(options.folder or Path(temporary), options.rows)
        print(json.dumps(figures) if options.json else _shown(figures))


def measure(folder: Path, rows: int) -> dict[str, float]:
    """All figures, of a run that is drawn where there is none."""
    if not (folder / "run" / layout.FUNNEL).is_file():
        write_run(folder / "run", rows)
    built, opened = _part(_BUILD, folder), min((_part(_OPEN, folder) for _ in range(3)), key=_open_seconds)
    return {"rows": rows} | built | opened


def _part(name: str, folder: Path) -> dict[str, float]:
    """A part's figures, and the most memory that it and the processes that it started had together."""
    command = [sys.executable, __file__, "--part", name, "--folder", str(folder)]
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, _resident_bytes(process.pid))
            time.sleep(_SAMPLE_EVERY)
        assert process.returncode == 0
        assert process.stdout is not None
        figures: dict[str, float] = json.loads(process.stdout.read())
    return figures | ({"rss_mb": round(peak / 1e6)} if name == _BUILD else {})


def _resident_bytes(process: int) -> int:
    """Resident memory of a process and those below it, 0 when it has ended."""
    folder = Path(f"/proc/{process}")
    try:
        pages = int((folder / "statm").read_text().split()[1])
        children = (folder / f"task/{process}/children").read_text().split()
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize() + sum(_resident_bytes(int(child)) for child in children)


def _open_seconds(figures: dict[str, float]) -> float:
    return figures["open_filter_s"]


def _shown(figures: dict[str, float]) -> str:
    return "\n".join(f"{name:18} {value:>12,}" for name, value in figures.items())


def build(run: Path, release: Path) -> dict[str, float]:
    """Build the text half: seconds, memory and sizes."""
    start, start_cpu = time.perf_counter(), _cpu_seconds()
    samples = replay(read_run(run)).samples
    entries = write_text(release, text_of(THEME, samples))
    places = _placements(samples)
    (path,) = write_pairs(release, THEME, lambda a, b: pairs_table(samples[a:b], places), len(samples))
    table = release / path
    seconds, cpu = time.perf_counter() - start, _cpu_seconds() - start_cpu
    return {
        "mb": round(table.stat().st_size / 1e6, 1),
        "text_mb": round(sum(entry.size for entry in entries) / 1e6),
        "build_text_s": round(seconds, 1),
        "build_text_cpu_s": round(cpu, 1),
    }


def _cpu_seconds() -> float:
    """Processor seconds of this process and of those that it started and that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in _WHO)


def _placements(samples: Sequence[Sample]) -> dict[str, dict[str, Artifact]]:
    """Where a pack of the artifacts would put them."""
    placements: dict[str, dict[str, Artifact]] = {}
    for kind in KINDS:
        part, position, shard = 0, 0, kind.shard(THEME, 0)
        places = placements[kind.name] = {}
        for sample in samples:
            ref = sample.artifacts[kind.name]
            needed = member_bytes(ref.size)
            if position + needed + END_BYTES > SHARD_BYTES:
                part, position = part + 1, 0
                shard = kind.shard(THEME, part)
            offset, digest = position + BLOCK, bytes.fromhex(ref.sha256)
            places[sample.id] = Artifact(sample.id, kind, shard, offset, ref.size, digest)
            position += needed
    return placements


def open_filtered(release: Path) -> dict[str, float]:
    """Open the table and take the pairs that score 9 or more."""
    start, start_cpu = time.perf_counter(), time.process_time()
    rows = pq.read_table(
        release / layout.data_parquet(THEME, 0, 1),
        columns=[*CSV_COLUMNS, "edited_video_score"],
        filters=[("edited_video_score", ">=", 9.0)],
    )
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    assert rows.num_rows > 0
    return {"open_filter_s": round(seconds, 3), "open_filter_cpu_s": round(cpu, 3)}


def write_run(folder: Path, rows: int) -> None:
    """Write a finished run of kept samples, without media."""
    (folder / "outcomes").mkdir(parents=True)
    rng = np.random.Generator(np.random.PCG64([5, rows]))
    config = {"format": "sparkle-run", "version": 1, "name": "drawn", "thresholds": plain(Thresholds())}
    (folder / layout.RUN_CONFIG).write_bytes(tomli_w.dumps(config).encode())
    ids = [format_id(THEME, 4 * index) for index in range(rows)]
    hashes = [hashlib.sha256(sample_id.encode()).hexdigest() for sample_id in ids]
    source = {"bytes": 500_000, "width": 1280, "height": 720, "frames": 81, "fps": 16.0}
    source |= {"median_hash": "0" * 64}
    pairs = list(zip(ids, hashes, strict=True))
    _dump(folder / layout.SOURCES, ({"sha256": sha, "path": f"{name}.mp4"} | source for name, sha in pairs))
    _dump(folder / layout.CANDIDATES, ({"id": name, "source": sha, "theme": THEME} for name, sha in pairs))
    for step in STEPS:
        _dump(folder / layout.outcomes(step.name), _outcomes(step, ids, rng))
    empty: dict[str, int] = {}
    funnel = [
        {"step": step.name, "in": rows, "kept": rows, "rejected": empty, "failed": empty} for step in STEPS
    ]
    document = {"candidates": rows, "kept": rows, "steps": funnel}
    (folder / layout.FUNNEL).write_bytes(msgspec.json.encode(document))


def _dump(path: Path, values: Iterator[dict[str, Any]]) -> None:
    with path.open("wb") as file:
        file.writelines(msgspec.json.encode(value) + b"\n" for value in values)


def _outcomes(step: StepInfo, ids: list[str], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for sample_id in ids:
        artifacts = {
            kind.name: {
                "sha256": rng.bytes(32).hex(),
                "size": int(_SIZES[kind.suffix] * rng.uniform(0.5, 1.5)),
            }
            for kind in step.makes
        }
        yield {
            "id": sample_id,
            "fingerprint": rng.bytes(32).hex(),
            "status": "kept",
            "record": _record(step.name, sample_id, rng),
            "artifacts": artifacts,
        }


def _record(step: str, sample_id: str, rng: np.random.Generator) -> dict[str, Any]:
    if step == "normalise":
        clip = {"width": 1280, "height": 720, "frames": int(rng.choice([69, 73, 81])), "fps": 16.0}
        clip |= {"copied": True, "min_frames": 5}
        return clip | {f"source_{name}": clip[name] for name in ("width", "height", "frames", "fps")}
    if step in ("edit_score", "remove_score"):
        image = {"prompt_following": 9.25, "consistency": 8.5, "perceptual_quality": 8.75}
        image |= {"overall": float(rng.uniform(8.5, 10.0))}
        return image | {"SC_reasoning": _words(rng, 40), "PQ_reasoning": _words(rng, 40)}
    if step == "ground1":
        objects = _objects(rng)
        return {"round1_labels": [item["label"] for item in objects], "round1_objects": objects}
    if step == "video_score":
        return {"frame_indices": [1, 26, 51, 76], "editscore": [_frame_score(rng) for _ in range(4)]}
    return _SHORT_RECORDS[step](rng)


def _frame_score(rng: np.random.Generator) -> dict[str, Any]:
    following, quality = _words(rng, 30), _words(rng, 30)
    return {
        "SC_score": 9.0,
        "PQ_score": 8.5,
        "O_score": float(rng.uniform(8.0, 10.0)),
        "SC_score_reasoning": following,
        "PQ_score_reasoning": quality,
        "SC_raw_output": f'{{"reasoning": "{following}", "score": [9.0, 9.5]}}',
        "PQ_raw_output": f'{{"reasoning": "{quality}", "score": [8.5, 8.5]}}',
    }


def _objects(rng: np.random.Generator) -> list[dict[str, Any]]:
    corners = rng.integers(0, 500, (3, 2))
    sides = rng.integers(1, 500, (3, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1).tolist()
    return [{"bbox_2d": box, "label": label} for box, label in zip(boxes, _LABELS, strict=False)]


def _words(rng: np.random.Generator, count: int) -> str:
    return " ".join(_WORDS[index] for index in rng.integers(0, len(_WORDS), count).tolist())


def _composed(rng: np.random.Generator) -> dict[str, Any]:
    scenes = load_taxonomy().scenes(THEME)
    scene = scenes[int(rng.integers(len(scenes)))]
    prompt = f"Put the subject {scene.place} {scene.setting}. {_words(rng, 38).capitalize()}."
    metadata = {"edit_type": THEME, "original_scene": _words(rng, 20), "chosen_keyword": scene.keyword}
    return {"prompt": prompt, "metadata": metadata}


_SHORT_RECORDS = {
    "flow": lambda rng: {"short": 0.1, "long": 0.05},
    "camera": lambda rng: {"fixed": True, "reasoning": _words(rng, 30)},
    "compose": _composed,
    "edit": lambda rng: {"details": {}},
    "remove": lambda rng: {"details": {}},
    "animate": lambda rng: {"details": {}},
    "ground2": lambda rng: {"frame_objects": [_objects(rng) for _ in range(_ANCHORS)]},
    "track": lambda rng: {"anchors": [0, 8], "abstained": [], "coverage": 0.15, "empty_frames": 0},
    "edges": lambda rng: {"density": 0.06, "foreground_threshold": 80, "background_threshold": 120},
    "synthesize": lambda rng: {"details": {}},
    "measure": lambda rng: dict(
        zip(
            ("background_motion", "foreground_psnr", "flicker", "mask_stability", "sharpness"),
            rng.uniform(1.0, 9.0, 5).tolist(),
            strict=True,
        )
    ),
}

if __name__ == "__main__":
    main()
