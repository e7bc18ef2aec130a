"""Which samples of a run are kept: its rules, replayed over what it recorded.

How it works
- Steps are replayed in their order, each file read once. A sample goes on when it has an outcome that did
  not fail and whose record passes `rules.judge`; a stored verdict is not trusted over the replay. The last
  line of an id counts. Outcomes behind a rejection may be there and are not looked at.
- Limits are those that the run recorded, or others that are given: a stricter or looser variant needs no
  model. A looser one has exactly the samples that pass and that were taken to the end; scores are as
  recorded, never recomputed (upstream's `overall` is a mean over passes).
- A `Selection` then takes some of what is kept: themes, ids, a core set.

A core set: a small subset with something of everything, best first.

How it works
- Themes take turns; in a theme its subthemes take turns, in a subtheme its scenes, and a scene gives its best
  pair that is left: highest score of the edited video, then of the edited first frame, then the lowest id.
  One that has no more to give is passed over.
- So every scene has as many pairs as every other of its subtheme, as far as there are that many, and so on
  upwards; and the core set of 500 is part of the core set of 1,000. Nothing is drawn by lot.
- Scores are compared within a scene only: scorers may differ between runs, tastes of a judge between scenes.
"""

from __future__ import annotations

import math
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sparkle._processes import collector_off
from sparkle._progress import count_text
from sparkle.builders.building.outcomes import Verdicts, judge_steps
from sparkle.builders.building.run import Run
from sparkle.builders.building.selection import Selection
from sparkle.builders.release.sample import SCORES, STREAMED, Sample, locate
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import RecordError, ReleaseError, RunError, command
from sparkle.schemas.ids import THEMES, theme_of
from sparkle.schemas.layout import KINDS, Kind
from sparkle.schemas.rules import Thresholds
from sparkle.schemas.stages import LAST_STAGE, STEP_BY_NAME, STEP_NAMES


@dataclass
class StepCount:
    """What became of the samples that reached a step: one row of the funnel."""

    step: str
    reached: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """The row as the `funnel` schema has it, reasons in the order of their names."""
        return {
            "step": self.step,
            "in": self.reached,
            "kept": self.kept,
            "rejected": dict(sorted(self.rejected.items())),
            "failed": dict(sorted(self.failed.items())),
        }


@dataclass(frozen=True)
class Replay:
    """A run's verdicts, taken again.

    Attributes:
        run: The run.
        thresholds: What its samples had to reach.
        samples: What is kept, sorted by id.
        funnel: One row a step, in order.
        pending: Samples that pass as far as they were taken but lack the outcome of a later step, as
            happens when thresholds were loosened after the run.
        lost: Id -> step, rejected or failed, and why; of every sample that ended on the way.
        measured: Every score and measure of the samples that came to its step, kept or not, by name.
        rejects: The samples that the last stage rejected, sorted by id.
    """

    run: Run
    thresholds: Thresholds
    samples: tuple[Sample, ...]
    funnel: tuple[StepCount, ...]
    pending: int
    lost: Mapping[str, tuple[str, str, str]]
    measured: Mapping[str, Sequence[float]]
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True)
class Reject:
    """A sample that passed every stage but the last.

    Attributes:
        id: Its id.
        run: Its run.
        source: The source file that it was made from.
        rule: The step that rejected it.
        score: Its score there, 0 to 10; None where the step gives none.
        normalise: The normalised clip.
        compose: The instruction and its metadata.
        artifacts: Content hash and size by the name of the kind.
    """

    id: str
    run: Run
    source: r.SourceRecord
    rule: str
    score: float | None
    normalise: r.NormaliseRecord
    compose: r.ComposeRecord
    artifacts: Mapping[str, r.ArtifactRef]

    def artifact(self, kind: Kind) -> Artifact:
        """Where an artifact's data is on this machine."""
        return locate(self.id, kind, self.artifacts[kind.name], self.run.folder, self.run.reclaimed)


@dataclass(frozen=True, slots=True)
class _Trail:
    """What a sample gathers from step to step."""

    records: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    artifacts: dict[str, r.ArtifactRef] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)

    def add(self, step: str, verdicts: Verdicts, index: int) -> None:
        """Take what a step that was passed leaves."""
        if verdicts.artifacts:
            self.artifacts.update(verdicts.artifacts[index])
        if verdicts.records:
            self.records[step] = verdicts.records[index]
        if step in SCORES:
            self.scores[SCORES[step]] = verdicts.numbers[SCORES[step]][index]
        if step in STREAMED:
            self.offsets[step] = verdicts.offsets[index]


