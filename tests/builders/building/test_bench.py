"""Rejects of the last stage become a bench: balanced, apart from training, the same bytes every time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import sparkle
from harness import factories
from harness.factories import SampleSpec
from harness.kill_at import kill
from sparkle.builders.bench.contamination import read_trained
from sparkle.builders.bench.folder import read_bench
from sparkle.builders.building.bench import (
    ALIKE,
    REMOVED,
    SAME_PROMPT,
    SAME_SOURCE,
    TRAINED,
    UNWANTED,
    BenchOptions,
)
from sparkle.builders.building.bench_writer import BenchInput, BenchSummary, build_bench
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.commands.bench import bench as command
from sparkle.hub.takedown.folder import take_down
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import format_id

Contents = Callable[[Path], dict[str, bytes]]
KEYWORDS = ("urban: rooftop", "urban: alley", "nature: beach")
LOW = {"video_score": 5.0}


def rejects(theme: str, count: int, *, first: int = 100) -> list[SampleSpec]:
    """Samples that the last stage rejects, with a source of their own, over three scenes."""
    return [
        SampleSpec(
            format_id(theme, first + index),
            prompt=f"Prompt {theme} {index}",
            scores=LOW,
            scene=1000 * len(theme) + first + index,
            keyword=KEYWORDS[index % 3],
        )
        for index in range(count)
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four kept samples of location; 12 rejects of it and 6 of season, most of which may be in a bench."""
    kept = [replace(spec, scene=index) for index, spec in enumerate(factories.specs("location", 4))]
    location, season = rejects("location", 12), rejects("season", 6)
    location[0] = replace(location[0], scene=0)  # its source is trained on
    location[1] = replace(location[1], prompt=f"Put the square of {kept[1].id} on a rooftop.")
    location[2] = replace(location[2], keyword="nature: a/b")
    season[0] = replace(season[0], scene=location[4].scene)  # one source, two themes
    failed = replace(rejects("style", 1)[0], failed_at="video_score")
    earlier = replace(rejects("time", 1)[0], scores={"edit_score": 1.0})
    still = SampleSpec(format_id("style", 7), rejected_at="measure", scene=77, keyword="mood: noir")
    samples = [*kept, *location, *season, failed, earlier, still]
    return factories.write_run(tmp_path_factory.mktemp("bench") / "run", samples)


@pytest.fixture(scope="module")
def trained(run: Path) -> Path:
    build_release([run], run.parent / "release", ReleaseOptions(preview=1))
    return run.parent / "release"


def build(run: Path, out: Path, trained: Path | None = None, **options: Any) -> BenchSummary:
    made_of = BenchInput([run], trained=[] if trained is None else [read_trained(trained)])
    return build_bench(made_of, out, BenchOptions(**options), workers=1)


@pytest.fixture(scope="module")
def built(run: Path, trained: Path) -> BenchSummary:
    return build(run, run.parent / "built", trained, per_scene=3)


def test_only_rejects_of_the_last_stage_are_in(built: BenchSummary) -> None:
    ids = [reject.id for reject in built.choice.samples]
    assert built.choice.candidates == 18
    assert {sample_id.split("_")[1] for sample_id in ids} == {"location", "season"}
    assert len({reject.source.sha256 for reject in built.choice.samples}) == len(ids)


def test_what_is_left_out_is_counted_by_its_reason(built: BenchSummary) -> None:
    excluded = dict(built.choice.excluded)
    assert excluded.pop(TRAINED) == 1
    assert excluded.pop(SAME_PROMPT) == 1
    assert excluded.pop(SAME_SOURCE) == 1
    assert excluded.pop("the keyword cannot name a folder") == 1
    assert sum(excluded.values()) + len(built.choice.samples) == 14
    assert json.loads((built.out / layout.BENCH).read_bytes())["excluded"] == dict(built.choice.excluded)


def test_scenes_get_as_many_as_each_other_and_short_ones_are_named(built: BenchSummary) -> None:
    document = json.loads((built.out / layout.BENCH).read_bytes())
    counts = [
        count for theme in document["scenes"].values() for found in theme.values() for count in found.values()
    ]
    assert max(counts) <= 3
    short = {(one["theme"], one["scene"]): one["samples"] for one in document["short"]}
    for theme, subthemes in document["scenes"].items():
        for subtheme, scenes in subthemes.items():
            for scene, count in scenes.items():
                assert short.get((theme, f"{subtheme}: {scene}"), 3) == count


def test_a_total_is_shared_by_themes_then_subthemes_then_scenes(run: Path, tmp_path: Path) -> None:
    built = build(run, tmp_path / "bench", total=8)
    found = [reject.compose.metadata.chosen_keyword for reject in built.choice.samples]
    themes = Counter(reject.id.split("_")[1] for reject in built.choice.samples)
    assert themes == {"location": 4, "season": 4}
    assert Counter(str(keyword).split(":")[0] for keyword in found) == {"urban": 4, "nature": 4}


