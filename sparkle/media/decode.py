"""A video file to RGB pixels, along one conversion path.

How it works
- Planar YUV 4:2:0 of 8 bits goes through OpenCV's BT.601 limited-range conversion. Everything else (10 bits,
  4:4:4, full range, a frame tagged with another matrix than BT.601) is first brought to that form by
  libswscale. Untagged video counts as BT.601, as in upstream's files.
- Loaders see parts of frames (`part_drawer`). Where nothing is resized, a plain frame is drawn as above, of
  that part alone. What is resized, or is no plain frame, becomes RGB planes by libswscale in one go: with all
  of its chroma, and for half of the time that drawing it whole and resizing it takes. OpenCV and libswscale
  differ by about one level.
- The display matrix (how a phone was held) is applied: rotations and mirror images.
- HDR transfer curves are not tone-mapped: such a video decodes with the flat look of its raw levels. Sources
  are (`tone`), of what `to_deep_rgb` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from sparkle.media import Pixels
from sparkle.media.container import open_video
from sparkle.schemas.errors import MediaError

# Bytes of one decoded clip: 81 frames of 4K UHD are 2.0e9, so twice that is no clip of this dataset.
MAX_CLIP_BYTES = 4 * 2**30

# Frames that are written straight into the result: more than a clip has, so that no clip is copied once more
# (memory that is never touched costs nothing, a copy of 81 frames of 720p 0.3 s).
_BLOCK_FRAMES = 96

# AVColorSpace values whose matrix is BT.601's: BT.470BG and SMPTE 170M; 2 is "unspecified".
_AS_BT601 = frozenset({2, 5, 6})
# AVColorSpace -> libswscale's SWS_CS_* of BT.709, FCC, SMPTE 240M, BT.2020; old PyAV has no name for that.
_MATRIX_OF_TAG = {1: 1, 4: 4, 7: 7, 9: 9, 10: 9}
# The same for pictures of 16 bits: who does not say there has BT.2020's. RGB (0) needs none.
_DEEP_MATRIX = {**_MATRIX_OF_TAG, 0: 9, 2: 9, 5: 5, 6: 5}

# libswscale's filter of that name averages where it shrinks, as PIL's does; the same levels on any processor.
_AS_PIL = int(Interpolation.BILINEAR) | 0x40000 | 0x80000  # and SWS_ACCURATE_RND, SWS_BITEXACT
# PyAV converts with all processors from 17 on unless it is told, and cannot be told before.
_ONE_THREAD: dict[str, Any] = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}

_Level = TypeVar("_Level", np.uint8, np.uint16)


def iter_frames(path: Path, *, size: tuple[int, int] | None = None) -> Iterator[Pixels]:
    """Decode a video frame by frame, upright.

    Args:
        path: The video file.
        size: (width, height) in pixels that frames are resized to by pixel area; None keeps the video's own.

    Yields:
        uint8 (H, W, 3) RGB, in presentation order.

    Raises:
        MediaError: The file is missing, empty, cut short, no video, or a frame does not decode.
    """
    with open_video(path) as video:
        for frame in video.frames():
            width, height = size or upright_size(frame)
            image = np.empty((height, width, 3), np.uint8)
            _draw(frame, image)
            yield image


def decode(path: Path, *, size: tuple[int, int] | None = None) -> Pixels:
    """Decode a whole clip, upright.

    Args:
        path: The video file.
        size: (width, height) in pixels that frames are resized to by pixel area; None keeps the video's own.

    Returns:
        uint8 (T, H, W, 3) RGB, T >= 1.

    Raises:
        MediaError: As `iter_frames`; also when the frames come to more than `MAX_CLIP_BYTES`.
    """
    blocks: list[Pixels] = []
    count = 0
    with open_video(path) as video:
        for index, frame in enumerate(video.frames()):
            width, height = size or upright_size(frame)
            count = index + 1
            if count * height * width * 3 > MAX_CLIP_BYTES:
                raise MediaError(
                    "the video is too large to decode at once",
                    got=f"at least {count} frames of {width}x{height}",
                    wanted=f"at most {MAX_CLIP_BYTES} bytes of pixels",
                    where=path,
                )
            if index % _BLOCK_FRAMES == 0:
                blocks.append(np.empty((_BLOCK_FRAMES, height, width, 3), np.uint8))
            _draw(frame, blocks[-1][index % _BLOCK_FRAMES])
    return (blocks[0] if len(blocks) == 1 else np.concatenate(blocks))[:count]


def next_frame(frames: Iterator[Pixels], path: Path) -> Pixels:
    """Return the next of a clip's frames.

    Raises:
        MediaError: the clip ends before its partner.
    """
    frame = next(frames, None)
    if frame is None:
        raise MediaError("the video is shorter than the source", where=path)
    return frame


def to_rgb(frame: VideoFrame) -> Pixels:
    """Return one decoded frame as it is displayed.

    Args:
        frame: A frame of any pixel format, with its display matrix as side data.

    Returns:
        uint8 (H, W, 3) RGB.

    Raises:
        MediaError: The display matrix is not made of quarter turns and mirror images.
    """
    width, height = upright_size(frame)
    image = np.empty((height, width, 3), np.uint8)
    _draw(frame, image)
    return image


def to_deep_rgb(frame: VideoFrame) -> npt.NDArray[np.uint16]:
    """Return one decoded frame as it is displayed, with 16 bits per channel.

    Args:
        frame: A frame of any pixel format; one that does not name its matrix has BT.2020's.

    Returns:
        uint16 (H, W, 3) RGB, of the frame's own primaries and transfer curve.

    Raises:
        MediaError: The display matrix is not made of quarter turns and mirror images, or the colours have
            another matrix than those of television.
    """
    if frame.colorspace not in _DEEP_MATRIX:
        raise MediaError(
            "there is no conversion of the video's colours",
            got=f"matrix {int(frame.colorspace)} of ITU-T H.273",
            wanted="BT.2020's or another one of television",
        )
    deep = frame.reformat(
        format="rgb48le",
        src_colorspace=_DEEP_MATRIX[frame.colorspace],
        src_color_range=frame.color_range or ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    return _upright(deep.to_ndarray().astype(np.uint16, copy=False), _display_matrix(frame))


def part_drawer(
    size: tuple[int, int], corner: tuple[int, int] = (0, 0)
) -> Callable[[VideoFrame, Pixels], None]:
    """Return what draws a part of a video's frames, upright, without drawing the rest where that can be.

    It takes a frame of any pixel format, with its display matrix as side data, and uint8 (H, W, 3) contiguous
    of the size of the part, which becomes RGB; it raises MediaError where the display matrix is not made of
    quarter turns and mirror images.

    Args:
        size: (width, height) in pixels that whole upright frames are resized to.
        corner: (left, top) of the part in pixels of the resized frame.
    """
    reformatter = VideoReformatter()  # which keeps its filters from frame to frame
    left, top = corner

    def draw(frame: VideoFrame, image: Pixels) -> None:
        height, width = image.shape[:2]
        part = (slice(top, top + height), slice(left, left + width))
        if size != upright_size(frame) or not _is_plain(frame):
            _draw_planes(_rgb_planes(frame, size, reformatter), _display_matrix(frame), part, image)
        elif (left | top | width | height) % 2:
            image[:] = to_rgb(frame)[part]
        else:
            cv2.cvtColor(_i420(frame, (left, top, width, height)), cv2.COLOR_YUV2RGB_I420, dst=image)

    return draw


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Width and height in pixels of a frame as it is displayed.

    Raises:
        MediaError: The display matrix is not made of quarter turns and mirror images.
    """
    return (frame.height, frame.width) if _is_turned(frame) else (frame.width, frame.height)


