"""The small media of one sample, made in one pass over its artifacts.

How it works
- What a reviewer compares is tiled into **one** video, the sheet: source and edited on top, below them what
  else there is. The page draws tiles of the frame that is shown, so whatever is compared is in step by
  construction, on any browser and at any speed, and one decoder does it.
- A reviewer wants to see what there is of a broken pair, so a pane never stops the others: its picture goes
  dark where frames are missing, and `problem` has the words.
- The card is source and edited side by side, small: what the grid plays. Its first frame is the poster.
- Stills (first frames, the removed foreground) are a row in one image.
- Bytes depend on the artifacts, `VERSION` and the versions of the encoders alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparkle._files import atomic_path, write_atomic
from sparkle.media.decode import iter_frames
from sparkle.media.encode import Encoding, VideoWriter
from sparkle.media.frames import fit, resize
from sparkle.media.images import encode_webp, read_png
from sparkle.media.mask import load_mask
from sparkle.media.probe import Look, look
from sparkle.schemas import layout
from sparkle.schemas.errors import MediaError
from sparkle.schemas.layout import BACKGROUND_VIDEO, SOURCE_VIDEO_MASK, Kind
from sparkle.schemas.records import Record

VERSION = 1  # of what is drawn and how it is encoded: another one makes everything afresh

# Pixels of a clip's shorter side: 360 shows a face's edge on half a screen, 160 fills a card at two
# pixels a point.
SHEET_SIDE = 360
_CARD_SIDE = 160
_COLUMNS = 2  # tiles in a row: a pair stands side by side, and five tiles of 16:9 stay below 1080 rows

_STILL_QUALITY = 82
_POSTER_QUALITY = 76

TRACKS = (
    layout.SOURCE_VIDEO,
    layout.EDITED_VIDEO,
    layout.BACKGROUND_VIDEO,
    layout.VIDEO_CANNY,
    layout.SOURCE_VIDEO_MASK,
)
STILLS = (layout.SOURCE_FRAME0, layout.EDITED_FRAME0, layout.FOREGROUND_REMOVED)
PAIR = TRACKS[:2]


class PageEncoding(Encoding, frozen=True):
    """Settings for a page: a key frame every 24, so that stepping backwards does not wait.

    Colours are tagged as the BT.601 that they are: a browser takes untagged video of 720 rows for BT.709.
    """

    @property
    def parameters(self) -> tuple[str, ...]:
        """What x264 is told besides quality and preset."""
        return (*super().parameters, "keyint=24", "colormatrix=smpte170m", "colorprim=smpte170m")


_SHEET = PageEncoding(crf=27, preset="faster")
_CARD = PageEncoding(crf=28, preset="faster")


class PreviewClip(Record, frozen=True):
    """What was made of a sample.

    Attributes:
        width: Pixels of a tile of the sheet.
        height: Pixels of a tile of the sheet.
        frames: Length of the source video.
        fps: Frames a second.
        tracks: What the tiles of the sheet show, row by row, two a row: names of kinds.
        stills: What the image of stills shows, from the left: names of kinds.
        problems: What is wrong with its artifacts.
    """

    width: int
    height: int
    frames: int
    fps: int
    tracks: tuple[str, ...]
    stills: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class MediaPaths:
    """Where the media of a sample go."""

    sheet: Path
    card: Path
    poster: Path
    stills: Path


def make_clip(files: Mapping[Kind, Path], places: MediaPaths, side: int = SHEET_SIDE) -> PreviewClip:
    """Make the media of a sample.

    Args:
        files: Its artifacts that are there.
        places: Where the media go; each is there whole or not at all.
        side: Pixels of the shorter side of a tile, at most as many as the clip has.

    Returns:
        What was made. What is wrong with an artifact is said in it and does not stop the others: only of
        a sample without any video that decodes there are no media.
    """
    problems: list[str] = []
    shape = _shape(files, problems)
    if shape is None:
        return PreviewClip(0, 0, 0, 0, (), (), tuple(problems))
    size = fit(shape.width, shape.height, side)
    panes = [Pane(kind, files[kind], shape, size) for kind in TRACKS if kind in files]
    frames, poster = _write_videos(panes, shape, size, places)
    stills = dict(_stills(files, shape, size, problems))
    write_atomic(places.poster, encode_webp(poster, quality=_POSTER_QUALITY))
    if stills:
        row = np.concatenate(list(stills.values()), axis=1)
        write_atomic(places.stills, encode_webp(row, quality=_STILL_QUALITY))
    problems += [pane.problem for pane in panes if pane.problem is not None]
    return PreviewClip(
        width=size[0],
        height=size[1],
        frames=frames,
        fps=shape.fps,
        tracks=tuple(pane.kind.name for pane in panes),
        stills=tuple(kind.name for kind in stills),
        problems=tuple(dict.fromkeys(problems)),
    )


def _shape(files: Mapping[Kind, Path], problems: list[str]) -> Look | None:
    """What the source video is, or the edited one where there is no source that decodes."""
    for kind in PAIR:
        try:
            if kind in files:
                return look(files[kind])
        except MediaError as error:
            problems.append(say(kind, error))
    return None


def _write_videos(
    panes: Sequence[Pane], shape: Look, size: tuple[int, int], places: MediaPaths
) -> tuple[int, Image]:
    """Write sheet and card; gives the number of frames and the card's first one."""
    leader = next(pane for pane in panes if pane.kind in PAIR and pane.problem is None)
    small = fit(shape.width, shape.height, _CARD_SIDE)
    rows = -(-len(panes) // _COLUMNS)
    sheet = np.zeros((rows * size[1], _COLUMNS * size[0], 3), np.uint8)
    cells = [_cell(sheet, index, size) for index in range(len(panes))]
    poster: Image | None = None
    frames = 0
    with (
        _writer(places.sheet, sheet, shape.fps, _SHEET) as sheet_video,
        _writer(places.card, _card({}, small), shape.fps, _CARD) as card_video,
    ):
        while (lead := leader.next()) is not None:
            for pane, cell in zip(panes, cells, strict=True):
                cell[:] = lead if pane is leader else pane.draw()
            sheet_video.write(sheet)
            card = _card({pane.kind: cell for pane, cell in zip(panes, cells, strict=True)}, small)
            card_video.write(card)
            poster = card if poster is None else poster
            frames += 1
    if poster is None:
        raise MediaError("the video lost its first frame while it was read", where=places.sheet)
    if leader.problem is None:
        for pane in panes:
            if pane is not leader:
                pane.finish(frames)
    return frames, poster


def _cell(sheet: Image, index: int, size: tuple[int, int]) -> Image:
    """The part of the sheet that a tile fills."""
    left, top = index % _COLUMNS * size[0], index // _COLUMNS * size[1]
    return sheet[top : top + size[1], left : left + size[0]]


def _card(tiles: Mapping[Kind, Image], size: tuple[int, int]) -> Image:
    """Source and edited side by side; dark where one is not there."""
    blank = np.zeros((size[1], size[0], 3), np.uint8)
    halves = [resize(tiles[kind][None], size)[0] if kind in tiles else blank for kind in PAIR]
    return np.concatenate(halves, axis=1)


@contextmanager
def _writer(path: Path, like: Image, fps: int, encoding: Encoding) -> Iterator[VideoWriter]:
    """A writer of frames like one; the file is there whole or not at all."""
    height, width = like.shape[:2]
    with (
        atomic_path(path) as temporary,
        VideoWriter(temporary, width=width, height=height, fps=fps, encoding=encoding) as writer,
    ):
        yield writer


def _stills(
    files: Mapping[Kind, Path], shape: Look, size: tuple[int, int], problems: list[str]
) -> Iterator[tuple[Kind, Image]]:
    """Yield the images that are there and can be read."""
    for kind in STILLS:
        if kind not in files:
            continue
        try:
            image = read_png(files[kind])
        except MediaError as error:
            problems.append(say(kind, error))
            continue
        if image.shape[:2] != (shape.height, shape.width):
            found = f"{image.shape[1]}x{image.shape[0]}"
            problems.append(f"{kind.name} is {found}, the video {shape.width}x{shape.height}")
        yield kind, resize(image[None], size)[0]


# --- the streams of a sample as rows of equal frames -----------------------------------------------


Image = npt.NDArray[np.uint8]

_BLANK = 24  # gray level of frames that are not there: dark, yet no black frame of a video
_SET = np.uint8(255)


def say(kind: Kind, error: MediaError) -> str:
    """What is wrong with an artifact, in a line."""
    return f"{kind.name}: {error.problem}" + (f" ({error.got})" if error.got else "")


class Pane:
    """A stream of a sample, frame by frame at one size.

    Args:
        kind: A video, or the mask.
        path: Its file.
        shape: What the source video is: the others must be as large.
        size: (width, height) in pixels of the frames that are drawn.

    Attributes:
        kind: What it shows.
        problem: What is wrong with it; None while nothing is.
    """

    def __init__(self, kind: Kind, path: Path, shape: Look, size: tuple[int, int]) -> None:
        self.kind = kind
        self.problem: str | None = None
        self._drawn = 0
        self._blank = np.full((size[1], size[0], 3), _BLANK, np.uint8)
        self._frames: Iterator[Image] = iter(())
        try:
            found, self._frames = _open(kind, path, size)
        except MediaError as error:
            self.problem = say(kind, error)
            return
        if found != (shape.width, shape.height):
            self.problem = f"{kind.name} is {found[0]}x{found[1]}, the video {shape.width}x{shape.height}"

    def next(self) -> Image | None:
        """The next frame, uint8 (height, width, 3); None at the end, or where it breaks off."""
        try:
            frame = next(self._frames, None)
        except MediaError as error:
            self.problem, self._frames = say(self.kind, error), iter(())
            return None
        self._drawn += frame is not None
        return frame

    def draw(self) -> Image:
        """The next frame, or a blank one."""
        frame = self.next()
        return self._blank if frame is None else frame

    def finish(self, frames: int) -> None:
        """Compare its length with the source's."""
        left = self.next() is not None
        # A background that was imported may be longer than its source.
        fits = self._drawn == frames or (left and self.kind is BACKGROUND_VIDEO)
        if self.problem is None and not fits:
            count = f"more than {frames}" if left else self._drawn
            self.problem = f"{self.kind.name} has {count} frames, the video {frames}"


def _open(kind: Kind, path: Path, size: tuple[int, int]) -> tuple[tuple[int, int], Iterator[Image]]:
    """(width, height) of an artifact's own frames, and its frames at `size`; raises MediaError."""
    if kind is SOURCE_VIDEO_MASK:
        masks = load_mask(path)
        return (masks.shape[2], masks.shape[1]), _levels(masks, size)
    shape = look(path)
    return (shape.width, shape.height), iter_frames(path, size=size)


def _levels(masks: npt.NDArray[np.bool_], size: tuple[int, int]) -> Iterator[Image]:
    """Masks as white on black, their edges softened by pixel area."""
    for mask in masks:
        levels = resize((mask.view(np.uint8) * _SET)[None], size)[0]
        yield np.repeat(levels[..., None], 3, axis=2)
