"""Artifacts out of local tars: in order, at random, and as webdataset and Lance read theirs.

    python benchmarks/random_access.py [--samples 500] [--bytes 500000] [--rounds 3] [--lance PYTHON] [--json]

- Draws a release of N pairs whose tars hold random bytes of upstream's mean size, in a temporary folder.
- Ours opens it (`open_pairs`, `open_source`) and reads every pair: in the order of the tars, then in a drawn
  order; with and without sha256. webdataset reads the same tars from front to back and hashes nothing.
- Lance has the same pairs in data sets of its own, in an environment of its own (`make .venv-lance/.ready`).
  Both read them in a drawn order: one pair at a time, and 32 at a time, undecoded; and pairs of drawn clips,
  one at a time, decoded to RGB by PyAV in one thread. Lance reads by several threads and verifies nothing;
  the fastest of its ways counts (`peer_lance.py` has them). Ours is a `PairDataset`, with and without sha256.
- Everybody takes turns; figures are of the medians. The page cache holds everything, so what is measured is
  what the code costs: on a disk that must seek, a drawn order costs what the disk makes of it.

JSON keys: `to_sequential` (time of the drawn order over that of the tars' order, verified),
`to_sequential_unverified`, `pairs_per_s`, `pairs_per_s_random`, `pairs_per_s_unverified`, `to_webdataset`
(our pairs a second over webdataset's, unverified as webdataset's are); `to_lance_single`, `to_lance` (32 at a
time), `to_lance_decoded` (our pairs a second over Lance's, unverified as Lance's are), each also with
`_hashed` (ours with sha256), `_cpu` (processor time) and `_hashed_cpu`; `lance_ms_per_pair` (seconds of
everybody), `lance_missing` (why there are no figures of it, or null).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drawn_clips.synthetic import draw_clip
from sparkle import Clip, PairDataset
from sparkle.builders.reading.pairs import open_pairs
from sparkle.builders.reading.source import open_source
from sparkle.builders.release.formats import pair_row
from sparkle.builders.release.manifest import FileEntry, dump_manifest
from sparkle.builders.release.tables import pairs_schema_for_datasets
from sparkle.builders.release.tar import header
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.ids import format_id
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO, Kind

THEME = "location"
KINDS = (SOURCE_VIDEO, EDITED_VIDEO)
_SHARD_BYTES = 200_000_000
_BLOCK = 512

PEER_PYTHON = Path(__file__).parent.parent / ".venv-lance/bin/python"
WAYS = ("read_blobs", "take_blobs", "take")
# What the key ends with -> which release, pairs that are asked for at once, whether they are decoded.
CASES = {"_single": ("release", 1, False), "": ("release", 32, False), "_decoded": ("clips", 1, True)}
WHOLE = Clip(max_pixels=1 << 30, multiple_of=1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=500, help="How many pairs.")
    parser.add_argument("--bytes", type=int, default=500_000, help="Mean bytes of a video.")
    parser.add_argument("--rounds", type=int, default=3, help="How often everybody has a turn.")
    parser.add_argument("--lance", type=Path, default=PEER_PYTHON, help="A Python that has Lance.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SPARKLE_CACHE"] = f"{folder}/cache"
        draw_release(Path(folder) / "release", options.samples, options.bytes)
        figures = measure(Path(folder) / "release", options.rounds)
        figures |= measure_lance(Path(folder), options.rounds, options.lance)
    print(json.dumps(figures) if options.json else "\n".join(f"{k:30} {v}" for k, v in figures.items()))


def measure(release: Path, rounds: int) -> dict[str, Any]:
    """The figures of the tars, for a release that `draw_release` made."""
    pairs = open_pairs(release)
    order = drawn_order(len(pairs))
    forward = [pairs.artifact(row, kind) for kind in KINDS for row in range(len(pairs))]
    drawn = [pairs.artifact(row, kind) for row in order for kind in KINDS]
    contenders: dict[str, Callable[[], None]] = {
        "in_order": lambda: read(release, forward, verify=True),
        "drawn": lambda: read(release, drawn, verify=True),
        "in_order_unverified": lambda: read(release, forward, verify=False),
        "drawn_unverified": lambda: read(release, drawn, verify=False),
        "webdataset": lambda: read_webdataset(release),
    }
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            took[name].append(time.perf_counter() - start)
    middle = {name: statistics.median(seconds) for name, seconds in took.items()}
    count = len(pairs)
    return {
        "to_sequential": round(middle["drawn"] / middle["in_order"], 3),
        "to_sequential_unverified": round(middle["drawn_unverified"] / middle["in_order_unverified"], 3),
        "pairs_per_s": round(count / middle["in_order"], 1),
        "pairs_per_s_random": round(count / middle["drawn"], 1),
        "pairs_per_s_unverified": round(count / middle["in_order_unverified"], 1),
        "to_webdataset": round(middle["webdataset"] / middle["in_order_unverified"], 2),
    }


def drawn_order(count: int) -> list[int]:
    """Row numbers in a drawn order, the same each time."""
    order: list[int] = np.random.Generator(np.random.PCG64(3)).permutation(count).tolist()
    return order


def read(release: Path, artifacts: Sequence[Artifact], *, verify: bool) -> None:
    """Read artifacts, one after another."""
    source = open_source(release, verify=verify)
    assert sum(len(source.read(artifact)) for artifact in artifacts) == source.bytes_read


def read_webdataset(release: Path) -> None:
    """Read the same tars with webdataset, from front to back."""
    import webdataset as wds

    tars = [str(path) for path in sorted(release.glob("*.tar"))]
    count = sum(1 for _ in wds.WebDataset(tars, shardshuffle=False, empty_check=False))
    assert count > 0


# --- beside Lance ------------------------------------------------------------------------------


def measure_lance(folder: Path, rounds: int, python: Path) -> dict[str, Any]:
    """The figures beside Lance; `folder` has a release of random bytes already."""
    missing = None if python.is_file() else "there is no Python with Lance: make .venv-lance/.ready"
    if missing is not None:
        return {"lance_missing": missing}
    draw_clips(folder)
    releases = {"release": folder / "release", "clips": folder / "clips"}
    indexes = [f"{name}={write_index(release, folder)}" for name, release in releases.items()]
    command = [python, Path(__file__).with_name("peer_lance.py"), folder, *indexes]
    wall: dict[str, list[float]] = defaultdict(list)
    cpu: dict[str, list[float]] = defaultdict(list)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None
        assert peer.stdout.readline() == "ready\n"
        for case, (of, at_once, decode) in CASES.items():
            ours = {
                "ours": PairDataset(releases[of], clip=WHOLE, verify=False),
                "hashed": PairDataset(releases[of], clip=WHOLE),
            }
            rows = drawn_order(len(ours["ours"]))
            for _ in range(rounds):
                totals = set()
                for name, pairs in ours.items():
                    start, before = time.perf_counter(), time.process_time()
                    totals.add(read_pairs(pairs, rows, at_once, decode=decode))
                    wall[f"{name}_{case}"].append((time.perf_counter() - start) / len(rows))
                    cpu[f"{name}_{case}"].append((time.process_time() - before) / len(rows))
                for way in WAYS:
                    asked = {"of": of, "way": way, "at_once": at_once, "decode": decode, "rows": rows}
                    peer.stdin.write(json.dumps(asked) + "\n")
                    peer.stdin.flush()
                    seconds, processors, total = peer.stdout.readline().split()
                    totals.add(int(total))
                    wall[f"{way}_{case}"].append(float(seconds) / len(rows))
                    cpu[f"{way}_{case}"].append(float(processors) / len(rows))
                assert len(totals) == 1
        peer.stdin.close()
    figures: dict[str, Any] = {}
    for suffix, times in (("", wall), ("_cpu", cpu)):
        middle = {name: statistics.median(took) for name, took in times.items()}
        for case in CASES:
            theirs = min(middle[f"{way}_{case}"] for way in WAYS)
            for ours_is, how in (("ours", ""), ("hashed", "_hashed")):
                figures[f"to_lance{case}{how}{suffix}"] = round(theirs / middle[f"{ours_is}_{case}"], 2)
    told = {name: round(1000 * statistics.median(took), 3) for name, took in wall.items()}
    return {**figures, "lance_ms_per_pair": told, "lance_missing": None}


def read_pairs(pairs: PairDataset, rows: Sequence[int], at_once: int, *, decode: bool) -> int:
    """Read pairs in an order; returns bytes, or bytes of pixels."""
    total = 0
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        if decode:
            total += sum(item[kind.name].nbytes for item in pairs.__getitems__(some) for kind in KINDS)
        else:
            total += sum(len(content) for streams in pairs.read(some) for content in streams)
    return total


def draw_clips(folder: Path) -> None:
    """Write a release of a few drawn clips, each in several pairs."""
    contents = []
    for seed in range(4):
        clip = folder / f"clip{seed}.mp4"
        draw_clip(clip, seed=seed, width=640, height=360, frames=33)
        contents.append(clip.read_bytes())
    ids = [format_id(THEME, index) for index in range(24)]
    write_release(
        folder / "clips", ids, lambda name, kind: contents[(ids.index(name) + KINDS.index(kind)) % 4]
    )


def write_index(release: Path, folder: Path) -> Path:
    """Say where the videos of a release are, for `peer_lance.py`."""
    pairs = open_pairs(release)
    lines = []
    for row, sample_id in enumerate(pairs.ids):
        line: dict[str, Any] = {"id": sample_id}
        for column, kind in zip(("source", "edited"), KINDS, strict=True):
            artifact = pairs.artifact(row, kind)
            line[column] = (str(release / artifact.file), artifact.offset, artifact.size)
        lines.append(json.dumps(line) + "\n")
    index = folder / f"{release.name}.jsonl"
    index.write_text("".join(lines))
    return index


# --- a release ----------------------------------------------------------------


def draw_release(release: Path, samples: int, size: int) -> None:
    """Write a release of N pairs of random bytes."""
    rng = np.random.Generator(np.random.PCG64(7))
    ids = [format_id(THEME, 3 * index) for index in range(samples)]
    write_release(release, ids, lambda sample_id, kind: rng.bytes(int(size * rng.uniform(0.5, 1.5))))


def write_release(release: Path, ids: Sequence[str], content: Callable[[str, Kind], bytes]) -> None:
    """Write a release: two kinds of tars, a table, a manifest."""
    rng = np.random.Generator(np.random.PCG64(7))
    scores = rng.uniform(8.0, 10.0, len(ids)).tolist()
    rows = [
        {**pair_row(sample_id, f"Move {sample_id} to a beach."), "edited_video_score": score}
        | {"frames": 81, "width": 1280, "height": 720}
        for sample_id, score in zip(ids, scores, strict=True)
    ]
    release.mkdir(parents=True)
    for kind in KINDS:
        places = _write_tars(release, kind, ids, content)
        for row, place in zip(rows, places, strict=True):
            row |= place
    table = release / layout.data_parquet(THEME, 0, 1)
    table.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, pairs_schema_for_datasets()), table)
    files = sorted(path for path in release.rglob("*") if path.is_file())
    names = {path.relative_to(release).as_posix(): path for path in files}
    entries = [FileEntry(name, path.stat().st_size, sha256_file(path)) for name, path in names.items()]
    (release / layout.MANIFEST).write_bytes(dump_manifest(entries))


def _write_tars(
    release: Path, kind: Kind, ids: Sequence[str], content: Callable[[str, Kind], bytes]
) -> list[dict[str, object]]:
    """Write the tars of a kind; where each artifact is, as columns of its row."""
    places: list[dict[str, object]] = []
    part, tar, written = -1, None, _SHARD_BYTES
    for sample_id in ids:
        data = content(sample_id, kind)
        if written >= _SHARD_BYTES:
            if tar is not None:
                tar.write(bytes(2 * _BLOCK))
                tar.close()
            part, written = part + 1, 0
            tar = (release / kind.shard(THEME, part)).open("wb")
        assert tar is not None
        tar.write(header(kind.member(sample_id), len(data)) + data + bytes(-len(data) % _BLOCK))
        place = (kind.shard(THEME, part), written + _BLOCK, len(data), hashlib.sha256(data).digest())
        names = (f"{kind.name}_{name}" for name in ("shard", "offset", "size", "sha256"))
        places.append(dict(zip(names, place, strict=True)))
        written = tar.tell()
    assert tar is not None
    tar.write(bytes(2 * _BLOCK))
    tar.close()
    return places


if __name__ == "__main__":
    main()
