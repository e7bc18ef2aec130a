"""A theme's text files: the csv and the JSON lines, each read once in workers, then compared with each other.

- Texts do not leave the worker: their 64-bit hashes do. A text that differs is read again to be shown.
- A range takes the lines that start in it, so a file can be cut anywhere.
- Recorded scores are judged by `rules` again. A rule asks for at least so much, so what was let pass once
  lets everything above it pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import xxhash

from sparkle.builders.checks.failures import MOST_FINDINGS, too_many
from sparkle.builders.checks.rows import UNKNOWN, SampleRows, join, make_rows, unlike
from sparkle.builders.checks.theme import PAIRS, Theme
from sparkle.builders.release.formats import jsonl_files, jsonl_path
from sparkle.builders.release.read_text import (
    line_reader,
    pair_reader,
    read_lines,
    read_pairs,
    step_record,
)
from sparkle.builders.release.sample import SCORES
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.rules import Thresholds, judge, misfit_scores, video_score
from sparkle.schemas.validate import Finding, skip_line

RANGE_BYTES = 16 << 20  # of a job: some 100 jobs for a full theme, a second each at most
_PART_ROWS = 100_000  # of a csv: as numbers in an array they take a fifth of their room
_READ_BYTES = 1 << 20  # a read; a line is longer than the 8 KB that files are read by otherwise
_NO_SCORE = float("nan")
_UNLIKE_PARTS = "the score is not what its parts give"

# Step -> the names of the digests of what its lines say, which other files repeat.
_DIGESTS: dict[str, tuple[str, ...]] = {
    "compose": ("prompt", "scene", "keyword"),
    "edit_score": ("prompt", "reasons"),
    "remove_score": ("prompt", "reasons"),
    "ground1": ("prompt", "round1"),
    "ground2": ("prompt", "round1", "boxes"),
    "video_score": ("prompt", "frames"),
}
# Step -> how many numbers `sampled` has: the frames that were scored, or how many were looked at.
_SAMPLED = {"video_score": 4, "ground2": 1}


@dataclass(frozen=True)
class PairsJob:
    """Reads a theme's csv of pairs.

    Attributes:
        path: The file.
        theme: The theme.
        lenient: Whether habits of other tools are passed over.
        most: How many rows there can be; None is any number.
    """

    path: Path
    theme: str
    lenient: bool = False
    most: int | None = None
    place: str = PAIRS

    @property
    def file(self) -> str:
        """Its name."""
        return layout.prompts_csv(self.theme)

    def __call__(self) -> SampleRows:
        """Read it."""
        name = self.file
        findings: list[Finding] = []
        rows: list[tuple[int, ...]] = []
        parts: list[SampleRows] = []
        dtype = [("line", np.int64), ("end", np.int64), ("offset", np.int64), ("prompt", np.uint64)]
        whole = True
        with self.path.open("rb", buffering=_READ_BYTES) as file:
            for row in read_pairs(file, name, self.theme):
                findings += row.findings if self.lenient else (*row.findings, *row.habits)
                if self.lenient and row.line == 1 and row.findings:
                    break  # columns of other names are not guessed
                if row.sample is not None:
                    prompt = UNKNOWN if row.values is None else digest_text(row.values[0])
                    rows.append((row.sample, row.line, row.end, row.offset, prompt))
                if len(rows) == _PART_ROWS:
                    parts.append(make_rows(self.theme, name, rows, dtype))
                    rows = []
                if self.most is not None and len(rows) + len(parts) * _PART_ROWS > self.most:
                    problem = "more rows than the training metadata has room for"
                    findings.append(Finding(name, row.line, "", problem, wanted=f"at most {self.most}"))
                    whole = False
                    break
                if len(findings) > MOST_FINDINGS:
                    findings.append(too_many(name))
                    whole = False
                    break
        whole = whole and (bool(rows or parts) or not findings)
        return join([*parts, make_rows(self.theme, name, rows, dtype, findings=findings, whole=whole)])


@dataclass(frozen=True)
class LinesJob:
    """Reads the lines of a file of JSON lines that start in a range of bytes.

    Columns are line, offset, `usable` (whether there is a record), `score` (what the rules go by: a score, or
    1 where something was found and 0 where nothing; NaN where there is none), the digests of what the line
    says, unknown where something is wrong with it, and `sampled` where `_SAMPLED` has it, negative where the
    line does not say.

    Attributes:
        path: The file.
        theme: The theme.
        place: The step whose records it has.
        limits: Thresholds of the release's runs: a sample must reach those of one. Empty if not known.
        lenient: Whether habits of other tools are passed over.
        one_pass: See `Theme`; overall scores are compared with their parts where it is known.
        start: The first byte of the range.
        end: The byte after it; None is the end of the file.
    """

    path: Path
    theme: str
    place: str
    limits: tuple[Thresholds, ...] = ()
    lenient: bool = False
    one_pass: bool | None = None
    start: int = 0
    end: int | None = None

    @property
    def file(self) -> str:
        """Its name."""
        return jsonl_path(self.theme, self.place)

    def __call__(self) -> SampleRows:
        """Read them; line numbers count from the first of the range."""
        name, step, names = self.file, self.place, _DIGESTS[self.place]
        findings: list[Finding] = []
        rows: list[tuple[Any, ...]] = []
        nothing = (UNKNOWN,) * len(names)
        width, one_pass = _SAMPLED.get(step, 0), self.one_pass if step in SCORES else None
        unsaid = ((-1,) * width,) if width else ()
        count, lowest = 0, float("inf")  # that passed
        whole = True
        with self.path.open("rb", buffering=_READ_BYTES) as file:
            if self.start:
                file.seek(self.start - 1)
                skip_line(file)
            for row in read_lines(file, name, self.theme, step, self.end):
                count += 1
                findings += row.findings if self.lenient else (*row.findings, *row.habits)
                score, digests, sampled = _NO_SCORE, nothing, unsaid
                if row.record is not None:
                    score, said = _facts(row.record, row.values)
                    if self.lenient or not row.findings:
                        digests = (digest_text(row.values["prompt"]), *said)
                    if width:
                        sampled = (_sampled(row.record),)
                    if one_pass is not None and (found := misfit_scores(row.record, one_pass=one_pass)):
                        findings += (
                            Finding(name, row.line, pointer, _UNLIKE_PARTS, f"{got:g}", wanted)
                            for pointer, got, wanted in found
                        )
                    if score < lowest:
                        reasons = [judge(step, row.record, limits) for limits in self.limits]
                        if reasons and None not in reasons:
                            problem = "the sample does not pass the release's thresholds"
                            findings.append(Finding(name, row.line, "", problem, reasons[0]))
                        else:
                            lowest = score
                if row.sample is not None:
                    usable = row.record is not None
                    rows.append((row.sample, row.line, row.offset, usable, score, *digests, *sampled))
                if len(findings) > MOST_FINDINGS:
                    findings.append(too_many(name))
                    count += _lines_left(file, self.end)
                    whole = False
                    break
        dtype = [("line", np.int64), ("offset", np.int64), ("usable", np.bool_), ("score", np.float64)]
        told: list[tuple[Any, ...]] = [(name, np.uint64) for name in names]
        told += [("sampled", np.int64, (width,))] if width else []
        columns = [*dtype, *told]
        return make_rows(self.theme, name, rows, columns, findings=findings, count=count, whole=whole)


def _lines_left(file: BinaryIO, end: int | None) -> int:
    """How many lines start before a byte, from where a file stands."""
    left = 0 if end is None else end - file.tell()
    return 1 + file.read(left - 1).count(b"\n") if left > 0 else 0


def digest(value: Any) -> int:
    """Return a 64-bit hash of JSON values, the same in every process."""
    return xxhash.xxh3_64_intdigest(msgspec.json.encode(value))


def digest_text(text: str) -> int:
    """Return a 64-bit hash of a text, the same in every process."""
    return xxhash.xxh3_64_intdigest(text.encode())


def _facts(record: r.Record, line: Mapping[str, Any]) -> tuple[float, tuple[int, ...]]:
    """Return the score that decides, and the digests of `_DIGESTS` after the prompt's."""
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
            said = digest([len(record.frame_objects), boxes])
            return float(any(boxes)), (_first_round(step_record("ground1", line)), said)
    raise TypeError(type(record).__name__)


