"""Verdicts of other judges' programs come in and go out: upstream's, Kiwi-Edit's and OpenVE-Bench's.

- Scores are read again from the words that the files keep, by the one reader of answers: a score that the
  program took from words that cannot be read, or read otherwise, is a finding and counts as failed.
- A sample of the bench without a line is a finding. Whether its edit was missing or the judge failed, these
  files do not say, so it has no verdict, and what is reported of the model is partial.
- Kiwi-Edit's lines have no id: type and instruction must name one row of OpenVE-Bench's table.
- OpenVE-Bench's program counts the mean of every number behind a colon, those of the reasoning too. Here the
  three scores count, and a mean that differs is a finding.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec.structs import replace

from sparkle._files import write_atomic
from sparkle.builders.bench.folder import BenchItem, csv_rows, read_bench
from sparkle.builders.bench.verdicts import FORMAT, VERSION, VerdictFile, write_verdicts
from sparkle.builders.release.formats import csv_line
from sparkle.schemas.canonical import dump_document, dump_line, fingerprint
from sparkle.schemas.errors import AnswerError, ReleaseError
from sparkle.schemas.judge_answer import read_judge_answer
from sparkle.schemas.load import SHOWN, cut
from sparkle.schemas.rubric import OPENVE, OPENVE_HEADINGS, OPENVE_KIWI, SPARKLE_6, Rubric
from sparkle.schemas.validate import Finding, check_jsonl
from sparkle.schemas.verdicts import BenchIdentity, JudgeIdentity, Verdict, VerdictsHead

UPSTREAM, KIWI, OPENVE_CSV = "upstream", "kiwi", "openve"
FORMS = (UPSTREAM, KIWI, OPENVE_CSV)

_UNJUDGED_BY_KIWI = ("creative_edit", "camera_edit", "subtitle_edit")
_BENCH_COLUMNS = ("edited_type", "prompt", "original_video")
_RESULT_COLUMNS = (*_BENCH_COLUMNS, "edited_result_path", "results", "average")
_ERROR = "ERROR"  # what OpenVE-Bench's program writes in place of an answer
_NOT_FOUND = f"{_ERROR}: Video file not found"


@dataclass
class Imported:
    """Verdicts of another program as ours.

    Attributes:
        head: The first line of the file that they become.
        verdicts: The verdicts by id.
        findings: What could not be taken over, with its line.
    """

    head: VerdictsHead
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def import_verdicts(
    files: Sequence[Path], out: Path, *, form: str, model: str, judge: str, bench: Path
) -> Imported:
    """Read files of another program and write them as one file of verdicts.

    Args:
        files: Its files: upstream has one per theme, the others one in all.
        out: Where the verdicts go.
        form: Whose files they are, one of `FORMS`.
        model: Whose edits were judged.
        judge: The model that judged.
        bench: The bench's folder; for the other two, OpenVE-Bench's `benchmark_videos.csv`.

    Raises:
        ReleaseError: a file or the bench cannot be read.
    """
    if form == UPSTREAM:
        identity, items = read_bench(bench)
        rubric = SPARKLE_6
    else:
        identity, items = _read_openve(bench, () if form == OPENVE_CSV else _UNJUDGED_BY_KIWI)
        rubric = OPENVE if form == OPENVE_CSV else OPENVE_KIWI
    head = VerdictsHead(
        format=FORMAT,
        version=VERSION,
        model=model,
        bench=identity,
        rubric=rubric,
        judge=JudgeIdentity(judge, form),
    )
    found = Imported(head)
    read = {UPSTREAM: _upstream_lines, KIWI: _kiwi_lines, OPENVE_CSV: _openve_lines}[form]
    for path in files:
        try:
            _take(found, read(path, items, found.findings), str(path))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ReleaseError("the verdicts cannot be read", got=error, where=path) from None
    for sample_id in items.keys() - found.verdicts.keys():
        problem = "a sample of the bench without a verdict"
        found.findings.append(Finding(str(bench), 0, "", problem, got=sample_id))
    # What is wrong with the files comes first: samples without a verdict may be many.
    found.findings.sort(key=lambda finding: (not finding.line, finding.file, finding.line, finding.got or ""))
    write_verdicts(out, head, found.verdicts.values())
    return found


@dataclass(frozen=True)
class _Judged:
    """A verdict as another program wrote it: where, on what, the words, and the scores taken from them."""

    number: int
    item: BenchItem
    answer: str
    scores: tuple[float, ...] | None


def _take(found: Imported, lines: Iterable[_Judged | tuple[int, Verdict]], name: str) -> None:
    """Make verdicts of lines; an id that was there already is a finding."""
    for line in lines:
        number, verdict = line if isinstance(line, tuple) else _verdict(line, found, name)
        earlier = found.verdicts.setdefault(verdict.id, verdict)
        if earlier is verdict:
            continue
        alike = (earlier.raw, earlier.scores) == (verdict.raw, verdict.scores)
        problem = "a sample stands twice" if alike else "two verdicts on one edit: neither counts"
        found.findings.append(Finding(name, number, "/id", problem, got=verdict.id))
        if not alike:
            found.verdicts[verdict.id] = replace(
                earlier, status="failed", reason=problem, raw=None, scores=None, repairs=None
            )


def _verdict(line: _Judged, found: Imported, name: str) -> tuple[int, Verdict]:
    item, rubric = line.item, found.head.rubric
    place = {**_place(item), "answer": line.answer}
    try:
        said = read_judge_answer(line.answer, _headings(rubric, item.theme))
        raw: tuple[float, ...] = said.scores
        if line.scores not in (None, rubric.cap(raw)):
            wanted = ", ".join(f"{score:g}" for score in rubric.cap(raw) if score is not None)
            got = ", ".join(f"{score:g}" for score in line.scores or ())
            problem = "the scores are not those of the answer"
            found.findings.append(Finding(name, line.number, "/scores", problem, got, wanted))
            return line.number, Verdict(status="failed", reason=problem, **place)
    except AnswerError as error:
        shown = cut(error.where or error.got or "", SHOWN)
        found.findings.append(Finding(name, line.number, "/result", error.problem, shown, error.wanted))
        return line.number, Verdict(status="failed", reason=error.problem, **place)
    repairs = said.repairs or None
    return line.number, Verdict(status="ok", raw=raw, scores=rubric.cap(raw), repairs=repairs, **place)


def _place(item: BenchItem) -> dict[str, Any]:
    """The fields of a verdict that the bench says."""
    names = ("id", "theme", "subtheme", "scene", "prompt")
    return {"repeat": 1, **{name: getattr(item, name) for name in names}}


def _headings(rubric: Rubric, theme: str) -> tuple[str, ...]:
    named = OPENVE_HEADINGS.get(theme) if rubric == OPENVE else None
    return named or tuple(dimension.heading for dimension in rubric.dimensions)


# --- upstream and Kiwi-Edit: JSON lines ------------------------------------------------------------


def _upstream_lines(path: Path, items: dict[str, BenchItem], findings: list[Finding]) -> Iterator[_Judged]:
    for number, value, wrong in check_jsonl(path, "bench_score"):
        findings += wrong
        if wrong:
            continue
        item = items.get(value["id"])
        stated = {name: value[name] for name in ("prompt", "subtheme", "scene")}
        if item is None:
            problem = "an id that the bench does not have"
            findings.append(Finding(str(path), number, "/id", problem, got=value["id"]))
        elif value["edit_type"] != item.theme or any(getattr(item, name) != stated[name] for name in stated):
            problem = "not what the bench says of this id: another bench, or another revision"
            findings.append(Finding(str(path), number, "", problem, got=value["id"]))
        else:
            yield _Judged(number, item, value["result"], tuple(value["scores"]))


def _kiwi_lines(path: Path, items: dict[str, BenchItem], findings: list[Finding]) -> Iterator[_Judged]:
    named: dict[tuple[str, str], list[BenchItem]] = {}
    for item in items.values():
        named.setdefault((item.theme, item.prompt), []).append(item)
    for number, value, wrong in check_jsonl(path, "kiwi_score"):
        findings += wrong
        if wrong:
            continue
        found = named.get((value["edited_type"], value["prompt"]), [])
        if len(found) == 1:
            yield _Judged(number, found[0], value["result"], tuple(value["scores"]))
            continue
        problem = "several rows of the bench have this instruction" if found else "no row of the bench"
        findings.append(Finding(str(path), number, "/prompt", problem, got=value["prompt"]))


# --- OpenVE-Bench: csv -----------------------------------------------------------------------------


def _read_openve(path: Path, unjudged: Sequence[str]) -> tuple[BenchIdentity, dict[str, BenchItem]]:
    """What OpenVE-Bench's table is, and its rows by the name of their source video."""
    items: dict[str, BenchItem] = {}
    rows = []
    for number, row in csv_rows(path, _BENCH_COLUMNS):
        rows.append([row[name] for name in _BENCH_COLUMNS])
        sample_id = PurePosixPath(row["original_video"]).stem
        if row["edited_type"] not in OPENVE_HEADINGS or not sample_id or sample_id in items:
            wanted = "a known type, and each video once"
            raise ReleaseError("not a row of OpenVE-Bench", got=row, wanted=wanted, where=f"{path}:{number}")
        items[sample_id] = BenchItem(sample_id, row["edited_type"], "", "", row["prompt"])
    judged = {name: item for name, item in items.items() if item.theme not in unjudged}
    expected: dict[str, int] = {}
    for item in judged.values():
        expected[item.theme] = expected.get(item.theme, 0) + 1
    if not expected:
        raise ReleaseError("the table of the bench has no rows", where=path)
    return BenchIdentity("OpenVE-Bench", fingerprint(rows), expected), judged


