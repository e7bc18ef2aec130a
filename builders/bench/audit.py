"""What a judge can see, by its verdicts on controls: dose-response, leak, and what it is fit for.

- What counts is raw, before the cap: one dimension is harmed at a time, and the cap would lower the others.
- Of each damage: the rank correlation of its strength with how far the score fell below that of the same
  sample untouched (0 at no strength), with its interval over scenes; and how likely an untouched edit scores
  above one that is harmed most (AUC; half where they are alike).
- Leak is how far the other dimensions fell on average at the strongest grade, as a share of how far its own
  did. One says that the judge cannot tell dimensions apart.
- A judge is fit for a dimension if it passes every bar there, with every damage: who sees that a subject
  stands still and not that it walks backwards is not fit for its motion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparkle.builders.bench.audited import (
    BARS,
    FORMAT,
    VERSION,
    Audit,
    Check,
    DamageSeen,
    Fitness,
    JudgeAudit,
    RepeatSpread,
    Response,
    judge_key,
)
from sparkle.builders.bench.controls import (
    SOURCE,
    SWAPPED,
    TWICE,
    UNTOUCHED,
    Control,
    Controls,
    read_controls,
)
from sparkle.builders.bench.correlation import ranks, spearman
from sparkle.builders.bench.resampling import Floats, Scenes
from sparkle.builders.bench.tables import number
from sparkle.builders.bench.verdicts import VerdictFile, read_verdicts
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.errors import ReleaseError

VERDICTS = "verdicts"
_INSTRUCTION = "instruction"
_RESAMPLES = 2000
_LESS = 1e-9
_SEED_DIGITS = 15


def verdict_files(folder: Path) -> list[Path]:
    """The files of verdicts on the controls of a folder."""
    return sorted((folder / VERDICTS).rglob("*.jsonl"))


def make_audit(folder: Path, files: Sequence[Path]) -> Audit:
    """Audit judges by their verdicts on controls.

    Args:
        folder: The folder of the controls.
        files: Files of verdicts, of one or several judges; `model` is the control.

    Raises:
        ReleaseError: a file cannot be read, has lines that do not count, or is of something else; or two are
            of one judge and control.
    """
    controls = read_controls(folder)
    known = {control.name: control for control in controls.controls}
    judges: dict[str, dict[str, VerdictFile]] = {}
    for path in files:
        file = read_verdicts(path)
        for finding in file.findings:
            raise ReleaseError("a line of the verdicts does not count", got=str(finding))
        control = known.get(file.head.model)
        if control is None or control.bench != file.head.bench.revision:
            raise ReleaseError(
                "these verdicts are on no control of this audit",
                got=f"{file.head.model} of bench {file.head.bench.revision}",
                wanted=f"one of its controls, such as {UNTOUCHED}, as they are now",
                where=path,
                fix="take the file away, or make the controls in another folder",
            )
        same = judges.setdefault(judge_key(file.head), {})
        if earlier := same.get(file.head.model):
            raise ReleaseError(
                "two files have verdicts on the same control by the same judge",
                got=f"{earlier.name} and {file.name}: {file.head.model} by {file.head.judge.name}",
                wanted="one file per control and judge",
            )
        same[file.head.model] = file
    audited = [_Judge(controls, of).audit() for of in judges.values()]
    return Audit(
        format=FORMAT,
        version=VERSION,
        made_of=controls.made_of,
        seed=controls.seed,
        samples=controls.samples,
        bars=BARS,
        judges=tuple(sorted(audited, key=lambda judge: (judge.judge.name, judge_key(judge)))),
    )


_Interval = tuple[float | None, float | None]


@dataclass(frozen=True)
class _Fall:
    """By how much a damage lowered scores: samples x grades x dimensions, NaN where nothing is known."""

    name: str
    dimension: str
    by: Floats


class _Judge:
    """One judge's verdicts on controls."""

    def __init__(self, controls: Controls, files: Mapping[str, VerdictFile]) -> None:
        self._controls, self._files = controls, files
        self._head = next(iter(files.values())).head
        self._keys = [dimension.key for dimension in self._head.rubric.dimensions]
        self._at = {sample_id: index for index, sample_id in enumerate(controls.samples)}
        self._scores = {name: self._read(file) for name, file in files.items()}
        self._scenes = self._read_scenes()
        self._falls = self._read_falls()

    def _read(self, file: VerdictFile) -> Floats:
        """Return raw scores, samples x dimensions, as means over repeats."""
        several: dict[int, list[Floats]] = {}
        for verdict in file.verdicts:
            if verdict.raw is not None and verdict.id in self._at:
                row = np.array([np.nan if score is None else score for score in verdict.raw], float)
                several.setdefault(self._at[verdict.id], []).append(row)
        found = np.full((len(self._at), len(self._keys)), np.nan)
        for index, rows in several.items():
            found[index] = np.mean(rows, axis=0)
        return found

    def _read_scenes(self) -> Scenes:
        names = dict.fromkeys(self._at)
        scenes = {sample_id: sample_id for sample_id in names}
        for file in self._files.values():
            for verdict in file.verdicts:
                if verdict.id in scenes and verdict.scene:
                    scenes[verdict.id] = f"{verdict.theme}/{verdict.subtheme}/{verdict.scene}"
        numbers = {scene: index for index, scene in enumerate(dict.fromkeys(scenes.values()))}
        digest = fingerprint(sorted(file.sha256 for file in self._files.values()))
        return Scenes(
            theme=np.zeros(len(numbers), np.int64),
            scene=np.array([numbers[scenes[sample_id]] for sample_id in names]),
            seed=int(digest[:_SEED_DIGITS], 16),
            resamples=_RESAMPLES,
        )

    def _read_falls(self) -> list[_Fall]:
        graded: dict[str, list[Control]] = {}
        for control in self._controls.controls:
            if control.damage is not None and control.dimension in self._keys:
                graded.setdefault(control.damage, []).append(control)
        nothing = np.full((len(self._at), len(self._keys)), np.nan)
        falls = []
        for damage, grades in graded.items():
            by = []
            for control in sorted(grades, key=lambda control: control.strength or 0):
                fell = self._scores.get(UNTOUCHED, nothing) - self._scores.get(control.name, nothing)
                fell[[self._at[sample_id] for sample_id in control.void]] = np.nan
                by.append(fell)
            falls.append(_Fall(damage, grades[0].dimension or "", np.stack(by, axis=1)))
        return falls

    def audit(self) -> JudgeAudit:
        """Everything that is found."""
        verdicts = [verdict for file in self._files.values() for verdict in file.verdicts]
        without = [verdict for verdict in verdicts if verdict.status != "ok"]
        reasons = Counter(f"{verdict.status}: {verdict.reason}" for verdict in without)
        failed = sum(verdict.status == "failed" for verdict in verdicts)
        share, checks = failed / max(1, len(verdicts)), self._checks()
        damages = {fall.name: DamageSeen(fall.dimension, self._response([fall])) for fall in self._falls}
        return JudgeAudit(
            judge=self._head.judge,
            rubric=self._head.rubric,
            verdicts={name: file.sha256 for name, file in sorted(self._files.items())},
            not_judged=tuple(
                control.name for control in self._controls.controls if control.name not in self._files
            ),
            asked=len(verdicts),
            failed=failed,
            reasons=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
            checks=checks,
            repeats=self._repeats(),
            damages=damages,
            dimensions={key: self._fitness(key, damages, checks, share) for key in self._keys},
        )

    def _response(self, falls: Sequence[_Fall]) -> Response:
        """Return how the judge answers to damages of one dimension."""
        index = self._keys.index(falls[0].dimension)
        strengths, fell, samples = [], [], []
        for fall in falls:
            own = fall.by[:, :, index]
            known = np.flatnonzero(~np.isnan(own).all(axis=1))
            with_none = np.column_stack([np.zeros(len(own)), own])[known]
            grades = np.arange(with_none.shape[1], dtype=float)
            strengths.append(np.broadcast_to(grades, with_none.shape).ravel())
            fell.append(with_none.ravel())
            samples.append(np.repeat(known, len(grades)))
        x, y, at = (np.concatenate(parts) for parts in (strengths, fell, samples))
        there = ~np.isnan(y)
        found, low_high = self._spearman(x[there], y[there], at[there])
        fallen = self._fell(falls)
        return Response(
            samples=len(set(at.tolist())),
            spearman=found,
            interval=low_high,
            auc=self._auc(falls, index),
            leak=_leak(fallen, falls[0].dimension),
            fell=fallen,
        )

    def _spearman(self, x: Floats, y: Floats, at: Any) -> tuple[float | None, _Interval | None]:
        """Return the rank correlation of strength and fall, and its interval; 0 for what never changes."""
        if len(x) < 3:
            return None, None
        if len(set(y.tolist())) < 2:
            return 0.0, None
        return spearman(self._scenes, self._scenes.scene[at], x, y)

    def _auc(self, falls: Sequence[_Fall], index: int) -> float | None:
        """Return how likely an untouched edit scores above one that is harmed most."""
        untouched = self._scores.get(UNTOUCHED)
        if untouched is None:
            return None
        plain_scores = untouched[:, index][~np.isnan(untouched[:, index])]
        harmed = np.concatenate([untouched[:, index] - fall.by[:, -1, index] for fall in falls])
        harmed = harmed[~np.isnan(harmed)]
        if not len(plain_scores) or not len(harmed):
            return None
        above = ranks(np.concatenate([plain_scores, harmed]))[: len(plain_scores)]
        least = len(plain_scores) * (len(plain_scores) + 1) / 2
        return number((float(above.sum()) - least) / (len(plain_scores) * len(harmed)))

    def _fell(self, falls: Sequence[_Fall]) -> dict[str, float | None]:
        """Return by how much each dimension fell on average at the strongest grade."""
        strongest = np.concatenate([fall.by[:, -1] for fall in falls])
        known = ~np.isnan(strongest)
        count, total = known.sum(axis=0), np.where(known, strongest, 0).sum(axis=0)
        return {
            key: number(total[at] / count[at]) if count[at] else None for at, key in enumerate(self._keys)
        }

    def _fitness(
        self, key: str, damages: Mapping[str, DamageSeen], checks: Mapping[str, Check], failed: float
    ) -> Fitness:
        falls = [fall for fall in self._falls if fall.dimension == key]
        if not falls:
            return Fitness(False, ("no control harms it",))
        response, index = self._response(falls), self._keys.index(key)
        if all(np.isnan(scores[:, index]).all() for scores in self._scores.values()):
            return Fitness(False, ("says nothing of it",), response)
        reasons = [_unseen(fall.name, damages[fall.name].response) for fall in falls]
        if key == _INSTRUCTION:
            reasons += _mistaken(checks)
        if response.leak is not None and response.leak > BARS.leak:
            reasons.append(f"does not tell it from other dimensions (leak {response.leak:.2f})")
        if failed > BARS.failed:
            reasons.append(f"has no answer in {100 * failed:.0f} % of verdicts")
        found = tuple(reason for reason in reasons if reason)
        return Fitness(not found, found, response)

    # --- checks

    def _checks(self) -> dict[str, Check]:
        """Return in how many samples the judge passes each check."""
        lowest = self._head.rubric.lowest
        at = {key: index for index, key in enumerate(self._keys)}
        nothing = np.full((len(self._at), len(self._keys)), np.nan)
        of = {name: self._scores.get(name, nothing) for name in (UNTOUCHED, SOURCE, SWAPPED, TWICE)}
        instruction = at.get(_INSTRUCTION, 0)
        subject = [at[key] for key in ("fg_integrity", "fg_motion") if key in at]
        same = (of[TWICE][:, subject] - of[UNTOUCHED][:, subject]).min(axis=1, initial=np.inf)
        values = {
            SOURCE: lowest - of[SOURCE][:, instruction],
            SWAPPED: of[UNTOUCHED][:, instruction] - of[SWAPPED][:, instruction] - _LESS,
            TWICE: np.where(np.isfinite(same), same, np.nan),
        }
        known = {name: found[~np.isnan(found)] for name, found in values.items()}
        return {name: Check(int((found >= 0).sum()), len(found)) for name, found in known.items()}

    def _repeats(self) -> RepeatSpread | None:
        """Return how much raw scores differ when the judge is asked again, by dimension."""
        several: dict[tuple[str, str], list[Floats]] = {}
        for name, file in self._files.items():
            for verdict in file.verdicts:
                if verdict.raw is not None:
                    row = np.array([np.nan if score is None else score for score in verdict.raw], float)
                    several.setdefault((name, verdict.id), []).append(row)
        spreads = np.array([np.var(rows, axis=0, ddof=1) for rows in several.values() if len(rows) > 1])
        if not len(spreads):
            return None
        known = ~np.isnan(spreads).all(axis=0)
        of = {}
        for at, key in enumerate(self._keys):
            of[key] = number(float(np.nanmean(spreads[:, at])) ** 0.5) if known[at] else None
        return RepeatSpread(len(spreads), of, float((spreads > 0).any(axis=1).mean()))


def _unseen(damage: str, response: Response) -> str:
    """Why a judge is said not to see a damage; nothing where it does."""
    if response.samples < BARS.samples:
        return f"{damage} is judged on {response.samples} samples, and {BARS.samples} is the least"
    spearman, auc = response.spearman or 0, response.auc or 0
    if spearman >= BARS.spearman and auc >= BARS.auc:
        return ""
    return f"does not see {damage} (Spearman {spearman:.2f}, AUC {auc:.2f})"


def _mistaken(checks: Mapping[str, Check]) -> list[str]:
    """What a judge takes for an edit that is none."""
    named = ((SOURCE, "an unedited clip"), (SWAPPED, "source and edit swapped"))
    return [
        f"takes {words} for an edit in {checks[name].of - checks[name].passed} of {checks[name].of} samples"
        for name, words in named
        if (share := checks[name].share) is not None and share < BARS.checks
    ]


def _leak(fell: Mapping[str, float | None], own: str) -> float | None:
    """How far the others fell, as a share of how far its own dimension did; None where that did not fall."""
    others = [max(value, 0.0) for key, value in fell.items() if key != own and value is not None]
    fall = fell[own]
    return number(sum(others) / len(others) / fall) if others and fall is not None and fall > 0 else None
