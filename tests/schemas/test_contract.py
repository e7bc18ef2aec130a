import itertools
import json
import math
import pickle

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import ROOT, SHARED_RECORDS
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.canonical import dump_line
from sparkle.schemas.errors import MediaError, RecordError, SparkleError
from sparkle.schemas.ids import THEMES, edit_type, format_id, parse_id
from sparkle.schemas.load import load
from sparkle.schemas.rules import ASKED, Thresholds, judge, video_score
from sparkle.schemas.seeds import derive_seed
from sparkle.schemas.stages import STEP_NAMES, STEPS
from sparkle.schemas.validate import check_jsonl, findings_of, load_schema

UPSTREAM = SHARED_RECORDS
SCHEMAS = sorted(path.name.split(".")[0] for path in (ROOT / "schemas" / "json").iterdir())

ID = "Sparkle_location_000003"
PROMPT = "Place the subject on a windy pier."
OBJECTS = [{"bbox_2d": [1, 2, 30, 40], "label": "person in red"}]
IMAGE_SCORE = {
    "prompt_following": 9,
    "consistency": 8.5,
    "perceptual_quality": 8.0,
    "overall": 8.1,
    "SC_reasoning": "fine",
    "PQ_reasoning": "fine",
}
FRAME_SCORE = {
    "SC_score": 9.0,
    "PQ_score": 8.5,
    "O_score": 8.7,
    "SC_score_reasoning": "",
    "PQ_score_reasoning": "",
    "SC_raw_output": "",
    "PQ_raw_output": "",
}
GOOD = {
    "training_metadata": {
        "id": ID,
        "prompt": PROMPT,
        "metadata": {"edit_type": "location", "chosen_keyword": "coast: pier", "original_scene": "A room."},
    },
    "image_score": {"id": ID, "prompt": PROMPT, "editscore": IMAGE_SCORE},
    "video_score": {
        "id": ID,
        "prompt": PROMPT,
        "frame_indices": [1, 26, 51, 76],
        "editscore": [FRAME_SCORE] * 4,
    },
    "grounding_r1": {
        "id": ID,
        "prompt": PROMPT,
        "edit_type": "location",
        "round1_labels": ["person in red"],
        "round1_objects": OBJECTS,
    },
    "grounding_r2": {
        "id": ID,
        "prompt": PROMPT,
        "edit_type": "location",
        "round1_labels": ["person in red"],
        "round1_objects": OBJECTS,
        "frame_objects": [OBJECTS, [{"bbox_2d": [], "label": "person in red"}]],
    },
    "manifest": {
        "format": "sparkle-release",
        "version": 1,
        "files": [{"path": "a/b.tar", "size": 1, "sha256": "0" * 64}],
    },
    "verdicts_head": {
        "format": "sparkle-verdicts",
        "version": 1,
        "model": "kiwi-edit",
        "bench": {"name": "bench", "revision": "0" * 64, "expected": {"location": 108}},
        "rubric": {
            "name": "one",
            "dimensions": [{"key": "a", "heading": "A thing", "short": "A"}],
            "lowest": 1,
            "highest": 5,
            "whole": True,
            "capped": True,
        },
        "judge": {"name": "someone", "kind": "scripted", "settings": {"seed": 42}},
    },
    "verdict": {
        "id": ID,
        "theme": "location",
        "subtheme": "coast",
        "scene": "pier",
        "repeat": 1,
        "status": "ok",
        "raw": [4, None],
        "scores": [4, None],
    },
    "kiwi_score": {"scores": [4, 3, 2], "prompt": PROMPT, "edited_type": "local_change", "result": "..."},
    "outcome": {
        "id": ID,
        "fingerprint": "f" * 64,
        "status": "rejected",
        "reason": "too short: 1 frame",
        "record": {},
        "artifacts": {},
    },
}
BAD = [
    ("training_metadata", ["metadata", "extra"], 1),
    ("training_metadata", ["metadata", "chosen_keyword"], "no colon"),
    ("training_metadata", ["metadata", "edit_type"], "season"),
    ("training_metadata", ["id"], "Sparkle_location_3"),
    ("training_metadata", ["prompt"], None),
    ("image_score", ["editscore", "overall"], 10.5),
    ("image_score", ["editscore", "overall"], "8"),
    ("video_score", ["frame_indices"], [1, 26, 51]),
    ("video_score", ["frame_indices"], [1, 51, 26, 76]),
    ("video_score", ["editscore", 2, "O_score"], -1),
    ("grounding_r1", ["round1_objects", 0, "bbox_2d"], [30, 2, 1, 40]),
    ("grounding_r1", ["round1_objects", 0, "bbox_2d"], [1, 2, 30, 1001]),
    ("grounding_r1", ["round1_objects", 0, "bbox_2d"], []),
    ("grounding_r1", ["round1_labels"], ["someone else"]),
    ("grounding_r2", ["frame_objects", 1, 0, "label"], "someone else"),
    ("grounding_r2", ["frame_objects", 0, 0, "bbox_2d"], [1, 2, 3]),
    ("manifest", ["files", 0, "path"], "../b.tar"),
    ("manifest", ["files", 0, "path"], "/b.tar"),
    ("manifest", ["files", 0, "sha256"], "abc"),
    ("verdicts_head", ["rubric", "lowest"], 5),
    ("verdicts_head", ["rubric", "dimensions"], [{"key": "a", "heading": "A", "short": "A"}] * 2),
    ("verdicts_head", ["bench", "expected", "location"], 0),
    ("verdicts_head", ["judge", "settings", "seed"], None),
    ("verdict", ["status"], "failed"),
    ("verdict", ["scores"], [4]),
    ("verdict", ["repeat"], 0),
    ("kiwi_score", ["scores", 1], 6),
    ("outcome", ["status"], "kept"),
    ("outcome", ["status"], "failed"),
    ("outcome", ["status"], "maybe"),
]


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_draft_2020_12_and_closed(name):
    schema = load_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("name", GOOD)
