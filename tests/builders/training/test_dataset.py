"""Items: the same window, box and mirror image on every stream; bad samples are errors that name them."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.builders.reading.pairs import open_pairs
from sparkle.builders.reading.source import open_source
from sparkle.builders.training.dataset import PairDataset
from sparkle.builders.training.item import Clip
from sparkle.builders.training.sampler import Draw
from sparkle.media.decode import decode
from sparkle.media.encode import encode
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask
from sparkle.schemas import layout
from sparkle.schemas.errors import ArtifactError, ConfigError, MediaError
from sparkle.schemas.layout import KINDS

torch = pytest.importorskip("torch")

ALL = [kind.name for kind in KINDS]
VIDEOS = [kind.name for kind in KINDS if kind.suffix == ".mp4"]


@pytest.fixture(scope="module")
def streams(shared_release, tmp_path_factory):
    """Every stream of the first sample as it is in the release: name -> array."""
    pairs, source = open_pairs(shared_release, kinds=KINDS), open_source(shared_release)
    arrays = {}
    for kind in KINDS:
        path = tmp_path_factory.mktemp("stream") / f"a{kind.suffix}"
        path.write_bytes(source.read(pairs.artifact(0, kind)))
        if kind.suffix == ".mp4":
            arrays[kind.name] = decode(path)
        elif kind.suffix == ".npz":
            arrays[kind.name] = load_mask(path)
        else:
            arrays[kind.name] = read_png(path)
    return arrays


@given(
    cycle=st.integers(0, 1000),
    frames=st.sampled_from([1, 5, 9, None]),
    window=st.sampled_from(["random", "start", "center"]),
    crop=st.sampled_from(["random", "center"]),
    seed=st.integers(0, 10),
)
@settings(max_examples=40)
def test_every_stream_has_the_same_window_box_and_mirror_image(
    shared_release, streams, cycle, frames, window, crop, seed
):
    pairs = PairDataset(
        shared_release,
        streams=ALL,
        clip=Clip(frames=frames, window=window, crop=crop, flip=0.5),
        seed=seed,
        limit=1,
    )
    item = pairs[Draw(0, cycle)]
    count = 9 if frames is None else frames
    start = item["start"]
    assert {"start": start == 0, "center": start == (9 - count) // 2, "random": 0 <= start <= 9 - count}[
        window
    ]
    # 64x48 becomes 64x32: the box's top row is found in one stream and holds for all.
    video = streams["source_video"][start : start + count]
    assert item["source_video"].shape == (count, 32, 64, 3)
    for top in [8] if crop == "center" else range(17):
        part = slice(top, top + 32)
        expected = video[:, part, ::-1] if item["mirrored"] else video[:, part]
        if np.array_equal(item["source_video"], expected):
            break
    else:
        pytest.fail("no box gives the source video")
    for name, whole in streams.items():
        box = whole[part] if whole.ndim == 3 and whole.shape[2] == 3 else whole[start : start + count, part]
        box = np.flip(box, axis=-2 if box.shape[-1] == 3 else -1) if item["mirrored"] else box
        assert np.array_equal(item[name], box), name


def test_windows_differ_from_cycle_to_cycle_and_are_the_same_again(shared_release):
    def told(cycle, seed=0):
        item = PairDataset(shared_release, clip=Clip(frames=1, flip=0.5), seed=seed, limit=1)[Draw(0, cycle)]
        return item["start"], item["mirrored"]

    seen = [told(cycle) for cycle in range(40)]
    assert seen == [told(cycle) for cycle in range(40)]
    assert {start for start, _ in seen} == set(range(9))
    assert {mirrored for _, mirrored in seen} == {True, False}
    assert [told(cycle, seed=1) for cycle in range(40)] != seen


def test_floats_are_channels_first_in_minus_1_to_1(shared_release):
    whole = PairDataset(shared_release, streams=ALL, clip=Clip(frames=5), limit=1)[0]
    item = PairDataset(shared_release, streams=ALL, clip=Clip(frames=5), tensors="CTHW", limit=1)[0]
    for name in ALL:
        tensor, pixels = item[name], whole[name]
        assert tensor.dtype == torch.float32
        if name == "source_video_mask":
            assert tensor.shape == (1, 5, 32, 64)
            assert torch.equal(tensor[0] > 0.5, pixels)
            assert set(tensor.unique().tolist()) <= {0.0, 1.0}
        else:
            back = tensor.movedim(0, -1).add(1).mul(127.5).round().to(torch.uint8)
            assert torch.equal(back, pixels)
            assert tensor.min() >= -1
            assert tensor.max() <= 1


def test_rows_are_those_of_the_tables(shared_release):
    pairs = PairDataset(shared_release, clip=Clip(frames=1))
    listed = open_pairs(shared_release)
    assert len(pairs) == len(listed)
    items = [pairs[row] for row in range(len(pairs))]
    assert [item["id"] for item in items] == list(listed.ids)
    assert [item["prompt"] for item in items] == [listed.prompt(row) for row in range(len(listed))]
    batch = pairs.__getitems__([3, 0])
    assert [item["id"] for item in batch] == [listed.ids[3], listed.ids[0]]
    assert torch.equal(batch[1]["edited_video"], items[0]["edited_video"])
    with pytest.raises(IndexError):
        pairs[len(pairs)]


def test_pairs_are_chosen(shared_release):
    every = PairDataset(shared_release, clip=Clip(frames=1))
    assert len(PairDataset(shared_release, ["openve3m"], clip=Clip(frames=1))) == 3
    assert len(PairDataset(shared_release, clip=Clip(frames=1), min_scores={"edited_video": 9.5})) == 1
    assert len(PairDataset(shared_release, clip=Clip(frames=1), min_scores={"frames": 9})) == len(every)
    chosen = open_pairs(shared_release).take([4, 2])
    assert [item["id"] for item in PairDataset(chosen, clip=Clip(frames=1))] == [
        every[4]["id"],
        every[2]["id"],
    ]
    with pytest.raises(ConfigError, match="no pair was chosen"):
        PairDataset(shared_release, clip=Clip(frames=1), min_scores={"frames": 10})


def test_threads_change_nothing(shared_release):
    one = PairDataset(shared_release, streams=ALL, clip=Clip(flip=0.5, crop="random"))
    many = PairDataset(shared_release, streams=ALL, clip=Clip(flip=0.5, crop="random"), threads=4)
    for row in range(3):
        assert all(torch.equal(one[row][name], many[row][name]) for name in ALL)


def test_what_is_pickled_reads_the_same(shared_release):
    pairs = PairDataset(shared_release, clip=Clip(frames=3))
    again = pickle.loads(pickle.dumps(pairs))  # noqa: S301
    assert torch.equal(again[2]["edited_video"], pairs[2]["edited_video"])
    assert len(pickle.dumps(pairs)) < 20_000


def test_places_are_mixed_by_name(shared_release, whole_release):
    pairs = PairDataset({"a": shared_release, "b": whole_release}, clip=Clip(frames=1))
    sizes = [len(open_pairs(place)) for place in (shared_release, whole_release)]
    assert len(pairs) == sum(sizes)
    assert pairs[sizes[0]]["id"] == open_pairs(whole_release).ids[0]
    order = pairs.order(mix={"a": 1, "b": 2})
    assert (order.epoch(0).rows < sizes[0]).sum() == len(pairs) // 3
    with pytest.raises(ConfigError, match="names every group"):
        pairs.order(mix={"a": 1})


def test_themes_are_mixed_by_name(shared_release):
    pairs = PairDataset(shared_release, clip=Clip(frames=1))
    rows = pairs.order(mix={"location": 1, "openve3m": 2}).epoch(0).rows
    assert ["openve3m" in pairs.parts[0].ids[row] for row in rows].count(True) == len(pairs) * 2 // 3


def test_buckets_are_columns(shared_release):
    pairs = PairDataset(shared_release, clip=Clip(frames=1))
    order = pairs.order(batch_size=2, bucket_by=("frames", "height", "width"))
    assert order.epoch(0).ends.tolist() == [*range(2, len(pairs), 2), len(pairs)]
    with pytest.raises(ConfigError, match="has no value"):
        pairs.order(bucket_by=("subtheme",))


@pytest.mark.parametrize(
    "options",
    [
        {"streams": ["sound"]},
        {"streams": []},
        {"streams": ["source_video", "source_video"]},
        {"tensors": "TCHW"},
        {"threads": 0},
        {"min_scores": {"beauty": 1}},
        {"max_scores": {"beauty": 1}},
    ],
)
def test_options_that_are_none_are_refused(shared_release, options):
    with pytest.raises(ConfigError):
        PairDataset(shared_release, **options)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"frames": 0}, "frames"),
        ({"window": "end"}, "window"),
        ({"crop": "left"}, "crop"),
        ({"flip": 2}, "flip"),
        ({"height": 32}, "height"),
        ({"max_pixels": 0}, "max_pixels"),
        ({"multiple_of": 0}, "multiple_of"),
    ],
)
def test_a_clip_that_cannot_be_is_refused_by_name(options, name):
    with pytest.raises(ConfigError, match=f"invalid {name}"):
        Clip(**options)


def test_bytes_from_anywhere_are_decoded_as_the_dataset_does(shared_release):
    clip = Clip(frames=5, crop="random", flip=0.5)
    pairs = PairDataset(shared_release, streams=ALL, clip=clip, seed=4, limit=1)
    (data,) = pairs.read([0])
    item = clip.decode(dict(zip(ALL, data, strict=True)), pairs[0]["id"], seed=4)
    for name in ALL:
        assert np.array_equal(item[name], pairs[0][name]), name
    with pytest.raises(ConfigError, match="no such stream"):
        clip.decode({"sound": b""})
    with pytest.raises(MediaError) as caught:
        clip.decode({"source_video": b"not a video"})
    assert caught.value.where == "source_video"


# --- bad input ---


def test_a_window_longer_than_a_clip_is_refused_at_once(shared_release):
    with pytest.raises(ConfigError, match="shorter than the window") as caught:
        PairDataset(shared_release, clip=Clip(frames=13))
    assert "9 of 9" in caught.value.got
    assert 'min_scores={"frames": 13}' in caught.value.fix


def replace_member(release, kind, data):
    """Put other bytes in the place of the second sample's, tables and all; its artifact as it is now."""
    artifact = open_pairs(release, ["location"]).artifact(1, kind)
    shard = release / artifact.file
    offset = shard.stat().st_size  # beyond the tar's end: other members stay where they are
    shard.write_bytes(shard.read_bytes() + data)
    new = {"offset": offset, "size": len(data), "sha256": hashlib.sha256(data).digest()}
    for path in sorted(release.glob("data/location/*.parquet")):
        table = pq.read_table(path)
        rows = table.to_pylist()
        for row in rows:
            if row["task"] == artifact.id:
                row.update({f"{kind.name}_{name}": value for name, value in new.items()})
        pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    manifest = json.loads((release / layout.MANIFEST).read_text())
    for entry in manifest["files"]:
        path = release / entry["path"]
        entry.update(size=path.stat().st_size, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    (release / layout.MANIFEST).write_text(json.dumps(manifest))
    return replace(artifact, **new)


def make_video(folder, *, frames, width=64, height=48):
    """Bytes of a video of noise."""
    rng = np.random.Generator(np.random.PCG64(frames))
    path = folder / f"{frames}-{width}.mp4"
    encode(rng.integers(0, 255, (frames, height, width, 3), np.uint8), path)
    return path.read_bytes()


def test_a_video_with_fewer_frames_than_its_partner_is_named(release, tmp_path):
    artifact = replace_member(release, layout.EDITED_VIDEO, make_video(tmp_path, frames=7))
    pairs = PairDataset(release, ["location"], clip=Clip(frames=5))
    pairs[0]
    with pytest.raises(MediaError, match="differ in length") as caught:
        pairs[1]
    assert caught.value.where == f"{artifact.id} edited_video: {artifact.file} at byte {artifact.offset}"
    assert (caught.value.got, caught.value.wanted[:8]) == ("7 frames", "9 frames")


def test_a_video_that_decodes_to_fewer_frames_than_it_says_is_named(release, tmp_path):
    data = bytearray(make_video(tmp_path, frames=9))
    pictures = data.index(b"mdat") + 4
    half = pictures + (len(data) - pictures) // 2
    data[half:] = bytes(len(data) - half)
    artifact = replace_member(release, layout.EDITED_VIDEO, bytes(data))
    with pytest.raises(MediaError) as caught:
        PairDataset(release, ["location"])[1]
    assert caught.value.where == f"{artifact.id} edited_video: {artifact.file} at byte {artifact.offset}"


def test_a_video_of_another_size_is_named(release, tmp_path):
    artifact = replace_member(release, layout.EDITED_VIDEO, make_video(tmp_path, frames=9, width=96))
    with pytest.raises(MediaError, match="differ in size") as caught:
        PairDataset(release, ["location"])[1]
    assert artifact.id in caught.value.where


def test_a_longer_background_is_cut_with_the_others(release, tmp_path):
    replace_member(release, layout.BACKGROUND_VIDEO, make_video(tmp_path, frames=17, width=96))
    item = PairDataset(release, ["location"], streams=VIDEOS, clip=Clip(frames=9))[1]
    assert {tuple(item[name].shape) for name in VIDEOS} == {(9, 32, 64, 3)}


def test_a_clip_shorter_than_its_table_says_is_an_error(release, tmp_path):
    replace_member(release, layout.SOURCE_VIDEO, make_video(tmp_path, frames=5))
    with pytest.raises(MediaError, match="shorter than the window"):
        PairDataset(release, ["location"], streams=["source_video"], clip=Clip(frames=9))[1]


def test_changed_bytes_are_found(release):
    pairs = PairDataset(release, ["location"], clip=Clip(frames=1))
    artifact = pairs.parts[0].artifact(2, layout.SOURCE_VIDEO)
    with (release / artifact.file).open("r+b") as file:
        file.seek(artifact.offset + artifact.size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(ArtifactError):
        pairs[2]
    pairs[1]


def test_a_tar_that_is_gone_is_an_error(release):
    pairs = PairDataset(release, ["location"], clip=Clip(frames=1))
    for path in release.glob("location_edited_video_*.tar"):
        path.unlink()
    shutil.rmtree(release / "location" / "edited_video")
    with pytest.raises(ArtifactError, match="is not there"):
        pairs[0]
