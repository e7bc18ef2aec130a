"""The judge `classical`: measures, nulls, and scores where a calibration says what a measure means."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.benches import cropped
from harness.videos import write_video
from sparkle.builders.bench.report import make_report
from sparkle.media.decode import decode
from sparkle.media.mask import save_mask
from sparkle.schemas import layout
from sparkle.schemas.canonical import plain
from sparkle.schemas.rubric import SPARKLE_6

DYNAMICS = [dimension.key for dimension in SPARKLE_6.dimensions].index("bg_dynamics")


@pytest.fixture
def measured(judged_bench):
    """The bench, judged by measures."""
    judged_bench.file.write_text('kind = "classical"\n')
    return judged_bench


def source_of(bench, sample_id: str):
    return bench.bench / layout.bench_source(bench.items[sample_id].theme, sample_id)


def test_measures_are_written_and_no_score(measured):
    done = measured.judge()
    assert done.exit_code == 0, done.output
    file = measured.verdicts()
    assert (file.head.judge.name, file.head.judge.kind) == ("sparkle/classical", "classical")
    for verdict in file.verdicts:
        assert verdict.status == "ok"
        assert verdict.raw == verdict.scores == (None,) * 6
        assert {"background_motion", "blank", "flicker", "sharpness"} <= {*verdict.measures}
        assert verdict.measures["background_kept"] < -0.9  # the edits are the sources' negatives
    before = measured.out.read_bytes()
    measured.out.unlink()
    measured.judge()
    assert measured.out.read_bytes() == before
    assert not measured.endpoint.requests
    (table,) = make_report([measured.out], resamples=100).document["tables"]
    assert table["rows"][0]["macro"] is None or table["rows"][0]["macro"]["overall"] is None


def test_measures_tell_what_was_not_edited_what_lives_and_what_is_blank(measured):
    kept, lives, blank, _ = sorted(measured.items)
    clips = {name: cropped(decode(source_of(measured, name))) for name in (kept, lives, blank)}
    write_video(measured.edits[kept], clips[kept], rate=16, options={"qp": "10"})
    waves = np.stack([np.roll(clips[lives], 4 * index, axis=1)[0] for index in range(21)])
    write_video(measured.edits[lives], waves, rate=16, options={"qp": "10"})
    write_video(measured.edits[blank], np.full_like(clips[blank], 90), rate=16, options={"qp": "10"})
    measured.judge("--accept")
    found = {verdict.id: verdict.measures for verdict in measured.verdicts().verdicts}
    assert found[kept]["background_kept"] > 0.98
    assert abs(found[lives]["background_kept"]) < 0.9
    assert found[lives]["background_motion"] > 10 > 1 > found[kept]["background_motion"]
    assert (found[blank]["blank"], found[kept]["blank"]) == (1.0, 0.0)


def test_masks_of_the_bench_say_where_the_subject_is(measured):
    first = sorted(measured.items)[0]
    before = None
    for covered in (slice(0, 10), slice(0, 70)):
        masks = np.zeros((21, 80, 128), bool)
        masks[:, :, covered] = True
        path = measured.bench / layout.bench_mask("location", first)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_mask(path, masks)
        measured.out.unlink(missing_ok=True)
        measured.judge()
        found = measured.verdicts().verdicts[0].measures
        assert found != before
        before = found


def calibration(judge: dict, **changes) -> dict:
    agreement = {"mae": 0.5, "bias": 0.0, "kappa": 0.6}
    curve = {
        "measure": "background_motion",
        "given": [0.0, 0.5, 2.0],
        "meant": [1.0, 3.2, 5.0],
        "pairs": 120,
        "scenes": 40,
        "after": agreement,
        "spearman": 0.7,
    }
    reference = {"name": "people", "kind": "human"}
    return {
        "format": "sparkle-calibration",
        "version": 1,
        "rubric": plain(SPARKLE_6),
        "judge": judge,
        "reference": reference,
        "folds": 5,
        "verdicts": [["a" * 64], ["b" * 64]],
        "dimensions": {"bg_dynamics": curve},
        **changes,
    }


def test_a_calibration_gives_the_scores_that_it_is_of(measured, tmp_path):
    measured.judge()
    judge = plain(measured.verdicts().head.judge)
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(calibration(judge)))
    measured.out.unlink()
    done = measured.judge("--set", f"calibration={path}")
    assert done.exit_code == 0, done.output
    file = measured.verdicts()
    assert len(file.head.judge.settings["calibration"]) == 64
    for verdict in file.verdicts:
        expected = [None] * 6
        expected[DYNAMICS] = 1  # nothing moves in these backgrounds
        assert verdict.raw == tuple(expected)
    path.write_text(json.dumps(calibration({**judge, "settings": {"version": 0}})))
    measured.out.unlink()
    done = measured.judge("--set", f"calibration={path}")
    assert done.exit_code == 2
    assert "a calibration of another judge" in done.output
