"""Baselines of a bench: each moves what it should and nothing else, from the bench's folder alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from drawn_clips.synthetic import draw_clip
from harness.benches import write_bench
from harness.videos import levels, write_video
from sparkle._files import exclusive, temporary_beside
from sparkle.builders.bench.edits import BenchEdit
from sparkle.builders.bench.folder import BenchItem, read_bench
from sparkle.builders.bench.results import read_results
from sparkle.commands import main
from sparkle.media import Pixels
from sparkle.media.decode import decode
from sparkle.media.images import write_png
from sparkle.media.mask import load_mask, save_mask
from sparkle.schemas import layout
from sparkle.schemas.verdicts import BASELINES

pytestmark = pytest.mark.slow

FRAMES, WIDTH, HEIGHT = 17, 192, 128
FIRST, SECOND = "Sparkle_location_000000", "Sparkle_location_000001"
BLUE = (20, 40, 200)
WORDS = "Change the background to {scene}."


def run(bench: Path, out: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["bench", "baselines", str(bench), "--out", str(out), *words])


def bench_of(folder: Path, words: str = WORDS) -> dict[str, BenchItem]:
    """Two clips in which something moves; the second has masks and a plain reference."""
    scenes = "coast: a weathered wooden pier", "winter: a snowy pine forest"
    items = write_bench(folder, {"location": scenes}, words=words)
    for seed, sample_id in enumerate(items):
        source = folder / layout.bench_source("location", sample_id)
        masks = draw_clip(source, seed=seed, subject="ball", width=WIDTH, height=HEIGHT + 16, frames=FRAMES)
    for path in (layout.bench_mask("location", SECOND), layout.bench_reference("location", SECOND)):
        (folder / path).parent.mkdir(parents=True)
    save_mask(folder / layout.bench_mask("location", SECOND), masks)
    write_png(
        folder / layout.bench_reference("location", SECOND), np.full((HEIGHT + 16, WIDTH, 3), BLUE, np.uint8)
    )
    return read_bench(folder)[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bench and the baselines of it."""
    folder = tmp_path_factory.mktemp("baselines")
    bench_of(folder / "bench")
    done = run(folder / "bench", folder / "results", "--workers", "2")
    assert done.exit_code == 0, done.output
    return folder


def edits(folder: Path, name: str) -> dict[str, BenchEdit]:
    identity, items = read_bench(folder / "bench")
    results = folder / "results" / name
    found = read_results(folder / "bench", results, items, revision=identity.revision)
    assert found.findings() == []
    assert found.baseline is not None
    assert found.baseline.baseline == name
    return found.edits


def clip(folder: Path, name: str, sample_id: str) -> Pixels:
    return decode(edits(folder, name)[sample_id].path)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_is_a_whole_set_of_good_edits(made: Path, name: str):
    assert [edit.status for edit in edits(made, name).values()] == ["ok", "ok"]


def test_the_source_is_cropped_and_not_edited(made: Path):
    source = decode(made / "bench" / layout.bench_source("location", FIRST))[:, 8:-8]
    assert np.abs(clip(made, "source", FIRST).astype(int) - source).mean() < 3


def test_a_frozen_edit_does_not_move_and_is_not_the_source(made: Path):
    frozen = clip(made, "frozen", FIRST).astype(int)
    assert np.abs(frozen - frozen[0]).mean() < 2
    assert np.abs(frozen[0] - clip(made, "source", FIRST)[0]).mean() > 20


@pytest.mark.parametrize("name", ["frozen", "copy_paste"])
def test_a_benchs_reference_and_masks_are_used(made: Path, name: str):
    masks = load_mask(made / "bench" / layout.bench_mask("location", SECOND))[:, 8:-8]
    edited = clip(made, name, SECOND).astype(int)
    source = clip(made, "source", SECOND).astype(int)
    apart = ~masks.any(axis=0)
    assert np.abs(np.median(edited[:, apart], axis=(0, 1)) - BLUE).max() < 12
    if name == "copy_paste":
        subject = np.stack([np.abs(a - b)[m].mean() for a, b, m in zip(edited, source, masks, strict=True)])
        assert subject.max() < 20


