"""What of two videos a judge is shown: the same moments of both, in the same rows, with words.

How it works
- Frames are evenly spaced over the length that both have, the first and the last included. A model that was
  given a crop of the source (704 of 720 rows) is compared with that crop.
- Servers sample videos each in its own way, and some by the clock of a file that says 15 where the source has
  16. Frames leave them nothing to choose. Each comes with words, since models lose count.
- Pictures are PNG. What is more than a request takes is made smaller until it fits, and whole videos become
  frames; the verdict then says what was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparkle.generation.backends.vlm.questions import spread_indices
from sparkle.media import Pixels
from sparkle.media.container import open_video
from sparkle.media.decode import part_drawer
from sparkle.media.frames import resize
from sparkle.media.images import encode_png
from sparkle.media.probe import Shape, read_shape
from sparkle.media.view import SizeRules, View, fit
from sparkle.schemas.errors import MediaError

# Raise it when the same videos give other pictures.
SHOWING_VERSION = 1

VIDEO_CAPTIONS = ("the source video", "the edited video")

_LEAST_WIDTH = 160  # pixels: below, there is nothing to judge
_SMALLER = 0.75  # of the width, each time that a request is too large
_UPSTREAM_FPS = 16.0  # where a container does not say


@dataclass(frozen=True)
class Exhibits:
    """What goes with a question.

    Attributes:
        attached: Media type and bytes of each picture or video.
        captions: Words before each.
        sent: What this is, where it is not what was asked for.
    """

    attached: list[tuple[str, bytes]]
    captions: list[str]
    sent: str | None = None


@dataclass(frozen=True)
class MatchedFrames:
    """Frames of two videos in turn: uint8 (H, W, 3) RGB each, and words for each."""

    images: list[Pixels]
    captions: list[str]


def matched_frames(source: Path, edited: Path, *, count: int, width: int) -> MatchedFrames:
    """Return the same moments of source and edit.

    Args:
        source: The source video.
        edited: The edit.
        count: How many frames of each, or all where there are fewer.
        width: Pixels that they are wide, or less where the edit is.

    Raises:
        MediaError: a video cannot be read.
    """
    before, after, frames = _both(source, edited)
    indices = spread_indices(frames, min(count, frames))
    size = (width, max(1, round(after.height * width / after.width)))
    if after.width <= width:
        size = (after.width, after.height)
    part, whole = _views(before, after, SizeRules(width=after.width, height=after.height))
    pairs = zip(_pick(source, indices, part, size), _pick(edited, indices, whole, size), strict=True)
    fps = before.fps or _UPSTREAM_FPS
    images, captions = [], []
    for index, pair in zip(indices, pairs, strict=True):
        for name, image in zip(("source", "edited"), pair, strict=True):
            images.append(image)
            captions.append(f"{name} frame {index + 1} of {frames}, {index / fps:.2f} s")
    return MatchedFrames(images, captions)


def matched_views(source: Path, edited: Path, *, height: int) -> tuple[int, View, View]:
    """Return how many frames both have, and what to see of the source's and of the edit's to compare them.

    Args:
        source: The source video.
        edited: The edit.
        height: Pixels that frames are high, or less where the edit is.

    Raises:
        MediaError: a video cannot be read.
    """
    before, after, frames = _both(source, edited)
    scale = min(1.0, height / after.height)
    size = SizeRules(width=max(2, round(after.width * scale)), height=max(2, round(after.height * scale)))
    return frames, *_views(before, after, size)


def _both(source: Path, edited: Path) -> tuple[Shape, Shape, int]:
    before, after = (_shape(path) for path in (source, edited))
    return before, after, min(before.frames, after.frames)


def _views(before: Shape, after: Shape, size: SizeRules) -> tuple[View, View]:
    """What to see of the source, in the rows of the edit, and of the edit."""
    return fit(before.width, before.height, size), fit(after.width, after.height, size)


def show_frames(source: Path, edited: Path, *, count: int, width: int, most_bytes: int) -> Exhibits:
    """Return matched frames as pictures that a request takes."""
    sent = None
    while True:
        found = matched_frames(source, edited, count=count, width=width)
        attached = [("image/png", encode_png(image)) for image in found.images]
        size = sum(len(data) for _, data in attached)
        if size <= most_bytes:
            return Exhibits(attached, found.captions, sent)
        smaller = int(min(width, found.images[0].shape[1]) * _SMALLER)
        if smaller < _LEAST_WIDTH:
            wanted = f"at most {most_bytes:,} bytes"
            raise MediaError("the frames are more than a request takes", got=f"{size:,}", wanted=wanted)
        width = smaller
        sent = f"frames {width} pixels wide: wider ones are more than {most_bytes:,} bytes"


def show_videos(source: Path, edited: Path, *, most_bytes: int) -> Exhibits | None:
    """Return the two files as they are; None where they are more than a request takes."""
    if sum(path.stat().st_size for path in (source, edited)) > most_bytes:
        return None
    files = [("video/mp4", path.read_bytes()) for path in (source, edited)]
    return Exhibits(files, [*VIDEO_CAPTIONS])


def _shape(path: Path) -> Shape:
    try:
        shape = read_shape(path.read_bytes(), ".mp4")
    except OSError as error:
        raise MediaError("the video cannot be read", got=error.strerror, where=path) from None
    if not shape.frames:
        raise MediaError("the video has no frames", where=path)
    return shape


def _pick(path: Path, indices: tuple[int, ...], view: View, size: tuple[int, int]) -> list[Pixels]:
    """Return some frames of a video, each once, as a view has them and then of a size."""
    wanted, found = set(indices), []
    draw = part_drawer((view.scaled_width, view.scaled_height), (view.left, view.top))
    with open_video(path) as video:
        for index, frame in enumerate(video.frames()):
            if index in wanted:
                image = np.empty((view.height, view.width, 3), np.uint8)
                draw(frame, image)
                found.append(resize(image[None], size)[0])
            if len(found) == len(wanted):
                return found
    raise MediaError("the video is shorter than it says", got=f"{len(found)} of {len(wanted)}", where=path)
