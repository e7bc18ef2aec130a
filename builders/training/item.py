"""One sample's streams as arrays: the same window, box and mirror image of every one of them.

How it works
- A `Recipe` is what a user asked for. What is random about a sample follows from the recipe's seed, the
  sample's id and how often it was seen before: the same on every machine and after every resume.
- All streams are opened before one is decoded: their lengths and sizes must fit each other. The first stream
  leads; backgrounds may be longer, and backgrounds and frames of another size are resized to cover the
  same box.
- Nothing is padded, repeated or repaired: a clip that is too short is an error that names sample, shard and
  offset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from sparkle.media.container import OpenVideo, open_video
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask
from sparkle.media.threads import own_thread_only
from sparkle.media.view import SizeRules, View, fit, look, read_window, resize_as_pil
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ConfigError, MediaError, SampleError
from sparkle.schemas.layout import Kind
from sparkle.schemas.seeds import derive_seed

Window = Literal["random", "start", "center"]
Crop = Literal["center", "random"]
Tensors = Literal["THWC", "CTHW"]

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
class Recipe:
    """What is made of a sample.

    Attributes:
        kinds: Its streams; the first one leads.
        frames: Frames of the window; None is the whole clip.
        window: Where it lies: "random", "start" or "center".
        sizes: How large frames become.
        crop: Where the box is cut out: "center", as Kiwi-Edit does, or "random".
        flip: How likely a sample is mirrored, 0 to 1.
        tensors: "THWC" (uint8, masks bool) or "CTHW" (float32): see `tensors`.
        seed: What is random follows from it.
        threads: Threads that decode a sample.

    Raises:
        ConfigError: one of them is not what it should be.
    """

    kinds: tuple[Kind, ...]
    frames: int | None
    window: Window
    sizes: SizeRules
    crop: Crop
    flip: float
    tensors: Tensors
    seed: int
    threads: int

    def __post_init__(self) -> None:
        for name, known in {
            "window": ("random", "start", "center"),
            "crop": ("center", "random"),
            "tensors": ("THWC", "CTHW"),
        }.items():
            if getattr(self, name) not in known:
                raise ConfigError(f"there is no such {name}", got=getattr(self, name), wanted=known)
        for name, right, wanted in (
            ("streams", len(self.kinds) == len(set(self.kinds)) > 0, "at least one, each once"),
            ("frames", self.frames is None or self.frames > 0, "at least 1, or None for whole clips"),
            ("flip", 0 <= self.flip <= 1, "a likelihood, 0 to 1"),
            ("threads", self.threads > 0, "at least 1"),
            (
                "height and width",
                (self.sizes.height is None) == (self.sizes.width is None),
                "both or neither",
            ),
        ):
            if not right:
                raise ConfigError(f"{name} that cannot be", got=getattr(self, name, None), wanted=wanted)


@dataclass(frozen=True)
class Chance:
    """What is random about a sample: numbers in [0, 1), used or not."""

    start: float
    across: float
    down: float
    flip: float


def chance(recipe: Recipe, sample_id: str, cycle: int) -> Chance:
    """The random numbers of a sample when it is seen for the `cycle`-th time, counted from 0."""
    raw = np.random.PCG64(derive_seed(recipe.seed, sample_id, cycle)).random_raw(4)
    return Chance(*((raw >> np.uint64(11)) * 2.0**-53).tolist())


def make_item(recipe: Recipe, streams: Sequence[tuple[Artifact, bytes]], cycle: int) -> dict[str, Any]:
    """A sample's streams, aligned.

    Args:
        recipe: What to make.
        streams: The sample's artifacts, in the order of `recipe.kinds`.
        cycle: How often the sample was seen before.

    Returns:
        `start` (first frame of the window), `mirrored`, and for each stream by its kind's name: uint8
        (T, H, W, 3) of videos, bool (T, H, W) of masks, uint8 (H, W, 3) of images.

    Raises:
        MediaError: a stream does not decode, is shorter than the window, or they do not fit each other.
    """
    random = chance(recipe, streams[0][0].id, cycle)
    with own_thread_only(), ExitStack() as stack:
        workers = min(recipe.threads, len(streams))
        opened = []
        for artifact, data in streams:
            with _named(artifact):
                opened.append(stack.enter_context(_open(artifact.kind, data, recipe.threads // workers)))
        start, count = _place_window(recipe, streams, opened, random)
        views = _views(recipe, streams, opened, random)

        def read(index: int) -> Array:
            with _named(streams[index][0]):
                return opened[index].read(start, count, views[index])

        if workers > 1:
            with ThreadPoolExecutor(workers) as pool:
                arrays = list(pool.map(read, range(len(streams))))
        else:
            arrays = [read(index) for index in range(len(streams))]
    names = (artifact.kind.name for artifact, _ in streams)
    return {"start": start, "mirrored": views[0].mirrored, **dict(zip(names, arrays, strict=True))}


class _Stream(Protocol):
    """A stream that was opened and not yet decoded: `size` is (width, height), images have no length."""

    length: int | None
    size: tuple[int, int]

    def read(self, start: int, count: int, view: View) -> Array:
        """The window of the stream, as the view has it."""
        ...


class _Video:
    def __init__(self, video: OpenVideo) -> None:
        context = video.stream.codec_context
        self.length: int | None = video.length
        self.size = (context.width, context.height)
        self._video = video

    def read(self, start: int, count: int, view: View) -> Array:
        def upright(width: int, height: int) -> View:
            if (width, height) != self.size:
                raise MediaError(
                    "the video is stored turned", wanted="clips that are stored as they are shown"
                )
            return view

        return read_window(self._video, start, count, upright)


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
def _open(kind: Kind, data: bytes, threads: int) -> Iterator[_Stream]:
    if kind.suffix == ".mp4":
        with open_video(data, threads=threads) as video:
            yield _Video(video)
    else:
        yield _Mask(data) if kind.suffix == ".npz" else _Image(data)


def _place_window(
    recipe: Recipe, streams: Sequence[tuple[Artifact, bytes]], opened: Sequence[_Stream], random: Chance
) -> tuple[int, int]:
    """First frame and number of frames; all streams have them."""
    lengths = [
        (stream.length, artifact)
        for stream, (artifact, _) in zip(opened, streams, strict=True)
        if stream.length is not None
    ]
    if not lengths:
        return 0, 1
    length, lead = lengths[0]
    for other, artifact in lengths[1:]:
        if other < length or (other > length and artifact.kind not in _LONGER):
            raise MediaError(
                "streams of a sample differ in length",
                got=f"{other} frames",
                wanted=f"{length} frames, as in its {lead.kind.name}",
                where=place(artifact),
            )
    count = length if recipe.frames is None else recipe.frames
    if count > length:
        raise MediaError(
            "the clip is shorter than the window",
            got=f"{length} frames",
            wanted=f"at least {count} frames",
            where=place(lead),
        )
    free = length - count
    return {"start": 0, "center": free // 2, "random": int(random.start * (free + 1))}[recipe.window], count


def _views(
    recipe: Recipe, streams: Sequence[tuple[Artifact, bytes]], opened: Sequence[_Stream], random: Chance
) -> list[View]:
    """The view of each stream: all have the box of the first."""
    at = (random.across, random.down) if recipe.crop == "random" else None
    mirrored = random.flip < recipe.flip
    with _named(streams[0][0]):
        lead = fit(*opened[0].size, recipe.sizes, place=at, mirrored=mirrored)
    box = replace(recipe.sizes, height=lead.height, width=lead.width)
    views = [lead]
    for stream, (artifact, _) in zip(opened[1:], streams[1:], strict=True):
        if stream.size != opened[0].size and artifact.kind not in _ANY_SIZE:
            raise MediaError(
                "streams of a sample differ in size",
                got="{}x{}".format(*stream.size),
                wanted="{}x{}, as in its {}".format(*opened[0].size, streams[0][0].kind.name),
                where=place(artifact),
            )
        views.append(fit(*stream.size, box, place=at, mirrored=mirrored))
    return views


def place(artifact: Artifact) -> str:
    """Where an artifact is, for errors: sample, kind, shard and offset."""
    return f"{artifact.id} {artifact.kind.name}: {artifact.file} at byte {artifact.offset}"


@contextmanager
def _named(artifact: Artifact) -> Iterator[None]:
    """Errors name the artifact, of which they only saw the bytes."""
    try:
        yield
    except SampleError as error:
        parts = {**error.parts(), "where": place(artifact)}
        raise MediaError(parts.pop("problem"), **parts) from error
