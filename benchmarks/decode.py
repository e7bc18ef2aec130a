"""How fast pairs are decoded and brought to size, beside Kiwi-Edit's method and torchcodec.

    python benchmarks/decode.py [--clips DIR] [--rounds 5] [--torchcodec PYTHON] [--json]

- Draws a pair of 81 frames of 1280x720 at some 0.5 MB a clip, as upstream's are; `--clips` takes real ones
  (ID_source.mp4 and ID_edited.mp4) instead. All work is one process with two clips at a time.
- "720p" is max_pixels 921,600: a crop to 1280x704. "480p" is max_pixels 399,360 (832x480): frames are resized
  and cropped.
- Ours is what a `PairDataset` does with the bytes of a pair, until they are uint8 (T, H, W, 3). The drop-in's
  figure is of `sparkle.builders.training.kiwi`, which ends with PIL images.
- Kiwi-Edit's method: imageio-ffmpeg with its `count_frames` pass, frame by frame through PIL, as its
  unified_dataset.py does it.
- torchcodec runs in an environment of its own (`make .venv-torchcodec/.ready`, FFmpeg installed); its best of
  one or all threads a clip counts. Without it, its figures are null and a reason is given.
- Everybody takes turns; the best of the rounds counts.

JSON keys: `to_kiwi_720p`, `to_kiwi_480p` (Kiwi-Edit's seconds over ours), `dropin_to_kiwi_720p`,
`dropin_to_kiwi_480p` (the same for the drop-in), `to_torchcodec`, `to_torchcodec_480p` (torchcodec's seconds
over ours), `mean_abs_diff` (levels by which ours differ from Kiwi-Edit's, the worse of both sizes), `fps`
(frames a second of everybody), `cpu_ms_per_frame` (processor time, which other work on the machine disturbs
less), `torchcodec_missing` (why, or null).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio
import numpy as np
import numpy.typing as npt
from PIL import Image

from drawn_clips.synthetic import draw_clip
from sparkle.builders.training.item import Clip
from sparkle.builders.training.kiwi import UnifiedDataset
from sparkle.media.encode import Encoding
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO

MAX_PIXELS = {"720p": 921_600, "480p": 399_360}
FRAMES = 81
MULTIPLE = 32
HALVES = ("source", "edited")
PEER = Path(__file__).with_name("peer_torchcodec.py")
PEER_PYTHON = Path(__file__).parent.parent / ".venv-torchcodec/bin/python"

Pixels = npt.NDArray[np.uint8]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, help="Real clips instead of drawn ones.")
    parser.add_argument("--rounds", type=int, default=5, help="How often everybody has a turn.")
    parser.add_argument("--torchcodec", type=Path, default=PEER_PYTHON, help="A Python that has torchcodec.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # imageio's, of resources that Kiwi-Edit closes late
    with tempfile.TemporaryDirectory() as folder:
        clips = options.clips or draw(Path(folder))
        figures = measure(clips, Path(folder), options.rounds, options.torchcodec)
    print(json.dumps(figures) if options.json else "\n".join(f"{k:20} {v}" for k, v in figures.items()))


def draw(folder: Path) -> Path:
    """A pair that is noisy enough to take some 0.5 MB a clip."""
    for seed, half in enumerate(HALVES):
        target = folder / f"drawn_{half}.mp4"
        encoding = Encoding(crf=27)
        draw_clip(target, seed=seed, width=1280, height=720, frames=FRAMES, encoding=encoding)
    return folder


def measure(clips: Path, folder: Path, rounds: int, python: Path) -> dict[str, Any]:
    """The figures."""
    pairs = [
        tuple(clips / f"{path.name.removesuffix('_source.mp4')}_{half}.mp4" for half in HALVES)
        for path in sorted(clips.glob("*_source.mp4"))
    ]
    metadata = folder / "pairs.csv"
    with metadata.open("w", newline="") as file:
        csv.writer(file).writerows([("src_video", "tgt_video"), *pairs])
    missing = why_no_torchcodec(python)
    seconds: dict[str, float] = {}
    cpu: dict[str, float] = {}
    difference = 0.0
    for size, max_pixels in MAX_PIXELS.items():
        data = [[path.read_bytes() for path in pair] for pair in pairs]
        drop_in = kiwi_dataset(metadata, max_pixels)
        contenders: dict[str, Callable[[], Any]] = {
            "ours": lambda data=data, limit=max_pixels: [ours(pair, limit) for pair in data],
            "dropin": lambda dataset=drop_in: [dataset[row] for row in range(len(dataset))],
            "kiwi": lambda limit=max_pixels: [[kiwi(path, limit) for path in pair] for pair in pairs],
        }
        for _ in range(rounds):
            for name, run in contenders.items():
                start, start_cpu = time.perf_counter(), cpu_seconds()
                run()
                keep_best(seconds, f"{name}_{size}", time.perf_counter() - start)
                keep_best(cpu, f"{name}_{size}", cpu_seconds() - start_cpu)
            if missing is None:
                keep_best(seconds, f"torchcodec_{size}", torchcodec(python, pairs, max_pixels))
        difference = max(difference, largest_difference(pairs, data, max_pixels))
    return report(seconds, cpu, frames_of(pairs), difference, missing)


def report(
    seconds: dict[str, float], cpu: dict[str, float], frames: int, difference: float, missing: str | None
) -> dict[str, Any]:
    """The figures that are printed."""

    def ratio(theirs: str, ours: str) -> float | None:
        return round(seconds[theirs] / seconds[ours], 2) if theirs in seconds else None

    return {
        **{f"to_kiwi_{size}": ratio(f"kiwi_{size}", f"ours_{size}") for size in MAX_PIXELS},
        **{f"dropin_to_kiwi_{size}": ratio(f"kiwi_{size}", f"dropin_{size}") for size in MAX_PIXELS},
        "to_torchcodec": ratio("torchcodec_720p", "ours_720p"),
        "to_torchcodec_480p": ratio("torchcodec_480p", "ours_480p"),
        "mean_abs_diff": round(difference, 3),
        "max_pixels": MAX_PIXELS,
        "fps": {name: round(frames / took) for name, took in seconds.items()},
        "cpu_ms_per_frame": {name: round(1000 * took / frames, 2) for name, took in cpu.items()},
        "torchcodec_missing": missing,
    }


def keep_best(seconds: dict[str, float], name: str, took: float) -> None:
    """Note a time if it is the best so far."""
    seconds[name] = min(seconds.get(name, took), took)


def cpu_seconds() -> float:
    """Processor time of this process and of those that it started and that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def ours(pair: list[bytes], max_pixels: int) -> list[Pixels]:
    """A pair as a `PairDataset` makes it of bytes, with two threads: one per clip."""
    names = (SOURCE_VIDEO.name, EDITED_VIDEO.name)
    clip = Clip(window="start", max_pixels=max_pixels, multiple_of=MULTIPLE)
    item = clip.decode(dict(zip(names, pair, strict=True)), threads=2)
    return [item[name] for name in names]


