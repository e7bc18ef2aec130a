"""How fast a DataLoader gives decoded pairs: ours, Kiwi-Edit's loader, and torchcodec.

    python benchmarks/decode.py [--clips DIR] [--rounds 3] [--kiwi CHECKOUT] [--torchcodec PYTHON] [--json]

- Draws a pair of 81 frames of 1280x720; `--clips` takes real ones (ID_source.mp4 and ID_edited.mp4, of which
  81 frames are read) instead. "720p" is max_pixels 921,600: a crop to 1280x704. "480p" is max_pixels 399,360
  (832x480): frames are resized and cropped.
- What is measured is a `DataLoader` from its start to its end, without workers (w0, each pair once) and with
  two (w2, each pair twice). Whoever takes an item copies each of its frames into an array, as a trainer does.
- Pairs: `PairDataset` on a release of these clips, checked by sha256; without workers it decodes both clips
  of a pair at once. Drop-in: `sparkle.kiwi.UnifiedDataset`. Kiwi-Edit: the `UnifiedDataset` of a checkout of
  showlab/Kiwi-Edit (`--kiwi`, which needs torchvision), or else the same calls written down here: count the
  frames, decode by imageio-ffmpeg, crop and resize each frame by PIL.
- torchcodec decodes clips that are in memory, in an environment of its own (`make .venv-torchcodec/.ready`,
  FFmpeg installed) and a DataLoader of its own. Without it, its figures are null and a reason is given.
- Everybody takes turns; figures are of the medians. On a machine that others use, trust the processor time.

JSON keys: `dropin_to_kiwi_720p_w2` (Kiwi-Edit's seconds over the drop-in's; also `480p` and `w0`),
`pairs_to_kiwi_...` (over PairDataset's), `to_torchcodec_720p`, `to_torchcodec_480p` (torchcodec's seconds
over PairDataset's, w2); each also with `_cpu`, of processor time. `mean_abs_diff` (levels by which our pixels
differ from Kiwi-Edit's on average, in the clip, size and loader where that is most), `seconds_per_pair` and
`cpu_seconds_per_pair` (of everybody), `kiwi` (whose code it was), `torchcodec_missing` (why, or null).
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import imageio
import numpy as np
import numpy.typing as npt
from PIL import Image
from random_access import write_release
from torch.utils.data import DataLoader

from drawn_clips.synthetic import draw_clip
from sparkle import Clip, PairDataset, collate
from sparkle.builders.training.kiwi import UnifiedDataset
from sparkle.media.encode import Encoding
from sparkle.schemas.ids import format_id
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO, Kind

MAX_PIXELS = {"720p": 921_600, "480p": 399_360}
WORKERS = (0, 2)
FRAMES = 81
MULTIPLE = 32
THEME = "location"
HALVES = ("source", "edited")
KEYS = ("src_video", "tgt_video")
PEER = Path(__file__).with_name("peer_torchcodec.py")
PEER_PYTHON = Path(__file__).parent.parent / ".venv-torchcodec/bin/python"

Pixels = npt.NDArray[np.uint8]
Pair = tuple[Path, Path]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, help="Real clips instead of drawn ones.")
    parser.add_argument("--rounds", type=int, default=3, help="How often everybody has a turn.")
    parser.add_argument("--kiwi", type=Path, help="A checkout of showlab/Kiwi-Edit, whose loader is run.")
    parser.add_argument("--torchcodec", type=Path, default=PEER_PYTHON, help="A Python that has torchcodec.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # imageio's, of resources that Kiwi-Edit closes late
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SPARKLE_CACHE"] = f"{folder}/cache"
        pairs = clips_of(options.clips or draw(Path(folder)))
        theirs = Kiwi if options.kiwi is None else loader_of(options.kiwi)
        figures = measure(pairs, Path(folder), options.rounds, theirs, options.torchcodec)
    print(json.dumps(figures) if options.json else "\n".join(f"{k:30} {v}" for k, v in figures.items()))


def draw(folder: Path) -> Path:
    """A pair that is noisy enough to take some 0.3 MB a clip."""
    for seed, half in enumerate(HALVES):
        target = folder / f"drawn_{half}.mp4"
        encoding = Encoding(crf=27)
        draw_clip(target, seed=seed, width=1280, height=720, frames=FRAMES, encoding=encoding)
    return folder


def clips_of(folder: Path) -> list[Pair]:
    """The pairs of a folder."""
    names = sorted(path.name.removesuffix("_source.mp4") for path in folder.glob("*_source.mp4"))
    return [(folder / f"{name}_source.mp4", folder / f"{name}_edited.mp4") for name in names]


def measure(pairs: Sequence[Pair], folder: Path, rounds: int, theirs: Any, python: Path) -> dict[str, Any]:
    """The figures."""
    metadata = folder / "pairs.csv"
    with metadata.open("w", newline="") as file:
        csv.writer(file).writerows([("prompt", *KEYS), *((f"Edit {a.name}.", a, b) for a, b in pairs)])
    ids = [format_id(THEME, index) for index in range(len(pairs))]
    halves = {SOURCE_VIDEO: 0, EDITED_VIDEO: 1}

    def content(sample_id: str, kind: Kind) -> bytes:
        return pairs[ids.index(sample_id)][halves[kind]].read_bytes()

    write_release(folder / "release", ids, content)
    wall: dict[str, list[float]] = defaultdict(list)
    cpu: dict[str, list[float]] = defaultdict(list)
    difference = 0.0
    missing = why_no_torchcodec(python)
    with Peer(None if missing else python, pairs) as peer:
        for size, limit in MAX_PIXELS.items():
            for workers in WORKERS:
                repeat = 2 if workers else 1
                contenders: dict[str, tuple[Any, Any]] = {
                    "kiwi": (made(theirs, metadata, limit, repeat), first),
                    "dropin": (made(UnifiedDataset, metadata, limit, repeat), first),
                    "pairs": (Pairs(folder / "release", limit, repeat, 1 if workers else 2), collate),
                }
                for _ in range(rounds):
                    for name, (dataset, join) in contenders.items():
                        took = through_a_loader(dataset, workers, join)
                        note(wall, cpu, f"{name}_{size}_w{workers}", took)
                    if missing is None:
                        note(wall, cpu, f"torchcodec_{size}_w{workers}", peer.measure(limit, workers, repeat))
            videos = [made(kind, metadata, limit, 1) for kind in (theirs, UnifiedDataset)]
            difference = max(difference, largest_difference(*videos, Pairs(folder / "release", limit, 1, 1)))
    return report(wall, cpu) | {
        "mean_abs_diff": round(difference, 3),
        "max_pixels": MAX_PIXELS,
        "seconds_per_pair": {name: round(statistics.median(took), 3) for name, took in wall.items()},
        "cpu_seconds_per_pair": {name: round(statistics.median(took), 3) for name, took in cpu.items()},
        "kiwi": "its method, written down again" if theirs is Kiwi else "the loader of the checkout",
        "torchcodec_missing": missing,
    }


def report(wall: dict[str, list[float]], cpu: dict[str, list[float]]) -> dict[str, float | None]:
    """Ratios of medians."""

    def ratio(times: dict[str, list[float]], theirs: str, ours: str) -> float | None:
        if theirs not in times:
            return None
        return round(statistics.median(times[theirs]) / statistics.median(times[ours]), 2)

    told: dict[str, float | None] = {}
    for suffix, times in (("", wall), ("_cpu", cpu)):
        for ours in ("dropin", "pairs"):
            for size in MAX_PIXELS:
                for case in (f"{size}_w{workers}" for workers in WORKERS):
                    told[f"{ours}_to_kiwi_{case}{suffix}"] = ratio(times, f"kiwi_{case}", f"{ours}_{case}")
        for size in MAX_PIXELS:
            told[f"to_torchcodec_{size}{suffix}"] = ratio(times, f"torchcodec_{size}_w2", f"pairs_{size}_w2")
    return told


def note(
    wall: dict[str, list[float]], cpu: dict[str, list[float]], name: str, took: tuple[float, float]
) -> None:
    """Add seconds, and seconds of processors, for one pair."""
    wall[name].append(took[0])
    cpu[name].append(took[1])


def through_a_loader(dataset: Any, workers: int, join: Any) -> tuple[float, float]:
    """Seconds, and seconds of processors, in which a pair comes out of a DataLoader and is used."""
    start, before = time.perf_counter(), cpu_seconds()
    for item in DataLoader(dataset, num_workers=workers, collate_fn=join):
        for video in videos_of(item):
            use(video)
    return (time.perf_counter() - start) / len(dataset), (cpu_seconds() - before) / len(dataset)


def cpu_seconds() -> float:
    """Processor time of this process and of those that it started and that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def first(items: list[Any]) -> Any:
    """What Kiwi-Edit makes of a batch of one."""
    return items[0]


