"""musubi-tuner's own caching reads exports: sizes as exported, and no pair encoded again for another mix."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from harness import trainers
from sparkle.builders.training.export import ExportChoice, ExportSummary, export_pairs


@pytest.fixture(scope="session")
def musubi(checkout):
    return checkout("MUSUBI", "github.com/kohya-ss/musubi-tuner")


def cache(
    checkout: Path, summary: ExportSummary, out: Path
) -> tuple[dict[str, dict[str, np.ndarray]], Counter[str]]:
    """Run the line that an export printed; return what was encoded, and how often each pair is trained on."""
    interpreter, script, *options = shlex.split(summary.tables.usage[0])
    assert interpreter == "python"
    assert (checkout / script).is_file()
    out.mkdir()
    runner = Path(__file__).with_name("musubi_run.py")
    words = [sys.executable, str(runner), str(checkout), str(out), *options]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, cwd=checkout, env=env, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    items = {}
    for path in out.glob("*.npz"):
        with np.load(path) as found:
            items[path.stem] = dict(found)
    return items, Counter(json.loads((out / "counts.json").read_text()))


@pytest.mark.parametrize("further", [(), ("canny",)])
def test_it_encodes_what_was_exported(mixed_sizes, musubi, tmp_path, further):
    summary = export_pairs(mixed_sizes, "musubi", tmp_path / "out", ExportChoice(further=further))
    items, counts = cache(musubi, summary, tmp_path / "items")
    assert sorted(counts.values()) == [1, 1, 1, 1]
    # What tests without a checkout go by reads the same.
    read = {caption: pair for caption, *pair in trainers.read_musubi(tmp_path / "out/dataset.toml")}
    assert {str(item["caption"]) for item in items.values()} == read.keys()
    assert sorted(item["target"].shape for item in items.values()) == [
        (5, 64, 48, 3),
        (5, 112, 208, 3),  # 9 frames at 24 per second
        (9, 48, 64, 3),
        (9, 48, 64, 3),
    ]
    for item in items.values():
        source, target = read[str(item["caption"])]
        assert np.array_equal(item["source"], source)
        assert np.array_equal(item["target"], target)


def test_another_mix_encodes_no_pair_again(mixed_sizes, musubi, tmp_path):
    def mixed(name: str, **shares: int):
        mix = {theme: Fraction(share) for theme, share in shares.items()}
        summary = export_pairs(mixed_sizes, "musubi", tmp_path / "out", ExportChoice(mix=mix))
        items, counts = cache(musubi, summary, tmp_path / name)
        assert sum(counts.values()) == sum(summary.rows.values())
        by_theme: Counter[str] = Counter()
        for key, count in counts.items():
            by_theme[key.split("_")[1]] += count
        assert by_theme == summary.rows
        return items

    assert len(mixed("first", location=3, season=1)) == 4
    assert mixed("second", location=3, season=5) == {}  # season's pair counts five times
    (again,) = mixed("third", location=4, season=1)  # one of two pairs of a size counts twice
    assert again.startswith("location_64x48_16fps_again+")
    assert mixed("fourth", location=3, season=1) == {}