@collector_off()
def replay(run: Run, limits: Mapping[str, float] | None = None) -> Replay:
    """Judge every sample of a run again.

    Args:
        run: The run.
        limits: Thresholds that differ from those that the run recorded, by name.

    Raises:
        RecordError: an outcome's line is bad; the error names file and line.
    """
    thresholds = replace(run.thresholds, **(limits or {}))
    alive = {sample_id: _Trail() for sample_id in run.candidates}
    measured: dict[str, array[float]] = {}
    funnel, pending = [], 0
    lost: dict[str, tuple[str, str, str]] = {}
    rejects: list[Reject] = []
    for step, verdicts in zip(
        STEP_NAMES, judge_steps(run.folder, len(run.candidates), thresholds), strict=True
    ):
        count = StepCount(step)
        last = _last_lines(run, step, verdicts, alive)
        for name, values in verdicts.numbers.items():
            known = (values[index] for index in last.values() if index < len(values))
            measured[name] = array("d", (value for value in known if not math.isnan(value)))
        pending += len(alive) - len(last)
        going_on = {}
        for sample_id, index in last.items():
            if index in verdicts.failed:
                count.failed[verdicts.failed[index]] += 1
                lost[sample_id] = (step, r.FAILED, verdicts.failed[index])
            elif index in verdicts.rejected:
                count.rejected[verdicts.rejected[index].partition(":")[0]] += 1
                lost[sample_id] = (step, r.REJECTED, verdicts.rejected[index])
                if STEP_BY_NAME[step].stage == LAST_STAGE:
                    rejects.append(_reject(run, sample_id, alive[sample_id], step, verdicts, index))
            else:
                trail = going_on[sample_id] = alive[sample_id]
                trail.add(step, verdicts, index)
        alive = going_on
        count.reached, count.kept = len(last), len(alive)
        funnel.append(count)
    samples = tuple(_sample(run, sample_id, alive[sample_id]) for sample_id in sorted(alive))
    rejects.sort(key=lambda reject: reject.id)
    return Replay(run, thresholds, samples, tuple(funnel), pending, lost, measured, tuple(rejects))


def _last_lines(run: Run, step: str, verdicts: Verdicts, alive: Mapping[str, Any]) -> dict[str, int]:
    """The index of the last line of each sample that is still there."""
    last = {}
    for index, sample_id in enumerate(verdicts.ids):
        if sample_id not in run.candidates:
            where = f"{run.folder / layout.outcomes(step)}:{index + 1}"
            raise RecordError(
                "an outcome of an unknown id", got=sample_id, wanted="a candidate's", where=where
            )
        if sample_id in alive:
            last[sample_id] = index
    return last


def kept_samples(
    replays: Sequence[Replay],
    selection: Selection | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Sample]:
    """Return the kept samples of several runs, or those of them that are selected, sorted by id.

    Args:
        replays: The runs.
        selection: What is taken; None takes everything.
        say: Receives how many samples the selection leaves out, and why.

    Raises:
        RunError: two runs gave the same id; the error names ids and both runs.
        RecordError: the selection names an id that no run knows.
        ReleaseError: no sample is left, or fewer than the core set is to have.
    """
    owner: dict[str, Run] = {}
    for found in replays:
        shared = sorted(owner.keys() & found.run.candidates.keys())
        if shared:
            raise RunError(
                "two runs gave the same ids",
                got=f"{', '.join(shared[:3])}{' ...' if len(shared) > 3 else ''} ({len(shared)} in all)",
                wanted="runs that number their samples apart",
                fix="generate one of them again with `--id-offset`, above the other's highest number, or "
                "generate its clips into the other's folder",
                where=f"{owner[shared[0]].folder} and {found.run.folder}",
            )
        owner.update(dict.fromkeys(found.run.candidates, found.run))
    samples = sorted((sample for found in replays for sample in found.samples), key=lambda sample: sample.id)
    passing, told = samples, ""
    passed = len(samples)
    if selection is not None:
        selection.check_known({name: run.candidates[name].source for name, run in owner.items()})
        reasons = {sample.id: selection.why_not(sample.id) for sample in samples}
        left_out = Counter(reason for reason in reasons.values() if reason is not None)
        samples = [sample for sample in samples if reasons[sample.id] is None]
        if selection.core is not None:
            left_out["not in the core set"] = max(0, len(samples) - selection.core)
            samples = core_set(samples, selection.core)
        told = ", ".join(f"{count:,} {reason}" for reason, count in sorted(left_out.items()) if count)
        say(f"left out of {count_text(passed, 'sample')} that pass: {told or 'none'}")
    if not samples:
        raise ReleaseError(
            "no sample is kept, so there is nothing to release",
            got=f"{count_text(len(owner), 'candidate')}, {passed:,} of which pass{told and f': {told}'}",
            wanted=_themes_there(selection, passing),
            where=", ".join(str(found.run.folder / layout.FUNNEL) for found in replays),
            fix=f"`{command('sparkle', 'stats', replays[0].run.folder)}` shows where samples were dropped",
        )
    return samples


