"""Raw pairs out of local tars, beside webdataset and `datasets` streaming.

    python benchmarks/stream.py [--samples 600] [--bytes 500000] [--rounds 5] [--json]

- Draws a release whose tars hold random bytes of upstream's mean size, one sort of tars for source and one
  for edited videos, and a second copy of the same pairs in tars as the peers want them: source, edited and
  JSON of a sample side by side.
- Ours reads the two sorts of tars in lockstep through a `PairDataset`: id, prompt and both videos of every
  pair, in the order of the tars, 32 at a time. The peers read the second copy from front to back, undecoded.
- Peers verify nothing; ours is given without sha256, and with it ("hashed"), which other threads compute
  beside the one that reads: that is processor time which others might want.
- Everybody takes turns; figures are of the medians. The page cache holds the tars.

JSON keys: `to_webdataset`, `to_datasets` (our pairs per second over theirs, without sha256 as theirs),
`to_webdataset_hashed`, `to_datasets_hashed` (ours with sha256), each also with `_cpu` (of processor time,
which other work on the machine disturbs less); `pairs_per_s` and `cpu_ms_per_pair` (of everybody).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from random_access import draw_release

from sparkle.builders.reading.pairs import open_pairs
from sparkle.builders.reading.source import open_source
from sparkle.builders.training.dataset import PairDataset
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO

CHUNK = 32  # pairs, as a stream reads them
SHARD_PAIRS = 200


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=600, help="How many pairs.")
    parser.add_argument("--bytes", type=int, default=500_000, help="Mean bytes of a video.")
    parser.add_argument("--rounds", type=int, default=5, help="How often everybody has a turn.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    shared = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        os.environ |= {"SPARKLE_CACHE": f"{folder}/cache", "HF_HOME": f"{folder}/hf", "HF_HUB_OFFLINE": "1"}
        draw_release(Path(folder) / "release", options.samples, options.bytes)
        copy_pairs(Path(folder) / "release", Path(folder) / "paired")
        figures = measure(Path(folder), options.rounds)
    print(json.dumps(figures) if options.json else "\n".join(f"{k:24} {v}" for k, v in figures.items()))


def measure(folder: Path, rounds: int) -> dict[str, object]:
    """The figures."""
    release, paired = folder / "release", [str(path) for path in sorted((folder / "paired").iterdir())]
    contenders: dict[str, Callable[[], int]] = {
        "ours": lambda: read_ours(release, verify=False),
        "hashed": lambda: read_ours(release, verify=True),
        "webdataset": lambda: read_webdataset(paired),
        "datasets": lambda: read_datasets(paired),
    }
    wall: dict[str, list[float]] = {name: [] for name in contenders}
    cpu: dict[str, list[float]] = {name: [] for name in contenders}
    expected = contenders["ours"]()
    for _ in range(rounds):
        for name, read in contenders.items():
            start, before = time.perf_counter(), time.process_time()
            assert read() == expected
            wall[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - before)
    count = len(open_pairs(release))
    figures: dict[str, object] = {}
    for suffix, times in (("", wall), ("_cpu", cpu)):
        middle = {name: statistics.median(took) for name, took in times.items()}
        for ours, how in (("ours", ""), ("hashed", "_hashed")):
            for peer in ("webdataset", "datasets"):
                figures[f"to_{peer}{how}{suffix}"] = round(middle[peer] / middle[ours], 2)
    return {
        **figures,
        "pairs_per_s": {name: round(count / statistics.median(took)) for name, took in wall.items()},
        "cpu_ms_per_pair": {
            name: round(1000 * statistics.median(took) / count, 3) for name, took in cpu.items()
        },
    }


def read_ours(release: Path, *, verify: bool) -> int:
    """Bytes of all pairs."""
    pairs = PairDataset(release, verify=verify)
    chosen = pairs.parts[0]
    total = 0
    for start in range(0, len(pairs), CHUNK):
        rows = range(start, min(start + CHUNK, len(pairs)))
        told = zip(chosen.ids[start : start + CHUNK], map(chosen.prompt, rows), strict=True)
        for (sample_id, prompt), (source, edited) in zip(told, pairs.read(rows), strict=True):
            assert sample_id in prompt
            total += len(source) + len(edited)
    return total


def read_webdataset(tars: list[str]) -> int:
    """The same with webdataset."""
    import webdataset

    samples = webdataset.WebDataset(tars, shardshuffle=False, empty_check=False)
    return sum(len(sample["src.mp4"]) + len(sample["tgt.mp4"]) for sample in samples)


def read_datasets(tars: list[str]) -> int:
    """The same with `datasets`, streaming."""
    from datasets import Video, load_dataset

    rows = load_dataset("webdataset", data_files={"train": tars}, split="train", streaming=True)
    for name in ("src.mp4", "tgt.mp4"):
        rows = rows.cast_column(name, Video(decode=False))
    return sum(len(row["src.mp4"]["bytes"]) + len(row["tgt.mp4"]["bytes"]) for row in rows)


def copy_pairs(release: Path, folder: Path) -> None:
    """Write tars of pairs, as the peers read them."""
    import webdataset

    folder.mkdir()
    pairs, source = open_pairs(release), open_source(release)
    writer = None
    for row, sample_id in enumerate(pairs.ids):
        if row % SHARD_PAIRS == 0:
            if writer is not None:
                writer.close()
            writer = webdataset.TarWriter(str(folder / f"pairs-{row // SHARD_PAIRS:06d}.tar"))
        halves = {
            field: source.read(pairs.artifact(row, kind))
            for field, kind in (("src.mp4", SOURCE_VIDEO), ("tgt.mp4", EDITED_VIDEO))
        }
        assert writer is not None
        writer.write({"__key__": sample_id, **halves, "json": {"prompt": pairs.prompt(row)}})
    assert writer is not None
    writer.close()


if __name__ == "__main__":
    main()