def test_it_is_upstreams_layout_and_whole(built: BenchSummary, trained: Path) -> None:
    identity, items = read_bench(built.out)
    assert identity.revision == built.revision
    assert [*items] == [reject.id for reject in built.choice.samples]
    assert sparkle.validate(built.out).findings == ()
    assert (built.out / "location_bench.csv").read_text().startswith("edited_type,prompt,original_video\n")
    rows = pq.read_table(built.out / layout.BENCH_TABLE).to_pylist()
    assert [row["id"] for row in rows] == [*items]
    assert all(row["score"] == 5.0 and 0 < row["mask_coverage"] <= 1 for row in rows)
    for item in items.values():
        for name in (layout.bench_source, layout.bench_reference, layout.bench_mask):
            assert (built.out / name(item.theme, item.id)).is_file()
    assert sparkle.validate(trained, bench=built.out).findings == ()


def test_another_seed_takes_others(run: Path, tmp_path: Path) -> None:
    other = build(run, tmp_path / "other", seed=1, per_scene=1)
    again = build(run, tmp_path / "again", seed=0, per_scene=1)
    ids = [{reject.id for reject in one.choice.samples} for one in (other, again)]
    assert ids[0] != ids[1]


def test_other_rules_are_taken_by_name(run: Path, tmp_path: Path) -> None:
    built = build(run, tmp_path / "bench", rules=("measure",))
    assert [reject.id for reject in built.choice.samples] == ["Sparkle_style_000007"]
    with pytest.raises(ReleaseError, match="no sample is left") as caught:
        build(run, tmp_path / "none", themes=("time",))
    assert "--min" in str(caught.value.fix)


def test_a_source_that_only_looks_alike_is_left_out(tmp_path: Path) -> None:
    trained = factories.write_run(tmp_path / "trained", [replace(factories.specs("time", 1)[0], scene=5)])
    build_release([trained], tmp_path / "release", ReleaseOptions(preview=1))
    mirrored, other, again = rejects("time", 3)
    samples = [replace(mirrored, scene=-5), other, replace(again, scene=-(other.scene or 0))]
    run = factories.write_run(tmp_path / "run", samples)
    built = build(run, tmp_path / "bench", tmp_path / "release")
    assert dict(built.choice.excluded) == {ALIKE: 1, SAME_SOURCE: 1}
    assert len(built.choice.samples) == 1

    # Somebody looked at it: it is another place.
    accepted = {(mirrored.id, "Sparkle_time_000000")}
    made_of = BenchInput([run], trained=[read_trained(tmp_path / "release")], accepted=accepted)
    again_built = build_bench(made_of, tmp_path / "bench", BenchOptions(), workers=1)
    assert dict(again_built.choice.excluded) == {SAME_SOURCE: 1}


def test_a_clip_that_somebody_wants_removed_is_in_no_sample_of_the_next_bench(
    run: Path, tmp_path: Path
) -> None:
    first = build(run, tmp_path / "bench")
    unwanted = first.choice.samples[0]
    made_of = BenchInput([run], previous=first.out, exclude=(unwanted.id, "Sparkle_time_999999"))
    second = build_bench(made_of, tmp_path / "bench", BenchOptions(), workers=1)
    assert unwanted.source.sha256 not in {reject.source.sha256 for reject in second.choice.samples}
    assert second.choice.left[unwanted.id] == UNWANTED
    assert second.choice.unknown == ("Sparkle_time_999999",)
    assert not any(unwanted.id in path.name for path in second.out.rglob("*"))
    with pytest.raises(ReleaseError, match="not a release of pairs") as caught:
        take_down(first.out, [unwanted.id], [])
    assert "bench build" in str(caught.value.fix)


def test_what_a_previous_bench_has_stays(run: Path, tmp_path: Path) -> None:
    first = build(run, tmp_path / "first", seed=3, per_scene=2)
    made_of = BenchInput([run], previous=first.out)
    second = build_bench(made_of, tmp_path / "second", BenchOptions(seed=4, per_scene=3), workers=1)
    before = {reject.id for reject in first.choice.samples}
    assert before < {reject.id for reject in second.choice.samples}
    assert second.choice.left == {}
    fewer = build_bench(made_of, tmp_path / "fewer", BenchOptions(per_scene=1), workers=1)
    assert fewer.choice.left.keys() == before - {reject.id for reject in fewer.choice.samples}
    assert sparkle.validate(fewer.out).findings == ()