def _openve_lines(
    path: Path, items: dict[str, BenchItem], findings: list[Finding]
) -> Iterator[_Judged | tuple[int, Verdict]]:
    for number, row in csv_rows(path, _RESULT_COLUMNS, findings):
        item = items.get(PurePosixPath(row["original_video"]).stem)
        if item is None or (item.theme, item.prompt) != (row["edited_type"], row["prompt"]):
            problem = "a row that the bench does not have"
            findings.append(Finding(str(path), number, "original_video", problem, got=row["original_video"]))
            continue
        if row["average"] == _ERROR or row["results"].startswith(f"{_ERROR}:"):
            missing = row["results"].startswith(_NOT_FOUND)
            reason = row["results"] or "the judge's program failed"
            status: Any = "missing" if missing else "failed"
            yield number, Verdict(status=status, reason=reason, **_place(item))
            continue
        line = _Judged(number, item, row["results"].replace("\\n", "\n"), None)
        _compare_mean(line, row["average"], path, findings)
        yield line


def _compare_mean(line: _Judged, average: str, path: Path, findings: list[Finding]) -> None:
    """Find a mean that is not that of the three scores."""
    try:
        scores = read_judge_answer(line.answer, _headings(OPENVE, line.item.theme)).scores
    except AnswerError:
        return  # which is a finding by itself
    wanted = f"{round(sum(scores) / len(scores), 2)}"
    try:
        same = isclose(float(average), float(wanted))  # a spreadsheet writes 3.0 as 3
    except ValueError:
        same = False
    if not same:
        problem = "the average is not that of the scores: it counts other numbers of the answer"
        findings.append(Finding(str(path), line.number, "average", problem, got=average, wanted=wanted))


