"""How long packing takes beside one sha256 pass over the same bytes, and beside webdataset's TarWriter.

    python benchmarks/pack.py [--files 4000] [--size 2GB] [--rounds 5] [--json]

- Ours is what `sparkle build` does with artifacts, its own functions: every file is read once, compared with
  its recorded hash, put into its tar, the tar is hashed, the journal is written, and so is the theme's table
  with shard, offset, size and sha256 of every artifact.
- A hashlib pass reads the same files and hashes them once. TarWriter writes the same files into as many tars
  and hashes nothing.
- Files are drawn, on /dev/shm where there is one. Everybody takes turns; the best of the rounds counts.

JSON keys: `to_sha256_pass` (a tar a kind: eight), `to_sha256_pass_one_shard` (everything in one tar),
`to_webdataset` (eight tars): our time over theirs; `rss_mb`: peak memory of a process that packs and does
nothing else; `seconds`: the times themselves.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sparkle._progress import parse_size
from sparkle._run_folder import Reclaimed
from sparkle.builders.building.pack import Journal, ShardPlan, pack
from sparkle.builders.building.plan import place_artifacts, plan_shards
from sparkle.builders.building.previous import PreviousRelease
from sparkle.builders.building.run import Run
from sparkle.builders.release.sample import SCORES, Sample
from sparkle.builders.release.tables import Artifacts, pairs_table, write_pairs
from sparkle.schemas import records as r
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.ids import format_id
from sparkle.schemas.layout import KIND_BY_NAME, KINDS, SOURCE_VIDEO
from sparkle.schemas.rules import Thresholds

THEME = "location"
_CAP = 5_000_000_000  # bytes of a tar, as in a release
_READ_BYTES = 1 << 20  # of the hashlib pass; more or less is not faster
_PART = "pack"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=4000, help="How many files; a multiple of eight.")
    parser.add_argument("--size", type=parse_size, default="2GB", help="Their bytes in all.")
    parser.add_argument("--rounds", type=int, default=5, help="How often everybody has a turn.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    parser.add_argument("--part", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part is not None:  # a process that only packs
        pack_eight(options.part, read_samples(options.part))
        print(_peak_kb())
        return
    shared = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        draw(Path(folder), options.files // len(KINDS), options.size)
        figures = measure(Path(folder), options.rounds)
    print(json.dumps(figures) if options.json else "\n".join(f"{k:26} {v}" for k, v in figures.items()))


def measure(folder: Path, rounds: int) -> dict[str, object]:
    """The figures, for files that `draw` made."""
    samples = read_samples(folder)
    contenders: dict[str, Callable[[], None]] = {
        "sha256_pass": lambda: hash_once(samples),
        "eight": lambda: pack_eight(folder, samples),
        "one": lambda: pack_one(folder, samples),
        "webdataset": lambda: write_webdataset(folder, samples),
    }
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
            shutil.rmtree(folder / "out", ignore_errors=True)
    command = [sys.executable, __file__, "--part", str(folder)]
    peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {
        "to_sha256_pass": round(best["eight"] / best["sha256_pass"], 3),
        "to_sha256_pass_one_shard": round(best["one"] / best["sha256_pass"], 3),
        "to_webdataset": round(best["eight"] / best["webdataset"], 3),
        "rss_mb": round(int(peak) / 1024),
        "seconds": {name: round(seconds, 3) for name, seconds in best.items()},
    }


def _peak_kb() -> int:
    """Peak resident memory of this program; `getrusage` would count the parent's from before the start."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def hash_once(samples: Sequence[Sample]) -> None:
    """One sha256 pass, file by file."""
    for sample in samples:
        for kind in KINDS:
            digest = hashlib.sha256()
            with sample.path(kind).open("rb") as file:
                while block := file.read(_READ_BYTES):
                    digest.update(block)


def pack_eight(folder: Path, samples: Sequence[Sample]) -> None:
    """Pack as a build does."""
    plans, _ = plan_shards({THEME: samples}, _CAP, PreviousRelease())
    _pack(folder, plans, samples, place_artifacts(plans))