def _themes_there(selection: Selection | None, samples: Sequence[Sample]) -> str | None:
    """Say which themes there are, where none of those that were chosen is."""
    there = sorted({theme_of(sample.id) for sample in samples}, key=THEMES.index)
    if selection is None or not selection.themes or set(there) & set(selection.themes):
        return None
    return f"samples of {', '.join(selection.themes)}; there are some of {', '.join(there) or 'no theme'}"


def check_artifacts(samples: Sequence[Sample]) -> None:
    """Make sure, before anything is packed, that every artifact is there and has its recorded size.

    Raises:
        RunError: an artifact is missing or has another size; the error names it.
    """
    fix = "`sparkle generate` on this run makes it again"
    for sample in samples:
        root = str(sample.folder)
        for kind in KINDS:
            path, wanted = os.path.join(root, kind.path(sample.id)), sample.artifacts[kind.name].size
            try:
                size = os.stat(path).st_size
            except FileNotFoundError:
                if _is_held(sample, kind):
                    continue
                raise RunError("an artifact of a kept sample is missing", where=path, fix=fix) from None
            if size != wanted:
                raise RunError(
                    "an artifact has another size than recorded",
                    got=f"{size} bytes",
                    wanted=f"{wanted} bytes",
                    where=path,
                    fix=fix,
                )


def _is_held(sample: Sample, kind: Kind) -> bool:
    """Whether a tar holds an artifact for the run, and is long enough."""
    artifact = sample.artifact(kind)
    if not artifact.offset:
        return False
    try:
        return Path(artifact.file).stat().st_size >= artifact.end
    except FileNotFoundError:
        return False


def _reject(run: Run, sample_id: str, trail: _Trail, step: str, verdicts: Verdicts, index: int) -> Reject:
    return Reject(
        id=sample_id,
        run=run,
        source=_source(run, sample_id),
        rule=step,
        score=verdicts.numbers[SCORES[step]][index] if step in SCORES else None,
        normalise=trail.records["normalise"],
        compose=trail.records["compose"],
        artifacts=trail.artifacts,
    )


def _source(run: Run, sample_id: str) -> r.SourceRecord:
    candidate = run.candidates[sample_id]
    source = run.sources.get(candidate.source)
    if source is None:
        raise RunError(
            "the source of a candidate is not in the run",
            got=candidate.source,
            where=f"{run.folder / layout.SOURCES}, candidate {sample_id}",
        )
    return source


def _sample(run: Run, sample_id: str, trail: _Trail) -> Sample:
    return Sample(
        id=sample_id,
        folder=run.folder,
        reclaimed=run.reclaimed,
        candidate=run.candidates[sample_id],
        source=_source(run, sample_id),
        **trail.records,
        scores=trail.scores,
        artifacts=trail.artifacts,
        offsets=trail.offsets,
    )


# --- a core set ------------------------------------------------------------------------------------


def core_set(samples: Sequence[Sample], size: int) -> list[Sample]:
    """The core set of `size` samples, sorted by id.

    Raises:
        ReleaseError: there are fewer samples than that.
    """
    if len(samples) < size:
        raise ReleaseError(
            f"a core set of {size:,} was asked for, but only {len(samples):,} can be chosen",
            got=len(samples),
            wanted=size,
            fix=f"--core {len(samples)} or less, or looser thresholds",
        )
    return sorted(islice(_in_turn(samples, 0), size), key=lambda sample: sample.id)


def _in_turn(samples: Iterable[Sample], level: int) -> Iterator[Sample]:
    """Samples in the order in which a core set takes them; level 0 is themes, 2 scenes."""
    if level == 3:
        yield from sorted(samples, key=_worth)
        return
    groups: dict[tuple[int, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault(_group(sample, level), []).append(sample)
    turns = [_in_turn(groups[key], level + 1) for key in sorted(groups)]
    while turns:
        left = []
        for turn in turns:
            if (best := next(turn, None)) is not None:
                yield best
                left.append(turn)
        turns = left


def _group(sample: Sample, level: int) -> tuple[int, str]:
    """What sorts a sample into its theme, subtheme or scene; those of a free prompt are all one."""
    if level == 0:
        return THEMES.index(sample.theme), ""
    return 0, (sample.subtheme if level == 1 else sample.scene) or ""


def _worth(sample: Sample) -> tuple[float, float, str]:
    return -sample.scores["edited_video"], -sample.scores["edited_frame0"], sample.id
