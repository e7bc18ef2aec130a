"""Sources whose frames are no pictures of today's screens: interlaced, HLG, PQ, BT.2020; each is told."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.reformatter import ColorRange, Colorspace

from harness import videos
from sparkle.media.decode import decode
from sparkle.media.encode import Encoding
from sparkle.media.normalise import Normalised, SourceSpec, normalise
from sparkle.media.tone import curve
from sparkle.schemas.errors import MediaError

EXACT = Encoding(crf=1, preset="ultrafast")
INTERLACED = "interlaced: deinterlaced, one frame of two fields"
WIDTH, HEIGHT = 96, 64


def normalised(source: Path) -> tuple[Normalised, npt.NDArray[np.uint8]]:
    target = source.with_name("clip.mp4")
    made = normalise(source, target, SourceSpec(), EXACT)
    return made, decode(target)


# --- interlaced -------------------------------------------------------------------------------


def bar(moment: int) -> npt.NDArray[np.uint8]:
    """A white bar that moves 3 pixels from one field to the next."""
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    picture[:, np.arange(3 * moment, 3 * moment + 20) % WIDTH] = 220
    return picture


def woven(count: int) -> npt.NDArray[np.uint8]:
    """Frames whose odd lines are of one moment and whose even lines of the next: PyAV says "bottom first"."""
    frames = np.stack([bar(2 * index) for index in range(count)])
    frames[:, ::2] = np.stack([bar(2 * index + 1) for index in range(count)])[:, ::2]
    return frames


def combs(frames: npt.NDArray[np.uint8]) -> float:
    """How much lines differ from the mean of those above and below."""
    lines = frames.astype(float)
    return float(np.abs(lines[:, 1:-1] - (lines[:, :-2] + lines[:, 2:]) / 2).mean())


H264 = {"qp": "4", "flags": "+ildct+ilme"}
MPEG2 = {"qmin": "2", "qmax": "2", "flags": "+ildct+ilme"}


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("a.mp4", "libx264", H264), ("b.ts", "libx264", H264), ("c.mpg", "mpeg2video", MPEG2)],
)
def test_an_interlaced_source_is_deinterlaced(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    frames = woven(25)
    assert combs(frames) > 5
    source = videos.write_video(tmp_path / name, frames, codec=codec, rate=25, options=options)
    made, clip = normalised(source)
    assert made.notes == (INTERLACED,)
    assert (made.frames, made.source_frames, made.source_fps) == (13, 25, 25.0)
    assert combs(clip) < 0.5
    for k in (0, 4, 12):  # the first field of the frame that is on screen, where its bar is
        shown = int(k * 25 / 16 + 0.01)
        assert np.abs(clip[k, 1::2].astype(int) - bar(2 * shown)[1::2]).mean() < 3


def test_an_interlaced_clip_of_our_form_is_not_copied(tmp_path: Path) -> None:
    source = videos.write_video(tmp_path / "source.mp4", woven(9), options=H264)
    made, clip = normalised(source)
    assert (made.copied, made.notes) == (False, (INTERLACED,))
    assert combs(clip) < 0.5


def test_frames_before_the_first_interlaced_one_stay_as_they_are(tmp_path: Path) -> None:
    """Two elementary streams, one behind the other."""
    whole = np.stack([bar(2 * index) for index in range(10)])
    first = videos.write_video(tmp_path / "a.m2v", whole, codec="mpeg2video", rate=25, options={"qmax": "2"})
    second = videos.write_video(tmp_path / "b.m2v", woven(15), codec="mpeg2video", rate=25, options=MPEG2)
    source = tmp_path / "both.m2v"
    source.write_bytes(first.read_bytes() + second.read_bytes())
    made, clip = normalised(source)
    assert (made.notes, made.frames) == ((INTERLACED,), 13)
    assert combs(clip) < 0.5


def test_an_ordinary_source_has_no_notes(tmp_path: Path) -> None:
    source = videos.write_video(tmp_path / "source.mp4", woven(9), rate=25)
    made, clip = normalised(source)
    assert made.notes is None
    assert combs(clip) > 5  # nothing says that it is interlaced


# --- a high dynamic range ---------------------------------------------------------------------

# Light of BT.709 in BT.2020 (BT.2087): the inverse of what the product multiplies by.
FROM_BT709 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
COLOURS = np.array(
    [[255, 255, 255], [128, 128, 128], [20, 20, 20], [200, 120, 40], [40, 90, 160], [180, 60, 60]], np.uint8
)


def hlg(nits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """BT.2100: inverse of the optical transfer at 1,000 cd/m2, and the camera's curve."""
    luminance = nits @ np.array([0.2627, 0.6780, 0.0593])
    scene = nits / 1000 * ((luminance / 1000) ** (1 / 1.2 - 1))[..., None]
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def pq(nits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """BT.2100: the inverse of the perceptual quantiser."""
    power = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def wide_gamut(nits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return (nits / 203) ** (1 / 2.4)


SIGNALS = {"HLG": (18, hlg), "PQ": (16, pq), "BT.2020": (14, wide_gamut)}


def write_wide(path: Path, signal: str, matrix: int = 9) -> Path:
    """Six stripes, white at 203 cd/m2 (BT.2408), in ten bits."""
    trc, encode = SIGNALS[signal]
    light = 203 * (COLOURS / 255) ** 2.4 @ FROM_BT709.T
    stripes = np.rint(encode(light) * 65535).astype(np.uint16)
    picture = np.ascontiguousarray(np.broadcast_to(np.repeat(stripes, 16, axis=0)[None], (HEIGHT, WIDTH, 3)))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=16, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p10le"
        told = stream.codec_context
        told.color_trc, told.color_primaries, told.colorspace, told.color_range = trc, 9, matrix, 1
        for index in range(9):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb48le").reformat(
                format="yuv420p10le",
                src_colorspace=Colorspace.BT2020,
                dst_colorspace=Colorspace.BT2020,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.MPEG,
            )
            frame.pts = index
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize("signal", ["HLG", "PQ"])
def test_a_high_dynamic_range_is_tone_mapped(tmp_path: Path, signal: str) -> None:
    made, clip = normalised(write_wide(tmp_path / "phone.mp4", signal))
    assert made.notes == (f"{signal}: tone-mapped to BT.709 (BT.2446-1, method C)",)
    stripes = clip[4, 32, 8::16].astype(int)
    light = 203 * (COLOURS / 255) ** 2.4
    luminance = light @ np.array([0.2126, 0.7152, 0.0722])
    gain = curve(luminance) / luminance / 100
    expected = 255 * np.clip(light * gain[:, None], 0, 1) ** (1 / 2.4)
    assert np.abs(stripes - expected).max() <= 4
    assert stripes[0].min() > 240  # paper is white again
    assert np.array_equal(np.argsort(luminance), np.argsort(stripes @ np.array([0.2126, 0.7152, 0.0722])))


def test_wide_colours_alone_become_those_of_bt709(tmp_path: Path) -> None:
    made, clip = normalised(write_wide(tmp_path / "clip.mp4", "BT.2020"))
    assert made.notes == ("BT.2020: mapped to BT.709",)
    assert np.abs(clip[4, 32, 8::16].astype(int) - COLOURS).max() <= 4


def test_colours_that_cannot_be_converted_are_an_error(tmp_path: Path) -> None:
    """Matrix 14 is that of BT.2100's ICtCp."""
    with pytest.raises(MediaError, match="no conversion") as caught:
        normalised(write_wide(tmp_path / "clip.mp4", "PQ", 14))
    assert caught.value.got == "matrix 14 of ITU-T H.273"


def test_the_tone_curve_is_whole_and_grows() -> None:
    """Its two parts meet in value and slope, as they would not with a wrong constant."""
    nits = np.linspace(0.0, 1000, 10_001)
    assert (np.diff(curve(nits)) > 0).all()
    knee = 58.5 / 0.83802
    below, above = (curve(np.array([knee + side, knee + 2 * side])) for side in (-0.01, 0.01))
    assert above[0] - below[0] == pytest.approx(0.0, abs=0.06)
    assert (above[1] - above[0]) / 0.01 == pytest.approx((below[0] - below[1]) / 0.01, abs=0.01)
    assert curve(np.array([0.0]))[0] == 0
    assert 90 < curve(np.array([203.0]))[0] < 100 < curve(np.array([1000.0]))[0]


def test_a_high_dynamic_range_in_our_form_is_not_copied(tmp_path: Path) -> None:
    """Eight bits in 4:2:0 at 16 frames a second, and HLG all the same."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=16, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.color_trc, stream.codec_context.color_primaries = 18, 9
        for index in range(9):
            frame = av.VideoFrame.from_ndarray(bar(index)).reformat(format="yuv420p")
            frame.pts = index
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    made, _ = normalised(path)
    assert not made.copied
    assert made.notes is not None


def test_an_interlaced_source_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    source = videos.write_video(tmp_path / "a.mp4", woven(25), rate=25, options=H264)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(MediaError):
        normalised(source)
