"""SAM3's tracker: a tiny random model of the real classes, loaded through the configuration."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from sparkle.generation.backends import make_backend
from sparkle.generation.config import parse_config
from sparkle.generation.run.fingerprints import step_identity
from sparkle.generation.steps import make_step
from sparkle.media.decode import decode
from sparkle.schemas import records as r
from sparkle.schemas.errors import ConfigError, SampleError

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")

OTHERS = ("flow", "vlm", "image_editor", "image_scorer", "image_to_video", "control_to_video")
CLASSICAL = "".join(f'[backends.{name}]\nname = "classical"\n' for name in OTHERS)
PERSON = r.GroundedObject((100, 80, 480, 950), "person")
HAT = r.GroundedObject((550, 280, 950, 840), "hat")
AWAY = r.GroundedObject((), "dog")


@pytest.fixture(scope="module")
def weights(build_sam3):
    return build_sam3()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def read(folder, **options):
    table = {"name": "sam3", "model": str(folder), "device": "cpu", "dtype": "float32", **options}
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in table.items())
    return parse_config(f'name = "test"\n{CLASSICAL}\n[backends.tracker]\n{lines}\n', where="test.toml")


def load(folder, **options):
    backend = make_backend(read(folder, **options), "tracker")
    backend.setup()
    return backend


@pytest.fixture(scope="module")
def tracker(weights):
    return load(weights)


@pytest.fixture(scope="module")
def clip(clips):
    return clips["first"].path


@pytest.fixture(scope="module")
def shape(clip):
    return decode(clip).shape[:3]


def test_a_pass_is_over_the_whole_clip_from_any_anchor(tracker, clip, shape):
    for anchor in (0, 8, shape[0] - 1):
        (found,) = tracker.passes(clip, [(anchor, (PERSON,))])
        assert found.shape == shape
        assert found.dtype == bool
        assert found.any(axis=(1, 2)).all()  # this model's objects never leave
        assert not found.all()
    voted = np.zeros(shape, bool)
    assert tracker.finish(clip, voted) is voted


def test_further_anchors_cost_no_vision_and_are_as_in_fresh_sessions(weights, clip, shape):
    backend, calls = load(weights), []
    backend._model.vision_encoder.register_forward_hook(lambda *_: calls.append(1))
    anchors = [(0, (PERSON,)), (8, (PERSON, HAT)), (16, (HAT,))]
    together = list(backend.passes(clip, anchors))
    assert len(calls) == shape[0]
    alone = [next(backend.passes(clip, [anchor])) for anchor in anchors]
    assert len(calls) == 4 * shape[0]
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(together[0], together[2])


def test_masks_depend_on_clip_box_and_weights_and_on_nothing_else(tracker, weights, clips, build_sam3):
    first, second = clips["first"].path, clips["second"].path
    seen = [
        next(tracker.passes(first, [(8, (PERSON,))])),
        next(tracker.passes(first, [(8, (HAT,))])),
        next(tracker.passes(second, [(8, (PERSON,))])),
        next(load(build_sam3(seed=1)).passes(first, [(8, (PERSON,))])),
    ]
    assert len({found.tobytes() for found in seen}) == len(seen)
    assert np.array_equal(next(load(weights).passes(first, [(8, (PERSON,))])), seen[0])
    assert np.array_equal(next(load(weights, keep_on="cpu").passes(first, [(8, (PERSON,))])), seen[0])


def test_objects_are_followed_each_by_itself_and_joined(tracker, clip):
    anchors = [(8, (PERSON,)), (8, (HAT,)), (8, (PERSON, HAT)), (8, (AWAY, PERSON))]
    person, hat, both, beside = tracker.passes(clip, anchors)
    assert np.array_equal(both, person | hat)
    assert np.array_equal(beside, person)  # an object without a box is not registered


def test_an_anchor_without_a_box_abstains_and_disturbs_nobody(tracker, clip):
    person, none, again = tracker.passes(clip, [(0, (PERSON,)), (8, (AWAY,)), (0, (PERSON,))])
    assert not none.any()
    assert np.array_equal(person, again)


def test_boxes_are_thousandths_of_the_frame(tracker, clip):
    """The model is given the corners on its own square, whatever the clip's size."""
    asked, side = [], tracker._model.config.image_size
    handle = tracker._model.prompt_encoder.register_forward_pre_hook(
        lambda _, __, named: asked.append(named), with_kwargs=True
    )
    next(tracker.passes(clip, [(0, (PERSON,))]))
    handle.remove()
    points, labels = asked[0]["input_points"], asked[0]["input_labels"]
    corners = np.array([PERSON.bbox_2d[:2], PERSON.bbox_2d[2:]]) * side / 1000
    assert np.allclose(points.reshape(-1, 2)[:2].numpy(), corners, atol=1e-3)
    assert labels.flatten().tolist()[:2] == [2, 3]


