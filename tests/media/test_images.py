"""PNG files: exact, the same every time, and never half read."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.media.images import encode_webp, read_png, write_png
from sparkle.schemas.errors import MediaError

IMAGE = np.random.Generator(np.random.PCG64(0)).integers(0, 255, (24, 31, 3), np.uint8)


def with_size(data: bytes, width: int, height: int) -> bytes:
    """A PNG whose header claims another size, with a checksum that fits."""
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


@settings(max_examples=40)
@given(width=st.integers(1, 40), height=st.integers(1, 40), seed=st.integers(0, 999))
def test_any_image_survives_exactly(tmp_path, width, height, seed):
    image = np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (height, width, 3), np.uint8)
    write_png(tmp_path / "a.png", image)
    assert np.array_equal(read_png(tmp_path / "a.png"), image)
    write_png(tmp_path / "b.png", image[:, ::-1][:, ::-1])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_channels_are_red_green_blue(tmp_path):
    write_png(tmp_path / "red.png", np.full((4, 4, 3), (200, 10, 30), np.uint8))
    assert cv2.imread(str(tmp_path / "red.png"))[0, 0].tolist() == [30, 10, 200]


def test_gray_images_of_others_become_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "gray.png"), IMAGE[..., 0])
    assert np.array_equal(read_png(tmp_path / "gray.png"), np.repeat(IMAGE[..., :1], 3, axis=2))


def test_webp_keeps_the_channels_and_is_always_the_same():
    image = np.full((48, 64, 3), (200, 10, 30), np.uint8)
    data = encode_webp(image, quality=80)
    seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(seen[..., ::-1].astype(int) - image).max() < 12
    assert encode_webp(image, quality=80) == data


FOREIGN_ARRAYS = {
    "gray": IMAGE[..., 0],
    "floats": IMAGE.astype(np.float32),
    "four channels": np.zeros((4, 4, 4), np.uint8),
    "no rows": np.zeros((0, 4, 3), np.uint8),
}


@pytest.mark.parametrize("kind", FOREIGN_ARRAYS)
def test_other_arrays_are_not_written(tmp_path, kind):
    with pytest.raises(MediaError, match="not an RGB image"):
        write_png(tmp_path / "a.png", FOREIGN_ARRAYS[kind])
    assert not (tmp_path / "a.png").exists()
    with pytest.raises(MediaError, match="not an RGB image"):
        encode_webp(FOREIGN_ARRAYS[kind], quality=80)


def test_every_cut_and_every_flipped_byte_is_noticed(tmp_path):
    write_png(tmp_path / "a.png", IMAGE)
    data = (tmp_path / "a.png").read_bytes()
    path = tmp_path / "bad.png"
    for place in range(0, len(data), 29):
        for bad in (data[:place], data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]):
            path.write_bytes(bad)
            with pytest.raises(MediaError):
                read_png(path)


@pytest.mark.parametrize(("width", "height"), [(0, 24), (31, 0), (100_000, 100_000), (2**31, 1)])
def test_sizes_are_checked_before_pixels_are_allocated(tmp_path, width, height):
    write_png(tmp_path / "a.png", IMAGE)
    (tmp_path / "b.png").write_bytes(with_size((tmp_path / "a.png").read_bytes(), width, height))
    with pytest.raises(MediaError, match="impossible size"):
        read_png(tmp_path / "b.png")


def test_a_size_that_the_pixels_do_not_fill_is_refused(tmp_path):
    write_png(tmp_path / "a.png", IMAGE)
    (tmp_path / "b.png").write_bytes(with_size((tmp_path / "a.png").read_bytes(), 31, 4000))
    with pytest.raises(MediaError):
        read_png(tmp_path / "b.png")


def test_images_of_other_kinds_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "alpha.png"), np.zeros((4, 4, 4), np.uint8))
    cv2.imwrite(str(tmp_path / "deep.png"), np.zeros((4, 4, 3), np.uint16))
    cv2.imwrite(str(tmp_path / "photo.jpg"), IMAGE)
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("alpha.png", "deep.png", "photo.jpg", "empty.png", "missing.png", "."):
        with pytest.raises(MediaError):
            read_png(tmp_path / name)