def test_good_records_pass(name):
    assert list(findings_of(name, GOOD[name])) == []


@pytest.mark.parametrize(("name", "path", "value"), BAD)
def test_a_bad_value_is_found_at_its_pointer(name, path, value):
    record = json.loads(json.dumps(GOOD[name]))
    place = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    findings = list(findings_of(name, record, file="x.jsonl", line=7))
    assert findings
    assert all(finding.line == 7 and str(finding).startswith("x.jsonl:7") for finding in findings)
    pointer = "".join(f"/{key}" for key in path)
    assert any(
        pointer.startswith(finding.pointer) or finding.pointer.startswith(pointer) for finding in findings
    )


@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="upstream's example records are not here")
@pytest.mark.parametrize(
    ("file", "schema"),
    [
        ("location_train_metadata", "training_metadata"),
        ("openve3m_train_metadata", "training_metadata"),
        ("location_bench_metadata", "training_metadata"),
        ("edited_frame0_score", "image_score"),
        ("edited_video_score", "video_score"),
        ("foreground_grounding_r1", "grounding_r1"),
        ("foreground_grounding_r2", "grounding_r2"),
        ("bench_score", "bench_score"),
    ],
)
def test_upstreams_examples_pass_as_they_stand(file, schema):
    checked = list(check_jsonl(UPSTREAM / f"{file}.jsonl", schema))
    assert checked
    assert [finding for _, _, findings in checked for finding in findings] == []


@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="upstream's example records are not here")
def test_upstreams_values_go_through_our_records_unchanged():
    for file, field, record in [
        ("edited_frame0_score", "editscore", r.ImageScore),
        ("location_train_metadata", "metadata", r.SceneMetadata),
        ("openve3m_train_metadata", "metadata", r.SceneMetadata),
    ]:
        value = json.loads((UPSTREAM / f"{file}.jsonl").read_text())[field]
        assert dump_line(load(record, value)) == dump_line(value)


@given(st.sampled_from(THEMES), st.integers(0, 999_999_999))
def test_ids_go_there_and_back(theme, index):
    assert parse_id(format_id(theme, index)) == (theme, index)


@pytest.mark.parametrize(
    "bad", ["", "Sparkle_location_12", "Sparkle_nowhere_000001", "Sparkle_location_0000001", "x" * 99]
)
def test_what_is_no_id_is_refused(bad):
    with pytest.raises(RecordError):
        parse_id(bad)


def test_openve3m_is_named_differently_in_metadata_and_grounding():
    assert edit_type("openve3m") == "openve3m_background_change"
    assert edit_type("openve3m", grounding=True) == "openve3m"
    assert edit_type("season") == edit_type("season", grounding=True) == "season"


@given(st.integers(0, 2**63), st.text(), st.text())
def test_seeds_are_derived_from_every_name(seed, first, second):
    found = derive_seed(seed, first, second)
    assert found == derive_seed(seed, first, second)
    assert 0 <= found < 2**63
    assert found != derive_seed(seed + 1, first, second)
    assert found != derive_seed(seed, first + second, "") or (first + second, "") == (first, second)


