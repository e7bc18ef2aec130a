"""Good videos whose headers or first packets do not say plainly which frames are shown; each with those.

The frames are `videos.levels`, which tell which they are. Everything is written by PyAV.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from harness import videos

COUNT, GROUP = 33, 12  # frames of a video, frames from one key frame to the next

_CLOSED = {"qp": "14", "x264-params": f"keyint={GROUP}:min-keyint={GROUP}:scenecut=0:bframes=2"}
_OPEN = {"qp": "14", "x264-params": f"keyint={GROUP}:min-keyint={GROUP}:scenecut=0:bframes=2:open-gop=1"}
_MPEG2 = {"g": str(GROUP), "bf": "2", "qmin": "2", "qmax": "2", "sc_threshold": "1000000000"}

Made = tuple[Path, list[int]]
ALL = list(range(COUNT))


def numbered(path: Path, **options: Any) -> Path:
    """Write a video of `COUNT` frames."""
    return videos.write_video(path, videos.levels(COUNT), **options)


def remux(source: Path, target: Path, *, first: int = 0, shift: int = 0) -> Path:
    """Copy packets from the `first` on, with times that are `shift` units of the source earlier."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        packets = [packet for packet in old.demux(stream) if packet.size]
        for packet in packets[first:]:
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = copy
            new.mux(packet)
    return target


def hidden_by_an_edit_list(folder: Path) -> Made:
    whole = numbered(folder / "whole.mp4", options={"qp": "0", "bf": "0"})
    with av.open(str(whole)) as file:
        frame = next(file.demux(video=0)).duration
    return remux(whole, folder / "edited.mp4", shift=4 * frame), ALL[4:]


def in_fragments(folder: Path) -> Made:
    options = {"movflags": "frag_keyframe"}
    return numbered(folder / "fragments.mp4", container=options, options=_CLOSED), ALL


def in_fragments_after_an_empty_header(folder: Path) -> Made:
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    return numbered(folder / "header.mp4", container=options, options=_CLOSED), ALL


def with_reordered_frames(folder: Path) -> Made:
    return numbered(folder / "reordered.mp4", options={"qp": "0", "bf": "3"}), ALL


def avi_of_mpeg4(folder: Path) -> Made:
    options = {"bf": "2", "qmin": "2", "qmax": "2"}
    return numbered(folder / "mpeg4.avi", codec="mpeg4", options=options), ALL


def avi_of_h264(folder: Path) -> Made:
    return numbered(folder / "h264.avi", options={"qp": "0", "bf": "2"}), ALL


def raw_h264(folder: Path) -> Made:
    return numbered(folder / "raw.h264", options=_CLOSED), ALL


def _cut(whole: Path, target: Path, part: float, unit: int = 188) -> Path:
    data = whole.read_bytes()
    target.write_bytes(data[int(len(data) / unit * part) * unit :])
    return target


def ts_from_between_key_frames(folder: Path) -> Made:
    whole = numbered(folder / "whole.ts", options=_CLOSED)
    return _cut(whole, folder / "late.ts", 0.2), ALL[GROUP:]


def ts_from_between_open_groups(folder: Path) -> Made:
    whole = numbered(folder / "whole_open.ts", options=_OPEN)
    return _cut(whole, folder / "late_open.ts", 0.2), ALL[GROUP:]


def ts_of_mpeg2_from_between_key_frames(folder: Path) -> Made:
    whole = numbered(folder / "whole_mpeg2.ts", codec="mpeg2video", rate=25, options=_MPEG2)
    return _cut(whole, folder / "late_mpeg2.ts", 0.2), ALL[GROUP:]


def mkv_from_an_open_group(folder: Path) -> Made:
    """As `ffmpeg -ss ... -c copy` cuts: behind the first key frame are pictures that need those before it."""
    whole = numbered(folder / "whole_open.mkv", options=_OPEN)
    with av.open(str(whole)) as file:
        keys = [n for n, packet in enumerate(file.demux(video=0)) if packet.size and packet.is_keyframe]
    return remux(whole, folder / "open.mkv", first=keys[1]), ALL[GROUP:]


def with_a_proxy_before(folder: Path) -> Made:
    """A small video as the first track, and the default one behind it."""
    return _two_tracks(folder / "proxy.mp4", (24, 16), Disposition.default), ALL


def with_a_proxy_behind(folder: Path) -> Made:
    return _two_tracks(folder / "proxy.mkv", (24, 16), Disposition.default, first=True), ALL


def _two_tracks(path: Path, small: tuple[int, int], told: Disposition, *, first: bool = False) -> Path:
    width, height = small
    pictures = [videos.levels(COUNT), np.zeros((COUNT, height, width, 3), np.uint8)]
    with av.open(str(path), "w") as file:
        streams = []
        for frames in pictures if first else pictures[::-1]:
            stream = file.add_stream("libx264", rate=16, options={"qp": "0"})
            stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
            stream.disposition = told if frames is pictures[0] else Disposition(0)
            streams.append((stream, frames))
        for index in range(COUNT):
            for stream, frames in streams:
                frame = av.VideoFrame.from_ndarray(frames[index]).reformat(format="yuv420p")
                frame.pts = index
                file.mux(stream.encode(frame))
        for stream, _ in streams:
            file.mux(stream.encode())
    return path


def with_a_cover_as_a_track(folder: Path) -> Made:
    """A large picture as the first track, which nothing calls a cover."""
    path, frames = folder / "cover.mkv", videos.levels(COUNT)
    with av.open(str(path), "w") as file:
        cover = file.add_stream("mjpeg", rate=16)
        cover.width, cover.height, cover.pix_fmt = 320, 240, "yuvj420p"
        stream = file.add_stream("libx264", rate=16, options={"qp": "0"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.disposition = Disposition.default
        picture = av.VideoFrame.from_ndarray(videos.quadrants(320, 240, 1)[0])
        picture.pts = 0
        file.mux(cover.encode(picture))
        file.mux(cover.encode())
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels).reformat(format="yuv420p")
            frame.pts = index
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path, ALL


MP4: dict[str, Callable[[Path], Made]] = {
    make.__name__: make
    for make in (
        hidden_by_an_edit_list,
        in_fragments,
        in_fragments_after_an_empty_header,
        with_reordered_frames,
        with_a_proxy_before,
    )
}

EVERY: dict[str, Callable[[Path], Made]] = MP4 | {
    make.__name__: make
    for make in (
        avi_of_mpeg4,
        avi_of_h264,
        raw_h264,
        ts_from_between_key_frames,
        ts_from_between_open_groups,
        ts_of_mpeg2_from_between_key_frames,
        mkv_from_an_open_group,
        with_a_proxy_behind,
        with_a_cover_as_a_track,
    )
}
