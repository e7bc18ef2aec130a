"""What a model has still to make: upstream's paths, sizes and ranks; what is whole is left out."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import ROOT
from harness.benches import drawn, write_bench, write_edits
from harness.videos import write_video
from sparkle.builders.bench.edits import RULES
from sparkle.builders.bench.folder import read_bench
from sparkle.builders.bench.jobs import list_jobs
from sparkle.builders.bench.results import read_results
from sparkle.commands import main
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write_bench(folder := tmp_path_factory.mktemp("jobs") / "bench")
    return folder


def upstreams(bench: Path, save_dir: str, theme: str, rank: int, ranks: int) -> list[str]:
    """The paths of upstream's script, as it makes them (`test_benchmark_sparkle_bench.py`, main and loop)."""
    save_dir = f"{save_dir}/sparkle_bench/{theme}"
    with (bench / f"{theme}_metadata.jsonl").open() as file:
        keywords = {line["id"]: line["metadata"]["chosen_keyword"] for line in map(json.loads, file)}
    paths = []
    with (bench / f"{theme}_bench.csv").open() as file:
        for index, row in enumerate(csv.DictReader(file)):
            if ranks > 1 and index % ranks != rank:
                continue
            item_id = Path(row["original_video"]).stem
            subtheme, scene = keywords[item_id].split(": ")
            paths.append(f"{save_dir}/{subtheme}---{scene.replace(' ', '_')}/{item_id}_edited.mp4")
    return paths


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_paths_and_ranks_are_those_of_upstreams_script(bench: Path, tmp_path: Path, ranks: int):
    seen = []
    for rank in range(ranks):
        jobs = list_jobs(bench, tmp_path / "sparkle_bench", rank=rank, ranks=ranks)
        wanted = [
            path
            for theme in ("location", "style")
            for path in upstreams(bench, str(tmp_path), theme, rank, ranks)
        ]
        assert [job.out for job in jobs] == wanted
        seen += [job.id for job in jobs]
    assert len(seen) == len({*seen}) == 4


@given(st.integers(32, 4000), st.integers(32, 4000))
@settings(max_examples=200)
def test_sizes_are_those_of_upstreams_script(width: int, height: int):
    """As `get_height_width` of Kiwi-Edit's `diffsynth/data/video.py` makes them."""
    wanted_height, wanted_width = height, width
    if width * height > 720 * 1280:
        scale = (width * height / (720 * 1280)) ** 0.5
        wanted_height, wanted_width = int(height / scale), int(width / scale)
    wanted = wanted_width // 32 * 32, wanted_height // 32 * 32
    if min(wanted) > 0:
        assert RULES.target(width, height) == wanted


@pytest.mark.parametrize(("length", "frames"), [(21, 21), (24, 21), (4, 1), (85, 81)])
def test_a_model_is_given_4k_plus_1_frames_and_81_at_most(
    bench: Path, tmp_path: Path, length: int, frames: int
):
    copy = Path(shutil.copytree(bench, tmp_path / "bench"))
    first = list_jobs(copy, tmp_path / "results")[0]
    write_video(Path(first.source), drawn(1, frames=length))
    job = list_jobs(copy, tmp_path / "results")[0]
    assert (job.frames, job.width, job.height, job.seed) == (frames, 128, 64, 0)


def test_what_is_whole_is_left_out_and_what_is_not_is_made_again_in_its_place(bench: Path, tmp_path: Path):
    items = read_bench(bench)[1]
    edits = list(write_edits(bench, tmp_path / "results", items, like="sparkle_bench").values())
    assert list_jobs(bench, tmp_path / "results") == []
    edits[0].unlink()
    edits[1].write_bytes(edits[1].read_bytes()[:900])
    write_video(edits[2], drawn(1, width=64, height=64))
    assert [job.out for job in list_jobs(bench, tmp_path / "results")] == [*map(str, edits[:3])]


def test_results_are_a_folder(bench: Path, tmp_path: Path):
    (tmp_path / "results.csv").write_text("")
    with pytest.raises(ReleaseError, match="results go into a folder"):
        list_jobs(bench, tmp_path / "results.csv")


@pytest.mark.parametrize("rank", ["2/2", "1", "-1/2", "0/0", "a/b"])
def test_a_rank_is_one_of_the_ranks(bench: Path, rank: str):
    done = CliRunner().invoke(main, ["bench", "jobs", str(bench), "--results", "r", "--rank", rank])
    assert done.exit_code == 2
    assert "wanted RANK/RANKS" in done.output


def test_the_command_writes_json_lines_and_nothing_where_nothing_is_left(bench: Path, tmp_path: Path):
    words = ["bench", "jobs", str(bench), "--results", str(tmp_path / "results"), "--workers", "1"]
    done = CliRunner().invoke(main, words)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["id"] for line in lines] == [job.id for job in list_jobs(bench, tmp_path / "results")]
    assert {*lines[0]} == {
        *("id", "theme", "source", "prompt", "out", "frames", "width", "height", "seed"),
    }
    write_edits(bench, tmp_path / "results", read_bench(bench)[1])
    assert CliRunner().invoke(main, words).stdout == ""
    assert json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout) == {"jobs": []}


@pytest.mark.slow
def test_the_example_makes_what_is_listed_and_what_it_makes_is_good(bench: Path, tmp_path: Path):
    results = tmp_path / "results"
    lines = CliRunner().invoke(main, ["bench", "jobs", str(bench), "--results", str(results)]).stdout
    infer = [sys.executable, str(ROOT / "examples" / "bench_infer.py")]
    done = subprocess.run(infer, input=lines, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    items = read_bench(bench)[1]
    found = read_results(bench, results, items)
    assert found.findings() == []
    assert {edit.notes for edit in found.edits.values()} == {("128x64 of 128x80, upstream's crop",)}
    beside = [layout.bench_concat(str(edit.path)) for edit in found.edits.values()]
    assert all(Path(path).is_file() for path in beside)
    assert len([path for path in results.rglob("*") if path.is_file()]) == 2 * len(items)