def kiwi_dataset(metadata: Path, max_pixels: int) -> UnifiedDataset:
    """The drop-in as Kiwi-Edit's train.py makes its dataset."""
    return UnifiedDataset(
        base_path="",
        metadata_path=metadata,
        data_file_keys=("src_video", "tgt_video"),
        main_data_operator=UnifiedDataset.default_video_operator(
            max_pixels=max_pixels, height_division_factor=MULTIPLE, width_division_factor=MULTIPLE
        ),
    )


def kiwi(path: Path, max_pixels: int) -> list[Image.Image]:
    """A video by Kiwi-Edit's method."""
    reader = imageio.get_reader(path)
    count = FRAMES
    if int(reader.count_frames()) < count:
        count = int(reader.count_frames())
        while count > 1 and count % 4 != 1:
            count -= 1
    frames = [kiwi_crop_and_resize(Image.fromarray(reader.get_data(i)), max_pixels) for i in range(count)]
    reader.close()
    return frames


def kiwi_crop_and_resize(image: Image.Image, max_pixels: int) -> Image.Image:
    """Its size rules, its PIL."""
    width, height = image.size
    if width * height > max_pixels:
        scale = (width * height / max_pixels) ** 0.5
        width, height = int(width / scale), int(height / scale)
    width, height = width // MULTIPLE * MULTIPLE, height // MULTIPLE * MULTIPLE
    scale = max(width / image.width, height / image.height)
    resized = (round(image.width * scale), round(image.height * scale))
    if resized != image.size:  # torchvision leaves out a resize to the same size
        image = image.resize(resized, Image.Resampling.BILINEAR)
    left, top = round((image.width - width) / 2.0), round((image.height - height) / 2.0)
    return image.crop((left, top, left + width, top + height))


def largest_difference(pairs: list[tuple[Path, ...]], data: list[list[bytes]], max_pixels: int) -> float:
    """Levels by which a clip's pixels differ on average, of the clip that differs most."""
    worst = 0.0
    for paths, pair in zip(pairs, data, strict=True):
        for path, pixels in zip(paths, ours(pair, max_pixels), strict=True):
            theirs = kiwi(path, max_pixels)
            assert len(theirs) == len(pixels)
            for mine, image in zip(pixels, theirs, strict=True):
                assert mine.shape[:2] == (image.height, image.width)
            gaps = [np.abs(m.astype(int) - np.asarray(i)).mean() for m, i in zip(pixels, theirs, strict=True)]
            worst = max(worst, float(np.mean(gaps)))
    return worst


def frames_of(pairs: list[tuple[Path, ...]]) -> int:
    """Frames of all clips."""
    return sum(len(kiwi(path, MAX_PIXELS["480p"])) for pair in pairs for path in pair)


def why_no_torchcodec(python: Path) -> str | None:
    """None where it can be imported."""
    if not python.is_file():
        return f"there is no {python.name} with torchcodec: make .venv-torchcodec/.ready"
    result = subprocess.run([python, "-c", "import torchcodec"], capture_output=True, text=True, check=False)
    return None if result.returncode == 0 else result.stderr.strip().splitlines()[-1]


def torchcodec(python: Path, pairs: list[tuple[Path, ...]], max_pixels: int) -> float:
    """Seconds for all pairs, in a process that has been warmed up."""
    command = [python, PEER, str(max_pixels), str(os.cpu_count()), *(path for pair in pairs for path in pair)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
