"""Two judges on the same edits: do they rank samples alike, give the same scores, order models alike?

- Per model: Spearman's and Kendall's (tau-b) correlation over samples; over models the mean of Spearman's by
  Fisher's transformation. Pooled over all samples too, and per dimension.
- Weighted kappa (quadratic) and Krippendorff's ordinal alpha compare the scores themselves, not their order.
- Per system: Kendall's tau over the models' means, with its exact p and the pairs that the judges order
  differently. With three systems even perfect agreement has p = 1/3: it proves nothing, and `n` says so.
- Intervals are over scenes, as everywhere. For Spearman's they draw scenes with the ranks of all samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from sparkle._extras import install
from sparkle.builders.bench.correlation import correlation, low_high, moments, quadratic_kappa
from sparkle.builders.bench.resampling import Floats
from sparkle.builders.bench.tables import ModelTable, Row, number
from sparkle.schemas.errors import ConfigError

_NEARLY_ONE = 0.9999  # of a correlation, which Fisher's transformation would make infinite
_MOST_LEVELS = 2000  # alpha takes the square of it


def agree(tables: Sequence[ModelTable]) -> list[dict[str, Any]]:
    """Every pair of tables of the same bench and dimensions by two judges.

    Raises:
        ConfigError: there is such a pair, and the extra `bench` is not installed.
    """
    found = []
    for a, b in combinations(tables, 2):
        same = a.head.bench.revision == b.head.bench.revision and a.keys == b.keys
        models = {row.model for row in a.rows} & {row.model for row in b.rows}
        if same and models and {*a.ids} & {*b.ids}:
            compared = _Judges(a, b).compare()
            if any(dimension["models"] for dimension in compared["dimensions"].values()):
                found.append(compared)  # else one of them gives no scores, such as one that measures
    return found


class _Judges:
    """Two tables, joined by model and sample."""

    def __init__(self, a: ModelTable, b: ModelTable) -> None:
        try:
            import krippendorff
            from scipy import stats
        except ImportError as error:
            raise ConfigError(
                "comparing judges needs further libraries", got=error, fix=install("bench")
            ) from None
        self._stats, self._krippendorff = stats, krippendorff
        self._a, self._b = a, b
        self._models = sorted({row.model for row in a.rows} & {row.model for row in b.rows})
        self._scenes = a.scenes
        theirs = {sample_id: index for index, sample_id in enumerate(b.ids)}
        aligned = [theirs.get(sample_id, -1) for sample_id in a.ids]
        rows_a, rows_b = ({row.model: row for row in table.rows} for table in (a, b))
        nothing = np.full((1, len(a.keys)), np.nan)
        self._scores = [
            (rows_a[model].scores, np.vstack([rows_b[model].scores, nothing])[aligned])
            for model in self._models
        ]

    def compare(self) -> dict[str, Any]:
        """Every figure, as JSON values."""
        return {
            "judges": [self._a.head.judge.name, self._b.head.judge.name],
            "tables": [self._a.head.table(), self._b.head.table()],
            "models": self._models,
            "n": sum(int(self._both(at, 0).sum()) for at in range(len(self._models))),
            "dimensions": {key: self._dimension(at) for at, key in enumerate(self._a.keys)},
            "systems": self._systems(),
        }

    def _both(self, model: int, key: int) -> Any:
        ours, theirs = self._scores[model]
        return ~np.isnan(ours[:, key]) & ~np.isnan(theirs[:, key])

    def _dimension(self, key: int) -> dict[str, Any]:
        by_model: dict[str, dict[str, float | None]] = {}
        moments: list[Floats] = []
        pooled: list[tuple[Floats, Floats]] = []
        for index, model in enumerate(self._models):
            both = self._both(index, key)
            x, y = (scores[both, key] for scores in self._scores[index])
            if not len(x):
                continue
            pooled.append((x, y))
            varies = len(x) > 2 and len(set(x.tolist())) > 1 and len(set(y.tolist())) > 1
            if not varies:  # a correlation with a constant is not defined
                by_model[model] = {"n": len(x), "spearman": None, "kendall": None}
                continue
            ranks = [self._stats.rankdata(values) for values in (x, y)]
            moments.append(self._moments(both, *ranks))
            by_model[model] = {
                "n": len(x),
                "spearman": number(correlation(moments[-1][None].sum(axis=1))[0]),
                "kendall": number(self._stats.kendalltau(x, y).statistic),
            }
        return {
            "models": by_model,
            "spearman": self._fisher(moments),
            "pooled": self._pooled(pooled),
            "kappa": self._kappa(key),
        }

    def _moments(self, both: Any, x: Floats, y: Floats) -> Floats:
        """Sums per scene of what correlations and kappa are made of."""
        scenes = self._scenes
        values = np.full((len(both), 6), np.nan)
        values[both] = moments(x, y)
        return scenes.sums(values)[0]

    def _fisher(self, moments: Sequence[Floats]) -> dict[str, Any] | None:
        """Return the mean of the models' correlations, and its interval."""
        scenes = self._scenes
        if not moments:
            return None

        def mean(correlations: Sequence[Floats]) -> Floats:
            transformed = [np.arctanh(np.clip(one, -_NEARLY_ONE, _NEARLY_ONE)) for one in correlations]
            found: Floats = np.tanh(np.mean(transformed, axis=0))
            return found

        found = mean([correlation(one.sum(axis=0)[None]) for one in moments])[0]
        drawn = mean([correlation(scenes.draws @ one) for one in moments])
        return {"mean": number(found), "interval": low_high(drawn), "models": len(moments)}

    def _pooled(self, pooled: Sequence[tuple[Floats, Floats]]) -> dict[str, Any] | None:
        if not pooled:
            return None
        x, y = (np.concatenate(side) for side in zip(*pooled, strict=True))
        varies = len(set(x.tolist())) > 1 and len(set(y.tolist())) > 1
        return {
            "n": len(x),
            "spearman": number(self._stats.spearmanr(x, y).statistic) if varies else None,
            "kendall": number(self._stats.kendalltau(x, y).statistic) if varies else None,
            "alpha": self._alpha(x, y),
        }

    def _alpha(self, x: Floats, y: Floats) -> float | None:
        if not 1 < len({*x.tolist(), *y.tolist()}) <= _MOST_LEVELS:
            return None
        data = np.stack([x, y])
        return number(float(self._krippendorff.alpha(reliability_data=data, level_of_measurement="ordinal")))

    def _kappa(self, key: int) -> dict[str, Any] | None:
        """Return the quadratically weighted kappa of whole scores, its interval, and who gave what."""
        rubrics = self._a.head.rubric, self._b.head.rubric
        scales = {(rubric.lowest, rubric.highest) for rubric in rubrics}
        scenes = self._scenes
        if key == 0 or not all(rubric.whole for rubric in rubrics) or len(scales) > 1:
            return None
        ((lowest, highest),) = scales
        size = int(highest - lowest) + 1
        table = np.zeros((size, size), int)
        total = np.zeros((len(scenes.theme), 6))
        for index in range(len(self._models)):
            both = self._both(index, key)
            x, y = (scores[both, key] for scores in self._scores[index])
            total += self._moments(both, x, y)
            cells = [np.rint(values - lowest).astype(int) for values in (x, y)]  # repeats have a mean
            np.add.at(table, (cells[0], cells[1]), 1)
        drawn = quadratic_kappa(scenes.draws @ total)
        found = quadratic_kappa(total.sum(axis=0)[None])[0]
        return {"kappa": number(found), "interval": low_high(drawn), "counts": table.tolist()}

    def _macro(self, table: ModelTable, row: Row) -> Floats:
        """Return a model's macro mean, and that of each draw; two judges of the same samples share draws."""
        scenes = self._a.scenes if self._a.ids == self._b.ids else table.scenes
        sums = scenes.sums(row.scores[:, :1])
        drawn = (scenes.theme_means(*sums, draws)[:, :, 0].mean(axis=1) for draws in (None, scenes.draws))
        means: Floats = np.concatenate([*drawn])
        return means

    def _systems(self) -> dict[str, Any]:
        """Return how the judges order the models, by the means of each judge's own verdicts."""
        means = [
            np.stack(
                [
                    self._macro(table, row)
                    for row in sorted(table.rows, key=lambda row: row.model)
                    if row.model in self._models
                ],
                axis=1,
            )
            for table in (self._a, self._b)
        ]
        known = ~np.isnan(means[0][0]) & ~np.isnan(means[1][0])
        names = [model for model, there in zip(self._models, known, strict=True) if there]
        ours, theirs = (side[:, known] for side in means)
        taus = _tau(ours, theirs)
        p = None
        if len(names) > 1 and not np.isnan(taus[0]):
            p = number(self._stats.kendalltau(ours[0], theirs[0]).pvalue)
        swapped = [
            [names[a], names[b]]
            for a, b in combinations(range(len(names)), 2)
            if (ours[0, a] - ours[0, b]) * (theirs[0, a] - theirs[0, b]) < 0
        ]
        return {
            "n": len(names),
            "kendall": number(taus[0]),
            "interval": low_high(taus[1:]) if self._a.ids == self._b.ids else None,
            "p": p,
            "ordered_differently": swapped,
        }


def _tau(x: Floats, y: Floats) -> Floats:
    """Return Kendall's tau-b of each row."""
    pairs = list(combinations(range(x.shape[1]), 2))
    if not pairs:
        return np.full(len(x), np.nan)
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    ours, theirs = np.sign(x[:, a] - x[:, b]), np.sign(y[:, a] - y[:, b])
    with np.errstate(divide="ignore", invalid="ignore"):
        untied = np.sqrt((ours**2).sum(axis=1) * (theirs**2).sum(axis=1))
        found: Floats = (ours * theirs).sum(axis=1) / untied
    return found
