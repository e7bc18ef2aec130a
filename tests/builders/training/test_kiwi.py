"""The drop-in gives Kiwi-Edit's items, held against its method written down again with imageio and PIL."""

from __future__ import annotations

import copy
import csv
import json
import pickle
import shutil
import warnings
from collections import Counter

import numpy as np
import pytest

from drawn_clips.synthetic import draw_clip
from sparkle.builders.training.kiwi import Skipped, UnifiedDataset, without_skipped
from sparkle.schemas.errors import ConfigError, MediaError

torch = pytest.importorskip("torch")
imageio = pytest.importorskip("imageio")
Image = pytest.importorskip("PIL.Image")

LEVELS = 2  # the most by which pixels may differ on average: two ways from YUV to RGB, and rounding


def kiwi_video(path, num_frames, max_pixels, height, width, multiple):
    """Kiwi-Edit's LoadVideo and ImageCropAndResize, as its unified_dataset.py has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = imageio.get_reader(path)
        available = int(reader.count_frames())
        count = num_frames
        if available < count:
            count = available
            while count > 1 and count % 4 != 1:
                count -= 1
        images = [Image.fromarray(reader.get_data(index)) for index in range(count)]
        reader.close()
    return [kiwi_image(image, max_pixels, height, width, multiple) for image in images]


def kiwi_image(image, max_pixels, height, width, multiple):
    full_width, full_height = image.size
    if height is None or width is None:
        width, height = full_width, full_height
        if width * height > max_pixels:
            scale = (width * height / max_pixels) ** 0.5
            height, width = int(height / scale), int(width / scale)
        height, width = height // multiple * multiple, width // multiple * multiple
    scale = max(width / full_width, height / full_height)
    image = image.resize((round(full_width * scale), round(full_height * scale)), Image.Resampling.BILINEAR)
    left, top = round((image.width - width) / 2.0), round((image.height - height) / 2.0)
    return image.crop((left, top, left + width, top + height))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pairs of three sizes; the second is not 4k + 1 frames long."""
    out = tmp_path_factory.mktemp("kiwi")
    shapes = [(640, 360, 13), (432, 240, 11), (270, 480, 9)]
    rows = []
    for index, (width, height, frames) in enumerate(shapes):
        names = [f"{half}/{index}.mp4" for half in ("source", "edited")]
        for seed, name in enumerate(names):
            (out / name).parent.mkdir(exist_ok=True)
            draw_clip(out / name, seed=10 * index + seed, width=width, height=height, frames=frames)
        rows.append({"prompt": "None", "src_video": names[0], "tgt_video": names[1]})
    with (out / "train.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["prompt", "src_video", "tgt_video"])
        writer.writeheader()
        writer.writerows(rows)
    return out


def test_a_prompt_may_be_longer_than_a_field_of_pythons_csv_module(folder, tmp_path):
    prompt = "A harbour with boats, at dusk. " * 6_000
    names = ("source/0.mp4", "edited/0.mp4")
    metadata = tmp_path / "long.csv"
    with metadata.open("w", newline="") as file:
        csv.writer(file).writerows([["prompt", "src_video", "tgt_video"], [prompt, *names]])
    assert dataset(folder, metadata)[0]["prompt"] == prompt


def dataset(folder, metadata="train.csv", keys="src_video,tgt_video", repeat=1, on_error="raise", **options):
    """Made as Kiwi-Edit's train.py makes it."""
    options = {"max_pixels": 921_600, "height": None, "width": None, "num_frames": 81} | options
    return UnifiedDataset(
        base_path=str(folder),
        metadata_path=str(folder / metadata),
        repeat=repeat,
        data_file_keys=keys.split(","),
        main_data_operator=UnifiedDataset.default_video_operator(
            base_path=str(folder),
            height_division_factor=32,
            width_division_factor=32,
            time_division_factor=4,
            time_division_remainder=1,
            **options,
        ),
        on_error=on_error,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("max_pixels", "height", "width", "num_frames"),
    [(921_600, None, None, 81), (40_000, None, None, 9), (921_600, 160, 224, 5), (921_600, 480, 832, 1)],
)
def test_items_are_kiwis(folder, max_pixels, height, width, num_frames):
    options = {"max_pixels": max_pixels, "height": height, "width": width, "num_frames": num_frames}
    ours = dataset(folder, **options)
    assert len(ours) == 3
    for item, row in zip((ours[index] for index in range(3)), ours.data, strict=True):
        assert item["prompt"] == "None"
        for key in ("src_video", "tgt_video"):
            expected = kiwi_video(folder / row[key], num_frames, max_pixels, height, width, 32)
            assert [image.size for image in item[key]] == [image.size for image in expected]
            assert {image.mode for image in item[key]} == {"RGB"}
            mine, theirs = (np.stack([np.asarray(image) for image in half]) for half in (item[key], expected))
            assert np.abs(mine.astype(int) - theirs).mean() < LEVELS


def test_images_are_kiwis_to_the_bit(folder):
    rng = np.random.Generator(np.random.PCG64(0))
    picture = Image.fromarray(rng.integers(0, 255, (300, 500, 3), np.uint8))
    picture.save(folder / "ref.png")
    row = {"src_video": "source/0.mp4", "tgt_video": "edited/0.mp4", "ref_image": ["ref.png", "ref.png"]}
    (folder / "refs.json").write_text(json.dumps([row]))
    item = dataset(folder, "refs.json", "src_video,tgt_video,ref_image", max_pixels=50_000)[0]
    expected = kiwi_image(picture, 50_000, None, None, 32)
    assert [image.tobytes() for image in item["ref_image"]] == [expected.tobytes()] * 2


def test_rows_repeat(folder):
    ours = dataset(folder, repeat=3, num_frames=1)
    assert len(ours) == 9
    assert ours[7]["tgt_video"][0].tobytes() == ours[1]["tgt_video"][0].tobytes()


def test_a_release_needs_no_unpacking(shared_release):
    metadata = shared_release / "prompts" / "location_train.csv"
    with metadata.open(newline="") as file:
        rows = list(csv.DictReader(file))
    packed = [index for index, row in enumerate(rows) if not (shared_release / row["src_video"]).is_file()]
    assert packed
    ours = dataset(shared_release, "prompts/location_train.csv")
    items = [ours[index] for index in range(len(ours))]
    assert [item["prompt"] for item in items] == [row["prompt"] for row in rows]
    assert {image.size for item in items for image in item["src_video"]} == {(64, 32)}
    loose = next(index for index in range(len(ours)) if index not in packed)
    assert len(items[packed[0]]["src_video"]) == len(items[loose]["src_video"]) == 9
    again = pickle.loads(pickle.dumps(ours))  # noqa: S301
    assert again[packed[0]]["tgt_video"][3].tobytes() == items[packed[0]]["tgt_video"][3].tobytes()


def test_works_in_kiwis_data_loader(folder):
    ours = dataset(folder, num_frames=5, max_pixels=10_000)
    loader = torch.utils.data.DataLoader(ours, collate_fn=lambda x: x[0], num_workers=1)
    sizes = [item["src_video"][0].size for item in loader]
    assert sizes == [ours[index]["src_video"][0].size for index in range(3)]


def in_a_worker(change, folder):
    """The items as a worker sends them after something was done to them there."""
    ours = dataset(folder, num_frames=5, max_pixels=10_000)
    loader = torch.utils.data.DataLoader(ours, collate_fn=lambda x: change(x[0]), num_workers=1)
    return list(loader)


def nothing(item):
    return item


def paint(item):
    item["src_video"][1].putpixel((3, 2), (9, 8, 7))
    return item


def shorten(item):
    del item["src_video"][1:]
    return item


def turn_round(item):
    item["src_video"].reverse()
    return item


def shrink_one(item):
    item["src_video"][0] = item["src_video"][0].resize((16, 16))
    return item


def make_grey(item):
    item["src_video"][:] = [image.convert("L") for image in item["src_video"]]
    return item


def empty(item):
    item["src_video"].clear()
    return item


@pytest.mark.parametrize("change", [nothing, paint, shorten, turn_round, shrink_one, make_grey, empty])
def test_from_a_worker_images_arrive_as_they_are_there(folder, change):
    ours = dataset(folder, num_frames=5, max_pixels=10_000)
    wanted = [change(ours[index]) for index in range(3)]
    for item, other in zip(in_a_worker(change, folder), wanted, strict=True):
        for key in ("src_video", "tgt_video"):
            assert type(item[key]) is list
            assert [(image.mode, image.size) for image in item[key]] == [
                (image.mode, image.size) for image in other[key]
            ]
            assert all(map(np.array_equal, map(np.asarray, item[key]), map(np.asarray, other[key])))


def test_items_are_copied_and_pickled_like_others(folder):
    item = dataset(folder, num_frames=5, max_pixels=10_000)[0]
    for other in (copy.copy(item["src_video"]), pickle.loads(pickle.dumps(item["src_video"]))):  # noqa: S301
        assert type(other) is list
        assert all(map(np.array_equal, map(np.asarray, other), map(np.asarray, item["src_video"])))


def damage(folder, kind):
    """A folder of which the second pair is bad; returns what the error says."""
    target = folder / "edited" / "1.mp4"
    if kind == "missing":
        target.unlink()
        return "there is no such file"
    if kind == "cut":
        data = target.read_bytes()
        target.write_bytes(data[: len(data) // 2])
        return "the video is cut short"
    frames = 9 if kind == "fewer frames" else 11
    width = 432 if kind == "fewer frames" else 640
    draw_clip(target, seed=3, width=width, height=240, frames=frames if frames == 11 else 5)
    return "source and edited video differ"


@pytest.mark.parametrize("kind", ["missing", "cut", "fewer frames", "other size"])
def test_a_bad_sample_is_an_error_or_counted(folder, tmp_path, kind):
    copy = shutil.copytree(folder, tmp_path / "copy")
    problem = damage(copy, kind)
    strict = dataset(copy)
    with pytest.raises(MediaError, match=problem) as caught:
        strict[1]
    assert "edited/1.mp4" in str(caught.value)
    loader = torch.utils.data.DataLoader(
        dataset(copy, on_error="skip"), collate_fn=lambda x: x[0], num_workers=1
    )
    counts = Counter()
    items = list(without_skipped(loader, counts))
    assert [item["src_video"][0].size for item in items] == [
        strict[index]["src_video"][0].size for index in (0, 2)
    ]
    assert counts == {problem: 1}
    assert isinstance(dataset(copy, on_error="skip")[1], Skipped)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("none.csv", None, "cannot be read"),
        ("empty.csv", "prompt,src_video,tgt_video\n", "has no rows"),
        ("columns.csv", "prompt,video\na,b.mp4\n", "is not a pair"),
        ("short.csv", "prompt,src_video,tgt_video\na,b.mp4\n", "is not a pair"),
        ("broken.json", "[{", "cannot be read"),
        ("list.jsonl", "[1]\n", "is not a pair"),
    ],
)
def test_bad_metadata_is_refused(folder, tmp_path, name, text, problem):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=problem):
        UnifiedDataset(str(folder), str(tmp_path / name))


def test_pickles_are_never_opened(folder):
    with pytest.raises(ConfigError, match="no metadata"):
        UnifiedDataset(str(folder))


def test_a_row_that_names_no_file_is_bad(folder):
    (folder / "blank.jsonl").write_text(json.dumps({"src_video": "", "tgt_video": "edited/0.mp4"}))
    with pytest.raises(MediaError, match="names no file"):
        dataset(folder, "blank.jsonl")[0]
