"""Frames of the drop-in are PIL images to whoever uses them, though they are made late."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image, ImageDraw, ImageFilter

from sparkle.builders.training.frames import Frames


def painted(image):
    ImageDraw.Draw(image).line((0, 0, 9, 9), (1, 2, 3))
    return image


def pasted(image):
    image.paste((3, 4, 5), (2, 2, 8, 8))
    return image


def made_small(image):
    image.thumbnail((20, 20))
    return image


def put(image):
    image.putpixel((1, 1), (7, 8, 9))
    return image


@pytest.mark.parametrize(
    "use",
    [
        lambda image: image,
        put,
        painted,
        pasted,
        made_small,
        lambda image: image.copy(),
        lambda image: image.crop((3, 5, 30, 20)),
        lambda image: image.resize((21, 13), Image.Resampling.BILINEAR),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda image: image.rotate(30),
        lambda image: image.convert("L"),
        lambda image: image.filter(ImageFilter.BLUR),
        lambda image: image.point(lambda level: 255 - level),
        lambda image: Image.merge("RGB", image.split()[::-1]),
        lambda image: Image.blend(image, Image.new("RGB", image.size), 0.5),
        lambda image: Image.fromarray(np.array(image, dtype=np.float32).astype(np.uint8)),
        lambda image: Image.fromarray(np.asarray(image)),
        lambda image: Image.frombytes("RGB", image.size, image.tobytes()),
        copy.copy,
        copy.deepcopy,
        lambda image: pickle.loads(pickle.dumps(image)),  # noqa: S301
    ],
)
def test_an_image_is_one_whatever_is_done_with_it_first(use):
    """Frames copy their pixels when they are loaded, which nobody notices."""
    pixels = np.random.Generator(np.random.PCG64(2)).integers(0, 255, (2, 32, 48, 3), np.uint8)
    before = pixels.copy()
    image, other = Frames(pixels)
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size, image.getbands()) == ("RGB", (48, 32), ("R", "G", "B"))
    found, wanted = use(image), use(Image.fromarray(before[0]))
    assert (found.mode, found.size, found.tobytes()) == (wanted.mode, wanted.size, wanted.tobytes())
    assert other == Image.fromarray(before[1])
    assert np.array_equal(pixels, before)


def test_what_numpy_reads_of_an_image_cannot_be_written():
    image = Frames(np.zeros((1, 4, 4, 3), np.uint8))[0]
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(image)[0, 0] = 1
    assert image.getpixel((0, 0)) == (0, 0, 0)
    assert Image.fromarray(np.zeros((4, 4, 3), np.uint8)) == image


def test_threads_may_load_the_same_image():
    pixels = np.random.Generator(np.random.PCG64(4)).integers(0, 255, (40, 32, 48, 3), np.uint8)
    wanted = [frame.tobytes() for frame in pixels]
    frames = Frames(pixels)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda index: frames[index // 8].tobytes(), range(8 * len(frames))))
    assert found == [content for content in wanted for _ in range(8)]
