"""A range of a file of JSON lines, read in a worker: what is wrong, and numbers of what is not.

How it works
- A line is read by `typed_lines`; one that is not fine there is read again by `validate`, which says what
  is wrong with it. Texts do not leave the worker: their hashes do, to be compared with other files'.
- A range takes the lines that start in it, so a file can be cut anywhere.
- Recorded scores are judged by `rules` again. A rule asks for at least so much, so what was let pass once
  lets everything above it pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

from sparkle.builders.checks.census import Keys, Numbers, index_reader, keys_of
from sparkle.schemas import layout
from sparkle.schemas import lines as t
from sparkle.schemas.ids import format_id
from sparkle.schemas.records import STEP_RECORDS
from sparkle.schemas.rules import Thresholds, judge
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
    return [
        Finding(found.file, found.line + lines, found.pointer, found.problem, found.got, found.wanted)
        for found in findings
    ]


@dataclass
class _Reader:
    """Gathers what a range's lines say."""

    job: LinesJob
    count: int = 0
    rows: list[tuple[int, int, int, float]] = field(default_factory=list)
    told: list[tuple[int, ...]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        schema, theme = self.job.schema, self.job.theme
        self._read = t.line_reader(schema, theme)
        self._index = index_reader(theme)
        self._digits = len(format_id(theme, 0)) - 6
        self._facts = _FACTS[schema]
        self._names = _DIGESTS[schema]
        self._step = _STEP_OF_FILE.get(self.job.file.rpartition("/")[2])
        self._lowest = float("inf")  # that passed

    def take(self, number: int, offset: int, line: bytes) -> None:
        """Read a line."""
        self.count += 1
        found = self._read(line)
        if found is None:
            found = self._look(number, offset, line)
        if found is None:
            return
        index = int(found.id[self._digits :])
        score, digests = self._facts(found)
        if self._step and score < self._lowest:
            self._judge(self._step, number, found, score)
        self.rows.append((index, number, offset, score))
        self.told.append((digest_text(found.prompt), *digests))

    def _look(self, number: int, offset: int, line: bytes) -> t.Line | None:
        """A line that `typed_lines` is not sure of; None when there is nothing to compare in it."""
        job = self.job
        value, findings = check_line(line, job.schema, file=job.file, number=number)
        self.findings += findings
        sample_id = value.get("id") if isinstance(value, dict) else None
        if not isinstance(sample_id, str):
            return None  # a finding says so
        index = self._index(sample_id)
        if index is None:
            if not findings:
                problem = f"not an id of theme {job.theme}"
                self.findings.append(Finding(job.file, number, "/id", problem, got=repr(sample_id)))
            return None
        if not findings:
            return t.typed(job.schema, value)
        self.rows.append((index, number, offset, _NO_SCORE))
        self.told.append((UNKNOWN,) * len(self._names))
        return None

    def _judge(self, step: str, number: int, line: t.Line, score: float) -> None:
        """Ask the rules whether a sample is let in under the thresholds of any run."""
        values = msgspec.to_builtins(line)
        kind = STEP_RECORDS[step]
        if isinstance(line, t.ImageScoreLine):
            values = values["editscore"]
        given = {item.name: values[item.name] for item in fields(kind) if item.name in values}
        record = kind.from_json(given)
        reasons = [judge(step, record, limits) for limits in self.job.limits]
        if reasons and None not in reasons:
            problem = "the sample does not pass the release's thresholds"
            self.findings.append(Finding(self.job.file, number, "", problem, got=reasons[0]))
        else:
            self._lowest = score

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

_Facts: TypeAlias = tuple[float, tuple[int, ...]]
_NO_SCORE = float("nan")


def _metadata(line: t.MetadataLine) -> _Facts:
    keyword = line.metadata.chosen_keyword
    text = "" if isinstance(keyword, msgspec.UnsetType) else keyword
    return _NO_SCORE, (digest_text(line.metadata.original_scene), digest_text(text))


def _image_score(line: t.ImageScoreLine) -> _Facts:
    score = line.editscore
    return score.overall, (digest([score.SC_reasoning, score.PQ_reasoning]),)


def _video_score(line: t.VideoScoreLine) -> _Facts:
    frames = line.editscore
    score = sum(frame.O_score for frame in frames) / len(frames)
    told = [[f.SC_score, f.PQ_score, f.O_score, f.SC_score_reasoning, f.PQ_score_reasoning] for f in frames]
    return score, (digest([line.frame_indices, told]),)


def _round1(line: t.Round1Line) -> _Facts:
    return float(bool(line.round1_objects)), (_first_round(line),)


def _round2(line: t.Round2Line) -> _Facts:
    boxes = [item.bbox_2d for objects in line.frame_objects for item in objects]
    return float(any(boxes)), (_first_round(line), digest(boxes))


def _first_round(line: t.Round1Line | t.Round2Line) -> int:
    return digest([line.round1_labels, [item.bbox_2d for item in line.round1_objects]])


_FACTS: dict[str, Any] = {
    "training_metadata": _metadata,
    "image_score": _image_score,
    "video_score": _video_score,
    "grounding_r1": _round1,
    "grounding_r2": _round2,
}
_DIGESTS: dict[str, tuple[str, ...]] = {
    "training_metadata": ("prompt", "scene", "keyword"),
    "image_score": ("prompt", "reasons"),
    "video_score": ("prompt", "frames"),
    "grounding_r1": ("prompt", "round1"),
    "grounding_r2": ("prompt", "round1", "boxes"),
}