def test_every_artifact_is_made_by_one_step_and_paths_are_upstreams():
    made = [kind for step in STEPS for kind in step.makes]
    assert sorted(made, key=lambda kind: kind.name) == sorted(layout.KINDS, key=lambda kind: kind.name)
    assert layout.SOURCE_VIDEO.path(ID) == f"location/source_video/{ID}.mp4"
    assert layout.SOURCE_VIDEO_MASK.path(ID) == f"intermediate_data/location/source_video_mask/{ID}.npz"
    assert layout.EDITED_VIDEO.shard("location", 3) == "location_edited_video_part03.tar"
    assert layout.VIDEO_CANNY.shard("style", 12) == "intermediate_data/style_edited_video_canny_part12.tar"
    assert set(r.STEP_RECORDS) == set(STEP_NAMES)


def frame_score(overall: float) -> r.FrameScore:
    return load(r.FrameScore, {**FRAME_SCORE, "O_score": overall})


@pytest.mark.parametrize("order", sorted(itertools.permutations((9.8, 9.8, 9.775, 8.3)))[::6])
def test_a_score_depends_on_no_order_of_addition_and_so_on_no_version_of_python(order):
    score = r.VideoScore((1, 2, 3, 4), tuple(map(frame_score, order)))
    assert video_score(score) == math.fsum(order) / 4


def test_the_verdict_follows_the_threshold_and_the_recorded_score():
    score = r.VideoScore((1, 2, 3, 4), tuple(frame_score(value) for value in (9.0, 8.0, 7.0, 8.0)))
    assert video_score(score) == 8.0
    assert judge("video_score", score, Thresholds(edited_video=8.0)) is None
    reason = judge("video_score", score, Thresholds(edited_video=8.01))
    assert reason is not None
    assert reason.startswith("video score too low: 8.000")


@pytest.mark.parametrize(
    ("step", "record", "reason"),
    [
        ("normalise", r.NormaliseRecord(64, 48, 4, 16.0, False, 64, 48, 4, 16.0, 5), "too short"),
        ("flow", r.FlowRecord(0.1, 0.21), "moving camera"),
        ("flow", r.FlowRecord(0.71, 0.1), "moving camera"),
        ("camera", r.CameraRecord(False, "a pan"), "camera judged moving"),
        ("ground1", r.Ground1Record((), ()), "no foreground found"),
        ("ground2", r.Ground2Record(((r.GroundedObject((), "a"),),)), "foreground lost"),
        ("track", r.TrackRecord((0,), (), 0.3, 2), "empty mask"),
        ("track", r.TrackRecord((0,), (), 0.99, 0), "mask of unlikely size"),
        ("measure", r.MeasureRecord(-1.0, 30.0, 0.0, 1.0, 1.0), "background too still"),
    ],
)
def test_each_rule_rejects_what_it_is_for(step, record, reason):
    assert (judge(step, record, Thresholds()) or "").partition(":")[0] == reason


# Of each number that is asked for: a record of its step with that number.
MEASURED = {
    ("flow", "short"): lambda value: r.FlowRecord(value, 0.0),
    ("flow", "long"): lambda value: r.FlowRecord(0.0, value),
    ("edit_score", "overall"): lambda value: r.ImageScore(9.0, 9.0, 9.0, value, "", ""),
    ("remove_score", "overall"): lambda value: r.ImageScore(9.0, 9.0, 9.0, value, "", ""),
    ("track", "coverage"): lambda value: r.TrackRecord((0,), (), value, 0),
    ("video_score", "overall"): lambda value: r.VideoScore((0,), (frame_score(value),)),
    ("measure", "background_motion"): lambda value: r.MeasureRecord(value, 30.0, 0.0, 1.0, 1.0),
    ("measure", "foreground_psnr"): lambda value: r.MeasureRecord(9.0, value, 0.0, 1.0, 1.0),
}


def test_what_rules_ask_for_is_what_they_judge_by():
    """At a limit a number passes, beyond it does not, and every threshold is asked for somewhere."""
    limits, used = Thresholds(background_motion=0.5, foreground_psnr=20.0), set()
    for step, numbers in ASKED.items():
        for number, bounds in numbers.items():
            for name, sign in zip(bounds, (-1, 1), strict=True):
                if name is not None:
                    used.add(name)
                    at = getattr(limits, name)
                    assert judge(step, MEASURED[step, number](at), limits) is None
                    assert judge(step, MEASURED[step, number](at + sign * 0.001), limits) is not None
    assert used == {*Thresholds.__struct_fields__}


def test_a_rule_refuses_another_steps_record():
    with pytest.raises(RecordError):
        judge("flow", r.CameraRecord(True, ""), Thresholds())


def test_an_error_says_everything_and_travels_between_processes():
    error = MediaError("bad clip", got="text", wanted="a video", where="a b.mp4", fix="make it again")
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(back) is MediaError
    assert isinstance(back, SparkleError)
    assert back.parts() == error.parts()
    for part in ("bad clip", "text", "a video", "a b.mp4", "make it again"):
        assert part in str(back)
