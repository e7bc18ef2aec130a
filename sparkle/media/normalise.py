"""Any video to a source clip: 16 fps, upright, square pixels, even sides, yuv420p, 4k + 1 <= 81 frames.

How it works
- A file that already is such a clip is copied byte for byte (upstream's own sources are).
- Otherwise output frame k shows the source frame that is on screen at k / fps after the first one. The longer
  side is brought down to `max_side`, an odd row or column is cropped.
- Frames that are not evenly timed are resampled by their times as any others, interlaced ones are
  deinterlaced, a high dynamic range and BT.2020's colours become BT.709, and pictures before the first key
  frame are passed over: the result says so.
- Decoding stops as soon as there are enough frames and no more than a handful are held at once, so a long 4K
  recording costs no more than a clip. What comes after the clip is neither read nor checked.
- A rerun writes the same bytes (with the same codec versions).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from msgspec import Struct

from sparkle.media import Pixels
from sparkle.media.container import MAX_SIDE, OpenVideo, open_video
from sparkle.media.decode import is_upright, to_deep_rgb, to_rgb, upright_size
from sparkle.media.deinterlace import Timed, deinterlaced
from sparkle.media.encode import Encoding, encode
from sparkle.media.frames import is_4k_plus_1
from sparkle.media.timing import worst_offset_of
from sparkle.media.tone import to_bt709, wide
from sparkle.schemas.errors import ConfigError, MediaError

# Pixels. Below a macroblock there is nothing to see, and a strip this thin is a broken header.
MIN_SIDE = 16

MAX_FPS = 120  # frames a second; high-speed cameras aside, no source has more

# Seconds. Matroska and FLV round timestamps to milliseconds, so that at 16 fps every other frame starts half
# of one late; taken literally, each second frame would be shown twice and the next one never.
_ROUNDING = Fraction(1, 1000)


class SourceSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """What a source clip is.

    Attributes:
        fps: Frames a second; 16 is upstream's.
        max_frames: Most frames, 4k + 1; 81 is upstream's.
        min_frames: Fewest frames, 4k + 1; 5 is the shortest that upstream's four scored frames fit in.
        max_side: Most pixels of the longer side; 1280 is upstream's 720p.
    """

    fps: int = 16
    max_frames: int = 81
    min_frames: int = 5
    max_side: int = 1280

    def __post_init__(self) -> None:
        lengths = (self.min_frames, self.max_frames)
        if not all(map(is_4k_plus_1, lengths)) or not 5 <= self.min_frames <= self.max_frames:
            raise ConfigError(
                "a source clip has a wrong length",
                got=f"min_frames = {self.min_frames}, max_frames = {self.max_frames}",
                wanted="4k + 1 frames, such as 5 and 81, the first not above the second",
            )
        if not (1 <= self.fps <= MAX_FPS and MIN_SIDE <= self.max_side <= MAX_SIDE):
            raise ConfigError(
                "a source clip cannot be like this",
                got=f"fps = {self.fps}, max_side = {self.max_side}",
                wanted=f"fps from 1 to {MAX_FPS}, max_side from {MIN_SIDE} to {MAX_SIDE}",
            )


@dataclass(frozen=True)
class Normalised:
    """What `normalise` made.

    Attributes:
        width: Width of the clip in pixels.
        height: Height of the clip in pixels.
        frames: Frames of the clip. Below the spec's `min_frames` nothing was written: this is then the number
            of frames that the source yields, for a rule to reject.
        fps: Frames a second of the clip.
        copied: Whether the clip is the source file, byte for byte.
        source_width: Displayed width of the source in pixels.
        source_height: Displayed height of the source in pixels.
        source_frames: Frames of the source as its container declares them, else its packets; those that are
            shown.
        source_fps: Average frames a second of the source; 0.0 where its container does not say.
        notes: What was done to the frames that nobody would expect of any source; None where nothing was.
    """

    width: int
    height: int
    frames: int
    fps: int
    copied: bool
    source_width: int
    source_height: int
    source_frames: int
    source_fps: float
    notes: tuple[str, ...] | None = None


def normalise(source: Path, target: Path, spec: SourceSpec, encoding: Encoding) -> Normalised:
    """Make a source clip of a video.

    Args:
        source: Any video file.
        target: The MP4 to write; nothing is written when the source is too short (see `Normalised.frames`).
        spec: What a source clip is.
        encoding: Quality and preset, for sources that are not copied.

    Raises:
        MediaError: The source is missing, empty, cut short, no video, does not decode (as far as it is
            read), has no timestamps or decreasing ones, or is too thin.
    """
    with open_video(source) as video:
        decoding = video.frames()
        first = next(decoding)
        size = _clip_size(video, first, spec)
        source_size = upright_size(first)
        source_frames, passed_over = video.declared, video.passed_over
        source_fps = float(video.rate)
        copied = _looks_conforming(video, first, size, spec) and _keeps_time(
            chain((first,), decoding), source_frames, Fraction(1, spec.fps), video.time_base
        )
    if not source_frames:
        with open_video(source) as video:
            source_frames = video.packet_count()
    notes = [f"pictures before the first that can be shown, left out: {passed_over}"] if passed_over else []
    if copied:
        shutil.copyfile(source, target)
        frames = source_frames
    else:
        frames, done = _reencode(source, target, size, spec, encoding)
        notes += done
    source_frames -= passed_over
    told = tuple(notes) or None
    return Normalised(*size, frames, spec.fps, copied, *source_size, source_frames, source_fps, told)


def _clip_size(video: OpenVideo, first: VideoFrame, spec: SourceSpec) -> tuple[int, int]:
    """Even width and height of the clip: square pixels, the longer side at most `spec.max_side`."""
    width, height = map(Fraction, upright_size(first))
    pixel_aspect = video.pixel_aspect
    if upright_size(first) != (first.width, first.height):
        pixel_aspect = 1 / pixel_aspect
    if pixel_aspect > 1:
        width *= pixel_aspect
    else:
        height /= pixel_aspect
    scale = min(Fraction(1), Fraction(spec.max_side) / max(width, height))
    if scale == 1 and pixel_aspect == 1:
        size = int(width) // 2 * 2, int(height) // 2 * 2
    else:
        size = 2 * round(width * scale / 2), 2 * round(height * scale / 2)
    if min(size) < MIN_SIDE:
        raise MediaError(
            "the video is too thin",
            got=f"{first.width}x{first.height}, which makes a clip of {size[0]}x{size[1]}",
            wanted=f"sides of at least {MIN_SIDE} pixels",
            where=video.where,
        )
    return size


def _looks_conforming(video: OpenVideo, first: VideoFrame, size: tuple[int, int], spec: SourceSpec) -> bool:
    """Return whether a file is a source clip by all that its headers and first frame say."""
    container, stream = video.container, video.stream
    is_mp4 = "mp4" in container.format.name.split(",") and container.metadata.get("major_brand") != "qt  "
    frames = stream.frames
    frames_fit = spec.min_frames <= frames <= spec.max_frames and is_4k_plus_1(frames)
    return (
        is_mp4
        and frames == video.declared
        and len(container.streams) == 1
        and stream.codec_context.name == "h264"
        and first.format.name == "yuv420p"
        and is_upright(first)
        and wide(first) is None
        and size == (first.width, first.height)
        and frames_fit
    )


def _keeps_time(frames: Iterable[VideoFrame], count: int, period: Fraction, time_base: Fraction) -> bool:
    """Return whether there are `count` whole frames and frame k is shown at exactly k * `period` seconds."""
    shown_at = [
        None if frame.pts is None or frame.interlaced_frame else frame.pts * time_base
        for frame in islice(frames, count + 1)
    ]
    return shown_at == [index * period for index in range(count)]


def _reencode(
    source: Path, target: Path, size: tuple[int, int], spec: SourceSpec, encoding: Encoding
) -> tuple[int, list[str]]:
    """Write the clip; return its length and what was done. Below `spec.min_frames` nothing is written."""
    done: dict[str, None] = {}
    times: list[Fraction | None] = []
    with open_video(source) as video:
        shown = deinterlaced(_noted(video.timed_frames(), done, times))
        images = (_fit(frame, size) for frame in _on_screen(shown, video, spec.fps))
        clip = islice(images, spec.max_frames)
        head = list(islice(clip, spec.min_frames))
        if len(head) < spec.min_frames:
            return len(head), list(done)
        frames = encode(_whole_groups(chain(head, clip)), target, fps=spec.fps, encoding=encoding)
    if offset := worst_offset_of(times):
        done[f"frames not evenly timed, up to {offset:.1f} ms off: resampled by their times"] = None
    return frames, list(done)


def _noted(frames: Iterator[Timed], done: dict[str, None], times: list[Fraction | None]) -> Iterator[Timed]:
    """Pass frames on, and note their times and what will be done to them."""
    for time, frame in frames:
        times.append(time)
        if frame.interlaced_frame:
            done["interlaced: deinterlaced, one frame of two fields"] = None
        if (signal := wide(frame)) is not None:
            how = "mapped to BT.709" if signal == "BT.2020" else "tone-mapped to BT.709 (BT.2446-1, method C)"
            done[f"{signal}: {how}"] = None
        yield time, frame


def _on_screen(frames: Iterable[Timed], video: OpenVideo, fps: int) -> Iterator[VideoFrame]:
    """Yield the frame that is on screen at 0, 1/fps, 2/fps, ... seconds after the first one appears."""
    shown: VideoFrame | None = None
    start = previous = Fraction(0)
    tick = 0
    for index, (now, frame) in enumerate(frames):
        if now is None:
            raise MediaError("a frame has no timestamp", got=f"frame {index}", where=video.where)
        if shown is None:
            start = previous = now
        elif now < previous:
            raise MediaError("timestamps go back", got=f"{now} s after {previous} s", where=video.where)
        rounding = _rounding(now, video)
        while shown is not None and start + Fraction(tick, fps) < now - rounding:
            yield shown
            tick += 1
        shown, previous = frame, now
    if shown is None:
        return
    end = previous + _duration(shown, video)
    while start + Fraction(tick, fps) < end - _rounding(end, video):
        yield shown
        tick += 1


def _rounding(time: Fraction, video: OpenVideo) -> Fraction:
    """Return how many seconds late rounding may make a frame; milliseconds are copied into any container."""
    counted = min(video.time_base, _ROUNDING)
    return max(counted, _ROUNDING / 2) if time % _ROUNDING == 0 else counted


def _duration(last: VideoFrame, video: OpenVideo) -> Fraction:
    """Return seconds that the last frame stays on screen: as it says itself, else the average."""
    if last.duration:
        return last.duration * video.time_base
    return 1 / video.rate if video.rate else Fraction(0)


def _fit(frame: VideoFrame, size: tuple[int, int]) -> Pixels:
    """Draw a frame of (width, height): scaled, or cropped where only an odd row or column is too many."""
    signal = wide(frame)
    if signal is None:
        return np.asarray(_scaled(to_rgb(frame), size), np.uint8)
    return to_bt709(np.asarray(_scaled(to_deep_rgb(frame), size), np.uint16), signal)


def _scaled(image: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    width, height = size
    if 0 <= image.shape[1] - width <= 1 and 0 <= image.shape[0] - height <= 1:
        return image[:height, :width]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _whole_groups(images: Iterable[Pixels]) -> Iterator[Pixels]:
    """Pass on the first 4k + 1 images, holding back up to four until their group is whole."""
    held: list[Pixels] = []
    for count, image in enumerate(images, start=1):
        held.append(image)
        if is_4k_plus_1(count):
            yield from held
            held.clear()
