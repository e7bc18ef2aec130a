"""The card: its YAML, what it says of a release, and every line of code in it.

Code that needs a Hub is run in tests/hub/test_card_yaml.py, with the rest of it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from harness import factories
from sparkle._files import read_jsonl, write_jsonl
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.pictures import make_strip
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.webdataset import WebDatasetOptions
from sparkle.builders.cards.card import render_card, size_category
from sparkle.builders.cards.facts import read_facts, terms_of
from sparkle.builders.checks.release import check_release
from sparkle.builders.release.manifest import read_manifest
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

HUB = ("HfFileSystem", "hf download")  # what code that needs a Hub has in it


def split(card: str) -> tuple[dict[str, object], str]:
    _, front, text = card.split("---\n", 2)
    return yaml.safe_load(front), text


def test_configs_are_a_default_then_themes_then_records(shared_release: Path) -> None:
    front, _ = split((shared_release / "README.md").read_text())
    themes = ["location", "openve3m"]
    assert front["license"] == "unknown"  # nobody gave one
    assert front["task_categories"] == ["text-to-video", "video-to-video"]
    assert front["size_categories"] == ["n<1K"]
    assert front["configs"] == [
        {
            "config_name": "default",
            "data_files": [{"split": theme, "path": f"data/{theme}/*.parquet"} for theme in themes],
        },
        *(
            {
                "config_name": theme,
                "data_files": [{"split": "train", "path": f"data/{theme}/*.parquet"}],
            }
            for theme in themes
        ),
        {
            "config_name": "records",
            "data_files": [{"split": theme, "path": f"records/{theme}.parquet"} for theme in themes],
        },
    ]


def test_the_text_says_what_is_in_the_release(shared_release: Path) -> None:
    _, text = split((shared_release / "README.md").read_text())
    assert "\n9 pairs of videos." in text
    assert "| 6 | 6 |" in text
    assert "Made without neural networks." in text
    assert "| flow | classical | drawn flow | 1 | a square \\| on a ramp |" in text
    assert "| `edited_frame0` | 8.0 |" in text
    assert "| 2 | `edit_score` | 10 | 9 | edited frame 0 score too low (1) |" in text
    assert "| 0 | `normalise` | 12 | 11 | failed, the file ends early (1) |" in text
    assert "`style`" not in text  # a theme of which nothing is kept


def test_models_of_the_paper_bring_no_warning(tmp_path: Path) -> None:
    run = factories.write_run(tmp_path / "run", factories.specs("season", 1), backend="paper")
    build_release([run], tmp_path / "release", ReleaseOptions())
    assert "neural networks" not in (tmp_path / "release/README.md").read_text()


def test_shards_of_a_run_are_told_as_one(tmp_path: Path) -> None:
    runs = [
        factories.write_run(tmp_path / f"run{index}", factories.specs("season", 2, first=index), name="night")
        for index in range(2)
    ]
    build_release(runs, tmp_path / "release", ReleaseOptions())
    text = (tmp_path / "release/README.md").read_text()
    assert "| 1 | `flow` | 4 | 4 |  |" in text
    assert text.count("| threshold | value |") == 1
    assert text.count("| flow | classical |") == 1


@pytest.mark.parametrize(
    ("count", "name"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (140_000, "100K<n<1M"), (10**9, "n>1B")],
)
def test_size_categories_are_the_hubs(count: int, name: str) -> None:
    assert size_category(count) == name


# --- what it says in numbers ------------------------------------------------------------------


def test_scores_are_those_of_the_tables(shared_release: Path) -> None:
    theme = read_facts(shared_release).themes[0]
    values = sorted(pq.read_table(shared_release / "data" / theme.name)["edited_video_score"].to_pylist())
    (score,) = (score for score in theme.scores if score.name == "edited_video")
    assert (score.count, score.low, score.high) == (len(values), values[0], values[-1])
    assert score.mean == pytest.approx(sum(values) / len(values))
    assert score.percentiles[2] == (values[2] + values[3]) / 2
    assert list(score.percentiles) == sorted(score.percentiles)
    _, text = split((shared_release / "README.md").read_text())
    assert f"| `location` | `edited_video` | 6 | {values[0]:.2f} |" in text


@pytest.fixture
def licensed(tmp_path: Path) -> Callable[..., str]:
    """Builds a release whose sources have these licences, and gives its card."""

    def build(*licences: str | None) -> str:
        run = factories.write_run(tmp_path / "run", factories.specs("season", len(licences)))
        sources = [value for _, value in read_jsonl(run / layout.SOURCES)]
        for source, licence in zip(sources, licences, strict=True):
            del source["licence"]
            source.update({"licence": licence} if licence else {})
        write_jsonl(run / layout.SOURCES, sources)
        build_release([run], tmp_path / "release", ReleaseOptions(preview=0))
        return (tmp_path / "release/README.md").read_text()

    return build


def test_licences_of_sources_are_counted(licensed: Callable[..., str]) -> None:
    front, text = split(licensed("cc-by-4.0", "cc-by-4.0", None))
    assert front["license"] == "unknown"
    assert "| `season` | cc-by-4.0 | 2 | 2 |  |" in text
    assert "| `season` | not recorded | 1 | 1 |  |" in text
    assert "Of 1 pairs no licence of the source was recorded" in text
    assert "No licence of this release was recorded" in text


def test_terms_of_a_source_that_reach_edited_videos_are_said_and_reach_the_hub(
    licensed: Callable[..., str],
) -> None:
    front, text = split(licensed("cc-by-4.0", "CC BY-NC-SA 4.0"))
    assert (front["license"], front["license_name"]) == ("other", "terms-of-the-sources")
    asked = "no commercial use, edited versions under the same terms"
    assert f"| `season` | CC BY-NC-SA 4.0 | 1 | 1 | {asked} |" in text
    assert "No licence of this release was recorded" in text


@pytest.mark.parametrize("name", [None, "cc-by-4.0", "cc0-1.0", "CC BY 3.0", "pexels", "nc-nd"])
def test_other_licences_ask_nothing_that_a_name_tells(name: str | None) -> None:
    assert terms_of(name) == ()


def test_pairs_of_one_source_are_told(tmp_path: Path) -> None:
    run = factories.write_run(tmp_path / "run", [*factories.specs("season", 2), *factories.specs("time", 2)])
    candidates = [value for _, value in read_jsonl(run / layout.CANDIDATES)]
    candidates[3]["source"] = candidates[0]["source"]  # a clip in two themes
    write_jsonl(run / layout.CANDIDATES, candidates)
    build_release([run], tmp_path / "release", ReleaseOptions(preview=0))
    assert "- 2 pairs have a source that another pair has as well" in render_card(tmp_path / "release")


def test_it_follows_from_the_other_files(release: Path) -> None:
    card = (release / "README.md").read_text()
    (release / "README.md").unlink()
    assert render_card(release) == card


@pytest.mark.parametrize("path", [layout.PROVENANCE, "data/location/train-00000-of-00002.parquet"])
def test_files_that_cannot_be_read_are_named(release: Path, path: str) -> None:
    (release / path).write_bytes(b"{}")
    with pytest.raises(ReleaseError) as caught:
        render_card(release)
    assert str(release / path) in str(caught.value)


# --- its code ---------------------------------------------------------------------------------


def code_of(card: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", card, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_every_line_of_code_runs_on_a_folder(shared_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "release"
    options = ReleaseOptions(max_shard_size=6000, preview=2, webdataset=WebDatasetOptions())
    build_release([shared_run], folder, options)
    card = (folder / "README.md").read_text()
    home = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where `sparkle` is
    environment = {**os.environ, **home, "FOLDER": str(folder), "PATH": path}
    python = [block for block in code_of(card, "python") if not any(word in block for word in HUB)]
    assert len(python) == 4  # loading, reading, webdataset, with sparkle
    told = """
