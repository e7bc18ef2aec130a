from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness import factories
from sparkle.builders.building.stats import stats_of_folder
from sparkle.builders.cards.plots import draw_plots
from sparkle.builders.cards.stats import Distribution, Stats, bin_edges
from sparkle.builders.checks.release import check_release
from sparkle.commands.build import build
from sparkle.commands.stats import stats as stats_command
from sparkle.schemas import layout
from sparkle.schemas.errors import ConfigError, RecordError, ReleaseError, RunError
from sparkle.schemas.funnel import merge_funnels
from sparkle.schemas.layout import KINDS

PLOTS = ["funnel.png", "scores.png", "measures.png", "scenes.png"]


def numbers_of(stats: Stats) -> dict[str, Distribution]:
    return {numbers.name: numbers for numbers in stats.numbers}


def test_a_run_counts_every_score_that_samples_came_to(shared_run: Path) -> None:
    stats = stats_of_folder(shared_run)
    assert (stats.kind, stats.pairs) == ("run", {"location": 6, "openve3m": 3})
    numbers = numbers_of(stats)["edited_frame0"]
    assert (numbers.count, numbers.low, numbers.high) == (10, 1.0, 9.0)  # one was rejected for it
    assert (numbers.median, numbers.mean, numbers.threshold) == (9.0, pytest.approx(8.2), 8.0)
    assert numbers_of(stats)["edited_video"].count == 9
    recorded = json.loads((shared_run / layout.FUNNEL).read_text())["steps"]
    assert [{name: row[name] for name in recorded[0]} for row in stats.funnel] == recorded
    assert [row["stage"] for row in stats.funnel] == sorted(row["stage"] for row in stats.funnel)


def test_a_release_counts_its_own_pairs(shared_release: Path, shared_run: Path) -> None:
    stats = stats_of_folder(shared_release)
    assert (stats.kind, stats.pairs, stats.frames) == ("release", {"location": 6, "openve3m": 3}, 81)
    numbers = numbers_of(stats)["edited_video"]
    assert (numbers.count, numbers.low, numbers.high, numbers.threshold) == (9, 8.25, 9.75, 8.0)
    assert numbers_of(stats)["edited_frame0"].low == 9.0
    assert stats.scenes == {"location": {"urban": {"rooftop overlooking skyline": 6}}}
    assert stats.funnel == stats_of_folder(shared_run).funnel
    for kind in KINDS:
        files = (shared_run / kind.path("Sparkle_location_000000")).parents[2].glob(f"*/{kind.name}/*")
        sizes = [
            path.stat().st_size
            for path in files
            if path.stem[-6:] not in ("000001", "000002") and "style" not in path.stem
        ]
        assert stats.sizes[kind.name] == sum(sizes)


@pytest.mark.parametrize(("name", "error"), [("nothing", RunError), ("half", ReleaseError)])
def test_what_is_neither_is_refused(release: Path, tmp_path: Path, name: str, error: type[Exception]) -> None:
    release.rename(tmp_path / "half")
    (tmp_path / "half" / layout.PROVENANCE).write_text("{}")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(error):
        stats_of_folder(tmp_path / name)


def test_a_table_that_cannot_be_read_is_named(release: Path) -> None:
    table = next((release / "data/location").iterdir())
    table.write_bytes(b"PAR1")
    with pytest.raises(ReleaseError) as caught:
        stats_of_folder(release)
    assert caught.value.where == str(table)


def test_a_bad_line_of_a_run_is_named(run: Path) -> None:
    (run / layout.outcomes("flow")).write_text("{\n")
    with pytest.raises(RecordError) as caught:
        stats_of_folder(run)
    assert "flow.jsonl:1" in str(caught.value.where)


def test_runs_that_differ_in_a_limit_have_none(tmp_path: Path) -> None:
    runs = [
        factories.write_run(tmp_path / f"run{index}", factories.specs("time", 2, first=index))
        for index in range(2)
    ]
    out = tmp_path / "release"
    text = (runs[1] / layout.RUN_CONFIG).read_text()
    (runs[1] / layout.RUN_CONFIG).write_text(text.replace("edited_video = 8.0", "edited_video = 8.5"))
    done = CliRunner().invoke(build, [*map(str, runs), "--out", str(out), "--preview", "0"])
    assert done.exit_code == 0, done.output
    numbers = numbers_of(stats_of_folder(out))
    assert numbers["edited_video"].threshold is None
    assert numbers["edited_frame0"].threshold == 8.0