# --- out -------------------------------------------------------------------------------------------


def export_verdicts(file: VerdictFile, out: Path, *, form: str) -> list[Path]:
    """Write verdicts as another program's files, and return which.

    Args:
        file: The verdicts.
        out: The folder that the files go into.
        form: Whose files, one of `FORMS`.

    Raises:
        ReleaseError: the verdicts are by another rubric, of several repeats, or lack the judge's words.
    """
    rubric = {UPSTREAM: SPARKLE_6, KIWI: OPENVE_KIWI, OPENVE_CSV: OPENVE}[form]
    if file.head.rubric != rubric:
        problem = f"these verdicts have no form of {form}'s"
        raise ReleaseError(problem, got=file.head.rubric.name, wanted=rubric.name, where=file.name)
    for verdict in file.verdicts:
        if verdict.repeat > 1 or (verdict.status == "ok" and not (verdict.answer and verdict.prompt)):
            problem = "a verdict that the form has no place for"
            wanted = "one repeat, with the judge's words and the instruction"
            raise ReleaseError(problem, got=verdict.id, wanted=wanted, where=file.name)
    judge = file.head.judge.name.replace("/", "_")
    make: Callable[[VerdictFile, str], dict[str, bytes]]
    make = {UPSTREAM: _upstream_files, KIWI: _kiwi_files, OPENVE_CSV: _openve_files}[form]
    written = []
    for name, data in make(file, judge).items():
        write_atomic(out / name, data)
        written.append(out / name)
    return written


