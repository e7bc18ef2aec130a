"""Variants of what runs hold, from the command line to the release."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs

from harness import factories
from sparkle.builders.building.run import read_run
from sparkle.builders.building.selection import make_selection, read_dropped, read_ids
from sparkle.commands.build import build
from sparkle.schemas import layout
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import ConfigError, RecordError
from sparkle.schemas.rules import Thresholds

# Edited first frame, edited video: what each sample of `varied` scored.
SCORES = {
    "Sparkle_location_000000": (9.0, 9.0),
    "Sparkle_location_000003": (8.2, 9.0),
    "Sparkle_location_000006": (8.6, 8.1),
    "Sparkle_location_000009": (7.5, 9.0),  # rejected by the run, yet taken to the end
    "Sparkle_location_000012": (7.5, 7.0),  # the same
    "Sparkle_season_000000": (9.5, 9.5),
    "Sparkle_season_000003": (1.0, 1.0),  # rejected, and no step went on with it
}
KEPT = [*list(SCORES)[:3], "Sparkle_season_000000"]


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that judged loosely, as one does whose thresholds were raised afterwards."""
    specs = [
        factories.SampleSpec(sample_id, scores={"edit_score": frame, "video_score": video})
        for sample_id, (frame, video) in SCORES.items()
    ]
    loose = Thresholds(edited_frame0=7.0, edited_video=6.0)
    folder = tmp_path_factory.mktemp("varied") / "run"
    return Path(factories.write_run(folder, specs, thresholds=Thresholds(), judged_under=loose))


@pytest.fixture
def make(varied: Path, tmp_path: Path) -> Callable[..., Path]:
    def build_with(*words: str) -> Path:
        out = tmp_path / "release"
        done = CliRunner().invoke(build, [str(varied), "--out", str(out), "--preview", "0", *words])
        assert done.exit_code == 0, done.output
        return out

    return build_with


def ids_of(release: Path) -> list[str]:
    found = []
    for table in sorted((release / "prompts").glob("*.csv")):
        with table.open(newline="") as file:
            found += [row["task"] for row in csv.DictReader(file)]
    return found


