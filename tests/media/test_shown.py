"""Frames are what is shown: of every odd file those that ffmpeg shows, by whatever counts or reads them."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from harness import odd_videos, videos
from sparkle.media.container import open_video
from sparkle.media.decode import decode
from sparkle.media.encode import Encoding
from sparkle.media.images import write_png
from sparkle.media.normalise import SourceSpec, normalise
from sparkle.media.probe import probe, read_shape, require_mp4
from sparkle.schemas.errors import MediaError

GROUP = odd_videos.GROUP
EXACT = Encoding(crf=1, preset="ultrafast")
LATE = [name for name in odd_videos.EVERY if name.startswith(("ts_", "mkv_"))]


@pytest.fixture(params=odd_videos.EVERY)
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> odd_videos.Made:
    return odd_videos.EVERY[request.param](tmp_path)


def indices(frames: np.ndarray) -> list[int]:
    return [videos.index_of(frame) for frame in frames]


def test_what_is_shown_is_decoded_and_counted(odd: odd_videos.Made) -> None:
    path, shown = odd
    assert indices(decode(path)) == shown
    info = probe(path)
    assert (info.width, info.height, info.frames) == (64, 48, len(shown))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_ffmpeg_shows_the_same_frames(odd: odd_videos.Made) -> None:
    """A cover that nothing calls one is the exception: ffmpeg takes the larger track."""
    path, _ = odd
    track = ["-map", "0:v:1"] if path.name == "cover.mkv" else []
    told = ["-vsync", "0", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    answer = subprocess.run(
        ["ffmpeg", "-v", "quiet", "-i", path, *track, *told], capture_output=True, check=True, timeout=600
    )
    frames = np.frombuffer(answer.stdout, np.uint8).reshape(-1, 48, 64, 3)
    assert indices(frames) == indices(decode(path))


def test_a_source_is_read_at_its_rate(odd: odd_videos.Made, tmp_path: Path) -> None:
    path, shown = odd
    made = normalise(path, tmp_path / "clip.mp4", SourceSpec(), EXACT)
    assert made.source_frames == len(shown)
    rate = 25 if path.suffix in (".h264",) or "mpeg2" in path.name else 16
    expected = [shown[int(k * rate / 16 + 0.02)] for k in range(made.frames)]
    assert indices(decode(tmp_path / "clip.mp4")) == expected
    assert made.frames >= (len(shown) * 16 // rate - 1) // 4 * 4 + 1 - 4


@pytest.mark.parametrize("name", odd_videos.MP4)
def test_only_a_plain_clip_is_copied(tmp_path: Path, name: str) -> None:
    """One that hides frames or is in fragments is of our form when it is shown, but not in its bytes."""
    path, shown = odd_videos.MP4[name](tmp_path)
    assert len(shown) % 4 == 1
    made = normalise(path, tmp_path / "clip.mp4", SourceSpec(), EXACT)
    assert made.copied == (name == "with_reordered_frames")


@pytest.mark.parametrize("name", odd_videos.MP4)
def test_the_header_of_an_mp4_is_not_believed_where_it_may_be_wrong(tmp_path: Path, name: str) -> None:
    path, shown = odd_videos.MP4[name](tmp_path)
    shape = read_shape(path.read_bytes(), ".mp4")
    assert shape[:3] == (len(shown), 64, 48)
    assert shape.fps == pytest.approx(16, abs=0.01)


@pytest.mark.parametrize("reordered", [0, 3])
@pytest.mark.parametrize("start", [0, 1, 2, 3, 9])
@pytest.mark.parametrize("lasts", [0, 1, 20, 32, 33, 40])
def test_an_edit_list_hides_what_it_hides_when_decoding(
    tmp_path: Path, reordered: int, start: int, lasts: int
) -> None:
    """A file's own list is overwritten: it shows `lasts` frames from the `start`-th moment on."""
    options = {"preset": "ultrafast", "bf": str(reordered)}
    path = odd_videos.numbered(tmp_path / "clip.mp4", options=options)
    data = bytearray(path.read_bytes())
    place = data.index(b"elst") + 4
    assert int.from_bytes(data[place : place + 8], "big") == 1  # version 0, one edit
    scale = data.index(b"mdhd") + 16
    frame = int.from_bytes(data[scale : scale + 4], "big") // 16
    data[place + 8 : place + 12] = (lasts * 1000 // 16).to_bytes(4, "big")  # the movie counts milliseconds
    data[place + 12 : place + 16] = (start * frame).to_bytes(4, "big")
    path.write_bytes(data)
    with av.open(str(path)) as file:
        shown = len(list(file.decode(video=0)))
    if shown:
        assert len(decode(path)) == read_shape(bytes(data), ".mp4").frames == shown
    for count in (decode, lambda path: read_shape(path.read_bytes(), ".mp4")) if not shown else ():
        with pytest.raises(MediaError, match="no frames"):
            count(path)


@pytest.mark.parametrize(("degrees", "size"), [(90, (48, 64)), (180, (64, 48)), (-90, (48, 64))])
def test_a_turned_mp4_has_the_size_at_which_it_is_shown(
    tmp_path: Path, degrees: int, size: tuple[int, int]
) -> None:
    path = odd_videos.numbered(tmp_path / "phone.mp4", orientation=(degrees, False, False))
    shape = read_shape(path.read_bytes(), ".mp4")
    assert (shape.frames, shape.width, shape.height) == (odd_videos.COUNT, *size)
    assert decode(path).shape[:3] == (odd_videos.COUNT, *size[::-1])


@pytest.mark.parametrize("name", LATE)
def test_what_is_passed_over_is_told(tmp_path: Path, name: str) -> None:
    path, _ = odd_videos.EVERY[name](tmp_path)
    made = normalise(path, tmp_path / "clip.mp4", SourceSpec(), EXACT)
    assert made.notes is not None
    (note,) = made.notes
    words, count = note.split(": ")
    assert words == "pictures before the first that can be shown, left out"
    assert 0 < int(count) < GROUP
    with open_video(path) as video:
        next(video.frames())
        assert video.passed_over == int(count)


def damage(path: Path, places: range) -> Path:
    """Flip bits at some places of a transport stream, but for its own headers."""
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= 0x5A if place % 188 > 20 else 0
    path.write_bytes(data)
    return path


NOISE = np.random.Generator(np.random.PCG64(0)).integers(0, 255, (36, 48, 64, 3), np.uint8)
SLOW_GROUPS = {"qp": "20", "x264-params": f"keyint={GROUP}:min-keyint={GROUP}:scenecut=0:bframes=2"}


def noise_from_between_key_frames(folder: Path) -> tuple[Path, list[int]]:
    """A transport stream that begins late, and where in it each packet of the video begins."""
    whole = videos.write_video(folder / "whole.ts", NOISE, options=SLOW_GROUPS)
    data = whole.read_bytes()
    late = folder / "late.ts"
    late.write_bytes(data[len(data) // 188 // 6 * 188 :])
    with open_video(late) as video:
        packets = [packet for packet in video.container.demux(video.stream) if packet.size]
        keys = [packet.pos for packet in packets if packet.is_keyframe and packet.size > 1000]
    assert len(decode(late)) == 2 * GROUP
    return late, keys


def test_damage_behind_a_late_beginning_is_an_error(tmp_path: Path) -> None:
    path, keys = noise_from_between_key_frames(tmp_path)
    with pytest.raises(MediaError):
        decode(damage(path, range(keys[1] + 2000, keys[1] + 12_000, 20)))


def test_a_damaged_first_key_frame_is_not_passed_over(tmp_path: Path) -> None:
    path, keys = noise_from_between_key_frames(tmp_path)
    with pytest.raises(MediaError):
        decode(damage(path, range(keys[0] + 600, keys[0] + 2000, 20)))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_damaged_first_frame_is_an_error(tmp_path: Path, suffix: str, threads: int) -> None:
    path = videos.write_video(tmp_path / f"clip{suffix}", NOISE, options=SLOW_GROUPS)
    with open_video(path) as video:
        packets = [packet for packet in video.container.demux(video.stream) if packet.size]
        first, second = (packet.pos for packet in packets[:2])
    data = bytearray(path.read_bytes())
    for place in range((first + second) // 2, second - 40, 20):
        data[place] ^= 0x5A
    path.write_bytes(data)
    with pytest.raises(MediaError), open_video(path, threads=threads) as video:
        for _ in video.frames():
            pass


def test_a_video_of_which_nothing_can_be_shown_is_an_error(tmp_path: Path) -> None:
    whole = odd_videos.numbered(tmp_path / "whole.ts", options={"qp": "14", "g": "999"})
    data = whole.read_bytes()
    (tmp_path / "late.ts").write_bytes(data[len(data) // 188 // 2 * 188 :])
    with pytest.raises(MediaError, match=r"no frames|no key frame"):
        decode(tmp_path / "late.ts")


def test_times_of_reordered_frames_in_an_avi_follow_each_other(tmp_path: Path) -> None:
    for make in (odd_videos.avi_of_mpeg4, odd_videos.avi_of_h264):
        path, _ = make(tmp_path)
        with open_video(path) as video:
            times = [time for time, _ in video.timed_frames()]
        assert {later - earlier for earlier, later in pairwise(times)} == {Fraction(1, 16)}


@pytest.mark.parametrize(
    ("name", "codec", "kind"),
    [
        ("clip.webm", "libvpx-vp9", "WebM"),
        ("clip.mkv", "libx264", "Matroska"),
        ("clip.avi", "mpeg4", "AVI"),
        ("clip.ts", "libx264", "an MPEG transport stream"),
        ("clip.flv", "libx264", "FLV"),
    ],
)
def test_another_container_under_an_mp4s_name_is_named_and_measured(
    tmp_path: Path, name: str, codec: str, kind: str
) -> None:
    data = odd_videos.numbered(tmp_path / name, codec=codec, options={}).read_bytes()
    with pytest.raises(MediaError, match="not an mp4") as caught:
        require_mp4(data)
    assert caught.value.got == f"it is {kind}"
    assert read_shape(data, ".mp4")[:3] == (odd_videos.COUNT, 64, 48)


def test_a_picture_under_an_mp4s_name_is_named(tmp_path: Path) -> None:
    write_png(tmp_path / "image.png", videos.quadrants(count=1)[0])
    with pytest.raises(MediaError, match="not an mp4") as caught:
        read_shape((tmp_path / "image.png").read_bytes(), ".mp4")
    assert caught.value.got == "it is a PNG image"
