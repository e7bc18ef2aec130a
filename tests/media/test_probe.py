"""What a file holds, and every kind of file that is refused."""

from fractions import Fraction

import numpy as np
import pytest

from harness import videos
from sparkle.media.decode import decode, iter_frames
from sparkle.media.probe import DECODED_FRAMES, Look, VideoInfo, look, probe
from sparkle.schemas.errors import MediaError


def test_says_what_a_clip_is(tmp_path):
    path = videos.write_video(tmp_path / "clip.mp4", videos.quadrants(64, 48, 9))
    assert probe(path) == VideoInfo(64, 48, 9, 16.0)


def test_a_turned_video_has_the_size_at_which_it_is_shown(tmp_path):
    frames = videos.quadrants(64, 48, 3)
    path = videos.write_video(tmp_path / "phone.mp4", frames, orientation=(-90, False, False))
    info = probe(path)
    assert (info.width, info.height) == (48, 64)
    assert look(path) == Look(48, 64, 16)


def test_other_codecs_are_read(tmp_path):
    frames = videos.quadrants(64, 48, 6)
    path = videos.write_video(
        tmp_path / "clip.avi", frames, codec="mpeg4", rate=Fraction(30000, 1001), options={}
    )
    info = probe(path)
    assert (info.frames, round(info.fps, 2)) == (6, 29.97)


def test_a_title_in_another_encoding_is_no_reason_to_refuse_a_video(tmp_path):
    written = videos.write_video(tmp_path / "clip.mkv", videos.quadrants(64, 48, 5), title="Cafe")
    content = written.read_bytes()
    assert content.count(b"Cafe") == 1
    written.write_bytes(content.replace(b"Cafe", "Café".encode("latin-1")))
    assert probe(written).frames == 5


def test_sound_beside_a_video_is_left_alone(tmp_path):
    path = videos.write_video(tmp_path / "sound.mp4", videos.quadrants(64, 48, 5), audio=True)
    assert probe(path).frames == 5


def test_frames_of_a_long_video_are_counted_without_decoding_all(tmp_path):
    count = DECODED_FRAMES + 37
    path = videos.write_video(
        tmp_path / "long.mp4", np.zeros((count, 16, 16, 3), np.uint8), options={"preset": "ultrafast"}
    )
    assert probe(path).frames == count


def test_bad_files_are_named(bad_video):
    with pytest.raises(MediaError) as caught:
        probe(bad_video)
    assert caught.value.where == str(bad_video)


def test_bad_files_do_not_decode(bad_video):
    with pytest.raises(MediaError) as caught:
        decode(bad_video)
    assert caught.value.where == str(bad_video)


def test_a_path_that_looks_like_a_url_is_a_path(tmp_path):
    path = videos.write_video(tmp_path / "clip.mp4", videos.quadrants(64, 48, 2))
    odd = tmp_path / "concat:a|b%03d.mp4"
    odd.write_bytes(path.read_bytes())
    assert probe(odd).frames == 2


def test_absurd_sizes_are_refused_before_decoding(tmp_path):
    path = videos.write_video(
        tmp_path / "wide.avi", np.zeros((1, 16, 8208, 3), np.uint8), codec="rawvideo", options={}
    )
    with pytest.raises(MediaError, match="impossible size"):
        probe(path)


def test_a_size_that_changes_on_the_way_is_refused(tmp_path):
    small = videos.write_video(tmp_path / "a.h264", videos.quadrants(64, 48, 3))
    large = videos.write_video(tmp_path / "b.h264", videos.quadrants(96, 64, 3))
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(MediaError, match="size changes"):
        list(iter_frames(both))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_no_damage_raises_anything_else(tmp_path, suffix):
    rng = np.random.Generator(np.random.PCG64(0))
    frames = rng.integers(0, 255, (5, 32, 48, 3), np.uint8)
    sound = videos.write_video(tmp_path / f"sound{suffix}", frames).read_bytes()
    path, outcomes = tmp_path / f"damaged{suffix}", set()
    for _ in range(40):
        data = bytearray(sound)
        for place in rng.integers(0, min(len(data), 3000), 4):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            outcomes.add(probe(path).fps)
        except MediaError as error:
            outcomes.add(type(error).__name__)
    assert "MediaError" in outcomes


def test_a_look_wants_one_frame_and_names_what_has_none(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError, match=r"."):
        look(tmp_path / "clip.mp4")
