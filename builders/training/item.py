"""One sample's streams as arrays: the same window, box and mirror image of every one of them.

How it works
- A `Clip` is what a user asked for. What is random about a sample follows from the seed, the sample's id and
  how often it was seen before: the same on every machine and after every resume.
- All streams are opened before one is decoded: their lengths and sizes must fit each other. The first stream
  leads; backgrounds may be longer, and backgrounds and frames of another size are resized to cover the
  same box.
- Nothing is padded, repeated or repaired: a clip that is too short is an error that says which one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from sparkle.builders.reading.pairs import named_kinds
from sparkle.media.container import OpenVideo, open_video
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask
from sparkle.media.probe import Shape, read_shape
from sparkle.media.threads import own_thread_only, side_by_side
from sparkle.media.view import SizeRules, View, fit, look, read_window, resize_as_pil
from sparkle.schemas import layout
from sparkle.schemas.errors import ConfigError, MediaError, SampleError
from sparkle.schemas.layout import Kind
from sparkle.schemas.seeds import derive_seed

Window = Literal["random", "start", "center"]
Crop = Literal["center", "random"]

Array = npt.NDArray[Any]

_LONGER = (layout.BACKGROUND_VIDEO,)  # imported ones may be longer than their source
# Made by models that choose their own size.
_ANY_SIZE = (
    layout.BACKGROUND_VIDEO,
    layout.SOURCE_FRAME0,
    layout.EDITED_FRAME0,
    layout.FOREGROUND_REMOVED,
)


@dataclass(frozen=True)
class Clip:
    """What a sample looks like to a model: which frames, how large, which part of the picture.

    Frames are taken by number, each once and in the order in which they are shown, whatever their times are.

    Sizes are Kiwi-Edit's: frames over `max_pixels` shrink, both sides are cut down to a multiple of
    `multiple_of`, and what is over is cropped.

    Example:
        >>> clip = sparkle.Clip(frames=5, window="start", max_pixels=64 * 64)
        >>> pairs = sparkle.PairDataset("releases/demo", ["location"], clip=clip)
        >>> pairs[0]["edited_video"].shape
        torch.Size([5, 32, 64, 3])

    Attributes:
        frames: Number of frames; None is whole clips.
        window: Where these frames are: "random", "start" or "center".
        max_pixels: Most pixels of a frame. Kiwi-Edit's scripts use 921,600 (720p becomes 704 rows) and
            360,000 (600x600).
        height: Height of every frame, only together with `width`: frames are resized to cover it and cropped.
        width: Width of every frame.
        multiple_of: What both sides are a multiple of; Kiwi-Edit trains with 32.
        crop: Where the box is: "center", as in Kiwi-Edit, or "random".
        flip: Probability that a sample is mirrored, 0 to 1.

    Raises:
        ConfigError: a value is invalid.
    """

    frames: int | None = None
    window: Window = "random"
    max_pixels: int = SizeRules.max_pixels
    height: int | None = None
    width: int | None = None
    multiple_of: int = SizeRules.multiple_of
    crop: Crop = "center"
    flip: float = 0.0

    def __post_init__(self) -> None:
        checks = (
            ("window", self.window in get_args(Window), f"one of {', '.join(get_args(Window))}"),
            ("crop", self.crop in get_args(Crop), f"one of {', '.join(get_args(Crop))}"),
            ("frames", self.frames is None or self.frames > 0, "at least 1, or None for whole clips"),
            ("max_pixels", self.max_pixels > 0, "at least 1"),
            ("multiple_of", self.multiple_of > 0, "at least 1"),
            ("height", (self.height is None) == (self.width is None), "height and width, or neither"),
            ("flip", 0 <= self.flip <= 1, "a probability, 0 to 1"),
        )
        for name, valid, wanted in checks:
            if not valid:
                raise ConfigError(f"invalid {name}", got=getattr(self, name), wanted=wanted)

    @property
    def sizes(self) -> SizeRules:
        """How large frames become."""
        return SizeRules(self.max_pixels, self.height, self.width, self.multiple_of)

    def decode(
        self,
        streams: Mapping[str, bytes],
        sample_id: str = "",
        *,
        seed: int = 0,
        cycle: int = 0,
        threads: int = 1,
        places: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Decode a sample's streams, aligned with each other.

        Args:
            streams: Contents of the sample's files by the names of their kinds; the first one leads.
            sample_id: With `seed` and `cycle`, decides what is random.
            seed: See `sample_id`.
            cycle: How often the sample was seen before.
            threads: Number of threads.
            places: What errors say of where a stream is, by name.

        Returns:
            `start` (first frame of the window), `mirrored`, and each stream by its name: uint8 (T, H, W, 3)
            of videos, bool (T, H, W) of masks, uint8 (H, W, 3) of images.

        Raises:
            ConfigError: there is no such stream.
            MediaError: a stream does not decode, is shorter than the window, or they do not fit each other.
        """
        random = chance(seed, sample_id, cycle)
        with own_thread_only(), ExitStack() as stack:
            workers = max(1, min(threads, len(streams)))
            opened = [
                stack.enter_context(
                    _open(kind, streams[kind.name], threads // workers, (places or {}).get(kind.name))
                )
                for kind in named_kinds(list(streams))
            ]
            start, count = _place_window(self, opened, random)
            views = _views(self, opened, random)

            def read(index: int) -> Array:
                with _named(opened[index].place):
                    return opened[index].content.read(start, count, views[index])

            arrays = side_by_side(read, range(len(opened)), workers)
        return {"start": start, "mirrored": views[0].mirrored, **dict(zip(streams, arrays, strict=True))}


@dataclass(frozen=True)
class Chance:
    """What is random about a sample: numbers in [0, 1), used or not."""

    start: float
    across: float
    down: float
    flip: float


def chance(seed: int, sample_id: str, cycle: int) -> Chance:
    """Return the random numbers of a sample when it is seen for the `cycle`-th time, counted from 0."""
    raw = np.random.PCG64(derive_seed(seed, sample_id, cycle)).random_raw(4)
    return Chance(*((raw >> np.uint64(11)) * 2.0**-53).tolist())


class _Content(Protocol):
    """A file that was opened and not yet decoded: `size` is (width, height), images have no length."""

    length: int | None
    size: tuple[int, int]

    def read(self, start: int, count: int, view: View) -> Array:
        """Return the window of the stream, as the view has it."""
        ...


@dataclass(frozen=True)
class _OpenStream:
    kind: Kind
    content: _Content
    place: str  # for errors


class _Video:
    def __init__(self, video: OpenVideo, shape: Shape) -> None:
        self.length: int | None = shape.frames
        self.size = (shape.width, shape.height)
        self._video = video

    def read(self, start: int, count: int, view: View) -> Array:
        def as_told(width: int, height: int) -> View:
            if (width, height) != self.size:
                told = "{}x{}".format(*self.size)
                raise MediaError(
                    "the video has another size than it says", got=f"{width}x{height}", wanted=told
                )
            return view

        return read_window(self._video, start, count, as_told)


class _Mask:
    def __init__(self, data: bytes) -> None:
        self._masks = load_mask(data)
        self.length: int | None = len(self._masks)
        self.size = (self._masks.shape[2], self._masks.shape[1])

    def read(self, start: int, count: int, view: View) -> Array:
        return look(self._masks[start : start + count], view)


class _Image:
    def __init__(self, data: bytes) -> None:
        self._pixels = read_png(data)
        self.length: int | None = None
        self.size = (self._pixels.shape[1], self._pixels.shape[0])

    def read(self, start: int, count: int, view: View) -> Array:
        pixels = self._pixels
        if view.resizes:
            pixels = resize_as_pil(pixels, (view.scaled_width, view.scaled_height))
        part = pixels[view.top : view.top + view.height, view.left : view.left + view.width]
        return np.ascontiguousarray(part[:, ::-1] if view.mirrored else part)


@contextmanager
def _open(kind: Kind, data: bytes, threads: int, place: str | None) -> Iterator[_OpenStream]:
    where = place or kind.name
    with ExitStack() as stack:
        with _named(where):
            if kind.suffix == ".mp4":
                shape = read_shape(data, kind.suffix)
                video = stack.enter_context(open_video(data, threads=max(1, threads)))
                content: _Content = _Video(video, shape)
            else:
                content = _Mask(data) if kind.suffix == ".npz" else _Image(data)
        yield _OpenStream(kind, content, where)


def _place_window(clip: Clip, streams: Sequence[_OpenStream], random: Chance) -> tuple[int, int]:
    """Return first frame and number of frames; all streams have them."""
    timed = [(stream.content.length, stream) for stream in streams if stream.content.length is not None]
    if not timed:
        return 0, 1
    length, lead = timed[0]
    for other, stream in timed[1:]:
        if other < length or (other > length and stream.kind not in _LONGER):
            raise MediaError(
                "streams of a sample differ in length",
                got=f"{other} frames",
                wanted=f"{length} frames, as in its {lead.kind.name}",
                where=stream.place,
            )
    count = length if clip.frames is None else clip.frames
    if count > length:
        raise MediaError(
            "the clip is shorter than the window",
            got=f"{length} frames",
            wanted=f"at least {count} frames",
            where=lead.place,
        )
    free = length - count
    return {"start": 0, "center": free // 2, "random": int(random.start * (free + 1))}[clip.window], count


def _views(clip: Clip, streams: Sequence[_OpenStream], random: Chance) -> list[View]:
    """Return the view of each stream: all have the box of the first."""
    at = (random.across, random.down) if clip.crop == "random" else None
    mirrored = random.flip < clip.flip
    first = streams[0]
    with _named(first.place):
        lead = fit(*first.content.size, clip.sizes, place=at, mirrored=mirrored)
    box = replace(clip.sizes, height=lead.height, width=lead.width)
    views = [lead]
    for stream in streams[1:]:
        size = stream.content.size
        if size != first.content.size and stream.kind not in _ANY_SIZE:
            raise MediaError(
                "streams of a sample differ in size",
                got="{}x{}".format(*size),
                wanted="{}x{}, as in its {}".format(*first.content.size, first.kind.name),
                where=stream.place,
            )
        views.append(fit(*size, box, place=at, mirrored=mirrored))
    return views


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Errors say where the stream is, of which they only saw the bytes."""
    try:
        yield
    except SampleError as error:
        parts = {**error.parts(), "where": place}
        raise MediaError(parts.pop("problem"), **parts) from error
