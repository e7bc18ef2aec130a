"""The track step: who speaks, who abstains, and the ablation that leaves the vote out."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from harness import ROOT
from sparkle.generation.backend import Anchors
from sparkle.generation.config import load_config, parse_config
from sparkle.generation.run.fingerprints import step_identity
from sparkle.generation.steps import make_step
from sparkle.generation.steps.base import Failed, Kept, Rejected, SampleState, Work
from sparkle.media import Mask
from sparkle.media.mask import load_mask
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import ConfigError

SHAPE = (25, 12, 16)
ANCHORS = (0, 8, 16, 24)
BOX, NO_BOX = (100, 100, 600, 600), ()
CONFIG = (ROOT / "sparkle" / "configs" / "classical.toml").read_text()
FIRST = CONFIG + '\n[track]\npasses = "first"\n'


@dataclass
class GivenPasses:
    """A tracker whose passes are given, by anchor."""

    masks: dict[int, Mask]
    asked: list[int] = field(default_factory=list)

    def passes(self, clip: Path, anchors: Anchors) -> Iterator[Mask]:
        for index, _ in anchors:
            self.asked.append(index)
            yield self.masks[index]

    def finish(self, clip: Path, voted: Mask) -> Mask:
        return voted


def columns(first: int, last: int) -> Mask:
    masks = np.zeros(SHAPE, bool)
    masks[:, :, first:last] = True
    return masks


MASKS = {0: columns(0, 4), 8: columns(2, 8), 16: columns(4, 8), 24: columns(5, 10)}
NOTHING = np.zeros(SHAPE, bool)


def track(folder: Path, text: str, boxes: list[tuple[int, ...]], masks: dict[int, Mask]):
    """The step's answer, the masks that it wrote, and the anchors whose passes it asked for."""
    config = parse_config(text, where="test.toml")
    step = make_step("track", config)
    step.backend = GivenPasses(masks)
    source = r.SourceRecord("0" * 64, "clip.mp4", 1, SHAPE[2], SHAPE[1], SHAPE[0], 16.0, "0" * 64)
    records = {
        "normalise": r.NormaliseRecord(
            SHAPE[2], SHAPE[1], SHAPE[0], 16.0, True, SHAPE[2], SHAPE[1], SHAPE[0], 16.0, 5
        ),
        "ground2": r.Ground2Record(tuple((r.GroundedObject(box, "subject"),) for box in boxes)),
    }
    candidate = r.Candidate("Sparkle_location_000000", source.sha256, "location")
    work = Work(folder, config, step, SampleState(candidate, source, records), folder)
    answer = step.process(work)
    written = work.made and load_mask(work.read(layout.SOURCE_VIDEO_MASK))
    return answer, written, step.backend.asked


def test_every_anchor_that_speaks_has_a_vote(tmp_path):
    answer, masks, _ = track(tmp_path, CONFIG, [BOX] * 4, MASKS)
    assert isinstance(answer, Kept)
    assert answer.record.anchors == ANCHORS
    assert answer.record.abstained == ()
    assert np.array_equal(masks, columns(5, 8))


def test_an_anchor_without_a_box_or_with_an_empty_pass_abstains(tmp_path):
    only_one = {**MASKS, 16: NOTHING, 24: NOTHING}
    answer, masks, asked = track(tmp_path, CONFIG, [NO_BOX, BOX, BOX, BOX], only_one)
    assert asked == [8, 16, 24]
    assert answer.record.anchors == (8,)
    assert answer.record.abstained == (0, 16, 24)
    assert np.array_equal(masks, columns(2, 8))


def test_the_ablation_takes_the_first_pass_alone(tmp_path):
    answer, masks, asked = track(tmp_path, FIRST, [BOX] * 4, MASKS)
    assert isinstance(answer, Kept)
    assert asked == [0]
    assert answer.record.anchors == (0,)
    assert answer.record.abstained == ()
    assert np.array_equal(masks, MASKS[0])


def test_the_ablation_takes_the_first_anchor_that_finds_something(tmp_path):
    answer, masks, asked = track(tmp_path, FIRST, [NO_BOX, BOX, BOX, BOX], {**MASKS, 8: NOTHING})
    assert asked == [8, 16]
    assert answer.record.anchors == (16,)
    assert answer.record.abstained == (0, 8)
    assert np.array_equal(masks, MASKS[16])


@pytest.mark.parametrize("text", [CONFIG, FIRST])
def test_where_every_anchor_abstains_the_sample_fails(tmp_path, text):
    answer, masks, _ = track(tmp_path, text, [BOX] * 4, dict.fromkeys(ANCHORS, NOTHING))
    assert isinstance(answer, Failed)
    assert answer.error["kind"] == "VoteError"
    assert not masks


def test_a_frame_on_which_the_vote_is_empty_is_not_kept(tmp_path):
    gone = columns(0, 8)
    gone[20:] = False
    answer, _, _ = track(tmp_path, CONFIG, [BOX] * 4, dict.fromkeys(ANCHORS, gone))
    assert isinstance(answer, Rejected)
    assert answer.reason == "empty mask: on 5 frames"


def test_the_ablation_has_a_fingerprint_of_its_own_and_is_written_down():
    voted, first = load_config(None), parse_config(FIRST, where="test.toml")
    assert step_identity(make_step("track", voted)) != step_identity(make_step("track", first))
    assert step_identity(make_step("ground2", voted)) == step_identity(make_step("ground2", first))
    assert plain(first)["track"] == {"passes": "first"}


@pytest.mark.slow
def test_the_ablation_works_from_the_command_line(clips, tmp_path):
    (tmp_path / "first.toml").write_text(FIRST)
    words = [
        "generate",
        "--sources",
        clips["first"].path.parent,
        "--limit",
        1,
        "--out",
        tmp_path / "run",
        "--workers",
        1,
    ]
    command = [sys.executable, "-m", "sparkle", *map(str, words), "--config", str(tmp_path / "first.toml")]
    subprocess.run(command, check=True, capture_output=True)
    (outcome,) = (tmp_path / "run" / layout.outcomes("track")).read_text("utf-8").splitlines()
    assert json.loads(outcome)["record"]["anchors"] == [0]
    assert tomllib.loads((tmp_path / "run" / layout.RUN_CONFIG).read_text())["track"] == {"passes": "first"}


def test_another_choice_of_passes_is_an_error_that_names_its_place():
    with pytest.raises(ConfigError, match=r"passes") as caught:
        parse_config(CONFIG + '\n[track]\npasses = "last"\n', where="test.toml")
    assert caught.value.got == "last"
