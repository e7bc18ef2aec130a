"""2,000 location pairs scoring 9 or more, out of a release or an index, without reading anything else.

    python examples/pick_by_score.py [RELEASE|INDEX|owner/name]

Without a release it draws a dozen tiny pairs in upstream's layout, as in the public release, and indexes that
folder first with `sparkle index`, which works the same on the real tars, on your disk or on the Hub.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import av
import numpy as np

from sparkle import EDITED_VIDEO, SOURCE_VIDEO, open_pairs, open_source


def pick(where: str) -> None:
    """Choose pairs and read them."""
    pairs = open_pairs(where, ["location"], min_scores={"edited_video": 9.0}, limit=2000)
    scores = pairs.column("edited_video_score").to_pylist()
    print(f"{len(pairs)} pairs of {pairs.name} score 9 or more")

    source = open_source(pairs.where)
    for row in range(min(3, len(pairs))):
        before, after = (source.read(pairs.artifact(row, kind)) for kind in (SOURCE_VIDEO, EDITED_VIDEO))
        print(f"{pairs.ids[row]}  {scores[row]:.2f}  {pairs.frames[row]} frames of", end=" ")
        print(f"{pairs.width[row]}x{pairs.height[row]}  {len(before):,} + {len(after):,} bytes, verified")
        print(f"    {pairs.prompt(row)}")


# --- a dozen pairs in upstream's layout -------------------------------------------------------


def draw_upstream(folder: Path, count: int = 12) -> None:
    """Write a table of pairs, the scores of their edited videos, and two tars."""
    ids = [f"Sparkle_location_{5 * index:06d}" for index in range(count)]
    prompts = [f"Shift the background to rooftop {index} at dusk." for index in range(count)]
    (folder / "prompts").mkdir(parents=True)
    with (folder / "prompts/location_train.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["prompt", "src_video", "tgt_video", "task"])
        for sample_id, prompt in zip(ids, prompts, strict=True):
            rows.writerow([prompt, SOURCE_VIDEO.path(sample_id), EDITED_VIDEO.path(sample_id), sample_id])
    judged = folder / "intermediate_data/location/edited_video_score.jsonl"
    judged.parent.mkdir(parents=True)
    with judged.open("w") as file:
        for index, (sample_id, prompt) in enumerate(zip(ids, prompts, strict=True)):
            frame = {"SC_score": 9.0, "PQ_score": 8.5, "O_score": 8.0 + index / 6}
            frame |= dict.fromkeys(("SC_score_reasoning", "PQ_score_reasoning"), "As asked.")
            frame |= dict.fromkeys(("SC_raw_output", "PQ_raw_output"), "{}")
            line = {
                "id": sample_id,
                "prompt": prompt,
                "frame_indices": [1, 3, 5, 7],
                "editscore": [frame] * 4,
            }
            file.write(json.dumps(line) + "\n")
    for kind, colour in ((SOURCE_VIDEO, 20), (EDITED_VIDEO, 120)):
        with tarfile.open(folder / kind.shard("location", 0), "w") as tar:
            for index, sample_id in enumerate(ids):
                _draw_video(folder / "clip.mp4", colour + 10 * index)
                tar.add(folder / "clip.mp4", kind.member(sample_id))
    (folder / "clip.mp4").unlink()


def _draw_video(path: Path, colour: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=16)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(9):
            frame = np.full((64, 96, 3), (colour, 8 * index, 128), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def main() -> None:
    """Pick from the release that was named, or from one that is drawn."""
    if sys.argv[1:]:
        pick(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as temporary:
        draw_upstream(Path(temporary) / "Sparkle")
        command = [sys.executable, "-m", "sparkle", "index", "Sparkle", "--out", "index"]
        subprocess.run(command, cwd=temporary, check=True)
        pick(f"{temporary}/index")


if __name__ == "__main__":
    main()
