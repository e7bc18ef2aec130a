"""FLUX.2-klein: tiny random weights of the real classes, loaded through the configuration."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from sparkle.generation.backends.vlm.questions import removal_prompt
from sparkle.media.images import read_png, write_png
from sparkle.schemas import records as r
from sparkle.schemas.errors import ConfigError, SampleError

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")

DOG = r.GroundedObject((100, 100, 500, 900), "brown dog")
CAT = r.GroundedObject((500, 100, 900, 900), "cat")


@pytest.fixture(scope="module")
def editor(tiny, build_diffusion):
    return tiny.load("image_editor", name="flux2-klein", model=str(build_diffusion("flux2_klein")))


def edit(editor, picture, prompt="dusk", seed=1):
    return editor.edit(picture, prompt, seed, clip=picture).image


def test_an_edit_depends_on_picture_prompt_and_seed_and_on_nothing_else(
    editor, tiny, pictures, build_diffusion
):
    first = edit(editor, pictures[0])
    assert first.shape == read_png(pictures[0]).shape
    assert first.dtype == np.uint8
    assert first.std() > 1
    others = [
        edit(editor, pictures[1]),
        edit(editor, pictures[0], prompt="a harbour in fog"),
        edit(editor, pictures[0], seed=2**63 - 1),
    ]
    assert all(not np.array_equal(first, other) for other in others)
    assert np.array_equal(edit(editor, pictures[0]), first)
    again = tiny.load("image_editor", name="flux2-klein", model=str(build_diffusion("flux2_klein")))
    assert np.array_equal(edit(again, pictures[0]), first)


def test_options_that_decide_pixels_do(editor, tiny, pictures, build_diffusion):
    first = edit(editor, pictures[0])
    for options in ({"steps": 2}, {"dtype": "bfloat16"}):
        other = tiny.load(
            "image_editor", name="flux2-klein", model=str(build_diffusion("flux2_klein")), **options
        )
        assert not np.array_equal(edit(other, pictures[0]), first)


def test_a_removal_says_the_labels_and_no_boxes(editor, pictures):
    made = editor.remove(pictures[0], [DOG, CAT, DOG], "dusk", 1)
    assert made.details["prompt"] == removal_prompt([DOG, CAT])
    assert np.array_equal(made.image, edit(editor, pictures[0], prompt=removal_prompt([DOG, CAT])))
    moved = r.GroundedObject((0, 0, 10, 10), "brown dog")
    assert np.array_equal(editor.remove(pictures[0], [moved, CAT], "noon", 1).image, made.image)
    assert not np.array_equal(editor.remove(pictures[0], [CAT], "dusk", 1).image, made.image)


@pytest.mark.parametrize("size", [(24, 40), (64, 64), (90, 161)])
def test_any_size_is_edited_at_its_own(editor, tmp_path, size):
    path = tmp_path / "picture.png"
    write_png(path, np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
    made = editor.edit(path, "dusk", 1, clip=path)
    assert made.image.shape == (*size, 3)
    assert all(side % 16 == 0 and side >= 64 for side in made.details["size"])


def test_a_base_model_takes_guidance_and_a_distilled_one_does_not(tiny, pictures, build_diffusion):
    base = str(build_diffusion("flux2_klein", distilled=False))
    made = [
        edit(tiny.load("image_editor", name="flux2-klein", model=base, guidance=value), pictures[0])
        for value in (1.0, 4.0)
    ]
    assert not np.array_equal(*made)
    with pytest.raises(ConfigError, match="distilled"):
        tiny.load("image_editor", name="flux2-klein", model=str(build_diffusion("flux2_klein")), guidance=4.0)


def test_a_prompt_that_would_be_cut_fails_the_sample(editor, pictures):
    with pytest.raises(SampleError, match="too long") as caught:
        edit(editor, pictures[0], prompt="a harbour " * 500)
    assert caught.value.wanted == "at most 512"


@pytest.mark.parametrize("part", ["transformer", "vae"])
def test_a_checkpoint_that_lacks_weights_is_refused(tiny, build_diffusion, tmp_path, part):
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(build_diffusion("flux2_klein"), tmp_path / "broken")
    file = broken / part / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    lost = sorted(weights)[3]
    del weights[lost]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=lost):
        tiny.load("image_editor", name="flux2-klein", model=str(broken))


def test_full_memory_is_tried_once_more_and_then_fails_the_sample(editor, pictures):
    left = 1

    def fill(*_):
        nonlocal left
        if left:
            left -= 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")

    whole = edit(editor, pictures[0])
    hook = editor._model.transformer.register_forward_pre_hook(fill)
    try:
        left = 1
        assert np.array_equal(edit(editor, pictures[0]), whole)
        left = 2
        with pytest.raises(SampleError, match="memory"):
            edit(editor, pictures[0])
        assert np.array_equal(edit(editor, pictures[0]), whole)
    finally:
        hook.remove()


def test_nan_is_no_picture(editor, pictures):
    hook = editor._model.transformer.register_forward_hook(
        lambda _module, _inputs, output: (output[0] * float("nan"),)
    )
    try:
        with pytest.raises(SampleError, match="NaN"):
            edit(editor, pictures[0])
    finally:
        hook.remove()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("offload", ["none", "model", "sequential"])
def test_the_same_on_a_gpu(tiny, pictures, build_diffusion, offload):
    options = {"device": "cuda", "dtype": "bfloat16", "offload": offload}
    editor = tiny.load(
        "image_editor", name="flux2-klein", model=str(build_diffusion("flux2_klein")), **options
    )
    first = edit(editor, pictures[0])
    assert np.array_equal(edit(editor, pictures[0]), first)
    assert not np.array_equal(edit(editor, pictures[0], seed=2), first)
