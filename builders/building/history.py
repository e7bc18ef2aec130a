"""What happened to the samples of a run: every step of one, and which of them were not kept and why.

`read_history` reads lines as they are, also those of an unfinished run; of several for a sample the last one
counts. `read_lost` replays the rules of a finished run, as a build does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sparkle._files import read_records
from sparkle._run_folder import Reclaimed
from sparkle.builders.building.replay import replay
from sparkle.builders.building.run import read_config, read_run
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.errors import RunError, command
from sparkle.schemas.load import load
from sparkle.schemas.rules import ASKED, Thresholds, video_score
from sparkle.schemas.stages import STEPS, StepInfo

_FEWEST_DIGITS = 8  # of a sha256 that names a source


@dataclass(frozen=True)
class StepHistory:
    """A sample in one step.

    Attributes:
        step: The step.
        stage: Its stage in the paper; 0 is before them.
        status: kept, rejected or failed; None where the sample did not come to the step.
        why: The rule's reason or the failure's problem; None where it was kept.
        measured: Numbers of its record, by name.
        limits: What the run asked of them: name -> least and most; None where it asked for none.
        files: What it made: kind -> a file, or a tar of a release that has it.
    """

    step: str
    stage: int
    status: str | None = None
    why: str | None = None
    measured: dict[str, float] = field(default_factory=dict)
    limits: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SampleHistory:
    """A sample of a run.

    Attributes:
        id: Its id.
        theme: Its theme.
        source: The file that it is made of.
        prompt: The instruction; None before one was composed.
        steps: Every step, in order.
    """

    id: str
    theme: str
    source: r.SourceRecord
    prompt: str | None
    steps: tuple[StepHistory, ...]

    @property
    def verdict(self) -> str:
        """What became of it, in a sentence."""
        ended = next((step for step in self.steps if step.status in (r.REJECTED, r.FAILED)), None)
        if ended is not None:
            return f"{ended.status} at {ended.step}: {ended.why}"
        waiting = next((step.step for step in self.steps if step.status is None), None)
        return "kept" if waiting is None else f"not finished: {waiting} comes next"

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return asdict(self) | {"source": {"path": self.source.path, "sha256": self.source.sha256}}


def read_history(run: Path, name: str) -> list[SampleHistory]:
    """Return the samples of a run that a name means, in the order of ids.

    Args:
        run: The run's folder; the run may be unfinished.
        name: An id, its number, the path or file name of a source, or the first digits of its sha256.

    Raises:
        RunError: the folder is no run, or nothing in it has this name.
        RecordError: a line is bad; the error names file and line.
    """
    thresholds = load(Thresholds, read_config(run / layout.RUN_CONFIG).get("thresholds", {}))
    sources = {found.sha256: found for _, found in read_records(run / layout.SOURCES, r.SourceRecord)}
    candidates = [found for _, found in read_records(run / layout.CANDIDATES, r.Candidate)]
    chosen = [found for found in candidates if _means(name, found, sources[found.source])]
    if not chosen:
        raise RunError(
            "no sample of the run has this name",
            got=name,
            wanted="an id, its number, the file name of a source, or the first digits of its sha256",
            where=run,
            fix=f"`{command('sparkle', 'stats', run, '--rejected')}` lists what was not kept",
        )
    outcomes = read_outcomes(run, {found.id for found in chosen})
    reclaimed = Reclaimed(run)
    histories = []
    for found in sorted(chosen, key=lambda candidate: candidate.id):
        steps = [
            StepHistory(info.name, info.stage)
            if (outcome := outcomes.get((info.name, found.id))) is None
            else _step(reclaimed, run, info, outcome, thresholds)
            for info in STEPS
        ]
        composed = outcomes.get(("compose", found.id))
        prompt = ((composed and composed.record) or {}).get("prompt", found.prompt)
        histories.append(SampleHistory(found.id, found.theme, sources[found.source], prompt, tuple(steps)))
    return histories


@dataclass(frozen=True)
class Lost:
    """A sample that a run did not keep: where its source is, at which step it ended, and why."""

    id: str
    source: str
    step: str
    status: str
    why: str


def read_lost(run: Path) -> list[Lost]:
    """Return what a finished run did not keep, in the order of ids; raises as `read_run` and `replay` do."""
    found = replay(read_run(run))
    candidates, sources = found.run.candidates, found.run.sources
    return [
        Lost(sample_id, sources[candidates[sample_id].source].path, *found.lost[sample_id])
        for sample_id in sorted(found.lost)
    ]


def _means(name: str, candidate: r.Candidate, source: r.SourceRecord) -> bool:
    if name.isdecimal() and len(name) < _FEWEST_DIGITS:
        return int(candidate.id.rpartition("_")[2]) == int(name)
    path = Path(source.path)
    hashed = len(name) >= _FEWEST_DIGITS and source.sha256.startswith(name.lower())
    return hashed or name in (candidate.id, path.name, source.path) or Path(name).absolute() == path


def read_outcomes(run: Path, ids: Collection[str]) -> dict[tuple[str, str], r.AnyOutcome]:
    """Return the last outcome of each step and sample, also of an unfinished run."""
    found = {}
    for info in STEPS:
        path = run / layout.outcomes(info.name)
        for _, outcome in read_records(path, r.AnyOutcome) if path.is_file() else ():
            if outcome.id in ids:
                found[info.name, outcome.id] = outcome
    return found


def _step(
    reclaimed: Reclaimed, run: Path, info: StepInfo, outcome: r.AnyOutcome, thresholds: Thresholds
) -> StepHistory:
    files = {}
    for name, ref in outcome.artifacts.items():
        kind = layout.KIND_BY_NAME[name]
        held = reclaimed.find(kind, outcome.id, ref)
        files[name] = (
            f"{run / held.file} from byte {held.offset:,}" if held else str(run / kind.path(outcome.id))
        )
    limits = {
        number: (_limit(thresholds, least), _limit(thresholds, most))
        for number, (least, most) in ASKED.get(info.name, {}).items()
    }
    why = outcome.reason if outcome.error is None else outcome.error["problem"]
    measured = dict(_numbers(info.name, outcome.record))
    return StepHistory(info.name, info.stage, outcome.status, why, measured, limits, files)


def _limit(thresholds: Thresholds, name: str | None) -> float | None:
    return None if name is None else getattr(thresholds, name)


def _numbers(step: str, record: Any) -> Iterator[tuple[str, float]]:
    if step == "video_score" and record:
        yield "overall", video_score(load(r.VideoScore, record))
    for name, value in (record or {}).items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value
