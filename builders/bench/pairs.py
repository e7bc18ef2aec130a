"""Two models of a table, compared on the samples that both have: paired, over scenes, and among all pairs.

- The difference is that of macro means over the samples in common; its interval and its standard error are
  over scenes.
- p is that of a permutation test: if the models were alike, the sign of each scene's difference would be as
  good as another. It is adjusted by Holm for all pairs of the table.
- Two models can be told apart where the interval does not hold 0 and the adjusted p is below 5 %.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from sparkle.builders.bench.resampling import LEVEL, Floats, Scenes, holm, interval, standard_error
from sparkle.builders.bench.tables import ModelTable, Row, number

_POWER = 1.959964 + 0.841621  # a difference of so many standard errors is found four times out of five


def compare(table: ModelTable) -> list[dict[str, Any]]:
    """Every pair of models of a table that have samples in common."""
    found = [pair for a, b in combinations(table.rows, 2) if (pair := _pair(table, a, b))]
    for pair, adjusted in zip(found, holm([pair["p"] for pair in found]), strict=True):
        low_high = pair["interval"]
        apart = low_high is not None and not low_high[0] <= 0 <= low_high[1] and adjusted < 1 - LEVEL
        pair |= {"holm": number(adjusted), "told_apart": bool(apart)}
    return found


def _pair(table: ModelTable, a: Row, b: Row) -> dict[str, Any] | None:
    off, scenes = a.scores[:, 0] - b.scores[:, 0], table.scenes
    common = ~np.isnan(off)
    if not common.any():
        return None
    wins = np.stack([off > 0, off == 0, off < 0], axis=1).astype(np.float64)
    values = np.column_stack([off, wins[:, 0] + wins[:, 1] / 2])
    values[~common] = np.nan
    totals, counts = scenes.sums(values)
    themes = scenes.in_theme(counts)[:, 0] > 0
    mean = scenes.theme_means(totals, counts)[0, themes].mean(axis=0)
    low_high = None
    if scenes.enough(counts)[themes].all():
        low, high = interval(scenes.theme_means(totals, counts, scenes.draws)[:, themes].mean(axis=1))
        low_high = [[number(low[at]), number(high[at])] for at in range(len(low))]
    error = standard_error(scenes, totals[:, 0], counts[:, 0])
    return {
        "a": a.model,
        "b": b.model,
        "n": int(common.sum()),
        "difference": number(mean[0]),
        "interval": low_high and low_high[0],
        "standard_error": number(error),
        "wins": int(wins[common, 0].sum()),
        "ties": int(wins[common, 1].sum()),
        "losses": int(wins[common, 2].sum()),
        "superiority": number(mean[1]),
        "superiority_interval": low_high and low_high[1],
        "p": number(_permutation(scenes, totals[:, 0], counts[:, 0])),
        "detectable": number(_POWER * error),
    }


def _permutation(scenes: Scenes, totals: Floats, counts: Floats) -> float:
    """How often a difference as large would come of signs drawn by scene."""
    by_theme = scenes.in_theme(counts[:, None])[:, 0]
    parts = totals / np.maximum(by_theme, 1)[scenes.theme] / (by_theme > 0).sum()
    found = abs(parts.sum())
    as_large = np.abs(scenes.signs @ parts) >= found - 1e-12 * max(1.0, found)
    return float((as_large.sum() + 1) / (len(as_large) + 1))