import json
counts = [len(pairs), len(best), len(records), len(list(samples))]
print(json.dumps([*counts, len(video), len(pixels), *masks.shape]))
"""
    script = "\n".join(
        [f"REPO = FOLDER = {str(folder)!r}", *python[:3], told, python[3], "print(*masks.shape)"]
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    row = pq.read_table(folder / "data/location").to_pylist()[0]
    shape = [factories.FRAMES, factories.HEIGHT, factories.WIDTH]
    first, last = done.stdout.splitlines()
    assert last == "{} {} {}".format(*shape)
    assert json.loads(first) == [6, 5, 6, 6, row["edited_video_size"], 4, *shape]
    unpack, export = (block for block in code_of(card, "bash") if not any(word in block for word in HUB))
    for block in (unpack, export):
        subprocess.run(["bash", "-euo", "pipefail", "-c", block], env=environment, cwd=tmp_path, check=True)
    for row in pq.read_table(folder / "data/location").to_pylist():
        assert (folder / row["src_video"]).stat().st_size == row["source_video_size"]
        mask = folder / layout.SOURCE_VIDEO_MASK.path(row["task"])
        assert mask.stat().st_size == row["source_video_mask_size"]
    assert (tmp_path / "train/metadata.csv").read_text().count("\nPut the square") == 4  # one says hello


# --- its pictures -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_strip_of_the_best_loose_pair_moves_in_the_card(
    shared_run: Path, tmp_path: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    options = ReleaseOptions(preview=2, plots=True)
    build_release([shared_run], tmp_path / "release", options)
    files = contents(tmp_path / "release")
    strip = files["assets/strip_location.webp"]
    # Of the two loose pairs the second has the better video score.
    videos = [f"location/{kind}_video/Sparkle_location_000003.mp4" for kind in ("source", "edited")]
    assert strip == make_strip(*(tmp_path / "release" / video for video in videos))
    text = files["README.md"].decode()
    assert "](assets/strip_location.webp)" in text
    assert "](assets/strip_openve3m.webp)" in text
    assert [entry.path for entry in read_manifest(tmp_path / "release") if "strip" in entry.path] == [
        "assets/strip_location.webp",
        "assets/strip_openve3m.webp",
    ]
    assert [found for found in check_release(tmp_path / "release").findings if "strip" in found.file] == []
    build_release([shared_run], tmp_path / "again", options)
    assert contents(tmp_path / "again") == files


def test_without_loose_pairs_there_is_no_strip(shared_run: Path, tmp_path: Path) -> None:
    build_release([shared_run], tmp_path / "release", ReleaseOptions(preview=0, plots=True))
    assert not list((tmp_path / "release/assets").glob("strip*"))
