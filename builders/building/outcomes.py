"""The lines of a run's `outcomes/<step>.jsonl`, read by the million.

How it works
- A line is decoded straight into its step's record (msgspec), which checks keys and types, and the rest of
  the schema is checked here. A line that passes is one that the schema accepts; of any other this says
  nothing, and the schemas' own reading decides, which names what is wrong.
- Decoders take the last of two equal keys, and leave out keys that a record has not, without a word. So the
  record is written again and quotes are counted: either would have left the line with more of them.

What the lines of a run's outcomes come to: verdicts, scores and what else is needed of them, in columns.

- A step's lines are judged apart from other steps': which samples got that far is the replay's to say.
- Of a large run the longest files, whose records stay where they are, are judged by other processes while
  this one takes the rest. Columns are what goes between them: a few megabytes a step.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, BinaryIO, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from sparkle._processes import collector_off, cpus, pool_of
from sparkle.builders.building.run import R, parse_line
from sparkle.builders.release.sample import SCORES, Words
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.errors import RecordError
from sparkle.schemas.ids import ID_PATTERN
from sparkle.schemas.records import Record
from sparkle.schemas.rules import Thresholds, judge, video_score
from sparkle.schemas.stages import STEP_BY_NAME, STEP_NAMES
from sparkle.schemas.validate import MAX_LINE_BYTES

T = TypeVar("T")

_Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_ID = re.compile(ID_PATTERN)
_SHA256 = re.compile("[0-9a-f]{64}")


class Told(Struct, frozen=True, gc=False):
    """What a step said of a sample: its record and artifacts, or the problem that it failed with."""

    id: str
    artifacts: Mapping[str, r.ArtifactRef]
    record: Record | None
    problem: str | None


class _Line(Struct, Generic[T], forbid_unknown_fields=True, gc=False):
    """A line of outcomes with its step's record."""

    id: str
    fingerprint: _Sha256
    status: str
    artifacts: dict[str, r.ArtifactRef]
    reason: str | UnsetType = UNSET
    error: dict[str, str] | UnsetType = UNSET
    record: T | UnsetType = UNSET


# (line, where) -> what it says; `where` gives file and line when something is wrong.
OutcomeReader = Callable[[bytes, Callable[[], str]], Told]


def outcome_reader(step: str) -> OutcomeReader:
    """The function that reads a step's lines.

    It raises RecordError, with what `where` gives, for a line that is not strict JSON or does not follow the
    `outcome` schema and the step's record.
    """
    kind = r.STEP_RECORDS[step]
    decode = msgspec.json.Decoder(_Line[kind]).decode  # type: ignore[valid-type]  # known when it runs
    encode = msgspec.json.Encoder().encode

    def read(line: bytes, where: Callable[[], str]) -> Told:
        try:
            found: _Line[Record] = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _read_slowly(line, kind, where())
        if not (_is_whole(found) and _is_strict(line, encode(found))):
            return _read_slowly(line, kind, where())
        record = None if isinstance(found.record, UnsetType) else found.record
        problem = None if isinstance(found.error, UnsetType) else found.error["problem"]
        return Told(found.id, found.artifacts, record, problem)

    return read


def record_reader(step: str) -> Callable[[bytes], tuple[str, Record | None]]:
    """The function that gives id and record of a line which `outcome_reader` has read before.

    It raises `msgspec.MsgspecError` for a line that it has not.
    """
    kind = r.STEP_RECORDS[step]
    decode = msgspec.json.Decoder(_Line[kind]).decode  # type: ignore[valid-type]  # known when it runs

    def read(line: bytes) -> tuple[str, Record | None]:
        found = decode(line)
        return found.id, None if found.record is UNSET else found.record

    return read


def _read_slowly(line: bytes, kind: type[Record], where: str) -> Told:
    value = parse_line(line, "outcome", where)
    try:
        outcome = r.Outcome.from_json(value)
        record = None if outcome.error else kind.from_json(outcome.record, "/record")
    except RecordError as error:
        place = f"{where} {error.where}"
        raise RecordError(error.problem, got=error.got, wanted=error.wanted, where=place) from None
    problem = outcome.error["problem"] if outcome.error else None
    return Told(outcome.id, outcome.artifacts, record, problem)


def _is_whole(line: _Line[Record]) -> bool:
    """What the schema wants besides types."""
    if _ID.fullmatch(line.id) is None:
        return False
    for ref in line.artifacts.values():
        if ref.size < 0 or _SHA256.fullmatch(ref.sha256) is None:
            return False
    if line.status == r.KEPT:
        return line.record is not UNSET and line.reason is UNSET and line.error is UNSET
    if line.status == r.REJECTED:
        return line.record is not UNSET and bool(line.reason) and line.error is UNSET
    if line.status == r.FAILED:
        return line.record is UNSET and line.reason is UNSET and "problem" in (line.error or ())
    return False


def _is_strict(line: bytes, again: bytes) -> bool:
    """Whether a line has no more keys and texts than the record that was read from it.

    Both write a quote inside a text as an escaped quote. A field that is not there is written as null; where
    a text holds what looks like one, or a quote as its code, the answer is no.
    """
    quotes = again.count(b'"') - 2 * again.count(b'":null')
    return line.count(b'"') == quotes and b"\\u0022" not in line and len(line) <= MAX_LINE_BYTES


# --- what the lines of a run's outcomes come to ----------------------------------------------------


