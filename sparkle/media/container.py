"""Opening a video file that someone else made, so that nothing but that file is read.

How it works
- `open_video` gives an `OpenVideo`: the container, the video stream that ffmpeg would show (cover pictures
  are not video) and `frames()`, which decodes what is shown, in presentation order. Everything that reads
  videos counts and sees these frames: generate, import, validate, export and the loaders.
- What an edit list hides is not shown. Of a video that begins between key frames (`late`), what comes before
  the first picture that can be shown is passed over and counted. Whatever else does not decode is an error.
- Every way in which a file can be bad becomes a `MediaError` that names it: missing, empty, not a video,
  cut short, undecodable, absurdly large, a frame size that changes on the way.
- The decoder stops at the first error instead of painting over it: a concealed frame is a silent repair.
- A path is never parsed as a URL or a pattern, playlists are no videos, and only the file protocol is
  allowed, so a hostile "video" cannot make the decoder read other files or the network.
- Bytes in memory (a member of a tar, a range of a file on a Hub) are opened as a file is, without one.
- A decoder's threads end with the block that opened it, whatever still refers to the `OpenVideo` (the
  traceback of an error does): a forked process, such as a worker of a DataLoader, that came upon a decoder
  of its parent's in a garbage collection would wait for ever for threads that it does not have.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sparkle.media.late import HEAD, begins_late, decode_late
from sparkle.schemas.errors import MediaError
from sparkle.schemas.misplaced import refuse_misplaced

# Pixels. 8K UHD is 7680 wide; beyond it a header is wrong or hostile.
MAX_SIDE = 8192

# Frames a file may hold: two hours at 60 fps.
MAX_FRAMES = 2 * 3600 * 60

# libavformat's names of the containers that hold video and refer to nothing outside themselves. Left out on
# purpose: hls, dash, concat, image sequences (they open other files) and tty (it "plays" any text file).
_DEMUXERS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,gif,h264,hevc,ivf,"
    "dv,gxf,nut,rm,nsv,wtv,vvc,obu,av1,mjpeg,yuv4mpegpipe"
)

# ISO base media boxes that hold the index or the pictures. Only their length is checked: unknown boxes and
# stray bytes after the last one are common in good files.
_BOXES_THAT_MATTER = frozenset({b"moov", b"moof", b"mdat"})

# Containers without presentation times: what libav says of frames that are stored out of order is a guess.
_UNTIMED = frozenset({"avi", "h264", "hevc", "mpegvideo"})

# Codecs of pictures: a track of one beside a video is its cover, where the container does not count frames.
_PICTURES = frozenset({"mjpeg", "png", "bmp", "gif", "tiff", "webp"})

_DEFAULT_SCORE = 5_000_000  # pixels that ffmpeg takes the flag "default" of a track for
_MOST_BOXES = 1_000_000  # two for each of `MAX_FRAMES`, and some

# A title that is not UTF-8 is no reason to refuse a video: PyAV 18 must be told so, 19 has no such argument.
_TITLES: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}

IN_MEMORY = "a video in memory"
"""What errors call bytes; whoever has them knows where they are from."""


@dataclass
class OpenVideo:
    """An open video file; the container and its stream are gone when the block of `open_video` is left.

    Attributes:
        where: The file, or words for bytes in memory.
        container: PyAV's container.
        stream: Its video stream.
        fragmented: Whether it is an MP4 in fragments, whose header counts the frames of the first at most.
        passed_over: Pictures before the first one that is shown, once that was decoded: they need frames that
            the file does not have.
    """

    where: Path | str
    container: InputContainer
    stream: VideoStream
    fragmented: bool = False
    passed_over: int = 0
    _decoding: list[Generator[VideoFrame, None, None]] = field(default_factory=list, repr=False)

    @property
    def time_base(self) -> Fraction:
        """Seconds that one unit of a timestamp stands for."""
        return _fraction(self.stream.time_base) or Fraction(1, av.time_base)

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average or else as guessed; 0 where the container does not say."""
        return _fraction(self.stream.average_rate) or _fraction(self.stream.guessed_rate)

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel by its height; 1 where the container does not say."""
        return _fraction(self.stream.sample_aspect_ratio) or Fraction(1)

    @property
    def declared(self) -> int:
        """How many frames the container says that there are, without those that an edit list hides.

        0 where it does not say, or where that is often wrong: of fragments, and outside of MP4 and MOV.
        """
        if self.fragmented or "mov" not in self.container.format.name.split(","):
            return 0
        return sum(not entry.is_discard for entry in self.stream.index_entries)

    def frames(self) -> Iterator[VideoFrame]:
        """Decode every frame that is shown, in presentation order, as stored (not rotated).

        Raises:
            MediaError: A frame does not decode, or differs in size from the first, or there are none, or more
                than `MAX_FRAMES`.
        """
        size: tuple[int, int] | None = None
        decoding = self._decode()
        self._decoding.append(decoding)
        with _media_errors(self.where):
            for index, frame in enumerate(decoding):
                size = size or (frame.width, frame.height)
                if (frame.width, frame.height) != size:
                    raise MediaError(
                        "the frame size changes inside the video",
                        got=f"{frame.width}x{frame.height} at frame {index}",
                        wanted=f"{size[0]}x{size[1]}, as in frame 0",
                        where=self.where,
                    )
                if frame.is_corrupt:
                    raise MediaError("a frame is corrupt", got=f"frame {index}", where=self.where)
                if index >= MAX_FRAMES:
                    raise MediaError(
                        "the video is too long", wanted=f"at most {MAX_FRAMES} frames", where=self.where
                    )
                yield frame
        if size is None:
            raise MediaError("the video has no frames", where=self.where)

    def timed_frames(self) -> Iterator[tuple[Fraction | None, VideoFrame]]:
        """Decode as `frames`; yield with each frame the second at which it is shown, None where nothing says.

        Where the container has no presentation times, frames follow each other at its rate.
        """
        name, reordered = self.container.format.name, self.stream.codec_context.has_b_frames
        rate = self.rate if name in _UNTIMED and (reordered or name != "avi") else None
        for index, frame in enumerate(self.frames()):
            if rate:
                yield index / rate, frame
            else:
                yield None if frame.pts is None else frame.pts * self.time_base, frame

    def _decode(self) -> Generator[VideoFrame, None, None]:
        packets = filter(attrgetter("size"), self.container.demux(self.stream))
        head: list[Packet[VideoStream]] = []
        packet: Packet[VideoStream] | None = None
        try:
            head.extend(islice(packets, HEAD))
            if begins_late(head):
                yield from decode_late(self.stream, chain(head, packets), self._pass_over, self.where)
                return
            for packet in chain(head, packets, (None,)):
                yield from self.stream.decode(packet)
        finally:  # a traceback keeps what is in here, and packets keep the decoder
            del packets, head, packet

    def _pass_over(self, count: int) -> None:
        self.passed_over = count

    def packet_count(self) -> int:
        """Count the stream's packets from here on that are shown, without decoding them.

        Raises:
            MediaError: The container cannot be read, or holds more than `MAX_FRAMES`.
        """
        count = 0
        with _media_errors(self.where):
            for packet in self.container.demux(self.stream):
                count += packet.size > 0 and not packet.is_discard
                if count > MAX_FRAMES:
                    raise MediaError(
                        "the video is too long", wanted=f"at most {MAX_FRAMES} frames", where=self.where
                    )
        return count


def _fraction(value: Fraction | None) -> Fraction:
    """What PyAV says, as a `Fraction`: 18 has None for what is not known, 19 a class whose 0/0 is false."""
    return Fraction(value.numerator, value.denominator) if value else Fraction(0)


@contextmanager
def open_video(source: Path | bytes, *, threads: int = 0) -> Iterator[OpenVideo]:
    """Open a video for decoding.

    Args:
        source: A video of a common container (mp4, mov, mkv, webm, avi, ts, ...): its file or its bytes.
        threads: How many threads decode; 0 is as many as there are cores. Pixels are the same with any.

    Raises:
        MediaError: The file is missing, empty, cut short, no video, has no video stream, or has a side over
            `MAX_SIDE`.
    """
    where = IN_MEMORY if isinstance(source, bytes) else source
    if isinstance(source, Path) and not source.is_file():
        raise MediaError("there is no such video", where=where)
    if (len(source) if isinstance(source, bytes) else source.stat().st_size) == 0:
        raise MediaError("the video is empty", got="0 bytes", where=where)
    refuse_misplaced(source, MediaError, where)
    kinds = _boxes_of(source, where, only=b"ftyp")
    if kinds and b"moov" not in kinds:
        got = "no index: what wrote it was ended before it was done"
        raise MediaError("the video is cut short", got=got, where=where)
    file = io.BytesIO(source) if isinstance(source, bytes) else f"file:{source}"
    options = {"protocol_whitelist": "file", "format_whitelist": _DEMUXERS}
    with (
        _media_errors(where),
        av.open(file, "r", options=options, **_TITLES) as container,
    ):
        if not kinds and "mov" in container.format.name.split(","):
            kinds = _boxes_of(source, where)
        stream = _shown_stream(container, where)
        context = stream.codec_context
        if not (0 < context.width <= MAX_SIDE and 0 < context.height <= MAX_SIDE):
            raise MediaError(
                "the video has no key frame, or an impossible size",
                got=f"{context.width}x{context.height}",
                wanted=f"sides from 1 to {MAX_SIDE} pixels",
                where=where,
            )
        context.options = {"err_detect": "explode", "max_pixels": str(MAX_SIDE * MAX_SIDE)}
        context.thread_type = "FRAME"
        context.thread_count = threads
        video = OpenVideo(where, container, stream, b"moof" in kinds)
        try:
            yield video
        finally:  # PyAV frees a decoder, and with it its threads, when nothing refers to it any more
            for decoding in video._decoding:
                decoding.close()
            del video.container, video.stream, stream, context


def _shown_stream(container: InputContainer, where: Path | str) -> VideoStream:
    """The stream that ffmpeg shows: the largest, the default one before others, and no cover picture."""
    videos = [
        stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic
    ]
    if not videos:
        kinds = sorted({stream.type for stream in container.streams})
        got = ", ".join(kinds) or "no stream at all"
        raise MediaError("the file has no video stream", got=got, where=where)
    known = [stream for stream in videos if stream.codec_context]  # None, which PyAV's stubs leave out
    if not known:
        raise MediaError("there is no decoder for the video's codec", where=where)
    return max(known, key=_shown_first)


def _shown_first(stream: VideoStream) -> tuple[bool, int]:
    context = stream.codec_context
    picture = stream.frames == 1 or (stream.frames == 0 and context.name in _PICTURES)
    preferred = _DEFAULT_SCORE if stream.disposition & Disposition.default else 0
    return not picture, context.width * context.height + preferred


def _boxes_of(source: Path | bytes, where: Path | str, *, only: bytes = b"") -> set[bytes]:
    """The kinds of a file's boxes; none where the first is not of the one kind that is asked for."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        return _whole_boxes(file, where) if not only or file.read(8)[4:] == only else set()