def _scored(file: VerdictFile) -> list[Verdict]:
    """The verdicts with scores, in the order of ids: the only ones that those programs write."""
    return [verdict for verdict in file.verdicts if verdict.status == "ok"]


def _upstream_files(file: VerdictFile, judge: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for theme in file.head.bench.expected:
        lines = [
            dump_line(
                {
                    "id": verdict.id,
                    "prompt": verdict.prompt,
                    "edit_type": theme,
                    "subtheme": verdict.subtheme,
                    "scene": verdict.scene,
                    "scores": verdict.scores,
                    "result": verdict.answer,
                }
            )
            for verdict in _scored(file)
            if verdict.theme == theme
        ]
        if lines:  # an empty file is what upstream's program never judges again
            files[f"{theme}_{judge}_sparkle_score.jsonl"] = b"".join(lines)
    return files


def _kiwi_files(file: VerdictFile, judge: str) -> dict[str, bytes]:
    lines = (
        json.dumps(
            {
                "scores": verdict.scores,
                "prompt": verdict.prompt,
                "edited_type": verdict.theme,
                "result": verdict.answer,
            }
        )
        for verdict in _scored(file)
    )
    return {f"openve_{judge}_score.jsonl": "".join(f"{line}\n" for line in lines).encode()}


def _openve_files(file: VerdictFile, judge: str) -> dict[str, bytes]:
    text = csv_line([*_RESULT_COLUMNS])
    means: dict[str, list[float]] = {}
    for verdict in file.verdicts:
        row = [verdict.theme, verdict.prompt or "", f"videos/{verdict.id}.mp4", f"{verdict.id}_edited.mp4"]
        if verdict.status == "ok":
            scores = [score for score in verdict.scores or () if score is not None]
            mean = round(sum(scores) / len(scores), 2)
            means.setdefault(verdict.theme, []).append(mean)
            row += [(verdict.answer or "").replace("\n", "\\n"), f"{mean}"]
        else:
            reason, kind = (
                verdict.reason or verdict.status,
                _NOT_FOUND if verdict.status == "missing" else _ERROR,
            )
            row += [reason if reason.startswith(f"{kind}:") else f"{kind}: {reason}", _ERROR]
        text += csv_line(row)
    return {f"{judge}.csv": text.encode(), f"{judge}_stats.json": dump_document(_openve_stats(means))}


def _openve_stats(means: dict[str, list[float]]) -> dict[str, Any]:
    """The figures that OpenVE-Bench's program writes beside its table."""
    every = [mean for some in means.values() for mean in some]

    def average(some: Sequence[float]) -> float | None:
        return round(sum(some) / len(some), 2) if some else None

    return {
        "overall_average": average(every),
        "type_averages": {name: average(some) for name, some in means.items()},
        "total_processed": len(every),
        "total_valid_scores": len(every),
        "breakdown_by_type": {
            name: {
                "count": len(some),
                "average": average(some),
                "original_count": len(some),
                "invalid_count": 0,
            }
            for name, some in means.items()
        },
    }