def test_passes_are_made_one_by_one(weights, clip):
    backend, decoded = load(weights), []
    backend._model.mask_decoder.register_forward_hook(lambda *_: decoded.append(1))
    passes = backend.passes(clip, [(0, (PERSON,)), (16, (PERSON,))])
    next(passes)
    once = len(decoded)
    next(passes)
    assert 0 < once < len(decoded)


def test_the_published_layout_is_loaded(tracker, weights, clip, tmp_path):
    """facebook/sam3 holds a detector and a tracker: its keys are the whole model's."""
    from safetensors.torch import load_file, save_file
    from transformers import Sam3TrackerVideoConfig, Sam3VideoConfig

    def published(name: str) -> str:
        if name.startswith("vision_encoder.backbone."):
            return f"detector_model.{name}"
        if name.startswith("vision_encoder.neck."):
            return f"tracker_neck.{name.removeprefix('vision_encoder.neck.')}"
        return name if name.startswith(("detector_model.", "tracker_")) else f"tracker_model.{name}"

    whole = {published(name): values for name, values in load_file(weights / "model.safetensors").items()}
    whole["detector_model.text_encoder.weight"] = torch.zeros(1)
    save_file(whole, tmp_path / "model.safetensors", metadata={"format": "pt"})
    own = Sam3TrackerVideoConfig.from_pretrained(weights)
    Sam3VideoConfig(tracker_config=own.to_dict()).save_pretrained(tmp_path)
    anchors = [(8, (PERSON,))]
    assert np.array_equal(next(load(tmp_path).passes(clip, anchors)), next(tracker.passes(clip, anchors)))


# --- identity ---------------------------------------------------------------------------------


def test_a_fingerprint_covers_what_decides_a_mask(weights, tmp_path):
    def mark(folder=weights, **options):
        return step_identity(make_step("track", read(folder, **options)))["backend"]

    assert mark()["packages"]["transformers"]
    moved = shutil.copytree(weights, tmp_path / weights.name)
    assert mark(moved, device="cuda:1", keep_on="cpu") == mark()
    for option in ({"dtype": "bfloat16"}, {"attention": "eager"}):
        assert mark(**option) != mark()
    assert str(weights) not in json.dumps(mark())


# --- what can be wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"dtype": "int8"}, "no such choice"),
        ({"attention": "none"}, "no such choice"),
        ({"revision": "main"}, "a folder has no revision"),
        ({"model": "/no/such/folder"}, "no such folder"),
    ],
)
def test_a_setting_that_cannot_be(weights, options, problem):
    with pytest.raises(ConfigError, match=problem):
        load(weights, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there(weights):
    with pytest.raises(ConfigError, match="no such device"):
        load(weights, device="cuda")


def test_another_kind_of_model_is_refused(weights, tmp_path):
    other = shutil.copytree(weights, tmp_path / "other")
    (other / "config.json").write_text('{"model_type": "qwen3"}')
    with pytest.raises(ConfigError, match="another kind"):
        load(other)


def test_missing_weights_are_not_made_up(weights, tmp_path):
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(weights, tmp_path / "broken")
    held = load_file(broken / "model.safetensors")
    del held[next(name for name in held if "mask_decoder." in name)]
    save_file(held, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match="lacks weights") as caught:
        load(broken)
    assert "1 missing, such as mask_decoder." in caught.value.got


def test_full_memory_is_tried_once_more_and_then_fails_the_sample(weights, clip):
    backend, left = load(weights), 0
    (wanted,) = backend.passes(clip, [(8, (PERSON, HAT))])

    def fill(*_):
        nonlocal left
        if left:
            left -= 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")

    backend._model.memory_attention.register_forward_pre_hook(fill)
    left = 1
    (again,) = backend.passes(clip, [(8, (PERSON, HAT))])
    assert np.array_equal(again, wanted)
    left = 2
    with pytest.raises(SampleError, match="memory") as caught:
        next(backend.passes(clip, [(8, (PERSON,))]))
    assert caught.value.where == "track, anchor 8"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_same_on_a_gpu(weights, clip):
    backend = load(weights, device="cuda", dtype="bfloat16")
    anchors = [(0, (PERSON,)), (8, (PERSON, HAT))]
    together = list(backend.passes(clip, anchors))
    for anchor, found in zip(anchors, together, strict=True):
        assert np.array_equal(next(backend.passes(clip, [anchor])), found)
        kept_away = load(weights, device="cuda", dtype="bfloat16", keep_on="cpu")
        assert np.array_equal(next(kept_away.passes(clip, [anchor])), found)