def test_funnels_are_added_up(shared_run: Path) -> None:
    (row, *_) = merge_funnels([stats_of_folder(shared_run).funnel] * 2)
    assert (row["in"], row["kept"], row["failed"]) == (24, 22, {"the file ends early": 2})


numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(numbers, min_size=1))
def test_bins_hold_every_value_and_start_at_round_numbers(values: list[float]) -> None:
    edges = bin_edges(min(values), max(values))
    bins, _ = np.histogram(values, edges)
    assert bins.sum() == len(values)
    assert 1 <= len(bins) <= 24
    width = edges[1] - edges[0]
    digits = width / 10.0 ** math.floor(math.log10(width) + 1e-9)
    assert round(digits, 6) in (1, 2, 5, 10)


def test_bins_of_scores_are_those_that_one_would_choose() -> None:
    assert bin_edges(8.03, 9.97)[:3] == [8.0, 8.1, 8.2]
    assert bin_edges(0.0, 10.0) == [index / 2 for index in range(21)]
    assert bin_edges(9.0, 9.0) == [9.0, 9.1]


# --- the command and its plots ----------------------------------------------------------------


@pytest.mark.parametrize("folder", ["shared_run", "shared_release"])
def test_the_command_shows_tables_or_json(request: pytest.FixtureRequest, folder: str) -> None:
    path = request.getfixturevalue(folder)
    done = CliRunner().invoke(stats_command, [str(path)])
    assert done.exit_code == 0, done.output
    for shown in ("edit_score", "edited_video", "urban", "source_video_mask", "9 pairs, 81 frames"):
        assert shown in done.stdout
    told = json.loads(CliRunner().invoke(stats_command, [str(path), "--json"]).stdout)
    assert told["pairs"] == {"location": 6, "openve3m": 3}
    assert sum(told["numbers"][0]["bins"]) == told["numbers"][0]["count"]


def test_what_cannot_be_read_is_exit_code_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(stats_command, [str(tmp_path)])
    assert done.exit_code == 2
    assert "neither a run folder nor a release" in done.stderr


@pytest.mark.slow
def test_plots_are_pictures_of_the_same_bytes_in_any_process(shared_run: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "sparkle", "stats", str(shared_run), "--plots", str(tmp_path / "plots")]
    subprocess.run(words, check=True, capture_output=True)
    drawn = draw_plots(stats_of_folder(shared_run))
    assert list(drawn) == PLOTS
    for name, data in drawn.items():
        assert (tmp_path / "plots" / name).read_bytes() == data
        picture = Image.open(io.BytesIO(data))
        assert picture.width == 1440
        assert not picture.info.keys() & {"Software", "Creation Time", "date"}
        # Not an empty page: ink in more than one colour.
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 20


def test_what_there_is_nothing_to_draw_for_is_left_out(shared_run: Path) -> None:
    stats = replace(stats_of_folder(shared_run), scenes={}, funnel=[])
    assert list(draw_plots(stats)) == ["scores.png", "measures.png"]


def test_many_subthemes_end_in_one_bar(shared_run: Path) -> None:
    many = {"season": {f"subtheme {index}": {"scene": 100 - index} for index in range(80)}}
    (data,) = draw_plots(replace(stats_of_folder(shared_run), scenes=many, funnel=[], numbers=[])).values()
    assert Image.open(io.BytesIO(data)).height < 1600


def test_without_matplotlib_the_extra_is_named(shared_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError) as caught:
        draw_plots(stats_of_folder(shared_run))
    assert caught.value.fix == "pip install 'matplotlib>=3.9'"


@pytest.mark.slow
def test_a_card_shows_its_plots_and_the_manifest_lists_them(shared_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "release"
    done = CliRunner().invoke(build, [str(shared_run), "--out", str(out), "--preview", "0", "--plots"])
    assert done.exit_code == 0, done.output
    listed = [entry["path"] for entry in json.loads((out / layout.MANIFEST).read_text())["files"]]
    card = (out / layout.CARD).read_text()
    for name in PLOTS:
        assert f"assets/{name}" in listed
        assert f"](assets/{name})" in card
    document = json.loads((out / layout.PROVENANCE).read_text())
    assert document["options"]["plots"] is True
    assert "matplotlib" in document["packages"]
    assert [found for found in check_release(out).findings if "assets" in found.file] == []
    again = tmp_path / "again"
    CliRunner().invoke(build, [str(shared_run), "--out", str(again), "--preview", "0", "--plots"])
    assert (again / layout.MANIFEST).read_bytes() == (out / layout.MANIFEST).read_bytes()