# Samples from which on processes are worth their start: some two seconds each, a sample takes a fifth of a
# millisecond here and again when its text is written.
MANY = 10_000

HELD = ("normalise", "compose", "measure")  # steps whose records every table needs: they stay in memory
# Judged elsewhere: steps that make nothing and of which nothing is held.
_ELSEWHERE = tuple(name for name in reversed(STEP_NAMES) if not STEP_BY_NAME[name].makes and name not in HELD)


@dataclass
class Verdicts:
    """The lines of a step's outcomes, in columns by index of the line.

    Attributes:
        ids: Ids, in the order of lines.
        offsets: Where each line begins in its file, in bytes.
        rejected: Why a line's record does not pass, by index; others pass or failed.
        failed: The problem of a line that failed, by index.
        numbers: Scores and measures by name; NaN where a line has none.
        artifacts: What the step made, by kind; nothing where it makes nothing.
        records: Its records; nothing where they are not held.
    """

    ids: list[str] = field(default_factory=list)
    offsets: array[int] = field(default_factory=lambda: array("q"))
    rejected: dict[int, str] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    numbers: dict[str, array[float]] = field(default_factory=dict)
    artifacts: list[dict[str, r.ArtifactRef]] = field(default_factory=list)
    records: list[Record | None] = field(default_factory=list)


@dataclass(frozen=True)
class StepJob:
    """A step's file to be judged, wherever there is a processor."""

    run: Path
    step: str
    thresholds: Thresholds

    @collector_off()
    def __call__(self) -> Verdicts:
        """Judge every line; none are there when no sample came as far as this step.

        Raises:
            RecordError: a line is bad, or lacks an artifact; the error names file and line.
        """
        found = Verdicts()
        path = self.run / layout.outcomes(self.step)
        if path.is_file():
            read = outcome_reader(self.step)
            with path.open("rb") as lines:
                offset = 0
                for line in lines:
                    told = read(line, lambda: f"{path}:{len(found.ids) + 1}")
                    self._add(found, told, offset, path)
                    offset += len(line)
        return found

    def _add(self, found: Verdicts, told: Told, offset: int, path: Path) -> None:
        index, record, step = len(found.ids), told.record, STEP_BY_NAME[self.step]
        if record is None:
            found.failed[index] = told.problem or ""
        elif (reason := judge(self.step, record, self.thresholds)) is not None:
            found.rejected[index] = reason
        elif step.makes:
            for kind in step.makes:
                if kind.name not in told.artifacts:
                    where = f"{path}:{index + 1}"
                    raise RecordError("an outcome lacks an artifact", wanted=kind.name, where=where)
        found.ids.append(told.id)
        found.offsets.append(offset)
        if step.makes:
            made = told.artifacts
            found.artifacts.append({kind.name: made[kind.name] for kind in step.makes if kind.name in made})
        if self.step in HELD:
            found.records.append(record)
        if self.step in SCORES:
            _append(found.numbers, SCORES[self.step], _score(record), index)
        elif isinstance(record, r.MeasureRecord):
            for name, value in record.to_json().items():
                if isinstance(value, float):
                    _append(found.numbers, name, value, index)


def _score(record: Record | None) -> float:
    match record:
        case r.ImageScore():
            return record.overall
        case r.VideoScore():
            return video_score(record)
    return math.nan


def _append(numbers: dict[str, array[float]], name: str, value: float, index: int) -> None:
    """Put the value of a line into its column; lines before it that have none get NaN."""
    column = numbers.setdefault(name, array("d"))
    while len(column) < index:
        column.append(math.nan)
    column.append(value)


def judge_steps(run: Path, candidates: int, thresholds: Thresholds) -> list[Verdicts]:
    """The verdicts of every step, in order.

    Args:
        run: The run.
        candidates: How many samples it has.
        thresholds: What they must reach.

    Raises:
        RecordError: a line is bad; the error names file and line.
        ReleaseError: a process that judged died.
    """
    jobs = {name: StepJob(run, name, thresholds) for name in STEP_NAMES}
    workers = cpus()
    if candidates < MANY or workers == 1:
        return [job() for job in jobs.values()]
    elsewhere: Sequence[StepJob] = [jobs[name] for name in _ELSEWHERE]
    with pool_of(workers) as run_jobs, ThreadPoolExecutor(1) as waiting:
        answers = waiting.submit(lambda: list(run_jobs(elsewhere)))
        here = {name: jobs[name]() for name in STEP_NAMES if name not in _ELSEWHERE}
        found = here | dict(zip(_ELSEWHERE, answers.result(), strict=True))
    return [found[name] for name in STEP_NAMES]


# --- records, read again ----------------------------------------------------------------------------


def read_records(found: Iterable[Words], step: str, kind: type[R]) -> Iterator[R]:
    """The records of one of the `STREAMED` steps, one a sample, in their order.

    Raises:
        RecordError: a run's file has changed since it was replayed.
    """
    read = record_reader(step)
    with ExitStack() as stack:
        files: dict[Path, BinaryIO] = {}
        for words in found:
            path = words.folder / layout.outcomes(step)
            file = files.get(path) or files.setdefault(path, stack.enter_context(path.open("rb")))
            file.seek(words.offsets[step])
            try:
                sample_id, record = read(file.readline())
            except msgspec.MsgspecError:
                sample_id, record = "another line", None
            if sample_id != words.id or not isinstance(record, kind):
                where = f"{path} {words.id}"
                raise RecordError("the run changed while it was read", got=sample_id, where=where)
            yield record