def _whole_boxes(file: BinaryIO, where: Path | str) -> set[bytes]:
    """The kinds of an MP4's or MOV's boxes; one that ends beyond the file is refused: decoding would stop."""
    kinds: set[bytes] = set()
    end = file.seek(0, io.SEEK_END)
    position = count = 0
    while position + 8 <= end:
        count += 1
        if count > _MOST_BOXES:
            raise MediaError("the video has too many boxes", wanted=f"at most {_MOST_BOXES}", where=where)
        file.seek(position)
        header = file.read(16)
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        if kind in _BOXES_THAT_MATTER and position + size > end:
            raise MediaError(
                "the video is cut short",
                got=f"{end} bytes",
                wanted=f"{position + size} bytes",
                where=where,
            )
        if size < 8:  # 0: "to the end of the file"; anything else is not a box
            break
        kinds.add(kind)
        position += size
    return kinds


@contextmanager
def _media_errors(where: Path | str) -> Iterator[None]:
    """Turn libav's errors into `MediaError`."""
    try:
        yield
    except av.FFmpegError as error:
        raise MediaError(
            "the video cannot be decoded",
            got=error.strerror,
            wanted="a file whose every frame decodes",
            where=where,
            fix=f"look at it with: ffmpeg -v error -i {where} -f null -",
        ) from error
