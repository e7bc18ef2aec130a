"""RGB or gray frames to an H.264 file whose bytes depend on nothing but frames, settings and versions.

How it works
- One x264 thread (2 or 4 threads give other bytes, 0 means the core count), explicit quality and preset,
  frame k at timestamp k, no time stamps and no program names in the container, index in front.
- Colours: BT.601 limited range, untagged, as in upstream's files. Chroma is the mean of each 2x2 block
  (OpenCV's own conversion takes the top left pixel, which frays coloured edges).
- A writer that is left by an error removes its file: half a clip that plays is worse than none.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from contextlib import closing
from fractions import Fraction
from functools import cache
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.codec.context import Flags
from msgspec import Struct

from sparkle.media import Pixels
from sparkle.media.ahead import ahead
from sparkle.media.container import MAX_SIDE
from sparkle.schemas.errors import ConfigError, MediaError

MAX_CRF = 51  # x264's scale for 8-bit video
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")

# x264's macroblock tree reads memory that it never wrote (its SIMD path, with B-frames): the same frames
# gave up to 9 different files within one process. Without it, every preset gives one.
DETERMINISTIC = ("no-mbtree=1",)

# Without that tree, looking ahead only places B-frames, fades and cuts, which clips do not have: a quarter of
# the encoder's time on the shared clips, for files that are no larger.
NO_LOOKAHEAD = ("rc-lookahead=0", "b-adapt=0", "scenecut=0", "weightp=0")

# See `LineArt`.
_LINE_ART = (
    "8x8dct=0",
    "bframes=0",
    "ref=2",
    "mixed-refs=1",
    "subme=6",
    "trellis=2",
    "no-deblock=1",
    "psy=0",
    "aq-mode=0",
)


class Encoding(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the H.264 encoder.

    Attributes:
        crf: Constant rate factor, 0 (lossless) to 51. 20 is visually transparent on the shared clips.
        preset: x264 preset. "veryfast" takes 2 s for 81 frames of 720p where "medium" takes 5.4 s.
    """

    crf: int = 20
    preset: str = "veryfast"

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= MAX_CRF or self.preset not in PRESETS:
            raise ConfigError(
                "the encoder has no such setting",
                got=f"crf = {self.crf}, preset = {self.preset!r}",
                wanted=f"crf from 0 to {MAX_CRF}, preset one of {', '.join(PRESETS)}",
            )

    @property
    def parameters(self) -> tuple[str, ...]:
        """What x264 is told besides quality and preset."""
        return (*DETERMINISTIC, *NO_LOOKAHEAD)


class LineArt(Encoding, frozen=True):
    """Settings for white lines on black, two pixels wide on an even raster.

    Transforms of 4x4 pixels, no B-frames, rate-distortion decisions over two references with a full trellis,
    neither deblocking nor psychovisual bits: measured on the shared clips' edges, a quarter of the bytes at
    which pictures' settings give as many lines back.
    """

    @property
    def parameters(self) -> tuple[str, ...]:
        """What x264 is told besides quality and preset."""
        return (*super().parameters, *_LINE_ART)


DEFAULT_ENCODING = Encoding()


