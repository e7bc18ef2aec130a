"""A range of a file of JSON lines, read in a worker: what is wrong, and numbers of what is not.

How it works
- `validate.check_line` says what is wrong with a line; of one that is fine the step's record is read. Texts
  do not leave the worker: their hashes do, to be compared with other files'.
- A range takes the lines that start in it, so a file can be cut anywhere.
- Recorded scores are judged by `rules` again. A rule asks for at least so much, so what was let pass once
  lets everything above it pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

from sparkle.builders.checks.census import Keys, Numbers, index_reader, keys_of
from sparkle.builders.release.formats import step_record
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.rules import Thresholds, judge, video_score
from sparkle.schemas.validate import Finding, bounded_lines, check_line, skip_line

RANGE_BYTES = 16 << 20  # of a job: some 100 jobs for a full theme, a second each at most
READ_BYTES = 1 << 20  # a read; a line is longer than the 8 KB that files are read by otherwise
UNKNOWN = 0  # the digest of what a line with findings says

Digests: TypeAlias = npt.NDArray[np.uint64]

_STEP_OF_FILE = {name: step for step, name in layout.RECORD_FILES.items()}


@dataclass(frozen=True)
class Lines:
    """What was read of a file of JSON lines; arrays have a row for each line with an id of the theme.

    Attributes:
        count: How many lines were read.
        keys: The samples.
        numbers: Line numbers, from 1.
        offsets: Byte offsets of the lines.
        scores: float64, what the rules go by: a score, or 1 where something was found and 0 where nothing;
            NaN where there is none.
        digests: 64-bit hashes of what other files repeat, by name; `UNKNOWN` on lines with findings.
        findings: What is wrong; lines counted as in `numbers`.
    """

    count: int
    keys: Keys
    numbers: Numbers
    offsets: Numbers
    scores: npt.NDArray[np.float64]
    digests: Mapping[str, Digests]
    findings: list[Finding]


@dataclass(frozen=True)
class LinesJob:
    """Reads the lines of a file that start in a range of bytes.

    Attributes:
        path: The file.
        file: Its name in findings.
        schema: Of its lines.
        theme: The theme that they belong to.
        limits: Thresholds of the release's runs: a sample must reach those of one. Empty if not known.
        start: The first byte of the range.
        end: The byte after it.
    """

    path: Path
    file: str
    schema: str
    theme: str
    limits: tuple[Thresholds, ...]
    start: int
    end: int

    def __call__(self) -> Lines:
        """Read them; line numbers count from the first of the range."""
        reader = _Reader(self)
        with self.path.open("rb", buffering=READ_BYTES) as file:
            if self.start:
                file.seek(self.start - 1)
                skip_line(file)
            for number, (offset, line) in enumerate(bounded_lines(file, self.end), 1):
                reader.take(number, offset, line)
        return reader.result()


def digest(value: Any) -> int:
    """A 64-bit hash of JSON values, the same in every process."""
    return xxhash.xxh3_64_intdigest(msgspec.json.encode(value))


def digest_text(text: str) -> int:
    """A 64-bit hash of a text, the same in every process."""
    return xxhash.xxh3_64_intdigest(text.encode())


def join(parts: list[Lines]) -> Lines:
    """The ranges of a file as one, lines counted through."""
    before = np.cumsum([0, *(part.count for part in parts)])
    return Lines(
        count=int(before[-1]),
        keys=np.concatenate([part.keys for part in parts]),
        numbers=np.concatenate(
            [part.numbers + int(lines) for part, lines in zip(parts, before, strict=False)]
        ),
        offsets=np.concatenate([part.offsets for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        digests={name: np.concatenate([part.digests[name] for part in parts]) for name in parts[0].digests},
        findings=list(
            chain.from_iterable(
                _moved(part.findings, int(lines)) for part, lines in zip(parts, before, strict=False)
            )
        ),
    )


def _moved(findings: list[Finding], lines: int) -> list[Finding]:
    return [replace(found, line=found.line + lines) for found in findings]


@dataclass
class _Reader:
    """Gathers what a range's lines say."""

    job: LinesJob
    count: int = 0
    rows: list[tuple[int, int, int, float]] = field(default_factory=list)
    told: list[tuple[int, ...]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._index = index_reader(self.job.theme)
        self._names = _DIGESTS[self.job.schema]
        self._step = _STEP_OF_FILE.get(self.job.file.rpartition("/")[2], "compose")
        self._lowest = float("inf")  # that passed

    def take(self, number: int, offset: int, line: bytes) -> None:
        """Read a line."""
        self.count += 1
        job = self.job
        value, findings = check_line(line, job.schema, file=job.file, number=number)
        self.findings += findings
        sample_id = value.get("id") if isinstance(value, dict) else None
        if not isinstance(sample_id, str):
            return  # a finding says so
        index = self._index(sample_id)
        if index is None:
            if not findings:
                self._note(number, f"not an id of theme {job.theme}", repr(sample_id), "/id")
            return
        score, digests = _NO_SCORE, (UNKNOWN,) * len(self._names)
        if not findings:
            try:
                record = step_record(self._step, value)
            except msgspec.ValidationError as error:
                self._note(number, "a number out of range", str(error))
            else:
                score, said = _facts(record, value)
                digests = (digest_text(value["prompt"]), *said)
                if score < self._lowest:
                    self._judge(number, record, score)
        self.rows.append((index, number, offset, score))
        self.told.append(digests)

    def _judge(self, number: int, record: r.Record, score: float) -> None:
        """Ask the rules whether a sample is let in under the thresholds of any run."""
        reasons = [judge(self._step, record, limits) for limits in self.job.limits]
        if reasons and None not in reasons:
            self._note(number, "the sample does not pass the release's thresholds", reasons[0])
        else:
            self._lowest = score

    def _note(self, number: int, problem: str, got: str | None, pointer: str = "") -> None:
        self.findings.append(Finding(self.job.file, number, pointer, problem, got=got))

    def result(self) -> Lines:
        """What was read."""
        rows = np.array(self.rows, dtype=_ROW)
        told = np.array(self.told, np.uint64).reshape(len(self.told), len(self._names))
        return Lines(
            count=self.count,
            keys=keys_of(rows["index"]),
            numbers=rows["number"],
            offsets=rows["offset"],
            scores=rows["score"],
            digests={name: told[:, column] for column, name in enumerate(self._names)},
            findings=self.findings,
        )


_ROW = np.dtype([("index", np.int64), ("number", np.int64), ("offset", np.int64), ("score", np.float64)])


# --- what a line says that other files repeat: the score that decides, and digests --------------

_NO_SCORE = float("nan")


def _facts(record: r.Record, line: Mapping[str, Any]) -> tuple[float, tuple[int, ...]]:
    match record:
        case r.ComposeRecord(metadata=scene):
            return _NO_SCORE, (digest_text(scene.original_scene), digest_text(scene.chosen_keyword or ""))
        case r.ImageScore():
            return record.overall, (digest([record.SC_reasoning, record.PQ_reasoning]),)
        case r.VideoScore():
            told = [
                [f.SC_score, f.PQ_score, f.O_score, f.SC_score_reasoning, f.PQ_score_reasoning]
                for f in record.editscore
            ]
            return video_score(record), (digest([record.frame_indices, told]),)
        case r.Ground1Record():
            return float(bool(record.round1_objects)), (_first_round(record),)
        case r.Ground2Record():
            boxes = [item.bbox_2d for objects in record.frame_objects for item in objects]
            return float(any(boxes)), (_first_round(step_record("ground1", line)), digest(boxes))
    raise TypeError(type(record).__name__)


def _first_round(record: Any) -> int:
    return digest([record.round1_labels, [item.bbox_2d for item in record.round1_objects]])


_DIGESTS: dict[str, tuple[str, ...]] = {
    "training_metadata": ("prompt", "scene", "keyword"),
    "image_score": ("prompt", "reasons"),
    "video_score": ("prompt", "frames"),
    "grounding_r1": ("prompt", "round1"),
    "grounding_r2": ("prompt", "round1", "boxes"),
}
