"""Real video files of every awkward kind, made with PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.stream import Disposition

from sparkle.media.container import open_video

Frames = npt.NDArray[np.uint8]

QUADRANTS = ((230, 40, 40), (40, 200, 60), (50, 60, 220), (235, 235, 60))


def quadrants(width: int = 64, height: int = 48, count: int = 9) -> Frames:
    """Frames whose four quarters are red, green, blue and yellow: any turn or mirror image shows."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: height // 2, : width // 2], frame[: height // 2, width // 2 :] = QUADRANTS[:2]
    frame[height // 2 :, : width // 2], frame[height // 2 :, width // 2 :] = QUADRANTS[2:]
    return np.repeat(frame[None], count, axis=0)


def levels(count: int, width: int = 64, height: int = 48) -> Frames:
    """Gray frames that tell which they are: frame k has k // 16 in the left half and k % 16 in the right."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    index = np.arange(count, dtype=np.uint8)[:, None, None, None]
    frames[:, :, : width // 2] = 10 + 14 * (index // 16)
    frames[:, :, width // 2 :] = 10 + 14 * (index % 16)
    return frames


def index_of(frame: Frames) -> int:
    """Which of `levels` a decoded frame is."""
    height, width = frame.shape[:2]
    high, low = (round((float(frame[height // 2, x].mean()) - 10) / 14) for x in (width // 4, width * 3 // 4))
    return 16 * high + low


def write_video(
    path: Path,
    frames: Frames,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: Fraction | int = 16,
    times: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    orientation: tuple[int, bool, bool] | None = None,
    colour: dict[str, Any] | None = None,
    pixel_aspect: Fraction | None = None,
    audio: bool = False,
    title: str | None = None,
) -> Path:
    """Writes frames, by default without loss; `times` are timestamps in milliseconds."""
    with av.open(str(path), "w", options=container or {}) as file:
        if title is not None:
            file.metadata["title"] = title
        stream = file.add_stream(codec, rate=rate, options={"qp": "0"} if options is None else options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pix_fmt
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if orientation is not None:
            stream.set_display_rotation(*orientation)
        sound = file.add_stream("aac", rate=16000, layout="mono") if audio else None
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels))
            frame = frame.reformat(format=pix_fmt, **(colour or {}))
            frame.pts = index if times is None else times[index]
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.rate = 16000
            file.mux(sound.encode(silence))
            file.mux(sound.encode())
    return path


def write_audio(path: Path) -> Path:
    """An MP4 with sound only."""
    with av.open(str(path), "w") as file:
        sound = file.add_stream("aac", rate=16000, layout="mono")
        for _ in range(4):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.rate = 16000
            file.mux(sound.encode(frame))
        file.mux(sound.encode())
    return path


def write_cover(path: Path) -> Path:
    """An MP4 with sound and a cover picture."""
    with av.open(str(path), "w") as file:
        sound = file.add_stream("aac", rate=16000, layout="mono")
        cover = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.rate = 16000
        picture = av.VideoFrame.from_ndarray(quadrants(count=1)[0])
        picture.pts = 0
        for stream, frame in ((sound, silence), (cover, picture)):
            file.mux(stream.encode(frame))
            file.mux(stream.encode())
    return path


BAD_VIDEOS = (
    "missing",
    "folder",
    "empty",
    "text",
    "playlist",
    "audio only",
    "audio with a cover",
    "unknown codec",
    "index cut off",
    "frames cut off",
    "damaged",
)


def write_bad_video(kind: str, folder: Path) -> Path:
    """One of `BAD_VIDEOS`."""
    path = folder / f"{kind}.mp4"
    fast = {"movflags": "+faststart"}
    noise = np.random.Generator(np.random.PCG64(0)).integers(0, 255, (17, 48, 64, 3), np.uint8)
    match kind:
        case "missing":
            return path
        case "folder":
            path.mkdir()
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("not a video\n" * 400)
        case "playlist":
            good = write_video(folder / "good.ts", noise)
            path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{good.name}\n#EXT-X-ENDLIST\n")
        case "audio only":
            write_audio(path)
        case "audio with a cover":
            write_cover(path)
        case "unknown codec":
            path.write_bytes(write_video(path, noise).read_bytes().replace(b"avc1", b"zzzz"))
        case "index cut off":
            data = write_video(path, noise).read_bytes()
            path.write_bytes(data[: len(data) * 2 // 3])
        case "frames cut off":
            data = write_video(path, noise, container=fast).read_bytes()
            path.write_bytes(data[: len(data) * 2 // 3])
        case "damaged":
            data = bytearray(write_video(path, noise, container=fast).read_bytes())
            middle = len(data) // 2
            data[middle : middle + 400] = bytes(value ^ 0x5A for value in data[middle : middle + 400])
            path.write_bytes(data)
        case _:
            raise KeyError(kind)
    return path


def stored_form(path: Path) -> tuple[str, int]:
    """Pixel format of the first frame, and the degrees by which it is turned for display."""
    with open_video(path) as video:
        frame = next(video.frames())
        return frame.format.name, frame.rotation % 360
