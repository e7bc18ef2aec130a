"""EditScore: the package's words and arithmetic over a tiny model of the real classes, and no guess."""

from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from sparkle.generation.backends import make_backend
from sparkle.generation.backends.editscore import scoring
from sparkle.generation.backends.editscore.scoring import EditScoring, require_readable
from sparkle.generation.backends.vlm.questions import Reply, removal_prompt
from sparkle.generation.config import parse_config
from sparkle.generation.run.fingerprints import step_identity
from sparkle.generation.steps import make_step
from sparkle.media.decode import iter_frames
from sparkle.media.images import write_png
from sparkle.schemas import records as r
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import AnswerError, ConfigError, SampleError
from sparkle.schemas.rules import video_score

WITHOUT = f"tests nothing without the package: {scoring.INSTALL}"
pytest.importorskip("editscore", reason=WITHOUT)
pytest.importorskip("json_repair", reason=WITHOUT)

# peft reads an attribute that transformers deprecates; nothing of ours.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

OTHERS = ("flow", "vlm", "image_editor", "image_to_video", "tracker", "control_to_video")
CLASSICAL = "".join(f'[backends.{name}]\nname = "classical"\n' for name in OTHERS)
INSTRUCTION = "Shift the background to a beach."
OBJECTS = (r.GroundedObject((100, 200, 300, 900), "dog"), r.GroundedObject((0, 0, 9, 9), "red ball"))
SC = [(22, 20), (25, 23), (24, 22), (23, 21)]
PQ = [(21, 24), (22, 22), (20, 23), (25, 21)]


def says(scores, reasoning="It fits.") -> str:
    return json.dumps({"reasoning": reasoning, "score": list(scores)})