def test_only_the_classical_background_moves(made: Path):
    masks = load_mask(made / "bench" / layout.bench_mask("location", SECOND))[:, 8:-8]
    apart = ~masks.any(axis=0)
    still, live = (clip(made, name, SECOND).astype(int)[:, apart] for name in ("copy_paste", "classical"))
    assert np.abs(still[-1] - still[0]).mean() < 2 < np.abs(live[-1] - live[0]).mean()


def test_what_is_missing_is_made_again_with_the_same_bytes(made: Path, tmp_path: Path):
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    before = {path: path.read_bytes() for path in (copy / "results").rglob("*.mp4")}
    for name in ("copy_paste", "classical"):
        edits(copy, name)[SECOND].path.unlink()
    done = run(copy / "bench", copy / "results", "--workers", "1")
    assert done.exit_code == 0, done.output
    assert {path: path.read_bytes() for path in (copy / "results").rglob("*.mp4")} == before


def test_another_bench_is_refused_and_so_are_a_models_results(made: Path, tmp_path: Path):
    write_bench(tmp_path / "other", {"location": ("nature: a windy pier",)})
    done = run(tmp_path / "other", made / "results", "--only", "source")
    assert done.exit_code == 2
    assert "another one, or of another bench" in done.output
    (tmp_path / "results" / "source" / "location").mkdir(parents=True)
    done = run(tmp_path / "other", tmp_path / "results", "--only", "source")
    assert done.exit_code == 2
    assert "there are other results in place of a baseline" in done.output


def test_one_process_makes_a_baseline_and_what_a_kill_left_is_removed(made: Path, tmp_path: Path):
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    left = temporary_beside(edits(copy, "source")[FIRST].path)
    left.write_bytes(b"half")
    with exclusive(copy / "results" / "source", None):
        done = run(copy / "bench", copy / "results", "--workers", "1")
        assert done.exit_code == 2
        assert "another process makes this baseline" in done.output
        assert left.exists()
    assert run(copy / "bench", copy / "results", "--workers", "1").exit_code == 0
    assert not left.exists()


def test_where_nothing_moves_the_background_stands_alone_and_a_sample_that_fails_is_named(tmp_path: Path):
    scenes = "coast: a weathered wooden pier", "waterside: a calm mountain lake"
    write_bench(tmp_path / "bench", {"location": scenes}, words=WORDS)
    still = np.repeat(levels(1, WIDTH, HEIGHT), FRAMES, axis=0)
    write_video(tmp_path / "bench" / layout.bench_source("location", FIRST), still)
    small = levels(FRAMES, 64, 64)  # smaller than any scene that can be drawn
    write_video(tmp_path / "bench" / layout.bench_source("location", SECOND), small)
    done = run(tmp_path / "bench", tmp_path / "results", "--workers", "1", "--json")
    assert done.exit_code == 1, done.output
    assert list(json.loads(done.stdout)["problems"]) == [SECOND]
    _, items = read_bench(tmp_path / "bench")
    found = read_results(tmp_path / "bench", tmp_path / "results" / "classical", items)
    assert [edit.status for edit in found.edits.values()] == ["ok", "missing"]


def test_an_instruction_that_cannot_be_drawn_costs_only_what_must_be_drawn(tmp_path: Path):
    bench_of(tmp_path / "bench", words="Put a dragon over {scene}.")
    done = run(tmp_path / "bench", tmp_path / "results", "--workers", "1", "--json")
    assert done.exit_code == 1, done.output
    problems = json.loads(done.stdout)["problems"]
    assert {sample_id: [*found] for sample_id, found in problems.items()} == {
        FIRST: ["frozen", "copy_paste", "classical"],  # it has no reference image
        SECOND: ["classical"],
    }
    assert "dragon" in problems[SECOND]["classical"]
