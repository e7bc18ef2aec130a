"""A calibration is made: pairs of verdicts on the same edits become a monotone map per dimension.

How it works
- Pairs are joined by bench, model and sample; repeats and raters count by their mean, raw, before the cap.
- A map is an isotonic regression, scored out of fold: scenes are in folds, and what is said of a pair comes
  of the others' scenes. The map in the file is of all pairs.
- A judge's own score of a dimension may only rise with the reference; a measure may also fall, as its rank
  correlation says.
- Fewer than a hundred pairs of a dimension are refused: they make a map of noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparkle._extras import install
from sparkle.builders.bench.correlation import moments, quadratic_kappa, spearman
from sparkle.builders.bench.resampling import Floats, Ints, Scenes
from sparkle.builders.bench.tables import number
from sparkle.builders.bench.verdicts import VerdictFile, read_verdicts
from sparkle.schemas.calibration import (
    FORMAT,
    SETTING,
    VERSION,
    Agreement,
    Calibration,
    Curve,
    uncalibrated,
)
from sparkle.schemas.canonical import fingerprint, plain
from sparkle.schemas.errors import ConfigError, ReleaseError
from sparkle.schemas.rubric import Rubric

LEAST_PAIRS = 100
FOLDS = 5
_RESAMPLES = 2000
_SEED_DIGITS = 15

Place = tuple[str, str, str]  # bench, model, sample


def calibrate(
    files: Sequence[Path], against: Sequence[Path], *, measures: Mapping[str, str] | None = None
) -> Calibration:
    """Make a calibration.

    Args:
        files: Files of verdicts of the judge.
        against: Files of verdicts of the reference: another judge, or people.
        measures: Dimensions whose map is of a measure of the judge, with its name.

    Raises:
        ReleaseError: a file cannot be read, or has lines that do not count; files are of several judges or
            scales; there are too few pairs or scenes.
        ConfigError: a dimension or a measure is unknown, or the extra `bench` is not installed.
    """
    judge, reference = _Side(files, measures or {}), _Side(against, {})
    if not _same_scale(judge.rubric, reference.rubric):
        raise ReleaseError(
            "the two judges do not score the same dimensions on the same scale",
            got=f"{judge.rubric.name} and {reference.rubric.name}",
            wanted="one rubric",
        )
    digest = fingerprint([judge.sha256, reference.sha256])
    curves = {}
    for index, dimension in enumerate(judge.rubric.dimensions):
        pairs = _Pairs.join(judge.values(index), reference.values(index), judge.scenes | reference.scenes)
        if pairs is None:
            continue  # a dimension that one of them never says
        if len(pairs.given) < LEAST_PAIRS or len(pairs.theme) < FOLDS:
            raise ReleaseError(
                "too few pairs of verdicts for a calibration",
                got=f"{dimension.key}: {len(pairs.given)} pairs of {len(pairs.theme)} scenes",
                wanted=f"at least {LEAST_PAIRS} pairs of {FOLDS} scenes",
            )
        if dimension.key not in judge.measures and SETTING in (judge.identity.settings or {}):
            raise ReleaseError(
                "these scores are calibrated already",
                got=f"{dimension.key} by {judge.name}",
                wanted="a measure of it, or verdicts without a calibration",
            )
        seed = int(fingerprint([digest, dimension.key])[:_SEED_DIGITS], 16)
        curves[dimension.key] = pairs.curve(judge.measures.get(dimension.key), judge.rubric, seed)
    if not curves:
        raise ReleaseError(
            "the two judges have no edits in common",
            got=f"{judge.name} and {reference.name}",
            wanted="verdicts on the same samples of the same models",
        )
    return Calibration(
        format=FORMAT,
        version=VERSION,
        rubric=judge.rubric,
        judge=uncalibrated(judge.identity),
        reference=reference.identity,
        folds=FOLDS,
        verdicts=(tuple(judge.sha256), tuple(reference.sha256)),
        dimensions=curves,
    )


def _same_scale(a: Rubric, b: Rubric) -> bool:
    keys = ([dimension.key for dimension in rubric.dimensions] for rubric in (a, b))
    return next(keys) == next(keys) and (a.lowest, a.highest) == (b.lowest, b.highest)


class _Side:
    """The verdicts of one judge."""

    def __init__(self, paths: Sequence[Path], measures: Mapping[str, str]) -> None:
        self._files = [read_verdicts(path) for path in paths]
        for file in self._files:
            for finding in file.findings:
                raise ReleaseError("a line of the verdicts does not count", got=str(finding))
        first = self._files[0].head
        for file in self._files:
            if plain(file.head.judge) != plain(first.judge) or plain(file.head.rubric) != plain(first.rubric):
                raise ReleaseError(
                    "files of several judges",
                    got=f"{file.head.judge.name}, {file.head.rubric.name}",
                    wanted=f"{first.judge.name}, {first.rubric.name}, with the same settings",
                    where=file.name,
                )
        self.identity, self.rubric, self.name = first.judge, first.rubric, first.judge.name
        self.sha256 = sorted(file.sha256 for file in self._files)
        self.measures = dict(measures)
        self._require_measures(self._files)
        self.scenes = {
            _place(file, verdict.id): (verdict.theme, verdict.subtheme, verdict.scene or verdict.id)
            for file in self._files
            for verdict in file.verdicts
        }

    def _require_measures(self, files: Sequence[VerdictFile]) -> None:
        keys = [dimension.key for dimension in self.rubric.dimensions]
        known = sorted(
            {name for file in files for verdict in file.verdicts for name in verdict.measures or ()}
        )
        for key, measure in self.measures.items():
            if key not in keys:
                raise ConfigError("no such dimension", got=key, wanted=", ".join(keys))
            if measure not in known:
                raise ConfigError(
                    "no such measure", got=measure, wanted=", ".join(known) or "verdicts with some"
                )

    def values(self, index: int) -> dict[Place, float]:
        """What it says of each edit in a dimension."""
        several: dict[Place, list[float]] = {}
        measure = self.measures.get(self.rubric.dimensions[index].key)
        for file in self._files:
            for verdict in file.verdicts:
                if measure is not None:
                    value = (verdict.measures or {}).get(measure)
                else:
                    value = verdict.raw[index] if verdict.raw is not None else None
                if value is not None:
                    several.setdefault(_place(file, verdict.id), []).append(float(value))
        return {place: sum(values) / len(values) for place, values in several.items()}


def _place(file: VerdictFile, sample_id: str) -> Place:
    return file.head.bench.revision, file.head.model, sample_id


@dataclass(frozen=True)
class _Pairs:
    """What two judges say of the same edits; `scene` is the number of each one's scene, `theme` of scenes."""

    given: Floats
    wanted: Floats
    scene: Ints
    theme: Ints

    @classmethod
    def join(
        cls, ours: Mapping[Place, float], theirs: Mapping[Place, float], scenes: Mapping[Place, Any]
    ) -> _Pairs | None:
        """Join by edit, in an order of its own; None of nothing."""
        both = sorted(ours.keys() & theirs.keys())
        if not both:
            return None
        numbers = {scene: at for at, scene in enumerate(sorted({scenes[place] for place in both}))}
        themes = {theme: at for at, theme in enumerate(dict.fromkeys(scene[0] for scene in numbers))}
        return cls(
            np.array([ours[place] for place in both]),
            np.array([theirs[place] for place in both]),
            np.array([numbers[scenes[place]] for place in both]),
            np.array([themes[scene[0]] for scene in numbers]),
        )

    def curve(self, measure: str | None, rubric: Rubric, seed: int) -> Curve:
        """Return the map of all pairs, and how good maps of that kind are on scenes that they do not know."""
        scenes = Scenes(theme=self.theme, scene=self.scene, seed=seed, resamples=_RESAMPLES)
        found, span = spearman(scenes, self.scene, self.given, self.wanted)
        rises = measure is None or found is None or found >= 0
        fold = self._folds(seed)
        out = np.empty_like(self.wanted)
        for left_out in range(FOLDS):
            inside = fold == left_out
            if inside.any():
                knots = _isotonic(self.given[~inside], self.wanted[~inside], rises=rises)
                out[inside] = np.interp(self.given[inside], *knots)
        given, meant = _isotonic(self.given, self.wanted, rises=rises)
        low, high = span or (None, None)
        return Curve(
            measure=measure,
            given=tuple(given.tolist()),
            meant=tuple(round(value, 6) for value in meant.tolist()),
            pairs=len(self.given),
            scenes=len(self.theme),
            before=None if measure is not None else _agreement(self.given, self.wanted, rubric),
            after=_agreement(out, self.wanted, rubric),
            spearman=found,
            spearman_interval=None if low is None or high is None else (low, high),
        )

    def _folds(self, seed: int) -> Ints:
        """Return the fold of each pair: scenes in turns, the largest first, so that folds are alike."""
        sizes = np.bincount(self.scene, minlength=len(self.theme))
        random = np.random.Generator(np.random.PCG64(seed))
        order = np.lexsort([random.permutation(len(sizes)), -sizes])
        of_scene = np.empty(len(sizes), np.int64)
        of_scene[order] = np.arange(len(sizes)) % FOLDS
        found: Ints = of_scene[self.scene]
        return found


def _isotonic(given: Floats, wanted: Floats, *, rises: bool) -> tuple[Floats, Floats]:
    """Return the corners of a monotone map."""
    try:
        from scipy.optimize import isotonic_regression
    except ImportError as error:
        raise ConfigError("calibrating needs further libraries", got=error, fix=install("bench")) from None
    values, at, counts = np.unique(given, return_inverse=True, return_counts=True)
    means = np.bincount(at, weights=wanted) / counts
    fitted = np.asarray(isotonic_regression(means, weights=counts, increasing=rises).x)
    corner = np.ones(len(values), bool)
    corner[1:-1] = (fitted[1:-1] != fitted[:-2]) | (fitted[1:-1] != fitted[2:])
    return values[corner], fitted[corner]


def _agreement(said: Floats, wanted: Floats, rubric: Rubric) -> Agreement:
    off = said - wanted
    whole = [np.rint(np.clip(side, rubric.lowest, rubric.highest)) for side in (said, wanted)]
    kappa = number(quadratic_kappa(moments(*whole).sum(axis=0)[None])[0])
    return Agreement(round(float(np.abs(off).mean()), 6), round(float(off.mean()) + 0.0, 6), kappa)
