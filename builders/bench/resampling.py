"""Intervals and tests over scenes: samples of one scene are alike, so that scenes are drawn and not samples.

- Scenes are drawn with replacement within each theme (a stratified cluster bootstrap), one fewer than there
  are, since as many would give intervals that are too short (Rao and Wu 1988). A theme's mean is that over
  the samples drawn, the macro that of its themes, and intervals are percentiles.
- Two models see the same draws, so that what a scene does to both of them cancels out.
- `benchmarks/report.py` measures how often a nominal 95 % interval holds the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
LEVEL = 0.95

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scenes:
    """Where samples belong, and the draws of their scenes.

    Attributes:
        theme: The number of each scene's theme, ascending.
        scene: The number of each sample's scene.
        seed: Decides the draws.
        resamples: How many there are.
    """

    theme: Ints
    scene: Ints
    seed: int
    resamples: int = RESAMPLES

    @cached_property
    def spans(self) -> list[slice]:
        """The scenes of each theme."""
        starts = np.searchsorted(self.theme, np.arange(int(self.theme[-1]) + 2))
        return [slice(int(start), int(end)) for start, end in pairwise(starts)]

    @cached_property
    def draws(self) -> Floats:
        """How often each scene is drawn, one row per draw."""
        random = np.random.Generator(np.random.PCG64(self.seed))
        found = np.empty((self.resamples, len(self.theme)))
        for span in self.spans:
            count = span.stop - span.start
            drawn = random.integers(0, count, (self.resamples, max(count - 1, 1)))
            drawn += count * np.arange(self.resamples)[:, None]
            times = np.bincount(drawn.ravel(), minlength=self.resamples * count)
            found[:, span] = times.reshape(self.resamples, count)
        return found

    @cached_property
    def signs(self) -> Floats:
        """A sign per scene, one row per draw."""
        random = np.random.Generator(np.random.PCG64([self.seed, 1]))
        bits = random.integers(0, 2, (self.resamples, len(self.theme)), np.int8)
        return bits * 2.0 - 1

    def sums(self, values: Floats) -> tuple[Floats, Floats]:
        """Sums per scene of each column, and how many values each is of; NaN is no value."""
        there = ~np.isnan(values)
        known = np.where(there, values, 0.0)
        totals, counts = np.zeros((2, len(self.theme), values.shape[1]))
        np.add.at(totals, self.scene, known)
        np.add.at(counts, self.scene, there)
        return totals, counts

    def theme_means(self, totals: Floats, counts: Floats, draws: Floats | None = None) -> Floats:
        """Means by draw, theme and column, of sums per scene; without draws of everything once."""
        weights = np.ones((1, len(self.theme))) if draws is None else draws
        both, columns = np.hstack([totals, counts]), totals.shape[1]
        means = np.full((len(weights), len(self.spans), columns), np.nan)
        for theme, span in enumerate(self.spans):
            drawn = weights[:, span] @ both[span]
            total, count = drawn[:, :columns], drawn[:, columns:]
            np.divide(total, count, means[:, theme], where=count > 0)
        return means

    def in_theme(self, counts: Floats) -> Floats:
        """How many values each theme has, by column."""
        return np.array([counts[span].sum(axis=0) for span in self.spans])

    def enough(self, counts: Floats) -> npt.NDArray[np.bool_]:
        """Whether each theme has values of two scenes at least: of one there is no interval."""
        there = counts.max(axis=1) > 0
        return np.array([there[span].sum() > 1 for span in self.spans])


def interval(drawn: Floats) -> Floats:
    """Return low and high of each column over draws; NaN where a draw had no values is passed over."""
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    if np.isnan(drawn).any():
        known = ~np.isnan(drawn).all(axis=0)
        found = np.full((2, *drawn.shape[1:]), np.nan)
        found[:, known] = np.nanquantile(drawn[:, known], tails, axis=0)
        return found
    low_high: Floats = np.quantile(drawn, tails, axis=0)
    return low_high


def standard_error(scenes: Scenes, totals: Floats, counts: Floats) -> float:
    """Return the standard error of a mean of theme means, over scenes.

    Args:
        scenes: The scenes.
        totals: Sums per scene of one column.
        counts: How many values each is of; a theme without any is left out.

    NaN where a theme has values of one scene alone.
    """
    variance = []
    for span in scenes.spans:
        own = counts[span] > 0
        several, count, total = int(own.sum()), counts[span][own], totals[span][own]
        if several == 1:
            return float("nan")
        if several:
            off = total - count * total.sum() / count.sum()
            variance.append(several / (several - 1) * float(off @ off) / float(count.sum()) ** 2)
    return float(np.sqrt(sum(variance))) / len(variance)


def holm(values: Sequence[float]) -> list[float]:
    """Return p values as they count among so many."""
    order = np.argsort(values, kind="stable")
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, values[index] * (len(values) - rank)))
        adjusted[index] = highest
    return adjusted