def _is_turned(frame: VideoFrame) -> bool:
    """Return whether a frame is stored on its side."""
    matrix = _display_matrix(frame)
    return matrix is not None and bool(matrix[0, 1])


def is_upright(frame: VideoFrame) -> bool:
    """Return whether a frame is stored as it is displayed.

    Raises:
        MediaError: The display matrix is not made of quarter turns and mirror images.
    """
    matrix = _display_matrix(frame)
    return matrix is None or matrix.tolist() == [[1, 0], [0, 1]]


def _draw(frame: VideoFrame, image: Pixels) -> None:
    """Write a frame, upright, into uint8 (H, W, 3) RGB of any size.

    Fresh memory for each frame would take longer than the conversion, so that OpenCV writes in place.
    """
    matrix = _display_matrix(frame)
    if not _is_limited_bt601(frame):
        frame = _to_limited_bt601(frame)
    planes = _i420(frame)
    if matrix is None and image.shape[:2] == (frame.height, frame.width) == (
        planes.shape[0] * 2 // 3,
        planes.shape[1],
    ):
        cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420, dst=image)
        return
    stored = np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420), np.uint8)
    upright = _upright(stored[: frame.height, : frame.width], matrix)
    if upright.shape == image.shape:
        image[:] = upright
    else:
        cv2.resize(upright, (image.shape[1], image.shape[0]), dst=image, interpolation=cv2.INTER_AREA)


