"""A report: tables of models, comparisons of models and of judges, as one document and the files beside it.

- It is made of files of verdicts and of nothing else, and nothing depends on the clock: the same verdicts
  give the same bytes.
- Files of the same bench, rubric and judge are rows of one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkle.builders.bench.agreement import agree
from sparkle.builders.bench.audited import JudgeAudit, judge_key, read_audit
from sparkle.builders.bench.pairs import compare
from sparkle.builders.bench.resampling import LEVEL, RESAMPLES
from sparkle.builders.bench.tables import ModelTable
from sparkle.builders.bench.verdicts import VerdictFile, read_verdicts
from sparkle.schemas.calibration import Calibration, read_calibration
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.validate import Finding
from sparkle.schemas.verdicts import BASELINES, VerdictsHead

FORMAT, VERSION = "sparkle-bench-report", 1


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        document: Every number, as JSON values.
        tables: What it was made of.
        findings: What does not count in the files of verdicts.
        audits: What audits found of the judges of tables, by `judge_key`.
    """

    document: dict[str, Any]
    tables: tuple[ModelTable, ...]
    findings: tuple[Finding, ...]
    audits: dict[str, JudgeAudit]


def make_report(
    paths: Sequence[Path],
    *,
    lowest: bool = False,
    resamples: int = RESAMPLES,
    audits: Sequence[Path] = (),
    calibrations: Sequence[Path] = (),
) -> Report:
    """Report on files of verdicts.

    Args:
        paths: The files.
        lowest: Whether an edit that is missing or unusable has the lowest score.
        resamples: How many draws intervals are of.
        audits: Audits of judges, to be shown beside their tables.
        calibrations: Calibrations of judges, for columns on the scale of their references.

    Raises:
        ReleaseError: a file cannot be read, or two are of the same model by the same judge.
        ConfigError: two judges are to be compared, and the extra `bench` is not installed.
    """
    grouped: dict[str, dict[str, VerdictFile]] = {}
    findings: list[Finding] = []
    for path in paths:
        file = read_verdicts(path)
        same = grouped.setdefault(file.head.table(), {})
        if earlier := same.get(file.head.model):
            raise ReleaseError(
                "two files have verdicts on the same model by the same judge",
                got=f"{earlier.name} and {file.name}: {file.head.model} by {file.head.judge.name}",
                wanted="one file per model and judge",
            )
        if not file.verdicts:
            raise ReleaseError("the file has no verdicts", where=file.name)
        same[file.head.model] = file
        findings += file.findings
    groups = [list(files.values()) for files in grouped.values()]
    maps = _read_calibrations(calibrations, [files[0].head for files in groups])
    tables = [
        ModelTable(files, lowest=lowest, resamples=resamples, calibration=maps.get(judge_key(files[0].head)))
        for files in groups
    ]
    tables.sort(key=lambda table: (table.head.bench.name, table.head.judge.name, table.head.table()))
    audited = _read_audits(audits, {judge_key(table.head) for table in tables})
    document = {
        "format": FORMAT,
        "version": VERSION,
        "level": LEVEL,
        "resamples": resamples,
        "missing_have_the_lowest": lowest,
        "tables": [_table(table, audited.get(judge_key(table.head))) for table in tables],
        "judges": agree(tables),
        "findings": len(findings),
    }
    return Report(document, tuple(tables), tuple(findings), audited)


def _read_audits(paths: Sequence[Path], judges: AbstractSet[str]) -> dict[str, JudgeAudit]:
    """Audits by judge; each is of one that is reported on."""
    found: dict[str, JudgeAudit] = {}
    for path in paths:
        of = {judge_key(judge): judge for judge in read_audit(path).judges}
        if not judges & of.keys():
            names = ", ".join(judge.judge.name for judge in of.values()) or "none"
            wanted = "one whose verdicts are reported on, with the same settings and rubric"
            raise ReleaseError("an audit of other judges", got=names, wanted=wanted, where=path)
        for key, judge in of.items():
            if found.setdefault(key, judge) != judge:
                raise ReleaseError("two audits of the same judge", got=judge.judge.name, where=path)
    return {key: judge for key, judge in found.items() if key in judges}


def _read_calibrations(paths: Sequence[Path], heads: Sequence[VerdictsHead]) -> dict[str, Calibration]:
    """Calibrations by judge; each is of one that is reported on."""
    found: dict[str, Calibration] = {}
    for path in paths:
        calibration = read_calibration(path)
        for head in heads:
            same = head.judge == calibration.judge and plain(head.rubric) == plain(calibration.rubric)
            if same and found.setdefault(judge_key(head), calibration) != calibration:
                raise ReleaseError("two calibrations of the same judge", got=head.judge.name, where=path)
        if calibration not in found.values():
            raise ReleaseError(
                "a calibration of another judge",
                got=f"{calibration.judge.name}, {calibration.rubric.name}",
                wanted="one whose verdicts are reported on, with the same settings and rubric",
                where=path,
            )
    return found


def _table(table: ModelTable, audit: JudgeAudit | None) -> dict[str, Any]:
    head = table.head
    known = {} if audit is None else {"audit": plain(audit)}
    if table.calibration is not None:
        known["calibration"] = plain(table.calibration)
    return {
        "id": head.table(),
        "bench": plain(head.bench),
        "rubric": plain(head.rubric),
        "judge": plain(head.judge),
        **known,
        "themes": list(table.themes),
        "keys": list(table.keys),
        "rows": table.rows_json(),
        "pairs": compare(table),
        "lacks_baselines": _lacking(table),
    }


def _lacking(table: ModelTable) -> list[str]:
    """The baselines that have no row; none of another bench than those that baselines are made of."""
    if not {*table.head.bench.expected} <= {*THEMES}:
        return []
    models = {row.model for row in table.rows}
    return [name for name in BASELINES if name not in models]
