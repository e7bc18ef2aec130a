"""Read pairs by Kiwi-Edit's rules, and say what was read. Run in a process of its own; imports no sparkle.

Its loader reads the csv with pandas, opens both videos below a folder with imageio, and wants them equal in
width, height and length, which is 4k + 1 frames. Without imageio, PyAV decodes.

In: {"csv", "folder", "ids"}. Out: {id: {prompt, src_video, tgt_video: [frames, height, width]}}; a sample
without a row is missing, and of a video that does not decode there is what was said.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas


def main() -> None:
    """Read what is asked for on standard input, print what was read."""
    task = json.load(sys.stdin)
    wanted = set(task["ids"])
    rows = pandas.read_csv(task["csv"]).to_dict("records")
    answer: dict[str, Any] = {}
    for row in rows:
        if row["task"] in wanted:
            answer[row["task"]] = {
                "prompt": row["prompt"],
                **{name: shape(Path(task["folder"], row[name])) for name in ("src_video", "tgt_video")},
            }
    print(json.dumps(answer))


def shape(path: Path) -> list[int] | str:
    """Frames, height and width of a video, decoded to its end; what the library says when it does not."""
    try:
        frames = by_imageio(path) if find_spec("imageio_ffmpeg") and find_spec("imageio") else by_av(path)
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        return f"{type(error).__name__}: {error}"[:200]
    return [len(frames), *frames[0]] if frames else [0, 0, 0]


def by_imageio(path: Path) -> list[tuple[int, int]]:
    """Height and width of each frame, decoded as Kiwi-Edit does."""
    import imageio

    with imageio.get_reader(str(path)) as reader:
        return [frame.shape[:2] for frame in reader]


def by_av(path: Path) -> list[tuple[int, int]]:
    """The same with PyAV."""
    import av

    with av.open(str(path)) as container:
        return [(frame.height, frame.width) for frame in container.decode(video=0)]


if __name__ == "__main__":
    main()