def _is_limited_bt601(frame: VideoFrame) -> bool:
    tagged_otherwise = frame.colorspace not in _AS_BT601 or frame.color_range == ColorRange.JPEG
    return frame.format.name == "yuv420p" and not tagged_otherwise


def _is_plain(frame: VideoFrame) -> bool:
    """Return whether OpenCV's conversion alone draws it."""
    return _is_limited_bt601(frame) and _display_matrix(frame) is None


def _to_limited_bt601(frame: VideoFrame) -> VideoFrame:
    return frame.reformat(
        format="yuv420p",
        src_colorspace=_MATRIX_OF_TAG.get(frame.colorspace, Colorspace.ITU601),
        dst_colorspace=Colorspace.ITU601,
        src_color_range=frame.color_range or ColorRange.MPEG,
        dst_color_range=ColorRange.MPEG,
    )


def _rgb_planes(frame: VideoFrame, size: tuple[int, int], reformatter: VideoReformatter) -> list[Pixels]:
    """Red, green and blue as stored, of a frame that is resized so that, upright, it has some size."""
    width, height = size[::-1] if _is_turned(frame) else size
    planes = reformatter.reformat(
        frame,
        width,
        height,
        "gbrp",
        src_colorspace=_MATRIX_OF_TAG.get(frame.colorspace, Colorspace.ITU601),
        dst_colorspace=Colorspace.ITU601,
        interpolation=_AS_PIL,
        src_color_range=frame.color_range or ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        **_ONE_THREAD,
    )
    return [_plane(planes, index, 0, 0, width, height) for index in (2, 0, 1)]


def _draw_planes(
    planes: list[Pixels],
    matrix: npt.NDArray[np.int32] | None,
    part: tuple[slice, slice],
    image: Pixels,
) -> None:
    if matrix is None:
        cv2.merge([plane[part] for plane in planes], dst=image)
    else:
        image[:] = _upright(np.asarray(cv2.merge(planes), np.uint8), matrix)[part]


def _i420(frame: VideoFrame, part: tuple[int, int, int, int] | None = None) -> Pixels:
    """Return a yuv420p frame as OpenCV wants it: one buffer, even sides (an odd side is rounded up).

    Args:
        frame: The frame.
        part: left, top, width, height, all even; None is the whole.
    """
    left, top, seen_width, seen_height = part or (0, 0, frame.width, frame.height)
    width, height = seen_width + seen_width % 2, seen_height + seen_height % 2
    buffer = np.empty(width * height * 3 // 2, np.uint8)
    luma = buffer[: width * height].reshape(height, width)
    luma[:seen_height, :seen_width] = _plane(frame, 0, left, top, seen_width, seen_height)
    luma[seen_height:] = 0  # cropped away again; only there so that the buffer holds nothing undefined
    luma[:, seen_width:] = 0
    chroma = buffer[width * height :].reshape(2, height // 2, width // 2)
    for index, plane in enumerate(chroma, start=1):
        plane[:] = _plane(frame, index, left // 2, top // 2, width // 2, height // 2)
    return buffer.reshape(height * 3 // 2, width)


def _plane(frame: VideoFrame, index: int, left: int, top: int, width: int, height: int) -> Pixels:
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), np.uint8)[: (top + height) * plane.line_size]
    return rows.reshape(top + height, plane.line_size)[top:, left : left + width]


def _display_matrix(frame: VideoFrame) -> npt.NDArray[np.int32] | None:
    """The signs of the 2x2 display matrix: a stored (x, y) is shown at (x, y) @ matrix; None: as stored."""
    side_data = cast(SideDataContainer, frame.side_data)  # PyAV's stubs know motion vectors only
    if "DISPLAYMATRIX" not in side_data:
        return None
    stored = np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), np.int32)
    matrix: npt.NDArray[np.int32] = np.sign(stored.reshape(3, 3)[:2, :2])
    if np.abs(matrix).tolist() not in ([[1, 0], [0, 1]], [[0, 1], [1, 0]]):
        raise MediaError(
            "the video is turned by an angle that is no multiple of 90 degrees",
            got=f"{frame.rotation} degrees",
        )
    return matrix


def _upright(image: npt.NDArray[_Level], matrix: npt.NDArray[np.int32] | None) -> npt.NDArray[_Level]:
    if matrix is not None:
        if matrix[0, 1]:  # x and y change places
            image, right, down = image.transpose(1, 0, 2), matrix[1, 0], matrix[0, 1]
        else:
            right, down = matrix[0, 0], matrix[1, 1]
        image = image[::down, ::right]
    return np.ascontiguousarray(image)
