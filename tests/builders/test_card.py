from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import yaml

from sparkle.builders.card import size_category
from sparkle.builders.provenance import ReleaseOptions
from sparkle.builders.release import build_release


def split(card: str) -> tuple[dict[str, object], str]:
    _, front, text = card.split("---\n", 2)
    return yaml.safe_load(front), text


def test_configs_are_a_default_then_themes_then_records(shared_release: Path) -> None:
    front, _ = split((shared_release / "README.md").read_text())
    themes = ["location", "openve3m"]
    assert front["license"] == "cc-by-4.0"
    assert front["task_categories"] == ["text-to-video"]
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


def test_models_of_the_paper_bring_no_warning(factories: ModuleType, tmp_path: Path) -> None:
    run = factories.write_run(tmp_path / "run", factories.specs("season", 1), backend="paper")
    build_release([run], tmp_path / "release", ReleaseOptions())
    assert "neural networks" not in (tmp_path / "release/README.md").read_text()


def test_shards_of_a_run_are_told_as_one(factories: ModuleType, tmp_path: Path) -> None:
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