def provenance(release: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads((release / layout.PROVENANCE).read_text())
    return document


def passing(edited_frame0: float, edited_video: float) -> list[str]:
    return [
        sample_id
        for sample_id, (frame, video) in SCORES.items()
        if frame >= edited_frame0 and video >= edited_video and sample_id != "Sparkle_season_000003"
    ]


def test_without_limits_the_runs_own_hold(make: Callable[..., Path]) -> None:
    release = make()
    assert ids_of(release) == KEPT == passing(8.0, 8.0)
    assert "selection" not in provenance(release)["options"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("edited_frame0", "edited_video"),
    [(8.5, 8.0), (8.5, 8.2), (8.0, 9.5), (7.5, 8.0), (7.0, 7.0), (0.0, 0.0)],
)
def test_a_variant_has_exactly_the_samples_whose_recorded_scores_pass(
    make: Callable[..., Path], edited_frame0: float, edited_video: float
) -> None:
    limits = {"edited_frame0": edited_frame0, "edited_video": edited_video}
    release = make(*(word for name, limit in limits.items() for word in ("--min", f"{name}={limit}")))
    assert ids_of(release) == passing(**limits)
    document = provenance(release)
    assert document["options"]["selection"] == {"thresholds": limits}  # type: ignore[index]
    thresholds = document["runs"][0]["config"]["thresholds"]  # type: ignore[index]
    assert thresholds == plain(structs.replace(Thresholds(), **limits))
    card = (release / layout.CARD).read_text()
    assert f"| `edited_video` | {edited_video} |" in card
    assert "limits other than the run's: edited_frame0, edited_video" in card


def test_upper_limits_are_limits_too(make: Callable[..., Path], varied: Path, tmp_path: Path) -> None:
    assert ids_of(make("--max", "camera_long=0.05")) == KEPT
    words = [str(varied), "--out", str(tmp_path / "none"), "--max", "camera_long=0.01"]
    done = CliRunner().invoke(build, words)
    assert done.exit_code == 2
    assert "no sample is kept" in done.stderr


@pytest.mark.parametrize(
    "text", ["edited_frame0", "edited_frame0=", "edited_frame0=high", "edited_frame0=nan", "=9"]
)
def test_what_is_not_a_limit_is_wrong_usage(varied: Path, tmp_path: Path, text: str) -> None:
    done = CliRunner().invoke(build, [str(varied), "--out", str(tmp_path / "none"), "--min", text])
    assert done.exit_code == 2
    assert "wanted NAME=NUMBER" in done.stderr


def test_a_limit_is_named_once(varied: Path, tmp_path: Path) -> None:
    twice = ["--min", "edited_video=8", "--min", "edited_video=9"]
    done = CliRunner().invoke(build, [str(varied), "--out", str(tmp_path / "none"), *twice])
    assert done.exit_code == 2
    assert "each name once" in done.stderr


@pytest.mark.parametrize(
    "limits",
    [
        {"min_scores": {"edited": 9}},
        {"min_scores": {"edited_video": float("nan")}},
        {"min_scores": {"camera_long": 0.1}},
        {"max_scores": {"edited_video": 9}},
    ],
)
def test_a_limit_has_a_name_and_says_which_way_it_goes(limits: dict[str, dict[str, float]]) -> None:
    with pytest.raises(ConfigError, match="not a limit") as caught:
        make_selection(**limits)
    assert ("camera_long" if "max_scores" in limits else "edited_frame0") in str(caught.value.wanted)


def test_themes_ids_and_exclusions_go_together(make: Callable[..., Path], tmp_path: Path) -> None:
    wanted, unwanted = tmp_path / "wanted.txt", tmp_path / "unwanted.txt"
    wanted.write_text("".join(f"{sample_id}\n" for sample_id in reversed(list(SCORES)[1:])))
    unwanted.write_text(f"{KEPT[1]}\n")
    assert ids_of(make("--theme", "season")) == [KEPT[3]]
    assert ids_of(make("--ids-from", str(wanted))) == KEPT[1:]
    release = make("--ids-from", str(wanted), "--exclude", str(unwanted), "--theme", "location")
    assert ids_of(release) == [KEPT[2]]
    assert (
        provenance(release)["options"]["selection"]
        == {  # type: ignore[index]
            "themes": ["location"],
            "ids": sorted(list(SCORES)[1:]),
            "exclude": [KEPT[1]],
        }
    )
    assert str(tmp_path) not in (release / layout.PROVENANCE).read_text()


def test_verdicts_leave_out_what_was_dropped_last(make: Callable[..., Path], tmp_path: Path) -> None:
    lines = [
        {"id": KEPT[0], "verdict": "drop", "note": "hands melt"},
        {"id": KEPT[1], "verdict": "drop"},
        {"id": KEPT[1], "verdict": "keep"},
        {"id": KEPT[2], "verdict": "note", "text": "look again"},
        {"id": KEPT[3], "verdict": "drop"},
        {"id": KEPT[3], "verdict": "note"},
    ]
    verdicts = tmp_path / "verdicts.jsonl"
    verdicts.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert ids_of(make("--exclude", str(verdicts))) == KEPT[1:3]


def test_a_verdict_never_falls_on_another_runs_clip(varied: Path, tmp_path: Path) -> None:
    verdicts, out = tmp_path / "verdicts.jsonl", tmp_path / "out"
    line = {"id": KEPT[0], "verdict": "drop", "source": read_run(varied).candidates[KEPT[1]].source}
    verdicts.write_text(json.dumps(line) + "\n")
    words = [str(varied), "--out", str(out), "--exclude", str(verdicts)]
    done = CliRunner().invoke(build, words)
    assert done.exit_code == 2
    assert "a verdict on another run's clip" in done.stderr
    assert f"{verdicts}:1" in done.stderr
    assert not out.exists()
    verdicts.write_text(json.dumps(line | {"source": read_run(varied).candidates[KEPT[0]].source}) + "\n")
    done = CliRunner().invoke(build, words)
    assert done.exit_code == 0
    assert ids_of(out) == KEPT[1:]


def test_a_build_says_what_it_leaves_out_and_why(varied: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text(f"{KEPT[0]}\n")
    words = [str(varied), "--out", str(tmp_path / "out"), "--exclude", str(tmp_path / "ids.txt")]
    done = CliRunner().invoke(build, [*words, "--theme", "location", "--core", "1"])
    assert (
        "left out of 4 samples that pass: 1 excluded, 1 not in the core set, 1 of other themes" in done.stderr
    )


def test_a_core_set_is_part_of_what_is_selected(make: Callable[..., Path]) -> None:
    assert ids_of(make("--core", "2")) == [KEPT[0], KEPT[3]]
    assert ids_of(make("--core", "2", "--theme", "location")) == KEPT[:2]


@pytest.mark.parametrize("option", ["--ids-from", "--exclude"])
def test_an_unknown_id_is_named_by_file_and_line(varied: Path, tmp_path: Path, option: str) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text(f"{KEPT[0]}\nSparkle_time_000000\n")
    done = CliRunner().invoke(build, [str(varied), "--out", str(tmp_path / "out"), option, str(ids)])
    assert done.exit_code == 2
    assert "Sparkle_time_000000" in done.stderr
    assert f"{ids}:2" in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_else_a_verdict_says_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    said = {"tags": ["halo"], "note": "see the hand", "release": "demo", "reviewer": "Ann", "later": [1]}
    lines = [{"id": KEPT[0], "verdict": "drop"}, {"id": KEPT[1], "verdict": "note"}]
    path.write_text("".join(json.dumps(line | said) + "\n" for line in lines))
    assert list(read_dropped(path)) == [KEPT[0]]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("Sparkle_location_3", "not a sample id"),
        ("", "not a sample id"),
        ("\ufeffSparkle_location_000000", "not a sample id"),
        ('{"id": "Sparkle_location_000000"', "not JSON"),
        ('{"id": "Sparkle_location_000000", "verdict": "remove"}', "not a verdict"),
        ('{"id": 3, "verdict": "drop"}', "not a verdict"),
        ('{"verdict": "drop"}', "not a verdict"),
        ('{"id": "Sparkle_location_000000", "verdict": "drop", "source": "x"}', "not a verdict"),
        ('{"id": "cat.mp4", "verdict": "drop"}', "not a sample id"),
        ('{"id": "Sparkle_location_000000", "verdict": "keep", "verdict": "drop"}', "a key stands twice"),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text(f"{KEPT[0]}\n{line}\n{KEPT[1]}\n")
    with pytest.raises(RecordError, match=problem) as caught:
        read_dropped(path)
    assert caught.value.where == f"{path}:2"


def test_what_was_said_in_another_order_is_the_same_selection(tmp_path: Path) -> None:
    there, back = tmp_path / "there.txt", tmp_path / "back.txt"
    there.write_text("".join(f"{sample_id}\n" for sample_id in KEPT))
    back.write_text("".join(f"{sample_id}\n" for sample_id in [*KEPT[::-1], KEPT[0]]))
    first = make_selection(ids=read_ids(there), themes=("time", "season"), min_scores={"edited_video": 9})
    second = make_selection(ids=read_ids(back), themes=("season", "time"), min_scores={"edited_video": 9.0})
    assert first is not None
    assert second is not None
    assert first.to_json() == second.to_json()
