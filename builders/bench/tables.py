"""Tables of models: means per theme and macro in upstream's form, whether they are whole, and intervals.

- What is expected is the bench. A row without all of its verdicts says so, and has no macro but bounds: the
  macro if everything that is missing had the lowest score, and if it had the highest.
- Rows of another bench, another rubric or another judge stand in a table of their own.
- A dimension that a judge cannot say is null, and so is an overall score with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sparkle.builders.bench.resampling import Floats, Scenes, interval
from sparkle.builders.bench.verdicts import VerdictFile
from sparkle.schemas.calibration import Calibration
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.verdicts import OF_THE_MODEL, Score, Verdict, VerdictsHead

OVERALL = "overall"
_UPSTREAMS_ORDER = ("location", "season", "style", "time")
_SEED_DIGITS = 15


@dataclass(frozen=True)
class Row:
    """One model in a table.

    Attributes:
        file: Its verdicts.
        scores: Overall and dimensions of each sample of the table as they count; NaN where there are none.
        raw: The same before the cap.
        calibrated: The same on the scale of the calibration's reference; None without a calibration.
        overall_by_repeat: Overall of each sample and repeat.
    """

    file: VerdictFile
    scores: Floats
    raw: Floats
    calibrated: Floats | None
    overall_by_repeat: Floats

    @property
    def model(self) -> str:
        """Whose edits they are."""
        return self.file.head.model


class ModelTable:
    """Models that one judge judged by one rubric on one bench.

    Args:
        files: Their verdicts; the same model is in it once.
        lowest: Whether an edit that is missing or unusable has the lowest score of every dimension.
        resamples: How many draws intervals are of.
        calibration: What the judge's scores or measures mean on another one's scale.
    """

    def __init__(
        self,
        files: Sequence[VerdictFile],
        *,
        lowest: bool,
        resamples: int,
        calibration: Calibration | None = None,
    ) -> None:
        self.head: VerdictsHead = files[0].head
        self.lowest, self.calibration = lowest, calibration
        self.keys = (OVERALL, *(dimension.key for dimension in self.head.rubric.dimensions))
        expected = self.head.bench.expected
        known = [theme for theme in _UPSTREAMS_ORDER if theme in expected]
        self.themes = (*known, *sorted(expected.keys() - {*known}))
        self.places: dict[str, Verdict] = {}
        for file in files:
            for verdict in file.verdicts:
                earlier = self.places.setdefault(verdict.id, verdict)
                if _place(earlier) != _place(verdict):
                    raise ReleaseError(
                        "two files place a sample differently",
                        got=f"{verdict.id}: {' / '.join(_place(verdict))}",
                        wanted=" / ".join(_place(earlier)),
                        where=file.name,
                    )
        self.ids = sorted(self.places, key=self._order)
        digest = fingerprint([sorted(file.sha256 for file in files), lowest])
        self._seed = int(digest[:_SEED_DIGITS], 16)
        self._resamples = resamples
        self.rows = [self._row(file) for file in sorted(files, key=lambda file: file.head.model)]

    def _order(self, sample_id: str) -> tuple[int, str, str, str]:
        place = self.places[sample_id]
        return self.themes.index(place.theme), place.subtheme, place.scene or sample_id, sample_id

    def _row(self, file: VerdictFile) -> Row:
        at = {sample_id: index for index, sample_id in enumerate(self.ids)}
        repeats = sorted({verdict.repeat for verdict in file.verdicts})
        shape = (len(self.ids), len(repeats), len(self.keys))
        scores, raw, calibrated = np.full((3, *shape), np.nan)
        rubric = self.head.rubric
        for verdict in file.verdicts:
            place = at[verdict.id], repeats.index(verdict.repeat)
            if verdict.scores is not None and verdict.raw is not None:
                told = [(scores, verdict.scores), (raw, verdict.raw)]
                if self.calibration is not None:
                    told.append((calibrated, _calibrated(verdict, self.calibration)))
                for found, several in told:
                    values = [np.nan if score is None else float(score) for score in several]
                    found[place] = [sum(values) / len(values), *values]
            elif self.lowest and verdict.status in OF_THE_MODEL:
                scores[place] = raw[place] = calibrated[place] = rubric.lowest
        known = _over_repeats(calibrated) if self.calibration is not None else None
        return Row(file, _over_repeats(scores), _over_repeats(raw), known, scores[:, :, 0])

    @cached_property
    def scenes(self) -> Scenes:
        """Where the samples belong."""
        named = [
            (place.theme, place.subtheme, place.scene or sample_id)
            for sample_id in self.ids
            if (place := self.places[sample_id])
        ]
        numbers = {name: index for index, name in enumerate(dict.fromkeys(named))}
        present = {theme: index for index, theme in enumerate(dict.fromkeys(name[0] for name in named))}
        return Scenes(
            theme=np.array([present[theme] for theme, _, _ in numbers]),
            scene=np.array([numbers[name] for name in named]),
            seed=self._seed,
            resamples=self._resamples,
        )

    @cached_property
    def present(self) -> list[str]:
        """The themes of which there is a verdict, in order; `scenes` numbers them."""
        return list(dict.fromkeys(self.places[sample_id].theme for sample_id in self.ids))

    def rows_json(self) -> list[dict[str, Any]]:
        """Every model's numbers."""
        return [self._row_json(row) for row in self.rows]

    def _row_json(self, row: Row) -> dict[str, Any]:
        expected, scenes = self.head.bench.expected, self.scenes
        totals, counts = scenes.sums(row.scores)
        means = scenes.theme_means(totals, counts)[0]
        means[_some_but_not_all(scenes, counts)] = np.nan
        raw = scenes.theme_means(*scenes.sums(row.raw))[0]
        calibrated = None
        if row.calibrated is not None:
            sums = scenes.sums(row.calibrated)
            calibrated = scenes.theme_means(*sums)[0]
            calibrated[_some_but_not_all(scenes, sums[1])] = np.nan
        drawn = scenes.theme_means(totals, counts, scenes.draws)
        enough = scenes.enough(counts)
        valid = dict.fromkeys(self.themes, 0)
        for sample_id, score in zip(self.ids, row.scores, strict=True):
            valid[self.places[sample_id].theme] += bool((~np.isnan(score)).any())
        judged = {theme: valid[theme] == expected[theme] for theme in self.themes}
        themes = {}
        for theme in self.themes:
            index = self.present.index(theme) if theme in self.present else None
            entry: dict[str, Any] = {"n": valid[theme], "expected": expected[theme]}
            if index is not None:
                entry["mean"] = self._named(means[index])
                entry["raw"] = self._named(raw[index])
                if calibrated is not None:
                    entry["calibrated"] = self._named(calibrated[index])
                entry["interval"] = self._intervals(drawn[:, index], known=bool(enough[index]))
            if not judged[theme]:
                entry["bounds"] = self._bounds(theme, means, index, valid[theme])
            themes[theme] = entry
        whole = all(judged.values())
        low_high = [self._bound(themes, side) for side in (0, 1)]
        macro_calibrated: dict[str, Any] = {}
        if calibrated is not None:
            means_of = self._named(calibrated.mean(axis=0)) if whole else None
            macro_calibrated["macro_calibrated"] = means_of
        return {
            "model": row.model,
            "verdicts": row.file.sha256,
            "n": sum(valid.values()),
            "expected": sum(expected.values()),
            "partial": not whole,
            "themes": themes,
            "macro": self._named(means.mean(axis=0)) if whole else None,
            "macro_raw": self._named(raw.mean(axis=0)) if whole else None,
            **macro_calibrated,
            "interval": self._intervals(drawn.mean(axis=1), known=bool(enough.all())) if whole else None,
            "bounds": None if whole else {key: [side[key] for side in low_high] for key in self.keys},
            "lowered_by_the_cap": self._lowered(row),
            "status": self._status(row),
            "reasons": self._reasons(row),
            "scenes": self._scenes_json(row),
            "repeats": self._repeats(row),
        }

    def _named(self, values: Floats) -> dict[str, float | None]:
        return {key: number(value) for key, value in zip(self.keys, values, strict=True)}

    def _intervals(self, drawn: Floats, *, known: bool) -> dict[str, list[float | None]] | None:
        if not known:
            return None
        low, high = interval(drawn)
        return {key: [number(low[at]), number(high[at])] for at, key in enumerate(self.keys)}

    def _bounds(
        self, theme: str, means: Floats, index: int | None, valid: int
    ) -> dict[str, list[float | None]]:
        """What a theme's means would be if all that is missing had the lowest score, or the highest."""
        expected, rubric = self.head.bench.expected[theme], self.head.rubric
        sides = []
        for score in (rubric.lowest, rubric.highest):
            known = means[index] * valid if index is not None and valid else np.zeros(len(self.keys))
            sides.append((known + score * (expected - valid)) / expected)
        low, high = sides
        return {key: [number(low[at]), number(high[at])] for at, key in enumerate(self.keys)}

    def _bound(self, themes: Mapping[str, Any], side: int) -> dict[str, float | None]:
        """Return one bound of the macro."""
        found: dict[str, float | None] = {}
        for key in self.keys:
            values = [
                entry["bounds"][key][side] if "bounds" in entry else entry["mean"][key]
                for entry in themes.values()
            ]
            found[key] = None if None in values else number(sum(values) / len(values))
        return found

    def _lowered(self, row: Row) -> dict[str, float | None] | None:
        """Return the share of scores that the cap lowered, by dimension."""
        if not self.head.rubric.capped:
            return None
        there = ~np.isnan(row.scores)
        lowered = (row.raw > row.scores) & there
        shares = lowered.sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        return {key: number(shares[at]) for at, key in enumerate(self.keys) if at}

    def _status(self, row: Row) -> dict[str, int]:
        """Return how many verdicts there are of each kind, and how many samples have none at all."""
        counts = Counter(verdict.status for verdict in row.file.verdicts)
        seen = len({verdict.id for verdict in row.file.verdicts})
        absent = sum(self.head.bench.expected.values()) - seen
        return {**{name: counts[name] for name in ("ok", "failed", "missing", "unusable")}, "absent": absent}

    def _reasons(self, row: Row) -> dict[str, int]:
        """Return why there are no scores, commonest first."""
        counts = Counter(
            f"{verdict.status}: {verdict.reason}" for verdict in row.file.verdicts if verdict.status != "ok"
        )
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def _scenes_json(self, row: Row) -> dict[str, list[dict[str, Any]]]:
        """Return the overall mean of each scene that has a name."""
        found: dict[tuple[str, str, str], list[float]] = {}
        for sample_id, score in zip(self.ids, row.scores[:, 0], strict=True):
            place = self.places[sample_id]
            if place.scene and not np.isnan(score):
                found.setdefault(_place(place), []).append(float(score))
        scenes: dict[str, list[dict[str, Any]]] = {}
        for (theme, subtheme, scene), values in found.items():
            mean = number(sum(values) / len(values))
            scenes.setdefault(theme, []).append(
                {"subtheme": subtheme, "scene": scene, "n": len(values), OVERALL: mean}
            )
        return scenes

    def _repeats(self, row: Row) -> dict[str, Any] | None:
        """Return how much the judge's overall scores differ when it is asked again; None for one repeat."""
        scores = row.overall_by_repeat
        asked_twice = scores[(~np.isnan(scores)).sum(axis=1) > 1]
        if not len(asked_twice):
            return None
        spread = np.nanvar(asked_twice, axis=1, ddof=1)
        between = float(np.var(np.nanmean(asked_twice, axis=1), ddof=1)) if len(asked_twice) > 1 else 0.0
        within, count = float(spread.mean()), float((~np.isnan(asked_twice)).sum(axis=1).mean())
        of_samples = max(between - within / count, 0.0)
        per_repeat = [
            self.scenes.theme_means(*self.scenes.sums(scores[:, [repeat]]))[0].mean()
            for repeat in range(scores.shape[1])
        ]
        whole = not np.isnan(per_repeat).any()
        return {
            "samples": len(asked_twice),
            "repeats": scores.shape[1],
            "sd_within": number(within**0.5),
            "moved": number(float((spread > 0).mean())),
            "icc": number(of_samples / (of_samples + within)) if of_samples + within else None,
            "sd_of_macro": number(float(np.std(per_repeat, ddof=1))) if whole else None,
        }


