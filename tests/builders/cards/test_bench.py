"""The card of a bench: what it counts, its code, and benches that do not go together."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from harness import factories
from sparkle.builders.cards.bench import render_bench_card
from sparkle.builders.release.formats import csv_line
from sparkle.commands.card import card as command
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import SOURCE_VIDEO

SCENES = ("urban: rooftop overlooking skyline", "urban: alley", "nature: beach with palms")


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Three videos of location, of which two have a background, and one of season."""
    folder = tmp_path / "bench"
    for theme, count in (("location", 3), ("season", 1)):
        rows, lines = [csv_line(list(layout.BENCH_CSV_COLUMNS))], []
        for index in range(count):
            sample_id = f"Sparkle_{theme}_{index:06d}"
            video = folder / layout.bench_source(theme, sample_id)
            video.parent.mkdir(parents=True, exist_ok=True)
            factories.write_artifact(tmp_path / "media", SOURCE_VIDEO, sample_id)
            (tmp_path / "media" / SOURCE_VIDEO.path(sample_id)).rename(video)
            prompt = f'Put them at "{index}",\nplease.'
            rows.append(csv_line([theme, prompt, layout.bench_source(theme, sample_id)]))
            metadata = {"edit_type": theme, "chosen_keyword": SCENES[index], "original_scene": "A wall."}
            lines.append(json.dumps({"id": sample_id, "prompt": prompt, "metadata": metadata}) + "\n")
        (folder / layout.bench_csv(theme)).write_text("".join(rows))
        (folder / layout.bench_metadata(theme)).write_text("".join(lines))
    for index in range(2):
        path = folder / layout.bench_reference("location", f"Sparkle_location_{index:06d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a picture")
    return folder


def test_it_counts_what_is_there(bench: Path) -> None:
    card = render_bench_card(bench)
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": theme, "path": f"{theme}_bench.csv"} for theme in ("location", "season")
            ],
        },
        *(
            {"config_name": theme, "data_files": [{"split": "test", "path": f"{theme}_bench.csv"}]}
            for theme in ("location", "season")
        ),
    ]
    assert front["size_categories"] == ["n<1K"]
    assert "\n4 videos, each with an instruction" in card
    assert re.search(r"^\| `location` \| .* \| 3 \| 2 \| 3 \| 2 \| 9 \| 64x48 \|$", card, re.MULTILINE)
    assert re.search(r"^\| `season` \| .* \| 1 \| 1 \| 1 \| 0 \| 9 \| 64x48 \|$", card, re.MULTILINE)


@pytest.mark.slow
def test_every_line_of_its_code_runs_on_a_folder(bench: Path, tmp_path: Path) -> None:
    (bench / layout.CARD).write_text(render_bench_card(bench))
    python = re.findall(r"^```python\n(.*?)^```", (bench / layout.CARD).read_text(), re.DOTALL | re.MULTILINE)
    assert len(python) == 2
    told = "print(len(bench), bench[2]['original_video'], source.is_file(), edited)"
    script = "\n".join([f"REPO = FOLDER = {str(bench)!r}", *python, told])
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "3",
        "source_videos/location/Sparkle_location_000002.mp4",
        "True",
        "results/location/nature---beach_with_palms/Sparkle_location_000002_edited.mp4",
    ]


def test_the_command_knows_a_bench(bench: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(bench), "--out", str(tmp_path / "card.md")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "card.md").read_text() == render_bench_card(bench)


def _no_video(bench: Path) -> None:
    (bench / layout.bench_source("location", "Sparkle_location_000001")).unlink()


def _no_mp4(bench: Path) -> None:
    (bench / layout.bench_source("location", "Sparkle_location_000001")).write_text("no mp4")


def _no_metadata(bench: Path) -> None:
    (bench / layout.bench_metadata("location")).unlink()


def _edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(bench: Path) -> None:
        text = (bench / name).read_text()
        assert old in text
        (bench / name).write_text(text.replace(old, new, 1))

    return change


@pytest.mark.parametrize(
    "change",
    [
        _no_video,
        _no_mp4,
        _no_metadata,
        _edit("location_metadata.jsonl", "Put them", "Keep them"),
        _edit("location_metadata.jsonl", "location_000002", "location_000003"),
        _edit("location_metadata.jsonl", '"edit_type"', '"kind"'),
        _edit("location_bench.csv", "edited_type", "type"),
        _edit("location_bench.csv", "\nlocation,", "\nseason,"),
        _edit("location_bench.csv", "source_videos/location/", "../"),
    ],
)
def test_a_bench_that_does_not_go_together_is_refused(bench: Path, change: Callable[[Path], None]) -> None:
    change(bench)
    with pytest.raises(ReleaseError) as caught:
        render_bench_card(bench)
    assert "location" in str(caught.value)


def test_a_folder_without_tables_is_no_bench(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="not a bench"):
        render_bench_card(tmp_path)