class VideoWriter:
    """Writes one H.264 file, frame by frame; a context manager.

    Args:
        path: The file to write; replaced if it is there.
        width: Even number of pixels.
        height: Even number of pixels.
        fps: Frames a second; 16 is upstream's.
        encoding: Quality and preset.

    Raises:
        MediaError: A side is odd or outside 2..`MAX_SIDE`; on leaving: no frame was written.
    """

    def __init__(
        self, path: Path, *, width: int, height: int, fps: int = 16, encoding: Encoding = DEFAULT_ENCODING
    ) -> None:
        if width % 2 or height % 2 or not (2 <= width <= MAX_SIDE and 2 <= height <= MAX_SIDE):
            raise MediaError(
                "a video cannot have this size",
                got=f"{width}x{height}",
                wanted=f"even sides from 2 to {MAX_SIDE} pixels",
                where=path,
            )
        self.path = path
        self.frames = 0
        self._shape = (height, width)
        options = {"fflags": "+bitexact", "movflags": "+faststart"}
        self._container = av.open(str(path), "w", format="mp4", options=options)
        settings = {
            "crf": str(encoding.crf),
            "preset": encoding.preset,
            "x264-params": ":".join(encoding.parameters),
        }
        self._stream = self._container.add_stream("libx264", rate=fps, options=settings)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.flags |= Flags.bitexact

    def __enter__(self) -> Self:
        return self

    def write(self, frame: Pixels) -> None:
        """Append a frame.

        Args:
            frame: uint8 (H, W, 3) RGB or (H, W) gray.

        Raises:
            MediaError: The frame has another shape or type than the video.
        """
        if frame.dtype != np.uint8 or frame.shape not in (self._shape, (*self._shape, 3)):
            raise MediaError(
                "a frame does not fit its video",
                got=f"{frame.dtype} {frame.shape}",
                wanted=f"uint8 {(*self._shape, 3)} or {self._shape}",
                where=f"{self.path}, frame {self.frames}",
            )
        picture = av.VideoFrame.from_ndarray(_to_i420(frame), format="yuv420p")
        picture.pts = self.frames
        self._container.mux(self._stream.encode(picture))
        self.frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        whole = False
        try:
            if kind is None and self.frames:
                self._container.mux(self._stream.encode())
            self._container.close()
            whole = kind is None and self.frames > 0
        finally:
            if not whole:
                self.path.unlink(missing_ok=True)
        if kind is None and not whole:
            raise MediaError("a video needs at least one frame", got="0 frames", where=self.path)


def encode(
    frames: Iterable[Pixels],
    path: Path,
    *,
    fps: int = 16,
    encoding: Encoding = DEFAULT_ENCODING,
) -> int:
    """Write frames as one H.264 file; the next frames are made while one is encoded.

    Args:
        frames: uint8 (H, W, 3) RGB or (H, W) gray, all of the first one's size, even sides.
        path: The file to write; replaced if it is there.
        fps: Frames a second.
        encoding: Quality and preset.

    Returns:
        The number of frames written.

    Raises:
        MediaError: There are no frames, a side is odd, or the shape changes.
    """
    with closing(ahead(frames)) as remaining:
        first = next(remaining, None)
        if first is None:
            raise MediaError("a video needs at least one frame", got="0 frames", where=path)
        height, width = first.shape[:2]
        with VideoWriter(path, width=width, height=height, fps=fps, encoding=encoding) as writer:
            for frame in chain((first,), remaining):
                writer.write(frame)
    return writer.frames


@cache
def encoder_versions() -> dict[str, str]:
    """Return versions of everything that decides the bytes of our videos, images and masks, by name."""
    versions = {
        "av": av.__version__,
        "libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
        "libavformat": ".".join(map(str, av.library_versions["libavformat"])),
        "libswscale": ".".join(map(str, av.library_versions["libswscale"])),
        "opencv": cv2.__version__,
        "numpy": np.__version__,
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }
    return versions | {"x264": _x264_build()}


def _x264_build() -> str:
    """x264's own version, which it writes into the first packet of every video."""
    context = av.VideoCodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 16, 16, "yuv420p"
    context.framerate, context.thread_count = Fraction(1), 1
    black = av.VideoFrame.from_ndarray(np.zeros((24, 16), np.uint8), format="yuv420p")
    packets = [*context.encode(black), *context.encode(None)]
    found = re.search(rb"x264 - core (\d+(?: r\S+)?(?: \w{7,})?)", b"".join(map(bytes, packets)))
    return found[1].decode() if found else "unknown"


def _to_i420(frame: Pixels) -> Pixels:
    """Return uint8 (H, W, 3) RGB or (H, W) gray to BT.601 limited-range planes, uint8 (H * 3 / 2, W)."""
    if frame.ndim == 2:
        frame = np.asarray(cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB), np.uint8)
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420), np.uint8)
    height, width = frame.shape[:2]
    halved = cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    averaged = cv2.resize(halved, (width, height), interpolation=cv2.INTER_NEAREST)
    planes = np.asarray(cv2.cvtColor(averaged, cv2.COLOR_RGB2YUV_I420), np.uint8)
    planes[:height] = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)[:height]
    return planes
