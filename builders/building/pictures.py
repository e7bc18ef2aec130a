"""A pair at a glance, source and edited side by side: a preview for the Hub's viewer, a strip for a card.

- A preview is an mp4 of 240 rows (the clip's own height where that is less), encoded so that a pair of 720p
  clips of 81 frames takes about 110 KB. It is read and written frame by frame.
- A strip is an animated WebP, for pages that show images and no videos: a README on a Hub or in a repository.
  Three seconds at eight frames per second, 160 pixels high, are 120 to 250 KB of upstream's clips.
- The same pair gives the same bytes with the same version of PyAV, which brings its own codecs.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from sparkle._scratch import scratch_folder
from sparkle.media.decode import iter_frames
from sparkle.media.encode import Encoding, VideoWriter
from sparkle.media.frames import fit
from sparkle.media.probe import look
from sparkle.schemas.errors import ReleaseError

MAX_ROWS = 240  # pixels; enough to judge a pair in a table (measured: 109 KB a pair on upstream's clips)
ENCODING = Encoding(crf=28, preset="veryfast")

_Image = npt.NDArray[np.uint8]


def side_by_side(source: Path, edited: Path, *, width: int, height: int, fps: float) -> bytes:
    """The preview of a pair as the bytes of an mp4.

    Args:
        source: The source video.
        edited: The edited video, with as many frames.
        width: Pixels of the source video.
        height: Pixels of the source video.
        fps: Frames a second.

    Raises:
        MediaError: a video does not decode.
        ReleaseError: the videos differ in length.
    """
    across, rows = preview_size(width, height)
    with scratch_folder() as folder:
        target = folder / "preview.mp4"
        with VideoWriter(
            target, width=across, height=rows, fps=max(1, round(fps)), encoding=ENCODING
        ) as writer:
            for image in preview_frames(source, edited, width=width, height=height):
                writer.write(image)
        return target.read_bytes()


def preview_size(width: int, height: int) -> tuple[int, int]:
    """Return width and height in pixels of the preview of a pair of videos of such a size."""
    rows = min(MAX_ROWS, height - height % 2)
    return 4 * round(width * rows / height / 2), rows


def preview_frames(source: Path, edited: Path, *, width: int, height: int) -> Iterator[_Image]:
    """Yield what the preview of a pair shows, before it is encoded; raises as `side_by_side` does."""
    across, rows = preview_size(width, height)
    return _pairs(source, edited, (across // 2, rows), gap=0)


# --- a strip ---------------------------------------------------------------------------------------


_SIDE = 160  # pixels of the shorter side of each half: two halves of 16:9 are as wide as a README's column
_SECONDS = 3
_FPS = 8
_GAP = 4  # white pixels between the halves
_QUALITY = 50  # of libwebp, 0 to 100: above it sizes grow faster than a reader sees a difference


def make_strip(source: Path, edited: Path) -> bytes:
    """The beginning of a pair as the bytes of an animated WebP that loops.

    Args:
        source: The source video, shown on the left.
        edited: The edited video, with as many frames.

    Raises:
        MediaError: a video does not decode.
        ReleaseError: the edited video is shorter or longer than the source within what is shown.
    """
    shape = look(source)
    every = max(1, round(shape.fps / _FPS))
    pairs = _pairs(source, edited, fit(shape.width, shape.height, _SIDE), gap=_GAP)
    return _encode(islice(pairs, 0, _SECONDS * shape.fps, every), fps=max(1, round(shape.fps / every)))


def _pairs(source: Path, edited: Path, size: tuple[int, int], *, gap: int) -> Iterator[_Image]:
    between = np.full((size[1], gap, 3), 255, np.uint8)
    for left, right in zip_longest(iter_frames(source, size=size), iter_frames(edited, size=size)):
        if left is None or right is None:
            raise ReleaseError("the videos of a pair differ in length", where=f"{source} and {edited}")
        yield np.concatenate((left, between, right), axis=1)


def _encode(frames: Iterable[_Image], *, fps: int) -> bytes:
    data = io.BytesIO()
    with av.open(data, "w", format="webp", options={"loop": "0"}) as container:  # 0: without end
        stream = container.add_stream("libwebp_anim", rate=fps, options={"quality": str(_QUALITY)})
        stream.pix_fmt = "yuv420p"
        for index, frame in enumerate(frames):
            if index == 0:
                stream.height, stream.width = frame.shape[:2]
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return data.getvalue()