@dataclass(kw_only=True)
class Scripted(EditScoring):
    """Answers by a test's word; it remembers the questions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked = []
        self.answer = lambda question: says((SC if question.job == "SC" else PQ)[question.seed - self.seed])

    def ask(self, questions):
        self.asked += questions
        return [Reply(self.answer(question)) for question in questions]


@pytest.fixture
def scripted():
    return Scripted()


@pytest.fixture(scope="module")
def pair(clips, tmp_path_factory):
    """A clip and two pictures that differ."""
    folder = tmp_path_factory.mktemp("pair")
    first = next(iter_frames(clips["first"].path))
    write_png(folder / "source.png", first)
    write_png(folder / "edited.png", np.ascontiguousarray(first[:, ::-1]))
    return clips["first"].path, folder / "source.png", folder / "edited.png"


# --- arithmetic and questions -----------------------------------------------------------------


def test_an_image_score_is_the_mean_over_passes(scripted, pair):
    clip, source, edited = pair
    score = scripted.score_edit(source, edited, INSTRUCTION, clip=clip)
    overall = np.mean([math.sqrt(min(sc) * min(pq)) / 2.5 for sc, pq in zip(SC, PQ, strict=True)])
    assert score.prompt_following == pytest.approx(np.mean([sc[0] for sc in SC]) / 2.5)
    assert score.consistency == pytest.approx(np.mean([sc[1] for sc in SC]) / 2.5)
    assert score.perceptual_quality == pytest.approx(np.mean([min(pq) for pq in PQ]) / 2.5)
    assert score.overall == pytest.approx(overall)
    again = math.sqrt(min(score.prompt_following, score.consistency) * score.perceptual_quality)
    assert abs(score.overall - again) > 1e-4  # so it cannot be recomputed from what is published
    assert all(type(value) in (float, str) for value in plain(score).values())
    assert msgspec.convert(plain(score), r.ImageScore) == score


def test_sc_sees_the_pair_and_pq_the_edited_image_alone(scripted, pair):
    clip, source, edited = pair
    scripted.score_edit(source, edited, INSTRUCTION, clip=clip)
    assert [question.job for question in scripted.asked] == ["SC", "PQ"] * 4
    assert [question.seed for question in scripted.asked] == [42, 42, 43, 43, 44, 44, 45, 45]
    sc, pq = scripted.asked[:2]
    assert INSTRUCTION in sc.text
    assert "25" in sc.text
    assert INSTRUCTION not in pq.text
    assert len(sc.images) == 2
    assert not np.array_equal(*sc.images)
    assert len(pq.images) == 1
    assert np.array_equal(pq.images[0], sc.images[1])


def test_a_removal_is_judged_by_what_the_editor_was_told(scripted, pair):
    _, source, edited = pair
    scripted.score_removal(source, edited, OBJECTS, INSTRUCTION)
    assert removal_prompt(OBJECTS) in scripted.asked[0].text
    assert INSTRUCTION not in scripted.asked[0].text


def test_frames_of_a_video_are_scored_each_by_itself(scripted, clips):
    indices = (1, 6, 11, 16)
    by_frame = {f"frame {index}": (25 - place, 24 - place) for place, index in enumerate(indices)}
    scripted.answer = lambda question: says(by_frame[question.place], question.job)
    found = scripted.score_frames(
        clips["first"].path, clips["second"].path, clips["first"].path, INSTRUCTION, indices
    )
    wanted = [min(by_frame[f"frame {index}"]) / 2.5 for index in indices]
    assert [frame.O_score for frame in found] == pytest.approx(wanted)
    assert video_score(r.VideoScore(indices, found)) == pytest.approx(np.mean(wanted))
    assert {frame.SC_score_reasoning + frame.PQ_score_reasoning for frame in found} == {"SCPQ"}
    assert json.loads(found[0].SC_raw_output)["score"] == [25, 24]
    assert {(question.job, len(question.images)) for question in scripted.asked} == {("SC", 2), ("PQ", 1)}
    assert all(type(frame.O_score) is float for frame in found)


@pytest.mark.parametrize(("passes", "score_range"), [(1, 10), (2, 25), (3, 100)])
def test_passes_and_range_are_options(pair, passes, score_range):
    scoring = Scripted(passes=passes, score_range=score_range)
    scoring.answer = lambda question: says((score_range, score_range))
    clip, source, edited = pair
    assert scoring.score_edit(source, edited, INSTRUCTION, clip=clip).overall == 10.0
    assert len(scoring.asked) == 2 * passes


# --- answers that cannot be counted -----------------------------------------------------------

BAD = {
    "prose": "I would say this is a good edit.",
    "prose with numbers": "I give it 20 and 21.",
    "nothing": "",
    "a refusal": "I'm sorry, but I can't assist with that request.",
    "rate limit": "rate_limit_exceeded",
    "broken": '{"reasoning": "It fits", "score": [2',
    "one score": says((20,)),
    "three scores": says((20, 20, 20)),
    "no score": '{"reasoning": "It fits."}',
    "no reasoning": '{"score": [20, 20]}',
    "empty reasoning": says((20, 20), ""),
    "bare list": "[20, 20]",
    "a single number": "7",
    "above the range": says((26, 20)),
    "far above": says((99, 99)),
    "below": says((-1, 20)),
    "a word": '{"reasoning": "r", "score": ["good", "bad"]}',
    "numbers in quotes": '{"reasoning": "r", "score": ["20", "21"]}',
    "true": '{"reasoning": "r", "score": [true, 20]}',
    "null": '{"reasoning": "r", "score": null}',
    "not finite": '{"reasoning": "r", "score": [NaN, 20]}',
    "infinite": '{"reasoning": "r", "score": [Infinity, 20]}',
    "twice": f"{says((20, 21))}\n{says((3, 4))}",
    "a list of objects": f"[{says((20, 21))}, {says((3, 4))}]",
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
@pytest.mark.parametrize("job", ["SC", "PQ"])
def test_an_answer_that_cannot_be_counted_is_an_error_that_keeps_it(
    scripted, pair, clips, answer, job, capfd
):
    clip, source, edited = pair
    scripted.answer = lambda question: answer if question.job == job else says((20, 20))
    calls = (
        lambda: scripted.score_edit(source, edited, INSTRUCTION, clip=clip),
        lambda: scripted.score_removal(source, edited, OBJECTS, INSTRUCTION),
        lambda: scripted.score_frames(clip, clip, clip, INSTRUCTION, (1, 6, 11, 16)),
    )
    for call in calls:
        with pytest.raises(AnswerError) as caught:
            call()
        assert caught.value.got == answer
        assert caught.value.where.startswith(job)
    assert capfd.readouterr().out == ""  # the package prints what it cannot read


@pytest.mark.parametrize(
    "answer",
    [
        says((0, 25)),
        says((12.5, 24.9)),
        f"```json\n{says((20, 21))}\n```",
        f"Here you are:\n{says((20, 21))}",
        '{\n"reasoning" : "Two\nlines.",\n"score" : [20, 21]\n}',
    ],
)
def test_what_the_package_reads_without_a_guess_is_taken(answer):
    require_readable(answer, 25, asked="SC")


def test_one_bad_pass_fails_the_sample(scripted, pair):
    clip, source, edited = pair
    scripted.answer = lambda question: "well" if question.seed == 45 else says((20, 20))
    with pytest.raises(AnswerError, match="no object") as caught:
        scripted.score_edit(source, edited, INSTRUCTION, clip=clip)
    assert "45" in caught.value.where


def test_the_package_leaves_the_search_path_alone():
    for name in [name for name in sys.modules if name.partition(".")[0] == "editscore"]:
        del sys.modules[name]
    before = list(sys.path)
    scoring.import_package()
    assert sys.path == before


# --- in process: the real classes, through the configuration ----------------------------------


def read(folder, **options):
    table = {"name": "editscore", "model": str(folder), "device": "cpu", "dtype": "float32", **options}
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in table.items())
    return parse_config(f'name = "test"\n{CLASSICAL}\n[backends.image_scorer]\n{lines}\n', where="test.toml")


@pytest.fixture(scope="module")
def one_thread():
    """Sums in one order."""
    torch = pytest.importorskip("torch", reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


@pytest.fixture
def load(one_thread):
    def load(folder, **options):
        backend = make_backend(read(folder, **options), "image_scorer")
        backend.setup()
        return backend

    return load


@pytest.fixture(scope="module")
def weights(build_qwen3_vl):
    return build_qwen3_vl(seed=1)


@pytest.fixture(scope="module")
def adapter(weights, tmp_path_factory, one_thread):
    """A LoRA of the layout that EditScore publishes, with weights that change something."""
    peft = pytest.importorskip("peft", reason="needs the extra gpu: pip install 'sparkle-dataset[gpu]'")
    from transformers import Qwen3VLForConditionalGeneration

    one_thread.manual_seed(3)
    model = Qwen3VLForConditionalGeneration.from_pretrained(weights, local_files_only=True)
    targets = r".*language_model.*\.(q_proj|v_proj|o_proj|down_proj)"
    settings = peft.LoraConfig(
        r=4, lora_alpha=64, target_modules=targets, init_lora_weights=False, task_type="CAUSAL_LM"
    )
    folder = tmp_path_factory.mktemp("models") / "tiny-lora"
    peft.get_peft_model(model, settings).save_pretrained(folder)
    return folder


def raw_answers(backend, pair, seeds=(42, 43)) -> list[str]:
    """What the model says, by seed, whether it can be counted or not."""
    from sparkle.generation.backends.vlm.questions import Question, read_image

    images = tuple(read_image(path, 64 * 64) for path in pair[1:])
    found = []
    for seed in seeds:
        try:
            found.append(backend.ask([Question("SC", "score it", images, {}, seed)])[0].text)
        except AnswerError as error:  # cut short
            found.append(error.got or "")
    return found


def test_a_good_answer_comes_through_the_real_model(load, build_qwen3_vl, pair, clips):
    backend = load(build_qwen3_vl(says=says((22, 20))), passes=2, batch_size=3)
    clip, source, edited = pair
    score = backend.score_edit(source, edited, INSTRUCTION, clip=clip)
    assert score == r.ImageScore(8.8, 8.0, 8.0, 8.0, "It fits.", "It fits.")
    frames = backend.score_frames(clip, clips["second"].path, clip, INSTRUCTION, (1, 6))
    assert frames == (r.FrameScore(8.0, 8.0, 8.0, *["It fits."] * 2, *[says((22, 20))] * 2),) * 2


def test_nonsense_is_an_error(load, weights, pair):
    clip, source, edited = pair
    with pytest.raises(AnswerError):
        load(weights, max_tokens=12).score_edit(source, edited, INSTRUCTION, clip=clip)


def test_words_depend_on_seed_pictures_and_weights_and_on_nothing_else(
    load, weights, adapter, pair, one_thread
):
    backend = load(weights, max_tokens=12)
    said = raw_answers(backend, pair)
    assert said[0] != said[1]
    one_thread.manual_seed(7)
    drawn = one_thread.rand(1)
    one_thread.manual_seed(7)
    assert raw_answers(load(weights, max_tokens=12), pair) == said
    one_thread.manual_seed(7)
    raw_answers(backend, pair)
    assert one_thread.equal(one_thread.rand(1), drawn)  # the process's own generator is left alone
    assert raw_answers(backend, (pair[0], pair[2], pair[1])) != said
    assert raw_answers(load(weights, lora=str(adapter), max_tokens=12), pair) != said


def test_temperature_zero_is_the_same_with_every_seed(load, weights, pair):
    said = raw_answers(load(weights, temperature=0.0, max_tokens=12), pair)
    assert said[0] == said[1]


def test_the_identity_is_model_and_lora(weights, adapter, tmp_path):
    def identity(folder, **options):
        return make_backend(read(folder, **options), "image_scorer").identity

    both = identity(weights, lora=str(adapter))
    assert both.model == "tiny-qwen3-vl + tiny-lora"
    assert both.revision.startswith(identity(weights).revision + " + sha256:")
    moved = shutil.copytree(adapter, tmp_path / adapter.name)
    assert identity(weights, lora=str(moved)) == both
    changed = shutil.copytree(adapter, tmp_path / "changed" / adapter.name)
    (changed / "adapter_config.json").write_text((changed / "adapter_config.json").read_text() + " ")
    assert identity(weights, lora=str(changed)) != both


def test_a_fingerprint_covers_what_decides_a_score(weights):
    def mark(step="edit_score", **options):
        return step_identity(make_step(step, read(weights, **options)))["backend"]

    assert mark()["packages"].keys() >= {"editscore", "json-repair", "torch", "transformers"}
    assert set(mark()["prompts"]) == {"SC", "PQ", "reading"}
    assert "removal" in mark("remove_score")["prompts"]
    assert mark(device="cuda:1") == mark()
    changes = ({"passes": 1}, {"score_range": 10}, {"seed": 1}, {"temperature": 0.0}, {"max_tokens": 100})
    for option in changes:
        assert mark(**option) != mark()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"passes": 0}, "out of range"),
        ({"score_range": 0}, "out of range"),
        ({"temperature": 3.0}, "out of range"),
        ({"dtype": "int8"}, "no such choice"),
        ({"lora_revision": "main"}, "a revision of no LoRA"),
        ({"lora": "/no/such/folder"}, "no such folder"),
        ({"device": "cuda:99"}, "no such device"),
    ],
)
def test_a_setting_that_cannot_be(load, weights, options, problem):
    if options.get("device") and pytest.importorskip("torch").cuda.is_available():
        pytest.skip("there are CUDA devices")
    with pytest.raises(ConfigError, match=problem):
        load(weights, **options)


def test_a_folder_without_an_adapter_is_named(load, weights, tmp_path):
    with pytest.raises(ConfigError, match="cannot be loaded") as caught:
        load(weights, lora=str(tmp_path))
    assert str(tmp_path) in str(caught.value)


def test_full_memory_is_tried_once_more_and_then_fails_the_sample(load, build_qwen3_vl, pair, one_thread):
    backend = load(build_qwen3_vl(says=says((22, 20))), passes=1)
    clip, source, edited = pair
    left = 1

    def fill(*_):
        nonlocal left
        if left:
            left -= 1
            raise one_thread.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")

    backend._model.model.register_forward_pre_hook(fill)
    assert backend.score_edit(source, edited, INSTRUCTION, clip=clip).overall == 8.0
    left = 2
    with pytest.raises(SampleError, match="memory"):
        backend.score_edit(source, edited, INSTRUCTION, clip=clip)


@pytest.mark.gpu
def test_the_same_on_a_gpu(load, build_qwen3_vl, pair, one_thread):
    if not one_thread.cuda.is_available():
        pytest.skip("needs a CUDA device")
    backend = load(build_qwen3_vl(says=says((22, 20))), device="cuda", dtype="bfloat16", passes=2)
    clip, source, edited = pair
    assert backend.score_edit(source, edited, INSTRUCTION, clip=clip).overall == 8.0