def number(value: float) -> float | None:
    """Return a number as documents have it: ten decimals, so that sums in another order look the same."""
    return None if np.isnan(value) else round(float(value), 10) + 0.0


def _some_but_not_all(scenes: Scenes, counts: Floats) -> npt.NDArray[np.bool_]:
    """Which means are of a part of a theme's judged samples alone, since the others are null there."""
    by_theme = scenes.in_theme(counts)
    some: npt.NDArray[np.bool_] = by_theme < by_theme.max(axis=1, keepdims=True)
    return some


def _over_repeats(scores: Floats) -> Floats:
    """Return the mean over the repeats that there are."""
    there = (~np.isnan(scores)).sum(axis=1)
    total = np.nansum(scores, axis=1)
    means: Floats = np.divide(total, there, np.full_like(total, np.nan), where=there > 0)
    return means


def _calibrated(verdict: Verdict, calibration: Calibration) -> tuple[Score, ...]:
    """What a verdict means on the scale of a calibration's reference; null where that is not known."""
    found: list[Score] = []
    for raw, dimension in zip(verdict.raw or (), calibration.rubric.dimensions, strict=True):
        curve, given = calibration.dimensions.get(dimension.key), raw
        if curve is not None and curve.measure is not None:
            given = (verdict.measures or {}).get(curve.measure)
        found.append(curve.at(given) if curve is not None and given is not None else None)
    return calibration.rubric.cap(found)


def _place(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.theme, verdict.subtheme, verdict.scene
