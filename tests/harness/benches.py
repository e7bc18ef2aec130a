"""A bench in upstream's layout, and a model's edits of it in upstream's tree."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.videos import Frames, write_video
from sparkle._files import write_jsonl
from sparkle.builders.bench.folder import BenchItem, read_bench
from sparkle.builders.release.formats import csv_line
from sparkle.media.decode import decode
from sparkle.schemas import layout

SAMPLES = {
    "location": ("landmark: ancient stone ruins", "landmark: ancient stone ruins", "nature: a windy pier"),
    "style": ("mood: a noir street",),
}
WIDTH, HEIGHT, FRAMES = 128, 80, 21


def write_bench(
    folder: Path,
    samples: dict[str, tuple[str, ...]] = SAMPLES,
    *,
    words: str = "Change the background to {keyword}, {index}.",
) -> dict[str, BenchItem]:
    """A bench of clips in which a square moves over a field of colours; returns its samples by id."""
    for theme, keywords in samples.items():
        rows, lines = [[*layout.BENCH_CSV_COLUMNS]], []
        for index, keyword in enumerate(keywords):
            sample_id = f"Sparkle_{theme}_{index:06d}"
            prompt = words.format(keyword=keyword, scene=keyword.partition(": ")[2], index=index)
            name = layout.bench_source(theme, sample_id)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_video(folder / name, drawn(seed=len(theme) + index), options={"qp": "20"})
            rows.append([theme, prompt, name])
            about = {"edit_type": theme, "chosen_keyword": keyword, "original_scene": "A field of colours."}
            lines.append({"id": sample_id, "prompt": prompt, "metadata": about})
        (folder / layout.bench_csv(theme)).write_text("".join(map(csv_line, rows)), "utf-8")
        write_jsonl(folder / layout.bench_metadata(theme), lines)
    return read_bench(folder)[1]


def drawn(seed: int, frames: int = FRAMES, width: int = WIDTH, height: int = HEIGHT) -> Frames:
    """A field of colours over which a white square moves."""
    rng = np.random.Generator(np.random.PCG64(seed))
    field = rng.integers(20, 200, (height // 16, width // 16, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    clip = np.repeat(field[None], frames, axis=0)
    for index, frame in enumerate(clip):
        frame[height // 3 : height // 2, 8 + 2 * index : 24 + 2 * index] = 255
    return clip


def cropped(clip: Frames) -> Frames:
    """A clip of this bench as upstream's script crops it: 64 of 80 rows."""
    return np.ascontiguousarray(clip[:, 8:72])


def write_edits(
    bench: Path, results: Path, items: dict[str, BenchItem], *, rate: int = 16, like: str = ""
) -> dict[str, Path]:
    """Good edits in upstream's tree, by id: the sources cropped, and other colours; `like` goes before."""
    paths = {}
    for sample_id, item in items.items():
        path = results / like / layout.bench_edited(item.theme, item.subtheme, item.scene, sample_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        source = decode(bench / layout.bench_source(item.theme, sample_id))
        paths[sample_id] = write_video(path, cropped(255 - source), rate=rate, options={"qp": "20"})
    return paths
