"""VIEScore's recorded verdicts on image edits give the figures that were computed from them elsewhere."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from harness import ROOT, SHARED_JUDGE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED_JUDGE.is_dir(), reason="VIEScore's verdicts are not here"),
]

HUMANS = {
    "MagicBrush": 0.467,
    "InstructPix2Pix": 0.271,
    "Prompt2prompt": 0.154,
    "CycleDiffusion": 0.139,
    "SDEdit": 0.041,
    "Text2Live": 0.023,
    "DiffEdit": 0.010,
    "Pix2PixZero": 0.009,
}
# Valid verdicts of 1,432, Spearman with people per model by Fisher's mean, Kendall over the models.
JUDGES = {
    "gpt4o": (1426, 0.417, 0.86),
    "gemini": (1431, 0.287, 0.71),
    "gpt4v": (1383, 0.255, 0.50),
    "llava": (1403, 0.028, 0.21),
    "qwenvl": (1300, 0.028, -0.14),
}


def test_the_figures_are_those_of_the_recorded_verdicts(tmp_path: Path) -> None:
    pytest.importorskip("krippendorff")
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "report.py"))
    found = benchmark["viescore"](SHARED_JUDGE, tmp_path)
    assert found["humans"] == HUMANS
    judges = {
        name: (
            figures["valid"],
            round(figures["spearman"]["mean"], 3),
            round(figures["kendall_of_systems"], 2),
        )
        for name, figures in found.items()
        if name not in ("humans", "gpt4o_pair")
    }
    assert judges == JUDGES
    pair = found["gpt4o_pair"]
    assert (pair["a"], pair["b"]) == ("InstructPix2Pix", "MagicBrush")
    assert round(-pair["difference"], 4) == 0.1437
    assert round(pair["standard_error"], 4) == 0.0272
    assert (pair["losses"], pair["ties"], pair["wins"]) == (109, 17, 53)
