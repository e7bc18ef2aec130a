"""Frames at equal distances, as far as containers can say so; others are measured."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from harness import odd_videos, videos
from sparkle.media.container import open_video
from sparkle.media.decode import decode
from sparkle.media.encode import Encoding
from sparkle.media.normalise import SourceSpec, normalise
from sparkle.media.probe import read_shape
from sparkle.media.timing import worst_offset_of

EXACT = Encoding(crf=1, preset="ultrafast")
VP9 = {"lossless": "1"}


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(16), Fraction(60)])
@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.mp4", "libx264", {"bf": "3"}),
        ("clip.mkv", "libx264", {"bf": "3"}),
        ("clip.webm", "libvpx-vp9", VP9),
        ("clip.flv", "libx264", {"bf": "3"}),
        ("clip.ts", "libx264", {"bf": "3"}),
        ("clip.avi", "libx264", {"bf": "3"}),
    ],
)
def test_a_constant_rate_is_even_in_every_container(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], rate: Fraction
) -> None:
    """Also in a QuickTime file that such a container was copied into, whose units are 600ths of a second."""
    clip = odd_videos.numbered(tmp_path / name, codec=codec, rate=rate, options=options)
    assert read_shape(clip.read_bytes(), ".mp4").uneven == 0
    if not name.endswith((".avi", ".webm")):
        assert read_shape(in_600ths(clip, tmp_path / "copy.mov").read_bytes(), ".mp4").uneven == 0


def in_600ths(clip: Path, copy: Path) -> Path:
    options = {"video_track_timescale": "600", "brand": "isom"}
    with av.open(str(clip)) as old, av.open(str(copy), "w", format="mp4", options=options) as new:
        stream = old.streams.video[0]
        track = new.add_stream_from_template(stream)
        for packet in old.demux(stream):
            if packet.size:
                packet.stream = track
                new.mux(packet)
    return copy


@pytest.mark.parametrize("name", odd_videos.EVERY)
def test_an_odd_file_of_constant_rate_is_even(tmp_path: Path, name: str) -> None:
    path, _ = odd_videos.EVERY[name](tmp_path)
    with open_video(path) as video:
        assert worst_offset_of([time for time, _ in video.timed_frames()]) == 0


def dropped(folder: Path, name: str = "dropped.mp4", **options: str) -> Path:
    """33 frames at 16 a second, as a phone leaves them in the dark: some last twice as long."""
    gaps = [125 if index % 8 == 3 else 62.5 for index in range(32)]
    times = [round(time) for time in itertools.accumulate(gaps, initial=0)]
    settings = {"qp": "0", "bf": "0", **options}
    return videos.write_video(folder / name, videos.levels(33), times=times, options=settings)


@pytest.mark.parametrize(("name", "bf"), [("a.mp4", "0"), ("b.mp4", "3"), ("c.mkv", "0")])
def test_what_the_worst_frame_is_off_is_measured(tmp_path: Path, name: str, bf: str) -> None:
    shape = read_shape(dropped(tmp_path, name, bf=bf).read_bytes(), ".mp4")
    assert shape.frames == 33
    assert shape.uneven == pytest.approx(31.3, abs=1)  # from boxes, from boxes with delays, and from decoding


def test_one_late_frame_is_uneven(tmp_path: Path) -> None:
    times = [40 * index + 5 * (index == 7) for index in range(17)]
    path = videos.write_video(tmp_path / "late.mp4", videos.levels(17), times=times)
    assert read_shape(path.read_bytes(), ".mp4").uneven == pytest.approx(5, abs=0.1)


def test_an_uneven_source_is_resampled_by_its_times_and_said(tmp_path: Path) -> None:
    source = dropped(tmp_path)
    made = normalise(source, tmp_path / "clip.mp4", SourceSpec(), EXACT)
    assert made.notes is not None
    (note,) = made.notes
    assert note.startswith("frames not evenly timed, up to 3")
    assert note.endswith(" ms off: resampled by their times")
    shown = [videos.index_of(frame) for frame in decode(tmp_path / "clip.mp4")]
    assert shown == [index for index in range(33) for _ in range(2 if index % 8 == 3 else 1)][: made.frames]
    assert read_shape((tmp_path / "clip.mp4").read_bytes(), ".mp4").uneven == 0


def test_milliseconds_of_another_container_are_no_frames_too_late(tmp_path: Path) -> None:
    """At 16 a second each other frame would be shown twice, and the next one never."""
    whole = odd_videos.numbered(tmp_path / "whole.mkv", options={"qp": "0", "bf": "0"})
    copy = odd_videos.remux(whole, tmp_path / "copy.mp4")
    made = normalise(copy, tmp_path / "clip.mp4", SourceSpec(), EXACT)
    assert made.notes is None
    assert [videos.index_of(frame) for frame in decode(tmp_path / "clip.mp4")] == odd_videos.ALL


def test_a_source_of_another_constant_rate_has_no_note(tmp_path: Path) -> None:
    source = odd_videos.numbered(tmp_path / "film.mkv", rate=Fraction(30000, 1001))
    assert normalise(source, tmp_path / "clip.mp4", SourceSpec(), EXACT).notes is None


def test_two_frames_are_even(tmp_path: Path) -> None:
    path = videos.write_video(tmp_path / "two.mp4", np.asarray(videos.levels(2)), times=[0, 700])
    assert read_shape(path.read_bytes(), ".mp4").uneven == 0
