"""Correlation and kappa from sums per scene, so that intervals over scenes cost a product of matrices.

Spearman's intervals draw scenes with the ranks of all samples.
"""

from __future__ import annotations

import numpy as np

from sparkle.builders.bench.resampling import Floats, Ints, Scenes, interval
from sparkle.builders.bench.tables import number


def correlation(moments: Floats) -> Floats:
    """Return Pearson's correlation of rows of moments: n, x, y, xx, yy, xy; NaN where one is constant."""
    n, x, y, xx, yy, xy = np.moveaxis(moments, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0)
        found: Floats = (n * xy - x * y) / np.sqrt(spread)
    found[~np.isfinite(found)] = np.nan
    return found


def quadratic_kappa(moments: Floats) -> Floats:
    """Return 1 - observed / expected squared difference, of rows of moments."""
    n, x, y, xx, yy, xy = np.moveaxis(moments, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = 1 - (xx + yy - 2 * xy) / (xx + yy - 2 * x * y / n)
    found[~np.isfinite(found)] = np.nan
    return found


def moments(x: Floats, y: Floats) -> Floats:
    """Return n, x, y, xx, yy, xy of each pair."""
    return np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y])


def ranks(values: Floats) -> Floats:
    """Return ranks from 1; those that are alike share the middle."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: Floats = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return found


def spearman(
    scenes: Scenes, scene: Ints, x: Floats, y: Floats
) -> tuple[float | None, tuple[float | None, float | None] | None]:
    """Return the rank correlation of pairs and its interval; None where one side is always the same.

    Args:
        scenes: The scenes and their draws.
        scene: The number of each pair's scene.
        x: One side of the pairs.
        y: The other.
    """
    sums = np.zeros((len(scenes.theme), 6))
    np.add.at(sums, scene, moments(ranks(x), ranks(y)))
    found = number(correlation(sums.sum(axis=0)[None])[0])
    if found is None or len(sums) < 2:
        return found, None
    span = low_high(correlation(scenes.draws @ sums))
    return found, None if span is None else (span[0], span[1])


def low_high(drawn: Floats) -> list[float | None] | None:
    """Return the interval of draws; None where none of them has a value."""
    if np.isnan(drawn).all():
        return None
    low, high = interval(drawn[:, None])
    return [number(low[0]), number(high[0])]
