"""A judge's scores on another one's scale: maps that are known, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from harness.judged import head
from sparkle.builders.bench.calibration import calibrate
from sparkle.builders.bench.report import make_report
from sparkle.builders.bench.verdicts import write_verdicts
from sparkle.commands import main
from sparkle.schemas.calibration import read_calibration
from sparkle.schemas.errors import ConfigError, ReleaseError
from sparkle.schemas.rubric import SPARKLE_6
from sparkle.schemas.verdicts import BenchIdentity, JudgeIdentity, Score, Verdict

pytest.importorskip("scipy")

SCENES, PER_SCENE = 20, 10
BENCH = BenchIdentity("drawn", "a" * 64, {"location": SCENES * PER_SCENE})
GENEROUS = {1: 3, 2: 3, 3: 4, 4: 5, 5: 5}  # what the judge says where people say 1 to 5


def write(
    path: Path,
    judge: str,
    raw: Sequence[Sequence[Score]],
    measures: Sequence[float] | None = None,
    settings: dict[str, int | str] | None = None,
    model: str = "kiwi",
) -> Path:
    """A file of verdicts on so many samples, ten of each scene."""
    verdicts = [
        Verdict(
            id=f"Sparkle_location_{number:06d}",
            theme="location",
            subtheme="coast",
            scene=f"scene {number // PER_SCENE}",
            repeat=1,
            status="ok",
            raw=tuple(scores),
            scores=SPARKLE_6.cap(tuple(scores)),
            measures=None if measures is None else {"motion": measures[number]},
        )
        for number, scores in enumerate(raw)
    ]
    identity = JudgeIdentity(judge, "scripted", settings or {"seed": 42})
    write_verdicts(path, replace(head(model), bench=BENCH, judge=identity), verdicts)
    return path


@pytest.fixture
def people() -> list[tuple[int, ...]]:
    """What people say: all dimensions differ from sample to sample."""
    random = np.random.default_rng(1)
    return [tuple(map(int, random.integers(1, 6, 6))) for _ in range(SCENES * PER_SCENE)]


@pytest.fixture
def files(tmp_path: Path, people: list[tuple[int, ...]]) -> tuple[Path, Path]:
    """A judge that is generous, and people."""
    judged = [tuple(GENEROUS[score] for score in scores) for scores in people]
    return write(tmp_path / "judge.jsonl", "qwen", judged), write(tmp_path / "people.jsonl", "people", people)


def test_a_generous_judge_is_brought_down(files: tuple[Path, Path]) -> None:
    found = calibrate([files[0]], [files[1]])
    assert (found.judge.name, found.reference.name) == ("qwen", "people")
    assert [*found.dimensions] == [dimension.key for dimension in SPARKLE_6.dimensions]
    for curve in found.dimensions.values():
        assert (curve.pairs, curve.scenes) == (200, 20)
        assert curve.before is not None
        assert curve.before.bias > 0.8
        assert abs(curve.after.bias) < 0.1
        assert curve.after.mae < curve.before.mae / 2
        assert curve.at(4) == pytest.approx(3)
        assert curve.at(3) == pytest.approx(1.5, abs=0.2)
        assert curve.at(0) == curve.at(3)
        assert curve.at(3) < curve.at(3.5) < curve.at(4)
        assert curve.spearman is not None
        assert curve.spearman_interval is not None
        assert curve.spearman_interval[0] < curve.spearman < curve.spearman_interval[1]
        assert curve.spearman > 0.9


def test_what_is_out_of_fold_knows_nothing_of_its_scene(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    numbers = random.uniform(0, 100, SCENES * PER_SCENE).tolist()  # a map through all of them fits noise
    noise = [(int(score), *[None] * 5) for score in random.integers(1, 6, SCENES * PER_SCENE)]
    judge = write(tmp_path / "a.jsonl", "classical", [[None] * 6 for _ in noise], numbers)
    people = write(tmp_path / "b.jsonl", "people", noise)
    curve = calibrate([judge], [people], measures={"instruction": "motion"}).dimensions["instruction"]
    fitted = np.mean([abs(curve.at(x) - (said[0] or 0)) for x, said in zip(numbers, noise, strict=True)])
    assert fitted < curve.after.mae
    assert curve.after.mae > 1  # five scores alike, of which nothing is known


def test_a_measure_may_fall_where_the_reference_rises(tmp_path: Path, people: list[tuple[int, ...]]) -> None:
    measures = [10.0 - 2 * scores[4] for scores in people]
    judge = write(tmp_path / "a.jsonl", "classical", [[None] * 6 for _ in people], measures)
    reference = write(tmp_path / "b.jsonl", "people", people)
    found = calibrate([judge], [reference], measures={"bg_dynamics": "motion"})
    (curve,) = found.dimensions.values()
    assert curve.measure == "motion"
    assert curve.before is None
    assert curve.after.mae == pytest.approx(0)
    assert curve.after.kappa == pytest.approx(1)
    assert curve.at(0) == pytest.approx(5)
    assert curve.spearman == pytest.approx(-1)


def test_the_same_verdicts_give_the_same_bytes(files: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = ["bench", "calibrate", str(files[0]), "--against", str(files[1]), "--out"]
    for name in ("one.json", "two.json"):
        done = CliRunner().invoke(main, [*arguments, str(tmp_path / name)])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert read_calibration(tmp_path / "one.json") == calibrate([files[0]], [files[1]])
    assert "qwen on the scale of people" in done.stdout
    assert "bg_dynamics: 200 pairs, 20 scenes" in done.stdout


def test_a_report_shows_calibrated_columns_and_to_what(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "qwen.json"
    runner = CliRunner()
    runner.invoke(main, ["bench", "calibrate", str(files[0]), "--against", str(files[1]), "--out", str(out)])
    report = make_report([files[0]], calibrations=[out])
    (table,) = report.document["tables"]
    (row,) = table["rows"]
    assert table["calibration"]["reference"]["name"] == "people"
    people = make_report([files[1]]).document["tables"][0]["rows"][0]
    assert row["macro"]["instruction"] > people["macro"]["instruction"] + 0.8
    assert row["macro_calibrated"]["instruction"] == pytest.approx(people["macro"]["instruction"], abs=0.05)
    assert row["themes"]["location"]["calibrated"] == row["macro_calibrated"]
    told = runner.invoke(main, ["bench", "report", str(files[0]), "--calibration", str(out)])
    assert told.exit_code == 0
    assert "calibrated to people" in told.stdout
    with pytest.raises(ReleaseError, match="a calibration of another judge"):
        make_report([files[1]], calibrations=[out])


def test_a_measure_is_calibrated_in_a_report(tmp_path: Path, people: list[tuple[int, ...]]) -> None:
    measures = [float(scores[4]) for scores in people]
    judge = write(tmp_path / "a.jsonl", "classical", [[None] * 6 for _ in people], measures)
    reference = write(tmp_path / "b.jsonl", "people", people)
    out = tmp_path / "c.json"
    words = ["--against", str(reference), "--measure", "bg_dynamics=motion", "--out", str(out)]
    assert CliRunner().invoke(main, ["bench", "calibrate", str(judge), *words]).exit_code == 0
    (row,) = make_report([judge], calibrations=[out]).document["tables"][0]["rows"]
    theme = row["themes"]["location"]["calibrated"]
    assert theme["bg_dynamics"] == pytest.approx(np.mean([scores[4] for scores in people]))
    assert theme["visual"] is None
    assert theme["overall"] is None


# --- refused ---------------------------------------------------------------------------------------


def test_under_a_hundred_pairs_are_refused(tmp_path: Path, people: list[tuple[int, ...]]) -> None:
    judge = write(tmp_path / "a.jsonl", "qwen", people)
    few = write(tmp_path / "b.jsonl", "people", people[:99])
    with pytest.raises(ReleaseError, match="too few pairs") as caught:
        calibrate([judge], [few])
    assert caught.value.got == "instruction: 99 pairs of 10 scenes"
    assert calibrate([judge], [write(tmp_path / "c.jsonl", "people", people[:100])]).dimensions


def test_another_judges_calibration_is_refused(files: tuple[Path, Path]) -> None:
    found = calibrate([files[0]], [files[1]])
    found.require(JudgeIdentity("qwen", "scripted", {"seed": 42, "calibration": "f" * 64}), "here")
    with pytest.raises(ConfigError, match="a calibration of another judge"):
        found.require(JudgeIdentity("qwen", "scripted", {"seed": 43}), "here")


def test_what_cannot_be_paired_is_refused(tmp_path: Path, people: list[tuple[int, ...]]) -> None:
    judge = write(tmp_path / "a.jsonl", "qwen", people)
    other = write(tmp_path / "b.jsonl", "people", people, model="lucy")
    with pytest.raises(ReleaseError, match="no edits in common"):
        calibrate([judge], [other])
    with pytest.raises(ReleaseError, match="files of several judges"):
        calibrate([judge, write(tmp_path / "c.jsonl", "gemini", people)], [other])
    with pytest.raises(ConfigError, match="no such measure"):
        calibrate([judge], [other], measures={"visual": "motion"})
    with pytest.raises(ConfigError, match="no such dimension"):
        calibrate([judge], [other], measures={"beauty": "motion"})
    settled = write(tmp_path / "d.jsonl", "qwen", people, settings={"calibration": "f" * 64})
    with pytest.raises(ReleaseError, match="calibrated already"):
        calibrate([settled], [write(tmp_path / "e.jsonl", "people", people)])
    judge.write_bytes(judge.read_bytes()[:-30])
    with pytest.raises(ReleaseError, match="a line of the verdicts does not count"):
        calibrate([judge], [other])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda value: value.pop("judge"), "missing key"),
        (lambda value: value.update(version=2), "not a calibration"),
        (lambda value: value["dimensions"]["visual"]["given"].reverse(), "do not rise"),
        (lambda value: value["dimensions"]["visual"]["meant"].pop(), "do not rise"),
        (lambda value: value["dimensions"]["visual"].update(given=[], meant=[]), "not a calibration"),
    ],
)
def test_a_file_that_is_none_is_refused(
    files: tuple[Path, Path], tmp_path: Path, change: object, problem: str
) -> None:
    out = tmp_path / "c.json"
    words = ["bench", "calibrate", str(files[0]), "--against", str(files[1]), "--out", str(out)]
    assert CliRunner().invoke(main, words).exit_code == 0
    value = json.loads(out.read_bytes())
    assert callable(change)
    change(value)
    out.write_text(json.dumps(value))
    with pytest.raises(ConfigError, match=problem):
        read_calibration(out)
    out.write_bytes(b"{")
    with pytest.raises(ConfigError, match="not a calibration"):
        read_calibration(out)
