"""Artifacts out of local tars: in order, at random, and as webdataset reads them.

    python benchmarks/random_access.py [--samples 2000] [--bytes 500000] [--rounds 3] [--json]

- Draws a release of N pairs whose tars hold random bytes of upstream's mean size, in a temporary folder.
- Ours opens it (`open_pairs`, `open_source`) and reads every pair: in the order of the tars, then in a drawn
  order; with and without sha256. webdataset reads the same tars from front to back and hashes nothing.
- Everybody takes turns; the best of the rounds counts. The page cache holds the tars, so what is measured is
  what the code costs: on a disk that must seek, a drawn order costs what the disk makes of it.

JSON keys: `to_sequential` (time of the drawn order over that of the tars' order, verified),
`to_sequential_unverified`, `pairs_per_s`, `pairs_per_s_random`, `pairs_per_s_unverified`, `to_webdataset`
(our pairs a second over webdataset's, unverified as webdataset's are).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=2000, help="How many pairs.")
    parser.add_argument("--bytes", type=int, default=500_000, help="Mean bytes of a video.")
    parser.add_argument("--rounds", type=int, default=3, help="How often everybody has a turn.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SPARKLE_CACHE"] = f"{folder}/cache"
        draw_release(Path(folder) / "release", options.samples, options.bytes)
        figures = measure(Path(folder) / "release", options.rounds)
    print(json.dumps(figures) if options.json else "\n".join(f"{k:26} {v}" for k, v in figures.items()))


def measure(release: Path, rounds: int) -> dict[str, float]:
    """The figures, for a release that `draw_release` made."""
    pairs = open_pairs(release)
    order = np.random.Generator(np.random.PCG64(3)).permutation(len(pairs)).tolist()
    forward = [pairs.artifact(row, kind) for kind in KINDS for row in range(len(pairs))]
    drawn = [pairs.artifact(row, kind) for row in order for kind in KINDS]
    contenders: dict[str, Callable[[], None]] = {
        "in_order": lambda: read(release, forward, verify=True),
        "drawn": lambda: read(release, drawn, verify=True),
        "in_order_unverified": lambda: read(release, forward, verify=False),
        "drawn_unverified": lambda: read(release, drawn, verify=False),
        "webdataset": lambda: read_webdataset(release),
    }
    best = {name: min(_seconds(run) for _ in range(rounds)) for name, run in contenders.items()}
    count = len(pairs)
    return {
        "to_sequential": round(best["drawn"] / best["in_order"], 3),
        "to_sequential_unverified": round(best["drawn_unverified"] / best["in_order_unverified"], 3),
        "pairs_per_s": round(count / best["in_order"], 1),
        "pairs_per_s_random": round(count / best["drawn"], 1),
        "pairs_per_s_unverified": round(count / best["in_order_unverified"], 1),
        "to_webdataset": round(best["webdataset"] / best["in_order_unverified"], 2),
    }


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


def _seconds(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


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