def pack_one(folder: Path, samples: Sequence[Sample]) -> None:
    """Pack everything into one tar, which no release does, and write the same table."""
    by_name = {f"{kind.name}/{sample.id}": (kind, sample) for kind in KINDS for sample in samples}

    def source(name: str) -> Artifact:
        kind, sample = by_name[name]
        return sample.artifact(kind)

    refs = tuple(sample.artifacts[kind.name] for kind, sample in by_name.values())
    plan = ShardPlan(SOURCE_VIDEO.shard(THEME, 0), SOURCE_VIDEO, tuple(by_name), refs, source)
    artifacts: dict[str, dict[str, Artifact]] = {kind.name: {} for kind in KINDS}
    for placed in plan.members(plan.path):
        kind, sample = by_name[placed.id]
        artifacts[kind.name][sample.id] = replace(placed, id=sample.id, kind=kind)
    _pack(folder, [plan], samples, artifacts)


def _pack(folder: Path, plans: Sequence[ShardPlan], samples: Sequence[Sample], artifacts: Artifacts) -> None:
    out = folder / "out"
    out.mkdir()
    pack(out, plans, Journal(out / "journal.jsonl", out), lambda done=1: None)
    write_pairs(out, THEME, lambda start, end: pairs_table(samples[start:end], artifacts), len(samples))


def write_webdataset(folder: Path, samples: Sequence[Sample]) -> None:
    """The same files into as many tars by webdataset."""
    import webdataset

    out = folder / "out"
    out.mkdir()
    for kind in KINDS:
        with webdataset.TarWriter(str(out / f"{kind.name}.tar")) as writer:
            for sample in samples:
                data = sample.path(kind).read_bytes()
                writer.write({"__key__": sample.id, kind.suffix.lstrip("."): data})


def draw(folder: Path, count: int, size: int) -> None:
    """Write samples of eight files each, from half to one and a half of the mean size; no two alike."""
    random = np.random.Generator(np.random.PCG64(0))
    mean = size // (count * len(KINDS))
    noise = random.bytes(4 * mean)
    lengths = random.permutation(np.linspace(0.5 * mean, 1.5 * mean, count * len(KINDS)).astype(int))
    listed = []
    for index in range(count):
        sample_id, refs = format_id(THEME, index), {}
        for kind in KINDS:
            length = int(lengths[len(listed) * len(KINDS) + len(refs)])
            start = int(random.integers(len(noise) - length))
            data = os.urandom(16) + noise[start : start + length - 16]
            path = folder / kind.path(sample_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            refs[kind.name] = [hashlib.sha256(data).hexdigest(), length]
        listed.append([sample_id, refs])
    (folder / "refs.json").write_text(json.dumps(listed))


def read_samples(folder: Path) -> list[Sample]:
    """The samples that `draw` wrote, as a replayed run gives them."""
    run = Run(folder, {}, Thresholds(), {}, (), {}, {}, Reclaimed(folder))
    clip = r.NormaliseRecord(1280, 720, 81, 16.0, True, 1280, 720, 81, 16.0, 5)
    scene = r.ComposeRecord(
        "Place the subject on a pier.",
        r.SceneMetadata(edit_type=THEME, original_scene="A grey wall.", chosen_keyword="coast: pier"),
    )
    measures = r.MeasureRecord(1.5, 30.0, 0.01, 0.98, 120.0)
    samples = []
    for sample_id, refs in json.loads((folder / "refs.json").read_text()):
        source = hashlib.sha256(sample_id.encode()).hexdigest()
        samples.append(
            Sample(
                id=sample_id,
                folder=run.folder,
                reclaimed=run.reclaimed,
                candidate=r.Candidate(sample_id, source, THEME),
                source=r.SourceRecord(source, f"{sample_id}.mp4", 500_000),
                normalise=clip,
                compose=scene,
                measure=measures,
                scores=dict.fromkeys(SCORES.values(), 9.0),
                artifacts={KIND_BY_NAME[name].name: r.ArtifactRef(*ref) for name, ref in refs.items()},
                offsets={},
            )
        )
    return samples


if __name__ == "__main__":
    main()