def _sampled(record: r.Record) -> tuple[int, ...]:
    """Return what `_SAMPLED` counts."""
    if isinstance(record, r.VideoScore):
        return record.frame_indices
    return (len(record.frame_objects),) if isinstance(record, r.Ground2Record) else ()


def _first_round(record: Any) -> int:
    return digest([record.round1_labels, [item.bbox_2d for item in record.round1_objects]])


def text_jobs(theme: Theme) -> Iterator[PairsJob | LinesJob]:
    """Yield what has to be read of a theme, the longest job first; files that are missing are findings."""
    pairs = layout.prompts_csv(theme.name)
    if theme.has(pairs):
        most = None if theme.lenient else theme.room(layout.metadata_jsonl(theme.name))
        yield PairsJob(theme.folder / pairs, theme.name, theme.lenient, most)
    for file in jsonl_files(theme.name):
        if theme.has(file.path):
            path = theme.folder / file.path
            for start in range(0, max(1, path.stat().st_size), RANGE_BYTES):
                end = start + RANGE_BYTES
                how = (theme.limits, theme.lenient, theme.one_pass)
                yield LinesJob(path, theme.name, file.step, *how, start, end)


def compare_text(theme: Theme) -> None:
    """Compare what files say twice: JSON lines repeat the csv's prompts, round 2 of the grounding round 1."""
    pairs = theme.rows.get(PAIRS)
    for lines in (theme.rows[step] for step in _DIGESTS if step in theme.rows):
        if pairs is None:
            continue
        for row, other in unlike(lines, "prompt", pairs, "prompt"):
            got, wanted = read_again(theme, lines, row)["prompt"], read_again(theme, pairs, other)["prompt"]
            file, line, _ = lines.at(row)
            theme.note(file, line, "/prompt", "another prompt than in the csv", got=got, wanted=wanted)
    if "ground1" in theme.rows and "ground2" in theme.rows:
        second = theme.rows["ground2"]
        for row, _ in unlike(second, "round1", theme.rows["ground1"], "round1"):
            file, line, _ = second.at(row)
            theme.note(file, line, "/round1_objects", "another round 1 than in the file of round 1")


def read_again(theme: Theme, rows: SampleRows, row: int) -> Mapping[str, Any]:
    """Return what a row of a text file says, which was read before."""
    name = rows.files[0]
    with (theme.folder / name).open("rb") as file:
        read = pair_reader(file) if name.endswith(".csv") else line_reader(file)
        return read(int(rows.columns["offset"][row]))