def videos_of(item: dict[str, Any]) -> Iterable[Any]:
    """The videos of an item: lists of images or (T, H, W, 3)."""
    if KEYS[0] in item:
        return [item[key] for key in KEYS]
    return [item[kind.name][0] for kind in (SOURCE_VIDEO, EDITED_VIDEO)]


def use(video: Any) -> None:
    """Copy each frame into an array."""
    room = np.empty(np.asarray(video[0]).shape, np.uint8)
    for frame in video:
        room[:] = np.asarray(frame)


# --- ours --------------------------------------------------------------------------------------


class Pairs:
    """A `PairDataset` that gives each pair several times."""

    def __init__(self, release: Path, max_pixels: int, repeat: int, threads: int) -> None:
        clip = Clip(frames=FRAMES, window="start", max_pixels=max_pixels, multiple_of=MULTIPLE)
        self.pairs = PairDataset(release, clip=clip, threads=threads)
        self.repeat = repeat

    def __len__(self) -> int:
        return len(self.pairs) * self.repeat

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.pairs[number % len(self.pairs)]


# --- Kiwi-Edit ---------------------------------------------------------------------------------


def loader_of(checkout: Path) -> Any:
    """Kiwi-Edit's `UnifiedDataset`."""
    file = checkout / "diffsynth/trainers/unified_dataset.py"
    spec = importlib.util.spec_from_file_location("kiwi_unified_dataset", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.UnifiedDataset


def made(kind: Any, metadata: Path, max_pixels: int, repeat: int) -> Any:
    """A dataset as Kiwi-Edit's train.py makes it."""
    return kind(
        base_path="",
        metadata_path=str(metadata),
        repeat=repeat,
        data_file_keys=KEYS,
        main_data_operator=kind.default_video_operator(
            base_path="",
            max_pixels=max_pixels,
            height=None,
            width=None,
            height_division_factor=MULTIPLE,
            width_division_factor=MULTIPLE,
            num_frames=FRAMES,
            time_division_factor=4,
            time_division_remainder=1,
        ),
    )


class Kiwi:
    """Kiwi-Edit's method: its calls of imageio, its size rules, its PIL."""

    def __init__(
        self,
        base_path: str,
        metadata_path: str,
        repeat: int,
        data_file_keys: Sequence[str],
        main_data_operator: int,
    ) -> None:
        with Path(metadata_path).open(newline="") as file:
            self.rows = list(csv.DictReader(file))
        self.repeat, self.keys, self.max_pixels = repeat, data_file_keys, main_data_operator

    @staticmethod
    def default_video_operator(*, max_pixels: int, **others: Any) -> int:
        """What decides how large frames become."""
        return max_pixels

    def __len__(self) -> int:
        return len(self.rows) * self.repeat

    def __getitem__(self, number: int) -> dict[str, Any]:
        row = self.rows[number % len(self.rows)]
        return row | {key: self._video(row[key]) for key in self.keys}

    def _video(self, path: str) -> list[Image.Image]:
        reader = imageio.get_reader(path)
        count = FRAMES
        if int(reader.count_frames()) < count:
            count = int(reader.count_frames())
            while count > 1 and count % 4 != 1:
                count -= 1
        frames = [self._fitted(Image.fromarray(reader.get_data(index))) for index in range(count)]
        reader.close()
        return frames

    def _fitted(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        if width * height > self.max_pixels:
            scale = (width * height / self.max_pixels) ** 0.5
            width, height = int(width / scale), int(height / scale)
        width, height = width // MULTIPLE * MULTIPLE, height // MULTIPLE * MULTIPLE
        scale = max(width / image.width, height / image.height)
        resized = (round(image.width * scale), round(image.height * scale))
        if resized != image.size:  # torchvision leaves out a resize to the same size
            image = image.resize(resized, Image.Resampling.BILINEAR)
        left, top = round((image.width - width) / 2.0), round((image.height - height) / 2.0)
        return image.crop((left, top, left + width, top + height))


def largest_difference(kiwi: Any, dropin: Any, pairs: Pairs) -> float:
    """Levels by which a clip's pixels differ from Kiwi-Edit's on average, of the clip that differs most."""
    worst = 0.0
    for row in range(len(kiwi)):
        theirs = videos_of(kiwi[row])
        for ours in (videos_of(dropin[row]), videos_of(collate([pairs[row]]))):
            for mine, other in zip(ours, theirs, strict=True):
                frames = zip(mine, other, strict=True)
                gaps = [np.abs(np.asarray(a).astype(int) - np.asarray(b)).mean() for a, b in frames]
                worst = max(worst, float(np.mean(gaps)))
    return worst


# --- torchcodec --------------------------------------------------------------------------------


def why_no_torchcodec(python: Path) -> str | None:
    """None where it can be imported."""
    if not python.is_file():
        return f"there is no {python.name} with torchcodec: make .venv-torchcodec/.ready"
    result = subprocess.run([python, "-c", "import torchcodec"], capture_output=True, text=True, check=False)
    return None if result.returncode == 0 else result.stderr.strip().splitlines()[-1]


class Peer:
    """A process with torchcodec; without a Python for it, nobody asks it for anything."""

    def __init__(self, python: Path | None, pairs: Sequence[Pair]) -> None:
        self._process = None
        if python is not None:
            command = [python, PEER, *(path for pair in pairs for path in pair)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()

    def measure(self, max_pixels: int, workers: int, repeat: int) -> tuple[float, float]:
        """Seconds, and seconds of processors, for one pair."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{max_pixels} {workers} {repeat}\n")
        process.stdin.flush()
        wall, cpu = map(float, process.stdout.readline().split())
        return wall, cpu


if __name__ == "__main__":
    main()