def test_what_is_reserved_makes_a_release_apart_from_it(run: Path, tmp_path: Path) -> None:
    words = ["build", str(run), "--no-train", "--reserve", str(tmp_path / "out.txt"), "--out"]
    done = CliRunner().invoke(command, [*words, str(tmp_path / "bench"), "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out.txt").read_text() == "Sparkle_location_000000\n"
    release = tmp_path / "release"
    sparkle.build([run], release, exclude=["Sparkle_location_000000"])
    place = read_trained(release)
    assert len(place.pairs) == 3
    assert sparkle.validate(release, bench=tmp_path / "bench").findings == ()


@pytest.fixture(scope="module")
def plain(run: Path) -> Path:
    """A bench that was compared with nothing."""
    return build(run, run.parent / "plain").out


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["half a file of text", "before the swap", "after the swap"])
def test_a_killed_build_loses_nothing_and_a_rerun_gives_the_same_bytes(
    moment: str, run: Path, built: BenchSummary, plain: Path, tmp_path: Path, contents: Contents
) -> None:
    out = Path(shutil.copytree(built.out, tmp_path / "bench"))
    words = ("bench", "build", run, "--no-train", "--workers", "1", "--out", out)
    kill(moment, 1, *words)
    assert contents(out) == contents(plain if moment == "after the swap" else built.out)
    assert CliRunner().invoke(command, [*map(str, words[1:])]).exit_code == 0
    assert contents(out) == contents(plain)
    assert built.revision != read_bench(out)[0].revision


def test_what_was_taken_down_does_not_come_back(run: Path, trained: Path, tmp_path: Path) -> None:
    release = Path(shutil.copytree(trained, tmp_path / "release"))
    before = build(run, tmp_path / "before", release)
    assert "Sparkle_location_000100" not in {reject.id for reject in before.choice.samples}
    take_down(release, [], [sparkle.open_pairs(release).column("source_sha256")[0].as_py()])
    after = build(run, tmp_path / "after", release)
    assert after.choice.excluded[REMOVED] == 1  # a reject of the same source
    assert TRAINED not in after.choice.excluded


def test_a_bench_is_no_release_to_train_on(built: BenchSummary, trained: Path) -> None:
    with pytest.raises(ReleaseError, match="a bench, and no release"):
        read_trained(built.out)
    with pytest.raises(ReleaseError, match="a bench is compared with releases"):
        sparkle.validate(built.out, bench=built.out)


def test_nothing_else_is_replaced(run: Path, trained: Path, tmp_path: Path, contents: Contents) -> None:
    release = Path(shutil.copytree(trained, tmp_path / "release"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mine.txt").write_text("mine")
    for folder in (release, tmp_path / "other"):
        before = contents(folder)
        with pytest.raises(ReleaseError):
            build(run, folder)
        assert contents(folder) == before


def test_a_changed_artifact_stops_it(run: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(run, tmp_path / "run"))
    chosen = build(run, tmp_path / "bench").choice.samples[0]
    path = mine / layout.FOREGROUND_REMOVED.path(chosen.id)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ReleaseError, match="not what the run recorded"):
        build(mine, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def _json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (layout.BENCH, "it says something else than the tables"),
        (layout.BENCH_TABLE, "another size than in the manifest"),
        ("location_bench.csv", "another size than in the manifest"),
    ],
)
def test_a_bench_that_was_changed_is_found(
    name: str, problem: str, built: BenchSummary, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(built.out, tmp_path / "bench"))
    if name == layout.BENCH:
        _json(folder / name, lambda document: document.update(samples=99))
    else:
        with (folder / name).open("ab") as file:
            file.write(b"\n")
    assert (name, problem) in [(found.file, found.problem) for found in sparkle.validate(folder).findings]


@pytest.mark.slow
def test_it_is_published_and_verified(built: BenchSummary, tmp_path: Path) -> None:
    place = tmp_path / "published"
    sparkle.publish(built.out, place, remote="folder")
    report = sparkle.verify(place)
    assert report.ok
    status = {level.level: level.status for level in report.levels}
    assert status == {
        "integrity": "proved",
        "consistency": "proved",
        "reshard": "not proved",
        "replay": "not proved",
        "consumers": "proved",
    }
    (place / "bench.json").unlink()
    assert not sparkle.verify(place).ok


@pytest.mark.slow
def test_stock_datasets_loads_it(built: BenchSummary, tmp_path: Path) -> None:
    code = """
import sys
from datasets import load_dataset

for name in ("location", "season"):
    print(name, load_dataset(sys.argv[1], name, split="test").num_rows)
print(load_dataset(sys.argv[1], split="season").column_names)
"""
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(built.out)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    themes = Counter(reject.id.split("_")[1] for reject in built.choice.samples)
    assert done.stdout.splitlines() == [
        f"location {themes['location']}",
        f"season {themes['season']}",
        "['edited_type', 'prompt', 'original_video']",
    ]


def test_wrong_words_are_a_usage_error(run: Path, tmp_path: Path) -> None:
    for more in ((), ("--no-train", "--train", "x")):
        done = CliRunner().invoke(command, ["build", str(run), "--out", str(tmp_path / "bench"), *more])
        assert done.exit_code == 2
        assert "--no-train" in done.output
