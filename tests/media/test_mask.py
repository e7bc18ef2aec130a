"""Masks: any shape survives, upstream's readers read ours, and nothing hostile is opened."""

import gc
import io
import sys
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sparkle
from sparkle.media.mask import MAX_MASK_PIXELS, empty_frames, load_mask, mask_shape, save_mask
from sparkle.schemas.errors import MediaError

MASKS = np.random.Generator(np.random.PCG64(0)).random((5, 12, 17)) > 0.5


def npy(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def write_npz(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 20), st.integers(1, 20)), seed=st.integers(0, 2**32 - 1)
)
def test_any_masks_survive(tmp_path, shape, seed):
    masks = np.random.Generator(np.random.PCG64(seed)).random(shape) > 0.5
    save_mask(tmp_path / "mask.npz", masks)
    loaded = load_mask(tmp_path / "mask.npz")
    assert loaded.dtype == np.bool_
    assert np.array_equal(loaded, masks)
    d = np.load(tmp_path / "mask.npz")  # as upstream's card says
    bits = np.unpackbits(d["mask"])[: np.prod(d["shape"])].reshape(d["shape"])
    assert np.array_equal(bits, masks)


def test_upstream_s_uncompressed_files_are_read(tmp_path):
    np.savez(tmp_path / "mask.npz", mask=np.packbits(MASKS.flatten()), shape=np.array(MASKS.shape))
    assert np.array_equal(load_mask(tmp_path / "mask.npz"), MASKS)


@pytest.mark.parametrize(
    "kind", [f"{order}{sort}{size}" for order in "<>" for sort in "iu" for size in "1248"]
)
@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_sides_of_any_type_of_whole_numbers_are_read(tmp_path, kind, write):
    path = tmp_path / "mask.npz"
    write(path, mask=np.packbits(MASKS), shape=np.array(MASKS.shape, kind))
    assert np.array_equal(load_mask(path), MASKS)
    assert mask_shape(path.read_bytes()) == MASKS.shape


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 5)), seed=st.integers(0, 2**32 - 1)
)
def test_empty_frames_are_counted_without_unpacking(tmp_path, shape, seed):
    masks = np.random.Generator(np.random.PCG64(seed)).random(shape) > 0.9
    save_mask(tmp_path / "mask.npz", masks)
    assert empty_frames(tmp_path / "mask.npz") == (shape, np.count_nonzero(~masks.any(axis=(1, 2))))


