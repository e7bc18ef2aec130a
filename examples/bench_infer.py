"""Run a model on a bench: what `sparkle bench jobs` lists is made, one video after the other.

    sparkle bench jobs BENCH --results results/mine | python examples/bench_infer.py
    sparkle bench jobs BENCH --results results/mine --rank 0/8 > jobs.jsonl    # on each GPU its own
    python examples/bench_infer.py jobs.jsonl

Put your model into `edit`. A video is written beside its place and renamed when it is whole, so that whatever
ends this, the same two commands go on. A model that makes another size or length: bring it to the job's here.
"""

from __future__ import annotations

import fileinput
import json
from pathlib import Path

import av
import numpy as np

from sparkle import Clip

FPS = 16  # the sources' rate: a judge that is sent whole videos sees the same moments of both


def edit(frames: np.ndarray, prompt: str, seed: int) -> np.ndarray:
    """Edit a clip, uint8 (T, H, W, 3), T = 4k + 1, sides multiples of 32: your model."""
    return 255 - frames


def write(path: Path, frames: np.ndarray) -> None:
    """Write a video, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{path.name}")
    with av.open(str(part), "w") as file:
        stream = file.add_stream("libx264", rate=FPS, options={"crf": "18"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))))
        file.mux(stream.encode())
    part.replace(path)


def main() -> None:
    """Make what is listed in files, or on standard input."""
    with fileinput.input(encoding="utf-8") as lines:
        for job in map(json.loads, lines):
            clip = Clip(frames=job["frames"], window="start", width=job["width"], height=job["height"])
            streams = {"source_video": Path(job["source"]).read_bytes()}
            source = clip.decode(streams, job["id"])["source_video"]
            edited = edit(source, job["prompt"], job["seed"])
            out = Path(job["out"])
            write(out.with_name(f"{job['id']}_concat.mp4"), np.concatenate([source, edited], axis=2))
            write(out, edited)
            print(out)


if __name__ == "__main__":
    main()
