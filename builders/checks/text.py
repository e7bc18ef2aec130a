"""A theme's text files: the csv and the JSON lines, compared with each other.

- `text_jobs` are the reads, for as many workers as there are; `take_text` puts their answers together.
- JSON lines repeat the csv's prompts; round 2 of the grounding repeats round 1. Workers hash what they
  read, so that texts are compared without being held; a text that differs is read again to be shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sparkle._processes import Job
from sparkle.builders.checks.census import Segment, Slot, matches
from sparkle.builders.checks.csv import Pairs, PairsJob, read_row
from sparkle.builders.checks.lines import RANGE_BYTES, UNKNOWN, Lines, LinesJob, join
from sparkle.builders.checks.survey import Survey
from sparkle.builders.release.formats import jsonl_files
from sparkle.schemas import layout
from sparkle.schemas.validate import MAX_LINE_BYTES, Finding, parse_strict


def text_jobs(survey: Survey) -> list[Job[Pairs | Lines]]:
    """What has to be read of a theme, the longest job first; files that are missing are findings."""
    jobs: list[Job[Pairs | Lines]] = []
    pairs = layout.prompts_csv(survey.theme)
    if survey.has(pairs):
        jobs.append(PairsJob(survey.folder / pairs, pairs, survey.theme))
    for file in jsonl_files(survey.theme):
        if survey.has(file.path):
            path = survey.folder / file.path
            for start in range(0, max(1, path.stat().st_size), RANGE_BYTES):
                end = start + RANGE_BYTES
                jobs.append(LinesJob(path, file.path, file.schema, survey.theme, survey.limits, start, end))
    return jobs


def take_text(survey: Survey, jobs: list[Job[Pairs | Lines]], answers: Iterator[Pairs | Lines]) -> None:
    """Note what was read, and everything in which the files differ from each other."""
    parts: dict[str, list[Lines]] = {}
    for job, answer in zip(jobs, answers, strict=True):
        if isinstance(answer, Pairs):
            _take_pairs(survey, answer)
        elif isinstance(job, LinesJob):
            parts.setdefault(job.file, []).append(answer)
    for file, found in parts.items():
        lines = join(found)
        survey.findings.extend(lines.findings)
        survey.lines[file] = lines
        segment = Segment(file, lines.keys, lines.numbers, lines.numbers, lambda row: "/id")
        survey.slots.append(Slot(file, first_line=1, segments=[segment]))
    for file, lines in survey.lines.items():
        _compare_prompts(survey, file, lines)
    _compare_rounds(survey)


def _take_pairs(survey: Survey, pairs: Pairs) -> None:
    file = layout.prompts_csv(survey.theme)
    survey.findings.extend(pairs.findings)
    if not pairs.readable:
        return
    survey.pairs = pairs
    segment = Segment(file, pairs.keys, pairs.lines, pairs.ends, lambda row: "/task")
    survey.slots.append(Slot(file, first_line=2, segments=[segment]))


def _compare_prompts(survey: Survey, file: str, lines: Lines) -> None:
    pairs = survey.pairs
    if pairs is None:
        return
    rows, others = matches(lines.keys, pairs.keys)
    prompts, wanted = lines.digests["prompt"][rows], pairs.prompts[others]
    unlike = (prompts != wanted) & (prompts != UNKNOWN) & (wanted != UNKNOWN)
    for row, other in zip(rows[unlike].tolist(), others[unlike].tolist(), strict=True):
        value = read_line(survey.folder / file, int(lines.offsets[row]))
        pair = read_row(survey.folder / layout.prompts_csv(survey.theme), int(pairs.offsets[other]))
        problem = "another prompt than in the csv"
        number = int(lines.numbers[row])
        survey.note(file, number, "/prompt", problem, got=value["prompt"], wanted=pair["prompt"])


def _compare_rounds(survey: Survey) -> None:
    first_file, second_file = (layout.record_file(survey.theme, step) for step in ("ground1", "ground2"))
    first, second = survey.lines.get(first_file), survey.lines.get(second_file)
    if first is None or second is None:
        return
    rows, others = matches(second.keys, first.keys)
    found, wanted = second.digests["round1"][rows], first.digests["round1"][others]
    unlike = (found != wanted) & (found != UNKNOWN) & (wanted != UNKNOWN)
    for row in rows[unlike].tolist():
        problem = "another round 1 than in the file of round 1"
        survey.findings.append(Finding(second_file, int(second.numbers[row]), "/round1_objects", problem))


def read_line(path: Path, offset: int) -> Mapping[str, Any]:
    """The JSON line that starts at a byte offset, which was read before."""
    with path.open("rb") as file:
        file.seek(offset)
        value: Mapping[str, Any] = parse_strict(file.readline(MAX_LINE_BYTES + 1))
        return value