def test_a_gigabyte_of_pixels_that_is_packed_into_130_kb_is_not_unpacked(tmp_path):
    bits = npy(np.zeros(MAX_MASK_PIXELS // 8, np.uint8))
    sides = npy(np.array([2**6, 2**12, 2**12]))
    path = write_npz(tmp_path / "mask.npz", {"mask.npy": bits, "shape.npy": sides})
    tracemalloc.start()
    assert empty_frames(path) == ((2**6, 2**12, 2**12), 64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 << 20


def test_the_same_masks_are_the_same_bytes(tmp_path, monkeypatch):
    save_mask(tmp_path / "a.npz", MASKS)
    monkeypatch.setattr("time.time", lambda: 2e9)
    save_mask(tmp_path / "b.npz", MASKS.copy(order="F"))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_masks_of_a_clip_are_small(tmp_path):
    masks = np.zeros((81, 180, 320), np.bool_)
    masks[:, 40:140, 100:200] = True
    save_mask(tmp_path / "mask.npz", masks)
    assert (tmp_path / "mask.npz").stat().st_size < masks.size / 8 / 20


@pytest.mark.parametrize(
    "array", [MASKS.astype(np.uint8), MASKS[0], np.zeros((0, 4, 4), np.bool_), np.zeros((2, 0, 4), np.bool_)]
)
def test_other_arrays_are_not_written(tmp_path, array):
    with pytest.raises(MediaError, match="not the masks"):
        save_mask(tmp_path / "mask.npz", array)
    assert not (tmp_path / "mask.npz").exists()


GOOD = {"mask.npy": npy(np.packbits(MASKS)), "shape.npy": npy(np.array(MASKS.shape))}
BITS = len(np.packbits(MASKS))

BAD_MEMBERS = {
    "no shape": {"mask.npy": GOOD["mask.npy"]},
    "a stranger": GOOD | {"extra.npy": npy(np.zeros(3))},
    "bits too short": GOOD | {"mask.npy": npy(np.zeros(BITS - 1, np.uint8))},
    "bits too long": GOOD | {"mask.npy": npy(np.zeros(BITS + 1, np.uint8))},
    "bits not bytes": GOOD | {"mask.npy": npy(np.zeros(BITS, np.int16))},
    "bits in two dimensions": GOOD | {"mask.npy": npy(np.zeros((1, BITS), np.uint8))},
    "shape of floats": GOOD | {"shape.npy": npy(np.array(MASKS.shape, np.float64))},
    "shape of two sides": GOOD | {"shape.npy": npy(np.array(MASKS.shape[:2]))},
    "negative sides": GOOD | {"shape.npy": npy(np.array([-5, -12, 17]))},
    "no pixels": GOOD | {"shape.npy": npy(np.array([0, 12, 17]))},
    "a million million pixels": GOOD | {"shape.npy": npy(np.array([10**4, 10**4, 10**4]))},
    "sides that overflow": GOOD | {"shape.npy": npy(np.array([2**62, 4, 1]))},
    "more than a clip": GOOD | {"shape.npy": npy(np.array([MAX_MASK_PIXELS, 2, 1]))},
    "a pickle": GOOD | {"mask.npy": npy(np.array([{"a": 1}], object), allow_pickle=True)},
    "a cut member": GOOD | {"mask.npy": GOOD["mask.npy"][:-3]},
    "no npy": GOOD | {"mask.npy": b"nothing of the kind"},
    "a header that is code": GOOD | {"mask.npy": b"\x93NUMPY\x01\x00\x10\x00__import__('os')"},
    "an unknown version": GOOD | {"mask.npy": b"\x93NUMPY\x09\x00" + GOOD["mask.npy"][8:]},
}


@pytest.mark.parametrize("reason", BAD_MEMBERS)
def test_bad_members_are_refused(tmp_path, reason):
    path = write_npz(tmp_path / "mask.npz", BAD_MEMBERS[reason])
    with pytest.raises(MediaError) as caught:
        load_mask(path)
    assert str(path) in str(caught.value.where)


def test_a_bomb_is_not_unpacked(tmp_path):
    """16 MiB behind a header that fits the shape: no more is read than the shape needs."""
    path = write_npz(tmp_path / "mask.npz", GOOD | {"mask.npy": GOOD["mask.npy"] + bytes(2**24)})
    tracemalloc.start()
    assert np.array_equal(load_mask(path), MASKS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_cut_and_damaged_files_are_refused(tmp_path, share):
    save_mask(tmp_path / "mask.npz", MASKS)
    data = (tmp_path / "mask.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MediaError):
        load_mask(tmp_path / "cut.npz")


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path):
    save_mask(tmp_path / "mask.npz", MASKS)
    data = (tmp_path / "mask.npz").read_bytes()
    path = tmp_path / "flipped.npz"
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            loaded = load_mask(path)
        except MediaError:
            continue
        assert np.array_equal(loaded, MASKS)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_every_flipped_bit_is_noticed_or_harmless(tmp_path, write):
    path = tmp_path / "mask.npz"
    write(path, mask=np.packbits(MASKS), shape=np.array(MASKS.shape))
    data = path.read_bytes()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        for read in (load_mask, mask_shape):
            try:
                read(bytes(flipped))
            except MediaError:
                continue


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_are_packed_as_numpy_does(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "mask.npz", "w", method) as archive:
        for name, data in GOOD.items():
            archive.writestr(name, data)
    with pytest.raises(MediaError, match="packed in an unknown way"):
        load_mask(tmp_path / "mask.npz")


def test_a_list_of_a_million_members_is_not_read(tmp_path):
    member = b"PK\1\2" + bytes(42)  # an entry of a list, without a name
    listed = member * 1_000_000
    end = b"PK\5\6" + bytes(4) + b"\xff\xff" * 2 + len(listed).to_bytes(4, "little") + bytes(4) + bytes(2)
    tracemalloc.start()
    with pytest.raises(MediaError):
        load_mask(listed + end)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20


def test_missing_and_foreign_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("masks")
    for path in (tmp_path / "missing.npz", tmp_path, tmp_path / "text.npz"):
        with pytest.raises(MediaError):
            load_mask(path)


def test_bytes_and_names_give_what_the_snippet_on_upstreams_card_gives(tmp_path):
    path = tmp_path / "mask.npz"
    np.savez(path, mask=np.packbits(MASKS), shape=np.array(MASKS.shape))  # as upstream writes them
    data = np.load(path)
    frames, height, width = (int(side) for side in data["shape"])
    bits = np.unpackbits(data["mask"])[: frames * height * width]
    wanted = bits.reshape(frames, height, width).astype(bool)
    for source in (path, str(path), path.read_bytes()):
        loaded = sparkle.load_mask(source)
        assert loaded.dtype == wanted.dtype
        assert np.array_equal(loaded, wanted)


def test_bad_bytes_are_refused_with_a_word_on_where():
    for data in (b"", b"masks"):
        with pytest.raises(MediaError) as caught:
            load_mask(data)
        assert caught.value.where == "a mask in memory"


class _Cycle:
    """Garbage whose end runs Python code: there, threads take turns."""

    def __init__(self):
        self.me = self

    def __del__(self):
        sum(range(5))


def test_threads_read_masks_at_once(tmp_path):
    """numpy's parser of headers fails now and then, on Python 3.11, where another thread comes in between."""
    save_mask(tmp_path / "mask.npz", np.eye(8, dtype=bool)[None])
    data = (tmp_path / "mask.npz").read_bytes()

    def read(depth):
        if depth:
            return read(depth - 1)
        _Cycle()
        return load_mask(data).sum()

    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(50)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(read, [index % 7 for index in range(5000)])) == {8}
    finally:
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
